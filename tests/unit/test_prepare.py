"""The scripts that prepare the data: what they refuse, and how they read old formats."""

import gzip
import io
import os
import pickle
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "data" / "prepare"))

import efficientnet_lite0  # noqa: E402
import fashion_mnist  # noqa: E402
import untrusted  # noqa: E402
import watch  # noqa: E402


class Evil:
    """Unpickling this runs a command, unless the names it needs are refused."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("function", [os.system, os.mkdir, eval, exec, __import__])
def test_evil_pickles_do_not_run(function, protocol, tmp_path):
    target = tmp_path / "made"
    argument = str(target) if function is os.mkdir else "raise SystemExit"
    content = pickle.dumps(Evil(function, argument), protocol=protocol)
    with pytest.raises(pickle.UnpicklingError, match="It was not run"):
        untrusted.unpickle(io.BytesIO(content))
    assert not target.exists()


@pytest.mark.parametrize("name", ["numpy.core.multiarray.scalar", "numpy.fromfile", "numpy.load"])
def test_only_the_listed_names_of_numpy_are_known(name):
    module, attribute = name.rsplit(".", 1)
    content = f"c{module}\n{attribute}\n.".encode()
    allowed = {"numpy.ndarray": np.ndarray}
    with pytest.raises(pickle.UnpicklingError, match=name):
        untrusted.unpickle(io.BytesIO(content), allowed)


def test_references_to_outside_are_refused():
    with pytest.raises(pickle.UnpicklingError, match="outside itself"):
        untrusted.unpickle(io.BytesIO(b"Pstorage\n."))


@pytest.mark.parametrize("content", [b"", b"no pickle", pickle.dumps({"a": [1, 2]})[:-4]])
def test_broken_pickles_are_named(content):
    with pytest.raises(pickle.UnpicklingError):
        untrusted.unpickle(io.BytesIO(content))


def npy_with(content):
    file = io.BytesIO()
    header = {"descr": "|O", "fortran_order": False, "shape": ()}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + content


def test_watch_reads_a_harmless_file():
    recordings = {"X": [np.arange(6.0).reshape(2, 3)], "y": np.array([1, 2]), "labels": ["a"]}
    content = pickle.dumps(np.array(recordings, dtype=object), protocol=2)
    # Files of its time name the module as NumPy 1 did.
    content = content.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    found = watch.unpickle(npy_with(content))
    assert np.array_equal(found["X"][0], recordings["X"][0])
    assert np.array_equal(found["y"], [1, 2])
    assert found["labels"] == ["a"]


def test_watch_refuses_an_evil_file():
    with pytest.raises(pickle.UnpicklingError, match="It was not run"):
        watch.unpickle(npy_with(pickle.dumps(Evil(os.system, "true"), protocol=2)))


def test_watch_refuses_another_file_before_reading_it(tmp_path):
    path = tmp_path / "watch_dataset.npy"
    path.write_bytes(b"something else")
    with pytest.raises(ValueError, match="altered: SHA-256"):
        watch.find(path)
    with zipfile.ZipFile(tmp_path / "empty.whl", "w"):
        pass
    with pytest.raises(ValueError, match=r"has no watch_dataset\.npy"):
        watch.find(tmp_path / "empty.whl")


def test_watch_split_takes_every_subject_once():
    split = watch.split_subjects(np.repeat(np.arange(1, 11), 14))
    assert sorted(np.concatenate(list(split.values()))) == list(range(1, 11))
    assert split["test"].tolist() == [2, 7, 8]  # drawn once, before any training


def test_idx_files_are_checked(tmp_path):
    path = tmp_path / "images.gz"
    stream = b"\0\0\x08\x01" + (3).to_bytes(4, "big") + bytes([7, 8, 9])
    path.write_bytes(gzip.compress(stream))
    md5 = "8a4e2f5eb86e44a87c4ad4dd0cbd4d65"
    with pytest.raises(ValueError, match=f"not {md5}"):
        fashion_mnist.read_idx(path, md5, (3,))
    import hashlib

    true = hashlib.md5(stream).hexdigest()
    assert fashion_mnist.read_idx(path, true, (3,)).tolist() == [7, 8, 9]
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match="not a whole gzip file"):
        fashion_mnist.read_idx(path, true, (3,))


def test_fashion_mnist_names_the_file_that_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"train-images-idx3-ubyte\.gz is missing"):
        fashion_mnist.prepare(tmp_path)


# --- PyTorch's older format -----------------------------------------------------------------


class FloatStorage:
    pass


def _rebuild_tensor_v2(*_):
    pass


def torch_file(values, shape, strides, offset=0):
    """A file as PyTorch 1.0 wrote it, with one tensor "w"."""
    for thing, module in ((FloatStorage, "torch"), (_rebuild_tensor_v2, "torch._utils")):
        thing.__module__ = module
        parent = sys.modules.setdefault(module, type(sys)(module))
        setattr(parent, thing.__name__, thing)

    class Tensor:
        def __reduce__(self):
            return _rebuild_tensor_v2, (storage, offset, shape, strides, False, {})

    class Pickler(pickle.Pickler):
        def persistent_id(self, thing):
            reference = ("storage", FloatStorage, "0", "cpu", len(values), None)
            return reference if thing is storage else None

    storage, file = object(), io.BytesIO()
    try:
        for head in (efficientnet_lite0.MAGIC, 1001, {"little_endian": True}):
            pickle.dump(head, file, 2)
        Pickler(file, 2).dump({"w": Tensor()})
        pickle.dump(["0"], file, 2)
    finally:
        for module in ("torch._utils", "torch"):
            del sys.modules[module]
    values = np.asarray(values, "<f4")
    return file.getvalue() + len(values).to_bytes(8, "little") + values.tobytes()


def test_torch_tensors_are_read_through_their_strides():
    content = torch_file(range(6), (2, 2), (1, 3), offset=1)
    assert efficientnet_lite0.read_torch(content)["w"].tolist() == [[1, 4], [2, 5]]


def test_torch_tensors_must_stay_within_the_file():
    with pytest.raises(ValueError, match="w reaches beyond the file"):
        efficientnet_lite0.read_torch(torch_file(range(6), (2, 4), (4, 1)))
    with pytest.raises(ValueError, match="w reaches beyond the file"):
        efficientnet_lite0.read_torch(torch_file(range(6), (2, 3), (3, 1))[:-4])
    with pytest.raises(ValueError, match="w reaches beyond the file"):
        efficientnet_lite0.read_torch(torch_file(range(6), (2, 2), (-1, 1), offset=2))


def test_other_files_are_not_torch_files():
    with pytest.raises(ValueError, match="not a PyTorch file"):
        efficientnet_lite0.read_torch(pickle.dumps(5))
