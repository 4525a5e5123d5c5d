"""An operator of a model file, refused in one sentence where it is not supported."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from course_utils.engines.integer_engine.arithmetic import activation_range


class Prepared(NamedTuple):
    """What is left of an operator once all that does not depend on the input is computed."""

    run: object  # the function of the arrays below
    reads: tuple[int, ...]  # indices of the tensors that it takes
    widest: int  # values per input of the largest array that it makes


class Checked:
    """An operator's tensors and options, each refused in one sentence if it is not supported."""

    def __init__(self, op, graph):
        self.op, self.options, self.graph = op, op.options, graph

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

    def int8(self, tensor, rank=None):
        """Return an int8 activation (or a constant in its place) with one scale."""
        self.require(tensor is not None, "lacks an input")
        if tensor.type != "int8":
            self.refuse(
                f"works on {tensor.type} ({tensor.name}), not int8: convert the model with "
                "mode='int8' and calibration data"
            )
        self.require(tensor.scale.size == 1, f"has no single scale for {tensor.name}")
        if rank is not None:
            self.require(len(tensor.shape) == rank, f"takes {rank} axes, not {tensor.shape}")
        if tensor.data is None:
            self.batched(tensor)
        return tensor

    def batched(self, tensor):
        self.require(
            len(tensor.shape) >= 1 and tensor.shape[0] == 1,
            f"has a tensor of shape {tensor.shape} that does not start with the batch of one",
        )
        return tensor

    def input(self, position=0, rank=None):
        tensor = self.int8(self.tensor(position), rank)
        self.require(tensor.data is None, "computes on constants only: convert the model again")
        return tensor

    def output(self, rank=None):
        tensor = self.graph.tensors[self.op.outputs[0]]
        return self.int8(tensor, rank)

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
        self.require(not tensor.zero_point.any(), "has weights whose zero point is not 0")
        if tensor.scale.size > 1:
            self.require(
                tensor.channel_axis == channel_axis,
                f"has its scales along axis {tensor.channel_axis}, not {channel_axis}",
            )
        return tensor

    def bias(self, units):
        if self.tensor(2) is None:
            return np.zeros(units, np.int64)
        tensor = self.constant(2, "int32", "biases")
        self.require(tensor.shape == (units,), f"has {tensor.shape} biases for {units} channels")
        return tensor.data.astype(np.int64)

    def shape_is(self, tensor, shape):
        self.require(
            tensor.shape == tuple(shape),
            f"writes the shape {tensor.shape} where {tuple(shape)} follows from its input",
        )

    def activation(self, tensor):
        return activation_range(self.options["activation"], tensor.qparams)
