"""Prepare data/fashion_mnist.npz from the four original files of Fashion-MNIST.

    python data/prepare/fashion_mnist.py                  # Debian, Ubuntu: fetches the package
    python data/prepare/fashion_mnist.py --folder FOLDER  # the four .gz files, wherever from

Without --folder, files that Keras downloaded before (~/.keras/datasets/fashion-mnist) are used
if they are there; otherwise the Debian package dataset-fashion-mnist is downloaded and unpacked,
which needs no administrator. Every stream is checked against its MD5.

Writes data/fashion_mnist.npz (in the repository) and data/raw/fashion_mnist_train.npz, all
60,000 training images, which only training needs and git ignores.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from course_utils.machines import data  # noqa: E402

PACKAGE = "dataset-fashion-mnist"
FILES = {  # name: (MD5 of the uncompressed stream, shape)
    "train-images-idx3-ubyte.gz": ("f4a8712d7a061bf5bd6d2ca38dc4d50a", (60_000, 28, 28)),
    "train-labels-idx1-ubyte.gz": ("9018921c3c673c538a1fc5bad174d6f9", (60_000,)),
    "t10k-images-idx3-ubyte.gz": ("8181f5470baa50b63fa0f6fddb340f0a", (10_000, 28, 28)),
    "t10k-labels-idx1-ubyte.gz": ("15d484375f8d13e6eb1aabb0c3f46965", (10_000,)),
}
CLASS_NAMES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
               "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")  # fmt: skip
VALIDATION = 5_000  # the last of the official training images
TRAIN_PER_CLASS = 700  # of the 55,000 before them, in the repository
SEED = 2023


def read_idx(path: Path, md5: str, shape: tuple[int, ...]) -> np.ndarray:
    """The array in an IDX file (http://yann.lecun.com/exdb/mnist): uint8, big-endian header."""
    try:
        stream = gzip.decompress(path.read_bytes())
    except (OSError, EOFError) as error:
        raise ValueError(f"{path} is not a whole gzip file: {error}.") from None
    found = hashlib.md5(stream, usedforsecurity=False).hexdigest()
    if found != md5:
        raise ValueError(f"{path} is not the original: its stream has MD5 {found}, not {md5}.")
    header = 4 + 4 * len(shape)
    return np.frombuffer(stream, np.uint8, offset=header).reshape(shape)


def fetch_package(folder: Path) -> Path:
    """Download and unpack the Debian package into `folder`; returns where its files are."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise FileNotFoundError(
            "There is no apt-get here. Get the four .gz files (their names are in this script) "
            "from github.com/zalandoresearch/fashion-mnist and give their folder with --folder."
        )
    print(f"Downloading the Debian package {PACKAGE} (31 MB)", flush=True)
    subprocess.run(["apt-get", "download", PACKAGE], cwd=folder, check=True)
    (package,) = folder.glob("*.deb")
    subprocess.run(["dpkg-deb", "-x", package, folder], check=True)
    return folder / "usr/share/datasets/fashion-mnist"


def choose(labels: np.ndarray) -> np.ndarray:
    """Indices of the training images that ship: as many of every class, drawn with SEED."""
    rng = np.random.default_rng(SEED)
    chosen = [
        rng.choice(np.flatnonzero(labels == label), TRAIN_PER_CLASS, replace=False)
        for label in range(len(CLASS_NAMES))
    ]
    return np.sort(np.concatenate(chosen))


def prepare(folder: Path) -> None:
    for name in FILES:
        if not (folder / name).exists():
            raise FileNotFoundError(f"{folder / name} is missing.")
    print(f"Reading {folder}", flush=True)
    x, y, x_test, y_test = (read_idx(folder / name, *FILES[name]) for name in FILES)
    cut = len(x) - VALIDATION
    index = choose(y[:cut])
    data.write_npz(
        "fashion_mnist.npz",
        {
            "x_train": x[index], "y_train": y[index], "train_index": index.astype(np.int32),
            "x_validation": x[cut:], "y_validation": y[cut:],
            "x_test": x_test, "y_test": y_test, "class_names": np.array(CLASS_NAMES),
        },
        source=f"Debian package {PACKAGE}, or github.com/zalandoresearch/fashion-mnist",
        source_md5={name: md5 for name, (md5, _) in FILES.items()},
        licence="MIT, Copyright (c) 2017 Zalando SE (data/licenses/fashion_mnist.txt)",
        command="python data/prepare/fashion_mnist.py",
        seed=SEED,
    )  # fmt: skip
    buffer = io.BytesIO()
    np.savez(buffer, x=x, y=y)
    data.write_atomically(data.DIRECTORY / "raw" / "fashion_mnist_train.npz", buffer.getvalue())
    size = (data.DIRECTORY / "fashion_mnist.npz").stat().st_size
    print(f"Wrote data/fashion_mnist.npz, {size / 1e6:.1f} MB, and data/raw (not in git)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, help="folder with the four original .gz files")
    folder = parser.parse_args().folder
    keras = Path.home() / ".keras/datasets/fashion-mnist"
    with tempfile.TemporaryDirectory() as temporary:
        if folder is None:
            complete = all((keras / name).exists() for name in FILES)
            folder = keras if complete else fetch_package(Path(temporary))
        prepare(folder)


if __name__ == "__main__":
    try:
        main()
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        sys.exit(str(error))
