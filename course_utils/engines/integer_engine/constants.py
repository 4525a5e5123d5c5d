"""Operators that compute on constants alone: they are run once, when the model is loaded.

The converter writes such chains for a reshape to a shape that it did not know: the shape of an
activation, its parts, and one packed of them. Here all shapes are known.
"""

from __future__ import annotations

import numpy as np


def shape(checked):
    checked.count(1)
    x = checked.tensor(0)
    checked.require(x is not None, "lacks its input")
    return np.array(x.shape, np.int32)


def strided_slice(checked):
    checked.count(4)
    x, begin, end, strides = (checked.constant(i, "int32", "values").data for i in range(4))
    checked.require(x.ndim == begin.size == end.size == strides.size == 1, "slices no list")
    checked.require(
        not any(checked.options[key] for key in ("ellipsis_mask", "new_axis_mask", "offset")),
        "has a mask for an ellipsis or a new axis, or an offset, which are not supported",
    )
    first = int(begin[0])
    if checked.options["shrink_axis_mask"] & 1:
        checked.require(-x.size <= first < x.size, f"takes entry {first} of {x.size}")
        return x[first]
    checked.require(strides[0], "has the stride 0")
    first = None if checked.options["begin_mask"] & 1 else first
    last = None if checked.options["end_mask"] & 1 else int(end[0])
    return x[first : last : int(strides[0])]


def pack(checked):
    parts = [checked.constant(i, "int32", "values").data for i in range(len(checked.op.inputs))]
    checked.require(parts, "has no input")
    checked.require(len({part.shape for part in parts}) == 1, "packs values of different shapes")
    checked.require(checked.options["axis"] == 0, "packs along an axis that is not the first")
    return np.stack(parts)


def var_handle(checked):
    """The handle of a variable is a number; which one does not matter here, see `state`."""
    return np.zeros(checked.graph.tensors[checked.op.outputs[0]].shape, np.int32)


FOLD = {"PACK": pack, "SHAPE": shape, "STRIDED_SLICE": strided_slice, "VAR_HANDLE": var_handle}
