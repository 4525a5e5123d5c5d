"""One operator of a `.tflite` file alone, and how far the outputs of two engines are apart."""

from __future__ import annotations

import numpy as np

from course_utils.engines import tflite_file
from course_utils.machines.recording import printer

TRACED = 500  # test inputs on which operators are compared one by one


def in_parts(run_part, x, what, size=500):
    report, parts = printer(f"{what}, inputs"), []
    for start in range(0, len(x), size):
        parts.append(run_part(x[start : start + size]))
        report(min(start + size, len(x)), len(x))
    return np.concatenate(parts)


def difference(ours, theirs):
    """How many values differ, and how many by how much: {"differing": ..., "by": {"1": ...}}.

    ours, theirs: integer arrays of one shape, batch first. Raises ValueError for others.
    """
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    if ours.shape != theirs.shape or {ours.dtype.kind, theirs.dtype.kind} - {"i", "u"}:
        raise ValueError(
            f"Only codes of one shape are compared: {ours.shape} {ours.dtype} and {theirs.shape} "
            f"{theirs.dtype} differ."
        )
    steps = np.abs(theirs.astype(int) - ours.astype(int))
    sizes, counts = np.unique(steps[steps > 0], return_counts=True)
    by = {str(size): int(count) for size, count in zip(sizes, counts, strict=True)}
    inputs = steps.reshape(len(steps), -1).any(axis=1)
    return {"differing": int(np.count_nonzero(steps)), "inputs": int(inputs.sum()), "by": by}


def single_operator(tflite, index):
    """The same file with one of its operators only: bytes. It reads all that is not stored."""
    model, graph = unpacked(tflite)
    operator = graph.operators[index]
    graph.operators = [operator]
    reads = dict.fromkeys(int(index) for index in operator.inputs if index >= 0)
    graph.inputs = np.int32([i for i in reads if not _is_stored(model, graph.tensors[i])])
    graph.outputs = operator.outputs
    model.signatureDefs = None  # it names the inputs and outputs that there were
    return packed(model)


def _is_stored(model, tensor):
    data = model.buffers[tensor.buffer].data
    return tensor.isVariable or (data is not None and len(data) > 0)


def unpacked(tflite):
    """A model file as objects of LiteRT's schema, and its main graph; ValueError if it is damaged.

    The schema's classes check nothing: what they read beyond `tflite_file.read` is counted before.
    """
    from ai_edge_litert import schema_py_generated as schema

    try:
        root = tflite_file.read(tflite, allow_sparse=True) and tflite_file.root(tflite)
        root.tables(6)  # metadata
        for signature in root.tables(7):
            for names in (0, 1):  # of inputs, of outputs
                signature.array(names, "<u4")
        model = schema.ModelT.InitFromPackedBuf(bytearray(tflite), 0)
    except (*tflite_file.DAMAGE, TypeError, AttributeError, MemoryError) as error:
        raise ValueError(f"{tflite_file.BROKEN} ({error})") from None
    return model, model.subgraphs[0]


def packed(model):
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
