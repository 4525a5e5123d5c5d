# %% [markdown]
# # 10 · Deep Compression: prune, share, code, and run what is left
#
# **After this notebook you will be able to** make a network thirty times smaller in three stages,
# account for every byte of the file, say how close a code is to the shortest there can be, and tell
# what a compressed network buys on a microcontroller, and what it costs there.
#
# About 80 minutes, in two sessions: 60 until the break before *Encode, decode, run*, 20 from there
# on. The guest speaker's paper (Han, Mao and Dally, *Deep Compression*), from which the lecture's
# slide of weight ranges is taken, on two networks of this laboratory.

# %%
from course_utils import env
env.check_kernel("tflite-micro")

# %% [markdown]
# ## Predict
#
# Three stages, one after another:
#
# 1. **Prune**: the smallest weights go, and the network is trained on. Stored are the weights that
#    are left, and for each how many zeros were skipped before it.
# 2. **Share**: the weights that are left share a few values. Stored are the values, the *codebook*,
#    and for each weight the number of its value.
# 3. **Code**: numbers that occur often get short words, by Huffman's code.
#
# The network is LeNet-300-100, the paper's first: 266,610 weights and biases, here trained on
# Fashion-MNIST. Guess before you look.

# %%
from course_utils.views import checks
from course_utils.labs.deep_compression import explorers, live, scenes

# %%
checks.predict(
    "10.pruned",
    "Pruning leaves about one in ten weights of LeNet-300-100 as float32, each with the number of "
    "zeros before it. How many times smaller is the file, against the dense one?",
    between=(1, 100),
    unit="×",
    reveal=lambda: scenes.smaller(scenes.LENET, "pruned"),
    because="Not ten times: where a weight stands must be stored as well, and where a gap is too "
    "long for its few bits a filler takes the place of a weight.",
)

# %%
checks.predict(
    "10.shared",
    "Then sixteen values are left in each layer (zero is one of them), so that a weight's value is a "
    "number of 4 bits. Gaps get the width that is now best. How many times smaller is the file "
    "now, against the dense one?",
    between=(1, 200),
    unit="×",
    reveal=lambda: scenes.smaller(scenes.LENET, "shared"),
    because="The values take a seventh of what they took, the gaps only a fifth less: now where a "
    "weight stands costs more than what it is.",
)

# %%
checks.predict(
    "10.all",
    "After all three stages, with codebooks, code tables, biases and headers counted: how many "
    "times smaller is the file than the dense one? (The paper says 40, on MNIST.)",
    between=(1, 200),
    unit="×",
    reveal=lambda: scenes.smaller(scenes.LENET, "coded"),
    because="Huffman's code saves about a seventh of the bytes: both rows of numbers are uneven, "
    "but not very.",
)

# %%
checks.predict(
    "10.loss",
    "Against the dense network, its test accuracy falls by",
    scenes.FALLS,
    unit="points",
    reveal=lambda: scenes.lost(scenes.LENET, "coded"),
    because="The network had far more weights than this task needs, and it is trained on after "
    "weights are cut and after they are shared.",
)

# %% [markdown]
# ## Explore
#
# ### Sharing: centroids move
#
# The points are 600 of the weights that pruning left in the first layer, drawn at random heights.
# Fifteen vertical lines are the shared values, the *centroids*. In each round every weight goes to the
# nearest centroid, then each centroid to the mean of its weights (*k-means*). Move the round, and
# choose where the centroids start: at equal distances (linear), where many weights are (density), or
# at weights drawn at random.

# %%
explorers.clusters()

# %% [markdown]
# Where are no points, near zero, and why? Which start has a centroid for the few largest weights at
# first, and which in the end?

# %% [markdown]
# ### Coding: often is short
#
# For each weight that is left, and each filler, two numbers are stored. How often does each number
# occur, and how many bits has its word? Move the width of a gap: with few bits long gaps need
# fillers (number 0 on the left).

# %%
PREDICTED = "10.pruned", "10.shared", "10.all", "10.loss"
checks.after(PREDICTED, explorers.codes)

# %% [markdown]
# ### Every byte
#
# Choose how many weights are left, the bits of an index in each layer, and the bits of a gap. Each
# state was encoded, and each was run on all 10,000 test images: nothing is estimated. (Pruned and
# trained on; the shared values come from k-means alone and were not trained afterwards. What
# that gains comes below.) Layers 2 and 3 keep a larger share than the first.

# %%
checks.after(PREDICTED, explorers.ledger)

# %% [markdown]
# Three things to find:
#
# - the sparsity from which storing gaps pays (compare with *none*: every weight stored);
# - the layer in which 2 bits hurt most, and which bytes it would save;
# - the smallest file that loses at most half a point. Choosing it *here*, on test images, would be
#   cheating: why?

# %% [markdown]
# ## Explain
#
# ### The nearest centroid
#
# Return for each weight the number of the centroid next to it, counted from 0. `weights` is an array
# of any shape, `codebook` has k values in rising order; the result has the shape of `weights`.
# (`weights[..., None] - codebook` is each weight's difference to each centroid.)

# %%
import numpy as np


def nearest(weights, codebook):
    # BEGIN SOLUTION
    distances = np.abs(weights[..., None] - codebook)
    return distances.argmin(axis=-1)
    # END SOLUTION


checks.check("10.nearest", nearest)

# %% [markdown]
# ### What sharing saves
#
# A layer has n weights of `num_bits` bits. They share k values: for each weight log2(k) bits are
# stored, and the k values once, in full width. How many times smaller is it? (The paper's
# equation 1; its figure 3 has 16 weights, 4 values, 32 bits.)

# %%


def compression_rate(n, k, num_bits):
    # BEGIN SOLUTION
    return n * num_bits / (n * np.log2(k) + k * num_bits)
    # END SOLUTION


checks.check("10.rate", compression_rate)

# %% [markdown]
# ### Training what is shared
#
# After sharing, the network is trained on; but a weight has no value of its own any more, only its
# cluster has. `gradient` is the loss's gradient for each weight, `indices` the number of each
# weight's cluster, in the same shape. Return the gradient for each of the k shared values (the
# paper's figure 3 and equation 3). A cluster may be empty.

# %%


def codebook_gradient(gradient, indices, k):
    # BEGIN SOLUTION
    return np.array([gradient[indices == j].sum() for j in range(k)])
    # END SOLUTION


checks.check("10.gradient", codebook_gradient)

# %% [markdown]
# Your functions on the real network: its pruned weights, clustered by your `nearest`, then trained
# on by your gradient, on the 7,000 images that ship. `my_bits` is the width of an index in every
# layer.

# %% tags=["nbval-ignore-output"]
my_bits = 4

my_clusters = live.clusters(checks.yours("10.nearest", nearest, scenes.nearest), my_bits)
my_network = live.tuned(
    my_clusters, checks.yours("10.gradient", codebook_gradient, scenes.codebook_gradient)
)
live.shared_table(my_clusters, my_network)

# %% [markdown]
# Try 2 bits, then 6. What does training mend, and what can it not?
#
# TensorFlow has a clustering of its own, in the Model Optimization Toolkit. What it makes of the first
# layer's weights was recorded. Do your functions agree?

# %%
scenes.against_tfmot(
    checks.yours("10.nearest", nearest, scenes.nearest),
    checks.yours("10.gradient", codebook_gradient, scenes.codebook_gradient),
)

# %% [markdown]
# ### Gaps
#
# `kept` says for each place of a layer whether a weight is left there. Return, for one entry after
# another, the number of zeros skipped before it. In `index_bits` bits the largest gap is
# 2^index_bits − 1. Where more zeros lie between two weights, a **filler** is stored first: an entry
# with the largest gap that stands for a weight of 0 and so takes one place itself. Zeros behind the
# last weight are not stored.
#
# With 2 bits, `0 1 0 0 0 0 0 1` has the gaps `1 3 1`: one zero and the weight; three zeros and a
# filler, itself the fourth; one more zero and the weight.

# %%


def relative_index(kept, index_bits):
    # BEGIN SOLUTION
    largest, gaps, last = 2**index_bits - 1, [], -1
    for place in np.flatnonzero(kept):
        zeros = place - last - 1
        while zeros > largest:
            gaps.append(largest)
            zeros -= largest + 1  # the filler takes a place, too
        gaps.append(zeros)
        last = place
    return np.array(gaps)
    # END SOLUTION


checks.check("10.gaps", relative_index)

# %% [markdown]
# Your function on the first layer, in every width. Narrow gaps need fillers; wide ones waste bits.

# %%
checks.after(
    PREDICTED,
    lambda: live.gap_widths(checks.yours("10.gaps", relative_index, scenes.relative_index)),
)

# %% [markdown]
# Does the width that is best before Huffman's code stay the best after it? Why does a gap that is too
# wide cost little then? Each file below has the widths that make it smallest, layer by layer; *none*
# where it pays to store every weight.
#
# ### Huffman by hand
#
# Eight weights have the numbers `0 3 0 1 0 2 1 0`. Count how often each occurs. Then join the two
# rarest into a group, which occurs as often as both together; again, with the two rarest of what
# there is now; until one group is left. Each join makes the words of all its members one bit longer.
# How many bits do the eight weights take together?

# %%
bits_by_hand = 14  # SOLUTION
checks.check("10.by_hand", bits_by_hand, numbers=(0, 3, 0, 1, 0, 2, 1, 0))

# %% [markdown]
# ### Huffman on a layer
#
# Now for any counts: `counts[i]` says how often symbol i occurs, at least two of them do. Return how
# many bits all symbols take together in Huffman's code. (You need no tree and no words: what does
# each join cost?)

# %%


def huffman_bits(counts):
    # BEGIN SOLUTION
    groups, bits = sorted(count for count in counts if count > 0), 0
    while len(groups) > 1:
        joined = groups[0] + groups[1]
        bits += joined
        groups = sorted([*groups[2:], joined])
    return bits
    # END SOLUTION


checks.check("10.huffman", huffman_bits)

# %% [markdown]
# On the compressed LeNet-300-100: both rows of numbers of each layer by your function, beside what is
# in the file. The **entropy** is the bound: no code that gives every symbol a word of its own is shorter
# (Shannon, 1948). Huffman's is at most one bit a symbol above it, and no such code is shorter than
# Huffman's.

# %%
checks.after(
    PREDICTED,
    lambda: live.coded_table(checks.yours("10.huffman", huffman_bits, scenes.huffman_bits)),
)

# %% [markdown]
# ## Measure
#
# **A break here.** In a new session run the cells above first; answers stay.
#
# ### Encode, decode, run
#
# A file counts only if the network comes back out of it. Your network and the recorded one are
# encoded, decoded, compared weight by weight, and the *decoded* one answers the test images.

# %% tags=["nbval-ignore-output"]
checks.after(PREDICTED, lambda: live.decoded_table(my_network))

# %% [markdown]
# The whole ledger of the recorded file, tensor by tensor. Code tables and codebooks are what
# Huffman's code and sharing cost; headers hold names, shapes, counts, and a checksum.

# %%
checks.after(PREDICTED, scenes.ledger_table)

# %% [markdown]
# With one bit flipped, another network would come out; here none does:

# %%
live.damaged()

# %% [markdown]
# ### Five seeds
#
# The recorded runs, each with all 55,000 training images in another order. LeNet-300-100 first: the
# recipe was chosen on validation images of one seed; the test images were counted at the end. The last
# two lines: all three stages with fewer weights left, and the dense network trained on for as many
# steps, all at the rate that the pruned one ends with, a fifth of the one it begins with.
#
# Two kinds of intervals: the first table's tell what training in another order would change; the
# second table's, of each seed by itself, what other test images would.

# %%
checks.after(PREDICTED, scenes.stages_table)

# %%
checks.after(PREDICTED, scenes.seeds_table)

# %% [markdown]
# The same for fashion_cnn, whose convolutions have few weights and use each many times: they keep
# more of them, and more bits.

# %%
checks.after(PREDICTED, lambda: scenes.stages_table(scenes.CNN))

# %%
checks.after(PREDICTED, lambda: scenes.seeds_table(scenes.CNN))

# %%
checks.after(PREDICTED, lambda: scenes.ledger_table(scenes.CNN))

# %%
checks.after(PREDICTED, explorers.stages)

# %% [markdown]
# ### Where should centroids start?
#
# The paper finds the linear start best, since few weights are large and those matter most. The same
# pruned network, three starts, nothing trained yet:

# %%
checks.after(PREDICTED, scenes.starts)

# %% [markdown]
# After up to a hundred rounds, k-means mostly forgets where it began; the paper's advantage is not shown here. Where
# does a bad start hurt, and why there? (One seed: small differences may be chance.)
#
# ### A fair comparison
#
# The paper compares with float32. What does it gain over what everybody has: gzip, xz, and int8
# (notebook 08)? The same network, seed 1; `.tflite` files have headers of their own. *A byte a weight*:
# each weight's index in a byte, zeros included, with the codebooks and the biases.

# %%
checks.after(PREDICTED, scenes.baselines)

# %%
checks.after(PREDICTED, lambda: scenes.baselines(scenes.CNN))

# %% [markdown]
# A pruned network whose weights share few values is most of the work: gzip, which has a Huffman code
# in it, too, then finds much of the rest by itself, and xz more. What is the paper's own format still
# worth?
#
# ### Beside the paper
#
# Layer by layer, the paper's table 2 and ours:

# %%
checks.after(PREDICTED, scenes.beside_paper)

# %%
from course_utils.labs.deep_compression import lecture

checks.after(PREDICTED, lambda: checks.beside_lecture(lecture.rows(), lecture.CAPTION))

# %% [markdown]
# ## Run it
#
# So far the compressed network was a file: to run, it was unpacked into float32. What does a
# microcontroller do with it? TFLM has a compression of its own, and of the three stages it runs the
# second: a table of shared values for each layer (a *look-up table*), and for each weight its number
# in the table, zeros included. An operator DECODE, put before the layer, unpacks the weights into RAM.
#
# ### Predict: memory

# %%
checks.predict(
    "10.arena",
    "LeNet-300-100 in int8, its weights looked up from 16 shared values: the file shrinks to about "
    "half. Against the plain int8 file, the RAM that TFLM needs (the arena) is",
    {
        "smaller": (0, 0.95),
        "about the same": (0.95, 1.5),
        "up to ten times as large": (1.5, 10),
        "more than ten times as large": (10, 1000),
    },
    unit="×",
    reveal=scenes.arena_grows,
    because="A plain file's weights stay in flash and are read there. What DECODE unpacks needs a "
    "place in RAM: the whole first layer, 235,200 bytes.",
)

# %% [markdown]
# ### Measure: in TFLM
#
# The clustered network was converted to int8 with one scale a layer. (With a scale for each channel,
# equal weights of two channels would become different codes; TFLM can keep a table for each channel,
# but each takes room.) Here TFLM's tool compresses it, and both files answer test images in the real
# TFLM interpreter:

# %%
checks.after("10.arena", scenes.look_up)

# %% [markdown]
# On all 10,000 test images, with time and arena, as recorded:

# %%
checks.after("10.arena", scenes.tflm_table)

# %%
checks.after("10.arena", explorers.tflm)

# %% [markdown]
# Flash is saved, RAM is spent: on a board with 256 KB of RAM, what would you choose for
# LeNet-300-100? When would it be a good bargain? (Compare fashion_cnn; and think of where a
# network's file may lie instead of in flash.)
#
# And the other two stages? TFLM's compressor knows their names:

# %%
scenes.refusals()

# %% [markdown]
# A Huffman code's words have different lengths: no word can be found without reading all before it.
# The paper's authors built a chip for pruned and shared weights (EIE, 2016). In software, the third
# stage saves flash or a download, and is undone before the network runs.
#
# ## Check yourself

# %%
checks.scoreboard()

# %% [markdown]
# ## Read next
#
# - Han, Mao and Dally, *Deep Compression: Compressing Deep Neural Networks with Pruning, Trained
#   Quantization and Huffman Coding* (arXiv:1510.00149): the guest speaker's paper.
# - Han, Liu, Mao and others, *EIE: Efficient Inference Engine on Compressed Deep Neural Network*
#   (arXiv:1602.01528): hardware that runs what comes out.
# - Huffman, *A Method for the Construction of Minimum-Redundancy Codes* (Proceedings of the IRE, 1952):
#   four pages.
# - *TensorFlow Lite Micro: compression* (github.com/tensorflow/tflite-micro, folder
#   `tensorflow/lite/micro/compression`): the look-up tables that you ran.
