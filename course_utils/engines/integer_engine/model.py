"""A network read from its file, checked, and run operator by operator."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from course_utils.engines import blas, tflite_file
from course_utils.engines.integer_engine.prepare import prepare


class Step(NamedTuple):
    """One tensor of a trace: its name, the operator that wrote it, its values (batch first)."""

    name: str
    op: str
    array: np.ndarray


class IntegerModel:
    """An int8 or int16x8 `.tflite` network that runs in NumPy with the results of TFLM.

    tflite: the bytes of the file, or its Graph (`tflite_file.read`), with a batch of one, as
            `conversion.convert(model, "int8", ...)` writes it.
    Raises ValueError, naming the operators and what to do, for a file that is damaged, that is not
    quantized to integers, or that uses an operator or a form of one that is not supported.

    inputs, outputs: the model's `tflite_file.Tensor`s with `.shape`, `.type` and `.qparams`.
    input, output:   the first of each.
    is_stateful:     the network remembers: what it answers depends on the inputs before.
    """

    def __init__(self, tflite):
        self.graph = graph = tflite_file.read(tflite)
        self._steps, self._constants, room = prepare(graph)
        self.inputs = tuple(graph.tensors[i] for i in graph.inputs)
        self.outputs = tuple(graph.tensors[i] for i in graph.outputs)
        self.input, self.output = self.inputs[0], self.outputs[0]
        self._initial = {key: x for _, step in self._steps for key, x in step.state.items()}
        self.is_stateful = bool(self._initial)
        # As many inputs at a time as keep the largest intermediate array near the cache, and as
        # there is memory for; where what one answers depends on those before it, one.
        widest = max([1, *(step.widest for _, step in self._steps)])
        self._batch = 1 if self.is_stateful else min(room, max(1, 2**20 // widest))

    def run(self, x):
        """Return the network's outputs.

        x: array (n, *input.shape[1:]) of the input's type, n >= 0; a tuple of such arrays, one an
           input, where the network has several. To a network that remembers, the n inputs are
           steps in time, one after another; each call begins anew, from its initial state.
        Returns an array (n, *output.shape[1:]) of the output's type; a tuple of such arrays where
        the network has several outputs.
        Raises TypeError for another dtype and ValueError for another shape.
        """
        inputs = self._check_inputs(x)
        n = len(inputs[0])
        out = tuple(np.empty((n, *tensor.shape[1:]), tensor.dtype) for tensor in self.outputs)
        # One thread: each operator is so short that two spend on taking turns what they win.
        with blas.one_thread():
            for part, values in self._in_parts(inputs, self._batch):
                for array, tensor in zip(out, self.outputs, strict=True):
                    array[part] = values[tensor.index]
        return _one_or_all(out)

    def run_after(self, operator, written):
        """Return the network's outputs as if operator number `operator` had written this.

        written: array (n, ...) of the shape that the operator writes; a tuple of them where it
        writes several. For a network that is a chain and remembers nothing: what later operators
        read must come from this one on, or from the file.
        """
        outputs = self.graph.operators[operator].outputs
        values = self._constants | dict(zip(outputs, _all_of(written), strict=True))
        self._compute([each for each in self._steps if each[0].index > operator], values)
        return _one_or_all(tuple(values[tensor.index] for tensor in self.outputs))

    def trace(self, x):
        """Yield a Step for each input and for all that each operator writes, in their order.

        x: as for `run`. All that is written is kept: mind the memory.
        """
        inputs = self._check_inputs(x)
        parts = [values for _, values in self._in_parts(inputs, self._batch)]
        written = [("INPUT", index) for index in self.graph.inputs]
        written += [(op.name, index) for op, _ in self._steps for index in op.outputs]
        for name, index in written:
            tensor = self.graph.tensors[index]
            none = np.empty((0, *tensor.shape[1:]), tensor.dtype)  # of no inputs, too
            array = np.concatenate([none, *(values[index] for values in parts)])
            yield Step(tensor.name, name, array)

    def _in_parts(self, inputs, size):
        """Yield, for `size` inputs after another, which they are and the values of all tensors."""
        state = self._initial
        for start in range(0, len(inputs[0]), size):
            part = slice(start, start + size)
            values = self._constants | state
            values |= zip(self.graph.inputs, (each[part] for each in inputs), strict=True)
            self._compute(self._steps, values)
            state = {key: values[key] for key in state}
            yield part, values

    def _compute(self, steps, values):
        """Run these steps on `values`, by index of the tensor or key of the state, and add to it
        what they write."""
        for op, step in steps:
            written = step.run(*(values[i] for i in (*step.reads, *step.state)))
            values |= zip((*op.outputs, *step.state), _all_of(written), strict=True)

    def _check_inputs(self, x):
        arrays = tuple(x) if isinstance(x, (tuple, list)) and len(self.inputs) > 1 else (x,)
        if len(arrays) != len(self.inputs):
            named = ", ".join(tensor.name for tensor in self.inputs)
            raise ValueError(
                f"The model has {len(self.inputs)} inputs ({named}) and {len(arrays)} came: give a "
                "tuple with an array for each."
            )
        arrays = tuple(map(_check_input, arrays, self.inputs))
        if len({len(array) for array in arrays}) > 1:
            raise ValueError(
                f"The inputs have {' and '.join(str(len(a)) for a in arrays)} entries; as many of "
                "each are expected."
            )
        return arrays


def _all_of(written):
    return written if isinstance(written, tuple) else (written,)


def _one_or_all(arrays):
    return arrays[0] if len(arrays) == 1 else arrays


def _check_input(x, tensor):
    x = np.asarray(x)
    if x.dtype != tensor.type:
        raise TypeError(
            f"The model takes {tensor.type}, not {x.dtype}: use quantize(x, model.input.qparams)."
        )
    if x.shape[1:] != tensor.shape[1:] or x.ndim != len(tensor.shape):
        raise ValueError(
            f"The input has the shape {x.shape}; the model takes "
            f"(n, {', '.join(map(str, tensor.shape[1:]))}), batch first."
        )
    return x
