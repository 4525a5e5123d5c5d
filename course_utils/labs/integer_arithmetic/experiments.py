"""The int8 networks in four engines (notebook 07), as wholes and operator by operator."""

from __future__ import annotations

import numpy as np

from course_utils import env
from course_utils.engines import float_engine, integer_engine, tflite_file
from course_utils.machines import data, evaluation, micro
from course_utils.machines.operators import (
    TRACED,
    difference,
    in_parts,
    packed,
    single_operator,
    unpacked,
)
from course_utils.machines.recording import NETWORKS, load_network
from course_utils.numbers import quantization

WITH_KERNEL = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


def integer_equality():
    """IntegerModel against TFLM, LiteRT's reference kernels and XNNPACK, on whole test sets.

    Then operator by operator: each kernel is given the codes that TFLM's operator got, so that
    what differs arose there. Two formulas are held against the kernels: one rounding instead of
    two, and a multiplication by a float32. Last, networks whose rescaling truncates.
    """
    networks = {}
    for name in NETWORKS:
        network, dataset = load_network(name)
        tflite = data.model(name, "int8")
        engine = integer_engine.IntegerModel(tflite)
        x = quantization.quantize(dataset.x_test, engine.input.qparams)
        outputs = {
            "TFLM": in_parts(lambda part, t=tflite: micro.run(t, part), x, f"{name} TFLM"),
            "LiteRT reference": evaluation.run(tflite, x, "reference"),
            "LiteRT XNNPACK": evaluation.run(tflite, x, "xnnpack"),
            "truncating": integer_engine.IntegerModel(truncating(tflite)).run(x),
        }
        ours = engine.run(x)
        right = ours.argmax(axis=1) == dataset.y_test
        classes = {"float32": float_engine.predict(network.layers, network.weights, dataset.x_test)}
        classes |= {kernels: output.argmax(axis=1) for kernels, output in outputs.items()}
        networks[name] = {
            "n": len(x),
            "values": ours.size,
            "correct": int(right.sum()),
            "others": {kernels: difference(ours, output) for kernels, output in outputs.items()},
            "classes": {
                kernels: {
                    "changed": int((ours.argmax(axis=1) != answer).sum()),
                    "correct": int((answer == dataset.y_test).sum()),
                    "newly_wrong": int((right & (answer != dataset.y_test)).sum()),
                    "newly_right": int((~right & (answer == dataset.y_test)).sum()),
                }
                for kernels, answer in classes.items()
            },
            "operators": compare_operators(tflite, x[:TRACED]),
        }
    files = data.manifest()["files"]
    paths = [f"models/{name}_int8.tflite" for name in NETWORKS]
    record = {
        "kernels": {p: env.installed_version(p) for p in ("ai-edge-litert", "tflite-micro")},
        "models": {path: files[path]["sha256"] for path in paths},
        "operator_inputs": TRACED,
        "networks": networks,
    }
    return record, {}, NETWORKS


def compare_operators(tflite, x):
    """Run each operator alone in LiteRT, on the codes that reach it in TFLM. -> list of dicts."""
    engine, rows = integer_engine.IntegerModel(tflite), []
    tensors, arrays = engine.graph.tensors, {engine.input.index: x}
    steps = iter(engine.trace(x))
    next(steps)  # the input
    for op, step in zip(engine.graph.operators, steps, strict=True):
        q, arrays[op.outputs[0]] = arrays[op.inputs[0]], step.array
        if op.name == "RESHAPE":
            continue
        alone = single_operator(tflite, op.index)
        found = {kernels: evaluation.run(alone, q, kernels) for kernels in evaluation.KERNELS}
        row = {"operator": op.name, "values": step.array.size}
        row |= {kernels: difference(step.array, output) for kernels, output in found.items()}
        if op.name in (*WITH_KERNEL, "MEAN"):
            one_rounding, float32 = rescaled_otherwise(engine.graph, op, q)
            y = tensors[op.outputs[0]]
            activation = op.options.get("activation", "NONE")
            limits = integer_engine.activation_range(activation, y.qparams)
            for name, scaled, kernels in (
                ("one rounding", one_rounding, "reference"),
                ("float32", float32, "xnnpack"),
            ):
                codes = np.clip(scaled + y.qparams.zero_point, *limits)
                row[name] = {kernels: int((codes != found[kernels]).sum())}
        rows.append(row)
    return rows


def accumulators(graph, op, q):
    """The int32 sums of a layer, bias included: int64, the output's shape.

    The sums are made of float64 products, exactly: all of them are whole numbers below 2^53.
    """
    x = graph.tensors[op.inputs[0]]
    real = q.astype(np.float64) - x.qparams.zero_point
    if op.name == "MEAN":  # over an image's height and width
        return real.sum(axis=(1, 2)).astype(np.int64)
    filters, bias = (graph.tensors[i].data.astype(np.float64) for i in op.inputs[1:])
    if op.name == "FULLY_CONNECTED":
        return (real.reshape(len(q), -1) @ filters.T + bias).astype(np.int64)
    convolve = {
        "CONV_2D": float_engine.conv2d,
        "DEPTHWISE_CONV_2D": float_engine.depthwise_conv2d,
    }[op.name]
    strides = op.options["stride_h"], op.options["stride_w"]
    kernel = filters.transpose(1, 2, 3, 0)  # (out, h, w, in) or (1, h, w, channels)
    return convolve(real, kernel, bias, strides, op.options["padding"].lower()).astype(np.int64)


def rescaled_otherwise(graph, op, q):
    """M * accumulator rounded once, in integers, and as a float32 product: two int64 arrays."""
    x, y = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    if op.name == "MEAN":
        factor = x.scale / np.float32(q.shape[1] * q.shape[2])
    else:
        factor = x.scale * graph.tensors[op.inputs[1]].scale
    total, real = accumulators(graph, op, q), factor.astype(np.float64) / float(y.scale[0])
    multiplier, shift = integer_engine.quantize_multipliers(real)
    once = (total * multiplier + (1 << (30 - shift))) >> (31 - shift)
    return once, np.rint(total.astype(np.float32) * (factor / y.scale)).astype(np.int64)


def truncating(tflite):
    """The same network with every layer's rescaling truncated instead of rounded: bytes.

    floor(M a) = round(M a - 1/2), so that half an output step, 1/(2 M), is taken off the bias (to
    the nearest whole number: about 1 code in 2 / M comes out otherwise than by a true floor).
    """
    model, graph = unpacked(tflite)
    for op in tflite_file.read(tflite).operators:
        if op.name in WITH_KERNEL:
            x, filters, bias, y = (graph.tensors[i] for i in (*op.inputs, op.outputs[0]))
            scales = (np.float64(t.quantization.scale) for t in (x, filters, y))
            x_scale, w_scale, y_scale = scales
            half = np.rint(y_scale / (2 * x_scale * w_scale)).astype(np.int32)
            buffer = model.buffers[bias.buffer]
            values = np.frombuffer(bytes(buffer.data), "<i4") - half
            buffer.data = np.frombuffer(values.astype("<i4").tobytes(), np.uint8)
    return packed(model)


EXPERIMENTS = (integer_equality,)
