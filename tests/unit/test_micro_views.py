"""Notebook 11: what scenes say of the records, what the explorers show, what answers are told."""

import importlib.util

import numpy as np
import pytest

from course_utils.labs.tflite_micro_export import explorers, figures, lecture, project, scenes
from course_utils.machines import data, frameworks, micro
from course_utils.views import checks
from course_utils.views.checks import check
from course_utils.workshop import book


@pytest.fixture(autouse=True)
def fresh_ledger(monkeypatch):
    monkeypatch.setattr(checks.ledger, "LEDGER", checks.ledger.Ledger())


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("int8", "passed"),
        (..., "not attempted"),
        ("float16", "float16"),
        ("dynamic", "dynamic"),
        ("float32", "not_the_smallest"),
        ("int16x8", "not_the_smallest"),
        ("int4", "not_a_mode"),
        ({"int8"}, "not_a_mode"),
    ],
)
def test_which_file_to_flash(answer, told):
    result = check("11.send", answer, files=scenes.files("watch_cnn"))
    assert told == (result.mistake or result.state)
    assert result.state == "not attempted" or told == "passed" or result.says


def test_the_smallest_file_that_does_not_run_is_a_trap_where_it_is_smaller():
    files = {"dynamic": (10, False), "int8": (20, True), "float32": (40, True)}
    assert check("11.send", "dynamic", files=files).mistake == "dynamic"
    assert "2.0 times" in check("11.send", "float32", files=files).says


def test_a_budget_adds_up_to_what_was_recorded():
    row = scenes.record("fashion_dscnn", "int8")
    state = scenes.budget("Raspberry Pi Pico", "fashion_dscnn", "int8")
    flash = micro.flash(data.model("fashion_dscnn"))
    assert (state.model, state.core, state.kernels) == flash[:3]
    assert state.head + state.tail == row["smallest_arena"]
    fit = micro.fit("Raspberry Pi Pico", flash.total, row["smallest_arena"])
    assert figures.left(state) == (fit.flash_left, fit.ram_left)
    assert state.verdict.startswith("It fits:")


@pytest.mark.parametrize(
    ("board", "network", "mode", "words"),
    [
        ("Arduino Uno R3", "watch_cnn", "int8", ["of flash and 3.4 KiB of RAM", "32-bit",
                                                 "no smaller model helps"]),
        ("Arduino Nano 33 BLE", "lenet_300_100", "float32", ["KiB of flash are missing",
                                                             "Shrink the weights"]),
        ("Arduino Nano 33 BLE", "watch_cnn", "dynamic", ["does not run", "full integers"]),
        ("Arduino Nano 33 BLE", "watch_cnn", "float16", ["reads float16", "full integers"]),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_with_what_to_do(board, network, mode, words):
    state = scenes.budget(board, network, mode)
    for word in words:
        assert word in figures.alt_budget(state)


def test_the_flash_that_is_missing_is_what_model_and_code_take_beyond_the_boards():
    """Added up here from the records, by none of the functions that the budget calls."""
    state = scenes.budget("Arduino Nano 33 BLE", "lenet_300_100", "float32")
    row = data.result("tflm_networks").record["networks"]["lenet_300_100"]["float32"]
    code = data.result("tflm_flash").record["kernels"]["cmsis_nn"]
    used = set(row["operators"])
    kernels = sum(part["code"] for part in code["parts"] if used & set(part["operators"]))
    need = row["file_bytes"] + code["core"] + kernels
    (nano,) = [board for board in data.boards() if board["name"] == "Arduino Nano 33 BLE"]
    missing = need - nano["usable_flash_bytes"]
    assert missing > 0
    assert f"{missing / 1024:.1f} KiB of flash are missing" in state.verdict
    assert figures.left(state)[0] == -missing


def test_a_board_that_is_not_there_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'Arduino Uno R3'"):
        scenes.budget("Arduino Uno", "watch_cnn", "int8")


def test_a_large_activation_is_told_to_shrink(monkeypatch):
    small = {**micro.BOARDS["Arduino Nano 33 BLE"], "name": "small", "ram_bytes": 16 * 1024}
    monkeypatch.setattr(data, "boards", lambda: [small])
    state = scenes.budget("small", "fashion_cnn", "float32")
    assert "39.4 KiB of RAM are missing" in state.verdict
    assert "Shrink the activations (52.8 KiB)" in state.advice


def test_lifetimes_say_what_tflm_measured_also_in_16_bits():
    for network in scenes.NETWORKS:
        for mode in sorted(scenes.runs(network)):
            states = scenes.lifetimes(network, mode)
            extra = states[0].head - max(states[0].alive)
            assert extra >= 0, (network, mode)
            assert extra == 0 or mode != "int8", (network, mode)
    with pytest.raises(ValueError, match="does not run watch_cnn in float16"):
        scenes.lifetimes("watch_cnn", "float16")
    with pytest.raises(ValueError, match="was not measured"):
        scenes.lifetimes("watch_cnn", "int4")


def test_the_explorer_moves_and_refuses_nothing():
    explorer = explorers.budget()
    assert explorer.result.verdict.startswith("It fits")
    explorer.set(board="Arduino Uno R3", network="lenet_300_100", mode="float32")
    assert "does not fit" in explorer.result.verdict
    assert explorer.figure.moving["model"].get_width() == pytest.approx(figures.END)
    explorer.set(mode="float16")
    assert "does not run" in explorer.figure.moving["verdict"].get_text()
    assert explorer.figure.moving["head"].get_width() == 0
    explorer.set(board="ESP32-S3-DevKitC-1-N8", mode="int8")
    bars = [explorer.figure.moving[part].get_width() for part in figures.FLASH]
    assert sum(bars) == pytest.approx(
        1 - figures.left(explorer.result)[0] / explorer.result.flash
    )


def test_the_sweep_starts_at_the_peak_and_names_what_is_alive():
    sweeps = explorers.lifetimes()
    sweep = sweeps.choose("fashion_dscnn")
    assert sweep.index == 2
    assert "DEPTHWISE_CONV_2D 1, CONV_2D 2 must be in RAM, 9,408 bytes" in sweep.alts[2]
    sweep.index = 11
    assert sweep.figure.moving["words"].get_text() == "2 tensors, 32 bytes"


def test_the_table_of_boards_says_what_the_budgets_say():
    state = scenes.fits()
    for row, name in enumerate(state.rows):
        for board, has in enumerate(state.boards):
            one = scenes.budget(has, *name.split())
            fits = figures.cell(state, row, board) == "fits"
            assert fits == one.verdict.startswith("It fits"), (name, has)


@pytest.mark.parametrize("figure", ["fig-board-budget", "fig-board-fits"])
def test_figures_of_boards_are_drawn_again_when_a_board_is_corrected(figure):
    (entry,) = book.find([figure])
    data.boards.cache_clear()
    with data.reads() as read:
        entry.scene()
    assert "boards.json" in read


def test_answers_come_from_the_record_that_holds_them():
    rows = scenes.compared("watch_cnn", "int8")
    recorded = data.result("integer_equality").record["networks"]["watch_cnn"]
    assert rows["LiteRT XNNPACK"]["differing"] == recorded["others"]["LiteRT XNNPACK"]["differing"]
    assert rows["integer engine"]["differing"] == 0
    for network in scenes.NETWORKS:
        assert scenes.compared(network, "float32")["LiteRT reference"]["differing"] == 0
        assert all(row["changed"] == 0 for row in scenes.compared(network, "int16x8").values())
        names = {name.split()[0] for name in scenes.where_int16x8_differs(network)}
        assert names <= {"FULLY_CONNECTED", "SOFTMAX"}
        assert all(by == 1 for _, by in scenes.where_int16x8_differs(network).values())


def test_frameworks_are_counted_and_stand_below_the_lecture_s_words(monkeypatch):
    rows = lecture.rows()[:3]
    assert [row.measured.value for row in rows[1:]] == [
        frameworks.count_builtin_operators(),
        len(data.result("tflm_runtime").record["known"]),
    ]
    monkeypatch.setattr(
        frameworks, "facilities",
        lambda: {name: {"gradients": name == "TensorFlow", "converter": False}
                 for name in ("TensorFlow", "LiteRT")},
    )  # fmt: skip
    table = scenes.framework_table({"TensorFlow": 2000.0, "LiteRT": 9.0})
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["Inference: here"][0].startswith("2,000 µs")
    assert rows["Inference: here"][2] == "not installed"
    assert rows["Training: the lecture"] == ("Yes", "No", "No")


def test_without_the_wheel_all_that_was_recorded_is_there(monkeypatch, tmp_path):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    watch = data.model("watch_cnn")
    assert micro.missing()
    files = dict.fromkeys(scenes.MODES, watch)
    tried = {mode: said for mode, _, said in scenes.tried(files, None).rows}
    assert tried["int8"] == "runs"
    assert tried["dynamic"].startswith("refuses it: ")
    assert micro.compatibility(watch).should_run
    assert micro.Arena(**scenes.record("watch_cnn", "int8")["arena"]).total == 5504
    assert micro.flash(watch).model == len(watch)
    assert micro.export_project(micro.one_scale(watch), tmp_path / "watch", name="watch")
    for function in (micro.arena, micro.smallest_arena):
        with pytest.raises(ImportError, match="Linux"):
            function(watch)
    with pytest.raises(ImportError, match="Linux"):
        micro.operators()


def test_an_excerpt_is_found_or_refused(tmp_path, capsys):
    (tmp_path / "a.cpp").write_text("one\ntwo\nthree\n", encoding="utf-8")
    project.excerpt(tmp_path, "a.cpp", "tw", 2)
    assert capsys.readouterr().out == "a.cpp:\ntwo\nthree\n"
    project.excerpt(str(tmp_path), "a.cpp", "four", 1)
    assert "has a line with 'four'" in capsys.readouterr().out


def test_the_input_code_of_the_exercise_is_the_suites():
    from course_utils.labs.tflite_micro_export.exercises import input_code
    from course_utils.numbers import quantization

    qparams = quantization.QParams(0.05, 7, -128, 127)
    x = np.random.default_rng(0).normal(scale=4, size=2000).astype(np.float32)
    expected = quantization.quantize(x, qparams)
    assert [input_code(float(v), 0.05, 7) for v in x] == expected.tolist()


def test_two_files_of_one_network_hold_the_same_numbers_or_it_says_so():
    shipped, other = data.model("fashion_dscnn"), data.model("fashion_dscnn_qat")
    assert "with the same numbers" in scenes.two_files("fashion_dscnn", shipped).caption
    assert "with different numbers" in scenes.two_files("fashion_dscnn", other).caption


def test_flash_is_told_for_both_kernels_and_the_c_library_apart():
    watch = data.model("watch_cnn")
    arm, reference = micro.flash(watch), micro.flash(watch, "reference")
    rows = {row[0]: row[1:3] for row in scenes.flash_table(arm, reference).rows}
    assert rows["model"] == ("14,536", "14,536")
    assert rows["kernels"] == (f"{arm.kernels:,}", f"{reference.kernels:,}")
    assert rows["together"] == (f"{arm.total:,}", f"{reference.total:,}")
    assert rows["C library, apart"][0] == f"{arm.c_library:,}"


def test_what_students_write_runs_on_real_networks():
    def twice(sizes, first, last):
        return 2 * scenes.peak_bytes(sizes, first, last)

    plain = {row[0]: row for row in scenes.heads_table().rows}
    assert all(row[1] == row[2] for row in plain.values())
    assert scenes.heads_table(twice).rows[0][1] == "4,800"
    left = scenes.boards_table(91_093, 5_504, lambda *_: (1, 2)).rows
    assert {row[2:4] for row in left} == {("1", "2")}
    ways = {"right": scenes.input_code, "cut": scenes.cut_off, "far": lambda *_: 10**6}
    right, cut, far = scenes.first_lines(ways, windows=20).rows
    assert right[1] == "0.0%"
    assert 30 < float(cut[1].rstrip("%")) < 70
    assert float(far[1].rstrip("%")) > 90
