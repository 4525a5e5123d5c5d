"""Networks on emulated chips: the record, what notebooks say of it, the exercises on it."""

import numpy as np
import pytest
from test_c_project import compiler
from test_emulator import tools

from course_utils.engines import layer_specs
from course_utils.labs.structured_pruning import scenes as pruning_scenes
from course_utils.labs.tflite_micro_export import chips, exercises, project
from course_utils.machines import data, evaluation, micro
from course_utils.machines.micro import emulator
from course_utils.views import checks

RECORD = data.result("board_instructions").record
WATCH = data.model("watch_cnn")


def count(network, numbers, cpu, kernels="plain"):
    return emulator.count_of(emulator.recorded(network, numbers, cpu, kernels))


def test_no_recorded_output_differs_and_every_network_is_there():
    ran = [row for row in RECORD["rows"] if "refused" not in row]
    assert sum(row["differing"] for row in ran) == 0
    assert {row["network"] for row in ran} >= {*chips.NETWORKS, chips.SMALL, emulator.PROBE}
    assert {row["cpu"] for row in ran} == set(micro.CPUS)


def test_the_c_takes_no_more_instructions_than_tflm():
    """3.15 million are TFLM's reference kernels', 0.95 CMSIS-NN's, for one Watch window."""
    assert count("watch_cnn", "int8", "cortex-m4f") <= 3.15e6
    assert count("watch_cnn", "int8", "cortex-m4f", "SIMD") <= 1.2 * 0.95e6


def test_what_notebooks_08_and_11_say_of_float_and_int8():
    for network in chips.NETWORKS:
        in_float = count(network, "float32", "cortex-m3")
        assert in_float > 5 * count(network, "int8", "cortex-m3")
        in_float = count(network, "float32", "cortex-m4f")
        assert 1.2 < count(network, "int8", "cortex-m4f") / in_float < 1.32  # "a quarter more"
        assert in_float < 0.95 * count(network, "int8", "cortex-m4f")
        assert in_float > 1.1 * count(network, "int8", "cortex-m4f", "SIMD")


def test_what_notebook_11_says_of_tflms_kernels():
    for network in chips.NETWORKS:
        ours = count(network, "int8", "cortex-m4f") / 1e6
        with_simd = count(network, "int8", "cortex-m4f", "SIMD") / 1e6
        reference, arm = (chips._tflm(network, target) for target in chips.TFLM)
        assert reference > ours
        assert 0.6 < arm / with_simd < 1.02  # as many, or up to two fifths fewer


def test_what_notebook_03_says_of_zeros_and_channels():
    for network in ("watch_cnn", "fashion_cnn"):
        for kernels in ("plain", "SIMD"):
            whole = count(network, "int8", "cortex-m4f", kernels)
            zeros = count(f"{network}, 90 % zeros", "int8", "cortex-m4f", kernels)
            halved = count(f"{network}, half the channels", "int8", "cortex-m4f", kernels)
            assert zeros == pytest.approx(whole, rel=0.002)
            assert 2 < whole / halved < 3.1
    gains = {float(row[0].split()[0]): (float(row[3]), float(row[6]))
             for row in pruning_scenes.zeros_skipped().rows}  # fmt: skip
    assert gains[0][0] > 1 > gains[25][0]  # on the AVR it pays from a quarter of zeros on
    assert gains[50][1] > 1.02  # on the Cortex-M4F it breaks even at about 70 %
    assert gains[70][1] == pytest.approx(1, abs=0.02)
    assert 0.98 > gains[90][1] > 0.85


def test_what_notebook_05_says_of_the_avr():
    in_float, in_int8 = (count(emulator.PROBE, kind, chips.AVR) for kind in ("float32", "int8"))
    assert 5 < in_float / in_int8 < 10
    assert 40 < in_int8 / (64 * 16) < 50  # in the table, with the rescaling of the sums


def test_what_notebooks_03_and_11_say_of_a_multiplication_on_the_avr():
    """Two convolutions, two unknowns: cycles of a multiplication and addition, and of a sum."""
    layers = emulator.recorded(chips.SMALL, "int8", chips.AVR)["layers"]
    network = data.checkpoint(chips.SMALL)
    rows = [row for row in layer_specs.describe(network.layers, network.input_shape)
            if row.op == "conv2d"]  # fmt: skip
    work = [(row.macs, np.prod(row.output_shape)) for row in rows]
    each, around = np.linalg.solve(work, [layers[name] for name in ("conv_2d 0", "conv_2d 1")])
    assert 25 < each < 35  # "some thirty cycles"
    assert 700 < around < 1300  # "about a thousand"


def test_only_the_small_network_in_int8_fits_the_avr():
    refused = {(row["network"], row["numbers"]): "refused" in row
               for row in RECORD["rows"] if row["cpu"] == chips.AVR}  # fmt: skip
    assert not refused[chips.SMALL, "int8"]
    assert refused[chips.SMALL, "float32"]
    assert all(refused[name, "int8"] for name in chips.NETWORKS)
    row = emulator.recorded(chips.SMALL, "int8", chips.AVR)
    assert row["unit"] == "cycles"
    assert row["ram"] + row["stack"] < 2048
    assert row["flash"] < 32_768
    assert 50 < chips.milliseconds() < 250


def test_a_row_that_is_not_on_record_is_named():
    with pytest.raises(KeyError, match="no row for"):
        emulator.recorded("watch_cnn", "int8", "z80")


@pytest.mark.parametrize("cpu", ["cortex-m4f", "atmega328p"])
def test_the_record_is_what_the_chips_say_here(cpu):
    """Other versions of a compiler make other code: a few per cent."""
    tools(cpu)
    x = data.load("watch").x_test[: emulator.COUNT]
    (row,) = micro.measure_on_cpus(data.model(chips.SMALL), x, (cpu,), ("plain",))
    expected = emulator.recorded(chips.SMALL, "int8", cpu)
    assert row["differing"] == 0
    np.testing.assert_allclose(row["counts"], expected["counts"], rtol=0.1)


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [
        ("conv_2d 2", None), (" conv_2d 2 ", None), ("conv_2d 4", "most_weights"),
        ("conv_2d 0", "not_the_most"), ("mean 5", "not_the_most"), ("conv2", "no_layer"),
        (7, "no_layer"), (None, "no_layer"), (["conv_2d 2"], "no_layer"),
    ],
)  # fmt: skip
def test_the_dearest_layer(answer, mistake):
    found = exercises.dearest_layer(answer)
    assert found.mistake == mistake
    assert (found.state == "passed") == (mistake is None)


def test_not_answered_is_not_wrong(capsys):
    assert exercises.dearest_layer(...).state == "not attempted"
    assert chips.halve(...) is None
    assert "Answer first" in capsys.readouterr().out


@pytest.mark.parametrize(
    "layer", [None, "mean 5", 3, "fully_connected 6", float("nan"), np.array(["conv_2d 0"] * 2)]
)
def test_a_layer_that_has_no_channels_to_lose_gets_a_sentence(layer, capsys):
    assert chips.halve(layer) is None
    assert "'conv_2d 0', 'conv_2d 2', 'conv_2d 4'" in capsys.readouterr().out


# --- the C in hand --------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    compiler()
    folder = tmp_path / "watch_c"
    assert chips.export(WATCH, folder).rows
    return folder


def test_the_rounding_broken_and_put_back(folder, capsys):
    assert exercises.broken_rounding(chips.self_test(folder)).state == "not attempted"
    old = "((x & mask) > (mask >> 1) + (x < 0))"
    project.change(folder, "kernels.c", old, "0")
    tested = chips.self_test(folder)
    assert (tested.changed, tested.passed, tested.compiled) == (("kernels.c",), False, True)
    assert exercises.broken_rounding(tested) == checks.exercises.PASSED
    (folder / ".ipynb_checkpoints").mkdir()  # JupyterLab's, of a file that was opened and saved
    said = chips.export(WATCH, folder).said
    assert said.startswith("kernels.c had been changed")
    assert "0" in (folder.with_name("watch_c_changed_1") / "kernels.c").read_text("utf-8")
    assert chips.self_test(folder).passed
    assert chips.export(WATCH, folder).said == "", "nothing was changed"


@pytest.mark.parametrize(
    ("old", "new", "mistake"),
    [
        ("return clip", "return clap(", "does_not_compile"),
        ("return (x >> exponent)", "volatile int zero = 0; return x / zero", "no_verdict"),
        ("{\n  return x < low", "{ /* as before */\n  return x < low", "nothing_broken"),
    ],
)
def test_changes_that_break_no_rounding(old, new, mistake, folder):
    path = folder / "kernels.c"
    text = path.read_text("utf-8")
    path.write_text(text.replace(old, new) if old in text else text + new, "utf-8")
    assert exercises.broken_rounding(chips.self_test(folder)).mistake == mistake


def test_what_a_stopped_program_says_is_shown(folder, capsys):
    project.change(folder, "kernels.c", "return (x >> exponent)",
                   "volatile int zero = 0; return x / zero")  # fmt: skip
    tested = chips.self_test(folder)
    assert "crashed" in tested.no_verdict
    assert tested.no_verdict in repr(tested)
    (folder / "kernels.h").unlink()
    assert chips.self_test(folder) is None
    assert "kernels.h is missing" in capsys.readouterr().out


def test_outputs_of_other_inputs_get_a_sentence(folder, capsys):
    codes = evaluation.to_input(data.load("watch").x_test[:3], WATCH)
    assert chips.on_chips(folder, codes, codes[:2]) is None
    assert "3 inputs and the outputs of 2" in capsys.readouterr().out


def test_a_file_in_another_encoding_is_left_alone(folder, capsys):
    kernels = folder / "kernels.c"
    kernels.write_bytes(kernels.read_bytes() + "/* \xfc */".encode("latin-1"))
    project.change(folder, "kernels.c", "mask >> 1", "mask")
    assert "not saved as UTF-8" in capsys.readouterr().out
    project.excerpt(folder, "kernels.c", "int32_t dot(", 1)
    assert "int32_t dot(" in capsys.readouterr().out


def test_what_is_no_result_gets_a_sentence():
    assert exercises.broken_rounding(None).mistake == "no_result"


def test_a_folder_of_somebody_else_is_left_alone(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("mine")
    assert chips.export(WATCH, tmp_path) is None
    assert "thesis.txt" in capsys.readouterr().out
    assert (tmp_path / "thesis.txt").read_text() == "mine"
    assert chips.self_test(tmp_path / "nowhere") is None
    assert "no exported C project" in capsys.readouterr().out


def test_without_an_emulator_the_recorded_row_stands_in(folder, monkeypatch, capsys):
    monkeypatch.setattr(emulator, "missing_tool", lambda cpu="": "There is no emulator.")
    codes = evaluation.to_input(data.load("watch").x_test[:1], WATCH)
    table = chips.on_chips(folder, codes, codes)
    assert [row[-1] for row in table.rows] == ["recorded"] * len(chips.ON_CHIPS)
    assert capsys.readouterr().out.count("recorded one") == len(chips.ON_CHIPS)
    assert chips.halve("conv_2d 0") is None


@pytest.mark.parametrize("cpu", ["cortex-m4f", "cortex-m0"])
def test_skipping_zeros_changes_no_output(cpu, tmp_path):
    tools(cpu)
    tflite = data.model(chips.SMALL)
    micro.export_c(tflite, tmp_path / "c")
    codes = evaluation.to_input(data.load("watch").x_test[:3], tflite)
    plain, skipped = (
        micro.run_on(tmp_path / "c", codes, cpu, skip_zeros=skip) for skip in (False, True)
    )
    np.testing.assert_array_equal(plain.outputs, skipped.outputs)
    assert plain.counts != skipped.counts
