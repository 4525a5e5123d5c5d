"""From float to int8: the mapping, real tensors in 2 to 16 bits, calibration (notebook 06)."""

from __future__ import annotations

import ipywidgets

from course_utils.labs.float_to_int8 import figures, scenes
from course_utils.numbers import quantization
from course_utils.views import garments, style, tables, widgets


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
            "example": ipywidgets.FloatSlider(0.7, min=-2, max=2, step=0.05,
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
            "halfway between two codes": {"x_min": -2.0, "x_max": 1.5, "example": 1.25},
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
            "half of the range": {"percent": 50},
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


def garments_by_bits() -> widgets.Sweeps:
    """Move from float32 to 2 bits and see ten garments and how the network answers."""

    def of(network, scheme):
        return widgets.Sweep(
            garments.draw_answers,
            scenes.garments_by_bits(network, scheme),
            ["float32", *(f"{b} bits" for b in (8, 7, 6, 5, 4, 3, 2))],
            description="Ten test images, and what the network takes them for",
            slider="Weights in",
            alt=garments.alt_answers,
        )

    makers = {
        f"{network}, {scheme.split(',')[0]}": lambda network=network, scheme=scheme: of(
            network, scheme
        )
        for network in ("fashion_dscnn", "fashion_cnn")
        for scheme in ("per tensor, symmetric", "per channel, symmetric")
    }
    return widgets.Sweeps("Network and scales", makers)


# --- tables ---------------------------------------------------------------------------------


def five_weights(num_bits=8) -> tables.Table:
    """Show five weights of dense1 on their way to a code and back."""
    weights = scenes.folded("fashion_cnn")[1]["dense1/kernel"]
    low, high = quantization.min_max_range(weights)
    qparams = quantization.choose_qparams(low, high, num_bits, symmetric=True, narrow_range=True)
    rows = []
    for i, w in enumerate(weights[400, :5]):
        code = quantization.quantize(w, qparams)
        back = quantization.dequantize(code, qparams)
        error = (back - w) / qparams.scale
        rows.append((f"dense1[400, {i}]", f"{w:.5f}", int(code), f"{back:.5f}", f"{error:.3f}"))
    caption = f"Five weights in {num_bits} bits: S = {qparams.scale:.6f}, Z = {qparams.zero_point}"
    return tables.Table(caption, ("weight", "value", "code", "back", "error / S"), rows)


def by_hand(
    scale_by, quantize_by, dequantize_by, network="fashion_cnn", num_bits=8
) -> tables.Table:
    """Show every layer of a network quantized by three functions, and its accuracy. -> Table"""
    try:
        found = scenes.by_hand(scale_by, quantize_by, dequantize_by, network, num_bits)
    except (TypeError, ValueError) as error:
        print(f"Your functions cannot do it ({error}). The laboratory's go on here.")
        shipped = scenes.scale_of, scenes.quantize, scenes.dequantize
        found = scenes.by_hand(*shipped, network, num_bits)
    rows = [
        (layer.name, f"{layer.count:,}", f"{layer.scale:.5f}", f"{layer.sqnr_db:.1f}",
         f"{layer.laboratory_db:.1f}", layer.codes_that_differ)
        for layer in found.layers
    ]  # fmt: skip
    caption = (
        f"{network}, all weights in {num_bits} bits. Test accuracy: {found.theirs} with your "
        f"functions, {found.laboratory} with the laboratory's, {found.float32} in float32"
    )
    head = ("layer", "weights", "S", "SQNR in dB, yours", "the laboratory's",
            "codes that differ")  # fmt: skip
    return tables.Table(caption, head, rows)


def scales_compared(channel_scales, num_bits=3, network="fashion_cnn") -> tables.Table:
    """Show what one scale for each filter wins for a whole network.

    channel_scales: a function as in exercise 06.channels.
    """
    try:
        theirs = scenes.scaled_by_channel(channel_scales, num_bits, network)
    except (TypeError, ValueError) as error:
        theirs = f"cannot do it: {error}"
    rows = [
        ("float32", scenes.accuracy(network, 32)),
        ("one scale a layer", scenes.accuracy(network, num_bits, "per tensor, symmetric")),
        ("one scale a filter, by your function", theirs),
        ("one scale a filter, the laboratory's", scenes.accuracy(network, num_bits)),
    ]  # fmt: skip
    return tables.Table(
        f"{network}, all weights in {num_bits} bits", ("scales", "test accuracy"), rows
    )


def after_a_relu(name=("fashion_cnn", "conv1", "activations")) -> tables.Table:
    """Show one layer's output after a ReLU, affine and symmetric, in few bits."""
    values, rows = scenes.tensor(*name).values, []
    for symmetric in (False, True):
        for bits in (8, 4, 3, 2):
            how = symmetric, False, False
            state = scenes.mapping(name, bits, 100, *how)
            measured = scenes.validation_accuracy(name, bits, 100, how)
            rows.append(
                (
                    f"{'symmetric' if symmetric else 'affine'}, {bits} bits",
                    f"{state.codes_used} of {state.qparams.codes}",
                    f"{state.sqnr_db:.1f}",
                    f"{100 * measured.right / measured.total:.1f} %",
                )
            )
    caption = (
        f"{name[0]}, the output of {name[1]} ({100 * (values == 0).mean():.0f} % of it zero), all "
        f"else in float32; accuracy on {measured.total:,} validation images, "
        f"{100 * measured.float32 / measured.total:.1f} % in float32"
    )
    return tables.Table(caption, ("scheme", "codes used", "SQNR, dB", "accuracy"), rows)


def channel_sizes(network="fashion_dscnn", layer="depthwise1") -> tables.Table:
    """Show the largest weight of each channel of a depthwise layer, before and after folding."""
    rows = [
        (name, f"{sizes.min():.2f}", f"{sizes.max():.2f}", f"{sizes.max() / sizes.min():.0f}")
        for name, sizes in scenes.channel_sizes(network, layer).items()
    ]
    return tables.Table(
        f"{network}, {layer}: the largest |w| of each channel",
        ("weights", "smallest channel", "largest channel", "times"),
        rows,
    )


def smallest_channel(num_bits=4, network="fashion_dscnn", layer="depthwise1") -> tables.Table:
    """Show the codes that the channel with the smallest weights gets from one scale for all."""
    kernel = scenes.folded(network)[1][f"{layer}/kernel"]
    qparams = quantization.choose_qparams(
        *quantization.min_max_range(kernel), num_bits, symmetric=True, narrow_range=True
    )
    codes = quantization.quantize(kernel, qparams)
    smallest = abs(kernel).max(axis=(0, 1, 3)).argmin()
    rows = [
        (name, ", ".join(str(q) for q in sorted({int(q) for q in some.flat})))
        for name, some in (("smallest channel", codes[:, :, smallest]), ("whole tensor", codes))
    ]
    return tables.Table(f"{layer} in {num_bits} bits, one scale", ("of the", "codes used"), rows)


def first_layer_alone(bits=(4, 5, 6)) -> tables.Table:
    """Show what the first layer of fashion_cnn alone costs, per tensor, beside all layers."""
    how = "per tensor, symmetric"
    rows = [
        (
            f"{b} bits",
            f"{scenes.mapping(('fashion_cnn', 'conv1', 'weights'), b).sqnr_db:.1f}",
            scenes.accuracy("fashion_cnn", b, how, layer="conv1"),
            scenes.accuracy("fashion_cnn", b, how),
        )
        for b in bits
    ]
    head = ("weights in", "SQNR of conv1, dB", "test accuracy, conv1 alone", "all layers")
    return tables.Table("fashion_cnn, one scale for each tensor", head, rows)


def measured_here(quantized, float32) -> tables.Table:
    """Show two accuracies measured just now."""
    rows = [("4 bits, per tensor", quantized), ("float32", float32)]
    return tables.Table("fashion_dscnn, measured now", ("weights", "validation accuracy"), rows)


def losses_by_bits() -> tables.Table:
    """Show what 8 and 4 bits for all weights cost each network."""
    rows = [
        (
            name,
            *(
                scenes.lost(name, bits, scheme)
                for bits in (8, 4)
                for scheme in ("per tensor, symmetric", "per channel, symmetric")
            ),
        )
        for name in scenes.NETWORKS
    ]
    rows = [
        (name, *(str(lost).split(";")[0].replace(" points", "") + ")" for lost in losses))
        for name, *losses in rows
    ]
    head = ("all weights of", "8 bits, per tensor", "8 bits, per channel", "4 bits, per tensor",
            "4 bits, per channel")  # fmt: skip
    return tables.Table(
        "Points of test accuracy lost, paired with float32 (95 % interval)", head, rows
    )


def losses_by_calibration() -> tables.Table:
    """Show what ranges by min-max of these inputs cost each network, in 8 and in 4 bits."""
    samples, _, _ = scenes.calibration_choices("fashion_cnn")
    widest, rows = 0, []
    for what in samples:
        losses = [scenes.calibration_loss(name, what, "min-max", bits)
                  for name in scenes.NETWORKS for bits in (8, 4)]  # fmt: skip
        widest = max(widest, *((loss.high - loss.low) / 2 for loss in losses))
        rows.append((what, *(f"{round(loss.value, 1) + 0.0:.1f}" for loss in losses)))
    head = ("calibrated on", *(f"{name}, {bits} bits" for name in scenes.NETWORKS
                               for bits in (8, 4)))  # fmt: skip
    return tables.Table(
        "Points of test accuracy lost, ranges by min-max (95 % intervals: "
        f"±{widest:.1f} points or less, paired with float32)",
        head,
        rows,
    )


def ranges_found(
    samples=("100 inputs", "one class", "noise"), network="fashion_cnn"
) -> tables.Table:
    """Show the largest value that each calibration found in each layer. -> Table"""
    found = {what: scenes.found_ranges(network, what) for what in samples}
    layers = list(found[samples[0]])
    rows = [(what, *(f"{ranges[layer][1]:.2f}" for layer in layers))
            for what, ranges in found.items()]  # fmt: skip
    return tables.Table(f"{network}: the largest value found", ("calibrated on", *layers), rows)
