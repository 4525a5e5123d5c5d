"""Data sets, checkpoints, recorded results and lecture tables: all shipped, all by checksum.

Every file below `data/` is listed in `data/manifest.json` with its SHA-256 and where it came
from; `data/README.md` describes each. A file is read whole, checked, then parsed, and never
with pickle. A missing file raises FileNotFoundError and an altered or truncated one ValueError,
both with the command that restores it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from course_utils import env
from course_utils.engines import layer_specs
from course_utils.machines import models

DIRECTORY = env.ROOT / "data"

DATASETS = ("fashion_mnist", "watch")

_reading: list[str] | None = None  # the list that `reads` keeps


@dataclass(frozen=True)
class Dataset:
    """A data set as the networks take it: x float32 (n, height, width, channels), y int64 (n,).

    Choose thresholds, scales and epochs on `validation`; look at `test` once you have chosen.
    `subject_*` (int64, who wore the watch) is None for images.
    """

    name: str
    x_train: np.ndarray
    y_train: np.ndarray
    x_validation: np.ndarray
    y_validation: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    class_names: tuple[str, ...]
    subject_train: np.ndarray | None = None
    subject_validation: np.ndarray | None = None
    subject_test: np.ndarray | None = None


@dataclass(frozen=True)
class Checkpoint:
    """A trained network: `float_engine.forward(checkpoint.layers, checkpoint.weights, x)`."""

    name: str
    layers: tuple[dict[str, Any], ...]
    weights: Mapping[str, np.ndarray]  # "conv1/kernel" -> float32, Keras's axis order, read-only
    input_shape: tuple[int, int, int]
    record: Mapping[str, Any]  # how it was trained, and how well


@dataclass(frozen=True)
class Result:
    """A recorded experiment: `record` as in its JSON, `arrays` from the .npz beside it."""

    record: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)


# --- what notebooks ask for -----------------------------------------------------------------


def load(name: str, full: bool = False) -> Dataset:
    """Load "fashion_mnist" or "watch", split and scaled as the shipped networks were trained.

    fashion_mnist: images / 255, shape (n, 28, 28, 1): 7,000 training, 5,000 validation, the
    official 10,000 test images. `full=True` gives all 55,000 training images; it needs the
    original files, which `data/prepare/fashion_mnist.py` fetches.
    watch: windows of 2 s at 50 Hz, shape (n, 1, 100, 6), standardised by the training subjects;
    no subject is in two splits.
    The arrays are read-only and shared by all who load them.
    """
    return _load(name, full)  # two ways to write the same call must not make two copies


@cache
def _load(name: str, full: bool) -> Dataset:
    if name == "fashion_mnist":
        return _load_fashion_mnist(full)
    if name == "watch":
        return _load_watch()
    raise ValueError(f"No data set {name!r}; there are {', '.join(DATASETS)}.")


@cache
def checkpoint(name: str) -> Checkpoint:
    """Load a shipped network, e.g. "fashion_cnn", and check its weights against its layers.

    "lenet_300_100_init" is that network before training. Raises ValueError for a name that
    isn't shipped or weights that don't fit the architecture.
    """
    path = _known("checkpoints", name, ".npz")
    record = manifest()["files"][path]
    if "architecture" not in record:
        raise ValueError(
            f"data/manifest.json does not say which architecture data/{path} is of. "
            f"{_remedy('manifest.json')}"
        )
    layers, input_shape = models.resolve(record["architecture"])
    weights = read_npz(path)
    _check_weights(path, weights, layer_specs.weight_shapes(layers, input_shape))
    return Checkpoint(name, layers, weights, input_shape, record)


def model(name: str, mode: str = "int8") -> bytes:
    """Return a shipped network as a `.tflite` file's bytes, e.g. model("fashion_cnn", "int8").

    `python -m course_utils.machines.conversion` writes these files from the checkpoints.
    """
    return read(_known("models", f"{name}_{mode}", ".tflite"))


@cache
def result(name: str) -> Result:
    """Load the record of an experiment of a lab, such as "pruning_sweep"."""
    path = _known("results", name, ".json")
    arrays = f"results/{name}.npz"
    has_arrays = arrays in manifest()["files"]
    return Result(read_json(path), read_npz(arrays) if has_arrays else MappingProxyType({}))


@cache
def lecture_table(name: str) -> dict[str, Any]:
    """Load a table of the lecture's slides, e.g. "pruning_image_classification".

    A dictionary: "title", "slide" (its heading), "columns", "rows" (lists as long as columns,
    None where the slide leaves a cell to the row above) and "notes".
    """
    return read_json(_known("lecture", name, ".json"))


@cache
def boards() -> list[dict[str, Any]]:
    """Real microcontroller boards: flash and RAM in bytes, clock in Hz, core, and the source."""
    return read_json("boards.json")["boards"]


@cache
def weight_statistics(name: str = "efficientnet_lite0") -> dict[str, Any]:
    """Statistics of a real ImageNet network's weights, layer by layer (see data/README.md).

    Returns a dictionary of read-only arrays whose first axis is the layer, except "layers": a
    list of dictionaries with each layer's name, kind, shape and count, and the channels' ranges,
    "channel_min", "channel_max" and the same with "folded_" before: lists of one array a layer.
    """
    path = f"{name}.npz"
    if path not in manifest()["files"]:
        raise ValueError(f"No weight statistics {name!r}; there is efficientnet_lite0.")
    arrays = dict(read_npz(path))
    layers = json.loads(str(arrays.pop("layers_json")))
    ends = np.cumsum([layer["channels"] for layer in layers])[:-1]
    for key in [key for key in arrays if "channel_m" in key]:
        arrays[key] = np.split(arrays[key], ends)
    return {"layers": layers, **arrays}


# --- files, whole and by checksum -----------------------------------------------------------


def manifest() -> dict[str, Any]:
    """The manifest: {"files": {path below data/: {"sha256": ..., "bytes": ..., ...}}}."""
    try:
        found = json.loads(_read_bytes("manifest.json"))
    except ValueError:
        raise ValueError(f"data/manifest.json is not JSON. {_remedy('manifest.json')}") from None
    if why := _what_no_manifest_has(found):
        raise ValueError(f"data/manifest.json is no manifest: {why}. {_remedy('manifest.json')}")
    return found


def _what_no_manifest_has(found: Any) -> str:
    """What in this JSON is not as in a manifest, in words; "" where it is one."""
    if not isinstance(found, dict) or not isinstance(found.get("files"), dict):
        return 'it has no "files" that lists them by name'
    for path, entry in found["files"].items():
        if not isinstance(entry, dict) or not isinstance(entry.get("sha256"), str):
            return f'the entry of {path} has no "sha256"'
    return ""


def read(path: str) -> bytes:
    """Contents of a file below `data/`, once its checksum agrees with the manifest."""
    files = manifest()["files"]
    if path not in files:
        raise ValueError(f"data/{path} is not in data/manifest.json.")
    if _reading is not None and path not in _reading:
        _reading.append(path)
    content = _read_bytes(path)
    expected = files[path]["sha256"]
    if why := env.what_is_wrong(content, expected):
        found = hashlib.sha256(content).hexdigest()
        raise ValueError(
            f"data/{path} {why}: its SHA-256 is {found}, "
            f"the manifest says {expected}. {_remedy(path)}"
        )
    return content


@contextmanager
def reads() -> Iterator[list[str]]:
    """The files below `data/` that are read inside: what a result was made from.

    What is in memory is not read: clear the caches before.
    """
    global _reading
    before, _reading = _reading, []
    try:
        yield _reading
    finally:
        _reading = before


def read_npz(path: str) -> Mapping[str, np.ndarray]:
    """A checked .npz as a read-only mapping of read-only arrays."""
    with np.load(io.BytesIO(read(path)), allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    for array in arrays.values():
        array.flags.writeable = False
    return MappingProxyType(arrays)


def read_json(path: str) -> Any:
    """A checked JSON file."""
    return json.loads(read(path))


def write_npz(path: str, arrays: Mapping[str, np.ndarray], **record: Any) -> None:
    """Write arrays below `data/` and register them; equal arrays give an equal file."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    _write(path, buffer.getvalue(), record)


def write_bytes(path: str, content: bytes, **record: Any) -> None:
    """Write a file below `data/` and register it with its SHA-256 and `record`."""
    _write(path, content, record)


def write_json(path: str, value: Any, **record: Any) -> None:
    """Write JSON below `data/` and register it."""
    _write(path, to_json(value).encode(), record)


def to_json(value: Any) -> str:
    """JSON with one line for each innermost list, so that a diff can be read."""
    text = json.dumps(value, indent=1, ensure_ascii=False)
    # A string in JSON holds no raw newline, so that "[" before one always opens a list.
    innermost = re.compile(r"\[\n\s+([^\[\]{}]*?)\n\s*\]")
    return innermost.sub(lambda match: f"[{re.sub(chr(10) + ' +', ' ', match[1])}]", text) + "\n"


def write_atomically(path: Path, content: bytes) -> None:
    """Write a whole file or leave the old one, in a folder that is made if need be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    env.write_whole(path, content)


def _write(path: str, content: bytes, record: Mapping[str, Any]) -> None:
    entry = {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content), **record}
    with _alone():
        # Read before anything is written: what cannot be registered leaves all as it was.
        files = manifest()["files"] if (DIRECTORY / "manifest.json").exists() else {}
        write_atomically(DIRECTORY / path, content)
        files = dict(sorted({**files, path: entry}.items()))
        write_atomically(DIRECTORY / "manifest.json", to_json({"files": files}).encode())
    for cached in (_load, checkpoint, result, lecture_table, boards, weight_statistics):
        cached.cache_clear()


@contextmanager
def _alone() -> Iterator[None]:
    """No other process registers a file meanwhile: it waits. The lock ends with its process."""
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ImportError:  # Windows, where a folder cannot be locked; and a browser, which is alone
        yield from _alone_on_windows()
        return
    folder = os.open(DIRECTORY, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _alone_on_windows():
    try:
        import msvcrt
    except ImportError:
        yield
        return
    name = hashlib.sha256(str(DIRECTORY.resolve()).encode()).hexdigest()[:16]
    with (Path(tempfile.gettempdir()) / f"course-utils-{name}.lock").open("a+b") as file:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)  # tries for ten seconds
        try:
            yield
        finally:
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK, 1)


def _read_bytes(path: str) -> bytes:
    try:
        return (DIRECTORY / path).read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(f"data/{path} is missing. {_remedy(path)}") from None


def _remedy(path: str) -> str:
    """The command that restores a file; two commands have a line each, to be copied."""
    commands = env.restoring([path]).splitlines()
    between = " " if len(commands) == 1 else "\n    "
    return between.join(["Restore it in the repository's folder:", *commands])


def _known(folder: str, name: str, suffix: str) -> str:
    """The path of a registered file, or ValueError with the names there are."""
    path = f"{folder}/{name}{suffix}"
    files = manifest()["files"]
    if path not in files:
        names = (Path(file) for file in files if file.startswith(f"{folder}/"))
        names = ", ".join(sorted(file.stem for file in names if file.suffix == suffix))
        raise ValueError(f"There is no {name!r} in data/{folder}; there are: {names or 'none'}.")
    return path


def _check_weights(path: str, weights: Mapping[str, np.ndarray], shapes: Mapping[str, tuple]):
    found = {name: value.shape for name, value in weights.items()}
    different = sorted(
        name for name in found.keys() | shapes.keys() if found.get(name) != shapes.get(name)
    )
    if different:
        name = different[0]
        raise ValueError(
            f"data/{path} doesn't fit its architecture: {name} has shape {found.get(name)}, "
            f"the layers need {shapes.get(name)}. {_remedy(path)}"
        )
    bad = [name for name, value in weights.items() if value.dtype != np.float32]
    if bad:
        raise ValueError(f"data/{path}: {bad[0]} is {weights[bad[0]].dtype}, not float32.")


# --- the two data sets ----------------------------------------------------------------------


def _load_fashion_mnist(full: bool) -> Dataset:
    arrays = dict(read_npz("fashion_mnist.npz"))
    if full:
        arrays["x_train"], arrays["y_train"] = _full_fashion_mnist()
    x = {
        split: _frozen(arrays[f"x_{split}"][..., np.newaxis] / np.float32(255))
        for split in ("train", "validation", "test")
    }
    y = {split: _frozen(arrays[f"y_{split}"].astype(np.int64)) for split in x}
    names = tuple(arrays["class_names"].tolist())
    return Dataset("fashion_mnist", x["train"], y["train"], x["validation"], y["validation"],
                   x["test"], y["test"], names)  # fmt: skip


def _full_fashion_mnist() -> tuple[np.ndarray, np.ndarray]:
    """The first 55,000 official training images, from the files that the script fetched."""
    path = DIRECTORY / "raw" / "fashion_mnist_train.npz"
    if not path.exists():
        raise FileNotFoundError(
            "The 55,000 training images are not in the repository. Fetch them with: "
            "python data/prepare/fashion_mnist.py"
        )
    try:
        with np.load(path, allow_pickle=False) as archive:
            x, y = archive["x"], archive["y"]
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ValueError(f"data/raw/{path.name} is damaged ({error}). {_FETCH}") from None
    # The streams that it was made of have known checksums, and it has all of their bytes.
    known = manifest()["files"]["fashion_mnist.npz"]["source_md5"]
    for array, stream in ((x, "train-images-idx3-ubyte.gz"), (y, "train-labels-idx1-ubyte.gz")):
        if (found := idx_md5(array)) != known[stream]:
            raise ValueError(
                f"data/raw/{path.name} does not hold the original of {stream}: its stream has the "
                f"MD5 {found}, not {known[stream]}. {_FETCH}"
            )
    return x[:55_000], y[:55_000]


_FETCH = "Fetch it again with: python data/prepare/fashion_mnist.py"


def idx_md5(array: np.ndarray) -> str:
    """The MD5 of the stream in which an IDX file holds these bytes (yann.lecun.com/exdb/mnist)."""
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return hashlib.md5(header + array.tobytes(), usedforsecurity=False).hexdigest()


def _load_watch() -> Dataset:
    arrays = read_npz("watch.npz")
    ends = np.cumsum(arrays["lengths"])
    length, step = int(arrays["window"]), int(arrays["step"])
    windows = {split: ([], [], []) for split in ("train", "validation", "test")}
    split_of = {int(subject): split for split in windows for subject in arrays[f"subjects_{split}"]}
    columns = (ends - arrays["lengths"], ends, arrays["labels"], arrays["subjects"])
    for start, end, label, subject in zip(*columns, strict=True):
        x, y, subjects = windows[split_of[int(subject)]]
        recording = (arrays["samples"][start:end] - arrays["mean"]) / arrays["std"]
        for first in range(0, len(recording) - length + 1, step):
            x.append(recording[first : first + length])
            y.append(label)
            subjects.append(subject)
    x, y, subject = (
        {split: _frozen(np.array(parts[column])) for split, parts in windows.items()}
        for column in range(3)
    )
    x = {split: _frozen(value[:, np.newaxis].astype(np.float32)) for split, value in x.items()}
    return Dataset("watch", x["train"], y["train"], x["validation"], y["validation"],
                   x["test"], y["test"], tuple(arrays["class_names"].tolist()),
                   subject["train"], subject["validation"], subject["test"])  # fmt: skip


def _frozen(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array
