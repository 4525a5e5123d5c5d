"""What a caption says, the data say; and a claim would notice if they didn't."""

import contextlib
import dataclasses
import inspect
import warnings
from functools import partial

import numpy as np
import pytest

from course_utils.labs.float_to_int8 import figures as quantization
from course_utils.labs.float_to_int8 import scenes
from course_utils.machines import data
from course_utils.workshop import book


def by_id(entry):
    return entry.id


@pytest.mark.parametrize("entry", book.ENTRIES, ids=by_id)
def test_the_data_say_what_the_caption_says(entry):
    scene = entry.scene()
    assert entry.claim(scene) is True
    assert inspect.getdoc(entry.claim), "say how the caption's words are meant in numbers"

    noticed = [what for what, held in alterations(scene) if answer(entry.claim, held) is False]
    assert noticed, "no altered data made the claim false: what does it check?"


@np.errstate(all="ignore")
def answer(claim, scene):
    """The claim's answer, or its refusal of data that cannot be."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return claim(scene)
    except (ArithmeticError, IndexError, KeyError, TypeError, ValueError) as error:
        return error


def alterations(value, path=""):
    """(what was done, the data with it) for one mistake at a time, of the kind that people make.

    Two series swapped, a column upside down, a sign, a number ten times as large, one left out.
    """
    if hasattr(value, "_asdict") or dataclasses.is_dataclass(value):
        replace = getattr(value, "_replace", partial(dataclasses.replace, value))
        names = getattr(value, "_fields", None) or [f.name for f in dataclasses.fields(value)]
        for name in names:
            for what, held in alterations(getattr(value, name), f"{path}.{name}"):
                with contextlib.suppress(ValueError):  # a record that refuses such data
                    yield what, replace(**{name: held})
    elif isinstance(value, dict):
        names, held = list(value), list(value.values())
        if len(names) > 1:
            yield f"{path} swapped", dict(zip(names, held[1:] + held[:1], strict=True))
        for name in names:
            for what, inner in alterations(value[name], f"{path}[{name}]"):
                yield what, {**value, name: inner}
    elif isinstance(value, np.ndarray) and value.dtype.kind in "fiu" and value.size:
        yield f"{path} upside down", value[::-1]
        yield f"{path} negative", -value.astype(float)
        yield f"{path} all the same", np.full_like(value, value.flat[0])
        yield f"{path} with an outlier", np.where(np.arange(value.shape[-1]) == 0, 1e3, value)
    elif isinstance(value, tuple | list) and value:
        if all(isinstance(held, int | float | str) for held in value):
            yield f"{path} reversed", value[::-1]
        for i, held in enumerate(value):
            for what, inner in alterations(held, f"{path}[{i}]"):
                yield what, type(value)([*value[:i], inner, *value[i + 1 :]])
    elif isinstance(value, int | float | np.number) and not isinstance(value, bool):
        for what, held in (("negative", -value), ("ten times", 10 * value), ("zero", 0 * value)):
            yield f"{path} {what}", held


def test_swapped_series_are_noticed():
    """A figure of the book once had its FP32 and its INT8 bars swapped."""
    state = scenes.bit_curves()
    network = "fashion_dscnn"
    schemes = list(state.accuracy[network])
    curves = [state.accuracy[network][scheme] for scheme in schemes]
    for turns in (1, 2):
        turned = dict(zip(schemes, curves[turns:] + curves[:turns], strict=True))
        swapped = state._replace(accuracy={**state.accuracy, network: turned})
        assert quantization.claim_bit_curves(swapped) is False
    in_4_bits = {n: state.at(n, schemes[0], 4) for n in state.networks}
    assert quantization.claim_bit_curves(state._replace(float32=in_4_bits)) is False


def test_a_figure_whose_caption_is_not_true_is_not_written(tmp_path):
    entry = book.find(["fig-boards"])[0]
    untrue = dataclasses.replace(entry, scene=lambda: entry.scene()._replace(weights=1e9))
    with pytest.raises(ValueError, match="fig-boards.*don't say"):
        book.write(untrue, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("entry", book.ENTRIES, ids=by_id)
def test_the_lecture_s_words_are_quoted_from_data(entry):
    assert entry.lecture in words()


def words():
    """Every text in the lecture's tables."""
    names = [path.removeprefix("lecture/").removesuffix(".json")
             for path in data.manifest()["files"] if path.startswith("lecture/")]  # fmt: skip
    tables = [data.lecture_table(name) for name in names]
    return {cell for table in tables for row in table["rows"] for cell in row}
