"""Will a model run in TFLM? Said before it is tried, operator by operator, and what to do if not.

Which operators TFLM knows was found out by trying each (data/results/tflm_runtime.json). What it
does not run although it knows the operators are the two float techniques of the lecture: float16,
whose DEQUANTIZE has no kernel for half floats, and hybrid kernels. `run` has the last word.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from course_utils import env
from course_utils.engines import tflite_file
from course_utils.machines import data
from course_utils.machines.micro.interpreter import in_tflm

WITH_KERNEL = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")
TYPES = ("float32", "int8", "int16", "int32", "int64", "uint8", "bool", "int4")
INTEGER = 'Convert to full integers: conversion.convert(model, "int8", calibration).'


class OperatorReport(NamedTuple):
    """One operator: what it is, what it reads and writes, and what TFLM will not take of it."""

    index: int
    name: str
    version: int
    inputs: tuple[str, ...]  # "int8 1×28×28×1"
    outputs: tuple[str, ...]
    problem: str  # "" if none is known
    instead: str

    def __str__(self):
        reads = ", ".join(self.inputs)
        line = f"{self.index:3} {self.name} v{self.version}: {reads} -> {', '.join(self.outputs)}"
        return f"{line}\n      {self.problem} {self.instead}" if self.problem else line


class Compatibility(NamedTuple):
    """The report on a model; as text: a line an operator, then the verdict."""

    operators: tuple[OperatorReport, ...]

    @property
    def problems(self) -> tuple[str, ...]:
        """What speaks against the model, each thing once."""
        return tuple(dict.fromkeys(f"{op.problem} {op.instead}" for op in self.operators
                                   if op.problem))  # fmt: skip

    @property
    def should_run(self) -> bool:
        return not self.problems

    def __str__(self):
        verdict = "Nothing speaks against it: TFLM should run this model."
        if self.problems:
            bad = sum(bool(op.problem) for op in self.operators)
            verdict = f"TFLM will not run this model: {bad} of its {len(self.operators)} operators."
        return "\n".join([*map(str, self.operators), verdict])


def compatibility(tflite: bytes | tflite_file.Graph) -> Compatibility:
    """Report whether TFLM will run a model, from the file alone; nothing is run.

    Raises TypeError and ValueError as `tflite_file.read` does: for what is no model, and for one
    of several graphs, which the export does not take.
    """
    graph = tflite_file.read(tflite)
    known = set(data.result("tflm_runtime").record["known"])
    return Compatibility(tuple(_report(op, graph.tensors, known) for op in graph.operators))


def _report(op, tensors, known):
    inputs = [tensors[i] for i in op.inputs if i >= 0]
    outputs = [tensors[i] for i in op.outputs]
    problem, instead = _problem(op, inputs, outputs, known)
    reads, writes = (tuple(map(_describe, side)) for side in (inputs, outputs))
    return OperatorReport(op.index, op.name, op.version, reads, writes, problem, instead)


def _describe(tensor):
    return f"{tensor.type} {'×'.join(map(str, tensor.shape)) or 'scalar'}"


def _problem(op, inputs, outputs, known):
    """What TFLM will not take of an operator, and what to do about it; ("", "") if nothing."""
    types = {tensor.type for tensor in (*inputs, *outputs)}
    if op.name not in known:
        return f"TFLM has no operator {op.name}.", "Build the network from layers that it has."
    if "float16" in types:
        return f"{op.name} reads float16, for which TFLM has no kernel.", INTEGER
    if strange := sorted(types - set(TYPES)):
        return f"{op.name} uses {strange[0]}, for which TFLM has no kernels.", INTEGER
    x, *weights = (tensor.type for tensor in inputs[:2])
    if op.name in WITH_KERNEL and weights and x == "float32" != weights[0]:
        return f"{op.name} is hybrid: {weights[0]} weights, but float32 inputs.", INTEGER
    return "", ""


# --- which operators there are ------------------------------------------------------------------


def operators() -> frozenset[str]:
    """The built-in operators that the TFLM interpreter installed here knows.

    Each is tried: the interpreter gets a model of two operators, this one and one that does not
    exist, and complains about the first that it does not know.
    Raises ImportError where tflite-micro is not installed.
    """
    names = builtin_operators()
    said = in_tflm(_complaints, {name: _two_operators(code) for name, code in names.items()})
    return frozenset(name for name, text in said.items() if f"opcode '{name}'" not in text)


def builtin_operators() -> dict[str, int]:
    """The operators that the `.tflite` schema numbers: {name: number}."""
    from ai_edge_litert import schema_py_generated as schema

    no_operators = {"CUSTOM", "PLACEHOLDER_FOR_GREATER_OP_CODES", "DELEGATE"}
    codes = vars(schema.BuiltinOperator).items()
    return {name: code for name, code in codes if name.isupper() and name not in no_operators}


def _two_operators(code):
    """A model of one operator without options, and of a custom one that does not exist: bytes."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model, graph, tensor = schema.ModelT(), schema.SubGraphT(), schema.TensorT()
    tensor.shape, tensor.name = np.ones(1, np.int32), "tensor"
    graph.tensors, graph.operators = [tensor], []
    graph.inputs = graph.outputs = np.zeros(1, np.int32)
    model.version, model.subgraphs, model.buffers = 3, [graph], [schema.BufferT()]
    model.operatorCodes = []
    for index, number in enumerate((code, schema.BuiltinOperator.CUSTOM)):
        kind, operator = schema.OperatorCodeT(), schema.OperatorT()
        kind.builtinCode, kind.deprecatedBuiltinCode = number, min(number, 127)
        kind.customCode = "does not exist" if index else None
        operator.opcodeIndex, operator.inputs, operator.outputs = index, graph.inputs, graph.inputs
        if code == schema.BuiltinOperator.VAR_HANDLE:  # the Python side asks for its name
            operator.builtinOptionsType = schema.BuiltinOptions.VarHandleOptions
            operator.builtinOptions = schema.VarHandleOptionsT()
        model.operatorCodes.append(kind)
        graph.operators.append(operator)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _complaints(files):
    """In the TFLM process: {name: what is said of a model}."""
    from tflite_micro.python.tflite_micro import runtime

    said = {}
    for name, tflite in files.items():
        with env.captured_stderr() as captured:
            try:
                runtime.Interpreter.from_bytes(tflite, arena_size=1 << 16)
                raise AssertionError("TFLM accepted an operator that does not exist.")
            except RuntimeError:
                pass
        said[name] = captured.text
    return said
