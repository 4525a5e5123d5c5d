# %% [markdown]
# # 07 · Integer arithmetic: a network without a single real number
#
# **After this notebook you will be able to** compute a layer of a network with integers only:
# multiply codes, add them up, rescale the sum with a multiplier and a shift, and saturate; and say
# why two programs that both run "the int8 model" may give different numbers.
#
# About 60 minutes. Networks are compared on whole test sets.

# %%
from course_utils import env
env.check_kernel("tflite-micro")

# %% [markdown]
# ## Predict
#
# In [notebook 06](06_float_to_int8.ipynb) the weights were rounded to codes, but every multiplication was done with real
# numbers. A microcontroller like the AVR has no unit for those. The lecture promises *only integer
# computations*. From $r = S(q - Z)$ follows, for one output of a layer,
#
# $$S_3 (q_3 - Z_3) = \sum_k S_1 (q_{1,k} - Z_1) \cdot S_2 (q_{2,k} - Z_2)$$
#
# with $q_1$ the input's codes, $q_2$ the weights' and $q_3$ the output's. Everything but $S_1$,
# $S_2$ and $S_3$ is a whole number.

# %%
from course_utils.machines import data
from course_utils.views import checks
from course_utils.labs.integer_arithmetic import explorers, lecture, scenes

counts = {
    "none": (0, 1),
    "1 to 100": (1, 101),
    "101 to 1,000": (101, 1001),
    "more than 1,000": (1001, 10_001),
}

# %%
checks.predict(
    "07.equal",
    "IntegerModel, in this course, runs an int8 network in NumPy, with integers only. The TFLM "
    "interpreter, written in C++, runs the same file. On how many of the 10,000 test images does "
    "any of the ten output codes differ?",
    counts,
    unit="images",
    reveal=lambda: scenes.images_differing("TFLM"),
    because="Integers leave nothing open: whoever rounds at the same places gets the same bits, "
    "on any machine.",
)

# %%
checks.predict(
    "07.xnnpack",
    "And LiteRT on this computer's processor, with its default kernels (XNNPACK), from the same "
    "file?",
    counts,
    unit="images",
    reveal=lambda: scenes.images_differing("LiteRT XNNPACK"),
    because="It rescales its sums in another way. How, you will find out below.",
)

# %%
checks.predict(
    "07.bits",
    "The layer dense1 adds 800 products of two int8 codes. How many bits must a signed integer "
    "have to hold the sum, whatever the codes are?",
    {
        "up to 16": (1, 17),
        "17 to 24": (17, 25),
        "25 to 31": (25, 32),
        "32 or more": (32, 99),
    },
    unit="bits",
    reveal=lambda: (800 * 128 * 128).bit_length() + 1,
    because="The largest product is (-128)(-128) = 2^14. 800 of them need 24 bits, and the sign "
    "one more. int16 does not do; int32 leaves room.",
)

# %%
checks.predict(
    "07.truncate",
    "Rounding costs an addition. If every layer's rescaling truncated instead, on how many of the "
    "10,000 test images would the predicted class change?",
    counts,
    unit="images",
    reveal=lambda: scenes.classes_changed("truncating"),
    because="About half of all codes that are not cut off come out one too small, but those of "
    "all classes alike, and the class only asks which score is largest.",
)

# %% [markdown]
# ## Explore
#
# The three scales make one factor, $M = S_1 S_2 / S_3$. The sum in brackets is an int32; times $M$
# it must become an int8 code:
#
# $$q_3 = Z_3 + \mathrm{round}\left(M \cdot \left(\sum_k (q_{1,k} - Z_1)\, q_{2,k}
# + \mathrm{bias}\right)\right)$$
#
# That is the idea. But $M$ is a real number, so an integer and a shift stand for it, and each of
# the two is followed by a rounding of its own. The line under the picture says what is computed.
# Move $M$:

# %%
explorers.requantization()

# %% [markdown]
# Things to look for:
#
# - **all sums**: how much of an int32's range ends as one of 256 codes, and the rest is cut off.
#   *S3 too small* cuts off nearly everything.
# - **ReLU** only raises the lowest code, to $Z_3$. With $Z_3 = -128$ it changes nothing: saturation
#   has done it already.
# - **truncated** against **rounded**: the same stairs, half a step later. Its error is one-sided.
# - *M = 0.08, rounded twice*: the error leaves ±½. Why, you will see under *Explain*.
#
# Now a whole network. Choose an image and go through the layers. Every picture is made of codes.

# %%
explorers.trace()

# %% [markdown]
# Test image 40 is the only one among these 200 to which the int8 network gives another answer than
# the float32 network. Which of them is right?
#
# Rounding to the nearest code alone would give a root mean square error of $1/\sqrt{12} = 0.29$
# steps (notebook 06). But each layer starts from the codes of the one before, and its weights are
# rounded too:

# %%
scenes.step_errors_table()

# %% [markdown]
# ## Explain
#
# ### Four terms, of which one has to wait
#
# Multiply out the brackets:
#
# $$\sum_k (q_1 - Z_1)(q_2 - Z_2) = \sum_k q_1 q_2 - Z_1 \sum_k q_2 - Z_2 \sum_k q_1 + n Z_1 Z_2$$
#
# Here they are for one output of *dense1*, on the first test image:

# %%
import numpy as np

from course_utils.labs.integer_arithmetic import exercises

images = data.load("fashion_mnist")
layer = scenes.dense_layer("dense1")
inputs, outputs = scenes.layer_codes(layer.layer, images.x_test[:1])

unit = int(outputs[0].argmax())
q1, Z1 = inputs[0].astype(np.int64), layer.x_zero
q2, Z2 = layer.weights[unit].astype(np.int64), layer.weight_zero
terms = (q1 * q2).sum(), -Z1 * q2.sum(), -Z2 * q1.sum(), q1.size * Z1 * Z2
scenes.terms_table(terms, layer.bias[unit])

# %%
explorers.terms()

# %% [markdown]
# - Weights are symmetric: $Z_2 = 0$, and two terms are gone. The third would have had to be summed
#   for every input anew. That is why LiteRT fixes $Z_2 = 0$ (notebook 06).
# - $Z_1 \sum q_2$ needs no input. It is added to the bias before the network is shipped.
# - What is left is $\sum q_1 q_2$: one multiplication and one addition for each weight.
#
# ### The bias
#
# The bias is added to that sum, and numbers can only be added that are counted in the same unit.
# What is one unit of the sum worth? Return the integer code of a real bias, with the zero point 0.
# `bias` is an array of real numbers; three scales are given, and not all are needed.


# %%
def bias_code(bias, x_scale, weight_scale, y_scale):
    # BEGIN SOLUTION
    return np.round(bias / (x_scale * weight_scale)).astype(np.int32)
    # END SOLUTION


checks.check("07.bias", bias_code)

# %% [markdown]
# Your function on the biases of the float networks, beside what the int8 files hold. (Where batch
# normalization was folded into a layer, its bias is a new one, and the layer is left out.)

# %%
scenes.biases_table(checks.yours("07.bias", bias_code, exercises.bias_code))

# %% [markdown]
# int8 ends at 127: biases are large codes, and are stored in 32 bits.
#
# ### How large can the sum get?
#
# $q_1 - Z_1$ is at most 255, $q_2$ at most 127. An int32 overflows at $2^{31}$.

# %%
truth = images.y_test[:1000]
inputs, outputs = scenes.layer_codes(layer.layer, images.x_test[:1000])
checks.after("07.bits", lambda: scenes.sums_table(layer, inputs))

# %% [markdown]
# ### A multiplier and a shift
#
# $M$ is written as a fraction between ½ and 1 times a power of two. The fraction is kept in units
# of $2^{-31}$:
#
# $$M \approx \mathrm{multiplier} \cdot 2^{\,\mathrm{shift} - 31}$$

# %%
from course_utils.engines import integer_engine as engine

scenes.multipliers_table(layer)

# %% [markdown]
# Every output channel has its own pair, since every channel has its own weight scale. Now the
# product of a sum and a multiplier. It is rounded twice, always with integers:
#
# 1. It is divided by $2^{31}$, to the nearest. The product needs 64 bits. To divide an integer by a
#    power of two one shifts it to the right (`>>`), which rounds down; for the nearest, half of
#    what one divides by is added first. Halves then go up.
# 2. The result is divided by $2^{-\mathrm{shift}}$, to the nearest, halves away from zero:
#    `engine.rounding_divide_by_power_of_two(x, exponent)` does it for `exponent` ≥ 0.
#
# Then add the zero point and saturate to −128 … 127. `accumulator` is an int32 array, `multiplier`
# a whole number, and `shift` is 0 or negative. Return an array of codes.


# %%
def requantize(accumulator, multiplier, shift, zero_point):
    # BEGIN SOLUTION
    product = accumulator.astype(np.int64) * multiplier
    high = (product + 2**30) >> 31
    scaled = engine.rounding_divide_by_power_of_two(high, -shift)
    return np.clip(scaled + zero_point, -128, 127).astype(np.int8)
    # END SOLUTION


checks.check("07.requantize", requantize)

# %% [markdown]
# Your function and two other ways on the sums of *dense1* for 1,000 test images. How many codes
# come out as others than the network's, and how many images are answered rightly?

# %%
mine = checks.yours("07.requantize", requantize, exercises.requantize)
checks.after(
    "07.truncate", lambda: scenes.rescaled_table(mine, layer, inputs, outputs, truth)
)

# %% [markdown]
# Rounding twice differs from rounding once where the first rounding lifts a number just below a
# half onto it: of the codes that are not cut off, about one in $2^{1-\mathrm{shift}}$. With
# *shift* = −10 that is one in 2,048, with −3 it is one in 16. That is the error you saw beyond ±½.
#
# ### A whole layer
#
# Put it together, for a layer that ends with a ReLU. `x` is int8 of shape (n, inputs), `weights`
# int8 (units, inputs), `bias` int32 (units,). `multiplier` and `shift` have one entry per unit, and
# `engine.requantize(accumulator, multiplier, shift, zero_point, qmin, qmax)` takes them as they
# are: it is your function, with limits for what comes out. Return int8 codes of shape (n, units).


# %%
def fully_connected(x, weights, bias, x_zero, multiplier, shift, y_zero):
    # BEGIN SOLUTION
    accumulator = (x.astype(np.int64) - x_zero) @ weights.T.astype(np.int64) + bias
    return engine.requantize(accumulator, multiplier, shift, y_zero, qmin=max(-128, y_zero))
    # END SOLUTION


checks.check("07.fully_connected", fully_connected)

# %% [markdown]
# Your layer in place of the network's, on 1,000 test images:

# %%
scenes.in_place_of(layer, fully_connected, inputs, outputs, truth)

# %%
explorers.answers(layer, fully_connected, inputs, outputs)

# %% [markdown]
# A convolution is the same sum over a window. Max pooling compares codes. Softmax needs an
# exponential and a division: both are made of integers too, in
# [softmax.py](../course_utils/engines/integer_engine/softmax.py).
#
# ## Measure: the whole network, the whole test set
#
# `IntegerModel` reads the file and runs these functions from input to output.

# %%
from course_utils.views import widgets

tflite = data.model("fashion_cnn", "int8")
model = engine.IntegerModel(tflite)
scenes.trace_table(model, scenes.codes_of(images.x_test[:1]))

# %%
codes = scenes.codes_of(images.x_test)
parts = range(0, len(codes), 500)
answers = np.concatenate(
    [model.run(codes[i : i + 500]) for i in widgets.progress(parts, "IntegerModel")]
)
right = np.sum(answers.argmax(axis=1) == images.y_test)
print(f"{right:,} of {len(answers):,} right; float32: {scenes.accuracy('float32')}")

# %% [markdown]
# Now the real thing, TFLM, in a process of its own. It takes one image after the other, so here it
# runs 2,000; all 10,000 were run once and recorded. Do the two agree?

# %% tags=["nbval-ignore-output"]
from course_utils.machines import micro

tflm = None
if not micro.missing():
    parts = range(0, 2000, 100)
    tflm = np.concatenate([micro.run(tflite, codes[i : i + 100])
                           for i in widgets.progress(parts, "TFLM")])  # fmt: skip

checks.after("07.equal", lambda: scenes.against_tflm(tflm, answers))

# %% [markdown]
# ### Four networks, three interpreters
#
# All four int8 networks of the course, on their whole test sets, against `IntegerModel`: how many
# output values differ (by how many codes at most), and how many inputs get another class.

# %%
checks.after(("07.equal", "07.xnnpack"), scenes.comparison_table)

# %% [markdown]
# LiteRT runs the same files with kernels of its own. Where do its codes part from TFLM's? Each
# operator was run alone, on exactly the codes that reach it in TFLM, for 500 test inputs:

# %%
checks.after("07.xnnpack", explorers.kernels)

# %% [markdown]
# A difference within one operator is a single code. It grows on the way through the network, and
# softmax stretches it. To *explain* a difference is to predict it, so two formulas were put in
# place of TFLM's, and compared with LiteRT's kernels code by code:
#
# - **one rounding**: $\mathrm{round}(\mathrm{sum} \cdot \mathrm{multiplier} \cdot
#   2^{\,\mathrm{shift}-31})$;
# - **float32 product**: $\mathrm{round}(\mathrm{float}(\mathrm{sum}) \cdot M)$. This one is not
#   "integer only": XNNPACK runs on processors that multiply real numbers as fast as integers.

# %%
checks.after("07.xnnpack", scenes.explained_table)

# %% [markdown]
# So LiteRT's reference kernels round once in dense layers and twice in convolutions, and XNNPACK
# computes a real product wherever it adds up. The average over 25 values in *pool3* has $M = 0.08$,
# a shift of three bits, and differs most, as it must.
#
# ### Does it matter?
#
# Points of test accuracy lost, paired image by image. Positive is a loss.

# %%
checks.after("07.truncate", scenes.losses_table)

# %% [markdown]
# Whatever the accuracy says, bits matter for another reason: with an engine that is equal to TFLM
# you can find an error on the board by comparing codes. With one that is *nearly* equal you never
# know.
#
# ### Beside the lecture

# %%
checks.after(
    "07.equal",
    lambda: checks.beside_lecture(lecture.rows(), lecture.CAPTION),
)

# %% [markdown]
# ## All of it on four pages
#
# `course_utils/engines/int8.py` is this notebook as one file of 200 lines: codes, multiplier,
# rounding, the layers, and the file format. Read it from the top; it needs nothing but NumPy, and
# runs alone: `python int8.py model.tflite input.npy`. Its answers are the engine's, bit for bit:

# %%
from course_utils.engines import int8

in_one_file = int8.run(tflite, codes[:200])
differing = int(np.sum(in_one_file != answers[:200]))
print(f"{differing} of {in_one_file.size:,} values differ.")

# %% [markdown]
# The same in C, compiled for a Cortex-M4F and run on an emulated one: where do its instructions go?
# (Notebook 11 writes that C and runs it.)

# %%
scenes.on_a_chip()

# %% [markdown]
# A multiplication comes with fetching two codes, taking off the zero point, adding and counting: five
# instructions and more. Where a sum is short, rescaling it weighs, too: in the first layer, nine
# products share one.

# %% [markdown]
# ## Check yourself

# %%
checks.scoreboard()

# %% [markdown]
# ## Read next
#
# - Jacob et al., *Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only
#   Inference* (arXiv:1712.05877): section 2 is this notebook.
# - Gholami et al., *A Survey of Quantization Methods for Efficient Neural Network Inference*
#   (arXiv:2103.13630), the lecture's first paper for discussion: section IV.A, simulated and
#   integer-only quantization.
# - Frankle and Carbin, *The Lottery Ticket Hypothesis* (arXiv:1803.03635), the other paper.
