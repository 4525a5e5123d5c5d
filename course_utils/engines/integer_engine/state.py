"""What a network remembers from one input to the next, in variables that operators share.

A streaming network (a wake word's, say) keeps the last columns of a spectrogram in variables: it
reads them, joins the new column, and assigns what the next input needs. VAR_HANDLE names a
variable, READ_VARIABLE and ASSIGN_VARIABLE are given its handle, and CALL_ONCE runs another graph
of the file before the first input, which assigns the first values.
"""

from __future__ import annotations

import numpy as np

from course_utils.engines.integer_engine.checked import Prepared
from course_utils.engines.limits import CALL


def read_variable(checked):
    checked.count(1)
    checked.require(len(checked.op.outputs) == 1, "must write one tensor")
    y = checked.batched(checked.graph.tensors[checked.op.outputs[0]])
    return Prepared(lambda held: (held, held), (), y.size, _variable(checked, y))


def assign_variable(checked):
    checked.count(2)
    checked.require(not checked.op.outputs, "writes a tensor")
    x = checked.tensor(1)
    checked.require(x is not None, "lacks what it assigns")
    state = _variable(checked, checked.batched(x))
    return Prepared(lambda q, held: (q,), (x.index,), x.size, state)


def call_once(checked):
    """Its graph was run when the variables' first values were looked up: nothing is left to do."""
    graph = checked.graph
    called = _called(graph)
    checked.require(len(called) == 1, "is not the only one of its kind, or calls no graph")
    for op in called[0].operators:
        checked.require(
            op.name == "VAR_HANDLE"
            or _assigns(op)
            and called[0].tensors[op.inputs[1]].data is not None,
            f"calls a graph that does more than to assign constants ({op.name})",
        )
    before = {op.name for op in graph.operators[: checked.op.index]}
    checked.require(
        not before & {"READ_VARIABLE", "ASSIGN_VARIABLE"}, "comes after variables are in use"
    )
    return Prepared(lambda: (), (), 1)


def _variable(checked, tensor):
    """Return {name: values before the first input} of the variable that the operator is given."""
    graph = checked.graph
    checked.take(kept=tensor.bytes, work=CALL * len(graph.operators))  # all of them are looked at
    names, assigned = _variables(graph)
    name = names.get(checked.op.inputs[0])
    checked.require(name is not None, "is given a variable that no VAR_HANDLE names")
    first = [t for other in _called(graph) for t in _variables(other)[1].get(name, ())]
    sources = assigned.get(name, []) + first
    checked.require(sources, f"reads the variable {name!r}, which nothing assigns")
    for source in (sources[0], sources[-1]):
        checked.require(
            (source.shape, source.type) == (tensor.shape, tensor.type),
            f"has {tensor.shape} values in {tensor.type} for the variable {name!r}, which is "
            f"assigned {source.shape} in {source.type}",
        )
    if first:
        checked.require(first[-1].data is not None, f"finds no first values for {name!r}")
        return {name: first[-1].data}
    zero_point = sources[0].zero_point
    values = zero_point[0] if zero_point.size else 0
    return {name: np.full(tensor.shape, values, tensor.dtype)}


def _variables(graph):
    """Return {index of a handle: name of its variable} and {name: tensors assigned to it}."""
    names = {
        index: f"{op.options['container']}/{op.options['shared_name']}"
        for op in graph.operators
        if op.name == "VAR_HANDLE"
        for index in op.outputs
    }
    assigned = {}
    for op in graph.operators:
        if _assigns(op) and op.inputs[0] in names:
            assigned.setdefault(names[op.inputs[0]], []).append(graph.tensors[op.inputs[1]])
    return names, assigned


def _assigns(op):
    return op.name == "ASSIGN_VARIABLE" and len(op.inputs) == 2 and op.inputs[1] >= 0


def _called(graph):
    """Return the graphs that are run once, before the first input."""
    numbers = [op.options["graph"] for op in graph.operators if op.name == "CALL_ONCE"]
    return [graph.others[n - 1] for n in numbers if 1 <= n <= len(graph.others)]
