# %% [markdown]
# # 06 · Float to int8: what is lost on the way?
#
# **After this notebook you will be able to** compute a scale and a zero point, quantize weights
# and activations and bring them back, say how large the error is and what it costs a network, and
# choose and distrust calibration data.
#
# About 80 minutes, in two sessions: break before *Predict: calibration*. Every accuracy below was measured on whole data sets, quantized layer by layer.

# %%
try:
    from course_utils import env
except ModuleNotFoundError:
    raise ImportError("Wrong kernel: run `python lab.py`, then open this notebook.") from None
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
from course_utils.labs.float_to_int8 import explorers

explorers.affine_mapping()

# %% [markdown]
# Try the buttons:
#
# - *after a ReLU* no number is negative. *The same, symmetric* leaves half of the codes unused.
# - *a range without zero* is widened. Padding and ReLU make zeros, and a zero that comes back as
#   0.03 would be added up at every border of every image.
# - *a number out of range* gets the last code. It is clipped, or **saturated**.
#
# ## Predict

# %%
from course_utils.machines import data
from course_utils.numbers import quantization
from course_utils.views import checks
from course_utils.labs.float_to_int8 import scenes

# %%
checks.predict(
    "06.codes",
    "The layer dense1 of the Fashion-MNIST network has 51,200 weights. Quantized to 8 bits from "
    "its smallest to its largest weight, how many of the 255 codes (-127 to 127) does it use?",
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
    "fashion_dscnn is a depthwise separable network, the kind that phones run. All its weights are "
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
# in units of a step; the signal to quantization noise ratio (SQNR); and the accuracy of the network
# with this layer quantized.

# %%
checks.after(("06.codes", "06.outlier", "06.four_bits"), explorers.mapping)

# %% [markdown]
# Things to look for:
#
# - **bits**: what does each bit less do to the step? The error stays within half a step, evenly
#   spread.
# - **range**: below 100 % the tails are clipped, and their errors leave ±½ S. With few bits a
#   little clipping *raises* the SQNR: finer steps for the many outweigh the loss of the few. (Try 3
#   bits and 60 %.)
# - **activations**: after a ReLU, *symmetric* wastes half of the codes. How many bits is that?
# - **per channel**: on the depthwise layer of *fashion_dscnn* every channel gets a staircase of
#   its own, the widest and the narrowest are drawn.
#
# Accuracies are recorded at 100 % of the range, for the settings that the three curves show: this
# layer alone, or *all layers*. Everything else stays in float32.

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
# widen it first. Return both numbers, the zero point as an integer.

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


# %%
def quantize(x, scale, zero_point, qmin, qmax):
    # BEGIN SOLUTION
    return np.clip(np.round(x / scale) + zero_point, qmin, qmax)
    # END SOLUTION


checks.check("06.quantize", quantize)

# %% [markdown]
# Now back. `q` arrives as an array of `int8`.


# %%
def dequantize(q, scale, zero_point):
    # BEGIN SOLUTION
    return scale * (q.astype(np.int32) - zero_point)
    # END SOLUTION


checks.check("06.dequantize", dequantize)

# %% [markdown]
# `course_utils.numbers.quantization` holds these functions with the converter's own rounding of
# ties; its tests compare them with the int8 weights in converted files, and all are equal. Five real weights
# on their way:

# %%
weights = data.checkpoint("fashion_cnn").weights["dense1/kernel"]
low, high = quantization.min_max_range(weights)
qparams = quantization.choose_qparams(low, high, 8, symmetric=True, narrow_range=True)
print(f"S = {qparams.scale:.6f}, Z = {qparams.zero_point}")
print("   weight     code    back      error / S")
for w in weights[400, :5]:
    code = quantization.quantize(w, qparams)
    back = quantization.dequantize(code, qparams)
    print(f"{w:9.5f}   {code:5d}   {back:8.5f}   {(back - w) / qparams.scale:6.3f}")

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
# Below four bits the symmetric points fall under their lines: in 2 bits the narrow range has three
# codes, not four. The activations lie above theirs: more than half of them are exactly zero, and
# zero has no error.

# %% [markdown]
# ## Per tensor or per channel
#
# Batch normalization multiplies each channel by a constant and adds one. A converter does that
# ahead of time, to the weights, and only then quantizes:
#
# $$w' = w \cdot \frac{\gamma}{\sqrt{\sigma^2 + \varepsilon}} \qquad
# b' = \beta - \mu \cdot \frac{\gamma}{\sqrt{\sigma^2 + \varepsilon}}$$

# %%
network = data.checkpoint("fashion_dscnn").weights
factor = network["depthwise1_bn/gamma"] / np.sqrt(
    network["depthwise1_bn/moving_variance"] + np.float32(1e-3)
)
plain = network["depthwise1/kernel"]  # height, width, channels, 1
folded = plain * factor[:, np.newaxis]
for name, kernel in (("as trained", plain), ("batch norm folded", folded)):
    sizes = np.abs(kernel).max(axis=(0, 1, 3))
    print(f"{name:18} largest |w| per channel: {sizes.min():.2f} to {sizes.max():.2f}")

# %% [markdown]
# One scale must serve the largest channel. The smallest then gets few codes:

# %%
per_tensor = quantization.choose_qparams(
    *quantization.min_max_range(folded), 4, symmetric=True, narrow_range=True
)
codes = quantization.quantize(folded, per_tensor)
smallest = np.abs(folded).max(axis=(0, 1, 3)).argmin()
print("the smallest channel in 4 bits:", sorted({int(q) for q in codes[:, :, smallest].flat}))
print("the whole tensor:              ", sorted({int(q) for q in codes.flat}))

# %% [markdown]
# **Per channel**, each output channel has a scale of its own. Its results leave the layer through
# an accumulator of their own, so that another scale costs one multiplication at the end. (An
# *input* channel's products are added to those of the others: there it would not work.)
#
# Write the scales of a convolution's kernel, whose axes are height, width, inputs, filters.


# %%
def channel_scales(kernel, num_bits):
    # BEGIN SOLUTION
    return np.max(np.abs(kernel), axis=(0, 1, 2)) / (2 ** (num_bits - 1) - 1)
    # END SOLUTION


checks.check("06.channels", channel_scales)

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
# network.
#
# One point in the left panel looks like a misprint: per tensor, 5 bits do worse than 4. Nearly all
# of it comes from the 144 weights of the first layer, quantized alone:

# %%
for bits in (4, 5, 6):
    alone = scenes.accuracy("fashion_cnn", bits, "per tensor, symmetric", layer="conv1")
    decibels = scenes.mapping(("fashion_cnn", "conv1", "weights"), bits).sqnr_db
    print(f"conv1 in {bits} bits: SQNR {decibels:.1f} dB, test accuracy {alone}")

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
checks.after(
    "06.four_bits", lambda: print(f"4 bits per tensor  {quantized}\nfloat32            {float32}")
)

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
    "And with the right images, but 0 to 255 instead of 0 to 1, as they were in training?",
    losses,
    unit="points",
    reveal=lambda: scenes.calibration_loss("fashion_cnn", "wrong scale"),
    because="Every range comes out 255 times too wide, so that all real values of a layer share "
    "one code or two of the 256. Eight bits become one. (ReLU6 keeps most ranges of the depthwise "
    "network right, so that it loses less; its input is ruined all the same.)",
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
for what in ("100 inputs", "one class", "noise"):
    ranges = scenes.found_ranges("fashion_cnn", what)
    text = ", ".join(f"{layer} {high:5.2f}" for layer, (_, high) in ranges.items())
    print(f"{what:11} largest value of {text}")

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
# One image can be good enough or cost ten points, and you would not know which. Ten are never far
# off in 8 bits. In 4 bits, do a thousand serve better than ten?

# %% [markdown]
# ## Measure: beside the lecture

# %%
quoted = {row[0]: row[1] for row in data.lecture_table("quoted_numbers")["rows"]}
techniques = {row[0]: row for row in data.lecture_table("quantization_techniques")["rows"]}
_, _, hybrid_says, *_ = techniques['"Hybrid" quantization (post-training)']
_, _, integer_says, *_ = techniques["Integer quantization (post-training)"]

as_float32, as_int8 = scenes.stored_bytes("fashion_cnn")
hybrid = scenes.lost("fashion_cnn", 8)
integer = scenes.calibration_loss("fashion_cnn", "100 inputs")

# %%
rows = [
    checks.Row(
        "how much smaller the parameters get",
        lecture=quoted["int8_size"],
        claim=4,
        measured=checks.Measured(as_float32 / as_int8, unit="times"),
        topic="Reduce Memory",
        why="Biases stay in 32 bits, and every output channel brings a scale. A file holds more.",
    ),
    checks.Row(
        "points lost, weights in int8",
        lecture=hybrid_says,
        claim=bool(hybrid.high < 0.5),
        measured=hybrid,
        topic="Hybrid quantization (post-training)",
        why="More than half a point would not be small.",
    ),
    checks.Row(
        "points lost, weights and activations in int8",
        lecture=integer_says,
        claim=bool(integer.high >= hybrid.low),
        measured=integer,
        topic="Integer quantization (post-training)",
        why="It loses less than the weights alone.",
    ),
]
checks.beside_lecture(rows, "fashion_cnn, per channel, min-max ranges of 100 training images")

# %% [markdown]
# ## The survey's words
#
# The lecture's first paper for discussion sorts the methods by a few words. You have moved each of
# them:
#
# | word | meaning | where you met it |
# |---|---|---|
# | uniform | all steps equally wide | the staircase in [Explore a real layer](#Explore-a-real-layer). Not uniform: floating point, notebook 05, and codebooks, notebook 10 |
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
