# %% [markdown]
# # 00 · Start here: why make networks smaller?
#
# **After this notebook you will be able to** say what a network costs a device in bytes, in
# memory while it runs and in multiply–accumulates; compute how long it takes to send one over a
# radio link; tell the four networks of the suite apart; and use the predictions, explorers and checks of this laboratory.
#
# About 35 minutes. Nothing is downloaded: networks, data and recorded results are in the
# repository, and every file is checked before it is read.

# %%
from course_utils import env
env.check_kernel("ai-edge-litert")

# %% [markdown]
# ## How this laboratory works
#
# Every notebook goes the same way:
#
# 1. **Predict.** You commit to a guess before you see anything. A wrong guess is worth more than
#    none, because it shows you what to look for. The code of a prediction is folded away, since
#    it holds the explanation; the three dots open it.
# 2. **Explore.** You move a slider and watch a real trained network change. Sliders take the
#    arrow keys, Page Up and Page Down, Home and End.
# 3. **Explain.** You write the formula as code. A check tells you whether it is right and, if
#    not, which misunderstanding it shows.
# 4. **Measure.** Your machine's number stands beside the lecture's, with its uncertainty.
# 5. **Check yourself.** Your guesses and answers, in one table.

# %% [markdown]
# ## Words that come up everywhere
#
# | word | what it means here |
# |---|---|
# | float32 | a real number in 32 bits. Networks are trained in it, and it is how their weights are stored unless somebody changes that |
# | int8 | a whole number from −128 to 127, in 8 bits. To *quantize* is to store real numbers as such codes |
# | weights, activations | what a network has learned, the same for every input; and what its layers compute from one input |
# | TensorFlow, Keras | what networks are trained with, on a computer |
# | LiteRT | the new name of TensorFlow Lite: it runs a trained network from one `.tflite` file, on phones and computers |
# | XNNPACK | the library of fast code with which LiteRT computes on a phone's or a computer's processor |
# | TFLM | TensorFlow Lite Micro: it runs the same `.tflite` files on a microcontroller, without an operating system |
# | kernel | two things: the weights of a layer, and the code that computes one kind of layer |
# | depthwise | a convolution whose filters see one channel each; a 1 × 1 convolution then mixes the channels |
# | fused | computed together with the layer before it: batch normalization and ReLU rarely run on their own |
# | per channel | with a number for each output channel of a layer (a scale, for example), not one for the whole layer |
# | seed | the number that chance starts from. The same seed gives the same training again; another gives another network, about as good |

# %% [markdown]
# ## What the networks see
#
# Three of the four networks look at Fashion-MNIST: photographs of clothing in ten classes. This
# is the first test image of each class.

# %%
from course_utils.machines import data
from course_utils.views import checks
from course_utils.labs.start_here import exercises, explorers, scenes

explorers.garments()

# %% [markdown]
# The fourth gets the motion of a smartwatch during a shoulder exercise: acceleration (*a*) and
# rotation (*w*) along three axes. This is the first recording of its test set. The people who wear
# the watch in the test set are not those of the training set.

# %%
explorers.recording()

# %% [markdown]
# ## The four networks
#
# Every notebook uses these four. Layers stand from input to output. Boxes with a background hold
# weights; biases and batch normalization are counted in.
#
# **fashion_cnn** is in most notebooks. Its weights are in one layer and its work in another: what
# makes its file smaller need not make it faster.

# %%
explorers.network("fashion_cnn")

# %% [markdown]
# **fashion_dscnn** is built as networks for phones are, from depthwise and 1 × 1 convolutions. It
# is as accurate as fashion_cnn with a quarter of the weights. There is little left to take away.

# %%
explorers.network("fashion_dscnn")

# %% [markdown]
# **lenet_300_100** has dense layers only, so that each weight is used once for an input. It is the
# network of two well-known papers on pruning, *Deep Compression* and *The Lottery Ticket
# Hypothesis*.

# %%
explorers.network("lenet_300_100")

# %% [markdown]
# **watch_cnn** slides its kernels along time. Its test set is the smallest, so its interval is the
# widest; that other people might wear the watch is not even counted in it.

# %%
explorers.network("watch_cnn")

# %% [markdown]
# ## Predict
#
# A device in the field gets an over-the-air update, and the update sends all of a network's
# weights.

# %%
network = data.checkpoint("fashion_cnn")
count = sum(weights.size for weights in network.weights.values())

# %%
checks.predict(
    "00.update",
    f"How long does it take to send {network.name}'s {count:,} float32 weights over a link of "
    "5.47 kbit/s, LoRaWAN's data rate at spreading factor 7 and 125 kHz?",
    {
        "less than 10 seconds": (0, 10),
        "10 to 60 seconds": (10, 60),
        "1 to 10 minutes": (60, 600),
        "longer than 10 minutes": (600, 1e9),
    },
    unit="s",
    reveal=lambda: scenes.transfer_seconds(network, kbit_per_s=5.47),
    because="Each weight has 32 bits, and every bit takes its turn. Protocol overhead and the "
    "rules on how long a device may transmit make it longer still.",
)

# %% [markdown]
# ## Explore
#
# A network must fit a board twice. Its weights go into flash. While it runs, a layer's input and
# output must be in RAM together. Choose a network and how many bits each value takes, and see
# which boards hold it. TensorFlow Lite Micro's own code and the rest of the program need room
# too: this is the least.

# %%
explorers.fit()

# %% [markdown]
# Things to look for:
#
# - LeNet in float32 misses the flash of the Arduino Nano 33 BLE, the board of this course, by very
#   little. How many bits does it take to fit?
# - The Arduino Uno holds one network only. What stands in the way, flash or RAM, as you take bits
#   away?
# - For all but the Uno, RAM is no trouble here: these inputs are small.

# %% [markdown]
# ## Explain: five reasons, five numbers
#
# The lecture gives five reasons to optimize. Each becomes a number here.
#
# ### 1. Latency and cost
#
# A network's work is counted in multiply–accumulates, MACs: one multiplication and one addition
# to a running sum. Every value that a convolution puts out is such a sum. It has a product for
# each position under the kernel and each channel of the input.
#
# Write how many MACs the whole layer does. Shapes are (height, width, channels), the kernel's size
# is (height, width); all are tuples of whole numbers.


# %%
def conv_macs(output_shape, input_shape, kernel_size):
    # BEGIN SOLUTION
    height, width, filters = output_shape
    return height * width * filters * kernel_size[0] * kernel_size[1] * input_shape[2]
    # END SOLUTION


checks.check("00.macs", conv_macs)

# %% [markdown]
# Your count on a whole network. A dense layer is a convolution as well: its input is an image of
# one position, and so is its output. The caption says how long the Arduino Nano 33 BLE takes for
# an input if it finishes one MAC in every cycle, which is optimistic for float32.

# %%
by_name = {board["name"]: board for board in data.boards()}
nano = by_name["Arduino Nano 33 BLE"]

mine = checks.yours("00.macs", conv_macs, exercises.conv_macs)
scenes.macs_table(mine, network.name, nano["clock_hz"])

# %% [markdown]
# And what depthwise layers are for: your function says what a full convolution of the same input
# to the same output would cost.

# %%
scenes.separable_table(mine)

# %% [markdown]
# ### 2. Devices with limits
#
# The explorer above in numbers: each weight in four bytes, two or one, and the flash of two
# boards.

# %%
uno = by_name["Arduino Uno R3"]
scenes.bits_table("lenet_300_100", [nano, uno])

# %%
float32_bytes = sum(weights.nbytes for weights in network.weights.values())
scenes.bits_table(network.name, [nano, uno])

# %% [markdown]
# ### 3. Payload
#
# A link's speed is in kilobits per second. A file's size is in bytes. How many seconds does
# fashion_cnn take as float32 over Bluetooth Low Energy at a useful rate of 700 kbit/s? Its size:

# %%
print(f"{float32_bytes:,} bytes")

# %%
ble_seconds = float32_bytes * 8 / (700 * 1000)  # SOLUTION

checks.check("00.payload", ble_seconds, model_bytes=float32_bytes, kbit_per_s=700)

# %% [markdown]
# ### 4. Hardware without floating point
#
# A processor without a floating-point unit does each float operation in software, in tens of
# instructions and more. How many of the lab's boards have such a unit?

# %%
scenes.boards_table()

# %% [markdown]
# What "in software" costs, counted: one small layer in C, compiled for four processors and run on
# emulated ones. Instructions are not cycles; for the AVR the cycles are known.

# %%
scenes.without_a_unit()

# %% [markdown]
# ### 5. Special-purpose accelerators
#
# Small multipliers are cheap. A multiplier of two $b$-bit integers adds $b$ partial products of
# $b$ bits each, so that its area grows about as $b^2$; float32 multiplies two 24-bit significands.

# %%
print(f"float32 to int8 multiplier, partial-product bits: {24**2 / 8**2:.0f} to 1")

# %% [markdown]
# An accelerator such as the Edge TPU has only int8 units. A network must be quantized to run on
# it at all.

# %% [markdown]
# ## Measure
#
# The lecture sizes its frameworks by their operations. Here they are counted in the packages that
# you have installed. [Notebook 11](11_tflite_micro_export.ipynb) counts TFLM's as well and puts all
# three beside the lecture's numbers.

# %%
scenes.operations_table()

# %% [markdown]
# ## Who does what
#
# Shrinking a network is one step of a longer road, and on a team it has an owner. The lecture
# calls the owners the MLOps personas.
#
# | who | decides | in this suite |
# |---|---|---|
# | data engineer | what is collected, and how it is split | the [data sheets](../data/README.md) |
# | data scientist | architecture, training, the accuracy that is enough | [01](01_weight_distributions.ipynb), [09](09_quantization_aware_training.ipynb) |
# | optimization engineer | what to prune, which bits, what it may cost | [02](02_magnitude_pruning.ipynb), [03](03_structured_pruning.ipynb), [06](06_float_to_int8.ipynb), [08](08_post_training_quantization.ipynb) |
# | embedded engineer | board, memory, kernels, power | [05](05_floating_point.ipynb), [07](07_integer_arithmetic.ipynb), [11](11_tflite_micro_export.ipynb) |
# | operations engineer | how updates reach devices, and how they are watched | payload, above |
#
# On a small team one person wears several of these hats. The measurements are what they hand to
# one another.

# %% [markdown]
# ## The notebooks
#
# @notebooks
#
# Each begins where the one before ends, but you can start anywhere.

# %% [markdown]
# ## Check yourself
#
# Your predictions and exercises so far:

# %%
checks.scoreboard()

# %% [markdown]
# ## Read next
#
# - [Notebook 01](01_weight_distributions.ipynb) looks at the weights themselves.
# - Gholami et al., *A Survey of Quantization Methods for Efficient Neural Network Inference*
#   (arXiv:2103.13630), section 1: the same five reasons, with the research behind each. It is the
#   lecture's first paper for discussion.
