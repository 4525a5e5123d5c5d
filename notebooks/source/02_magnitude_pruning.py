# %% [markdown]
# # 02 · Magnitude pruning: how much can go?
#
# **After this notebook you will be able to** prune a trained network by magnitude, choose a
# threshold for each layer, and say what a sparse network saves: in which format, and where not.
#
# About 45 minutes. Every accuracy below comes from running the pruned network on whole data sets.

# %%
from course_utils import env
env.check_kernel()

# %% [markdown]
# ## Predict
#
# The lecture's rule sets small weights to zero:
#
# $$\text{thresh}(w_i) = \begin{cases} w_i & \text{if } |w_i| > \lambda \\
# 0 & \text{if } |w_i| \le \lambda \end{cases} \qquad \lambda = s \cdot \sigma_l$$
#
# where $\sigma_l$ is the standard deviation of layer $l$'s weights.

# %%
from course_utils.machines import data
from course_utils.views import checks
from course_utils.labs.magnitude_pruning import explorers, lecture, scenes

sweep = scenes.pruning_sweep("fashion_cnn")

# %%
checks.predict(
    "02.half",
    "With the same s in every layer, about half of the Fashion-MNIST network's weights are "
    "removed. How much test accuracy does it lose, without any retraining?",
    {
        "less than 1 point": (-100, 1),
        "1 to 5 points": (1, 5),
        "5 to 20 points": (5, 20),
        "more than 20 points": (20, 100),
    },
    unit="points",
    reveal=sweep.loss_at_half,
    because="Half of the weights are small, but small is not useless when every layer, also the "
    "first and the last, loses half at once. Choosing an s for each layer does far better: below.",
)

# %% [markdown]
# ## Explore
#
# One $s$ for all layers. Everything below moves with it: the weights that fall, the mask, the
# share removed in each layer, the accuracy on all 10,000 test images, and the bytes.

# %%
checks.after("02.half", lambda: explorers.magnitude_pruning("fashion_cnn"))

# %% [markdown]
# Three things to look for:
#
# - where does the accuracy begin to fall, and does it fall at every step?
# - at the same $s$, layers lose different shares. Why? (Notebook 01: the shape of the histogram.)
# - the bytes *as stored* never change. A zero in a float32 array is four bytes long.
#
# An accuracy is made of garments. These are the first ten test images; a wrong answer is framed.
# Does an image that was answered wrongly stay wrong?

# %%
checks.after("02.half", explorers.answers)

# %% [markdown]
# ## Explain
#
# Write the two formulas. `magnitude_threshold` returns λ for one layer's weights;
# `magnitude_mask` returns an array of the same shape, `True` where the weight is kept.

# %%
import numpy as np


def magnitude_threshold(weights, s):
    # BEGIN SOLUTION
    return s * np.std(weights)
    # END SOLUTION


checks.check("02.threshold", magnitude_threshold)


# %%
def magnitude_mask(weights, threshold):
    # BEGIN SOLUTION
    return np.abs(weights) > threshold
    # END SOLUTION


checks.check("02.mask", magnitude_mask)

# %% [markdown]
# Together they prune a network. Your two functions do it here, beside what was recorded with the
# laboratory's own: they agree, row by row.

# %%
from course_utils.numbers import pruning

threshold_of = checks.yours("02.threshold", magnitude_threshold, pruning.magnitude_threshold)
mask_of = checks.yours("02.mask", magnitude_mask, pruning.magnitude_mask)


def prune(weights, s):
    return np.where(mask_of(weights, threshold_of(weights, s)), weights, 0)


checks.after("02.half", lambda: explorers.accuracy_of(prune))

# %%
checks.after("02.half", lambda: explorers.answers_of(prune, s=1.0))

# %% [markdown]
# ## One threshold per layer
#
# ### Predict

# %%
checks.predict(
    "02.sensitive",
    "80 % of one layer's weights are removed, and the other layers stay as they are. Once the "
    "layer is dense1: 40,960 of its 51,200 weights go. Once it is dense2: 512 of its 640. Which "
    "loses more accuracy?",
    scenes.PRUNED_ALONE,
    reveal=scenes.which_loses_more,
    because=scenes.why_the_ends_suffer(),
)

# %% [markdown]
# ### Explore

# %%
checks.after("02.sensitive", lambda: explorers.sensitivity("fashion_cnn"))

# %% [markdown]
# Now choose an $s$ for each layer. All 194,481 combinations of the sliders' positions have been
# measured on the 5,000 validation images. The grey points are the others, the line the best
# that any of them reaches. Choosing is done on validation images; the test images stay unseen
# until you have chosen.

# %%
checks.after(("02.half", "02.sensitive"), explorers.pruning_budget)

# %% [markdown]
# ### Choose
#
# Find one $s$ per layer (steps of 0.1 from 0 to 2) that removes at least 75 % of the weights and
# loses as little as you can. The check passes when at most five points of validation accuracy
# separate you from the best choice there is: the pale area of the picture. The answer is a
# dictionary with your numbers, such as
# `{"conv1": 0.5, "conv2": 0.5, "dense1": 0.5, "dense2": 0.5}`. The reply says what to move next.

# %%
my_s = {"conv1": 0.0, "conv2": 0.5, "dense1": 1.2, "dense2": 0.0}  # SOLUTION

checks.check("02.budget", my_s, evaluate=scenes.evaluate_budget, target=0.75, within=0.05)

# %% [markdown]
# The two ends suffer most if pruned *alone*. Once you have passed, the reply names the best choice
# of all: does it spare both ends? A sensitivity curve moves one layer while the others are dense;
# pruned together, layers act on one another, and a measured choice can differ from the rule.
#
# ## Measure
#
# You have chosen; now look at the test set, once.

# %%
explorers.choice_on_test(my_s)

# %% [markdown]
# ### Sparse is not yet small
#
# Zeros are cheap only in a format that leaves them out, and a format that leaves them out must
# say where they were. Four ways to store the kernels of the same pruned network:
#
# - *as stored*: four bytes for each weight, zeros too, as in a `.tflite` file;
# - *gzip*: the general-purpose compressor, which finds repeated bytes by itself;
# - *bitmap + values*: one bit for each weight, 1 where it is kept, then the kept values;
# - *8-bit gaps + values*: each kept value, and in one byte how many zeros lie before it.
#
# Each size is the length of an encoding that decodes back to the same weights.

# %%
network = data.checkpoint("fashion_cnn")

explorers.formats(network, (0.0, 0.5, 1.0, 1.5, 2.0))

# %% [markdown]
# At $s = 0$ the formats with indices are *larger* than the plain array: the indices have to be
# paid for. From which sparsity on does the bitmap take fewer bits than the dense array, when a
# value has 32 bits? Call the sparsity $p$, write down the bits of one weight in both formats, and
# ask where they are equal. The answer is a share between 0 and 1.

# %%
break_even = 1 / 32  # SOLUTION

checks.check("02.break_even", break_even, value_bits=32)

# %% [markdown]
# ### Sparse is not yet fast
#
# "We can skip the zeroes during inference", says the lecture, "up to 6x improvement". A matrix
# product that does not know about the zeros multiplies by them. Timed here, now, with the
# network's largest kernel:

# %% tags=["nbval-ignore-output"]
print(scenes.time_of_largest(network, s=1.5))

# %% [markdown]
# Skipping needs code written for it, on hardware that does not lose more by jumping than by
# multiplying.
#
# ### Beside the lecture
#
# The lecture's table gives the accuracy of pruned networks *after* retraining: it stands beside
# ours in [notebook 03](03_structured_pruning.ipynb), which prunes and trains on. What can be held
# against the lecture here is the bytes.

# %%
checks.beside_lecture(lecture.rows(), lecture.CAPTION)

# %% [markdown]
# ## Prune a network of your own
#
# Train a network now, and give it to the same explorer, a minute or two in all. Its accuracies are
# then measured here, on the whole test set. This is the only cell that starts TensorFlow. Remove
# the `#` to run it; in place of `fashion_cnn`, `fashion_dscnn`, `lenet_300_100` and `watch_cnn`
# work too.

# %%
# from course_utils.machines import training
# from course_utils.views import widgets
#
# with widgets.progress_bar("Training") as report:
#     mine = training.train("fashion_cnn", epochs=4, progress=report)
# explorers.magnitude_pruning(mine)

# %% [markdown]
# ## Check yourself

# %%
checks.scoreboard()

# %% [markdown]
# ## Read next
#
# - Frankle and Carbin, *The Lottery Ticket Hypothesis* (arXiv:1803.03635), the lecture's second
#   paper for discussion: what if the surviving weights had been trained alone from the start?
# - Han et al., *Learning both Weights and Connections for Efficient Neural Networks*
#   (arXiv:1506.02626): the threshold $s \cdot \sigma_l$, and the retraining that this notebook
#   leaves out.
