# %% [markdown]
# # 05 · Floating point: 32 bits for one weight
#
# **After this notebook you will be able to** read a float's bits, say how far apart its neighbours
# are, round to float16, bfloat16 and 8-bit floats, and say what that costs a network, and why an
# 8-bit microcontroller wants no floats at all.
#
# About 70 minutes. Every accuracy comes from whole test sets.

# %%
from course_utils import env
env.check_kernel()

# %% [markdown]
# ## Predict

# %%
import numpy as np

from course_utils.machines import data
from course_utils.numbers import floats, soft_float
from course_utils.views import checks
from course_utils.labs.floating_point import explorers, lecture, scenes

# %%
checks.predict(
    "05.tenth",
    "0.1 + 0.2 == 0.3: in which format does a computer say True?",
    ["in both", "in float64 only", "in float32 only", "in neither"],
    reveal=scenes.where_the_sum_is_exact,
    because=scenes.BECAUSE["05.tenth"],
)

# %%
checks.predict(
    "05.between",
    "How many float32 numbers lie between 1 and 2, for each one between 1000 and 1001?",
    {
        "about one": (0, 2),
        "about ten": (2, 50),
        "about five hundred": (50, 5000),
        "about a million": (5000, 1e9),
    },
    unit="for each",
    reveal=lambda: (floats.count_between(1, 2) - 1) / (floats.count_between(1000, 1001) - 1),
    because=scenes.BECAUSE["05.between"],
)

# %% [markdown]
# ## Explore
#
# The lecture shows the "Single Precision IEEE 754 Floating-Point Standard": a sign, an exponent
# and a fraction. Click on bits, or type a number. The smaller formats below hold the same number,
# rounded.

# %%
checks.after("05.between", explorers.float_bits)

# %% [markdown]
# Try these, and look at the bits each time:
#
# - 0.1, 0.2, 0.4: which field changes?
# - flip the last bit of the fraction, then the last bit of the exponent;
# - 65504 and 65520: where float16 ends;
# - *smallest normal*, then clear its only exponent bit and set any bit of the fraction;
# - *infinity*, then set any bit of the fraction.

# %% [markdown]
# ## Explain
#
# The three fields of a float32 mean, with $s$ the sign bit, $e$ the stored exponent and $f$ the
# fraction,
#
# $$(-1)^s \cdot 2^{e-127} \cdot 1.f \quad (0 < e < 255), \qquad
# (-1)^s \cdot 2^{1-127} \cdot 0.f \quad (e = 0),$$
#
# with $1.f = 1 + f / 2^{23}$. The 1 is not stored: every normal number has it. Without it, for
# $e = 0$, come the *subnormal* numbers, in equal steps down to zero. $e = 255$ stands for infinity
# ($f = 0$) and NaN.

# %% [markdown]
# The whole of $1.f$ is called the *significand*. The *bias*, 127, is the stored exponent of 1.0: of
# the 8 bits the first is 0 and all others are 1. Every IEEE 754 format's bias is made that way.

# %%
number = floats.decompose(-6.5, "float32")
print(number.bits)
print((-1) ** number.sign * 2.0 ** (number.exponent - 127) * (1 + number.fraction / 2**23))

# %% [markdown]
# A float16 has 5 bits of exponent, bias 15, and 10 bits of fraction. Write its formula for
# $0 \le e < 31$, with both of its cases. The arguments are the three stored fields, each a whole
# number: `float16_value(0, 15, 512)` is 1.5.


# %%
def float16_value(sign, exponent, fraction):
    # BEGIN SOLUTION
    if exponent == 0:
        return (-1) ** sign * 2.0**-14 * (fraction / 1024)
    return (-1) ** sign * 2.0 ** (exponent - 15) * (1 + fraction / 1024)
    # END SOLUTION


checks.check("05.value", float16_value)

# %% [markdown]
# ## How far apart the numbers are
#
# ### Predict

# %%
largest_float32 = floats.FORMATS["float32"].largest
finite = floats.count_between(-largest_float32, largest_float32)

# %%
checks.predict(
    "05.share",
    f"What share of all {finite:,} finite float32 numbers lies between -1 and 1?",
    {
        "less than 5 %": (0, 5),
        "5 to 35 %": (5, 35),
        "35 to 65 %": (35, 65),
        "65 to 95 %": (65, 95),
        "more than 95 %": (95, 101),
    },
    unit="%",
    reveal=lambda: 100 * floats.count_between(-1, 1) / finite,
    because=scenes.BECAUSE["05.share"],
)

# %% [markdown]
# ### Explore
#
# The distance to the next number, relative to the number. More exponent bits make a line longer,
# more fraction bits make it lower. To the left, where a line rises, are the subnormal numbers.

# %%
checks.after(("05.between", "05.share"), lambda: explorers.gaps("fashion_cnn"))

# %% [markdown]
# ### Explain
#
# Between two powers of two all gaps are equal. Write the gap of float32 at a positive normal
# number $x = 2^e \cdot 1.f$: the distance to the next larger one. Here $e$ is the true exponent,
# without bias, negative for numbers below 1.
#
# To find $e$ from $x$, NumPy has `np.log2` and `np.frexp`. Neither gives it at once: a logarithm
# has a fraction, and `np.frexp` has a convention of its own.

# %%
for x in (1.0, 1.5, 0.1):
    print(f"{x}: np.log2 gives {np.log2(x):.3f}, np.frexp {np.frexp(x)[0]:.3f} * 2^{np.frexp(x)[1]}")

# %% [markdown]
# `x` is one number here, and so is the gap.


# %%
def gap(x):
    # BEGIN SOLUTION
    exponent = np.floor(np.log2(x))
    return 2.0 ** (exponent - 23)
    # END SOLUTION


checks.check("05.gap", gap)

# %% [markdown]
# A gap larger than 1 swallows whole numbers. A float32 counter that adds 1 stops here:

# %%
counter = np.float32(2**24)
print(f"{counter:,.0f} + 1 = {counter + np.float32(1):,.0f}")

# %% [markdown]
# ## Fewer bits
#
# The lecture's "reduced float" is float16. Five formats, with what their fields imply; the fields
# of the first two are on the lecture's slide.

# %%
explorers.formats()

# %% [markdown]
# ### Explain
#
# Compute the largest finite number of an IEEE 754 format from the widths of its fields. The exponent
# field of all ones is taken: infinity and NaN. You need the bias of any format: how it is made is
# told above, and the table has five examples. What is the largest significand?


# %%
def largest(exponent_bits, fraction_bits):
    # BEGIN SOLUTION
    bias = 2 ** (exponent_bits - 1) - 1
    return (2 - 2.0**-fraction_bits) * 2.0**bias
    # END SOLUTION


checks.check("05.largest", largest)

# %% [markdown]
# Your function, asked for all five formats. E4M3 breaks the rule on purpose: it gives infinity up
# and uses all but one of those codes for numbers.

# %%
explorers.largest_numbers(checks.yours("05.largest", largest, scenes.largest_by_the_rule))

# %% [markdown]
# A bfloat16 is the upper half of a float32. To work on bits, look at the same 32 bits as a whole
# number, the *code*:

# %%
for code in np.array([0.1, -6.5], np.float32).view(np.uint32):
    print(f"{code:08X}  upper half {code >> 16:04X}  lower half {code & 0xFFFF:04X}")

# %% [markdown]
# `>> 16` shifts a code to the right by 16 bits, `& 0xFFFF` keeps the lower 16, `& 1` the last one.
# They work on whole arrays, element by element; `if` does not. Python adds before it shifts, so
# parentheses help.
#
# The next larger code is the next larger number (of the same sign), also where a power of two lies
# between them: a carry from the fraction into the exponent is right.
#
# Cutting the lower half off is not yet rounding. Write it: for each code (an array of `uint32`,
# finite numbers), the upper half of the *nearest* number that a bfloat16 has, as an array of whole
# numbers. Exactly half-way is a lower half of `0x8000`; such a tie goes to the even code, whose last
# bit is 0.


# %%
def to_bfloat16(bits):
    # BEGIN SOLUTION
    odd = (bits >> 16) & 1
    return (bits + 0x7FFF + odd) >> 16
    # END SOLUTION


checks.check("05.round", to_bfloat16)

# %% [markdown]
# ### Explore
#
# Where a real layer's weights land. Upper plot: the numbers a format has, as lines, and how many
# weights fall on each. Lower plot: how far each weight moved, relative to its size.

# %%
explorers.weights("fashion_cnn")

# %% [markdown]
# Compare the two 8-bit formats in `dense1`: E4M3 has one more fraction bit, so that most weights
# move half as far; E5M2 has one more exponent bit, so that fewer small weights become zero. And
# float16 errs less than bfloat16 here: hardly any weight needs the exponents that bfloat16 adds.

# %% [markdown]
# ## Measure
#
# ### Predict

# %%
checks.predict(
    "05.bfloat16",
    "bfloat16 keeps 7 of 23 fraction bits. How much test accuracy does the Fashion-MNIST network "
    "lose when all its weights are rounded to it?",
    {
        "less than 0.1 point": (-100, 0.1),
        "0.1 to 1 point": (0.1, 1),
        "1 to 5 points": (1, 5),
        "more than 5 points": (5, 100),
    },
    unit="points",
    reveal=lambda: scenes.loss("fashion_cnn", "bfloat16"),
    because=scenes.BECAUSE["05.bfloat16"],
)

# %% [markdown]
# ### Your rounding, on a real network
#
# Your `to_bfloat16` rounds every weight and bias of a trained network, and the network classifies
# the whole test set. Beside it the laboratory's rounding, and the lower half cut off.

# %%
def on_the_network():
    mine = checks.yours("05.round", to_bfloat16, scenes.nearest_bfloat16)
    return explorers.rounded_networks(mine, "fashion_cnn")


checks.after("05.bfloat16", on_the_network)

# %% [markdown]
# Rounded, some weights grow and some shrink. Cut off, all shrink, and the largest change is twice
# as large. Does the accuracy show it? Try `"fashion_dscnn"`, whose layers pass their errors on to
# more layers: there, look at how many answers change either way.
#
# ### All networks, all formats
#
# Every weight and bias rounded, on every test input. (Batch normalization, a factor and a summand
# for each channel, is computed into them first.)
# Hollow markers: what passes from layer to layer is rounded as well, the lecture's "float16
# computations". The slider looks into one network's layers.

# %%
checks.after("05.bfloat16", explorers.reduced_float)

# %% [markdown]
# In `fashion_dscnn`, the deepest of them, the error grows from layer to layer until the last.
#
# ### Half the bytes
#
# Counted as trained, before batch normalization is computed into the weights:

# %%
networks = ("fashion_cnn", "fashion_dscnn", "lenet_300_100", "watch_cnn")
explorers.half_the_bytes(networks)

# %% [markdown]
# ### Not faster by itself
#
# "Potential future speed-ups", says the lecture, "as hardware enables optimized operations", and
# in its table "Same or faster than float32", given "Float16 support or fallback to float32".
# Without either, a library converts number by number. What does the NumPy of this machine do?

# %% tags=["nbval-ignore-output"]
print(scenes.product_times("fashion_cnn"))

# %% [markdown]
# ### Beside the lecture
#
# "Negligible" is no number. Here it means: the 95 % interval of the loss, paired input by input,
# ends below half a point.

# %%
checks.after("05.bfloat16", lambda: checks.beside_lecture(lecture.rows(), lecture.CAPTION))

# %% [markdown]
# ## Why the AVR wants none of it
#
# The lecture's ATmega328P: registers of 8 bits, 2 kB of RAM, no floating-point unit. What is one
# float32 multiplication there? `soft_float.multiply` does one with 8-bit operations only, and
# counts them.
#
# ### Explain
#
# A float32's significand, with its hidden 1, has 24 bits; the processor multiplies 8 by 8. How
# many such products does one product of significands take, done as at school?

# %%
products = 9  # SOLUTION

checks.check("05.products", products, significand_bits=24, word_bits=8)

# %% [markdown]
# ### Measure

# %%
a, b = 0.1, -2.5
print(f"{soft_float.multiply(a, b).value:.9g}; NumPy: {np.float32(a) * np.float32(b):.9g}")
explorers.operations(a, b, products)

# %% [markdown]
# Besides the products: the exponents are added and one bias taken off, the result is shifted until
# its leading 1 is in place, rounded, and the fields are put together. The count is of arithmetic
# alone. Loads, stores and branches come on top, and so do zero, infinity, NaN and subnormal
# numbers. The float column also still lacks its addition, which has to align the exponents first;
# the integer column has it.

# %% [markdown]
# Counted to the end, loads and branches with it: a small dense layer in C, compiled by GCC for this
# chip and run on an emulated one, which counts cycles.

# %%
scenes.cycles_on_the_avr()

# %% [markdown]
# What that means for a network: the parameters must fit the flash. A layer reads its input while it
# writes its output, so that both must fit the RAM at the same time; the *busiest step* is the layer
# where they take most. The time is that of the arithmetic alone, one operation in each clock cycle.

# %%
avr = {row[0]: row for row in data.lecture_table("boards")["rows"]}["ATmega328P-PU"]
explorers.on_the_avr("watch_cnn", avr)

# %% [markdown]
# In float32 one two-second window of input alone overflows the RAM, and the parameters the flash.
# float16 halves the bytes, which brings the parameters into the flash, but not the busiest step into
# the RAM, and each value still has to be taken apart before it can be multiplied. int8 halves them
# again, and brings the time down.
#
# Even so the network does not fit: in int8 its busiest step is still larger than the RAM, and the
# program itself needs a part of it. The AVR needs a smaller network (fewer channels in the first
# layer, or a shorter window); notebook 11 has one, and runs it there. A board with more RAM is
# notebook 00's subject.
#
# Notebook 06 turns floats into 8-bit integers, notebook 07 computes with them.
#
# ## Check yourself

# %%
checks.scoreboard()

# %% [markdown]
# ## Read next
#
# - Gholami et al., *A Survey of Quantization Methods for Efficient Neural Network Inference*
#   (arXiv:2103.13630), the lecture's first paper for discussion: what comes after fewer bits of
#   float.
# - Micikevicius et al., *FP8 Formats for Deep Learning* (arXiv:2209.05433): why there are two
#   8-bit floats, and what their scales are for.
# - Goldberg, *What Every Computer Scientist Should Know About Floating-Point Arithmetic* (1991).
