# %% [markdown]
# # 03 · Structured pruning: what lasts, and what it buys
#
# **After this notebook you will be able to** prune neurons, channels and patterns of a trained
# network, train it on with its zeros held in place, remove channels so that the network really
# is smaller, and say what zeros save in bytes and in time: in which format, on which code.
#
# About 100 minutes, in two sessions of about 35 and 65:
#
# 1. **fine-tuning and choosing**: what training on wins back, and which run to ship;
# 2. **structure and speed**, from the heading *Second session* on: channels, patterns, bytes, time.
#
# Short of time? Leave out your own training run in the first session, and the conditions of
# XNNPACK in the second. Whatever trains was recorded with five *seeds*: five runs that differ only
# in the random numbers that they draw, such as the order of the images.

# %%
from course_utils import env
env.check_kernel("ai-edge-litert", "tensorflow-model-optimization")

# %% [markdown]
# ## Predict
#
# The lecture shows two ways to prune: take single connections ("pruning synapses"), or whole
# units with all of their connections ("pruning neurons").

# %%
from course_utils.machines import data
from course_utils.views import checks
from course_utils.labs.structured_pruning import explorers, lecture, scenes

# %%
checks.predict(
    "03.neurons",
    "Half of the connections of every layer of lenet_300_100 are pruned, the smallest ones: "
    f"{scenes.lost('synapses').value:.1f} points of test accuracy are lost, without any training "
    "after. How many points are lost when half of its hidden units go instead?",
    {
        "less than 3 points": (-100, 3),
        "3 to 10 points": (3, 10),
        "10 to 30 points": (10, 30),
        "more than 30 points": (30, 100),
    },
    unit="points",
    reveal=lambda: scenes.lost("neurons"),
    because="About as many weights go either way. But a unit takes large weights along with small "
    "ones, and nothing can be chosen within it.",
)

# %% [markdown]
# ## Explore
#
# The lecture's picture, drawn from the real network: a few units of each layer, from the one with
# the largest weights (top) to the one with the smallest. Lines are as thick as weights are large.

# %%
checks.after("03.neurons", explorers.synapses_and_neurons)

# %% [markdown]
# Three things to look for:
#
# - at the same fraction, about the same number of weights is left. Which picture is right more
#   often?
# - far to the right, units on the left lose their last connection, though nobody chose a unit.
# - which of the two leaves a *smaller matrix*, and which one a matrix of the same size with holes?
#   (The second session builds the smaller one.)

# %% [markdown]
# ## Prune, train on, repeat
#
# *Fine-tuning* holds the zeros where they are and trains the other weights on, for a few more
# epochs. *One-shot* pruning sets all the zeros at once, before that. *Gradual* pruning sets them
# little by little while the training goes on.
#
# ### Predict

# %%
checks.predict(
    "03.trained_on",
    "With 90 % of its weights pruned, each layer's smallest, lenet_300_100 loses "
    f"{scenes.lost_after('lenet_300_100', 'one_shot_raw').value:.0f} points. "
    "How many does it lose once it is pruned gradually while it trains on?",
    {
        "none, it gains": (-100, 0),
        "less than 3 points": (0, 3),
        "3 to 10 points": (3, 10),
        "more than 10 points": (10, 100),
    },
    unit="points",
    reveal=lambda: scenes.lost_after("lenet_300_100"),
    because="A tenth of the weights does nearly as well, if it may change: training on wins back "
    "tens of points. Most of what pruning cost came from leaving the others as they were.",
)

# %% [markdown]
# ### Explore
#
# The recorded runs. All of a network's runs train on for equally long, over the same images in
# the same order. Choose the question.

# %%
checks.after("03.trained_on", lambda: explorers.fine_tuned("lenet_300_100"))

# %% [markdown]
# Differences are best taken seed by seed, at 90 % sparsity:

# %%
checks.after("03.trained_on", explorers.gains)

# %% [markdown]
# An interval that holds 0 shows no difference; a negative number says that the second way is
# ahead.
#
# - **Trained on, against not**: this is what the prediction was about.
# - **Gradually or at once?** At this budget, a few epochs, no difference can be shown for one
#   network, and gradual pruning is *behind* for the other. One reason may be the time: what falls
#   late leaves the others few steps to take over.
# - **Magnitude** beats chance even after training, so the training alone does not explain it.
# - **One threshold for all layers** beats the same share of each.
# - The lecture's **s·σ** ends less sparse than asked for: weights that grow past the threshold
#   while they train on are kept. Compare it at the sparsity that it reached.
#
# Why is one threshold ahead? Look at the bars, which show what each way takes from each layer: it
# takes more of the large dense1 and spares the small layers, the first and the last, which bear
# little pruning (notebook 02).

# %%
checks.after(
    "03.trained_on", lambda: explorers.fine_tuned("fashion_cnn", first="per layer, or globally")
)

# %% [markdown]
# ### Explain
#
# Gradual pruning follows a schedule. Zhu and Gupta's begins at sparsity 0 and ends at $s_f$ after
# $T$ steps:
#
# $$s_t = s_f - s_f \left(1 - \frac{t}{T}\right)^3$$
#
# `step` is $t$, a number or a NumPy array of them; `steps` is $T$ and `final` is $s_f$.

# %%
import numpy as np


def sparsity_at(step, steps, final):
    # BEGIN SOLUTION
    return final - final * (1 - step / steps) ** 3
    # END SOLUTION


checks.check("03.schedule", sparsity_at)

# %%
explorers.schedule(sparsity_at)

# %% [markdown]
# ### Measure
#
# Now one of your own, on the 7,000 training images that ship. TensorFlow starts here; its model
# optimization toolkit (tfmot) prunes along the schedule that you wrote down and holds the zeros.

# %% tags=["nbval-ignore-output"]
my_network, my_method, my_sparsity = "lenet_300_100", "gradual", 0.9

mine = explorers.prune_and_train_on(my_network, my_method, my_sparsity)

# %% tags=["nbval-ignore-output"]
checks.after("03.trained_on", lambda: explorers.own_among_recorded(mine))

# %% [markdown]
# Yours saw 7,000 images, this network's recorded runs 55,000: expect the star to lie lower.
# Change the network (`"fashion_cnn"`), the method (`"one_shot"`, `"random"`, `"global"`,
# `"sigma"`) or the sparsity, and run the two cells again.
#
# ### Choose
#
# You may ship one of these runs: the sparsest that loses at most 1 point, and of equally sparse
# ones the one that loses least. Which?

# %%
runs = scenes.runs_to_choose("lenet_300_100")
checks.after("03.trained_on", lambda: explorers.runs_table(runs))

# %%
my_run = "90 % seed 5"  # SOLUTION

checks.check("03.choose", my_run, runs=runs)

# %% [markdown]
# ## Second session: structure and speed
#
# A good place to stop. Predictions and passed exercises are kept. When you come back, put the
# cursor in this cell and choose *Run > Run All Above Selected Cell*.
#
# So far zeros stayed where they were: the matrices are as large as before. Now the network itself
# becomes smaller, and then we ask what zeros save where nothing becomes smaller.
#
# ## Fewer channels
#
# ### Predict

# %%
checks.predict(
    "03.macs",
    "Half of the channels of each layer of fashion_cnn are removed. How many times fewer "
    "multiply–accumulates does it need?",
    {
        "less than 2 times": (0, 2),
        "2 to 3 times": (2, 3),
        "3 to 4 times": (3, 4),
        "4 times or more": (4, 100),
    },
    unit="times",
    reveal=lambda: scenes.channel_ratio("macs"),
    because="A layer with half of its inputs and half of its outputs has a quarter of the work. "
    "But the image still has its one channel and the answer its ten classes, so that the first "
    "and the last layer lose only half.",
)

# %% [markdown]
# ### Explore
#
# A channel that is removed leaves a smaller dense network: no index, no mask, no special code.

# %%
checks.after("03.macs", explorers.channels)

# %% [markdown]
# At half of the channels, four ways to rank them were tried: by the sum of the magnitudes of a
# channel's weights (L1), by the root of the sum of their squares (L2), by how strongly the channel
# answers training images (activation), and at random. Here is what each way loses. The one
# that looks best before training on, *activation*, is not the best after it: judge a ranking by
# the network that you will ship.

# %%
explorers.rankings()

# %% [markdown]
# ### Explain: which channels go?
#
# Those with the smallest weights: rank each output channel $c$ of a kernel by its norm
#
# $$\lVert w_c \rVert_2 = \sqrt{\sum_{i,j,k} w_{ijkc}^2}$$
#
# Kernels of convolutions have the axes (height, width, in, out). Write the norms of the output
# channels, one number for each.

# %%
def channel_norms(kernel):
    # BEGIN SOLUTION
    return np.sqrt(np.sum(kernel**2, axis=(0, 1, 2)))
    # END SOLUTION


checks.check("03.channels", channel_norms)

# %% [markdown]
# ### Explain: what goes with them?
#
# A channel leaves a trace in three places: the kernel that makes it, its bias, and the next
# kernel, which reads it. All kernels have the axes (height, width, in, out) here. Return the
# kernel, its bias and the next kernel, in this order, without the channels that don't stay; `keep`
# has a `True` for each channel that stays, and an array can be indexed with it along one axis.

# %%


def remove_channels(kernel, bias, next_kernel, keep):
    # BEGIN SOLUTION
    return kernel[..., keep], bias[keep], next_kernel[:, :, keep, :]
    # END SOLUTION


checks.check("03.remove", remove_channels)

# %% [markdown]
# ### Explain: how much is gone?
#
# A fraction of the channels goes in this layer, and a fraction in the layer before it. Which
# share of this layer's weights is left?

# %%


def share_left(fraction_before, fraction_here):
    # BEGIN SOLUTION
    return (1 - fraction_before) * (1 - fraction_here)
    # END SOLUTION


checks.check("03.share_left", share_left)

# %% [markdown]
# ### Measure
#
# Rank, remove, rebuild: your functions do it with fashion_cnn. Two networks come of it. In the
# *masked* one the removed channels are zeros in place, in the *smaller* one they are gone. Their
# outputs are the same.

# %%
from course_utils.engines import float_engine
from course_utils.labs.structured_pruning import exercises
from course_utils.numbers import channel_pruning

norms_of = checks.yours("03.channels", channel_norms, exercises.channel_norms)
remove = checks.yours("03.remove", remove_channels, exercises.remove_channels)

network, images = data.checkpoint("fashion_cnn"), data.load("fashion_mnist")
kept, layers, weights = explorers.remove_half(network, norms_of, remove)
masked = channel_pruning.masked(network.layers, network.weights, kept)

x = images.x_validation[:500]
difference = np.abs(
    float_engine.forward(network.layers, masked, x) - float_engine.forward(layers, weights, x)
).max()
print("largest difference of the outputs below 1e-5:", bool(difference < 1e-5))

# %%
versions = {
    "dense": (network.layers, network.weights),
    "masked": (network.layers, masked),
    "smaller": (layers, weights),
}
checks.after("03.macs", lambda: explorers.costs(network, versions))

# %% [markdown]
# "Pruned, so faster"? Three files: dense, masked, smaller. The models take turns, one image at a
# time, in LiteRT: TensorFlow Lite under its new name.

# %%
files = explorers.converted(network, versions)

# %% tags=["nbval-ignore-output"]
explorers.times(files)

# %% [markdown]
# The masked network has the same bytes and, but for what else this machine does meanwhile, takes
# the same time: the code multiplies by its zeros. The smaller one has about a quarter of the
# parameters and is a dense network like any other: no runtime has to know that it was pruned.
# Neither was trained on: the accuracy in the table above is where fine-tuning would begin, and the
# table of rankings says where it ends.
#
# ## 2 by 4
#
# Between single weights and whole channels lies a pattern: of every four weights two stay. Some
# hardware can skip the other two, because it knows that there are just two in *each* four inputs
# of an output.
#
# ### Explore
#
# A corner of a layer's matrix. Its rows are the outputs, as LiteRT stores them.

# %%
explorers.patterns()

# %% [markdown]
# Along the wrong axis as much of the sum of squares is kept: it does not tell you that the
# hardware can't use the mask. A verifier does.
#
# ### Explain
#
# Write the mask of a dense kernel (in, out): in every group of four successive *inputs* of an
# output, `True` for the two largest magnitudes. The number of inputs is a multiple of four.
#
# What you need: `reshape` can make an axis of its own for the four members of a group.
# `np.argsort(a, axis)` gives the *order* along an axis: first the place of the smallest, then of
# the next. It is not each place's *rank*. `np.argsort` of that order is: 0 for the smallest of its
# group. The mask has the kernel's shape.

# %%


def two_by_four(kernel):
    # BEGIN SOLUTION
    groups = np.abs(kernel).reshape(-1, 4, kernel.shape[1])  # group, member, output
    order = np.argsort(-groups, axis=1)
    rank = np.argsort(order, axis=1)  # 0: the largest of its group
    return (rank < 2).reshape(kernel.shape)
    # END SOLUTION


checks.check("03.two_by_four", two_by_four)

# %% [markdown]
# ### Measure
#
# Your mask, on the real layer, beside two others with as many weights. The groups are counted in
# NumPy; the last column is the verdict of tfmot's own verifier.

# %%
mask_of = checks.yours("03.two_by_four", two_by_four, exercises.two_by_four)

explorers.verified(mask_of, network.weights["dense1/kernel"])

# %% [markdown]
# What does the pattern cost, against half of the weights wherever they are? Both prune the same
# kernels, and train on for as long.

# %%
explorers.two_by_four()

# %%
explorers.pattern_costs()

# %% [markdown]
# ## What sparsity buys
#
# ### Bytes
#
# Ways to store the weights, each a real encoding that decodes back to them. *gzip* is the
# general-purpose compressor; a *bitmap* has one bit for each weight, 1 where it is kept, and then
# the kept values (notebook 02). CSR, *compressed sparse rows*, here with relative indices as in
# Deep Compression (Han et al., arXiv:1510.00149), keeps for each weight that is left its value and
# how many zeros lie before it. A *.tflite* can leave zeros out in a format of its own.

# %%
explorers.storage()

# %% [markdown]
# With fewer index bits a long run of zeros needs fillers: look at 98 %. From which sparsity on
# does CSR take fewer bits than the dense array? Call the sparsity $p$ and write down the bits that
# one weight takes on average in either format. (Leave the row ends and fillers out.)

# %%


def break_even(value_bits, index_bits):
    # BEGIN SOLUTION
    return index_bits / (value_bits + index_bits)
    # END SOLUTION


checks.check("03.break_even", break_even)

# %%
explorers.break_even(break_even)

# %% [markdown]
# In an int8 network a value has a quarter of the bits and its index as many as before: more must
# be pruned before a byte is saved.
#
# ### Predict

# %%
checks.predict(
    "03.sparse_file",
    "90 % of the weights of lenet_300_100 are zero, wherever they are small. They are left out of "
    "the .tflite, so that LiteRT knows. How many times faster does it run than the dense network?",
    {
        "slower": (0, 0.9),
        "not faster: 0.9 to 1.2 times": (0.9, 1.2),
        "1.2 to 4 times": (1.2, 4),
        "4 times or more": (4, 100),
    },
    unit="times",
    reveal=lambda: scenes.speedup("anywhere", 0.9),
    because="LiteRT has code for few patterns of zeros. Where there is none, it fills the zeros "
    "in again when the model is loaded, and runs the dense kernel. (At 98 % so many blocks of four "
    "are empty by chance that the converter finds them.)",
)

# %% [markdown]
# ### Time
#
# "Up to 6x improvement", says the lecture. Recorded on one processor, in one thread:
# lenet_300_100 with zeros anywhere and with zeros in blocks of four inputs, both left out of the
# file; fashion_cnn with channels removed; and one matrix product by SciPy. Compare each line with
# 1, its own dense network, not with its neighbours.

# %% tags=["nbval-ignore-output"]
checks.after("03.sparse_file", explorers.speed)

# %% [markdown]
# Blocks are a bargain: the pattern takes freedom from the pruning and gives the code something
# that it can multiply at once. Here it pays only beyond the point where its line crosses 1; at a
# half, blocks are slower than dense. A speed is worth what the network still knows, here with
# zeros anywhere, trained on:

# %%
checks.after("03.trained_on", explorers.what_is_left)

# %% [markdown]
# What do the blocks cost at 90 %, trained on?

# %%
explorers.blocks_cost()

# %% [markdown]
# The interval holds 0: five seeds show no cost.
#
# For convolutions LiteRT hands networks to XNNPACK, a library of fast loops for phones and PCs. (A
# loop is called a *kernel* there, too.) It has sparse ones, and asks much of a network before it
# takes them. The first network below keeps every condition that a network can keep; each of the
# others breaks one: its row names the condition and, after the colon, what stands in its place.
# Outputs that agree in every bit, in equal time, say that the dense kernels ran.

# %% tags=["nbval-ignore-output"]
checks.after("03.sparse_file", explorers.conditions)

# %% [markdown]
# Did one run sparsely? By its source, XNNPACK leaves its sparse kernels off on x86 processors that
# have AVX; a rule like that is none of the network's, and no network can keep it. The kernels were
# made for phones (Elsen et al., below).

# %% [markdown]
# ### And on a microcontroller?
#
# There zeros buy still less. TensorFlow Lite Micro runs a layer by plain loops over all of its
# weights, or by those of CMSIS-NN, the library for Arm's Cortex-M processors, which load several
# int8 weights at once and multiply and add them in pairs (David et al. and Lai et al., below). No
# weight is looked at before it is multiplied: a zero takes as long as any other. Nor does it save
# flash memory, since the weights are read where they lie, as a dense array; what gzip saves is
# saved while the model travels over the air, and given back when it is unpacked.
#
# Counted on an emulated Cortex-M4F, the same C for each file (instructions, not cycles):

# %%
checks.after("03.sparse_file", scenes.on_the_board)

# %% [markdown]
# And a loop that looks at each weight and skips the multiplication where it is 0? The look costs
# something for every weight, and saves the multiplication and the addition for some. In the columns
# *of it*, below 1 is a gain:

# %%
checks.after("03.sparse_file", scenes.zeros_skipped)

# %% [markdown]
# On the AVR, where one multiplication with its addition takes some thirty cycles, skipping pays from a
# quarter of zeros on; on the Cortex-M4F it breaks even at about 70 %, and wins little at 90 %. Most of
# the time goes into what stands around the multiplication and is not skipped.
#
# So on the course's boards prune *channels*: what is gone takes no time, no flash and no RAM,
# whatever the code. Zeros help where the weights are sent, or where hardware is made for their
# pattern.
#
# ### Beside the lecture
#
# The lecture's three tables in one plot. Scores have different units, so that the loss is drawn
# *relative* to the dense score: 1 % of BLEU 26.77 is 0.27 BLEU, 1 % of an accuracy of 71.04 % is
# 0.71 points. Where an interval can be known, it is drawn. Yours is the red square.

# %% tags=["nbval-ignore-output"]
checks.after("03.trained_on", lambda: explorers.loss_tables(mine))

# %% tags=["nbval-ignore-output"]
checks.after(
    "03.sparse_file",
    lambda: checks.beside_lecture(lecture.rows(), lecture.CAPTION),
)

# %% [markdown]
# ## Check yourself

# %%
checks.scoreboard()

# %% [markdown]
# ## Read next
#
# - Frankle and Carbin, *The Lottery Ticket Hypothesis* (arXiv:1803.03635), the lecture's second
#   paper for discussion: could the weights that stay have been trained alone?
# - Zhu and Gupta, *To Prune, or Not to Prune* (arXiv:1710.01878): the schedule, and large sparse
#   networks against small dense ones.
# - Li et al., *Pruning Filters for Efficient ConvNets* (arXiv:1608.08710): channels by L1 norm.
# - Elsen et al., *Fast Sparse ConvNets* (arXiv:1911.09723): the kernels behind LiteRT's sparse
#   path, and what they ask for.
# - Lai, Suda and Chandra, *CMSIS-NN: Efficient Neural Network Kernels for Arm Cortex-M CPUs*
#   (arXiv:1801.06601), and David et al., *TensorFlow Lite Micro* (arXiv:2010.08678): what runs on
#   a microcontroller.
