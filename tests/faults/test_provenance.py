"""Where a number comes from: the data and the code of a part that is kept, files of known checksum,
and a manifest that two processes write at once."""

import json
import subprocess
import sys
import types

import numpy as np
import pytest

from course_utils import env
from course_utils.machines import data, recording


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty data folder in place of the real one."""
    monkeypatch.setattr(data, "DIRECTORY", tmp_path)
    yield tmp_path
    data._load.cache_clear()


# --- parts that are kept ----------------------------------------------------------------------


def sum_of(x):
    return recording.resumable("test", "sum", "recipe", lambda: {"sum": x.sum()})["sum"]


def test_a_part_of_other_data_is_computed_anew(folder, capsys):
    images, noise = np.arange(6.0), np.full(6, 7.0)
    assert sum_of(images) == 15
    assert sum_of(images.copy()) == 15
    assert not capsys.readouterr().out
    assert sum_of(noise) == 42
    assert capsys.readouterr().out == "  sum.npz is from other data: computed anew\n"


def test_a_data_set_that_the_part_holds_counts(folder):
    splits = [np.arange(3.0)] * 6

    def accuracy(first):
        dataset = data.Dataset("d", first, *splits[1:], ("a", "b"))
        return recording.resumable("test", "set", "", lambda: {"mean": dataset.x_train.mean()})

    assert accuracy(np.arange(3.0))["mean"] == 1
    assert accuracy(np.arange(3.0) + 1)["mean"] == 2


def test_the_registered_data_sets_count(folder):
    def compute():
        return {"value": data.read_npz("watch.npz")["x"].copy()}

    for value in (1, 2):
        data.write_npz("watch.npz", {"x": np.array(value)})
        assert recording.resumable("test", "registered", "", compute)["value"] == value


def made_by(source, path):
    path.write_text(source)
    module = types.ModuleType("made")
    exec(compile(source, str(path), "exec"), vars(module))
    return module.compute


def test_arrays_in_dictionaries_and_lists_are_data_too():
    def holding(value):
        return lambda: value

    codes = [
        recording.data_of(holding(value))
        for array in (np.zeros(3), np.ones(3))
        for value in ({"dense1/kernel": array}, [("a", array)])
    ]
    assert len({*codes[::2]}) == len({*codes[1::2]}) == 2


def test_a_part_of_other_code_is_computed_anew(folder, tmp_path, capsys):
    source = "def compute():\n    return {'value': VALUE}\n"
    for value in ("1", "1", "2"):
        compute = made_by(source.replace("VALUE", value), tmp_path / "experiment.py")
        recording._code_beside.cache_clear()  # as in a new process
        assert recording.resumable("test", "code", "", compute)["value"] == int(value)
    assert capsys.readouterr().out == "  code.npz is from other code: computed anew\n"


def test_the_code_of_a_lab_is_its_folder_and_the_floors_below(monkeypatch, tmp_path):
    from course_utils.labs.lottery_ticket import experiments
    from course_utils.labs.structured_pruning import experiments as others

    package = tmp_path / "course_utils"
    for name in ("numbers/a.py", "engines/b.py", "machines/c.py", "views/d.py", "labs/e/f.py",
                 "labs/e/g.py", "labs/h/i.py"):  # fmt: skip
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text("before")
    monkeypatch.setattr(recording.env, "__file__", str(package / "env.py"))
    compute = made_by("def compute(): pass", package / "labs/e/f.py")
    before = recording.code_of(compute)
    for name, counts in (("views/d.py", False), ("labs/h/i.py", False), ("labs/e/g.py", True),
                         ("numbers/a.py", True), ("machines/c.py", True)):  # fmt: skip
        (package / name).write_text("after")
        assert recording.code_of(compute) == before  # the code that runs is that of the beginning
        recording._code_beside.cache_clear()  # as in a new process
        assert (recording.code_of(compute) != before) == counts, name
        (package / name).write_text("before")
        recording._code_beside.cache_clear()
        recording.code_of(compute)
    monkeypatch.undo()
    recording._code_beside.cache_clear()
    codes = [recording.code_of(f) for f in (experiments.part_of, others.pruning_fine_tuned)]
    assert codes[0] != codes[1]


def test_a_part_from_before_data_and_code_were_kept_is_computed_anew(folder, capsys):
    sum_of(np.arange(6.0))
    path = folder / recording.PARTIAL / "test" / "sum.npz"
    with np.load(path) as archive:
        old = {name: archive[name] for name in archive.files if not name.startswith("its ")}
    np.savez(path, **{**old, "sum": np.array(-1.0)})
    assert sum_of(np.arange(6.0)) == 15
    assert "is from other data and other code" in capsys.readouterr().out


# --- what was fetched -------------------------------------------------------------------------


def test_the_stream_of_an_idx_file_has_the_official_checksum():
    """The test images are in the repository, and so is the checksum of the file they came from."""
    arrays, known = (
        data.read_npz("fashion_mnist.npz"),
        data.manifest()["files"]["fashion_mnist.npz"],
    )
    for name, stream in (("x_test", "t10k-images-idx3-ubyte.gz"),
                         ("y_test", "t10k-labels-idx1-ubyte.gz")):  # fmt: skip
        assert data.idx_md5(arrays[name]) == known["source_md5"][stream]


@pytest.fixture
def raw(folder):
    """A data folder with a small Fashion-MNIST; raw(x, y) writes what the script would fetch."""
    x, y = np.arange(24, dtype=np.uint8).reshape(6, 2, 2), np.arange(6, dtype=np.uint8)
    splits = {f"{kind}_{split}": array for split in ("train", "validation", "test")
              for kind, array in (("x", x), ("y", y))}  # fmt: skip
    md5 = {
        "train-images-idx3-ubyte.gz": data.idx_md5(x),
        "train-labels-idx1-ubyte.gz": data.idx_md5(y),
    }
    data.write_npz("fashion_mnist.npz", {**splits, "class_names": np.array(["a"])}, source_md5=md5)
    (folder / "raw").mkdir()

    def write(x=x, y=y):
        np.savez(folder / "raw" / "fashion_mnist_train.npz", x=x, y=y)
        return folder / "raw" / "fashion_mnist_train.npz"

    return write


def test_what_was_fetched_is_checked(raw):
    raw()
    assert data.load("fashion_mnist", full=True).x_train.shape == (6, 2, 2, 1)


@pytest.mark.parametrize("spoil", [
    {"x": np.zeros((6, 2, 2), np.uint8)}, {"y": np.zeros(6, np.uint8)}, {"x": np.zeros((6, 2, 2))},
])  # fmt: skip
def test_noise_in_place_of_what_was_fetched_is_told(raw, spoil):
    raw(**spoil)
    message = (
        r"fashion_mnist_train\.npz does not hold the original of train-.*prepare/fashion_mnist"
    )
    with pytest.raises(ValueError, match=message):
        data.load("fashion_mnist", full=True)


@pytest.mark.parametrize("damage", [lambda b: b[:100], lambda b: b"", lambda b: b"\x80\x04."])
def test_a_partial_download_is_told(raw, damage):
    path = raw()
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(
        ValueError, match=r"data/raw/fashion_mnist_train\.npz is damaged .*prepare/"
    ):
        data.load("fashion_mnist", full=True)


# --- the manifest ------------------------------------------------------------------------------


REGISTER = """
import sys, time
from pathlib import Path
from course_utils.machines import data
data.DIRECTORY = Path(sys.argv[1])
while not (data.DIRECTORY / "go").exists():
    time.sleep(0.001)
for i in range(40):
    data.write_bytes(f"models/{sys.argv[2]}_{i}.tflite", b"model", made_by=sys.argv[2])
"""


def test_two_processes_that_register_at_once_lose_nothing(tmp_path):
    started = [
        subprocess.Popen([sys.executable, "-c", REGISTER, str(tmp_path), name], cwd=env.ROOT)
        for name in ("first", "second")
    ]
    (tmp_path / "go").touch()
    assert [process.wait() for process in started] == [0, 0]
    files = json.loads((tmp_path / "manifest.json").read_text())["files"]
    assert len(files) == 80
    assert {entry["made_by"] for entry in files.values()} == {"first", "second"}


WRONG = {
    "[]": 'it has no "files"',
    "3": 'it has no "files"',
    '{"file": {}}': 'it has no "files"',
    '{"files": []}': 'it has no "files"',
    '{"files": {"a.npz": "0123"}}': 'the entry of a.npz has no "sha256"',
    '{"files": {"a.npz": {"bytes": 3}}}': 'the entry of a.npz has no "sha256"',
    '{"files": {"a.npz": {"sha256": null}}}': 'the entry of a.npz has no "sha256"',
}


@pytest.mark.parametrize("text", WRONG)
def test_a_manifest_of_another_shape_is_told_and_nothing_is_lost(folder, text):
    (folder / "a.npz").write_bytes(b"before")
    (folder / "manifest.json").write_text(text)
    asked = (
        lambda: data.load("watch"), lambda: data.checkpoint("watch_cnn"), data.boards,
        lambda: data.read("a.npz"), lambda: data.write_bytes("a.npz", b"after"),
    )  # fmt: skip
    for ask in asked:
        for cached in (data._load, data.checkpoint, data.boards):
            cached.cache_clear()
        with pytest.raises(ValueError, match=r"data/manifest\.json is no manifest: ") as told:
            ask()
        assert WRONG[text] in str(told.value)
    assert (folder / "a.npz").read_bytes() == b"before"
    assert (folder / "manifest.json").read_text() == text


def test_a_checkpoint_without_an_architecture_is_told(folder):
    data.write_npz("checkpoints/a.npz", {"w": np.zeros(1)})
    with pytest.raises(
        ValueError, match=r"does not say which architecture data/checkpoints/a\.npz"
    ):
        data.checkpoint("a")
