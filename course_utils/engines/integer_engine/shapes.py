"""Operators that move codes and compute none."""

from __future__ import annotations

import math

import numpy as np

from course_utils.engines.integer_engine.checked import INT8_AND_16, Prepared


def _moved(checked, tensors, outputs):
    """Require that codes mean the same before and after: the kernels copy them."""
    for tensor in (*tensors, *outputs):
        checked.require(
            (tensor.type, tensor.qparams) == (outputs[0].type, outputs[0].qparams),
            "moves codes between tensors of different types, scales or zero points",
        )


def _one_input(checked, *counts, position=0, rank=None):
    checked.count(*counts)
    x = checked.input(position, rank, INT8_AND_16)
    y = checked.output(rank=rank, types=INT8_AND_16)
    _moved(checked, (x,), (y,))
    return x, y


def _axis(checked, axis, rank, first=1):
    """Return an axis that is given from the front or from the back; the batch's is refused."""
    checked.require(-rank <= axis < rank, f"has no axis {axis}")
    checked.require(axis % rank >= first, f"works along the batch (axis {axis})")
    return axis % rank


def concatenation(checked):
    tensors = [checked.input(i, types=INT8_AND_16) for i in range(len(checked.op.inputs))]
    y = checked.output(types=INT8_AND_16)
    checked.require(tensors, "has no input")
    checked.require(checked.options["activation"] == "NONE", "has a fused activation")
    rank = len(y.shape)
    axis = checked.options["axis"] + rank * (checked.options["axis"] < 0)
    checked.require(1 <= axis < rank, f"joins along axis {checked.options['axis']}")
    for tensor in tensors:
        checked.require(
            len(tensor.shape) == rank
            and all(
                a == b or i == axis
                for i, (a, b) in enumerate(zip(tensor.shape, y.shape, strict=True))
            ),
            f"can't join {tensor.shape} into {y.shape}",
        )
    _moved(checked, tensors, (y,))  # the converter sees to equal scales
    checked.require(
        sum(t.shape[axis] for t in tensors) == y.shape[axis], "does not fill its output"
    )
    reads = tuple(t.index for t in tensors)
    return Prepared(lambda *q: np.concatenate(q, axis=axis), reads, y.size)


def pack(checked):
    """Join tensors along an axis that is new (pack.cc)."""
    tensors = [checked.input(i, types=INT8_AND_16) for i in range(len(checked.op.inputs))]
    y = checked.output(types=INT8_AND_16)
    checked.require(tensors, "has no input")
    _moved(checked, tensors, (y,))
    axis = _axis(checked, checked.options["axis"], len(y.shape))
    shape = (*y.shape[:axis], *y.shape[axis + 1 :])
    checked.require(
        y.shape[axis] == len(tensors) and all(t.shape == shape for t in tensors),
        f"can't pack {[t.shape for t in tensors]} into {y.shape}",
    )
    reads = tuple(t.index for t in tensors)
    return Prepared(lambda *q: np.stack(q, axis=axis), reads, y.size)


def unpack(checked):
    """Take a tensor apart along an axis, which goes (unpack.cc)."""
    x, outputs = _parts(checked, 0, 1)
    axis = _axis(checked, checked.options["axis"], len(x.shape))
    shape = (*x.shape[:axis], *x.shape[axis + 1 :])
    checked.require(
        x.shape[axis] == len(outputs) and all(y.shape == shape for y in outputs),
        f"can't take {x.shape} apart into {[y.shape for y in outputs]}",
    )

    def run(q):
        return tuple(np.ascontiguousarray(q.take(i, axis)) for i in range(len(outputs)))

    return Prepared(run, (x.index,), x.size)


def split(checked):
    """Cut a tensor into equal parts (split.cc)."""
    x, outputs = _parts(checked, 1, 2)
    return _cut(checked, x, outputs, checked.constant(0, "int32", "axis"))


def split_v(checked):
    """Cut a tensor into parts of the sizes that the outputs have (split_v.cc)."""
    x, outputs = _parts(checked, 0, 3)
    return _cut(checked, x, outputs, checked.constant(2, "int32", "axis"))


def _parts(checked, position, count):
    checked.count(count)
    x = checked.input(position, types=INT8_AND_16)
    outputs = [checked.output(i, types=INT8_AND_16) for i in range(len(checked.op.outputs))]
    checked.require(outputs, "has no output")
    _moved(checked, (x,), outputs)
    return x, outputs


def _cut(checked, x, outputs, axis):
    checked.require(axis.size == 1, "has more than one axis")
    axis = _axis(checked, int(axis.data.reshape(-1)[0]), len(x.shape))
    sizes = [y.shape[axis] if len(y.shape) > axis else -1 for y in outputs]
    checked.require(sum(sizes) == x.shape[axis], f"can't cut {x.shape} into {sizes}")
    for y, size in zip(outputs, sizes, strict=True):
        checked.shape_is(y, (*x.shape[:axis], size, *x.shape[axis + 1 :]))
    ends = np.cumsum(sizes)[:-1]

    def run(q):
        return tuple(np.ascontiguousarray(part) for part in np.split(q, ends, axis))

    return Prepared(run, (x.index,), x.size)


def strided_slice(checked):
    """From begin to end in steps, along each axis (strided_slice_logic.h)."""
    x, y = _one_input(checked, 4)
    rank = len(x.shape)
    checked.require(rank <= 4, f"slices {rank} axes, at most 4 can be")
    checked.require(
        not any(checked.options[key] for key in ("ellipsis_mask", "new_axis_mask", "offset")),
        "has a mask for an ellipsis or a new axis, or an offset, which TFLM ignores",
    )
    begin, end, strides = (
        checked.constant(i, "int32", "places").data.reshape(-1).tolist() for i in (1, 2, 3)
    )
    checked.require(
        len(begin) == len(end) == len(strides) == rank and 0 not in strides,
        f"has begin {begin}, end {end} and strides {strides} for {x.shape}",
    )
    places = [
        _places(checked.options, axis, size, *span)
        for axis, (size, span) in enumerate(
            zip(x.shape, zip(begin, end, strides, strict=True), strict=True)
        )
    ]
    shrink = checked.options["shrink_axis_mask"]
    checked.shape_is(y, [len(p) for i, p in enumerate(places) if not shrink >> i & 1])
    checked.require(y.size == math.prod(map(len, places)) > 0, "takes nothing from its input")
    # Before place 0 there is none: a slice that ends there, backwards, has no end.
    slices = [slice(p.start, p.stop if p.stop >= 0 else None, p.step) for p in places[1:]]

    def run(q):
        return np.ascontiguousarray(q[(slice(None), *slices)]).reshape(len(q), *y.shape[1:])

    return Prepared(run, (x.index,), x.size)


def _places(options, axis, size, begin, end, stride):
    """Return the range of places along one axis."""
    lowest, highest = (0, size) if stride > 0 else (-1, size - 1)
    first = min(max(begin + size * (begin < 0), lowest), highest)
    if options["begin_mask"] >> axis & 1:
        first = 0 if stride > 0 else size - 1
    if options["shrink_axis_mask"] >> axis & 1:  # one place, whatever the end is
        return range(first, first + (0 <= first < size))
    last = min(max(end + size * (end < 0), lowest), highest)
    if options["end_mask"] >> axis & 1:
        last = size if stride > 0 else -1
    return range(first, last, stride)


def slice_(checked):
    """`size` values from begin on, along each axis; -1: all that are left (slice.h)."""
    x, y = _one_input(checked, 3)
    kinds = {t.type for i in (1, 2) if (t := checked.tensor(i)) is not None}
    kind = "int64" if kinds == {"int64"} else "int32"
    begin, sizes = (checked.constant(i, kind, "places").data.reshape(-1).tolist() for i in (1, 2))
    checked.require(len(begin) == len(sizes) == len(x.shape) <= 5, f"slices {x.shape}")
    sizes = [n - b if s == -1 else s for n, b, s in zip(x.shape, begin, sizes, strict=True)]
    checked.require(
        all(b >= 0 and s > 0 and b + s <= n for n, b, s in zip(x.shape, begin, sizes, strict=True)),
        f"takes {sizes} values from {begin} on of {x.shape}",
    )
    checked.shape_is(y, sizes)
    slices = slice(None), *(slice(b, b + s) for b, s in zip(begin[1:], sizes[1:], strict=True))
    return Prepared(lambda q: np.ascontiguousarray(q[slices]), (x.index,), x.size)


def gather(checked):
    """The entries along an axis that a constant lists (gather.cc)."""
    checked.count(2)
    x, y = checked.input(), checked.output()
    _moved(checked, (x,), (y,))
    places = checked.constant(1, "int32", "places")
    axis = _axis(checked, checked.options["axis"], len(x.shape))
    checked.require(checked.options["batch_dims"] == 0, "gathers within batches")
    checked.require(
        places.data.min() >= 0 and places.data.max() < x.shape[axis],
        f"names places beyond the {x.shape[axis]} of its input",
    )
    checked.shape_is(y, (*x.shape[:axis], *places.shape, *x.shape[axis + 1 :]))
    return Prepared(lambda q: q.take(places.data, axis), (x.index,), y.size)


def pad(checked):
    """Values around the input: those of the zero point, or of PADV2's third input (pad.cc)."""
    x, y = _one_input(checked, 2, 3)
    widths = _widths(checked, x, y)
    fill = y.qparams.zero_point
    if checked.tensor(2) is not None:
        value = checked.constant(2, y.type, "fill value")
        checked.require(value.size == 1 and value.qparams == y.qparams, "fills with other codes")
        fill = int(value.data.reshape(-1)[0])
    return Prepared(lambda q: np.pad(q, widths, constant_values=fill), (x.index,), y.size)


def mirror_pad(checked):
    """Values around the input that repeat those at its border, backwards (mirror_pad.cc)."""
    checked.count(2)
    x, y = checked.input(), checked.output()
    _moved(checked, (x,), (y,))
    widths = _widths(checked, x, y)
    mode = checked.options["mode"].lower()
    inside = [size - (mode == "reflect") for size in x.shape]
    checked.require(
        all(max(pair) <= most for pair, most in zip(widths, inside, strict=True)),
        f"mirrors more than there is: {widths} of {x.shape}",
    )
    return Prepared(lambda q: np.pad(q, widths, mode=mode), (x.index,), y.size)


def _widths(checked, x, y):
    table = checked.tensor(1)
    kind = table.type if table is not None and table.type == "int64" else "int32"
    stored = checked.constant(1, kind, "paddings").data
    checked.require(stored.size % 2 == 0, f"has {stored.size} paddings, which are no pairs")
    widths = stored.reshape(-1, 2).tolist()
    checked.require(len(widths) == len(x.shape), f"has {len(widths)} paddings for {x.shape}")
    checked.require(min(map(min, widths)) >= 0 and not any(widths[0]), f"has paddings {widths}")
    checked.shape_is(
        y, [size + before + after for size, (before, after) in zip(x.shape, widths, strict=True)]
    )
    return widths


def reshape(checked):
    checked.require(len(checked.op.inputs) >= 1, "lacks its input")
    x, y = checked.input(types=INT8_AND_16), checked.output(types=INT8_AND_16)
    _moved(checked, (x,), (y,))
    checked.require(x.size == y.size, f"can't make {y.shape} of {x.shape}")
    shape = y.shape[1:]
    return Prepared(lambda q: q.reshape(len(q), *shape), (x.index,), 1)


def transpose(checked):
    """Axes in another order (transpose.h). The batch stays in front: an axis of one place moves
    no value, so that such axes may go anywhere."""
    x, y = _one_input(checked, 2)
    order = checked.constant(1, "int32", "order of axes").data.reshape(-1).tolist()
    checked.require(sorted(order) == list(range(len(x.shape))), f"has the order {order}")
    checked.shape_is(y, [x.shape[axis] for axis in order])
    long = [axis for axis, size in enumerate(x.shape) if size > 1]
    moved = [1 + long.index(axis) for axis in order if axis in long]
    sizes = [x.shape[axis] for axis in long]

    def run(q):
        q = q.reshape(len(q), *sizes).transpose(0, *moved)
        return np.ascontiguousarray(q).reshape(len(q), *y.shape[1:])

    return Prepared(run, (x.index,), x.size)


def space_to_depth(checked):
    """Each block of an image becomes the channels of one place (space_to_depth.h)."""
    return _blocks(checked, larger=0)


def depth_to_space(checked):
    """Channels become blocks of an image (depth_to_space.h)."""
    return _blocks(checked, larger=1)


def _blocks(checked, larger):
    checked.count(1)
    x, y = checked.input(rank=4), checked.output(rank=4)
    _moved(checked, (x,), (y,))
    block = checked.options["block_size"]
    checked.require(block >= 1, f"has the block size {block}")
    image, flat = (y, x) if larger else (x, y)
    _, height, width, channels = flat.shape
    depth = channels // block**2
    checked.shape_is(image, (1, height * block, width * block, depth))
    checked.require(depth * block**2 == channels, f"has {channels} channels for blocks of {block}")
    shape = (height, width, block, block, depth) if larger else (height, block, width, block, depth)

    def run(q):
        q = q.reshape(len(q), *shape).swapaxes(2, 3)
        return np.ascontiguousarray(q).reshape(len(q), *y.shape[1:])

    return Prepared(run, (x.index,), x.size)
