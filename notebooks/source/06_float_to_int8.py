# %% [markdown]
# # 06 · Float to int8: what is lost on the way?
#
# **After this notebook you will be able to** compute a scale and a zero point, quantize weights
# and activations and bring them back, say how large the error is and what it costs a network, and
# choose and distrust calibration data.
#
# About 90 minutes, in two sessions: 70 until the break before *Predict: calibration*, 20 from there
# on. If there is only one session, leave the second out; if that one is short, *How large is the
# error?* as well.
#
# Accuracies are of whole test sets, unless it says *validation*.

# %%
from course_utils import env
env.check_kernel()

# %% [markdown]
# ## A few codes for a range of numbers
#
# A code $q$ is a small integer. It stands for the real number
#
# $$r = S \, (q - Z)$$
#
# with a **scale** $S$, the distance between two neighbours, and a **zero point** $Z$, the code
# that means exactly zero. The lecture's slide "How do we Quantize?" ends with *reconstructed 32-bit
# float values*: these $r$.

# %%
from course_utils.labs.float_to_int8 import explorers, lecture

explorers.affine_mapping()

# %% [markdown]
# Try the buttons:
#
# - *after a ReLU*, which turns negative numbers into zero, no number is negative. *The same,
#   symmetric* leaves half of the codes unused. (*Symmetric* means $Z = 0$ and as many codes on
#   either side.)
# - *a range without zero* is widened. Padding and ReLU make zeros, and a zero that comes back as
#   0.03 would be added up at every border of every image.
# - *a number out of range* gets the last code. It is clipped, or **saturated**.
# - *halfway between two codes* is a tie: both neighbours are half a step away. This laboratory goes
#   away from zero, as the converter of LiteRT does (LiteRT is TensorFlow Lite's new name);
#   `np.round` goes to the even code. Your functions may do either.
#
# ## Predict

# %%
from course_utils.views import checks
from course_utils.labs.float_to_int8 import scenes

# %%
checks.predict(
    "06.codes",
    "The layer dense1 of the Fashion-MNIST network has 51,200 weights. Quantized to 8 bits, from "
    "minus its largest magnitude to plus it, how many of the 255 codes (-127 to 127) does it use?",
    {
        "fewer than 64": (0, 64),
        "64 to 150": (64, 151),
        "151 to 230": (151, 231),
        "231 to 255": (231, 256),
    },
    unit="codes",
    reveal=lambda: scenes.mapping(("fashion_cnn", "dense1", "weights"), 8).codes_used,
    because="A few weights far out stretch the range, and between them and the many small ones "
    "there are codes that no weight takes.",
)

# %%
checks.predict(
    "06.outlier",
    "Which costs more of the weights' precision: one outlier that doubles the range, or one bit "
    "less?",
    ["the outlier", "one bit less", "both cost about the same"],
    reveal=scenes.outlier_or_bit,
    because="Both make every step S twice as wide: a factor of 2 in the error, or 6.02 dB.",
)

# %%
checks.predict(
    "06.four_bits",
    "fashion_dscnn is a depthwise separable network, the kind that phones run: depthwise layers "
    "filter each channel alone, layers of 1 by 1 then mix the channels. All its weights are "
    "rounded to 4 bits, with one symmetric scale for each tensor. Its test accuracy, "
    f"{scenes.accuracy('fashion_dscnn', 32).value:.0f} % in float32, becomes ...",
    {
        "above 88 %": (88, 100),
        "75 to 88 %": (75, 88),
        "50 to 75 %": (50, 75),
        "below 50 %": (0, 50),
    },
    unit="%",
    reveal=lambda: scenes.accuracy("fashion_dscnn", 4, "per tensor, symmetric"),
    because="Folding the batch normalization into the weights gives every channel its own size, "
    "and with one scale for all of them the small channels are left with a handful of codes. At "
    "four bits the scheme decides: with a scale for each channel this network loses far less.",
)

# %% [markdown]
# ## Explore a real layer
#
# All that again, with one tensor of a trained network. The values and the range that the codes
# cover; the staircase that turns a value into its reconstruction; which codes are used; the error
# in units of a step; the signal to quantization noise ratio (SQNR: how much larger the values are
# than their errors, in decibels; 20 dB more are errors a tenth as large); and the accuracy of the
# network with this layer quantized.

# %%
checks.after(("06.codes", "06.outlier", "06.four_bits"), explorers.mapping)

# %% [markdown]
# Things to look for:
#
# - **bits**: what does each bit less do to the step? The error stays within half a step, evenly
#   spread.
# - **range**: below 100 % the tails are clipped, and their errors leave ±½ S. With few bits a
#   little clipping *raises* the SQNR: finer steps for the many outweigh the loss of the few. (Try 3
#   bits and 60 %.) Does the accuracy agree?
# - **narrow range**: leaves out the smallest code, so that both signs have equally many.
# - **per channel**: a scale for each channel. On the depthwise layer of *fashion_dscnn* every
#   channel gets a staircase of its own, the widest and the narrowest are drawn.
#
# This layer alone is quantized, or *all layers*; everything else stays in float32. What the three
# curves show was recorded on the test set, at 100 % of the range. Any other setting is measured as
# you move, on 1,000 validation images (a diamond): a range is *chosen*, and choosing is not done on
# test images.
#
# An activation after a ReLU has no negative values. What does *symmetric* cost there? Compare it
# with *affine*, which spends no codes on negative numbers, in one bit less:

# %%
checks.after(("06.codes", "06.outlier", "06.four_bits"), explorers.after_a_relu)

# %% [markdown]
# ## Explain
#
# ### The scale and the zero point
#
# The **affine** scheme puts $x_{min}$ at the smallest code and $x_{max}$ at the largest:
#
# $$S = \frac{x_{max} - x_{min}}{q_{max} - q_{min}} \qquad
# Z = \mathrm{round}\left(q_{min} - \frac{x_{min}}{S}\right)$$
#
# For $b$ bits, $q_{min} = -2^{b-1}$ and $q_{max} = 2^{b-1} - 1$. If the range leaves out zero,
# widen it first, on whichever side it must be. `x_min` and `x_max` are two numbers. Return two: the
# scale, then the zero point as an integer, rounded to the nearest.

# %%
import numpy as np


def affine(x_min, x_max, num_bits):
    # BEGIN SOLUTION
    q_min, q_max = -(2 ** (num_bits - 1)), 2 ** (num_bits - 1) - 1
    x_min, x_max = min(x_min, 0.0), max(x_max, 0.0)
    scale = (x_max - x_min) / (q_max - q_min)
    return scale, int(np.round(q_min - x_min / scale))
    # END SOLUTION


checks.check("06.affine", affine)

# %% [markdown]
# The **symmetric** scheme fixes $Z = 0$, and LiteRT uses it for weights: with $Z = 0$ a term of
# every multiplication disappears (notebook 07). It also leaves out the code −128, the *narrow
# range*, so that positive and negative weights have equally many codes:
#
# $$S = \frac{\max |w|}{2^{b-1} - 1}$$
#
# `weights` is an array of any shape; one number is returned for all of it.


# %%
def symmetric_scale(weights, num_bits):
    # BEGIN SOLUTION
    return np.max(np.abs(weights)) / (2 ** (num_bits - 1) - 1)
    # END SOLUTION


checks.check("06.symmetric", symmetric_scale)

# %% [markdown]
# ### To a code and back
#
# $$q = \mathrm{clip}\left(\mathrm{round}\left(\frac{x}{S}\right) + Z,\; q_{min},\; q_{max}\right)
# \qquad \hat{x} = S \, (q - Z)$$
#
# `x` is an array of any shape, the other four are numbers; return an array of codes of that shape.
# NumPy has `np.round` and `np.clip`; `int` takes no arrays, and `astype(int)` does not round.


# %%
def quantize(x, scale, zero_point, qmin, qmax):
    # BEGIN SOLUTION
    return np.clip(np.round(x / scale) + zero_point, qmin, qmax)
    # END SOLUTION


checks.check("06.quantize", quantize)

# %% [markdown]
# Now back. `q` arrives as an array of `int8`, the other two are numbers. Arithmetic between small
# integers stays small: what is 127 − (−128) in 8 bits?


# %%
def dequantize(q, scale, zero_point):
    # BEGIN SOLUTION
    return scale * (q.astype(np.int32) - zero_point)
    # END SOLUTION


checks.check("06.dequantize", dequantize)

# %% [markdown]
# `course_utils.numbers.quantization` holds these functions with the converter's own rounding of
# ties; its tests compare them with the int8 weights in converted files, and all are equal. Five
# real weights on their way:

# %%
explorers.five_weights()

# %% [markdown]
# ### Your functions, on a real network
#
# Your three functions quantize every layer, and the network classifies all test images with the
# weights that come back. Move `bits`.

# %%
bits = 8
explorers.by_hand(
    checks.yours("06.symmetric", symmetric_scale, scenes.scale_of),
    checks.yours("06.quantize", quantize, scenes.quantize),
    checks.yours("06.dequantize", dequantize, scenes.dequantize),
    "fashion_cnn",
    bits,
)

# %% [markdown]
# A code that differs from the laboratory's would be a tie that your rounding decides in another
# way. Among real weights, are there any?

# %% [markdown]
# ### How large is the error?
#
# If no value is clipped, an error lies between $-S/2$ and $S/2$. Spread evenly over that interval
# it has the variance $S^2/12$, and $S$ is the range over $2^b$. In decibels,
#
# $$\mathrm{SQNR} = 10 \log_{10} \frac{\sum x^2}{\sum (x - \hat{x})^2}
# \approx 6.02\, b + \mathrm{const.}$$
#
# The constant is the tensor's: how wide its range is beside its typical value. An outlier lowers
# it, a better fitting range raises it, and both can be counted in bits.

# %%
explorers.signals()

# %% [markdown]
# With few bits the weights' points fall under their lines: in 2 bits the narrow range has three
# codes, not four. The activations lie above theirs: many of them are exactly zero (the table after
# the explorer says how many), and zero has no error.

# %% [markdown]
# ## Per tensor or per channel
#
# Batch normalization multiplies each channel by a constant and adds one. A converter does that
# ahead of time, to the weights (it *folds* the two constants in), and only then quantizes:
#
# $$w' = w \cdot \frac{\gamma}{\sqrt{\sigma^2 + \varepsilon}} \qquad
# b' = \beta - \mu \cdot \frac{\gamma}{\sqrt{\sigma^2 + \varepsilon}}$$

# %%
explorers.channel_sizes("fashion_dscnn", "depthwise1")

# %% [markdown]
# One scale must serve the largest channel. The smallest then gets few codes:

# %%
explorers.smallest_channel(4)

# %% [markdown]
# **Per channel**, each output channel has a scale of its own. Its results leave the layer through
# an accumulator of their own, so that another scale costs one multiplication at the end. (An
# *input* channel's products are added to those of the others: there it would not work.)
#
# Write the symmetric scales of a convolution's kernel, whose axes are height, width, inputs, filters.
# The filters are the output channels: return an array of one axis, a scale for each filter. (In
# NumPy's `max` and `min`, `axis` may be a tuple; it names the axes that *disappear*.)


# %%
def channel_scales(kernel, num_bits):
    # BEGIN SOLUTION
    return np.max(np.abs(kernel), axis=(0, 1, 2)) / (2 ** (num_bits - 1) - 1)
    # END SOLUTION


checks.check("06.channels", channel_scales)

# %% [markdown]
# Your scales, for every layer of a network. A dense layer's kernel is given to your function as a
# convolution's with a window of 1 by 1.

# %%
explorers.scales_compared(checks.yours("06.channels", channel_scales, scenes.channel_scales), 3)

# %% [markdown]
# What it buys on a network for phones, trained on ImageNet, layer by layer:

# %%
explorers.channels()

# %% [markdown]
# ## Measure: all weights in 2 to 16 bits
#
# All kernels of a network in $b$ bits, the activations in float32, on the whole test set. The bands
# are 95 % intervals.

# %%
checks.after("06.four_bits", explorers.bit_curves)

# %%
checks.after("06.four_bits", explorers.losses_by_bits)

# %% [markdown]
# Eight bits cost next to nothing, whatever the scheme. With four, compare the two schemes for each
# network. What that looks like, on the first ten test images:

# %%
checks.after("06.four_bits", explorers.garments_by_bits)

# %% [markdown]
# One point in the left panel above looks like a misprint: per tensor, symmetric, 5 bits do worse than
# 4. Nearly all
# of it comes from the 144 weights of the first layer, quantized alone:

# %%
explorers.first_layer_alone()

# %% [markdown]
# The error got smaller, as it must, and the accuracy sank. SQNR counts how large the errors are;
# the network also cares which way they point, and 144 of them need not average out. That is why a
# quantized network is measured, not only computed.
#
# Repeat a small part of it here, on this machine, with 1,000 validation images:

# %% tags=["nbval-ignore-output"]
from course_utils.views import widgets

quantized, float32 = scenes.measure(
    "fashion_dscnn", 4, "per tensor, symmetric", track=lambda s: widgets.progress(s, "Measuring")
)
checks.after("06.four_bits", lambda: explorers.measured_here(quantized, float32))

# %% [markdown]
# **A break here.** The second session is about activations. In a new session run the cells above
# first (Run › Run All Above Selected Cell).

# %% [markdown]
# ## Predict: calibration
#
# Weights lie there to be measured. Activations depend on the input, so their ranges are measured
# on some inputs before the network is shipped: **calibration**. Four ways to get from the values
# seen to a range:
#
# | method | range |
# |---|---|
# | min–max | everything seen |
# | percentile | without the outermost 0.1 % on either side |
# | mean squared error | shrunk until the mean squared error is least |
# | moving average | of every input's own minimum and maximum |
#
# "Random" below is the same at every run: the generator starts from a fixed *seed*, a number that
# the record states.

# %%
calibrated = "06.noise", "06.scaled", "06.more"
losses = {
    "less than 1 point": (-100, 1),
    "1 to 10 points": (1, 10),
    "10 to 30 points": (10, 30),
    "more than 30 points": (30, 100),
}

# %%
checks.predict(
    "06.noise",
    "fashion_cnn in int8, weights and activations, calibrated by min-max on 100 images of random "
    "noise instead of clothes. How much test accuracy does that cost?",
    losses,
    unit="points",
    reveal=lambda: scenes.calibration_loss("fashion_cnn", "noise"),
    because="The later layers answer to shapes, and noise has none: their ranges come out too "
    "narrow, and on clothes their strongest values are clipped.",
)

# %%
checks.predict(
    "06.scaled",
    "And with the right images, but with pixels from 0 to 255, where training had 0 to 1?",
    losses,
    unit="points",
    reveal=lambda: scenes.calibration_loss("fashion_cnn", "wrong scale"),
    because="Every range comes out 255 times too wide, so that all real values of a layer share "
    "one code or two of the 256. Eight bits become one. (ReLU6, a ReLU that ends at 6, keeps most "
    "ranges of the depthwise network right, so that it loses less; its input is ruined all the "
    "same.)",
)

# %%
checks.predict(
    "06.more",
    "fashion_dscnn with activations in 4 bits, ranges by min-max: what does calibrating on all "
    "7,000 training images do to its test accuracy, compared with calibrating on a single one?",
    [
        "it rises by more than 5 points",
        "it stays within 5 points",
        "it falls by more than 5 points",
    ],
    reveal=lambda: scenes.more_data("fashion_dscnn", bits=4),
    because="The more inputs, the more extreme the most extreme value: a range by min-max can only "
    "grow, and with 16 codes every bit of its width is taken from all other values. The watch, too, "
    "loses most when it is calibrated on everything.",
)

# %% [markdown]
# ### Explore
#
# Left, the real values of one activation and the range that the calibration found. Right, the
# accuracy of every choice. Move from 8 bits to 4.

# %%
checks.after(calibrated, lambda: explorers.calibration("fashion_cnn"))

# %% [markdown]
# The depthwise network ends most layers with a ReLU6, which never gives more than 6. Compare its
# rows *noise* and *wrong scale* with the ones above.

# %%
checks.after(calibrated, lambda: explorers.calibration("fashion_dscnn"))

# %%
checks.after(calibrated, explorers.losses_by_calibration)

# %% [markdown]
# In **8 bits** little is needed, and not what one would think:
#
# - *Ten images do*, and 100 of one class do as well as 100 of all. A range is made by a few extreme
#   values, and each image has thousands of values.
# - *Noise*: compare the ranges that it gives to the layers, from the first to the last.

# %%
explorers.ranges_found(("100 inputs", "one class", "noise"))

# %% [markdown]
# - *The wrong scale* of the watch (standardization forgotten) costs nothing that can be measured:
#   the raw numbers happen to be about as large. *A mistake need not show in the accuracy.*
#
# In **4 bits** it matters how the range is found. Go down the columns of the table from one input
# to all. A percentile or the mean squared error leaves the extremes out; the explorers show what
# that wins back.

# %% [markdown]
# ### How many inputs, and which?
#
# One draw of the calibration inputs may be lucky. Ten draws of each size, by min–max, on the
# validation images; and 100 inputs of a single class, for each of the ten classes.

# %%
checks.after(calibrated, lambda: explorers.draws("fashion_cnn"))

# %% [markdown]
# One image can be good enough or cost many points, and you would not know which. Ten are never far
# off in 8 bits. In 4 bits, do a thousand serve better than ten?

# %% [markdown]
# ## Measure: beside the lecture

# %%
checks.beside_lecture(lecture.rows(), lecture.CAPTION)

# %% [markdown]
# ## The survey's words
#
# The lecture's first paper for discussion sorts the methods by a few words. You have moved each of
# them:
#
# | word | meaning | where you met it |
# |---|---|---|
# | uniform | all steps equally wide | the staircase in [Explore a real layer](#Explore-a-real-layer). Not uniform: floating point, notebook 05, and codebooks, which this suite leaves out |
# | symmetric, asymmetric | $Z = 0$, or $Z$ where zero falls | the tick box *symmetric*; [The scale and the zero point](#The-scale-and-the-zero-point) |
# | granularity | one scale for a tensor, or one for each channel | the tick box *per channel*; [Per tensor or per channel](#Per-tensor-or-per-channel) |
# | clipping range, calibration | which values get a code at all | the slider *range*; [Predict: calibration](#Predict:-calibration) |
# | static | activations' ranges are found ahead | [How many inputs, and which?](#How-many-inputs,-and-which?) Dynamic: found anew for each input, notebook 08 |
# | simulated | rounded to codes, but computed in float | [Measure: all weights in 2 to 16 bits](#Measure:-all-weights-in-2-to-16-bits). Integer-only: notebook 07 |
# | post-training | the weights stay as trained | this whole notebook. Quantization-aware training: notebook 09 |

# %% [markdown]
# ## Check yourself

# %%
checks.scoreboard()

# %% [markdown]
# ## Read next
#
# - Gholami et al., *A Survey of Quantization Methods for Efficient Neural Network Inference*
#   (arXiv:2103.13630), the lecture's first paper for discussion. Sections III and IV are about what
#   you moved here.
# - Jacob et al., *Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
#   Inference* (arXiv:1712.05877): the scheme that LiteRT uses, folding included.
# - Frankle and Carbin, *The Lottery Ticket Hypothesis* (arXiv:1803.03635), the other paper: what
#   pruning, instead of rounding, leaves of a network.
