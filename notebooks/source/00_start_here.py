# %% [markdown]
# # 00 · Start here: why make networks smaller?
#
# **After this notebook you will be able to** say what a network costs a device in bytes, in
# memory while it runs and in multiply–accumulates; compute how long it takes to send one over a
# radio link; and use the predictions, explorers and checks of this laboratory.
#
# About 25 minutes. Nothing is downloaded: networks, data and recorded results are in the
# repository, and every file is checked before it is read.

# %%
try:
    from course_utils import env
except ModuleNotFoundError:
    raise ImportError("Wrong kernel: run `python lab.py`, then open this notebook.") from None
env.check_kernel()

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
# ## Predict
#
# The network that most notebooks use tells ten kinds of clothing apart in 28 × 28 images. It has
# two convolutions, two dense layers and 56,714 weights. An over-the-air update sends them all.

# %%
from course_utils.machines import data, models
from course_utils.views import checks
from course_utils.labs.start_here import scenes

network = data.checkpoint("fashion_cnn")

# %%
checks.predict(
    "00.update",
    "How long does it take to send its float32 weights over a link of 5.47 kbit/s, "
    "LoRaWAN's data rate at spreading factor 7 and 125 kHz?",
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
from course_utils.labs.start_here import explorers

explorers.fit()

# %% [markdown]
# ## Explain: five reasons, five numbers
#
# The lecture gives five reasons to optimize. Each becomes a number here.
#
# ### 1. Latency and cost
#
# A network's work is counted in multiply–accumulates, MACs: one multiplication and one addition
# to a running sum. A convolution of $k \times k$ does one for every output position, every output
# channel, every position under the kernel and every input channel:
#
# $$\text{MACs} = h_\text{out} \cdot w_\text{out} \cdot c_\text{out} \cdot k \cdot k \cdot
# c_\text{in}$$

# %%
for layer in models.describe(network.layers, network.input_shape):
    shape = " × ".join(map(str, layer.output_shape))
    print(f"{layer.name:8} output {shape:12} {layer.parameters:7,} weights {layer.macs:8,} MACs")

total_macs = sum(layer.macs for layer in models.describe(network.layers, network.input_shape))
print(f"\n{total_macs:,} MACs for one image")

# %% [markdown]
# The weights are in `dense1`, the work is in `conv2`. What makes a file smaller need not make it
# faster: keep the two apart.
#
# The Arduino Nano 33 BLE's Cortex-M4 runs at 64 MHz. If it finished one MAC in every cycle, which
# is optimistic for float32, one image would take:

# %%
by_name = {board["name"]: board for board in data.boards()}
nano = by_name["Arduino Nano 33 BLE"]
print(f"{total_macs / nano['clock_hz'] * 1000:.1f} ms at one MAC per cycle")

# %% [markdown]
# The second convolution takes a 13 × 13 × 16 input to an 11 × 11 × 32 output with 3 × 3 kernels.
# Compute its MACs with the formula; the check looks at your number.

# %%
conv2_macs = 11 * 11 * 32 * 3 * 3 * 16  # SOLUTION

checks.check(
    "00.macs", conv2_macs, output_shape=(11, 11, 32), input_shape=(13, 13, 16), kernel_size=(3, 3)
)

# %% [markdown]
# ### 2. Devices with limits
#
# The explorer above in three numbers: the network's weights as float32 and as int8, and the
# flash of the Arduino Uno.

# %%
uno = by_name["Arduino Uno R3"]
float32_bytes = sum(weights.nbytes for weights in network.weights.values())
print(f"float32 {float32_bytes:,} bytes, int8 {float32_bytes // 4:,} bytes, "
      f"Uno's flash {uno['flash_bytes']:,} bytes")

# %% [markdown]
# ### 3. Payload
#
# An update travels as bits, and a link's speed is in kilobits per second. A file's size is in
# bytes. How many seconds does the network take as float32 over Bluetooth Low Energy at a useful
# rate of 700 kbit/s?

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
for name, info in by_name.items():
    print(f"{name:24} {info['core']:18} floating-point unit: {info['fpu']}")

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
# The lecture sizes three frameworks by their operations. Here they are counted in the packages
# that you have installed. TensorFlow Lite Micro's turn comes with its own notebook.

# %%
checks.beside_lecture(scenes.framework_rows(), "How many operations a framework knows")

# %% [markdown]
# ## Who does what
#
# Shrinking a network is one step of a longer road, and on a team it has an owner. The lecture
# calls the owners the MLOps personas.
#
# | who | decides | in this suite |
# |---|---|---|
# | data engineer | what is collected, and how it is split | the data sheets in `data/README.md` |
# | data scientist | architecture, training, the accuracy that is enough | 01 to 04, 09 |
# | optimization engineer | what to prune, which bits, what it may cost | 02, 03, 06 to 10 |
# | embedded engineer | board, memory, kernels, power | 05, 07, 11 |
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
# - Notebook 01 looks at the weights themselves.
# - Gholami et al., *A Survey of Quantization Methods for Efficient Neural Network Inference*
#   (arXiv:2103.13630), section 1: the same five reasons, with the research behind each. It is the
#   lecture's first paper for discussion.
