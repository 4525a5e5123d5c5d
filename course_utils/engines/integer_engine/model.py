"""A network read from its file, checked, and run operator by operator."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from course_utils.engines import blas, tflite_file
from course_utils.engines.integer_engine.checked import Checked
from course_utils.engines.integer_engine.kernels import PREPARE


class Step(NamedTuple):
    """One tensor of a trace: its name, the operator that wrote it, its values (batch first)."""

    name: str
    op: str
    array: np.ndarray


class IntegerModel:
    """An int8 `.tflite` network that runs in NumPy with the results of TFLM.

    tflite: the bytes of the file, or its Graph (`tflite_file.read`): one input and one output with
            a batch of one, as `conversion.convert(model, "int8", ...)` writes it.
    Raises ValueError, naming the operator and what to do, for a file that is damaged, that is not
    quantized to int8, or that uses an operator or a form of one that is not supported.

    input, output: `tflite_file.Tensor` with `.shape`, `.type` and `.qparams`.
    """

    def __init__(self, tflite):
        graph = tflite_file.read(tflite)
        if len(graph.inputs) != 1 or len(graph.outputs) != 1:
            raise ValueError(
                f"The model has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs; "
                "one of each is supported."
            )
        self.graph = graph
        self.input, self.output = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
        _check_edge("input", self.input)
        _check_edge("output", self.output)
        known = {self.input.index, *(t.index for t in graph.tensors if t.data is not None)}
        self._steps = []
        for op in graph.operators:
            if op.name not in PREPARE:
                raise ValueError(
                    f"{op} is not supported. The engine knows {', '.join(sorted(PREPARE))}: "
                    "build the network from these and convert it with mode='int8'."
                )
            for index in op.inputs:
                if index >= 0 and index not in known:
                    raise ValueError(f"{op} reads tensor {index} before anything wrote it.")
            if len(op.outputs) != 1 or op.outputs[0] in known:
                raise ValueError(f"{op} must write exactly one tensor that nothing else writes.")
            self._steps.append((op, PREPARE[op.name](Checked(op, graph))))
            known.add(op.outputs[0])
        if self.output.index not in known:
            raise ValueError("No operator writes the model's output: convert the model again.")
        widest = max([step.widest for _, step in self._steps], default=1)
        # As many inputs at a time as keep the largest intermediate array near the cache.
        self._batch = max(1, 2**20 // widest)

    def run(self, x):
        """Return the network's outputs.

        x: int8 array (n, *input.shape[1:]), n >= 0 (float32 if the file has a float input).
        Returns an int8 array (n, *output.shape[1:]) (float32 if the file has a float output).
        Raises TypeError for another dtype and ValueError for another shape.
        """
        x = self._check_input(x)
        out = np.empty((len(x), *self.output.shape[1:]), self.output.type)
        # One thread: each operator is so short that two spend on taking turns what they win.
        with blas.one_thread():
            for start in range(0, len(x), self._batch):
                part = slice(start, start + self._batch)
                for values in self._run(x[part]):
                    last = values
                out[part] = last[self.output.index]
        return out

    def run_after(self, operator, written):
        """Return the network's outputs as if operator number `operator` had written this.

        written: int8 array (n, ...) of the shape that the operator writes. For a network that is
        a chain: what later operators read must come from this one on, or from the file.
        """
        values = {t.index: t.data for t in self.graph.tensors if t.data is not None}
        values[self._steps[operator][0].outputs[0]] = written
        for op, step in self._steps[operator + 1 :]:
            values[op.outputs[0]] = step.run(*(values[i] for i in step.reads))
        return values[self.output.index]

    def trace(self, x):
        """Yield a Step for the input and after each operator, in the order in which they run.

        x: as for `run`; all of it is run at once.
        """
        x = self._check_input(x)
        yield Step(self.input.name, "INPUT", x)
        for (op, _), values in zip(self._steps, self._run(x), strict=True):
            yield Step(self.graph.tensors[op.outputs[0]].name, op.name, values[op.outputs[0]])

    def _run(self, x):
        values = {t.index: t.data for t in self.graph.tensors if t.data is not None}
        values[self.input.index] = x
        for op, step in self._steps:
            values[op.outputs[0]] = step.run(*(values[i] for i in step.reads))
            yield values

    def _check_input(self, x):
        x = np.asarray(x)
        if x.dtype != self.input.type:
            raise TypeError(
                f"The model takes {self.input.type}, not {x.dtype}: "
                "use quantize(x, model.input.qparams)."
            )
        if x.shape[1:] != self.input.shape[1:] or x.ndim != len(self.input.shape):
            raise ValueError(
                f"The input has the shape {x.shape}; the model takes "
                f"(n, {', '.join(map(str, self.input.shape[1:]))}), batch first."
            )
        return x


def _check_edge(edge, tensor):
    if tensor.data is not None or len(tensor.shape) < 1 or tensor.shape[0] != 1:
        raise ValueError(
            f"The model's {edge} has the shape {tensor.shape}; a batch of one is expected: "
            "convert with static shapes, as conversion.convert does."
        )
    if tensor.type not in ("int8", "float32"):
        raise ValueError(
            f"The model's {edge} is {tensor.type}, not int8: convert it with mode='int8'."
        )
    if tensor.type == "int8" and tensor.scale.size != 1:
        raise ValueError(f"The model's {edge} is int8 but has no scale: convert the model again.")
