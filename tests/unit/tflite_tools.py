"""Write small .tflite files and read stored tensors, with LiteRT's own generated schema.

The converter takes a second for each network; these files are ready in a millisecond, and their
scales and zero points can be anything.
"""

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

TYPES = {"int8": 9, "int32": 2, "float32": 0, "int16": 7, "uint8": 3, "int64": 4}
ACTIVATIONS = {"NONE": 0, "RELU": 1, "RELU_N1_TO_1": 2, "RELU6": 3}
PADDINGS = {"SAME": 0, "VALID": 1}
OPTIONS = {
    "ADD": schema.AddOptionsT,
    "AVERAGE_POOL_2D": schema.Pool2DOptionsT,
    "CONCATENATION": schema.ConcatenationOptionsT,
    "CONV_2D": schema.Conv2DOptionsT,
    "DEPTHWISE_CONV_2D": schema.DepthwiseConv2DOptionsT,
    "FULLY_CONNECTED": schema.FullyConnectedOptionsT,
    "MAX_POOL_2D": schema.Pool2DOptionsT,
    "MEAN": schema.ReducerOptionsT,
    "MUL": schema.MulOptionsT,
    "RESHAPE": schema.ReshapeOptionsT,
    "SOFTMAX": schema.SoftmaxOptionsT,
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

    def tensor(self, shape, type_name="int8", scale=None, zero_point=0, axis=0, data=None):
        tensor = schema.TensorT()
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
        operator.inputs, operator.outputs = np.int32(inputs), np.int32([output])
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
        self.graph.inputs, self.graph.outputs = np.int32(inputs), np.int32(outputs)
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def unpack(tflite):
    """Return the schema's object form of a model file, to read or to change."""
    return schema.ModelT.InitFromPackedBuf(bytearray(tflite), 0)


def pack(model):
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


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
