"""What every experiment shares: the networks it measures, and how its results are written down."""

from __future__ import annotations

import hashlib
import io
import subprocess
import time
import zipfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import numpy as np

from course_utils import env
from course_utils.engines import float_engine, simulated_quantization
from course_utils.machines import data, models, training

NETWORKS = ("fashion_cnn", "lenet_300_100", "fashion_dscnn", "watch_cnn")
QUANTIZED = ("fashion_cnn", "fashion_dscnn", "watch_cnn")  # with convolutions
SPLITS = ("validation", "test")

COUNTS = ("correct", "newly_wrong", "newly_right")  # against the unchanged network

Progress = Callable[[int, int], None]


def run(experiment: Callable) -> None:
    """Run an experiment, write its files whole, and register them.

    experiment() -> (record, arrays, names of the checkpoints that it was computed from)
    """
    name = experiment.__name__
    started, revision = time.perf_counter(), git_revision()  # that of the code now loaded
    results, arrays, networks = experiment()
    inputs = [f"checkpoints/{network}.npz" for network in networks]
    inputs += sorted({f"{models.DATASETS[network]}.npz" for network in networks})
    files = data.manifest()["files"]
    command = f"python -m course_utils.workshop record {name}"
    record = {
        "experiment": name,
        "what": experiment.__doc__.split("\n")[0],
        "command": command,
        "seed": None,  # nothing is drawn, unless the results say otherwise
        "versions": training.versions(),
        "git_revision": revision,
        "seconds": round(time.perf_counter() - started, 1),
        "inputs": {path: files[path]["sha256"] for path in inputs},
        **results,
    }
    if arrays:
        data.write_npz(f"results/{name}.npz", arrays, command=command)
    data.write_json(f"results/{name}.json", record, command=command)
    print(f"Wrote data/results/{name}.json after {record['seconds']:.0f} s")


def git_revision() -> str:
    """The commit checked out, or "unknown" where there is none, or another repository's around."""
    try:
        said = subprocess.run(
            ["git", "rev-parse", "HEAD", "--show-prefix"],
            cwd=data.DIRECTORY, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    revision, prefix = said.split("\n")[:2]
    return revision if prefix == "data/" else "unknown"


def load_network(name):
    return data.checkpoint(name), data.load(models.DATASETS[name])


def folded(name):
    """-> (layers without batch norm and softmax, their weights, data set) of a shipped network."""
    network, dataset = load_network(name)
    layers, weights = simulated_quantization.fold_batch_norm(network.layers, network.weights)
    return tuple(layer for layer in layers if layer["op"] != "softmax"), weights, dataset


def x_of(dataset, split):
    return getattr(dataset, f"x_{split}")


def y_of(dataset, split):
    return getattr(dataset, f"y_{split}")


def right_answers(layers, weights, features, y):
    """Is each answer right?"""
    return float_engine.predict(layers, weights, features) == y


def printer(label):
    """A progress that prints a line whenever five seconds have passed, and at the end."""
    last = time.monotonic()

    def progress(done, total):
        nonlocal last
        if done == total or time.monotonic() - last > 5:
            last = time.monotonic()
            print(f"{label}: {done}/{total}", flush=True)

    return progress


def paired_counts(before, after):
    """(right answers, newly wrong, newly right) of two networks' right answers."""
    return int(after.sum()), int((before & ~after).sum()), int((after & ~before).sum())


PARTIAL = "results/partial"  # below data/; not part of the repository


def resumable(experiment, key, fingerprint, compute):
    """compute()'s dictionary of arrays, or what an interrupted run of the same left of it.

    fingerprint: text of all that the arrays depend on; a file with another one is computed anew.
    So is one of other data, registered or held by compute, and one of other code: see `code_of`.
    """
    path = data.DIRECTORY / PARTIAL / experiment / f"{key}.npz"
    packages = ("tensorflow", "tf-keras", "tensorflow-model-optimization")
    versions = [f"{name} {env.installed_version(name)}" for name in packages]
    identity = {
        "fingerprint": f"{fingerprint} {', '.join(versions)}, numpy {np.__version__}",
        "its data": data_of(compute),
        "its code": code_of(compute),
    }
    try:
        with np.load(path, allow_pickle=False) as archive:
            found = {name: archive[name] for name in archive.files}
        before = {name: str(found.pop(name, "unknown")) for name in identity}
        if before == identity:
            return found
        what = [name for name in identity if before[name] != identity[name]]
        named = {"fingerprint": "another recipe or version", "its data": "other data",
                 "its code": "other code"}  # fmt: skip
        from_ = " and ".join(named[name] for name in what)
        print(f"  {path.name} is from {from_}: computed anew", flush=True)
    except FileNotFoundError:
        pass
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        print(f"  {path.name} is damaged: computed anew", flush=True)
    started = time.perf_counter()
    arrays = compute()
    arrays["seconds"] = np.array(time.perf_counter() - started)
    buffer = io.BytesIO()
    text = {name: np.array(value) for name, value in identity.items()}
    np.savez_compressed(buffer, **text, **arrays)
    data.write_atomically(path, buffer.getvalue())
    return arrays


FLOORS = ("numbers", "engines", "machines")  # what an experiment computes with


def code_of(function) -> str:
    """A checksum of the code that a result may depend on: the function's own folder of a lab (its
    file elsewhere), and the floors below. Comments count, too: rather too often anew than once not.
    """
    own = Path(function.__code__.co_filename)
    return _code_beside(own)


@cache  # as it was when it was first asked for: an edit during a long run changes no code that runs
def _code_beside(own):
    package = Path(env.__file__).parent
    folders = [package / floor for floor in FLOORS]
    folders += [own.parent] if package / "labs" in own.parents else []
    files = {path for folder in folders for path in folder.rglob("*.py")}
    digest = hashlib.sha256()
    for path in sorted(files | {own} if own.exists() else files):
        digest.update(f"{path.name} ".encode() + path.read_bytes())
    return digest.hexdigest()


def data_of(function) -> str:
    """A checksum of the data that a result may depend on: the data sets that are registered, and
    the arrays and data sets that the function holds, also in dictionaries, lists and tuples."""
    digest, seen = hashlib.sha256(), set()
    files = data.manifest()["files"] if (data.DIRECTORY / "manifest.json").exists() else {}
    for name in data.DATASETS:
        digest.update(files.get(f"{name}.npz", {}).get("sha256", "none").encode())
    waiting = [function]
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, np.ndarray):
            digest.update(f"{value.dtype} {value.shape} ".encode())
            digest.update(np.ascontiguousarray(value).tobytes())
        elif isinstance(value, data.Dataset):
            waiting += vars(value).values()
        elif isinstance(value, Mapping):
            waiting += value.values()
        elif isinstance(value, list | tuple):
            waiting += value
        elif hasattr(value, "__code__") and hasattr(value, "__closure__"):
            waiting += [cell.cell_contents for cell in value.__closure__ or () if _is_filled(cell)]
            waiting += value.__defaults__ or ()
    return digest.hexdigest()


def _is_filled(cell):
    try:
        return cell.cell_contents is not None
    except ValueError:  # of a name that has no value yet
        return False
