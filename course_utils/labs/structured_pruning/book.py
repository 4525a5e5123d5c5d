"""What notebook 03 gives to the book."""

from course_utils.labs.structured_pruning import figures, scenes
from course_utils.views.entry import Entry

ENTRIES = (
    Entry(
        "fig-synapses-neurons",
        "Half of the connections pruned cost two points of accuracy, half of the hidden units more "
        "than fifteen, though about as many weights are left.",
        lambda: scenes.connections()[10],
        figures.draw_connections,
        figures.alt_connections,
        lecture="Pruning synapses, pruning neurons",
        claim=figures.claim_connections,
    ),
    Entry(
        "fig-two-by-four-axis",
        "2 by 4 along the wrong axis keeps as much of the weights as along the right one, but a "
        "third of the groups that hardware multiplies at once break the pattern.",
        lambda: scenes.pattern(along="outputs"),
        figures.draw_pattern,
        figures.alt_pattern,
        lecture="Structured Sparse Accuracy (2 by 4 pattern)",
        claim=figures.claim_pattern,
    ),
    Entry(
        "fig-sparse-bytes",
        "With half of the weights zero, no format saves half of the bytes: it must also say where "
        "the others belong.",
        lambda: scenes.storage()[2],
        figures.draw_storage,
        figures.alt_storage,
        lecture="Sparse models are easier to compress",
        claim=figures.claim_storage,
    ),
    Entry(
        "fig-fine-tuning",
        "With a tenth of its weights a network comes close to the dense one if it is pruned "
        "gradually while it trains on; without training it loses more than 50 points.",
        lambda: scenes.fine_tuned("lenet_300_100", "trained on, or not"),
        figures.draw_fine_tuned,
        figures.alt_fine_tuned,
        lecture="Neural network pruning techniques can reduce the parameter counts of trained "
        "networks by over 90%",
        claim=figures.claim_fine_tuned,
    ),
    Entry(
        "fig-global-threshold",
        "One threshold for all layers spares the small first and last ones; at 90 % it is more "
        "than five points ahead of the same sparsity in every layer.",
        lambda: scenes.fine_tuned("fashion_cnn", "per layer, or globally"),
        figures.draw_fine_tuned,
        figures.alt_fine_tuned,
        lecture="λ = s * σ_l where σ_l is the std of layer l as measured on the dense model",
        claim=figures.claim_global,
    ),
    Entry(
        "fig-channel-removal",
        "With half of its channels removed a network computes less than a third, and trained on "
        "it loses less than two points.",
        lambda: scenes.channels()[2],
        figures.draw_channels,
        figures.alt_channels,
        lecture="Pruning synapses, pruning neurons",
        claim=figures.claim_channels,
    ),
    Entry(
        "fig-two-by-four",
        "2 by 4 costs a depthwise network about half a point more than half of the weights "
        "anywhere, as it cost the lecture's; a network with weights to spare hardly notices.",
        lambda: scenes.two_by_four(),
        figures.draw_two_by_four,
        figures.alt_two_by_four,
        lecture="Structured Sparse Accuracy (2 by 4 pattern)",
        claim=figures.claim_two_by_four,
    ),
    Entry(
        "fig-sparse-time",
        "Zeros wherever they are buy no time in LiteRT, up to 95 % of them; in blocks of four they "
        "pay from about three quarters on and pass the lecture's 6 times; in another network, "
        "fewer channels pay from the first step measured, two fifths of the work.",
        lambda: scenes.speed(),
        figures.draw_speed,
        figures.alt_speed,
        lecture="We can skip the zeroes during inference for latency improvements",
        claim=figures.claim_speed,
    ),
    Entry(
        "fig-pruning-loss",
        "What is bearable depends on the task: at 80 % sparsity translation loses nothing, while "
        "an image classifier at 75 % has lost more than translation at 85 %.",
        lambda: scenes.lecture_points() + scenes.loss_points(),
        figures.draw_loss,
        figures.alt_loss,
        lecture="Sparse BLEU",
        claim=figures.claim_loss,
    ),
)
