"""What notebook 02 gives to the book."""

from course_utils.labs.magnitude_pruning import figures, scenes
from course_utils.views.entry import Entry

ENTRIES = (
    Entry(
        "fig-magnitude-pruning",
        "Magnitude pruning with s = 1 in every layer: seven of ten weights fall and gzip needs "
        "a third of the bytes, but more than 25 points of accuracy are lost.",
        lambda: scenes.pruned("fashion_cnn", "dense1", 1.0),
        figures.draw_magnitude_pruning,
        figures.alt_magnitude_pruning,
        lecture="Sparse models are easier to compress",
        claim=figures.claim_magnitude_pruning,
    ),
    Entry(
        "fig-pruning-sensitivity",
        "Layers differ in how much pruning they bear: without 80 % of its weights, the last layer "
        "costs the most accuracy, each of the two large ones in the middle the least.",
        lambda: scenes.sensitivity("fashion_cnn"),
        figures.draw_sensitivity,
        figures.alt_sensitivity,
        lecture="λ = s * σ_l where σ_l is the std of layer l as measured on the dense model",
        claim=figures.claim_sensitivity,
    ),
    Entry(
        "fig-pruning-budget",
        "One threshold per layer: of the choices that remove as much as this one, the best is "
        "right on four of five images, the worst on fewer than one in ten.",
        lambda: scenes.budget(conv1=0.0, conv2=0.5, dense1=1.5, dense2=0.5),
        figures.draw_budget,
        figures.alt_budget,
        lecture="λ = s * σ_l where σ_l is the std of layer l as measured on the dense model",
        claim=figures.claim_budget,
    ),
)
