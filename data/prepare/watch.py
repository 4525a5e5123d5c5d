"""Prepare data/watch.npz: smartwatch recordings of shoulder exercises (Burns et al.).

    python data/prepare/watch.py                # fetches seglearn 1.2.5 with pip
    python data/prepare/watch.py --file PATH    # its wheel, source archive or watch_dataset.npy

The file inside is a pickle; it is checked by SHA-256 and read by a restricted unpickler.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import pickle
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import numpy as np

sys.path[:0] = [str(Path(__file__).resolve().parents[2]), str(Path(__file__).resolve().parent)]
import untrusted  # noqa: E402

from course_utils.machines import data  # noqa: E402

PACKAGE = "seglearn==1.2.5"
MEMBER = "watch_dataset.npy"
SHA256 = "eb122f23cdf06ef6bd6c6c5312958ec5cf9d038e2e6d457b8081662c75a42537"
WINDOW, STEP = 100, 50  # 2 s at 50 Hz, half overlapping
SEED = 2023
TEST, VALIDATION = 3, 2  # subjects; the other five train
CLASS_NAMES = {
    "PEN": "pendulum", "ABD": "abduction", "FEL": "forward elevation",
    "IR": "internal rotation", "ER": "external rotation", "TRAP": "trapezius extension",
    "ROW": "upright row",
}  # fmt: skip


def split_subjects(subjects: np.ndarray) -> dict[str, np.ndarray]:
    """Who trains and who tests: a permutation with SEED, drawn before any network was trained.

    The first three test, the next two validate, the rest train.
    """
    order = np.random.default_rng(SEED).permutation(np.unique(subjects))
    test, validation, train = np.split(order, [TEST, TEST + VALIDATION])
    return {"train": np.sort(train), "validation": np.sort(validation), "test": np.sort(test)}


def find(path: Path) -> bytes:
    """The bytes of watch_dataset.npy from a wheel, a source archive or the file itself."""
    if path.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if name.endswith(MEMBER)]
            content = archive.read(names[0]) if names else None
    elif path.name.endswith(".tar.gz"):
        with tarfile.open(path) as archive:
            members = [member for member in archive if member.name.endswith(MEMBER)]
            content = archive.extractfile(members[0]).read() if members else None
    else:
        content = path.read_bytes()
    if content is None:
        raise ValueError(f"{path} has no {MEMBER} in it.")
    found = hashlib.sha256(content).hexdigest()
    if found != SHA256:
        raise ValueError(f"{MEMBER} in {path} is altered: SHA-256 {found}, expected {SHA256}.")
    return content


def unpickle(content: bytes) -> dict:
    """The dictionary in an .npy file that holds one pickled object."""
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise ValueError(f"{MEMBER} is an .npy file of version {version}, expected (1, 0).")
    np.lib.format.read_array_header_1_0(file)
    reconstruct = np.zeros(0).__reduce__()[0]  # where NumPy keeps it differs by version
    allowed = {
        "numpy.core.multiarray._reconstruct": reconstruct,
        "numpy.ndarray": np.ndarray,
        "numpy.dtype": np.dtype,
        # Protocol 2 writes bytes as text, to be encoded again.
        "_codecs.encode": lambda text, encoding: text.encode("latin1"),
    }
    return untrusted.unpickle(file, allowed).item()


def prepare(path: Path) -> None:
    watch = unpickle(find(path))
    recordings = [np.asarray(x, np.float64) for x in watch["X"]]
    samples = np.concatenate(recordings).astype(np.float16)
    lengths = np.array([len(x) for x in recordings], np.int64)
    subjects = np.asarray(watch["subject"], np.int64)
    split = split_subjects(subjects)
    of_training = np.repeat(np.isin(subjects, split["train"]), lengths)
    training = samples[of_training].astype(np.float64)
    data.write_npz(
        "watch.npz",
        {
            "samples": samples, "lengths": lengths, "subjects": subjects,
            "labels": np.asarray(watch["y"], np.int64),
            "sides": np.asarray(watch["side"], np.int64),
            "window": np.int64(WINDOW), "step": np.int64(STEP),
            "mean": training.mean(axis=0).astype(np.float32),
            "std": training.std(axis=0).astype(np.float32),
            "channel_names": np.array(watch["X_labels"]),
            "class_names": np.array([CLASS_NAMES[label] for label in watch["y_labels"]]),
            **{f"subjects_{name}": value for name, value in split.items()},
        },
        source=f"PyPI package {PACKAGE}, data/{MEMBER} (Burns et al., arXiv:1802.01489)",
        source_sha256=SHA256,
        licence="BSD-3-Clause, Copyright (c) 2018 David M. Burns (data/licenses/watch.txt)",
        command="python data/prepare/watch.py",
        seed=SEED,
        subjects={name: value.tolist() for name, value in split.items()},
    )  # fmt: skip
    size = (data.DIRECTORY / "watch.npz").stat().st_size
    print(f"Wrote data/watch.npz, {size / 1e6:.1f} MB; {split}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--file", type=Path, help="wheel, source archive or watch_dataset.npy")
    path = parser.parse_args().file
    with tempfile.TemporaryDirectory() as folder:
        if path is None:
            path = untrusted.download(PACKAGE, Path(folder))
        prepare(path)


if __name__ == "__main__":
    try:
        main()
    except (OSError, ValueError, pickle.UnpicklingError) as error:
        sys.exit(str(error))
