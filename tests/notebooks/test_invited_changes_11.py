"""Notebook 11 with what a student changes: a file, a folder and a board of one's own."""

import pytest
from test_wrong_answers import code_of, in_the_notebooks_folder, run_cell  # noqa: F401

from course_utils.labs.tflite_micro_export import project, scenes
from course_utils.machines import data, micro
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
    return {"watch": data.model("watch_cnn", "int8"), "micro": micro, "project": project,
            "checks": checks}  # fmt: skip


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
    project.export(namespace["watch"], tmp_path)
    said = capsys.readouterr().out
    assert "holds mine.txt" in said
    assert said.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_what_was_changed_in_an_export_is_kept_beside_the_new_one(namespace, tmp_path):
    watch, folder = namespace["watch"], tmp_path / "watch"
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
    watch, folder = namespace["watch"], tmp_path / "watch"
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


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [("smallest", "smallest"), ("scratch", "scratch"), ("margin", "margin"),
     ("on_32_bits", "on_32_bits"), (6, "kibibytes"), (14_536, "another_number"),
     ("many", "no_number"), (None, None), ({}, "no_number"), (float("nan"), "no_number")],
)  # fmt: skip
def test_the_arena_is_read_in_the_header(answer, mistake, namespace, tmp_path):
    project.export(namespace["watch"], tmp_path / "watch", name="watch")
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
