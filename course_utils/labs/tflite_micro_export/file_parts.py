"""What can be said of any `.tflite` file: what stands in `own_file` (notebook 11).

A file comes from anywhere. Its reader refuses what is damaged; here the work is bounded by the
constants below, and what cannot be said raises ValueError with one sentence.
"""

from __future__ import annotations

import hashlib
import warnings
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import numpy as np

from course_utils.engines import tflite_file
from course_utils.labs.tflite_micro_export import scenes
from course_utils.labs.tflite_micro_export.figures import Lifetimes, Mapped, Values
from course_utils.machines import micro
from course_utils.machines.micro import memory
from course_utils.machines.micro.project import contents
from course_utils.numbers.quantization import dequantize
from course_utils.views.tables import Table

LARGEST_FILE = 2**26  # bytes; the largest board has 2**23 of flash
MOST_OPERATORS = 1_000  # with more, what goes through operators and tensors says so
MOST_TENSORS = 200  # to choose from
MOST_ROWS = 60  # of a table
MOST_VALUES = 2**25  # whose range is looked for, in one table
WINDOW = 12  # operators that are drawn side by side
MOST_ALIVE = 40  # activations that are drawn below each other, the largest
LONGEST_NAME = 36  # characters


class File(NamedTuple):
    """A model file that was read."""

    name: str
    graph: tflite_file.Graph


class Needs(NamedTuple):
    """The RAM that a file takes in TFLM, in bytes."""

    estimate: int  # from the tensors' sizes
    smallest: int  # by trying, 0 where nothing was tried
    reserved: int  # what an exported project would reserve, 0 where none can be made
    source: str  # where `smallest` comes from, or why there is none

    @property
    def arena(self) -> int:
        """The best that is known."""
        return self.smallest or self.estimate


def read_path(path: Path) -> bytes:
    """The bytes of a file; ValueError where it is none, cannot be read or is too large."""
    try:
        if not path.is_file():  # a pipe would never end
            raise ValueError(f"{path.name} is not there any more, or is no file.")
        check_size(path.stat().st_size)
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path.name} cannot be read: {error.strerror}.") from None


def check_size(size: int) -> None:
    """Raise ValueError for a file that is larger than any model for these boards."""
    if size > LARGEST_FILE:
        raise ValueError(
            f"The file has {size:,} bytes; files of up to {LARGEST_FILE:,} are read here, eight "
            "times the flash of the largest board."
        )


def read(name: str, tflite: bytes) -> File:
    """Read a file for all that follows; ValueError where it is damaged or no model."""
    check_size(len(tflite))
    return File(name, tflite_file.read(tflite, allow_sparse=True))


def shortened(text: str, longest: int = LONGEST_NAME) -> str:
    """A name on one line, its middle left out where it is too long."""
    text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    if len(text) <= longest:
        return text
    half = (longest - 1) // 2
    return f"{text[: longest - 1 - half]}…{text[len(text) - half :]}"


def summary(file: File) -> str:
    """The file in one line."""
    graph = file.graph
    counted = Counter(shortened(op.name) for op in graph.operators).most_common()
    names = ", ".join(f"{name} × {n}" if n > 1 else name for name, n in counted[:8])
    names += f" and {len(counted) - 8} kinds more" * (len(counted) > 8)
    others = f" Further graphs in it: {len(graph.others)}." * bool(graph.others)
    digest = hashlib.sha256(graph.file).hexdigest()[:12]
    return (
        f"{shortened(file.name, 60)}: {len(graph.file):,} bytes, sha256 {digest}…, "
        f"{len(graph.operators):,} operators: {names or 'none'}. "
        f"Input: {_ends(graph, graph.inputs)}. Output: {_ends(graph, graph.outputs)}.{others}"
    )


def _ends(graph, indices):
    said = [f"{_kind(graph.tensors[i])}{_mapping(graph.tensors[i])}" for i in indices[:2]]
    return ("; ".join(said) or "none") + f" and {len(indices) - 2} more" * (len(indices) > 2)


def _kind(tensor):
    return f"{tensor.type} {'×'.join(map(str, tensor.shape)) or 'scalar'}"


def _mapping(tensor):
    if not tensor.scale.size:
        return ""
    if tensor.scale.size > 1:
        return f", {tensor.scale.size:,} scales"
    return f", scale {tensor.scale[0]:.4g}, zero_point {tensor.zero_point[0]}"


def _title(tensor):
    return f"{tensor.index}: {shortened(tensor.name)}, {_kind(tensor)}"


# --- weights ------------------------------------------------------------------------------------


def constants(file: File) -> list[tuple[str, int]]:
    """The constants to choose from, the largest first: (what it is called, index).

    Raises ValueError where there is none.
    """
    found = [t for t in file.graph.tensors if t.data is not None and t.size]
    if not found:
        raise ValueError(
            "The file holds no constants that can be read here: it has no weights, or they are "
            "sparse or of 4 bits."
        )
    found.sort(key=lambda tensor: -tensor.size)
    return [(_title(tensor), tensor.index) for tensor in found[:MOST_TENSORS]]


def real_values(tensor: tflite_file.Tensor) -> tuple[np.ndarray, str]:
    """A constant's numbers and what they are: real ones, or codes where no scale is told."""
    if tensor.scale.size == 0:
        return tensor.data, "stored values: it has no scale"
    if tensor.fault:
        return tensor.data, f"codes: the tensor {tensor.fault}"
    if tensor.qparams is not None:
        with np.errstate(over="ignore"):  # a huge scale: what is infinite is counted as such
            return dequantize(tensor.data, tensor.qparams), "real values"
    if tensor.type != "int64" or tensor.scale.size > 1 and tensor.data.ndim != 1:
        return tensor.data, "stored values"
    return (tensor.data - tensor.zero_point) * tensor.scale.astype(np.float64), "real values"


def values(file: File, index: int, bins: int) -> Values:
    """How the numbers of a constant are distributed. Raises ValueError where none is finite."""
    tensor = file.graph.tensors[index]
    numbers, what = real_values(tensor)
    numbers = numbers.ravel()
    wide = numbers.astype(np.float64) if numbers.dtype.kind != "f" else numbers
    finite = wide[np.isfinite(wide)]
    if not finite.size:
        raise ValueError(f"Tensor {_title(tensor)} holds no finite number.")
    low, high = float(finite.min()), float(finite.max())
    # Equal numbers, and numbers too near each other for so many edges, get room at both sides.
    room = max(abs(low), 1.0) * 1e-3 if high - low <= 1e-6 * max(abs(low), abs(high)) else 0.0
    span = (low / 2 - room, high / 2 + room)  # halved: the width of all of float32 is no float32
    counts, edges = np.histogram(finite.astype(np.float64) / 2, bins, span)
    if tensor.type == "float32" and not tensor.scale.size:
        what = "real values"
    return Values(
        _title(tensor), what, tuple(counts.tolist()), tuple((2 * edges).tolist()), low, high,
        float(np.mean(finite, dtype=np.float64)), float(np.std(finite / 2, dtype=np.float64) * 2),
        int((finite == 0).sum()), int(numbers.size), int(numbers.size - finite.size),
    )  # fmt: skip


def tensors_table(file: File) -> Table:
    """The tensors of the main graph: name, shape, type, bytes, range."""
    tensors, left, rows = file.graph.tensors, MOST_VALUES, []
    for tensor in tensors[:MOST_ROWS]:
        told = ""
        if tensor.data is not None and tensor.size <= left:
            left -= tensor.size
            told = _range(tensor)
        elif tensor.data is not None:
            told = "not looked for"
        elif tensor.sparse:
            told = "stored sparse"
        try:
            size = f"{tensor.bytes:,}"
        except ValueError:  # NumPy has no such type
            size = "?"
        shape = "×".join(map(str, tensor.shape)) or "scalar"
        kept = "constant" if tensor.data is not None or tensor.sparse else "activation"
        name = f"{tensor.index}: {shortened(tensor.name)}"
        rows.append((name, kept, shape, tensor.type, size, told))
    more = len(tensors) - MOST_ROWS
    caption = f"Its {len(tensors):,} tensors" + f", the first {MOST_ROWS}" * (more > 0)
    return Table(caption, ("tensor", "", "shape", "type", "bytes", "smallest to largest"), rows)


def _range(tensor):
    numbers, what = real_values(tensor)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of numbers that are none
        low, high = numbers.min(), numbers.max()
    return f"{low:.4g} to {high:.4g}" + " (codes)" * what.startswith("codes")


# --- mapping ------------------------------------------------------------------------------------


def quantized(file: File) -> list[tuple[str, int]]:
    """The quantized tensors to choose from: (what it is called, index).

    Raises ValueError where there is none.
    """
    found = [t for t in file.graph.tensors if t.scale.size and t.type in tflite_file.INTEGERS]
    if not found:
        raise ValueError(
            "No tensor of this file is quantized: all numbers are stored as they are, and no codes "
            "stand for them."
        )
    # Constants of many codes first: there is most to see.
    found.sort(key=lambda t: -t.size if t.data is not None else 1)
    return [(_title(tensor), tensor.index) for tensor in found[:MOST_TENSORS]]


def mapped(file: File, index: int, channel: int = 0) -> Mapped:
    """What the codes of a tensor stand for. Raises ValueError where its scales are no good.

    channel: of a tensor with several scales, the one to look at.
    """
    tensor = file.graph.tensors[index]
    if tensor.fault:
        raise ValueError(f"Tensor {_title(tensor)} {tensor.fault}.")
    limits = np.iinfo(tensor.type)
    per_channel = tensor.scale.size > 1
    channel = min(channel, tensor.scale.size - 1)
    codes = tensor.data
    if codes is not None and per_channel:
        codes = np.take(codes, channel, axis=tensor.channel_axis)
    counts, edges, used = (), (), 0
    if codes is not None and codes.size:
        used = int(np.unique(codes).size)
        low, high = int(codes.min()), int(codes.max())
        if limits.bits == 8:  # a bar for each code
            low, high, bins = limits.min, limits.max, 256
        else:
            bins = min(64, high - low + 1)
        found = np.histogram(codes.ravel().astype(np.float64), bins, (low - 0.5, high + 0.5))
        counts, edges = (tuple(each.tolist()) for each in found)
    return Mapped(
        _title(tensor), tuple(tensor.scale.tolist()), int(tensor.zero_point[channel]), channel,
        limits.min, limits.max, counts, edges, used, 0 if codes is None else int(codes.size),
    )  # fmt: skip


def most_channels(file: File) -> int:
    """The most scales that a quantized tensor has."""
    sizes = [t.scale.size for t in file.graph.tensors if t.type in tflite_file.INTEGERS]
    return max(sizes, default=0)


# --- memory -------------------------------------------------------------------------------------


def countable(file: File) -> tflite_file.Graph:
    """The graph, for what goes through its operators; ValueError where that would take long."""
    graph = file.graph
    count = sum(len(each.operators) for each in (graph, *graph.others))
    if not graph.operators:
        raise ValueError("The file has no operators: nothing runs, and nothing takes RAM.")
    if count > MOST_OPERATORS or len(graph.tensors) > 4 * MOST_OPERATORS:
        raise ValueError(
            f"The file has {count:,} operators and {len(graph.tensors):,} tensors; this is shown "
            f"of files with up to {MOST_OPERATORS:,} and {4 * MOST_OPERATORS:,}."
        )
    return tflite_file.read(graph)  # what is stored sparse has no bytes to count


def lifetimes(file: File) -> dict[str, list[Lifetimes]]:
    """States of `draw_lifetimes`, an operator each, in windows: {"operators 0 to 11": [...]}.

    Raises ValueError where the activations' sizes are not known.
    """
    parts = micro.activations(countable(file))
    alive = micro.alive(parts)
    operators = [f"{shortened(op.name)} {op.index}" for op in file.graph.operators]
    alive += [0] * (len(operators) - len(alive))  # operators after which nothing is needed
    peak = max(alive)
    found = {}
    for start, end in _windows(len(operators)):
        inside = [p for p in parts if p.first < end and p.last >= start]
        largest = set(sorted(inside, key=lambda p: -p.bytes)[:MOST_ALIVE])
        inside = [p for p in inside if p in largest]
        rows = [
            (shortened(p.name), p.bytes, max(p.first, start) - start, min(p.last, end - 1) - start)
            for p in inside
        ]
        columns = tuple(zip(*rows, strict=True)) or ((), (), (), ())
        where = f"operators {start} to {end - 1}" if end - start > 1 else f"operator {start}"
        title = f"{where} of {len(operators)}" if len(operators) > WINDOW else "all operators"
        found[where] = [
            Lifetimes(
                shortened(file.name), title, tuple(operators[start:end]), *columns,
                tuple(alive[start:end]), at, 0, peak, operators[alive.index(peak)],
            )
            for at in range(end - start)
        ]  # fmt: skip
    return found


def _windows(count):
    """(start, end) of windows of about the same length, WINDOW at most."""
    length = -(-count // -(-count // WINDOW))
    return [(start, min(start + length, count)) for start in range(0, count, length)]


def needs(file: File) -> Needs:
    """The RAM that a file takes: estimated, and measured where TFLM is installed.

    To measure takes some seconds. Raises ValueError where the sizes are not known.
    """
    graph = countable(file)
    estimate = memory.estimated_arena(graph)
    if micro.missing():
        recorded = scenes.recorded_arena(graph.file)
        source = "recorded by this laboratory" if recorded else "TFLM is not installed here"
        return Needs(estimate, recorded, contents.arena_of(graph).size, source)
    try:
        arena = contents.arena_of(graph)
    except (micro.Refused, ValueError, TypeError) as refused:
        return Needs(estimate, 0, 0, str(refused).splitlines()[0])
    return Needs(estimate, arena.needed, arena.size, "measured here, in the TFLM interpreter")


def flash_table(file: File) -> Table:
    """Flash with both sets of kernels. Raises ValueError for an operator without a known size."""
    both = [micro.flash(countable(file), kernels) for kernels in ("cmsis_nn", "reference")]
    named = {"model": "the file", "core": "TFLM's core, estimated",
             "kernels": "kernels of its operators, estimated",
             "total": "together", "c_library": "C library, apart, estimated"}  # fmt: skip
    rows = [
        (said, *(f"{getattr(flash, part):,}" for flash in both)) for part, said in named.items()
    ]
    return Table("Flash, in bytes", ("", "with CMSIS-NN", "with reference kernels"), rows)


def arena_table(file: File, need: Needs) -> Table:
    """The arena's estimates beside what was measured."""
    peak = max(micro.alive(micro.activations(countable(file))), default=0)
    measured = f"{need.smallest:,}" if need.smallest else "–"
    records = "these, and TFLM's records of tensors and operators"
    if any(tensor.is_variable for tensor in file.graph.tensors):
        records += ", and the state that this network keeps"
    reserved = "no project can be exported of what TFLM does not run"
    if need.reserved:
        reserved = "its kArenaSize: the smallest or the estimate, room for Arm's kernels, a margin"
    rows = [
        ("activations that are alive at once", f"{peak:,}", "from the graph"),
        ("the same, where TFLM places them", f"{memory.planned_head(file.graph):,}",
         "its planner puts the largest first; with the scratch memory of its reference kernels"),
        ("the arena, estimated", f"{need.estimate:,}", records),
        ("the smallest arena", measured, need.source),
        ("what an exported project reserves", f"{need.reserved:,}" if need.reserved else "–",
         reserved),
    ]  # fmt: skip
    return Table("RAM, in bytes", ("", "bytes", "from"), rows)


def boards_table(file: File, need: Needs) -> Table:
    """Which boards have the memory. Raises ValueError for an operator without a known size."""
    graph = countable(file)
    flash, report, rows = micro.flash(graph).total, micro.compatibility(graph), []
    runs = "answers wrongly with it" if report.wrong else "does not run it"
    for name in micro.BOARDS:
        fit = micro.fit(name, flash, need.arena)
        lacks = [f"{-left:,} bytes of {memory} are missing"
                 for memory, left in (("flash", fit.flash_left), ("RAM", fit.ram_left))
                 if left < 0]  # fmt: skip
        if fit.word_bits < micro.WORD_BITS:
            lacks.append(f"{fit.word_bits} bits; TFLM needs {micro.WORD_BITS}")
        verdict = "✓ it fits" if fit.fits else f"✗ does not fit: {'; '.join(lacks)}"
        if fit.fits and not report.should_run:
            verdict = f"✗ has room, but TFLM {runs}"
        rows.append((name, verdict, f"{fit.flash_left:,}", f"{fit.ram_left:,}"))
    told = "measured" if need.smallest else "estimated"
    caption = (
        f"{shortened(file.name)}: {flash:,} bytes of flash (TFLM's code estimated), an arena of "
        f"{need.arena:,} ({told})"
    )
    head = ("board", "", "flash left, bytes", "RAM left, bytes")
    return Table(caption, head, rows)


# --- refusals -----------------------------------------------------------------------------------


def verdict(file: File) -> str:
    """What today's TFLM makes of the file, in a sentence, and what may happen."""
    report = micro.compatibility(countable(file))
    if report.should_run:
        said = "✓ Nothing speaks against it: TFLM should run this file."
    else:
        does = "answers wrongly with" if report.wrong else "will not run"
        bad = sum(bool(op.problem) for op in report.operators)
        said = f"✗ TFLM {does} this file: {bad} of its {len(report.operators)} operators."
    return " ".join([said, *report.warnings])


def runtimes_table(file: File) -> Table:
    """What each runtime that is known makes of the file, by name."""
    graph, rows = countable(file), {}
    for runtime in micro.runtimes():
        report = micro.compatibility(graph, runtime)
        said = "✓ should run it"
        if not report.should_run:
            said = "✗ answers wrongly" if report.wrong else "✗ does not run it"
        problems = [shortened(text, 240) for text in report.problems]
        more = f" And {len(problems) - 2} reasons more." * (len(problems) > 2)
        rows.setdefault((said, " ".join(problems[:2]) + more), []).append(str(runtime))
    caption = "The runtimes that are known, and what each does with this file"
    rows = [("\n".join(names), *verdict) for verdict, names in rows.items()]
    return Table(caption, ("runtime", "", "why"), rows)


def operators_table(file: File) -> Table:
    """The operators, and what today's TFLM will not take of each."""
    operators = micro.compatibility(countable(file)).operators
    bad = [op for op in operators if op.problem]
    shown = (bad or operators)[:MOST_ROWS]
    rows = [
        (f"{op.index}: {shortened(op.name)}", _few(op.inputs), _few(op.outputs),
         f"✗ {shortened(op.problem, 200)}" if op.problem else "✓")
        for op in shown
    ]  # fmt: skip
    of = f"{len(bad):,} of {len(operators):,} operators that TFLM does not take"
    caption = of if bad else f"All {len(operators):,} operators"
    caption += f", the first {MOST_ROWS}" * (len(bad or operators) > MOST_ROWS)
    return Table(caption, ("operator", "reads", "writes", "in today's TFLM"), rows)


def _few(said):
    return ", ".join(said[:4]) + f" and {len(said) - 4} more" * (len(said) > 4)
