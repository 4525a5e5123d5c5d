"""Will a model run in TFLM, and rightly? Said before it is tried, operator by operator.

Which operators TFLM knows was found out by trying each (data/results/tflm_runtime.json), and which
number types their kernels take, too (tflm_kernels.json). What other runtimes make of a file is in
`runtimes`. `run` has the last word.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from course_utils import env
from course_utils.engines import tflite_file
from course_utils.machines import data
from course_utils.machines.micro import kernels
from course_utils.machines.micro.interpreter import in_tflm
from course_utils.machines.micro.runtimes import ONE_SCALE, Runtime, dense_problem, runtimes
from course_utils.machines.micro.runtimes import runtime as known_runtime
from course_utils.machines.operators import packed

INTEGER = 'Convert to full integers: conversion.convert(model, "int8", calibration).'
LINE = 84  # characters: a notebook's output is as wide at 1280 pixels
OTHER_LAYERS = "Build the network from layers that it has."


class OperatorReport(NamedTuple):
    """One operator: what it is, what it reads and writes, and what TFLM will not take of it."""

    index: int
    name: str
    version: int
    inputs: tuple[str, ...]  # "int8 1×28×28×1"
    outputs: tuple[str, ...]
    problem: str  # "" if none is known
    instead: str
    wrong: bool = False  # the problem is not that it does not start, but that it answers wrongly
    warning: str = ""  # what may happen with some inputs

    def __str__(self):
        reads = ", ".join(self.inputs)
        line = f"{self.index:3} {self.name} v{self.version}: {reads} -> {', '.join(self.outputs)}"
        said = f"{self.problem} {self.instead}" if self.problem else self.warning
        return f"{line}\n{_lines(said, 6)}" if said else line


def _lines(text: str, indent: int = 0) -> str:
    """A text in lines that a notebook shows whole; names and calls are not broken."""
    return textwrap.fill(
        text, LINE, initial_indent=" " * indent, subsequent_indent=" " * indent,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


class Found(NamedTuple):
    """What speaks against an operator, as in `OperatorReport`."""

    problem: str = ""
    instead: str = ""
    wrong: bool = False


class Compatibility(NamedTuple):
    """The report on a model; as text: a line an operator, then the verdict."""

    operators: tuple[OperatorReport, ...]
    runtime: str = "TFLM"
    others: Mapping[str, tuple[Found, ...]] = {}  # {known runtime on which it fails: why}

    @property
    def elsewhere(self) -> dict[str, tuple[str, ...]]:
        """Why it fails on other known runtimes, and on which: {problem: names}."""
        names: dict[str, dict[str, None]] = {}
        for name, found in self.others.items():
            for each in found:
                names.setdefault(f"{each.problem} {each.instead}", {})[name] = None
        return {said: tuple(each) for said, each in names.items()}

    @property
    def problems(self) -> tuple[str, ...]:
        """What speaks against the model, each thing once."""
        return tuple(dict.fromkeys(f"{op.problem} {op.instead}" for op in self.operators
                                   if op.problem))  # fmt: skip

    @property
    def warnings(self) -> tuple[str, ...]:
        """What may happen with some inputs, each thing once."""
        return tuple(dict.fromkeys(op.warning for op in self.operators if op.warning))

    @property
    def should_run(self) -> bool:
        """Whether it should start, and compute what the file says."""
        return not self.problems

    @property
    def wrong(self) -> bool:
        """Whether it starts, but its answers are not what the file says."""
        bad = [op for op in self.operators if op.problem]
        return bool(bad) and all(op.wrong for op in bad)

    def __str__(self):
        verdict = f"Nothing speaks against it: {self.runtime} should run this model."
        if self.problems:
            bad = sum(bool(op.problem) for op in self.operators)
            will = "answers wrongly with" if self.wrong else "will not run"
            count = f"{bad} of its {len(self.operators)} operators"
            verdict = f"{self.runtime} {will} this model: {count}."
        elsewhere = [
            _lines(f"But not on {', '.join(names)}: {said}")
            for said, names in self.elsewhere.items()
        ]
        return "\n".join([*map(str, self.operators), verdict, *elsewhere])


def compatibility(
    tflite: bytes | tflite_file.Graph, runtime: str | Runtime | None = None
) -> Compatibility:
    """Report whether a runtime will run a model, and rightly, from the file alone.

    Nothing is run. The operators of all graphs of the file are in the report.
    runtime: a name of `runtimes()`, such as "Chirale_TensorFlowLite"; None: the TFLM whose
             operators were tried, and the report also names the known runtimes on which the file
             would not start or answer wrongly.
    Raises TypeError and ValueError as `tflite_file.read` does, and ValueError for a runtime that
    isn't known.
    """
    graph = tflite_file.read(tflite)
    judged = [(op, each.tensors) for each in (graph, *graph.others) for op in each.operators]
    accelerator = tflite_file.compiled_for(graph)
    on = None if runtime is None else known_runtime(runtime)
    reports = tuple(_report(op, tensors, accelerator, on) for op, tensors in judged)
    if on is not None:
        return Compatibility(reports, str(on))
    good = [row for row, report in zip(judged, reports, strict=True) if not report.problem]
    others = {
        str(other): tuple(filter(None, (_on(*each, other, "It") for each in good)))
        for other in runtimes()
    }
    return Compatibility(reports, "TFLM", {name: found for name, found in others.items() if found})


def _report(op, tensors, accelerator, on):
    inputs = [tensors[i] for i in op.inputs if i >= 0]
    outputs = [tensors[i] for i in op.outputs]
    found = _of_kernels(op, tensors, accelerator)
    if on is not None:
        found = found or _on(op, tensors, on, str(on))
    reads, writes = (tuple(map(_describe, side)) for side in (inputs, outputs))
    warning = "" if found else _warning(op, tensors)
    found = found or Found()
    return OperatorReport(op.index, op.name, op.version, reads, writes, *found, warning)


def _describe(tensor):
    return f"{tensor.type} {'×'.join(map(str, tensor.shape)) or 'scalar'}"


def _custom(name):
    """The name of a custom operator, as its maker wrote it; "" for a built-in one."""
    match = re.fullmatch(r"custom operator '(.*)'", name, re.DOTALL)
    return match[1] if match else ""


def _on(op, tensors, on, who):
    """What a runtime does to an operator that today's TFLM runs; None if it runs it, too."""
    custom = _custom(op.name)
    if custom not in on.custom_operators if custom else op.name not in on.operators:
        return Found(f"{who} has no operator {custom or op.name}.", OTHER_LAYERS)
    problem, wrong = dense_problem(op, tensors, on)
    return Found(problem, ONE_SCALE, wrong) if problem else None


def _of_kernels(op, tensors, accelerator):
    """What TFLM will not take of an operator, and what to do about it; None if nothing."""
    tried = data.result("tflm_kernels").record
    custom = _custom(op.name)
    if custom in tried["custom"]:
        return None
    if custom and accelerator:
        return Found(
            f"{custom} stands for the part of the network that was compiled for {accelerator}, and "
            "runs only there.",
            "Take the file from before it was compiled.",
        )
    if op.name not in data.result("tflm_runtime").record["known"]:
        return Found(f"TFLM has no operator {custom or op.name}.", OTHER_LAYERS)
    types = {tensors[i].type for i in (*op.inputs, *op.outputs) if i >= 0}
    if "float16" in types:
        return Found(f"{op.name} reads float16, for which TFLM has no kernel.", INTEGER)
    if strange := sorted(types - {*kernels.TYPES, "resource"}):
        return Found(f"{op.name} uses {strange[0]}, for which TFLM has no kernels.", INTEGER)
    key = kernels.key(op, tensors)
    x, _, weights = key.partition(" ")
    if op.name in kernels.WITH_WEIGHTS and x == "float32" != weights:
        return Found(f"{op.name} is hybrid: {weights} weights, but float32 inputs.", INTEGER)
    takes = tried["takes"].get(op.name)
    if key and takes and key not in takes:
        what = key.replace("->", "to") if "->" in key else key.replace(" ", " with ")
        return Found(f"{op.name} has no kernel for {what} in TFLM.", INTEGER)
    return _bias_problem(op, tensors)


def _bias_problem(op, tensors):
    """A dense layer's bias must have the scale of the sums: input times weights.

    TFLM lets the difference be 2 % of the output's scale
    (tensorflow/lite/kernels/kernel_util.cc, GetQuantizedConvolutionMultipler).
    """
    if op.name != "FULLY_CONNECTED" or len(op.inputs) < 3 or op.inputs[2] < 0:
        return None
    x, weights, bias, output = (tensors[i] for i in (*op.inputs[:3], *op.outputs[:1]))
    if any(tensor.scale.size != 1 for tensor in (x, weights, bias, output)):
        return None
    x, weights, bias, output = (float(t.scale[0]) for t in (x, weights, bias, output))
    if not abs(x * weights - bias) <= 0.02 * output:
        return Found(
            f"{op.name} has a bias with the scale {bias:.3g}, and its sums have {x * weights:.3g}.",
            "Convert the model again.",
        )
    return None


def _warning(op, tensors):
    """What may end the program with some inputs; "" if nothing is known."""
    limit = data.result("tflm_kernels").record["softmax"]
    if op.name != "SOFTMAX" or kernels.key(op, tensors) != limit["key"]:
        return ""
    logits = tensors[op.inputs[0]].shape[-1] if tensors[op.inputs[0]].shape else 1
    if logits < limit["ends"]:
        return ""
    return (
        f"{op.name} of {logits:,} values ends the program if {limit['ends']} or more of them are "
        "nearly as large as the largest: TFLM's sum of their exponentials has no room for more."
    )


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
    return packed(model)


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
