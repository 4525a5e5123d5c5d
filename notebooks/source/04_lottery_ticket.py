# %% [markdown]
# # 04 · Lottery ticket: find the winning ticket, and doubt it
#
# **After this notebook you will be able to** find a sparse network that trains as well as the
# dense one, say what it takes (which mask, which weights), and tell from intervals over seeds
# where the lottery ticket hypothesis shows and where it does not.
#
# About 55 minutes. Several hundred trainings were recorded; you run some rounds yourself.

# %%
from course_utils import env
env.check_kernel()

# %% [markdown]
# ## Predict
#
# The lecture's second paper for discussion (Frankle and Carbin) starts from a common experience: a
# network can be pruned *after* it was trained, but one that is sparse from the start is hard to
# train. Its experiment takes a trained network, prunes the smallest weights of each layer, sets
# those that are left **back to their first values**, and trains them again. And again, round by
# round.
#
# Here lenet_300_100 learns Fashion-MNIST from the 7,000 images that ship. Every run trains equally
# long; what counts is the network at its lowest validation loss.

# %%
from course_utils.views import checks
from course_utils.labs.lottery_ticket import explorers, live, scenes, tickets

# %%
checks.predict(
    "04.ticket",
    f"After {scenes.SMALL} rounds {scenes.left(scenes.SMALL):.1%} of the weights are left, set "
    "back to their first values, and trained again. Against the dense network, this ticket's test "
    "accuracy is",
    scenes.CHOICES,
    unit="points",
    reveal=lambda: scenes.ahead_of_dense("ticket", scenes.SMALL),
    because="The small network is not shown to train worse than the large one it was cut from. The "
    "mask and the first weights were both kept: the next two questions take one of them away.",
)

# %%
checks.predict(
    "04.reinitialized",
    "The same mask, but the weights that are left get new random values before they train. Against "
    "the dense network, its test accuracy is",
    scenes.CHOICES,
    unit="points",
    reveal=lambda: scenes.ahead_of_dense("reinitialized", scenes.SMALL),
    because="A mask is not the whole ticket. How much the first weights matter depends on how many "
    "are left, as you will see below.",
)

# %%
checks.predict(
    "04.random",
    "The same first weights, but the mask keeps as many weights of each layer at random. Against "
    "the dense network, its test accuracy is",
    scenes.CHOICES,
    unit="points",
    reveal=lambda: scenes.ahead_of_dense("random", scenes.SMALL),
    because="Even a random sixth of the weights learns well here: this task does not need many. "
    "What chance picks falls behind as less is left, as you will see below.",
)

# %% [markdown]
# ## Explore
#
# Twenty rounds as a film. Each loses 20 % of the weights left, the output layer 10 %. Left: how
# many connections every pixel of the image keeps into layer 1. Middle: some of that layer's
# weights, from their first to their trained value; dashed ones go next. Right: all five seeds.

# %%
PREDICTED = "04.ticket", "04.reinitialized", "04.random"
checks.after(PREDICTED, explorers.film)

# %% [markdown]
# Three things to look for:
#
# - does pruning keep the middle of the image, where the garments are, or its border? Adam, the optimizer, divides
#   every gradient by its usual size: what does that do to the weights of a pixel that is seldom lit?
# - which weights go: those that were small at first, or those that training made small?
# - how far down does the accuracy hold? And the step of the lowest validation loss, the
#   *early-stopping step*, on the lower right?
#
# ## Explain
#
# ### Which weights go?
#
# Write one pruning round for one layer. Of the weights that the old `mask` keeps, prune this
# `share`, those of smallest magnitude; return the new mask, `True` where a weight stays. Arguments
# are arrays of the same shape; a pruned weight is 0 in `weights`. (`weights[mask]` are the values
# that are left; `np.argsort` sorts, `np.quantile` and `np.sort` find a threshold.)

# %%
import numpy as np


def prune_round(weights, mask, share):
    # BEGIN SOLUTION
    magnitudes = np.sort(np.abs(weights[mask]))
    pruned = round(share * len(magnitudes))
    return mask & (np.abs(weights) >= magnitudes[pruned])
    # END SOLUTION


checks.check("04.round", prune_round)

# %% [markdown]
# ### What are they set back to?
#
# You have the layer's first weights, its trained weights and the new mask. Which weights does the
# ticket begin with? Return an array of the layer's shape.

# %%


def rewind(initial, trained, mask):
    # BEGIN SOLUTION
    return np.where(mask, initial, 0)
    # END SOLUTION


checks.check("04.rewind", rewind)

# %% [markdown]
# ### How much is left?
#
# Each round prunes the same rate of what is left. Which share of a layer's weights is left after so
# many rounds?

# %%


def share_left(rounds, rate):
    # BEGIN SOLUTION
    return (1 - rate) ** rounds
    # END SOLUTION


checks.check("04.left", share_left)

# %%
explorers.rounds_needed(share_left)

# %% [markdown]
# ### When is a network ready?
#
# The paper measures how *fast* a network learns by its early-stopping step: where its validation
# loss is lowest, looking back from the end of the training. `steps` tells when the loss was
# measured, `losses` what it was.

# %%


def early_stop(steps, losses):
    # BEGIN SOLUTION
    return steps[np.argmin(losses)]
    # END SOLUTION


checks.check("04.stop", early_stop)

# %% [markdown]
# ## Measure
#
# ### Your rounds
#
# Your functions in the real loop: train the dense network, prune, rewind, train, as often as
# `my_rounds` says; at the end the same number of weights at random. It starts from the weights
# that ship, and takes less than a minute.

# %% tags=["nbval-ignore-output"]
my_rounds = 3

live.rounds(
    checks.yours("04.round", prune_round, tickets.prune_round),
    checks.yours("04.rewind", rewind, live.rewind),
    checks.yours("04.stop", early_stop, live.early_stop),
    my_rounds,
)

# %% [markdown]
# One seed, a few rounds: can you tell the ticket from the random mask? Take more rounds, up to
# eight. What one run can't show, five seeds may.
#
# ### The recorded runs: accuracy
#
# Five seeds, and for each the same images in the same order for all methods, so that differences
# are taken seed by seed. Five ways to be sparse:
#
# - the **ticket**: pruned round by round, rewound;
# - a **one-shot mask**: as many weights, but pruned at once from the trained dense network, rewound;
# - the ticket's mask **shuffled**, every input keeping as many connections, but to other units
#   (recorded at five sizes);
# - a **random mask** of equal sizes in each layer, with the first weights;
# - the **ticket's mask with new weights**.

# %%
checks.after(PREDICTED, explorers.methods)

# %%
checks.after(PREDICTED, scenes.differences)

# %% [markdown]
# An interval that holds 0 leaves open which one is ahead. Where it does not, the difference is more
# than the luck of five seeds.
#
# ### The recorded runs: speed
#
# The validation loss falls, and rises again when the network learns its images by heart. The
# earlier the valley, the faster it learned. A run whose loss is still falling at the last step is
# counted as stopping there: its true step is later.

# %%
checks.after(PREDICTED, explorers.curves)

# %%
checks.after(PREDICTED, scenes.speeds)

# %% [markdown]
# ### The doubt
#
# A year later the authors found that tickets of larger networks fail, unless they are set back not
# to the start but to an *early step* of the training, or trained with a small learning rate
# (Frankle et al., 2020). Is that so for fashion_cnn? Two learning rates, three seeds; the random
# mask here is the ticket's, shuffled within every layer.

# %%
checks.after(PREDICTED, explorers.rewinding)

# %%
checks.after(PREDICTED, scenes.doubts)

# %% [markdown]
# Three seeds make wide intervals: "no" in the last column says that nothing was shown, not that
# there is nothing. And these runs are short: many still learn at the last step, so that being
# behind may mean being slower.
#
# With the fewest weights left, the ticket is behind the dense network at both learning rates, and
# ahead of its own mask with new weights. An early step is not shown to be better than the start: the
# networks on which the authors saw that are much deeper than fashion_cnn. Shuffled within its layers, the mask loses what it had: it is not only
# a matter of how many weights each layer keeps.
#
# ### Beside the paper
#
# What the abstract on the lecture's slide says, and what LeNet-300-100 does here. The paper trained
# it on MNIST, with 55,000 images.

# %%
from course_utils.labs.lottery_ticket import lecture

checks.after(PREDICTED, lambda: checks.beside_lecture(lecture.rows(), lecture.CAPTION))

# %% [markdown]
# ## Discuss
#
# Three questions for the seminar. None has a checked answer; the cell below each informs it.
#
# **Is a ticket a property of the mask or of the weights?** Take away the one or the other, and see
# how far each falls behind the ticket.

# %%
checks.after(PREDICTED, scenes.mask_or_weights)

# %% [markdown]
# **What would it save in training?** A ticket is found by training, round after round. Count the
# multiply–accumulates of finding it, and of training it once found, if zeros could be skipped.

# %%
checks.after(PREDICTED, scenes.cost)

# %% [markdown]
# **Does it survive int8?** The dense network and tickets, converted as in notebook 08.

# %%
checks.after(PREDICTED, scenes.int8)

# %% [markdown]
# The file does not shrink with the mask: int8 stores its zeros like any other value. What a
# compressor makes of it does.
#
# ## Check yourself

# %%
checks.scoreboard()

# %% [markdown]
# ## Read next
#
# - Frankle and Carbin, *The Lottery Ticket Hypothesis: Finding Sparse, Trainable Neural Networks*
#   (arXiv:1803.03635): the lecture's second paper for discussion.
# - Frankle, Dziugaite, Roy and Carbin, *Linear Mode Connectivity and the Lottery Ticket Hypothesis*
#   (arXiv:1912.05671): when rewinding to the start fails, and why an early step helps.
# - Zhou, Lan, Liu and Yosinski, *Deconstructing Lottery Tickets: Zeros, Signs, and the Supermask*
#   (arXiv:1905.01067): what in the first weights matters.
# - Frankle, Dziugaite, Roy and Carbin, *Pruning Neural Networks at Initialization: Why Are We
#   Missing the Mark?* (arXiv:2009.08576): masks that can be shuffled within a layer.
