"""A graph made ready to run: checked as a whole, constants folded, each operator prepared."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from course_utils.engines import limits, tflite_file
from course_utils.engines.integer_engine.checked import Checked
from course_utils.engines.integer_engine.constants import FOLD
from course_utils.engines.integer_engine.kernels import PREPARE

EDGES = ("int8", "uint8", "int16", "int32", "float32")  # types of inputs and outputs


def prepare(graph):
    """Return the steps of a graph, its constants, and how many inputs there is memory for at a
    time: [(operator, Prepared), ...] in the order in which they run, {index: array}, int.

    Raises ValueError, in a sentence that says what to do, where the engine can't run the graph.
    """
    _check_order(graph)
    _check_edges("input", [graph.tensors[i] for i in graph.inputs])
    _check_edges("output", [graph.tensors[i] for i in graph.outputs])
    budget = limits.Budget()
    ends = sum(graph.tensors[i].bytes for i in {*graph.inputs, *graph.outputs})
    budget.take("its inputs and outputs", values=ends)
    operators, graph = _folded(graph, budget)
    _check_known(operators, graph)
    steps = []
    for op in operators:
        _take(op, graph, budget)
        steps.append((op, PREPARE[op.name](Checked(op, graph, budget))))
    constants = {t.index: t.data for t in graph.tensors if t.data is not None}
    _check_reads(steps, graph, {*constants, *graph.inputs})
    return steps, constants, budget.inputs


def _check_reads(steps, graph, known):
    """A variable is only there for the operators that remember it, see `Checked.variable`."""
    for op, step in steps:
        for index in step.reads:
            if index not in known:
                raise ValueError(f"{op} reads tensor {index}, a variable that nothing wrote.")
        known |= {*op.outputs}
    if not known >= {*graph.outputs}:
        raise ValueError("The model's output is a variable that no operator writes.")


def _take(op, graph, budget):
    """Count what any operator takes of its tensors, before it is prepared.

    What it writes stays until the last one has run. Of constants it keeps a copy in float64, and
    makes three as wide; of activations its arithmetic makes eight in int64.
    """
    tensors = graph.tensors
    read, written = ([tensors[i] for i in side if i >= 0] for side in (op.inputs, op.outputs))
    stored = sum(t.size for t in read if t.data is not None)
    remembered = sum(t.size for t in read if t.is_variable)
    computed = [t.size for t in (*read, *written) if t.data is None]
    budget.take(
        str(op),
        kept=8 * (stored + remembered),
        values=sum(t.bytes for t in written),
        at_once=24 * stored + 64 * max(computed, default=0),
        work=limits.VALUE * (stored + sum(computed)) + 64 * limits.CALL,
    )


def _check_order(graph):
    """Each tensor is there before it is read, and is written once."""
    known = {t.index for t in graph.tensors if t.data is not None or t.is_variable}
    known |= {*graph.inputs}
    for op in graph.operators:
        for index in op.inputs:
            if index >= 0 and index not in known:
                raise ValueError(f"{op} reads tensor {index} before anything wrote it.")
        if known & {*op.outputs} or len({*op.outputs}) < len(op.outputs):
            raise ValueError(f"{op} must write tensors that nothing else writes.")
        known |= {*op.outputs}
    if not known >= {*graph.outputs}:
        raise ValueError("No operator writes the model's output: convert the model again.")


def _check_edges(edge, tensors):
    if not tensors:
        raise ValueError(f"The model has no {edge}: convert the model again.")
    for tensor in tensors:
        if tensor.data is not None or len(tensor.shape) < 1 or tensor.shape[0] != 1:
            raise ValueError(
                f"The model's {edge} has the shape {tensor.shape}; a batch of one is expected: "
                "convert with static shapes, as conversion.convert does."
            )
        if tensor.type not in EDGES:
            raise ValueError(
                f"The model's {edge} is {tensor.type}, not {' or '.join(EDGES)}: convert it with "
                "mode='int8'."
            )
        if tensor.type not in ("int32", "float32") and tensor.scale.size != 1:
            raise ValueError(
                f"The model's {edge} is {tensor.type} but has no scale: convert the model again."
            )
        if tensor.fault:
            raise ValueError(f"The model's {edge} {tensor.fault}: convert the model again.")


def _folded(graph, budget):
    """Return the operators that are left once those that compute on constants alone have run, and
    the graph with what these wrote as constants."""
    left, tensors = [], list(graph.tensors)
    graph = replace(graph, tensors=tensors)
    for op in graph.operators:
        constant = all(tensors[i].data is not None for i in op.inputs if i >= 0)
        if op.name in FOLD and (constant or op.name == "SHAPE"):
            if len(op.outputs) != 1:
                raise ValueError(f"{op} must write one tensor.")
            _take(op, graph, budget)
            y = tensors[op.outputs[0]]
            values = np.asarray(FOLD[op.name](Checked(op, graph, budget)), y.dtype)
            if values.shape != y.shape:
                raise ValueError(f"{op} writes {values.shape} values; {y.shape} are expected.")
            tensors[y.index] = replace(y, data=values)
        else:
            left.append(op)
    return left, graph


def _check_known(operators, graph):
    """Name all operators that are missing at once."""
    if accelerator := tflite_file.compiled_for(graph):
        raise ValueError(
            f"The model was compiled for an accelerator, {accelerator}, and runs there alone: "
            "take the file that the compiler was given."
        )
    first = {}
    for op in operators:
        if op.name not in PREPARE:
            first.setdefault(op.name, op.index)
    if first:
        named = ", ".join(f"{name} (operator {index})" for name, index in first.items())
        raise ValueError(
            f"The integer engine does not know {named}. It knows {', '.join(sorted(PREPARE))}: "
            "build the network from these and convert it with mode='int8'."
        )
