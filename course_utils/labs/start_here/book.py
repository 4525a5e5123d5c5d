"""What notebook 00 gives to the book."""

from course_utils.labs.start_here import figures, scenes
from course_utils.views.entry import Entry

ENTRIES = (
    Entry(
        "fig-boards",
        "A network must fit twice, its weights in flash and its activations in RAM: in 8 bits "
        "this one fits every board but the smallest.",
        lambda: scenes.fit("fashion_cnn", 8),
        figures.draw_fit,
        figures.alt_fit,
        lecture="The Arduino Nano 33 BLE only has 256KB of RAM (memory) and 1MB of Flash (storage)",
        claim=figures.claim_fit,
    ),
)
