"""Notebook 11 with what a student changes: a file, a folder and a board of one's own."""

from pathlib import Path

import pytest
from test_wrong_answers import code_of, in_the_notebooks_folder, run_cell  # noqa: F401

from course_utils.engines.integer_engine import IntegerModel
from course_utils.labs.tflite_micro_export import chips, project, scenes
from course_utils.machines import data, evaluation, micro
from course_utils.machines.micro import c_project, emulator
from course_utils.views import checks
from course_utils.workshop.notebook_builder import sources

NOTEBOOK = next(source for source in sources() if source.name.startswith("11_"))


@pytest.mark.parametrize("network", scenes.NETWORKS)
def test_a_file_of_ones_own(network):
    assert str(micro.compatibility(data.model(network, "int8")))


def test_a_file_that_is_no_model_gets_one_sentence():
    with pytest.raises(ValueError, match=r"not a \.tflite file") as caught:
        micro.compatibility(b"nothing of the kind")
    assert "\n" not in str(caught.value)


def export_cells(folder, board):
    cells = code_of(NOTEBOOK)
    start = next(i for i, text in enumerate(cells) if "project.export(" in text)
    first = cells[start].replace('Path("exports") / "watch"', f"Path({str(folder)!r})")
    assert first != cells[start]
    last = next(i for i, text in enumerate(cells) if '"11.mend"' in text)
    return [first.replace("Arduino Nano 33 BLE", board), *cells[start + 1 : last + 1]]


@pytest.fixture
def namespace():
    to_flash = micro.one_scale(data.model("watch_cnn", "int8"))
    return {"to_flash": to_flash, "micro": micro, "project": project, "checks": checks}


@pytest.mark.parametrize("board", ["Raspberry Pi Pico", "Arduino Uno R3", "my own board"])
def test_a_folder_and_a_board_of_ones_own_twice(board, namespace, tmp_path):
    for _ in range(2):
        for text in export_cells(tmp_path / "my_watch", board):
            run_cell(text, namespace)
    written = (tmp_path / "my_watch" / "README.md").exists()
    assert written == (board in micro.BOARDS and micro.BOARDS[board]["word_bits"] >= 32)


def test_a_folder_with_other_files_is_left_alone(namespace, tmp_path, capsys):
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    for text in export_cells(tmp_path, "Arduino Nano 33 BLE"):
        run_cell(text, namespace)
    project.export(namespace["to_flash"], tmp_path)
    said = capsys.readouterr().out
    assert "holds mine.txt" in said
    assert said.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_what_was_changed_in_an_export_is_kept_beside_the_new_one(namespace, tmp_path):
    watch, folder = namespace["to_flash"], tmp_path / "watch"
    project.export(watch, folder, name="watch")
    header = folder / "watch" / "quantization.h"
    checkpoint = header.parent / ".ipynb_checkpoints" / "quantization-checkpoint.h"
    checkpoint.parent.mkdir()
    checkpoint.write_text("an editor's copy", "utf-8")
    assert project.export(watch, folder, name="watch").said == "", "nothing was changed"
    for number in (1, 2):
        header.write_text(f"// mine, {number}", "utf-8")
        said = project.export(watch, folder, name="watch").said
        assert said.startswith("watch/quantization.h had been changed")
        assert said.endswith(f"watch_changed_{number}, and a new one was written.")
        aside = tmp_path / f"watch_changed_{number}" / "watch" / "quantization.h"
        assert aside.read_text("utf-8") == f"// mine, {number}"
        assert "roundf" in header.read_text("utf-8")


@pytest.mark.parametrize("without_compiler", [False, True])
def test_break_it_and_mend_it(namespace, tmp_path, monkeypatch, without_compiler):
    if without_compiler:
        monkeypatch.setattr(micro, "no_compiler", lambda: "There is no compiler.")
    elif micro.no_compiler():
        pytest.skip(micro.no_compiler())
    watch, folder = namespace["to_flash"], tmp_path / "watch"
    project.export(watch, folder, name="watch")

    def verdict(old, new, file="quantization.h"):
        project.change(folder, file, old, new)
        tested = project.self_test(folder, watch)
        repr(tested)
        assert tested.note.startswith("There is no compiler.") == without_compiler
        return tested, checks.exercises.verdict("11.fault", tested)

    def mended(tested, broken):
        return checks.exercises.verdict("11.mend", tested, broken=broken)

    first, result = verdict(..., ...)
    assert (first.passed, result.state) == (True, "not attempted")
    assert mended(first, first).state == "not attempted"
    broken, result = verdict("roundf(", "(")
    assert (broken.verdict, result.state) == ("FAIL", "passed")
    assert mended(broken, broken).mistake == "still_broken"
    back, _ = verdict("= (x", "= roundf(x")
    assert (back.verdict, back.changed) == ("PASS", ())
    assert mended(back, broken).state == "passed"
    if without_compiler:
        other, result = verdict("steps < lowest", "steps < highest")
        assert "Your change was not run" in other.note
        assert result.state == "not attempted"
        return
    for old, new, file, mistake in (
        ("roundf(", "roundf((", "quantization.h", "does_not_compile"),
        ("roundf((", "rintf(", "quantization.h", "nothing_broken"),
        ("rintf(", "roundf(", "quantization.h", None),
        ("0x1c, 0x00", "0x1c, 0x01", "model.cpp", None),
        ("kGoldenOutputs[n][i]", "kGoldenOutputs[n][0]", "self_test.cpp", "something_else"),
    ):
        _, result = verdict(old, new, file)
        assert result.mistake == mistake, (old, result)


# --- the network in C ---------------------------------------------------------------------------

ROUND = "return (x >> exponent) + ((x & mask) > (mask >> 1) + (x < 0));"


def c_cells(folder, dearest="...", old="...", new="..."):
    """The cells from the export of the C to the check of its rounding, with a student's answers."""
    cells = code_of(NOTEBOOK)
    start = next(i for i, text in enumerate(cells) if "chips.export(" in text)
    last = next(i for i, text in enumerate(cells) if '"11.rounding"' in text)
    found = cells[start : last + 1]
    for before, after in (
        ('Path("exports") / "watch_c"', f"Path({str(folder)!r})"),
        ("dearest = ...", f"dearest = {dearest}"),
        ("old = ...", f"old = {old}"), ("new = ...", f"new = {new}"),
    ):  # fmt: skip
        assert sum(before in text for text in found) == 1, before
        found = [text.replace(before, after) for text in found]
    return found


@pytest.fixture
def in_c(monkeypatch):
    """What the cells take from those before them; nothing is covered."""
    if reason := micro.no_c_compiler():
        pytest.skip(f"2026-12-01: {reason}")
    monkeypatch.setattr(checks, "after", lambda ids, show: show())
    watch = data.model("watch_cnn", "int8")
    codes = evaluation.to_input(data.load("watch").x_test[:3], watch)
    ours = IntegerModel(watch).run(codes)
    return {"watch": watch, "codes": codes, "ours": ours, "Path": Path, "chips": chips,
            "project": project, "checks": checks}  # fmt: skip


def rounded(namespace):
    tested = namespace["rounded"]
    repr(tested)
    return checks.exercises.verdict("11.rounding", tested)


@pytest.mark.parametrize(
    ("new", "state", "mistake"),
    [
        ("return x >> exponent;", "passed", None),
        ("return (x >> exponent) + 1;", "passed", None),
        ("return x >> exponent", "not yet", "does_not_compile"),
        ("volatile int zero = 0; return x / zero;", "not yet", "no_verdict"),
        ("for (volatile int k = 0;;) k = 1; return 0;", "not yet", "no_verdict"),
        ("volatile char big[1 << 27]; big[0] = 1; return round_shift(x, exponent) + big[0];",
         "not yet", "no_verdict"),
        (f"/* mine */ {ROUND}", "not yet", "nothing_broken"),
        ("return here(x);", "not yet", "does_not_compile"),
    ],
)  # fmt: skip
def test_the_rounding_broken_in_many_ways_and_written_anew(
    in_c, tmp_path, monkeypatch, new, state, mistake
):
    monkeypatch.setattr(c_project.host, "RUN_TIMEOUT", 1)
    folder = tmp_path / "watch_c"
    export, *_, change, check = c_cells(folder, old=repr(ROUND), new=repr(new))
    for _ in range(2):  # the export puts back what was changed, an editor's folder or not
        run_cell(export, in_c)
        (folder / ".ipynb_checkpoints").mkdir(exist_ok=True)
        assert chips.self_test(folder).passed
        for _ in range(2):  # the second time there is nothing to change any more
            run_cell(change, in_c)
            run_cell(check, in_c)
            found = rounded(in_c)
            assert (found.state, found.mistake) == (state, mistake)
    if not emulator.missing_tool("cortex-m4f"):
        on_chips = chips.on_chips(folder, in_c["codes"][:1], in_c["ours"][:1])
        assert len(on_chips.rows) == len(chips.ON_CHIPS)
        assert all("\n" not in row[-1] for row in on_chips.rows)


@pytest.mark.tensorflow
def test_the_cells_run_twice_with_another_layer_halved(in_c, tmp_path):
    for _ in range(2):
        for text in c_cells(tmp_path / "watch_c", "'conv_2d 0'"):
            run_cell(text, in_c)
    assert rounded(in_c).state == "not attempted"
    if not emulator.missing_tool("cortex-m4f"):
        whole, half = (int(row[1].replace(",", "")) for row in chips.halve("conv_2d 4").rows)
        assert 0.3 * whole < half < 0.9 * whole


@pytest.mark.parametrize("name", ["kernels.c", "kernels.h", "network.h", "network.c", "golden.h"])
def test_a_file_of_the_c_that_is_gone_gets_a_sentence(in_c, tmp_path, name, capsys):
    export, _, on_chips, *_, change, check = c_cells(tmp_path / "watch_c")
    run_cell(export, in_c)
    (tmp_path / "watch_c" / name).unlink()
    for text in (on_chips, change, check):
        run_cell(text, in_c)
    assert chips.self_test(tmp_path / "watch_c") is None
    assert f"{name} is missing" in capsys.readouterr().out
    run_cell(export, in_c)
    assert chips.self_test(tmp_path / "watch_c").passed


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [("smallest", "smallest"), ("scratch", "scratch"), ("margin", "margin"),
     ("on_32_bits", "on_32_bits"), (6, "kibibytes"), (14_536, "another_number"),
     ("many", "no_number"), (None, None), ({}, "no_number"), (float("nan"), "no_number")],
)  # fmt: skip
def test_the_arena_is_read_in_the_header(answer, mistake, namespace, tmp_path):
    project.export(namespace["to_flash"], tmp_path / "watch", name="watch")
    told = project.arena_in(tmp_path / "watch")
    given = told.get(answer, answer) if isinstance(answer, str) else answer
    result = checks.exercises.verdict("11.header", given, folder=tmp_path / "watch")
    assert result.mistake == mistake
    assert result.state in ("not yet", "not attempted")
    for right in (told["arena"], f"{told['arena']:,} bytes", float(told["arena"])):
        found = checks.exercises.verdict("11.header", right, folder=tmp_path / "watch")
        assert found.state == "passed"
    assert checks.exercises.verdict("11.header", 1, folder=tmp_path).mistake == "no_file"


def test_what_the_prose_says_is_what_was_recorded():
    for name in scenes.NETWORKS:
        alive = micro.alive(micro.activations(data.model(name, "int8")))
        assert max(alive) == scenes.record(name, "int8")["arena"]["head"]
        assert scenes.compared(name, "float32")["LiteRT reference"]["differing"] == 0
        assert scenes.compared(name, "int8")["integer engine"]["differing"] == 0
        assert all(row["changed"] == 0 for row in scenes.compared(name, "int16x8").values())
    assert scenes.compared("watch_cnn", "float32")["LiteRT XNNPACK"]["differing"] > 2000
    assert 2048 < scenes.record("watch_cnn", "int8")["smallest_arena"] < 8000
