"""Notebook 11 with what a student changes: a file, a folder and a board of one's own."""

import pytest
from test_wrong_answers import code_of, in_the_notebooks_folder, run_cell  # noqa: F401

from course_utils.labs.tflite_micro_export import scenes
from course_utils.machines import data, micro
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
    start = next(i for i, text in enumerate(cells) if "scenes.export(" in text)
    first = cells[start].replace('Path(tempfile.mkdtemp()) / "watch"', repr(str(folder)))
    assert first != cells[start]
    return [first.replace("Arduino Nano 33 BLE", board), *cells[start + 1 : start + 3]]


@pytest.fixture
def namespace():
    return {"watch": data.model("watch_cnn", "int8"), "micro": micro, "scenes": scenes}


@pytest.mark.parametrize("board", [*micro.BOARDS, "my own board"])
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
    scenes.export(namespace["watch"], tmp_path)
    said = capsys.readouterr().out
    assert "holds mine.txt" in said
    assert said.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_what_the_prose_says_is_what_was_recorded():
    for name in scenes.NETWORKS:
        alive = micro.alive(micro.activations(data.model(name, "int8")))
        assert max(alive) == scenes.record(name, "int8")["arena"]["head"]
        assert scenes.compared(name, "float32")["LiteRT reference"]["differing"] == 0
        assert scenes.compared(name, "int8")["integer engine"]["differing"] == 0
        assert all(row["changed"] == 0 for row in scenes.compared(name, "int16x8").values())
    assert scenes.compared("watch_cnn", "float32")["LiteRT XNNPACK"]["differing"] > 2000
    assert 2048 < scenes.record("watch_cnn", "int8")["smallest_arena"] < 8000
