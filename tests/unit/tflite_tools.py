"""Write small .tflite files and read stored tensors, with LiteRT's own generated schema.

The converter takes a second for each network; these files are ready in a millisecond, and their
scales and zero points can be anything.
"""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from course_utils.machines.operators import packed as pack
from course_utils.machines.operators import unpacked

TYPES = {"int8": 9, "int32": 2, "float32": 0, "int16": 7, "uint8": 3, "int64": 4,
         "resource": 13}  # fmt: skip
ACTIVATIONS = {"NONE": 0, "RELU": 1, "RELU_N1_TO_1": 2, "RELU6": 3, "TANH": 4}
PADDINGS = {"SAME": 0, "VALID": 1}
OPTIONS = {
    "ADD": schema.AddOptionsT,
    "AVERAGE_POOL_2D": schema.Pool2DOptionsT,
    "CALL_ONCE": schema.CallOnceOptionsT,
    "CONCATENATION": schema.ConcatenationOptionsT,
    "CONV_2D": schema.Conv2DOptionsT,
    "DEPTHWISE_CONV_2D": schema.DepthwiseConv2DOptionsT,
    "FULLY_CONNECTED": schema.FullyConnectedOptionsT,
    "MAX_POOL_2D": schema.Pool2DOptionsT,
    "MEAN": schema.ReducerOptionsT,
    "MUL": schema.MulOptionsT,
    "RESHAPE": schema.ReshapeOptionsT,
    "SHAPE": schema.ShapeOptionsT,
    "SOFTMAX": schema.SoftmaxOptionsT,
    "VAR_HANDLE": schema.VarHandleOptionsT,
    # of operators whose tests are in operator_cases.py
    "ARG_MAX": schema.ArgMaxOptionsT,
    "ARG_MIN": schema.ArgMinOptionsT,
    "BATCH_MATMUL": schema.BatchMatMulOptionsT,
    "DEPTH_TO_SPACE": schema.DepthToSpaceOptionsT,
    "GATHER": schema.GatherOptionsT,
    "L2_NORMALIZATION": schema.L2NormOptionsT,
    "LEAKY_RELU": schema.LeakyReluOptionsT,
    "MIRROR_PAD": schema.MirrorPadOptionsT,
    "PACK": schema.PackOptionsT,
    "REDUCE_MAX": schema.ReducerOptionsT,
    "REDUCE_MIN": schema.ReducerOptionsT,
    "RESIZE_BILINEAR": schema.ResizeBilinearOptionsT,
    "RESIZE_NEAREST_NEIGHBOR": schema.ResizeNearestNeighborOptionsT,
    "SPACE_TO_DEPTH": schema.SpaceToDepthOptionsT,
    "SPLIT": schema.SplitOptionsT,
    "SPLIT_V": schema.SplitVOptionsT,
    "SQUEEZE": schema.SqueezeOptionsT,
    "STRIDED_SLICE": schema.StridedSliceOptionsT,
    "SUB": schema.SubOptionsT,
    "SUM": schema.ReducerOptionsT,
    "SVDF": schema.SVDFOptionsT,
    "TRANSPOSE_CONV": schema.TransposeConvOptionsT,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": schema.UnidirectionalSequenceLSTMOptionsT,
    "UNPACK": schema.UnpackOptionsT,
}


class Writer:
    """A model in the making: add tensors and operators, then take `bytes(inputs, outputs)`."""

    def __init__(self):
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.description = "test"
        self.model.buffers = [schema.BufferT()]
        self.model.operatorCodes = []
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self.model.subgraphs = [self.graph]

    def second_graph(self):
        """Begin another graph: tensors and operators are added to that from now on."""
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self.graph.inputs = self.graph.outputs = np.zeros(0, np.int32)
        self.model.subgraphs.append(self.graph)

    def tensor(
        self, shape, type_name="int8", scale=None, zero_point=0, axis=0, data=None, variable=False
    ):
        tensor = schema.TensorT()
        tensor.isVariable = variable
        tensor.name = f"t{len(self.graph.tensors)}"
        tensor.shape = np.array(shape, np.int32)
        tensor.type = TYPES[type_name]
        tensor.buffer = 0
        if scale is not None:
            quantization = schema.QuantizationParametersT()
            quantization.scale = np.atleast_1d(np.float32(scale))
            zero_points = np.broadcast_to(np.int64(zero_point), quantization.scale.shape)
            quantization.zeroPoint = np.array(zero_points)
            quantization.quantizedDimension = axis
            tensor.quantization = quantization
        if data is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            tensor.buffer = len(self.model.buffers)
            self.model.buffers.append(buffer)
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def constant(self, values, type_name, **quantization):
        values = np.asarray(values, type_name)
        return self.tensor(values.shape, type_name, data=values, **quantization)

    def operator(self, name, inputs, output, **options):
        code = schema.OperatorCodeT()
        code.builtinCode = getattr(schema.BuiltinOperator, name)
        code.deprecatedBuiltinCode = min(code.builtinCode, 127)
        code.version = 1
        operator = schema.OperatorT()
        operator.opcodeIndex = len(self.model.operatorCodes)
        self.model.operatorCodes.append(code)
        operator.inputs, operator.outputs = np.int32(inputs), np.int32(np.atleast_1d(output))
        if name in OPTIONS:
            operator.builtinOptions = OPTIONS[name]()
            for key, value in options.items():
                if key == "fusedActivationFunction":
                    value = ACTIVATIONS[value]
                if key == "padding":
                    value = PADDINGS[value]
                setattr(operator.builtinOptions, key, value)
            kind = OPTIONS[name].__name__[:-1]
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
        self.graph.operators.append(operator)
        return output

    def bytes(self, inputs, outputs):
        main = self.model.subgraphs[0]
        main.inputs, main.outputs = np.int32(inputs), np.int32(outputs)
        return pack(self.model)


def unpack(tflite):
    """Return the schema's object form of a model file, to read or to change."""
    return unpacked(tflite)[0]


def stored_weights(tflite, operator=0):
    """Return (int8 weights, float32 scale or scales) of the operator's second input."""
    model = unpack(tflite)
    graph = model.subgraphs[0]
    tensor = graph.tensors[graph.operators[operator].inputs[1]]
    codes = np.frombuffer(bytes(model.buffers[tensor.buffer].data), np.int8)
    scales = np.float32(tensor.quantization.scale)
    assert not np.any(tensor.quantization.zeroPoint)
    return codes.reshape(tensor.shape), scales if scales.size > 1 else scales[0]


def input_qparams(tflite):
    """Return (scale, zero_point) of the model's input."""
    graph = unpack(tflite).subgraphs[0]
    quantization = graph.tensors[graph.inputs[0]].quantization
    return np.float32(quantization.scale[0]), int(quantization.zeroPoint[0])
