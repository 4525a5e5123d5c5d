"""The tables of LiteRT's schema.fbs: types, operators, and the options of each.

An operator that the integer engine runs has a line in OPERATORS, and one in OPTIONS where its
options matter; all others are read without their options.
"""

from __future__ import annotations

import numpy as np

# TensorType of schema.fbs.
TYPES = {
    0: "float32",
    1: "float16",
    2: "int32",
    3: "uint8",
    4: "int64",
    6: "bool",
    7: "int16",
    9: "int8",
    13: "resource",
    15: "uint32",
    17: "int4",
}
DTYPES = {
    name: np.dtype(name).newbyteorder("<")
    for name in TYPES.values()
    if name not in ("int4", "resource")
}
DTYPES["resource"] = DTYPES["int32"]  # a number that stands for a variable

# BuiltinOperator of schema.fbs, as far as the integer engine knows it.
OPERATORS = {
    0: "ADD",
    1: "AVERAGE_POOL_2D",
    2: "CONCATENATION",
    3: "CONV_2D",
    4: "DEPTHWISE_CONV_2D",
    5: "DEPTH_TO_SPACE",
    6: "DEQUANTIZE",
    9: "FULLY_CONNECTED",
    11: "L2_NORMALIZATION",
    14: "LOGISTIC",
    17: "MAX_POOL_2D",
    18: "MUL",
    19: "RELU",
    21: "RELU6",
    22: "RESHAPE",
    23: "RESIZE_BILINEAR",
    25: "SOFTMAX",
    26: "SPACE_TO_DEPTH",
    27: "SVDF",
    28: "TANH",
    34: "PAD",
    36: "GATHER",
    39: "TRANSPOSE",
    40: "MEAN",
    41: "SUB",
    43: "SQUEEZE",
    44: "UNIDIRECTIONAL_SEQUENCE_LSTM",
    45: "STRIDED_SLICE",
    49: "SPLIT",
    50: "LOG_SOFTMAX",
    54: "PRELU",
    55: "MAXIMUM",
    56: "ARG_MAX",
    57: "MINIMUM",
    60: "PADV2",
    65: "SLICE",
    67: "TRANSPOSE_CONV",
    70: "EXPAND_DIMS",
    74: "SUM",
    77: "SHAPE",
    79: "ARG_MIN",
    82: "REDUCE_MAX",
    83: "PACK",
    88: "UNPACK",
    89: "REDUCE_MIN",
    97: "RESIZE_NEAREST_NEIGHBOR",
    98: "LEAKY_RELU",
    99: "SQUARED_DIFFERENCE",
    100: "MIRROR_PAD",
    101: "ABS",
    102: "SPLIT_V",
    111: "ELU",
    114: "QUANTIZE",
    117: "HARD_SWISH",
    126: "BATCH_MATMUL",
    129: "CALL_ONCE",
    142: "VAR_HANDLE",
    143: "READ_VARIABLE",
    144: "ASSIGN_VARIABLE",
}

PADDINGS = {0: "SAME", 1: "VALID"}
ACTIVATIONS = {0: "NONE", 1: "RELU", 2: "RELU_N1_TO_1", 3: "RELU6"}
MODES = {0: "REFLECT", 1: "SYMMETRIC"}
_ACTIVATION = ("b", 0, ACTIVATIONS)
_PADDING = ("b", 0, PADDINGS)
_REDUCER = (27, {"keep_dims": (0, "?", False)})
_POOL = (
    5,
    {
        "padding": (0, *_PADDING),
        "stride_w": (1, "i", 0),
        "stride_h": (2, "i", 0),
        "filter_w": (3, "i", 0),
        "filter_h": (4, "i", 0),
        "activation": (5, *_ACTIVATION),
    },
)
# For each operator: the number of its options table in the schema's union, and of each option
# its field number, format (of `struct`, or "text"), default and, for an enumeration, the names.
OPTIONS = {
    "ADD": (11, {"activation": (0, *_ACTIVATION)}),
    "AVERAGE_POOL_2D": _POOL,
    "BATCH_MATMUL": (101, {"adj_x": (0, "?", False), "adj_y": (1, "?", False)}),
    "CALL_ONCE": (103, {"graph": (0, "i", 0)}),
    "CONCATENATION": (10, {"axis": (0, "i", 0), "activation": (1, *_ACTIVATION)}),
    "CONV_2D": (
        1,
        {
            "padding": (0, *_PADDING),
            "stride_w": (1, "i", 0),
            "stride_h": (2, "i", 0),
            "activation": (3, *_ACTIVATION),
            "dilation_w": (4, "i", 1),
            "dilation_h": (5, "i", 1),
            "quantized_bias_type": (6, "b", 0, TYPES),
        },
    ),
    "DEPTHWISE_CONV_2D": (
        2,
        {
            "padding": (0, *_PADDING),
            "stride_w": (1, "i", 0),
            "stride_h": (2, "i", 0),
            "activation": (4, *_ACTIVATION),
            "dilation_w": (5, "i", 1),
            "dilation_h": (6, "i", 1),
        },
    ),
    "DEPTH_TO_SPACE": (94, {"block_size": (0, "i", 0)}),
    "FULLY_CONNECTED": (
        8,
        {
            "activation": (0, *_ACTIVATION),
            "weights_format": (1, "b", 0),
            "quantized_bias_type": (4, "b", 0, TYPES),
        },
    ),
    "GATHER": (23, {"axis": (0, "i", 0), "batch_dims": (1, "i", 0)}),
    "L2_NORMALIZATION": (12, {"activation": (0, *_ACTIVATION)}),
    "LEAKY_RELU": (75, {"alpha": (0, "f", 0.0)}),
    "MAX_POOL_2D": _POOL,
    "MEAN": _REDUCER,
    "MIRROR_PAD": (77, {"mode": (0, "b", 0, MODES)}),
    "MUL": (21, {"activation": (0, *_ACTIVATION)}),
    "PACK": (59, {"axis": (1, "i", 0)}),
    "REDUCE_MAX": _REDUCER,
    "REDUCE_MIN": _REDUCER,
    "RESIZE_BILINEAR": (
        15,
        {"align_corners": (2, "?", False), "half_pixel_centers": (3, "?", False)},
    ),
    "RESIZE_NEAREST_NEIGHBOR": (
        74,
        {"align_corners": (0, "?", False), "half_pixel_centers": (1, "?", False)},
    ),
    "SOFTMAX": (9, {"beta": (0, "f", 0.0)}),
    "SPACE_TO_DEPTH": (19, {"block_size": (0, "i", 0)}),
    "STRIDED_SLICE": (
        32,
        {
            "begin_mask": (0, "i", 0),
            "end_mask": (1, "i", 0),
            "ellipsis_mask": (2, "i", 0),
            "new_axis_mask": (3, "i", 0),
            "shrink_axis_mask": (4, "i", 0),
            "offset": (5, "?", False),
        },
    ),
    "SUB": (28, {"activation": (0, *_ACTIVATION)}),
    "SUM": _REDUCER,
    "SVDF": (6, {"rank": (0, "i", 0)}),
    "TRANSPOSE_CONV": (
        49,
        {
            "padding": (0, *_PADDING),
            "stride_w": (1, "i", 0),
            "stride_h": (2, "i", 0),
            "activation": (3, *_ACTIVATION),
        },
    ),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (
        71,
        {
            "activation": (0, "b", 0, ACTIVATIONS | {4: "TANH"}),
            "cell_clip": (1, "f", 0.0),
            "time_major": (3, "?", False),
        },
    ),
    "UNPACK": (64, {"axis": (1, "i", 0)}),
    "VAR_HANDLE": (111, {"container": (0, "text", ""), "shared_name": (1, "text", "")}),
}
