"""What notebook 10 gives to the book."""

from course_utils.labs.deep_compression import figures, scenes
from course_utils.views.entry import Entry

PAPER = (
    "Deep Compression: Compressing Deep Neural Networks with Pruning, Trained Quantization and "
    "Huffman Coding"
)

ENTRIES = (
    Entry(
        "fig-compression-clusters",
        "k-means moves fifteen shared values to where the weights are. Wherever they start, they "
        "end with about the same error; a start by density begins nearer than a linear one.",
        lambda: scenes.clusters()[-1],
        figures.draw_clusters,
        figures.alt_clusters,
        lecture="most weight values are concentrated in a small range",
        claim=figures.claim_clusters,
    ),
    Entry(
        "fig-compression-codes",
        "Huffman's code gives the frequent numbers short words: both rows of a layer's numbers "
        "take less than their fixed width, and hardly more than the entropy, which is the bound.",
        lambda: scenes.codes(),
        figures.draw_codes,
        figures.alt_codes,
        lecture="Sparse models are easier to compress",
        claim=figures.claim_codes,
    ),
    Entry(
        "fig-compression-stages",
        "Pruned, shared and coded, LeNet-300-100 takes less than a thirtieth of its bytes, every "
        "table and header counted, and on the mean of five seeds loses less than half a point.",
        scenes.all_stages,
        figures.draw_stages,
        figures.alt_stages,
        lecture=PAPER,
        claim=figures.claim_stages,
    ),
    Entry(
        "fig-compression-tflm",
        "In TFLM, shared weights are looked up with the very same outputs. The file shrinks, but "
        "the weights are unpacked into RAM: for LeNet-300-100 that costs more than it saves.",
        scenes.tflm,
        figures.draw_tflm,
        figures.alt_tflm,
        lecture="Smaller neural network models occupy less storage space on your device",
        claim=figures.claim_tflm,
    ),
)
