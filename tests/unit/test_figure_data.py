"""A figure's data as a file: whole, in the simplest form that holds them, and readable again."""

import csv
import io
import json
from typing import NamedTuple

import numpy as np
import pytest

from course_utils.numbers.quantization import QParams
from course_utils.workshop import figure_data


class Curve(NamedTuple):
    name: str
    x: np.ndarray
    y: np.ndarray


class Ends(NamedTuple):
    name: str
    limits: tuple[float, float]
    held: dict


def read(exported):
    assert exported[0] == "csv"
    return list(csv.DictReader(io.StringIO(exported[1].decode())))


def test_columns_become_a_table_with_single_values_in_every_row():
    rows = read(figure_data.export(Curve("a, b", np.arange(3), np.array([0.5, np.nan, 2]))))
    assert rows == [
        {"name": "a, b", "x": "0", "y": "0.5"},
        {"name": "a, b", "x": "1", "y": ""},
        {"name": "a, b", "x": "2", "y": "2.0"},
    ]


def test_several_records_become_one_table():
    curves = tuple(Curve(name, np.arange(2), np.ones(2)) for name in "ab")
    assert [row["name"] for row in read(figure_data.export(curves))] == ["a", "a", "b", "b"]


@pytest.mark.parametrize(
    "scene",
    [
        Ends("a", (0.0, 1.0), {}),
        Ends("a", (0.0, 1.0), {8: np.ones(3)}),
        Curve("columns of different lengths", np.arange(3), np.ones(4)),
        Curve("a matrix", np.eye(3), np.ones(3)),
        (Curve("a", np.arange(3), np.ones(3)), Ends("b", (0.0, 1.0), {})),
    ],
)
def test_what_is_no_table_becomes_json(scene):
    suffix, content = figure_data.export(scene)
    assert suffix == "json"
    assert json.loads(content) == figure_data.plain(scene)


def test_every_number_comes_back_as_it_was():
    values = np.random.default_rng(0).normal(size=1000)
    for dtype in (np.float64, np.float32, np.float16):
        held = values.astype(dtype)
        assert np.array_equal(np.array(figure_data.plain(held), dtype), held)
    # A float32 is written with its own digits, not with those of the double nearest to it.
    assert figure_data.plain(np.float32(0.1)) == 0.1
    assert figure_data.plain(np.float32([[0.1, np.inf]])) == [[0.1, None]]
    assert figure_data.plain(np.uint8([255])) == [255]
    assert figure_data.plain(np.bool_(True)) is True


def test_records_of_the_package_are_written_by_their_fields():
    told = figure_data.plain(QParams(0.1, 3, -128, 127))
    assert (told["scale"], told["zero_point"], told["channel_axis"]) == (0.1, 3, None)


def test_what_has_no_form_is_refused():
    with pytest.raises(TypeError, match="cannot hold a set"):
        figure_data.plain({"a": {1}})
