"""From float to int8: the mapping, real tensors in 2 to 16 bits, calibration (notebook 06)."""

from __future__ import annotations

import ipywidgets

from course_utils.labs.float_to_int8 import figures, scenes
from course_utils.views import style, widgets


def affine_mapping() -> widgets.Explorer:
    """Move the ends of a range of real numbers and see what its few codes mean."""
    return widgets.Explorer(
        scenes.affine_mapping,
        figures.draw_affine_mapping,
        {
            "x_min": ipywidgets.FloatSlider(-0.6, min=-2, max=0.6, step=0.05,
                                            description="range from"),
            "x_max": ipywidgets.FloatSlider(1.5, min=0.65, max=2, step=0.05, description="to"),
            "num_bits": ipywidgets.IntSlider(3, min=2, max=5, description="bits"),
            "example": ipywidgets.FloatSlider(0.75, min=-2, max=2, step=0.05,
                                              description="a number"),
            "symmetric": ipywidgets.Checkbox(False, description="symmetric", indent=False),
        },
        description="A range of real numbers and its codes",
        alt=figures.alt_affine_mapping,
        presets={
            "after a ReLU": {"x_min": 0.0, "x_max": 2.0},
            "the same, symmetric": {"x_min": 0.0, "x_max": 2.0, "symmetric": True},
            "a range without zero": {"x_min": 0.5, "x_max": 2.0},
            "a number out of range": {"example": 1.9},
        },
    )  # fmt: skip


def mapping(network="fashion_cnn", layer="dense1", kind="weights") -> widgets.Explorer:
    """Quantize a real layer's weights or activations in any way, and see what it costs."""
    names = scenes.tensor_names()
    options = [(" · ".join(name), name) for name in names]
    conv1 = "fashion_cnn", "conv1", "activations"
    depthwise = "fashion_dscnn", "depthwise1", "weights"
    affine = {"symmetric": False, "narrow_range": False}
    return widgets.Explorer(
        scenes.mapping,
        figures.draw_mapping,
        {
            "tensor_name": ipywidgets.Dropdown(
                options=options, value=(network, layer, kind), description="tensor"
            ),
            "num_bits": ipywidgets.IntSlider(8, min=2, max=16, description="bits"),
            "percent": ipywidgets.IntSlider(100, min=5, max=200, step=5,
                                            description="range, % of min-max"),
            "symmetric": ipywidgets.Checkbox(True, description="symmetric", indent=False),
            "narrow_range": ipywidgets.Checkbox(True, description="narrow range", indent=False),
            "per_channel": ipywidgets.Checkbox(False, description="per channel", indent=False),
            "all_layers": ipywidgets.Checkbox(False, description="all layers", indent=False),
        },
        description="One tensor of a trained network, quantized",
        alt=figures.alt_mapping,
        presets={
            "clip a half": {"percent": 50},
            "depthwise, 4 bits": {"tensor_name": depthwise, "num_bits": 4},
            "the same, per channel": {"tensor_name": depthwise, "num_bits": 4,
                                      "per_channel": True},
            "after a ReLU": {"tensor_name": conv1, **affine},
            "the same, symmetric": {"tensor_name": conv1, "narrow_range": False},
        },
    )  # fmt: skip


def calibration(network) -> widgets.Explorer:
    """Choose on what and how the activations' ranges are found; see range, codes, accuracy."""
    samples, methods, tensors = scenes.calibration_choices(network)

    def compute(what, method, num_bits, tensor):
        return scenes.calibration(network, what, method, num_bits, tensor)

    return widgets.Explorer(
        compute,
        figures.draw_calibration,
        {
            "what": ipywidgets.SelectionSlider(
                options=samples, value="100 inputs", description="calibrate on"
            ),
            "method": ipywidgets.SelectionSlider(options=methods, description="by"),
            "num_bits": ipywidgets.ToggleButtons(
                options=[("8 bits", 8), ("4 bits", 4)], description="activations in",
                style={"button_width": "auto"},
            ),
            "tensor": ipywidgets.Dropdown(options=tensors, value=tensors[1], description="look at"),
        },
        description=f"Calibration of {network}: weights in int8, activations in 8 or 4 bits",
        alt=figures.alt_calibration,
    )  # fmt: skip


def bit_curves() -> style.Picture:
    """Show the accuracy of whole networks with all weights in 2 to 16 bits."""
    return _picture(figures.draw_bit_curves, figures.alt_bit_curves, scenes.bit_curves())


def signals() -> style.Picture:
    """Show SQNR against bits for a few tensors, beside 6.02 b + constant."""
    return _picture(figures.draw_sqnr, figures.alt_sqnr, scenes.signals())


def channels() -> style.Picture:
    """Show what per-channel scales win in each layer of EfficientNet-Lite0."""
    return _picture(figures.draw_channels, figures.alt_channels, scenes.efficientnet_lite0())


def draws(network) -> style.Picture:
    """Show how much the draw of the calibration inputs matters."""
    return _picture(figures.draw_draws, figures.alt_draws, scenes.draws(network))


def _picture(draw, alt, state):
    return style.Picture(draw(state), alt(state))


# --- what the notebook prints ---------------------------------------------------------------


def losses_by_bits() -> None:
    """Print what 8 and 4 bits for all weights cost each network."""
    print("points of test accuracy lost, paired with float32")
    for name in scenes.NETWORKS:
        for bits in (8, 4):
            for scheme in ("per tensor, symmetric", "per channel, symmetric"):
                print(f"{name:14} {bits} bits  {scheme:24} {scenes.lost(name, bits, scheme)}")


def losses_by_calibration() -> None:
    """Print what ranges by min-max of these inputs cost each network, in 8 and in 4 bits."""
    print("points of test accuracy lost, ranges by min-max")
    print(" " * 13 + "".join(f"{name:>18}" for name in scenes.NETWORKS))
    print(" " * 13 + "   8 bits   4 bits" * len(scenes.NETWORKS))
    samples, _, _ = scenes.calibration_choices("fashion_cnn")
    widest = 0
    for what in samples:
        losses = [scenes.calibration_loss(name, what, "min-max", bits)
                  for name in scenes.NETWORKS for bits in (8, 4)]  # fmt: skip
        widest = max(widest, *((loss.high - loss.low) / 2 for loss in losses))
        print(f"{what:13}" + "".join(f"{round(loss.value, 1) + 0.0:9.1f}" for loss in losses))
    print(f"95 % intervals: ±{widest:.1f} points or less, paired with float32")
