"""What the lecture says of frameworks, boards and memory, beside what was counted (notebook 11)."""

from __future__ import annotations

from course_utils.labs.tflite_micro_export import scenes
from course_utils.machines import data, frameworks
from course_utils.views.checks import Measured, Row

CAPTION = "Operators, storage and RAM"
NETWORK = "fashion_cnn"


def rows() -> list[Row]:
    """Operators of the packages, file and arena of a network, boards' datasheets. -> rows"""
    return [*_operators(), *_sizes(), *_boards()]


def _operators():
    runtime = data.result("tflm_runtime").record
    counted = frameworks.count_operations()
    counted[f"TFLM {runtime['tflite_micro']}"] = len(runtime["known"])
    why = (
        "The slide rounds, and counts an earlier release.",
        "LiteRT is TensorFlow Lite's new name; its list has grown.",
        "TFLM has taken over more of LiteRT's operators since. A device links only those that its "
        "network uses.",
    )
    ids = ("ops_tensorflow", "ops_tensorflow_lite", "ops_tensorflow_lite_micro")
    return [
        Row(id, Measured(count, unit="operators"), name, why=reason)
        for id, (name, count), reason in zip(ids, counted.items(), why, strict=True)
    ]


def _sizes():
    float32, int8 = (scenes.record(NETWORK, mode) for mode in ("float32", "int8"))
    return [
        Row(
            "storage",
            Measured(float32["file_bytes"] / int8["file_bytes"], unit="×"),
            f"{NETWORK}: bytes of its float32 file / of its int8 file",
            why="Biases stay in 32 bits; scales, operators and names come on top.",
        ),
        Row(
            "ram",
            Measured(float32["smallest_arena"] / int8["smallest_arena"], unit="×"),
            f"{NETWORK}: smallest arena in which TFLM runs it in float32 / in int8",
        ),
    ]


def _boards():
    boards = {board["name"]: board for board in data.boards()}
    nano, uno = boards["Arduino Nano 33 BLE"], boards["Arduino Uno R3"]
    return [
        Row(
            claim,
            Measured(board[f"{part}_bytes"], unit="bytes"),
            f"{board['name']}: {words}",
            why=f"By its makers: {board['source']}.",
        )
        for claim, board, part, words in (
            ("nano_flash", nano, "flash", "flash"),
            ("nano_ram", nano, "ram", "RAM"),
            ("avr_flash", uno, "flash", "flash"),
            ("avr_ram", uno, "ram", "RAM"),
        )
    ]
