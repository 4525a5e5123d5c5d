"""int8.py: the network in 200 lines, against the integer engine and TFLM."""

import ast
import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tflite_tools import Writer

from course_utils.engines import int8
from course_utils.engines.integer_engine import IntegerModel
from course_utils.machines import data, micro, models
from course_utils.numbers.quantization import quantize

FILE = Path(int8.__file__)
SHIPPED = sorted(path.stem for path in (data.DIRECTORY / "models").glob("*_int8.tflite"))
COUNT = 1000  # test inputs of each network


def model_and_inputs(name):
    dataset = models.DATASETS[name.removesuffix("_int8").removesuffix("_qat")]
    tflite = (data.DIRECTORY / "models" / f"{name}.tflite").read_bytes()
    return tflite, data.load(dataset).x_test[:COUNT]


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_networks_equal_the_engine(name, record_property):
    tflite, x = model_and_inputs(name)
    model = IntegerModel(tflite)
    codes = quantize(x, model.input.qparams)
    found, expected = int8.run(tflite, codes), model.run(codes)
    differing = int((found != expected).sum())
    record_property("counted", f"{name}: {found.size} values, {differing} differing")
    assert found.dtype == np.int8
    assert differing == 0
    few = int8.run(tflite, x[:50])  # real numbers: it quantizes them
    np.testing.assert_array_equal(few, expected[:50])


@pytest.mark.skipif(
    importlib.util.find_spec("tflite_micro") is None,
    reason="2026-12-01: tflite-micro has wheels for Linux x86-64 only",
)
@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_networks_equal_tflm(name):
    tflite, x = model_and_inputs(name)
    codes = quantize(x[:200], IntegerModel(tflite).input.qparams)
    np.testing.assert_array_equal(int8.run(tflite, codes), micro.run(tflite, codes))
    micro.close()


def test_five_networks_and_more_are_shipped():
    assert len(SHIPPED) >= 5


def test_the_file_is_at_most_200_lines_of_100_columns():
    lines = FILE.read_text("utf-8").splitlines()
    assert len(lines) <= 200
    assert max(map(len, lines)) <= 100


def test_it_needs_numpy_and_the_standard_library_alone():
    imported = set()
    for node in ast.walk(ast.parse(FILE.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(node.module.split(".")[0])
    assert imported - set(sys.stdlib_module_names) == {"numpy"}


def alone(directory, *arguments):
    """Run a copy of the file in a directory that holds nothing else of the course."""
    shutil.copy(FILE, directory / "int8.py")
    return subprocess.run(
        [sys.executable, "-I", "int8.py", *arguments],
        cwd=directory, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_it_runs_alone_as_a_script(tmp_path):
    tflite, x = model_and_inputs("watch_cnn_int8")
    (tmp_path / "model.tflite").write_bytes(tflite)
    np.save(tmp_path / "input.npy", x[:4])
    done = alone(tmp_path, "model.tflite", "input.npy")
    assert done.returncode == 0, done.stderr
    found = [[int(code) for code in re.findall(r"-?\d+", row)] for row in done.stdout.splitlines()]
    np.testing.assert_array_equal(found, int8.run(tflite, x[:4]))


@pytest.mark.parametrize(
    ("name", "type_name", "said"),
    [
        ("COS", "int8", "int8.py does not know operator 108 of LiteRT's schema.fbs"),
        ("SOFTMAX", "int16", "int8.py computes on int8 alone: convert the model to int8, ends "
                             "included"),
    ],
)  # fmt: skip
def test_what_it_does_not_know_is_said_in_one_sentence(tmp_path, name, type_name, said):
    writer = Writer()
    ends = [writer.tensor((1, 2), type_name, 0.1) for _ in "xy"]
    writer.operator(name, ends[:1], ends[1])
    (tmp_path / "model.tflite").write_bytes(writer.bytes(ends[:1], ends[1:]))
    np.save(tmp_path / "input.npy", np.zeros((1, 2), np.int8))
    done = alone(tmp_path, "model.tflite", "input.npy")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [said]


def test_a_damaged_file_gets_one_sentence(tmp_path):
    tflite, x = model_and_inputs("watch_cnn_int8")
    np.save(tmp_path / "input.npy", x[:1])
    for damaged in (tflite[:5000], b"", tflite[:8] + bytes(len(tflite) - 8)):
        (tmp_path / "model.tflite").write_bytes(damaged)
        done = alone(tmp_path, "model.tflite", "input.npy")
        assert done.returncode == 1
        (said,) = done.stderr.splitlines()
        assert said.startswith("int8.py cannot run this: ")
