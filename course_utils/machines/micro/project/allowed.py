"""What may be exported: the network's ends and operators, the project's name."""

from __future__ import annotations

import re
from typing import NamedTuple

from course_utils.engines import tflite_file
from course_utils.machines.micro.compatibility import compatibility
from course_utils.machines.micro.project.directory import BUILDS

KEYWORDS = re.findall(
    r"\w+",
    """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char char16_t char32_t
    char8_t class co_await co_return co_yield compl concept const const_cast consteval constexpr
    constinit continue decltype default delete do double dynamic_cast else enum explicit export
    extern false float for friend goto if inline int long mutable namespace new noexcept not not_eq
    nullptr operator or or_eq private protected public register reinterpret_cast requires return
    short signed sizeof static static_assert static_cast struct switch template this thread_local
    throw true try typedef typeid typename union unsigned using virtual void volatile wchar_t while
    xor xor_eq
    """,
)
# The Add... functions of TFLM's MicroMutableOpResolver (micro_mutable_op_resolver.h). An
# operator's name is the same in capitals, but for underscores.
ADD_FUNCTIONS = re.findall(
    r"\w+",
    """
    Abs Add AddN ArgMax ArgMin AveragePool2D BatchMatMul BatchToSpaceNd BroadcastArgs BroadcastTo
    Cast Ceil Concatenation Conv2D Cos CumSum DepthToSpace DepthwiseConv2D Dequantize Div Elu
    EmbeddingLookup Equal Exp ExpandDims Fill Floor FloorDiv FloorMod FullyConnected Gather
    GatherNd Greater GreaterEqual HardSwish L2Normalization L2Pool2D LeakyRelu Less LessEqual Log
    LogicalAnd LogicalNot LogicalOr Logistic LogSoftmax Maximum MaxPool2D Mean Minimum MirrorPad
    Mul Neg NotEqual Pack Pad PadV2 Prelu Quantize ReduceMax ReduceMin Relu Relu6 Reshape
    ResizeBilinear ResizeNearestNeighbor ReverseV2 Round Rsqrt SelectV2 Shape Sin Slice Softmax
    SpaceToBatchNd SpaceToDepth Split SplitV Sqrt Square SquaredDifference Squeeze StridedSlice
    Sub Sum Svdf Tanh Transpose TransposeConv UnidirectionalSequenceLSTM Unpack ZerosLike
    """,
)
# tflite type -> C++ type, TFLM's name of it, the field of TfLiteTensor's data
C_TYPES = {
    "int8": ("int8_t", "kTfLiteInt8", "int8"),
    "int16": ("int16_t", "kTfLiteInt16", "i16"),
    "float32": ("float", "kTfLiteFloat32", "f"),
}


def check_name(name: str) -> None:
    if not isinstance(name, str):
        raise TypeError(f"name is the name of the project, a text, not {type(name).__name__}.")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,62}", name) or "__" in name:
        raise ValueError(
            f"{name!r} cannot be a name in C++: use letters of the alphabet, digits and single _, "
            "a letter first, 63 characters at most."
        )
    if name in KEYWORDS:
        raise ValueError(f"{name!r} is a keyword of C++: choose another name, e.g. my_{name}.")
    if f"{name.lower()}/" in BUILDS:
        raise ValueError(
            f"{name!r} is the folder that is built in: choose another name, e.g. my_{name}."
        )


def add_functions(graph: tflite_file.Graph) -> list[str]:
    """The names of the Add... functions of the network's operators, each once, as they run."""
    if problems := compatibility(graph).problems:
        raise ValueError(f"TFLM does not run this network: {problems[0]}")
    if not graph.operators:
        raise ValueError("The network has no operators: there is nothing to run.")
    functions = {function.upper(): function for function in ADD_FUNCTIONS}
    found = {op.name: functions.get(op.name.replace("_", "")) for op in graph.operators}
    for name, function in found.items():
        if function is None:
            raise ValueError(f"TFLM runs {name}, but only in networks that keep a state or branch.")
    return list(found.values())


class Ends(NamedTuple):
    """The network's input and output tensors."""

    input: tflite_file.Tensor
    output: tflite_file.Tensor


def ends_of(graph: tflite_file.Graph) -> Ends:
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise ValueError(
            f"The network has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs; the "
            "project is for one of each."
        )
    ends = Ends(graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]])
    for role, tensor in zip(("input", "output"), ends, strict=True):
        if tensor.type not in C_TYPES:
            raise ValueError(
                f"The network's {role} is {tensor.type}; the project knows {', '.join(C_TYPES)}."
            )
        if tensor.type != "float32" and (tensor.qparams is None or tensor.scale.size != 1):
            raise ValueError(f"The network's {role} is {tensor.type} without one scale for it.")
        if not tensor.shape or tensor.shape[0] != 1 or tensor.size < 1:
            raise ValueError(
                f"The network's {role} has the shape {tensor.shape}; a batch of one is expected."
            )
    if (ends.input.type == "float32") != (ends.output.type == "float32"):
        raise ValueError(
            f"The network takes {ends.input.type} and gives {ends.output.type}: convert it with "
            "integers at both ends or with float32 at both."
        )
    return ends
