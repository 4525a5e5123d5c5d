# %% [markdown]
# # 08 · Post-training quantization: five files from one network
#
# **After this notebook you will be able to** convert a trained network in five ways, say what each
# stores and computes and where its bytes are, tell a lost accuracy from chance, measure latency so
# that it means something, and choose the technique for a device.
#
# About 60 minutes. The accuracies come from whole test sets, the files from the converter of LiteRT
# (until 2024 TensorFlow Lite).

# %%
from course_utils import env
env.check_kernel("ai-edge-litert", "tflite-micro")

# %% [markdown]
# ## Predict
#
# The lecture names three types of quantization after training: reduced float, hybrid, integer.
# "8-bit integer parameters means 4x smaller model", it says.

# %%
from course_utils.machines import data, models
from course_utils.views import checks
from course_utils.labs.post_training_quantization import exercises, explorers, lecture, scenes

# %%
checks.predict(
    "08.smaller",
    "The Fashion-MNIST network with 56,714 parameters is converted to int8. How many times "
    "smaller is its file?",
    {
        "less than 3.5 times": (0, 3.5),
        "3.5 to 3.9 times": (3.5, 3.9),
        "3.9 to 4.1 times": (3.9, 4.1),
        "more than 4.1 times": (4.1, 100),
    },
    unit="times",
    reveal=scenes.file_ratio("fashion_cnn"),
    because="The kernels shrink by exactly 4. Biases stay 32-bit, each channel gets a scale, and "
    "the operators and names take their place as before. The smaller the network, the more these "
    "count.",
)

# %% [markdown]
# In these files each output channel of a kernel has a scale of its own (*per channel*). Notebook 06 found that this
# saves the depthwise network in 4 bits, and that in 8 bits one scale for the whole kernel does as
# well. What do all these scales cost?

# %%
checks.predict(
    "08.scales",
    "fashion_dscnn has 13,546 parameters in 10 layers, with 426 output channels. How much smaller "
    "would its int8 file be with one scale for each kernel instead of one for each channel?",
    {
        "less than 2 %": (0, 2),
        "2 to 10 %": (2, 10),
        "10 to 25 %": (10, 25),
        "more than 25 %": (25, 100),
    },
    unit="%",
    reveal=lambda: scenes.smaller_per_tensor("fashion_dscnn"),
    because="A scale is a float32 and comes with a zero point, an int64: 12 bytes for a channel, "
    "once for the kernel and once more for the bias. A channel of a depthwise kernel has just 9 "
    "weights, of one byte each.",
)

# %% [markdown]
# ## Explore
#
# What does each technique do?
#
# - **Reduced float** stores half floats and widens them: all computing is in float32, unless the
#   hardware has float16.
# - **Hybrid** (LiteRT: *dynamic range*) stores int8 weights; each operator rounds its input when it
#   comes, by its own range, multiplies integers and hands on floats.
# - **Integer** has the ranges of all activations measured ahead, on calibration data, so that
#   nothing but integers is left. (*int16x8* gives the activations 16 bits.)
# - **Integer, trained for it** makes the same file from weights and ranges that were trained with
#   the rounding in place.
# - Biases stay wide: float32 beside float activations, else int32 (int16x8: int64), since they are
#   added to sums of many products.

# %%
explorers.paths()

# %% [markdown]
# Now five files of one network: their bytes by part, the accuracy lost against float32 on the *same*
# test inputs, and the runtimes that ran them when we tried. *TFLM* (TensorFlow Lite Micro) is the
# runtime for microcontrollers, *XNNPACK* the library of kernels that LiteRT uses on computers and
# phones; *reference* kernels are the plain loops that define each operator. The *integer engine* is
# notebook 07's program, and *integer only* says that no tensor of the file holds floats.

# %%
checks.after(("08.smaller", "08.scales"), explorers.techniques)

# %% [markdown]
# Three things to look for:
#
# - which part of the file does not shrink? ("The rest" is operators, names and scales.) Compare
#   the three networks.
# - does any interval of the loss leave out zero?
# - which files does TFLM refuse? In its own words:

# %%
scenes.refusals_table("fashion_cnn")

# %% [markdown]
# ## Explain
#
# ### A technique for each device
#
# The Fashion-MNIST network is to run on three devices. Choose `"float32"`, `"float16"`, `"dynamic"`,
# `"int8"` or `"int16x8"` for each, by what the explorer shows and what the devices demand. The reply
# says what speaks against a choice, and in the end against all others.

# %%
scenes.devices_table()

# %%
accelerator = "int8"  # SOLUTION
phone_gpu = "float16"  # SOLUTION
cortex_m4f = "int8"  # SOLUTION

chosen = {"accelerator": accelerator, "phone GPU": phone_gpu, "Cortex-M4F": cortex_m4f}
checks.check("08.device", chosen, reasons=scenes.reasons("fashion_cnn"))

# %% [markdown]
# ## Measure
#
# Now on this machine. TensorFlow starts here. `convert` is the only place in the suite that
# touches a converter. Two of the modes want calibration data: 500 training images, without
# their labels.

# %%
from course_utils.machines import conversion, evaluation
from course_utils.views import widgets

network, images = data.checkpoint("fashion_cnn"), data.load("fashion_mnist")
model = models.set_weights(models.build("fashion_cnn"), network.weights)

files = {}
for mode in widgets.progress(conversion.MODES, "Converting"):
    calibration = images.x_train[:500] if mode in conversion.CALIBRATED else None
    files[mode] = conversion.convert(model, mode, calibration)

# %% [markdown]
# Where are the bytes of the int8 file?

# %%
size = evaluation.size(files["int8"])
checks.after(("08.smaller", "08.scales"), lambda: scenes.bytes_table(size))

# %% [markdown]
# The notebooks ship an int8 file of this network, too; notebook 11 uses it. It has other bytes, and
# not one weight is different: a file holds the names of its tensors, and they begin with the name
# that its model had when it was converted.

# %%
checks.after("08.smaller", lambda: scenes.two_files(files["int8"]))

# %% [markdown]
# ### Is anything lost?
#
# Two accuracies with their intervals say little: both files saw the same images. So the comparison
# is *paired*: count the images on which the files disagree. If neither is better, each of these is
# a fair coin; McNemar's test asks whether it looks like one. Its p is the probability that fair
# coins fall at least this unevenly.

# %%
checks.predict(
    "08.real",
    f"Two networks, one layer rounded in each. {scenes.pairs_said()} Which loss is more than "
    "chance?",
    ["A", "B", "both", "neither"],
    reveal=scenes.real_difference(),
    because="The points are alike; what changed is not. In A nearly as many inputs became right as "
    "became wrong, as fair coins fall; in B far more became wrong. On the validation set, which has "
    "other images, B loses as well and A does not.",
)

# %% [markdown]
# Write the count. `before` and `after` are arrays of True (answered rightly) and False, an entry for
# each image. Return two numbers: the newly wrong images, then the newly right ones. For such arrays
# `&` is *and*, `~` is *not*, and `.sum()` counts what is True.

# %%


def disagreements(before, after):
    # BEGIN SOLUTION
    return (before & ~after).sum(), (after & ~before).sum()
    # END SOLUTION


checks.check("08.paired", disagreements)

# %%
counted = checks.yours("08.paired", disagreements, exercises.disagreements)
checks.after("08.real", lambda: scenes.differences_with(counted))

# %% [markdown]
# The two pairs were looked for, among some 150 recorded comparisons, because their losses are alike.
# The p-value of a pair found in this way is not that of one planned test; the validation images,
# which had no part in the choice, say the same.
#
# And the files that you just made:

# %% tags=["nbval-ignore-output"]
x, y = images.x_test, images.y_test
measured = {}
for mode in widgets.progress(conversion.MODES, "Evaluating on 10,000 images"):
    measured[mode] = evaluation.accuracy(files[mode], x, y)
scenes.accuracy_table(measured)

# %% [markdown]
# int8 loses less than half a point, if it loses anything: the interval holds zero. And 16-bit
# activations? They have 256 times as many codes, but the weights are the same int8 weights.

# %%
scenes.int16_table()

# %% [markdown]
# No test set here shows a difference, in either direction. Sixteen bits pay where an activation
# has a wide range that matters, in audio for instance; these networks have no such layer.
#
# ### Which one is fastest?
#
# A latency needs care: the number of threads is fixed, the first runs are thrown away, the models
# take turns so that whatever else this machine does falls on all of them, and the result is a
# median with its quartiles. One image at a time, as on a device.

# %% tags=["nbval-ignore-output"]
times = {}
for kernels in evaluation.KERNELS:
    with widgets.progress_bar(f"Timing, {kernels} kernels") as report:
        times[kernels] = evaluation.latency(files, kernels, seconds=2, progress=report)
scenes.latency_table(times)

# %% [markdown]
# Is it the same for other layers? LeNet-300-100 is all dense. These times were recorded, in ten
# rounds in which the files of a network took turns: the ratios are paired round by round.

# %%
scenes.speed_table()

# %% [markdown]
# "Fastest", says the lecture's table of integer quantization. On that processor it holds for dense
# layers, where int8 gains more than the lecture's number, and not for convolutions, where it is
# slower than float32; hybrid gains where the lecture says so, except with depthwise kernels. A likely
# reason: a dense layer uses each weight once per image, so that fetching it takes the time, and a
# quarter of the bytes is fetched faster. A convolution uses each weight at every position: there the
# multiplying counts, in which this processor's float units are strong, and integer kernels also
# rescale every output (notebook 07). int16x8 has no fast kernels here and runs on plain loops.
#
# ### Why int8 at all, then?
#
# Because a microcontroller is not this computer. *Memory:* a quarter of the bytes for weights and
# activations lets a network four times as large into the same flash and RAM. *No float unit:* on a
# Cortex-M0 or M3 or an AVR each float operation is a subroutine; notebook 05 counts the steps. *Where
# there is one,* as on a Cortex-M4F, it multiplies one pair of floats at a time, while instructions for
# signals multiply two pairs of integers. Kernels written for these made integer networks 4.6 times
# faster on a Cortex-M7, with 4.9 times less energy, than the kernels that its authors began with (Lai,
# Suda and Chandra, *CMSIS-NN*, arXiv:1801.06601). And on phones, integer networks were more accurate than float ones of the same
# latency (Jacob et al., arXiv:1712.05877).

# %% [markdown]
# Counted on emulated processors, float32 and int8 in the same loops written in C. A number above 1
# says that int8 takes fewer instructions:

# %%
scenes.on_microcontrollers()

# %% [markdown]
# So int8 gains several times over where there is no floating-point unit, takes about a quarter more
# instructions where there is one and the loops are plain, and fewer there with kernels that use the
# instructions made for it. Instructions are not cycles: by Arm's manual a Cortex-M4 takes three for a
# float multiplication with its addition and one in integers, so that in time int8 stands better than
# here. **A server is not a microcontroller: never choose for one by timing on the other.**
#
# ### Where does it run?
#
# Each runtime is tried with the files that you just made, on five images.

# %% tags=["nbval-ignore-output"]
scenes.tried_table(files, x[:5])

# %% [markdown]
# ## The lecture's table, cell by cell
#
# What happens if `convert` gets no calibration data? It refuses before it asks LiteRT's converter:

# %%
refused = scenes.without_data(lambda: conversion.convert(model, "int8"))
print(refused)

# %% [markdown]
# Now there is something for each of the sixteen cells. Two of the lecture's words hold in part on
# this kind of processor: integer is "fastest" for dense layers, and hybrid is "faster than float" but
# for depthwise kernels. Of the accuracies, no order is shown: each interval of a difference holds
# zero.

# %%
scenes.technique_table(refused)

# %% [markdown]
# ## One scale for the kernel, or one for each channel
#
# ### Measure
#
# In notebook 06 only the weights were rounded. Here are whole int8 files, made both ways: what each
# loses against float32, and the two paired with each other.

# %%
explorers.granularity()

# %%
scenes.per_tensor_table()

# %% [markdown]
# And their bytes. What is left after the kernels and the biases are scales, zero points, operators
# and names.

# %%
checks.after(("08.smaller", "08.scales"), scenes.granularity_table)

# %% [markdown]
# Batch normalization, folded into the kernels, leaves channels of very different size, and one
# scale must fit the largest. Eight bits leave room enough for that in these networks. With fewer
# bits it breaks, as the next explorer shows.

# %% [markdown]
# ## Layer by layer
#
# ### Explore
#
# One kernel at a time is rounded, with one scale, and everything else stays float32. Move from 8
# bits down to 2. The axis follows what is lost.

# %%
explorers.layer_errors()

# %% [markdown]
# The bars do not add up to what all layers lose together: one layer's error is the next one's
# input.
#
# ### Selective quantization
#
# All kernels of the depthwise network get 4 bits, except some layers, which stay in float32 and cost
# bytes. Which, if only so many bytes may be added? This is what each layer wins and costs:

# %%
scenes.prices_table()

# %% [markdown]
# Write a *greedy* choice. Go through the layers by points won per byte, most first. A layer that wins
# something and whose bytes fit into what is left of the budget is spared; one that does not fit is
# skipped, and the next is tried.
#
# `loss` (points) and `extra` (bytes) are arrays with an entry for each layer. Return an array of True
# and False, an entry for each layer in the same order: True where it stays in float32. `np.argsort(a)`
# gives the positions of the entries of `a`, smallest first; `np.zeros(n, bool)` is an array of False.

# %%
import numpy as np


def spare(loss, extra, budget):
    # BEGIN SOLUTION
    spared = np.zeros(len(loss), bool)
    for layer in np.argsort(-loss / extra):
        if loss[layer] > 0 and extra[layer] <= budget:
            spared[layer] = True
            budget = budget - extra[layer]
    return spared
    # END SOLUTION


checks.check("08.spare", spare)

# %% [markdown]
# Yours on the network, measured on 1,000 validation images, beside a rule that looks at points alone:

# %% tags=["nbval-ignore-output"]
scenes.spared_with(checks.yours("08.spare", spare, exercises.spare))

# %% [markdown]
# A few kilobytes, spent where they count, win back most of what 4 bits lose. Greedy is not best,
# though: with 20,000 bytes the other rule wins, because it takes a large layer that by points per byte
# comes late and then no longer fits. And the points that were measured layer by layer are a guide, not
# a sum: with other layers rounded beside it, a layer may be worth less or more. What else could be done at 4 bits? Training the network for it: notebook 09.
#
# ## Beside the lecture

# %%
checks.after(
    "08.smaller",
    lambda: checks.beside_lecture(lecture.rows(), lecture.CAPTION),
)

# %% [markdown]
# ## What the converter would not tell you
#
# Calibration data in another scale than the training data gives a file that looks as good as any,
# and answers badly. Where numbers look odd, `convert` warns. This cell calibrates on pixels from
# 0 to 255; the network was trained on 0 to 1.

# %% tags=["nbval-ignore-output"]
import warnings

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    wrong = conversion.convert(model, "int8", images.x_train[:100] * 255)
print(caught[0].message if caught else "It does not warn.")
after = {"float32": measured["float32"], "calibrated on 0 to 255": evaluation.accuracy(wrong, x, y)}
scenes.accuracy_table(after)

# %% [markdown]
# ## Check yourself

# %%
checks.scoreboard()

# %% [markdown]
# ## Read next
#
# - Gholami et al., *A Survey of Quantization Methods for Efficient Neural Network Inference*
#   (arXiv:2103.13630), the lecture's first paper for discussion: sections III and IV are this
#   notebook's subject.
# - Jacob et al., *Quantization and Training of Neural Networks for Efficient
#   Integer-Arithmetic-Only Inference* (arXiv:1712.05877): the scheme of these files.
# - Lai, Suda and Chandra, *CMSIS-NN: Efficient Neural Network Kernels for Arm Cortex-M CPUs*
#   (arXiv:1801.06601): why integers are quick on a microcontroller.
# - LiteRT's 8-bit quantization specification: which operator takes which scales.
