"""Exercises of notebook 08: bytes of an int8 network, what TFLM runs, a layer left in float."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from course_utils.views.checks import NOT_ATTEMPTED, PASSED, Mistake, exercise, judge, not_yet


def int8_bytes(kernel_weights, biases):
    return kernel_weights + 4 * biases


exercise(
    "08.bytes",
    int8_bytes,
    cases=[(56_592, 122), (13_120, 426), (1000, 0), (0, 10)],
    mistakes=[
        Mistake(
            "all_one_byte",
            lambda kernels, biases: kernels + biases,
            "You store the biases in one byte each. A bias is added to a sum of many int8 "
            "products, and has the sum's scale: it is stored as int32.",
        ),
        Mistake(
            "all_four_bytes",
            lambda kernels, biases: 4 * (kernels + biases),
            "That is the float32 network: four bytes for every number. The kernels' weights take "
            "one byte each now.",
        ),
        Mistake(
            "bits",
            lambda kernels, biases: 8 * kernels + 32 * biases,
            "These are bits. A byte has 8.",
        ),
        Mistake(
            "biases_forgotten",
            lambda kernels, biases: kernels,
            "The biases are missing.",
        ),
        Mistake(
            "slide",
            lambda kernels, biases: kernels + 2 * biases,
            "You store the biases in 16 bits, as the slide's \"8 and 16-bit biases\" suggests. "
            "LiteRT's are 32 bits wide, and 64 where the activations have 16.",
        ),
        Mistake(
            "wide_bias",
            lambda kernels, biases: kernels + 8 * biases,
            "64-bit biases belong to 16-bit activations (int16x8). With int8 activations they "
            "have 32 bits.",
        ),
        Mistake(
            "quarter",
            lambda kernels, biases: (kernels + biases) / 4,
            "You divided the number of weights by four. It is the bytes that are four times "
            "fewer: 1 for each weight instead of 4.",
        ),
    ],
)


@judge("08.tflm")
def runs_on_tflm(answer, truth: set[str]):
    """answer: the modes that TFLM runs; truth: those that it ran when it was tried."""
    modes = {"float32", "float16", "dynamic", "int8", "int16x8"}
    if isinstance(answer, str):
        answer = {answer}
    try:
        chosen = set(answer)
    except TypeError:
        return not_yet('Answer with a set of modes, such as {"float32", "int8"}.', "not_a_set")
    if ... in chosen:
        return NOT_ATTEMPTED
    if unknown := chosen - modes:
        return not_yet(
            f"There is no mode {sorted(map(str, unknown))[0]!r}; there are "
            f"{', '.join(sorted(modes))}.",
            "unknown_mode",
        )
    if chosen == truth:
        return PASSED
    if "dynamic" in chosen - truth:
        return not_yet(
            "A dynamic range model keeps floats between its layers and quantizes them on the fly, "
            "inside kernels that work on both. TFLM has no such hybrid kernels.",
            "dynamic",
        )
    if "float16" in chosen - truth:
        return not_yet(
            "A float16 file is widened to float32 by an operator of its own before it is used. "
            "TFLM's version of that operator does not take half floats: all it saves is the "
            "download.",
            "float16",
        )
    if "float32" in truth - chosen:
        return not_yet(
            "TFLM has float kernels, too: float32 models run, only larger, and slower where there "
            "is no floating-point unit.",
            "float32",
        )
    return not_yet(
        "An integer model was left out: int8 is what TFLM is made for, and it has int16x8 kernels "
        "for the common layers.",
        "integer",
    )


@judge("08.selective")
def selective(answer, evaluate: Callable, sizes: Mapping[str, int], within: float = 0.5):
    """answer: a layer to leave in float. sizes: {layer: weights}, in the network's order.

    evaluate(layer) -> validation accuracy, in percent, with that layer in float; None: with none.
    """
    layers = list(sizes)
    if answer not in layers:
        return not_yet(
            f"Answer with the name of a layer: {', '.join(map(repr, layers))}.", "not_a_layer"
        )
    gains = {layer: evaluate(layer) - evaluate(None) for layer in layers}
    best = max(gains, key=gains.get)
    told = (
        f"With {answer} in float32 and the others in 4 bits, {evaluate(answer):.1f} % of the "
        f"validation images are right, against {evaluate(None):.1f} % with all of them in 4 bits."
    )
    if gains[answer] >= gains[best] - within:
        return replace(PASSED, says=told)
    if answer == layers[-1]:
        return not_yet(
            f"{told} The last layer is the usual guess, since nothing after it can make up for "
            "its errors. Here it is not the worst: look at the bars.",
            "last_layer",
        )
    if answer == max(sizes, key=sizes.get):
        return not_yet(
            f"{told} You spared the largest kernel. Size is what makes a layer expensive to keep "
            "in float, not what makes it hard to round: look at the bars.",
            "largest",
        )
    return not_yet(f"{told} Another layer wins back more: look at the bars.", "another_layer")
