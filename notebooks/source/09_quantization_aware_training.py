# %% [markdown]
# # 09 · Quantization-aware training: train it to survive
#
# **After this notebook you will be able to** write the two functions that quantization-aware
# training is made of and train a network with them, say why its gradient is made up and works, when
# training with rounding pays, when it buys nothing, and when it is not enough.
#
# About 55 minutes. Each recorded run was made with five seeds: five times the same training, with
# other images and another order of them.

# %%
from course_utils import env
env.check_kernel("ai-edge-litert", "tflite-micro")

# %% [markdown]
# ## Predict
#
# Quantization after training (PTQ, notebook 08) cost nothing measurable at 8 bits. Now the weights
# of the depthwise network get 4 bits, with one scale for each kernel; activations keep 8. Rounded
# after training, it loses more than half of what it knew (notebook 06). Quantization-aware training
# (QAT) trains it on with the rounding in place.

# %%
from course_utils.machines import data
from course_utils.views import checks
from course_utils.labs.quantization_aware_training import exercises, explorers, lecture, scenes

# %%
checks.predict(
    "09.qat_4_bits",
    f"fashion_dscnn is right on {scenes.bits_results().float32:.1f} % of the test images, and "
    f"loses {scenes.lost(4, 'ptq').value:.0f} points when its trained weights are rounded to 4 "
    "bits. Now it is trained on for a while, over 20,000 images, and its weights are rounded at "
    "every step. How many points does it lose then?",
    {
        "less than 1 point": (-100, 1),
        "1 to 10 points": (1, 10),
        "10 to 25 points": (10, 25),
        "more than 25 points": (25, 100),
    },
    unit="points",
    reveal=lambda: scenes.lost(4, "qat"),
    because="The loss feels the rounding, and the weights move until 15 codes do for them. Trained "
    "on for as long without rounding, and rounded afterwards, the network loses "
    f"{scenes.lost(4, 'control_ptq').value:.0f} points: it is not the additional training that "
    "helps.",
)

# %% [markdown]
# ## Explore
#
# "Mimic the inference path during the training phase", says the lecture: round in the forward
# pass, so that the loss feels it. But rounding is a staircase, and the slope of a staircase is
# zero. Step through gradient descent on a single rounded weight, with the true gradient and with
# the *straight-through* one, which pretends that the staircase is a ramp.

# %%
explorers.descent()

# %% [markdown]
# The weight with the true gradient never moves. The other one walks until it stands at the edge
# between the two codes next to the target, and then steps to and fro: no code is the target, and
# each of the two sends it back to the other. More bits make the steps smaller.

# %% [markdown]
# ## Explain
#
# ### Fake quantization
#
# Write the rounding of a kernel, symmetric, with one scale $S$, back to real numbers. `w` is an
# array of any shape, of which $\max |w|$ is one number; what you return has its shape. `np.round`
# goes to the nearest whole number.
#
# $$w_q = \operatorname{round}\left(\frac{w}{S}\right) S \qquad
# S = \frac{\max |w|}{2^{b-1} - 1}$$

# %%
import numpy as np


def fake_quantize(w, bits):
    # BEGIN SOLUTION
    scale = np.max(np.abs(w)) / (2 ** (bits - 1) - 1)
    return np.round(w / scale) * scale
    # END SOLUTION


checks.check("09.fake_quantize", fake_quantize)

# %% [markdown]
# ### The straight-through estimator
#
# Going backward, rounding is skipped: the gradient `upstream` that arrives passes as it is. One
# exception: where $x$ lies outside the range `low` to `high`, it was clipped, and moving it
# changes nothing. An $x$ on an end of the range is still inside.
#
# `upstream` and `x` are arrays of one shape, `low` and `high` numbers. `np.where(condition, a, b)`
# takes from `a` where the condition holds and from `b` elsewhere; two conditions on arrays are
# joined by `&`, each in parentheses.

# %%


def straight_through(upstream, x, low, high):
    # BEGIN SOLUTION
    return np.where((x >= low) & (x <= high), upstream, 0.0)
    # END SOLUTION


checks.check("09.straight_through", straight_through)

# %% [markdown]
# ### Your two functions train a network
#
# LeNet-300-100 has three dense layers. In 3 bits, one scale a kernel, rounded after training, it
# loses about a third of what it knew: the curves below begin there. Here is the whole of a training
# step. Look for the places where the two functions are called: `fake_quantize` on every kernel going
# forward, `straight_through` on every kernel and every activation going backward.

# %%
scenes.show_step()

# %% [markdown]
# Now the shipped network is trained on twice, over the 7,000 training images that come with the
# notebooks: once with your gradient, once with the true one, which is zero. Everything else is the
# same. The curve is measured on 2,000 validation images, with the kernels rounded.

# %%
quantizer = checks.yours("09.fake_quantize", fake_quantize, exercises.fake_quantize)
gradient = checks.yours("09.straight_through", straight_through, exercises.straight_through)

bits = 3
runs = scenes.train(quantizer, gradient, bits)

# %% tags=["nbval-ignore-output"]
explorers.curves(runs, bits)

# %% [markdown]
# With the true gradient not one weight of a kernel moves. What its curve gains comes from the ten
# biases of the last layer: they alone reach the loss without passing a rounding.
#
# With the straight-through gradient most of the loss is won back within the first ten steps. Try
# `bits = 4`, where little was lost, and `bits = 2`, where the start is so bad that one pass over the
# images hardly helps.
#
# What does that look like? The first ten test images, and the answers on the way:

# %% tags=["nbval-ignore-output"]
explorers.answers(runs["straight-through"], bits)

# %% [markdown]
# ### What is rounded: the folded kernel
#
# On the device no batch normalization is left: it multiplies each output channel by a constant,
# so that it is computed once, into the kernel. Training must round what the device will round.
# Write the folded kernel. `kernel` has two or four axes, the last of which counts the output
# channels; `gamma` and `variance` are arrays with one entry for each of these; `epsilon` is a number:
#
# $$w' = w \, \frac{\gamma}{\sqrt{\sigma^2 + \epsilon}}$$

# %%


def fold(kernel, gamma, variance, epsilon):
    # BEGIN SOLUTION
    return kernel * gamma / np.sqrt(variance + epsilon)
    # END SOLUTION


checks.check("09.fold", fold)

# %% [markdown]
# Yours on the depthwise network, with all of its batch normalizations: are the answers still those
# of the network that normalizes?

# %%
print(scenes.folded_answers(checks.yours("09.fold", fold, exercises.fold)))

# %% [markdown]
# One layer's training graph, as `quantization_aware.fine_tune` builds it in TensorFlow for networks
# of any layers. It is the step that you read above, with convolutions. The ranges of the activations are found by *observers*: they start
# from a few hundred images and follow each batch, as a moving average.

# %%
explorers.graph()

# %% [markdown]
# ## Measure
#
# The recorded runs: the shipped network, trained on over 20,000 images with rounding (QAT), for
# each number of bits and each of five seeds. (Rounding after training has seeds, too: they draw
# the images on which the ranges of its activations are measured.) To be fair, a control was trained on for as many
# steps *without* rounding, and rounded afterwards. The learning rate was chosen on validation
# images; the test images were used once.

# %%
checks.after("09.qat_4_bits", explorers.bits)

# %%
checks.after("09.qat_4_bits", scenes.bits_table)

# %% [markdown]
# **Where rounding after training fails**: at 4 bits. The largest weight of a kernel sets its scale,
# so that most weights share the few codes around zero:

# %%
scenes.codes_used(4)

# %% [markdown]
# Many weights become 0, but no channel does: each keeps at least one weight with another code. What
# share of the loss does training with rounding win back?

# %%
checks.after("09.qat_4_bits", lambda: print(scenes.recovered(4)))

# %% [markdown]
# **Where it buys nothing**: at 8 bits with a scale for each channel, as LiteRT does it. Two things
# could have been otherwise: the seeds of the training, and the images of the test. So there are two
# intervals, both paired: seed by seed, and image by image as in notebook 08. A difference is shown
# only if both leave out zero.

# %%
scenes.eight_bits_table()

# %% [markdown]
# **Where neither is enough**: at 2 bits.

# %%
scenes.lost_table(2)

# %%
scenes.codes_used(2)

# %% [markdown]
# Three codes are left, the largest weight decides where they are, and most channels are zero
# throughout. Better ranges might help there, not more patience: learned scales, or a scale for each
# channel.
#
# ### Train the depthwise network
#
# The same training for convolutions, in TensorFlow, which starts here. Less than a minute: the 7,000
# training images that ship, once over, with 4-bit weights. `how` may have other bits, from 2 to 16,
# and a scale for each channel.

# %%
from course_utils.engines import simulated_quantization
from course_utils.machines import quantization_aware
from course_utils.views import widgets

network, images = data.checkpoint("fashion_dscnn"), data.load("fashion_mnist")
layers, weights = simulated_quantization.fold_batch_norm(network.layers, network.weights)
ranges = quantization_aware.calibrated_ranges(layers, weights, images.x_train[:300])
how = {"weight_bits": 4, "per_channel": False}

with widgets.progress_bar(f"Training with {how['weight_bits']}-bit weights") as report:
    mine = quantization_aware.fine_tune(
        layers, weights, images.x_train, images.y_train, ranges=ranges, progress=report, **how
    )

# %% tags=["nbval-ignore-output"]
from course_utils.machines import evaluation

x, y = images.x_test, images.y_test
before = quantization_aware.predict(layers, weights, x, ranges=ranges, **how)
after = quantization_aware.predict(layers, mine.weights, x, ranges=mine.ranges, **how)
ptq, qat = evaluation.count(before == y), evaluation.count(after == y)

checks.after("09.qat_4_bits", lambda: scenes.trained_here(ptq, qat, **how))

# %% [markdown]
# ### The same answers everywhere
#
# A network that was trained with 8-bit rounding, a scale for each channel, was converted to int8.
# It brought its ranges along: the converter needed no calibration data. Three engines answer
# alike: the integer engine of notebook 07, LiteRT's reference kernels, and TFLM where it is
# installed.

# %%
from course_utils.engines import integer_engine
from course_utils.machines import micro
from course_utils.numbers.quantization import quantize

tflite = data.model("fashion_dscnn_qat")
model = integer_engine.IntegerModel(tflite)
codes = quantize(x[:200], model.input.qparams)
ours = model.run(codes)
litert = evaluation.run(tflite, codes, "reference")
print(f"integer engine and LiteRT: largest difference {np.abs(ours - litert.astype(int)).max()}")

# %% tags=["nbval-ignore-output"]
if micro.missing():
    print(micro.missing())
else:
    same = np.array_equal(ours, micro.run(tflite, codes))
    print(f"integer engine and TFLM: {'equal, every bit' if same else 'different'}")

# %% [markdown]
# ## Beside the lecture
#
# What the lecture shows of ImageNet:

# %%
scenes.lecture_table()

# %% [markdown]
# ### Predict
#
# MobileNet v2: 70.77 % in float, 70.01 % after QAT. Or is that only luck?

# %%
differences = {(name, what): measured for name, what, measured in scenes.lecture_differences()}
real = differences["MobileNet v2 1.0 224", "float to QAT"]

# %%
checks.predict(
    "09.difference",
    "Is 70.01 % against 70.77 % a difference, with 50,000 images?",
    ["yes, something is lost", "it could be chance"],
    reveal="yes, something is lost" if real.low > 0 else "it could be chance",
    because=f"The loss is {real}. With 50,000 images an accuracy near 70 % is known to about "
    "0.4 points; paired by image the interval would be narrower still, but the table does not "
    "tell which images changed.",
)

# %%
checks.after("09.difference", scenes.verdicts)

# %% [markdown]
# Each QAT number of that table is a single training run: another seed gives another number, and the
# table has no seeds.

# %%
checks.after(
    "09.qat_4_bits",
    lambda: checks.beside_lecture(lecture.rows(), lecture.CAPTION),
)

# %% [markdown]
# ## Check yourself

# %%
checks.scoreboard()

# %% [markdown]
# ## Read next
#
# - Gholami et al., *A Survey of Quantization Methods for Efficient Neural Network Inference*
#   (arXiv:2103.13630), the lecture's first paper for discussion: section III-G is this notebook.
# - Bengio, Léonard and Courville, *Estimating or Propagating Gradients Through Stochastic Neurons*
#   (arXiv:1308.3432): where the straight-through estimator comes from.
# - Jacob et al., *Quantization and Training of Neural Networks* (arXiv:1712.05877), section 3.
