"""Read stored tensors out of a .tflite with LiteRT's own generated schema, for the tests."""

import numpy as np
from ai_edge_litert import schema_py_generated as schema


def _unpack(tflite):
    model = schema.ModelT.InitFromPackedBuf(bytearray(tflite), 0)
    return model, model.subgraphs[0]


def stored_weights(tflite, operator=0):
    """Return (int8 weights, float32 scale or scales) of the operator's second input."""
    model, graph = _unpack(tflite)
    tensor = graph.tensors[graph.operators[operator].inputs[1]]
    codes = np.frombuffer(bytes(model.buffers[tensor.buffer].data), np.int8)
    scales = np.float32(tensor.quantization.scale)
    assert not np.any(tensor.quantization.zeroPoint)
    return codes.reshape(tensor.shape), scales if scales.size > 1 else scales[0]


def input_qparams(tflite):
    """Return (scale, zero_point) of the model's input."""
    _, graph = _unpack(tflite)
    quantization = graph.tensors[graph.inputs[0]].quantization
    return np.float32(quantization.scale[0]), int(quantization.zeroPoint[0])
