"""What every experiment shares: the networks it measures, and how its results are written down."""

from __future__ import annotations

import io
import subprocess
import time
import zipfile
from collections.abc import Callable

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
    """The commit checked out, or "unknown" outside a repository."""
    try:
        revision = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=data.DIRECTORY, capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return revision.stdout.strip()


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
    """
    path = data.DIRECTORY / PARTIAL / experiment / f"{key}.npz"
    packages = ("tensorflow", "tf-keras", "tensorflow-model-optimization")
    versions = [f"{name} {env.installed_version(name)}" for name in packages]
    fingerprint += f" {', '.join(versions)}, numpy {np.__version__}"
    try:
        with np.load(path, allow_pickle=False) as archive:
            found = {name: archive[name] for name in archive.files}
        if str(found.pop("fingerprint")) == fingerprint:
            return found
        print(f"  {path.name} is from another recipe or version: computed anew", flush=True)
    except FileNotFoundError:
        pass
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        print(f"  {path.name} is damaged: computed anew", flush=True)
    started = time.perf_counter()
    arrays = compute()
    arrays["seconds"] = np.array(time.perf_counter() - started)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, fingerprint=np.array(fingerprint), **arrays)
    data.write_atomically(path, buffer.getvalue())
    return arrays
