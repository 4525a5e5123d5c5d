# %% [markdown]
# # 08 · Post-training quantization: five files from one network
#
# **After this notebook you will be able to** convert a trained network in five ways, say where
# its bytes are, test whether accuracy was lost, measure latency so that it means something, and
# tell which file runs on a microcontroller.
#
# About 45 minutes. The accuracies come from whole test sets, the files from LiteRT's converter.

# %%
try:
    from course_utils import env
except ModuleNotFoundError:
    raise ImportError("Wrong kernel: run `python lab.py`, then open this notebook.") from None
env.check_kernel()

# %% [markdown]
# ## Predict
#
# The lecture names three types of quantization after training: reduced float, hybrid, integer.
# "8-bit integer parameters means 4x smaller model", it says.

# %%
from course_utils.machines import data, models
from course_utils.views import checks
from course_utils.labs.post_training_quantization import explorers, scenes

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
# In these files each output channel of a kernel has a scale of its own. Notebook 06 found that this
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
# Five files of one network: their bytes by part, the accuracy lost against float32 on the *same*
# test inputs, and the runtimes that ran them when we tried.

# %%
checks.after(("08.smaller", "08.scales"), explorers.techniques)

# %% [markdown]
# Three things to look for:
#
# - which part of the file does not shrink? ("The rest" is operators, names and scales.) Compare
#   the three networks.
# - does any interval of the loss leave out zero?
# - which files does TFLM, the runtime for microcontrollers, refuse?

# %% [markdown]
# ## Explain
#
# How many bytes do the numbers of an int8 network take? LiteRT stores kernels as int8, biases as
# int32: a bias is added to a sum of products, and needs the sum's room.

# %%


def int8_bytes(kernel_weights, biases):
    # BEGIN SOLUTION
    return kernel_weights + 4 * biases
    # END SOLUTION


checks.check("08.bytes", int8_bytes)

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
checks.after(("08.smaller", "08.scales"), lambda: print(scenes.bytes_table(size)))

# %% [markdown]
# ### Is anything lost?
#
# Two accuracies with their intervals say little: both networks saw the same images. So count
# the images on which they disagree. If neither network is better, each of these is a fair coin;
# McNemar's test asks whether it looks like one.

# %% tags=["nbval-ignore-output"]
x, y = images.x_test, images.y_test
measured = {}
for mode in widgets.progress(conversion.MODES, "Evaluating on 10,000 images"):
    measured[mode] = evaluation.accuracy(files[mode], x, y)
for mode, accuracy in measured.items():
    print(f"{mode:8} {accuracy}")
    if mode != "float32":
        print(f"         {evaluation.compare(measured['float32'], accuracy)}")

# %% [markdown]
# int8 loses less than half a point, if it loses anything: the interval holds zero. And 16-bit
# activations? They have 256 times as many codes, but the weights are the same int8 weights.

# %%
for name in scenes.NETWORKS:
    print(f"{name:14} int16x8 against int8: {scenes.paired(name, 'int8', 'int16x8')}")

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
print(evaluation.processor())
times = {}
for kernels in evaluation.KERNELS:
    with widgets.progress_bar(f"Timing, {kernels} kernels") as report:
        times[kernels] = evaluation.latency(files, kernels, seconds=3, progress=report)
    print(f"{kernels} kernels, 1 thread, batch 1: median (quartiles)")
    for mode, latency in times[kernels].items():
        print(f"  {mode:8} {latency}")

# %% [markdown]
# The lecture's table calls integer quantization "fastest". On a computer's processor that
# depends on the kernels: the XNNPACK kernels are written for the processor's float
# units, which are wide, and int8 wins only where the processor multiplies bytes directly. Integer
# kernels also rescale every output (notebook 07). int16x8 runs on plain loops either way.
# On a microcontroller without a floating-point unit each float operation is a
# subroutine of many instructions; there int8 is fastest indeed. **A server is not a
# microcontroller: never choose for one by timing on the other.**

# %% tags=["nbval-ignore-output"]
ratio = times["xnnpack"]["float32"].median / times["xnnpack"]["int8"].median
checks.beside_lecture(
    [
        checks.Row(
            "int8 against float32, this processor, XNNPACK",
            "1.5x faster execution for Convolution Models (CPU integer v. CPU float)",
            round(ratio, 2),
            topic="Integer quantization",
            claim=bool(ratio >= 1.5),
            why="This processor's float units are wide, and the network is so small that "
            "rescaling its outputs takes a good part of the time.",
        )
    ],
    "How many times faster is int8 here?",
)

# %% [markdown]
# ### Where does it run?
#
# Which of the five files does the TFLM interpreter run? Write down a set of modes, such as
# `{"float32", "int8"}`, before you go on.

# %%
tflm_runs = {"float32", "int8", "int16x8"}  # SOLUTION

checks.check("08.tflm", tflm_runs, truth=scenes.runs_on_tflm("fashion_cnn"))

# %%
for mode, words in scenes.refusals("fashion_cnn").items():
    print(f"{mode}: {words}")

# %% [markdown]
# And the files that you just made? Each runtime is tried, on five images.

# %% tags=["nbval-ignore-output"]
for mode, tflite in files.items():
    tried = evaluation.runtimes(tflite, x[:5])
    print(f"{mode:8} " + "  ".join(f"{'✓' if v.runs else '✗'} {k}" for k, v in tried.items()))

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
for name in scenes.NETWORKS:
    print(f"{name:14} per tensor against per channel: {scenes.per_tensor_costs(name)}")

# %% [markdown]
# And their bytes. What is left after the kernels and the biases are scales, zero points, operators
# and names.

# %%
checks.after(("08.smaller", "08.scales"), lambda: print(scenes.granularity_table()))

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
# bits down to 2.

# %%
explorers.layer_errors()

# %% [markdown]
# The bars do not add up to what all layers lose together: one layer's error is the next one's
# input.
#
# ### Selective quantization
#
# All kernels of the depthwise network get 4 bits, except one layer, which stays in float32. Which
# layer would you spare? Decide by the bars above (they come from validation images) and answer
# with its name, such as `"conv1"`.

# %%
spared = "depthwise3"  # SOLUTION

checks.check(
    "08.selective",
    spared,
    evaluate=scenes.left_in_float,
    sizes=scenes.sizes("fashion_dscnn"),
)

# %% [markdown]
# One spared layer helps, and is far from enough. What else could be done at 4 bits? Training the
# network for it: notebook 09.
#
# ## Beside the lecture

# %%
checks.after(
    "08.smaller",
    lambda: checks.beside_lecture(scenes.beside_lecture(), "Five techniques, fashion_cnn"),
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
print(evaluation.compare(measured["float32"], evaluation.accuracy(wrong, x, y)))

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
# - LiteRT's 8-bit quantization specification: which operator takes which scales.
