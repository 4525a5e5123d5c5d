"""Data sets, checkpoints and results load as promised, and bad files are told, not used."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from course_utils.engines import layer_specs
from course_utils.machines import data, models


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty data folder in place of the real one."""
    monkeypatch.setattr(data, "DIRECTORY", tmp_path)
    clear()
    yield tmp_path
    clear()


def clear():
    for cached in (data._load, data.checkpoint, data.result, data.lecture_table, data.boards,
                   data.weight_statistics):  # fmt: skip
        cached.cache_clear()


@pytest.mark.parametrize(
    ("name", "shape", "sizes", "classes"),
    [
        ("fashion_mnist", (28, 28, 1), (7_000, 5_000, 10_000), 10),
        ("watch", (1, 100, 6), (2_265, 866, 1_546), 7),
    ],
)
def test_data_set_is_as_promised(name, shape, sizes, classes):
    dataset = data.load(name)
    assert len(dataset.class_names) == classes
    for split, size in zip(("train", "validation", "test"), sizes, strict=True):
        x, y = getattr(dataset, f"x_{split}"), getattr(dataset, f"y_{split}")
        assert x.shape == (size, *shape)
        assert x.dtype == np.float32
        assert y.shape == (size,)
        assert y.dtype == np.int64
        assert np.unique(y).tolist() == list(range(classes))
        assert np.isfinite(x).all()
        with pytest.raises(ValueError, match="read-only"):
            x[0] = 0


def test_a_data_set_is_in_memory_once():
    assert data.load("watch") is data.load("watch", full=False)


def test_fashion_mnist_is_scaled_and_balanced():
    dataset = data.load("fashion_mnist")
    assert dataset.x_test.min() == 0
    assert dataset.x_test.max() == 1
    assert np.bincount(dataset.y_train).tolist() == [700] * 10
    assert np.bincount(dataset.y_test).tolist() == [1000] * 10
    index = data.read_npz("fashion_mnist.npz")["train_index"]
    assert index.max() < 55_000  # none of the validation images


def test_watch_subjects_are_in_one_split_only():
    dataset = data.load("watch")
    splits = [
        set(getattr(dataset, f"subject_{split}").tolist())
        for split in ("train", "validation", "test")
    ]
    assert [len(split) for split in splits] == [5, 2, 3]
    assert len(set.union(*splits)) == 10
    assert abs(dataset.x_train.std() - 1) < 0.01


def test_every_file_in_the_manifest_has_its_checksum():
    for path in data.manifest()["files"]:
        assert data.read(path), path


def test_every_shipped_file_is_in_the_manifest():
    files = set(data.manifest()["files"])
    for pattern in ("*.npz", "boards.json", "checkpoints/*", "results/*", "lecture/*"):
        for path in filter(Path.is_file, data.DIRECTORY.glob(pattern)):
            assert path.relative_to(data.DIRECTORY).as_posix() in files


def test_the_datasheet_describes_every_file():
    text = (data.DIRECTORY / "README.md").read_text("utf-8")
    for path in data.manifest()["files"]:
        assert path in text, f"{path} has no datasheet in data/README.md"


@pytest.mark.parametrize("name", [*models.DATASETS, "lenet_300_100_init"])
def test_checkpoint_fits_its_layers_and_is_read_only(name):
    checkpoint = data.checkpoint(name)
    shapes = {key: value.shape for key, value in checkpoint.weights.items()}
    assert shapes == layer_specs.weight_shapes(checkpoint.layers, checkpoint.input_shape)
    assert all(value.dtype == np.float32 for value in checkpoint.weights.values())
    kernel = next(iter(checkpoint.weights))
    with pytest.raises(ValueError, match="read-only"):
        checkpoint.weights[kernel][...] = 0
    with pytest.raises(TypeError):
        checkpoint.weights[kernel] = 0


@pytest.mark.parametrize("name", models.DATASETS)
def test_checkpoint_record_tells_how_it_was_trained(name):
    record = data.checkpoint(name).record
    for key in ("seed", "epochs", "versions", "seconds", "command", "log", "train_size"):
        assert key in record
    for split in ("validation", "test"):
        low, high = record[split]["interval_95"]
        assert low < record[split]["accuracy"] < high
    assert len(record["log"]) == record["epochs"]


def test_lecture_tables_are_rectangular():
    names = [path for path in data.manifest()["files"] if path.startswith("lecture/")]
    assert len(names) >= 10
    for path in names:
        table = data.lecture_table(path.removeprefix("lecture/").removesuffix(".json"))
        assert set(table) == {"title", "slide", "source", "columns", "units", "rows", "notes"}
        assert len(table["columns"]) == len(table["units"])
        assert all(len(row) == len(table["columns"]) for row in table["rows"])


def test_boards_have_what_a_budget_needs():
    boards = {board["name"]: board for board in data.boards()}
    assert boards["Arduino Nano 33 BLE"]["ram_bytes"] == 256 * 1024
    assert boards["Arduino Uno R3"]["flash_bytes"] == 32 * 1024
    assert boards["Arduino Nano 33 BLE"]["usable_flash_bytes"] == 983_040
    assert boards["Arduino Uno R3"]["usable_flash_bytes"] == 32_256
    for board in boards.values():
        assert 0.9 * board["flash_bytes"] < board["usable_flash_bytes"] <= board["flash_bytes"]
        assert board["usable_flash_source"]
        assert board["ram_bytes"] < board["flash_bytes"]
        assert board["clock_hz"] >= 16_000_000
        assert board["source"]


def test_weight_statistics_agree_with_themselves():
    statistics = data.weight_statistics("efficientnet_lite0")
    layers = statistics["layers"]
    assert len(layers) == 50
    counts = np.array([layer["count"] for layer in layers])
    assert np.array_equal(statistics["count"], counts)
    for key in ("histogram", "exponents"):
        assert np.array_equal(statistics[key].sum(axis=1), counts), key
    assert np.array_equal(statistics["quantiles"][:, 0], statistics["low"])
    assert np.array_equal(statistics["quantiles"][:, -1], statistics["high"])
    for row, layer in enumerate(layers):
        assert np.prod(layer["shape"]) == layer["count"]
        assert layer["shape"][-1] == layer["channels"]
        for prefix in ("", "folded_"):
            low = statistics[f"{prefix}channel_min"][row]
            high = statistics[f"{prefix}channel_max"][row]
            assert len(low) == len(high) == layer["channels"]
            assert (low <= high).all()
        assert statistics["channel_max"][row].max() == np.float32(statistics["high"][row])
        assert statistics["channel_min"][row].min() == np.float32(statistics["low"][row])
    # A scale per channel can't be coarser than the one of the whole layer.
    better = statistics["sqnr_db_per_channel"] - statistics["sqnr_db_per_tensor"]
    assert better.min() > 0


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: data.load("mnist"), "there are fashion_mnist, watch"),
        (lambda: data.checkpoint("resnet"), "there are: fashion_cnn, fashion_dscnn"),
        (lambda: data.result("nothing"), "pruning_sweep"),
        (lambda: data.lecture_table("nothing"), "ptq_vs_qat"),
        (lambda: data.weight_statistics("resnet"), "efficientnet_lite0"),
        (lambda: data.read("../README.md"), "not in data/manifest.json"),
    ],
)
def test_unknown_names_list_those_there_are(ask, message):
    with pytest.raises(ValueError, match=message):
        ask()


# --- broken files ---------------------------------------------------------------------------


@pytest.fixture
def in_git(monkeypatch):
    """As in a clone, where Git has every file: test_env tries this with a real one."""
    command = "git checkout HEAD -- data/"
    monkeypatch.setattr(data.env, "restoring", lambda paths: command + " ".join(paths))


def test_missing_manifest(folder, in_git):
    with pytest.raises(FileNotFoundError, match=r"git checkout HEAD -- data/manifest\.json"):
        data.load("watch")


def test_broken_manifest(folder, in_git):
    (folder / "manifest.json").write_text('{"files": {')
    with pytest.raises(ValueError, match=r"not JSON.*git checkout HEAD -- data/manifest\.json"):
        data.load("watch")


def test_missing_file(folder, in_git):
    data.write_npz("watch.npz", {"a": np.zeros(2)})
    (folder / "watch.npz").unlink()
    message = r"watch\.npz is missing.*git checkout HEAD -- data/watch\.npz"
    with pytest.raises(FileNotFoundError, match=message):
        data.load("watch")


def test_line_ends_of_windows_are_named(folder, monkeypatch):
    data.write_json("boards.json", {"boards": [1]})
    file = folder / "boards.json"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))
    monkeypatch.setattr(data.env, "restoring", lambda paths: "first\nthen")
    with pytest.raises(ValueError, match="json has the line ends of Windows: its SHA-256") as told:
        data.boards()
    assert str(told.value).endswith("in the repository's folder:\n    first\n    then")


@pytest.mark.parametrize("damage", [lambda b: b[:-7], lambda b: b"", lambda b: b[::-1]])
def test_altered_or_truncated_file_names_both_checksums(folder, damage):
    data.write_npz("watch.npz", {"a": np.arange(100)})
    expected = data.manifest()["files"]["watch.npz"]["sha256"]
    path = folder / "watch.npz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=f"SHA-256 is .*, the manifest says {expected}"):
        data.load("watch")


def test_full_data_without_the_originals_says_how_to_get_them(folder, monkeypatch):
    monkeypatch.setattr(data, "read_npz", lambda path: {})
    with pytest.raises(FileNotFoundError, match=r"python data/prepare/fashion_mnist\.py"):
        data.load("fashion_mnist", full=True)


def weights_of(name):
    shapes = layer_specs.weight_shapes(*models.resolve(name))
    return {key: np.zeros(shape, np.float32) for key, shape in shapes.items()}


def test_checkpoint_of_another_shape(folder):
    weights = weights_of("watch_cnn")
    weights["conv1/kernel"] = np.zeros((3, 3, 1, 16), np.float32)
    data.write_npz("checkpoints/watch_cnn.npz", weights, architecture="watch_cnn")
    with pytest.raises(ValueError, match=r"conv1/kernel has shape \(3, 3, 1, 16\).*\(1, 5, 6"):
        data.checkpoint("watch_cnn")


def test_checkpoint_without_a_weight(folder):
    weights = weights_of("watch_cnn")
    del weights["dense/bias"]
    data.write_npz("checkpoints/watch_cnn.npz", weights, architecture="watch_cnn")
    with pytest.raises(ValueError, match="dense/bias has shape None"):
        data.checkpoint("watch_cnn")


def test_checkpoint_of_another_type(folder):
    weights = weights_of("watch_cnn")
    weights["dense/bias"] = weights["dense/bias"].astype(np.float64)
    data.write_npz("checkpoints/watch_cnn.npz", weights, architecture="watch_cnn")
    with pytest.raises(ValueError, match="dense/bias is float64, not float32"):
        data.checkpoint("watch_cnn")


def test_pickled_arrays_are_refused_even_with_the_right_checksum(folder):
    data.write_npz("watch.npz", {"a": np.array([{}], dtype=object)})
    with pytest.raises(ValueError, match="allow_pickle=False"):
        data.load("watch")


def test_interrupted_writing_leaves_the_old_file(folder, monkeypatch):
    data.write_npz("a.npz", {"a": np.arange(3)})
    before = (folder / "a.npz").read_bytes()

    def full_disk(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(data.os, "replace", full_disk)
    with pytest.raises(OSError, match="No space"):
        data.write_npz("a.npz", {"a": np.arange(4)})
    assert (folder / "a.npz").read_bytes() == before
    assert sorted(path.name for path in folder.iterdir()) == ["a.npz", "manifest.json"]


def test_writing_equal_arrays_gives_equal_files(folder):
    for name in ("a.npz", "b.npz"):
        data.write_npz(name, {"x": np.arange(5)})
    files = data.manifest()["files"]
    assert files["a.npz"]["sha256"] == files["b.npz"]["sha256"]


def test_result_has_its_arrays(folder):
    data.write_json("results/a.json", {"seconds": 1})
    assert dict(data.result("a").arrays) == {}
    data.write_npz("results/a.npz", {"x": np.arange(5)})
    assert data.result("a").arrays["x"].tolist() == [0, 1, 2, 3, 4]
    assert data.result("a").record == {"seconds": 1}


text = st.text(st.sampled_from('[]{},:"\\\n a'), max_size=6)  # what the layout could trip over
values = st.recursive(
    st.none() | st.integers() | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)


# A busy machine is slow to draw examples.
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(values)
def test_json_layout_keeps_every_value(value):
    assert json.loads(data.to_json(value)) == value


def test_json_layout_puts_a_list_on_one_line():
    assert data.to_json({"a": [1, 2], "b": []}) == '{\n "a": [1, 2],\n "b": []\n}\n'
