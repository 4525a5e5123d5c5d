# %% [markdown]
# # 01 · Weight distributions: how small is "a small range"?
#
# **After this notebook you will be able to** say in numbers how concentrated a layer's weights
# are, by their spread σ, by the part of their range that they fill and by the few that lie far
# out; and explain which part of float32 they leave unused.
#
# About 30 minutes. The networks are this laboratory's own and EfficientNet-Lite0, an ImageNet
# network for phones, as histograms of its real float32 weights.

# %%
from course_utils import env
env.check_kernel()

# %% [markdown]
# ## Predict
#
# The lecture shows AlexNet's weights and says that most are "concentrated in a small range". Small
# compared with what? With the range from the smallest weight to the largest. Sort a layer's
# weights: if they were spread evenly, the middle half of them would fill half of that range.

# %%
import numpy as np

from course_utils.views import checks
from course_utils.labs.weight_distributions import exercises, explorers, lecture, scenes

lite0 = scenes.efficientnet_lite0()
layers = len(lite0.names)

# %%
checks.predict(
    "01.concentrated",
    f"In how many of EfficientNet-Lite0's {layers} layers does the middle half of the weights "
    "fill less than a tenth of the layer's range?",
    {
        "fewer than a quarter": (0, layers / 4),
        "a quarter to a half": (layers / 4, layers / 2),
        "a half to three quarters": (layers / 2, layers * 3 / 4),
        "more than three quarters": (layers * 3 / 4, layers + 1),
    },
    unit="layers",
    reveal=lambda: scenes.in_a_tenth(lite0),
    because="A few weights lie far out and stretch the range. The many stay near the middle, in a "
    "part of it that is small even beside a normal distribution's.",
)

# %% [markdown]
# ## Explore
#
# One layer at a time, from input to output. The upper plot is in units of the layer's own σ, so
# that layers can be compared; what lies farther out than its axis is counted in red at its ends.
# With a logarithmic count you see the tails that the linear one hides. Below stands the layer's
# range, and the part of it that the middle half fills.

# %%
checks.after("01.concentrated", explorers.distributions)

# %% [markdown]
# Things to look for:
#
# - the depthwise layers of EfficientNet-Lite0, which have few weights and long tails. They will
#   return in notebook 06, where one scale has to serve a whole layer;
# - the last layers of the suite's own networks, which are small. Is "concentrated" true of them?

# %% [markdown]
# ## Explain
#
# The spread of a layer's $n$ weights is their standard deviation,
#
# $$\sigma_l = \sqrt{\frac{1}{n} \sum_i (w_i - \bar w)^2},$$
#
# and a weight is within ±kσ when its distance from the mean $\bar w$ is at most k times σ. Write the
# share of the weights that are: a number from 0 to 1. `weights` is an array of any shape.


# %%
def share_within(weights, k):
    # BEGIN SOLUTION
    distance = np.abs(weights - np.mean(weights))
    return np.mean(distance <= k * np.std(weights))
    # END SOLUTION


checks.check("01.share", share_within)

# %% [markdown]
# Your function on every layer of the four networks, and on values that are no weights: some spread
# evenly, some normal.

# %%
scenes.shares_table(checks.yours("01.share", share_within, exercises.share_within))

# %% [markdown]
# Two things to see. The last column repeats the one within ±1σ: the share counts in σ, so it
# cannot tell a small range from a large one. And values spread evenly already have more than half of
# themselves within ±1σ. This share alone does not show that weights are concentrated. The next
# measures do.
#
# ## Measure
#
# The part of the range that the middle half fills, in every network here. A large layer has more
# chances of a weight far out, so each layer is also held against a normal distribution of as many
# values.

# %%
networks = [*scenes.own_networks(), lite0]
checks.after("01.concentrated", lambda: scenes.concentration_table(networks))

# %% [markdown]
# The range is set by very few weights. How far out does the farthest lie, how much of the range
# holds 99.8 % of a layer's weights, and how many lie beyond the plot's axis?

# %%
checks.after("01.concentrated", lambda: scenes.tails_table(networks))

# %% [markdown]
# Beside the lecture, whose statement is about the large layers of a large network:

# %%
checks.after("01.concentrated", lambda: checks.beside_lecture(lecture.rows(), lecture.CAPTION))

# %% [markdown]
# ## What this wastes
#
# A float32 has 8 bits of exponent: it can hold numbers from about $10^{-38}$ to $10^{38}$. The
# exponent says between which two powers of two a number lies.
#
# ### Predict

# %%
exponents = scenes.exponents(lite0)

# %%
checks.predict(
    "01.used",
    "8 bits tell 256 exponents apart. How few of them, the most used ones, are enough for 99 % of "
    "EfficientNet-Lite0's weights?",
    {
        "fewer than 5": (0, 5),
        "5 to 19": (5, 20),
        "20 to 79": (20, 80),
        "80 or more": (80, 257),
    },
    unit="exponents",
    reveal=lambda: exponents.used_by(0.99),
    because="All but 1 % of the weights lie between 1/4096 and 1/2. float32 spends 8 bits on each "
    "weight's exponent all the same. Notebook 05 shows formats that spend fewer; notebook 06 gives "
    "up the exponent and shares one scale.",
)

# %% [markdown]
# ### Explore
#
# How often each exponent occurs, and how many bits would tell the most used ones apart.

# %%
checks.after("01.used", lambda: explorers.exponents(lite0))

# %% [markdown]
# Is that because weights are concentrated? Held against values that are spread evenly, or normal:

# %%
checks.after("01.used", lambda: scenes.needed_table(networks))

# %% [markdown]
# Hardly: values spread evenly need even fewer. Half of them lie between half the largest value and
# the largest, a quarter in the power of two below, and so on. float32 is made for numbers that
# differ by far more than the weights of one network do.

# %% [markdown]
# ### Explain
#
# Count them yourself: how many different exponents do a layer's nonzero weights have?
# `np.frexp(weights)` returns two arrays, the fractions and the exponents of the weights. Zero has
# no exponent of its own: leave it out.


# %%
def exponents_used(weights):
    # BEGIN SOLUTION
    fraction, exponent = np.frexp(weights[weights != 0])
    return len(np.unique(exponent))
    # END SOLUTION


checks.check("01.bits", exponents_used)

# %% [markdown]
# Your count in every layer of the four networks:

# %%
mine = checks.yours("01.bits", exponents_used, exercises.exponents_used)
checks.after("01.used", lambda: scenes.exponents_table(mine))

# %% [markdown]
# ## Check yourself

# %%
checks.scoreboard()

# %% [markdown]
# ## Read next
#
# - [Notebook 02](02_magnitude_pruning.ipynb) removes the weights in the middle.
# - Han, Mao and Dally, *Deep Compression* (arXiv:1510.00149), from which the lecture's histogram
#   of AlexNet comes: what pruning, shared values and Huffman codes make of such a distribution.
