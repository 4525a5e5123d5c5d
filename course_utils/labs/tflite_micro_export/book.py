"""What notebook 11 gives to the book."""

from course_utils.labs.tflite_micro_export import figures, scenes
from course_utils.views.entry import Entry

ENTRIES = (
    Entry(
        "fig-activation-lifetimes",
        "Activations share their bytes: no operator of this network needs more than two at once, "
        "and the largest pair is what TFLM takes for activations, less than a third of them all.",
        lambda: scenes.lifetimes("fashion_dscnn")[2],
        figures.draw_lifetimes,
        figures.alt_lifetimes,
        lecture="Smaller models use less RAM when they are run",
        claim=figures.claim_lifetimes,
    ),
    Entry(
        "fig-board-budget",
        "The Watch network in int8 on the Arduino Nano 33 BLE: with TFLM and Arm's kernels it "
        "takes about a tenth of the flash, and less than a tenth of the RAM.",
        lambda: scenes.budget("Arduino Nano 33 BLE", "watch_cnn", "int8"),
        figures.draw_budget,
        figures.alt_budget,
        lecture="The Arduino Nano 33 BLE only has 256KB of RAM (memory) and 1MB of Flash (storage)",
        claim=figures.claim_budget,
    ),
    Entry(
        "fig-board-fits",
        "Which file fits which board: TFLM refuses float16 and dynamic range; no file fits the "
        "8-bit board; on the others, all the rest fit but LeNet in float32 where the flash is "
        "1 MiB or less.",
        scenes.fits,
        figures.draw_fits,
        figures.alt_fits,
        lecture="Sacrifice portability across systems for efficiency",
        claim=figures.claim_fits,
    ),
)
