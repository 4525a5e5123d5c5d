"""By which of a file's number types TFLM chooses an operator's kernel.

An operator that TFLM knows may still have no kernel for a file's types: most have none for uint8,
the type of files from before 2019. Which have one is not in any list of TFLM's; each was tried, in
each type (data/results/tflm_kernels.json), and `key` says which trial is like a file's operator.
"""

from __future__ import annotations

from course_utils.engines import tflite_file

TYPES = ("float32", "float16", "int8", "uint8", "int16", "int32", "int64", "uint32", "bool", "int4")

# Most kernels are chosen by the type of their first input. Where it is another's, or the types of
# two: the inputs' places.
WITH_WEIGHTS = {
    "CONV_2D": (0, 1), "DEPTHWISE_CONV_2D": (0, 1), "FULLY_CONNECTED": (0, 1),
    "TRANSPOSE_CONV": (2, 1), "SVDF": (0, 1), "UNIDIRECTIONAL_SEQUENCE_LSTM": (0, 2),
    "BATCH_MATMUL": (0, 1),
}  # fmt: skip
_BY_INPUTS = WITH_WEIGHTS | {
    "GATHER": (0, 1), "GATHER_ND": (0, 1), "EMBEDDING_LOOKUP": (1,),
    "SPLIT": (1,), "SELECT_V2": (1,), "FILL": (1,),
}  # fmt: skip
# ... and where the output's type matters, too.
BY_OUTPUT = ("CAST", "QUANTIZE", "DEQUANTIZE", "SOFTMAX", "ARG_MAX", "ARG_MIN", "SHAPE")


def key(op: tflite_file.Operator, tensors) -> str:
    """The types by which an operator's kernel is chosen: "int8", "int8 int8", "int8 -> int32".

    "" if the operator lacks the inputs or outputs that they are read from.
    """
    places = _BY_INPUTS.get(op.name, (0,))
    if len(op.inputs) <= max(places) or min(op.inputs[i] for i in places) < 0:
        return ""
    types = " ".join(tensors[op.inputs[i]].type for i in places)
    if op.name not in BY_OUTPUT:
        return types
    return f"{types} -> {tensors[op.outputs[0]].type}" if op.outputs else ""
