"""One operator of a `.tflite` file alone, and how far the outputs of two engines are apart."""

from __future__ import annotations

import numpy as np

from course_utils.machines.recording import printer

TRACED = 500  # test inputs on which operators are compared one by one


def in_parts(run_part, x, what, size=500):
    report, parts = printer(f"{what}, inputs"), []
    for start in range(0, len(x), size):
        parts.append(run_part(x[start : start + size]))
        report(min(start + size, len(x)), len(x))
    return np.concatenate(parts)


def difference(ours, theirs):
    """How many values differ, and how many by how much: {"differing": ..., "by": {"1": ...}}."""
    steps = np.abs(theirs.astype(int) - ours.astype(int))
    sizes, counts = np.unique(steps[steps > 0], return_counts=True)
    by = {str(size): int(count) for size, count in zip(sizes, counts, strict=True)}
    inputs = steps.reshape(len(steps), -1).any(axis=1)
    return {"differing": int(np.count_nonzero(steps)), "inputs": int(inputs.sum()), "by": by}


def single_operator(tflite, index):
    """The same file with one of its operators only: bytes."""
    model, graph = unpacked(tflite)
    operator = graph.operators[index]
    graph.operators = [operator]
    graph.inputs, graph.outputs = operator.inputs[:1], operator.outputs
    model.signatureDefs = None  # it names the inputs and outputs that there were
    return packed(model)


def unpacked(tflite):
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(bytearray(tflite), 0)
    return model, model.subgraphs[0]


def packed(model):
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
