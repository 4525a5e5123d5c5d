"""An operator of a model file, refused in one sentence where it is not supported."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from course_utils.engines.integer_engine.arithmetic import activation_range


class Prepared(NamedTuple):
    """What is left of an operator once all that does not depend on the input is computed.

    `run` takes the arrays of the tensors that it `reads`, then what it remembers, and returns the
    array that it writes: a tuple of them, in the order of the operator's outputs, where it writes
    several or none. What it remembers, renewed, comes after its outputs. All arrays start with
    the batch. An operator that remembers is only given a batch of one.
    """

    run: object
    reads: tuple[int, ...]  # indices of the tensors that it takes
    widest: int  # values per input of the largest array that it makes
    # What it remembers: {key: values before the first input, batch of one}. The key is the index
    # of a variable tensor (`Checked.variable`), or the name of a variable that operators share.
    state: Mapping = MappingProxyType({})


INT8 = ("int8",)
INT8_AND_16 = ("int8", "int16")


class Checked:
    """An operator's tensors and options, each refused in one sentence if it is not supported."""

    def __init__(self, op, graph, budget):
        self.op, self.options, self.graph, self.budget = op, op.options, graph, budget

    def take(self, **amounts):
        """Count what this operator takes beyond its tensors (`limits.Budget.take`), ahead of it."""
        self.budget.take(str(self.op), **amounts)

    def refuse(self, why):
        raise ValueError(f"{self.op} {why}.")

    def require(self, condition, why):
        if not condition:
            self.refuse(why)

    def count(self, *allowed):
        if len(self.op.inputs) not in allowed:
            self.refuse(f"has {len(self.op.inputs)} inputs, not {' or '.join(map(str, allowed))}")

    def tensor(self, position):
        if position >= len(self.op.inputs) or self.op.inputs[position] < 0:
            return None
        return self.graph.tensors[self.op.inputs[position]]

    def int8(self, tensor, rank=None, types=INT8):
        """Return an activation in int8 (or a constant in its place) with one scale.

        types: of INT8 or INT8_AND_16, for an operator that also has a form for int16.
        """
        self.require(tensor is not None, "lacks an input")
        if tensor.type not in types:
            self.refuse(
                f"works on {tensor.type} ({tensor.name}), not {' or '.join(types)}: convert the "
                "model with mode='int8' and calibration data"
            )
        self.require(tensor.scale.size == 1, f"has no single scale for {tensor.name}")
        self.sound(tensor)
        if rank is not None:
            self.require(len(tensor.shape) == rank, f"takes {rank} axes, not {tensor.shape}")
        if tensor.data is None:
            self.batched(tensor)
        return tensor

    def sound(self, tensor):
        self.require(not tensor.fault, f"uses {tensor.name}, which {tensor.fault}")

    def batched(self, tensor):
        self.require(
            len(tensor.shape) >= 1 and tensor.shape[0] == 1,
            f"has a tensor of shape {tensor.shape} that does not start with the batch of one",
        )
        return tensor

    def input(self, position=0, rank=None, types=INT8):
        tensor = self.int8(self.tensor(position), rank, types)
        self.require(tensor.data is None, "computes on constants only: convert the model again")
        return tensor

    def output(self, position=0, rank=None, types=INT8):
        self.require(position < len(self.op.outputs), f"lacks its output {position}")
        tensor = self.graph.tensors[self.op.outputs[position]]
        return self.int8(tensor, rank, types)

    def variable(self, position, types):
        """Return a variable tensor, which keeps its values from one input to the next, and what
        it holds before the first: {index: array}, for `Prepared.state`."""
        tensor = self.tensor(position)
        self.require(tensor is not None and tensor.is_variable, "lacks its state")
        self.require(
            tensor.type in types and tensor.scale.size == 1,
            f"remembers {tensor.type}, not {' or '.join(types)} with one scale",
        )
        self.sound(tensor)
        return tensor, {
            tensor.index: np.full(tensor.shape, tensor.qparams.zero_point, tensor.dtype)
        }

    def constant(self, position, type_name, what):
        tensor = self.tensor(position)
        self.require(tensor is not None, f"lacks its {what}")
        self.require(tensor.type == type_name, f"has {what} in {tensor.type}, not {type_name}")
        self.require(tensor.data is not None and tensor.size, f"has {what} that are not constant")
        return tensor

    def weights(self, rank, channel_axis):
        tensor = self.constant(1, "int8", "weights")
        self.require(len(tensor.shape) == rank, f"has weights of shape {tensor.shape}")
        self.require(tensor.scale.size >= 1, "has weights without a scale")
        self.sound(tensor)
        self.require(not tensor.zero_point.any(), "has weights whose zero point is not 0")
        if tensor.scale.size > 1:
            self.require(
                tensor.channel_axis == channel_axis,
                f"has its scales along axis {tensor.channel_axis}, not {channel_axis}",
            )
        return tensor

    def bias(self, units, position=2, type_name="int32"):
        if self.tensor(position) is None:
            return np.zeros(units, np.int64)
        tensor = self.constant(position, type_name, "biases")
        self.require(tensor.shape == (units,), f"has {tensor.shape} biases for {units} channels")
        return tensor.data.astype(np.int64)

    def shape_is(self, tensor, shape):
        self.require(
            tensor.shape == tuple(shape),
            f"writes the shape {tensor.shape} where {tuple(shape)} follows from its input",
        )

    def writes(self, y, scale, zero_point):
        """For an operator that does not look at its output's scale: its kernel assumes this one.

        Of int16 TFLM takes what is within a thousandth of it, such as 1/65535 for 1/65536.
        """
        near = scale / 1000 if y.type == "int16" else 0
        self.require(
            abs(float(y.scale[0]) - scale) <= near and int(y.zero_point[0]) == zero_point,
            f"must write codes of scale 1/{round(1 / scale)} and zero point {zero_point}",
        )

    def activation(self, tensor):
        return activation_range(self.options["activation"], tensor.qparams)
