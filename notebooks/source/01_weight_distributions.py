# %% [markdown]
# # 01 · Weight distributions: how small is "a small range"?
#
# **After this notebook you will be able to** describe a layer's weights by their spread σ, say
# what share of them lies within ±1σ and how far the largest lies beyond, and explain which part
# of float32 they leave unused.
#
# About 30 minutes. The networks are this laboratory's own and EfficientNet-Lite0, an ImageNet
# network for phones, as histograms of its real float32 weights.

# %%
try:
    from course_utils import env
except ModuleNotFoundError:
    raise ImportError("Wrong kernel: run `python lab.py`, then open this notebook.") from None
env.check_kernel()

# %% [markdown]
# ## Predict
#
# The lecture shows AlexNet's weights and says that most are "concentrated in a small range". A
# normal distribution has 68.3 % of its values within one standard deviation of the mean.

# %%
import numpy as np

from course_utils.views import checks
from course_utils.numbers.distributions import NORMAL_WITHIN_1_SIGMA
from course_utils.labs.weight_distributions import scenes

lite0 = scenes.efficientnet_lite0()
within = np.array([d.within[0] for d in lite0.distributions])

# %%
checks.predict(
    "01.concentrated",
    f"In how many of EfficientNet-Lite0's {len(within)} layers do more than 68.3 % of the weights "
    "lie within ±1σ?",
    {
        "fewer than a quarter": (0, len(within) / 4),
        "a quarter to a half": (len(within) / 4, len(within) / 2),
        "a half to three quarters": (len(within) / 2, len(within) * 3 / 4),
        "more than three quarters": (len(within) * 3 / 4, len(within) + 1),
    },
    unit="layers",
    reveal=lambda: int((within > NORMAL_WITHIN_1_SIGMA).sum()),
    because="A layer with a sharp peak and long tails has more of its weights near the middle: "
    "the few large ones stretch σ.",
)

# %% [markdown]
# ## Explore
#
# One layer at a time, from input to output. The upper plot is in units of the layer's own σ, so
# that layers can be compared. With a logarithmic count you see the tails that the linear one
# hides.

# %%
from course_utils.labs.weight_distributions import explorers

checks.after("01.concentrated", explorers.distributions)

# %% [markdown]
# Watch the depthwise layers of EfficientNet-Lite0, which have few weights. They will return in
# notebook 06, where one scale has to serve a whole layer.

# %% [markdown]
# ## Explain
#
# The spread of a layer's $n$ weights is their standard deviation,
#
# $$\sigma_l = \sqrt{\frac{1}{n} \sum_i (w_i - \bar w)^2},$$
#
# and a weight is within ±kσ when its distance from the mean is at most k times σ. Write the share
# of the weights that are: a number from 0 to 1.


# %%
def share_within(weights, k):
    # BEGIN SOLUTION
    distance = np.abs(weights - np.mean(weights))
    return np.mean(distance <= k * np.std(weights))
    # END SOLUTION


checks.check("01.share", share_within)

# %% [markdown]
# ## Measure
#
# "Concentrated" as a number for every layer of every network here. A layer passes if its share
# within ±1σ is above the normal distribution's. The first table counts layers; the one below
# it tells each layer's size, since a small layer can miss the mark by chance.

# %%
rows = []
for layers in [*scenes.own_networks(), lite0]:
    shares = np.array([d.within[0] for d in layers.distributions])
    above = int((shares > NORMAL_WITHIN_1_SIGMA).sum())
    rows.append(
        checks.Row(
            layers.network,
            lecture="most weight values are concentrated in a small range",
            claim=above > len(shares) / 2,
            measured=checks.Measured(above, unit=f"of {len(shares)} layers"),
            topic="Weight Ranges",
            why=f"Within ±1σ: {shares.min():.1%} of the weights in the flattest layer, "
            f"{shares.max():.1%} in the most peaked.",
        )
    )
caption = "In how many layers more than 68.3 % of the weights lie within ±1σ"
checks.after("01.concentrated", lambda: checks.beside_lecture(rows, caption))

# %% [markdown]
# Every layer of the suite's own networks, in numbers:

# %%
for layers in scenes.own_networks():
    print(layers.network)
    for name, d in zip(layers.names, layers.distributions, strict=True):
        print(f"  {name:12} {d.count:7,} weights  σ {d.std:.3f}  within ±1σ {d.within[0]:.1%}")

# %% [markdown]
# The range itself is set by very few weights. How far out does the farthest lie, and how much of
# the range from the smallest to the largest weight holds 99.8 % of them?

# %%
for layers in [*scenes.own_networks(), lite0]:
    middle = [(d.quantiles[-2] - d.quantiles[1]) / (d.high - d.low) for d in layers.distributions]
    print(
        f"{layers.network:20} farthest weight, median layer {np.median(layers.largest):5.1f} σ, "
        f"most {layers.largest.max():5.1f} σ; 99.8 % of the weights in "
        f"{np.median(middle):.0%} of the range (median layer)"
    )

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

# %%
checks.after("01.used", lambda: explorers.say_exponents(exponents))

# %% [markdown]
# ### Explain
#
# Count them yourself: how many different exponents do a layer's nonzero weights have?
# `np.frexp(weights)` returns a fraction and an exponent for each weight.


# %%
def exponents_used(weights):
    # BEGIN SOLUTION
    fraction, exponent = np.frexp(weights[weights != 0])
    return len(np.unique(exponent))
    # END SOLUTION


checks.check("01.bits", exponents_used)

# %% [markdown]
# ## Check yourself

# %%
checks.scoreboard()

# %% [markdown]
# ## Read next
#
# - Notebook 02 removes the weights in the middle.
# - Han, Mao and Dally, *Deep Compression* (arXiv:1510.00149), from which the lecture's histogram
#   of AlexNet comes: what pruning, shared values and Huffman codes make of such a distribution.
