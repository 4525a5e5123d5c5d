"""Which runtime runs a file, and rightly: TFLM's revisions, the libraries made from it."""

import importlib.util

import numpy as np
import pytest
from tflite_tools import Writer, pack, unpack

from course_utils.engines import tflite_file
from course_utils.engines.integer_engine import IntegerModel
from course_utils.labs.tflite_micro_export import trials
from course_utils.machines import conversion, data, evaluation, micro, models
from course_utils.machines.micro import interpreter, kernels
from course_utils.machines.micro.project import export

needs_tflm = pytest.mark.skipif(
    importlib.util.find_spec("tflite_micro") is None, reason="tflite-micro is not installed"
)
CHIRALE = "Chirale_TensorFlowLite"
SAMPLES = np.random.default_rng(1).normal(0, 2, (3, 8)).astype(np.float32)


def dense(x="int8", scales=(0.01, 0.02, 0.04), weights="int8", bias_scale=None, seed=0):
    """One dense layer, 8 to len(scales) values: its bytes."""
    rng, w = np.random.default_rng(seed), Writer()
    x_scale, scales = 0.05, np.float32(scales)
    first = w.tensor((1, 8), x, scale=x_scale)
    kernel = w.constant(rng.integers(-127, 128, (3, 8)), weights, scale=scales)
    bias = w.constant(
        rng.integers(-900, 900, 3), "int64" if x == "int16" else "int32",
        scale=bias_scale or x_scale * scales,
    )  # fmt: skip
    y = w.tensor((1, 3), x, scale=0.2)
    w.operator("FULLY_CONNECTED", [first, kernel, bias], y)
    return w.bytes([first], [y])


# --- by name and revision -------------------------------------------------------------------------


def test_a_runtime_is_found_by_name_version_and_revision():
    newest = micro.runtime(CHIRALE)
    assert newest == micro.runtime(f"{CHIRALE} {newest.version}") == micro.runtime(newest)
    assert newest == micro.runtime(f"{CHIRALE} {newest.revision}")
    with pytest.raises(ValueError, match=r"no runtime 'Chirale'; there are TFLM .*pico-tflmicro"):
        micro.runtime("Chirale")


def test_the_known_runtimes_are_dated_sourced_and_the_newest_of_a_name_comes_first():
    known = micro.runtimes()
    assert len(set(map(str, known))) == len(known)
    for one in known:
        assert micro.runtime(one.name).date >= one.date
        assert one.revision in one.source
        assert set(one.dense_per_channel) == {"int8", "int16"}
        assert set(one.dense_per_channel.values()) <= {"each", "first", "refused", "unset"}
        assert {"CONV_2D", "FULLY_CONNECTED", "SOFTMAX"} <= one.operators
    # The operators of TFLM's resolver are those that the interpreter was found to know.
    newest = micro.runtime("TFLM")
    assert newest.operators == set(data.result("tflm_runtime").record["known"])
    assert newest.custom_operators == set(data.result("tflm_kernels").record["custom"])
    # Scales per channel are read since 27 September 2024, in int8.
    for one in known:
        assert (one.dense_per_channel["int8"] == "each") == (one.date >= "2024-12-26")


@pytest.mark.parametrize(
    ("x", "runtime", "said", "wrong"),
    [
        ("int8", "TFLM", "", False),
        ("int16", "TFLM", "", False),
        ("int8", "TFLM with CMSIS-NN", "", False),
        ("int16", "TFLM with CMSIS-NN", "3 scales, with which it does not start in int16.", False),
        ("int8", "esp-tflite-micro", "", False),
        ("int16", "esp-tflite-micro", "3 scales, and in int16 none of them is read", True),
        ("int8", CHIRALE, "3 scales, and only the first is read: wrong answers.", True),
        ("int16", CHIRALE, "3 scales, and only the first is read: wrong answers.", True),
        ("int8", "TFLM 2024-09-26", "only the first is read", True),
    ],
)
def test_the_report_says_what_a_runtime_does_with_a_scale_per_channel(x, runtime, said, wrong):
    report = micro.compatibility(dense(x), runtime)
    assert report.should_run == (not said)
    assert report.wrong == wrong
    assert said in str(report)
    assert ("dense_per_channel=False" in str(report)) == bool(said)
    does = "answers wrongly with" if wrong else "will not run" if said else "should run"
    assert f"{micro.runtime(runtime)} {does} this model" in str(report)
    # Without a runtime the report says it of all known ones.
    everywhere = micro.compatibility(dense(x))
    assert everywhere.should_run
    elsewhere = {name for names in everywhere.elsewhere.values() for name in names}
    assert (str(micro.runtime(runtime)) in elsewhere) == bool(said)


@pytest.mark.parametrize("scales", [(0.02,), (0.02, 0.02, 0.02)])
def test_one_scale_and_equal_scales_are_right_where_the_first_is_read(scales):
    assert micro.compatibility(dense(scales=scales), CHIRALE).should_run
    assert (len(scales) > 1) == (
        not micro.compatibility(dense("int16", scales=scales), "TFLM with CMSIS-NN").should_run
    )


def test_an_operator_that_an_older_library_lacks_is_named():
    tflite = trials.trial("BATCH_MATMUL", "int8 int8")
    assert micro.compatibility(tflite).should_run
    report = micro.compatibility(tflite, CHIRALE)
    assert report.problems[0].startswith(f"{micro.runtime(CHIRALE)} has no operator BATCH_MATMUL.")
    assert not report.wrong
    said, names = next(iter(micro.compatibility(tflite).elsewhere.items()))
    assert said.startswith("It has no operator BATCH_MATMUL.")
    assert str(micro.runtime(CHIRALE)) in names


# --- what such a library answers ----------------------------------------------------------------


def with_the_first_scale_written(tflite):
    """The file as a library from before 2024-09-27 reads it, made by other means than `as_read`."""
    model = unpack(tflite)
    graph = model.subgraphs[0]
    for operator in graph.operators:
        code = model.operatorCodes[operator.opcodeIndex].builtinCode
        for index in operator.inputs[1:] if code == 9 else ():
            quantization = graph.tensors[index].quantization
            quantization.scale = quantization.scale[:1]
            quantization.zeroPoint = quantization.zeroPoint[:1]
    return pack(model)


@needs_tflm
@pytest.mark.parametrize("name", ["watch_cnn", "fashion_cnn"])
def test_as_read_answers_what_tflm_does_with_the_first_scale(name):
    tflite = data.model(name)
    codes = evaluation.to_input(data.load(models.DATASETS[name]).x_test[:60], tflite)
    theirs = micro.run(with_the_first_scale_written(tflite), codes)
    ours = IntegerModel(micro.as_read(tflite, CHIRALE)).run(codes)
    np.testing.assert_array_equal(ours, theirs)
    assert (ours != micro.run(tflite, codes)).any()
    same = micro.as_read(tflite, "TFLM")
    np.testing.assert_array_equal(IntegerModel(same).run(codes), micro.run(tflite, codes))


def test_what_cannot_be_computed_has_no_answers():
    with pytest.raises(ValueError, match=r"CMSIS-NN .* does not start in int16"):
        micro.as_read(dense("int16"), "TFLM with CMSIS-NN")
    with pytest.raises(ValueError, match="none of them is read"):
        micro.as_read(dense("int16"), "esp-tflite-micro")


def test_the_watch_network_loses_33_answers_where_the_first_scale_is_read():
    watch, dataset = data.model("watch_cnn"), data.load("watch")
    codes = evaluation.to_input(dataset.x_test, watch)

    def right(graph):
        return int((IntegerModel(graph).run(codes).argmax(axis=1) == dataset.y_test).sum())

    recorded = data.result("dense_scales").record["networks"]["watch_cnn"]["int8"]
    shipped, one = recorded["per_channel"], recorded["made_of_the_file"]
    assert right(watch) == shipped["correct"] == 1074
    assert right(micro.as_read(watch, CHIRALE)) == 1041
    assert shipped["where_the_first_is_read"]["correct"] == 1041
    made = micro.one_scale(watch)
    assert right(made) == right(micro.as_read(made, CHIRALE)) == one["correct"]


def test_every_network_fails_with_a_scale_per_channel_and_passes_with_one_as_recorded():
    networks = data.result("dense_scales").record["networks"]
    assert len(networks) == 5
    for rows in networks.values():
        for kind, row in rows["int8"].items():
            there = row["where_the_first_is_read"]
            passes = kind != "per_channel"
            assert there["self_test"] == ("PASS" if passes else "FAIL")
            assert (there["differing"] == 0) == passes
            assert (there["correct"] == row["correct"]) or not passes


@pytest.mark.skipif(bool(micro.no_compiler()), reason="there is no C++ compiler")
def test_the_self_test_tells_a_library_that_reads_the_first_scale(tmp_path):
    watch = data.model("watch_cnn")
    micro.export_project(watch, tmp_path / "as_shipped", runtime="TFLM")
    micro.export_project(made := micro.one_scale(watch), tmp_path / "one_scale")
    for folder, tflite, passed in (("as_shipped", watch, False), ("one_scale", made, True)):
        answer = IntegerModel(micro.as_read(tflite, CHIRALE)).run
        found = micro.self_test(tmp_path / folder, tflite, answer=answer)
        assert found.passed == passed, found.lines
        assert micro.self_test(tmp_path / folder, tflite).passed


# --- one scale ----------------------------------------------------------------------------------


@pytest.mark.parametrize("x", ["int8", "int16"])
def test_one_scale_keeps_the_real_weights_within_half_a_step(x):
    before, after = (tflite_file.read(f) for f in (dense(x), micro.one_scale(dense(x))))
    for index in before.operators[0].inputs[1:]:
        old, new = before.tensors[index], after.tensors[index]
        assert new.scale.tolist() == [old.scale.max()]
        real = old.data * old.scale.astype(float).reshape(-1, *[1] * (old.data.ndim - 1))
        assert np.abs(new.data * float(new.scale[0]) - real).max() <= 0.5001 * new.scale[0]
        assert new.data.dtype == old.data.dtype
    assert micro.compatibility(after).elsewhere == {}


def test_one_scale_changes_nothing_else_and_the_old_codes_leave_the_file():
    for name in ("watch_cnn", "fashion_dscnn"):
        before = tflite_file.read(data.model(name))
        after = tflite_file.read(made := micro.one_scale(before))
        assert len(made) < len(before.file)
        changed = {i for op in before.operators if op.name == "FULLY_CONNECTED"
                   for i in op.inputs[1:]}  # fmt: skip
        for old, new in zip(before.tensors, after.tensors, strict=True):
            if old.index in changed:
                continue
            np.testing.assert_array_equal(old.scale, new.scale)
            assert (old.data is None) == (new.data is None)
            assert old.data is None or np.array_equal(old.data, new.data)
        assert micro.one_scale(made) == made  # nothing is left to do


def test_weights_that_cannot_be_given_one_scale_are_refused():
    w = Writer()
    x = w.tensor((1, 3), scale=0.1)
    computed = w.tensor((3, 3), scale=(0.1, 0.2, 0.3))
    y = w.tensor((1, 3), scale=0.1)
    w.operator("FULLY_CONNECTED", [x, computed, -1], y)
    with pytest.raises(ValueError, match=r"FULLY_CONNECTED.*dense_per_channel=False"):
        micro.one_scale(w.bytes([x, computed], [y]))
    w = Writer()
    x, y, z = (w.tensor((1, 3), scale=0.1) for _ in range(3))
    shared = w.constant(np.ones((3, 3)), "int8", scale=(0.1, 0.2, 0.3))
    w.operator("FULLY_CONNECTED", [x, shared, -1], y)
    w.operator("FULLY_CONNECTED", [y, shared, -1], z)
    with pytest.raises(ValueError, match="cannot be given one scale"):
        micro.one_scale(w.bytes([x], [z]))


@pytest.mark.tensorflow
def test_the_converter_gives_dense_layers_one_scale_and_convolutions_theirs():
    checkpoint = data.checkpoint("watch_cnn")
    model = models.set_weights(models.build("watch_cnn"), checkpoint.weights)
    inputs = data.load("watch").x_train[:20]
    converted = conversion.convert(model, "int8", inputs, dense_per_channel=False)
    made = micro.one_scale(conversion.convert(model, "int8", inputs))
    made, converted = tflite_file.read(made), tflite_file.read(converted)
    for ours, theirs in zip(made.operators, converted.operators, strict=True):
        if ours.name not in ("FULLY_CONNECTED", "CONV_2D"):
            continue
        a, b = made.tensors[ours.inputs[1]], converted.tensors[theirs.inputs[1]]
        assert a.scale.size == (1 if ours.name == "FULLY_CONNECTED" else a.shape[0])
        np.testing.assert_array_equal(a.scale, b.scale)
        # Rounded twice and once: a code apart at most.
        assert np.abs(a.data.astype(int) - b.data).max() <= (ours.name == "FULLY_CONNECTED")


# --- the exported project -----------------------------------------------------------------------


def test_the_project_is_right_on_the_first_route_that_its_readme_names(tmp_path):
    def exported(tflite, **how):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        micro.export_project(tflite, folder, samples=SAMPLES, **how)
        return (folder / "README.md").read_text(), (folder / "platformio.ini").exists()

    with pytest.raises(ValueError, match=r"Chirale_TensorFlowLite 2.0.0 answers wrongly with.*"
                       r'dense_per_channel=False.*one_scale.*runtime="TFLM"'):  # fmt: skip
        exported(dense())
    assert not list(tmp_path.iterdir())
    readme, platformio = exported(micro.one_scale(dense()))
    assert platformio
    assert "(90b983c), Chirale_TensorFlowLite 2.0.0 (46da2f9)" in readme
    assert "### Arduino IDE" in readme
    assert "not by" not in readme
    # Another board has no route by that library ...
    readme, platformio = exported(dense(), board="Raspberry Pi Pico")
    assert not platformio
    assert "not by TFLM 2024-09-26 (722913e), Chirale_TensorFlowLite 2.0.0 (46da2f9)" in readme
    # ... and whoever names a runtime is not sent to another that answers wrongly.
    readme, platformio = exported(dense(), runtime="TFLM with CMSIS-NN")
    assert not platformio
    assert "The Arduino library Chirale_TensorFlowLite does not give this" in readme
    assert "### Arduino IDE" not in readme
    with pytest.raises(ValueError, match="Chirale_TensorFlowLite 2.0.0 answers wrongly"):
        exported(dense(), runtime=CHIRALE)
    with pytest.raises(ValueError, match="no runtime 'Arduino'"):
        exported(dense(), runtime="Arduino")


def test_an_export_judges_a_network_once(tmp_path, monkeypatch):
    judged = []

    def counted(*arguments):
        judged.append(arguments)
        return micro.compatibility(*arguments)

    monkeypatch.setattr(export, "compatibility", counted)
    micro.export_project(micro.one_scale(dense()), tmp_path / "x", samples=SAMPLES)
    assert len(judged) == 1


@pytest.mark.parametrize("board", ["Arduino Nano 33 BLE", "Raspberry Pi Pico"])
def test_nothing_is_exported_for_a_library_that_answers_wrongly(tmp_path, board):
    """The sketch includes the Arduino library, and what it alone uses reads the motion sensor."""
    watch = data.model("watch_cnn")
    for name, tflite, right in (("a", watch, False), ("b", micro.one_scale(watch), True)):
        folder = tmp_path / name
        micro.export_project(tflite, folder, board, name="watch", runtime="TFLM")
        files = [path for path in folder.rglob("*") if path.is_file()]
        assert any(path.suffix == ".ino" for path in files) == right
        assert any(path.name == "motion.cpp" for path in files) == (right and "Nano" in board)
        text = {path.name: path.read_text() for path in files}
        for said in ("#include <Chirale", "watch.ino", "The sketch"):
            assert any(said in each for each in text.values()) == right, said
        assert ("LSM9DS1" in text["README.md"]) == (right and "Nano" in board)


@needs_tflm
def test_the_readme_names_no_kernels_that_do_not_start(tmp_path):
    with pytest.raises(ValueError, match="CMSIS-NN .* does not run this network: .*int16"):
        micro.export_project(dense("int16"), tmp_path / "x", "nRF52840 DK", samples=SAMPLES)
    micro.export_project(dense("int16"), tmp_path / "x", samples=SAMPLES, runtime="TFLM")
    readme = (tmp_path / "x" / "README.md").read_text()
    assert "cmsis_nn" not in readme
    assert "do not run this network" in readme


# --- types, custom operators, several graphs ----------------------------------------------------


def test_the_report_foresees_what_was_tried_of_each_operator_in_each_type():
    takes = data.result("tflm_kernels").record["takes"]
    for name in data.result("tflm_runtime").record["known"]:
        for kind in trials.kinds(name)[:: 1 if len(trials.kinds(name)) < 20 else 7]:
            graph = tflite_file.read(trials.trial(name, kind))
            assert kernels.key(graph.operators[0], graph.tensors) == kind
            report = micro.compatibility(graph)
            tried = kind in takes[name]
            half = "float16" in kind
            # Some kernels read the weights' bytes as floats, whatever they are.
            hybrid = kind.startswith("float32 ") and "->" not in kind and kind != "float32 float32"
            indices = name in ("GATHER", "GATHER_ND")
            expected = tried and not half and (indices or not hybrid)
            assert report.should_run == expected, (name, kind, report.problems)


@needs_tflm
@pytest.mark.parametrize("name", ["CONV_2D", "LOGISTIC", "CONCATENATION", "QUANTIZE", "GATHER"])
def test_the_installed_tflm_takes_what_was_recorded(name):
    takes = data.result("tflm_kernels").record["takes"][name]
    for kind in trials.kinds(name)[::3]:
        said = interpreter.in_tflm(trials.runs, trials.trial(name, kind))
        assert (said == "") == (kind in takes), (kind, said)


def test_uint8_is_refused_where_there_is_no_kernel_and_only_there():
    def problems(name, kind):
        return micro.compatibility(trials.trial(name, kind)).problems

    assert "LOGISTIC has no kernel for uint8 in TFLM." in problems("LOGISTIC", "uint8")[0]
    assert "CONV_2D has no kernel for uint8 with uint8" in problems("CONV_2D", "uint8 uint8")[0]
    assert "ARG_MAX has no kernel for int8 to int64" in problems("ARG_MAX", "int8 -> int64")[0]
    assert not problems("RESHAPE", "uint8")
    assert not problems("QUANTIZE", "uint8 -> int8")


def test_custom_operators_of_tflm_run_and_those_of_accelerators_are_told_so():
    assert micro.compatibility(trials.custom("SignalWindow")).should_run
    assert not micro.compatibility(trials.custom("SignalWindow"), CHIRALE).should_run
    for name, accelerator in (("ethos-u", "Ethos-U"), ("edgetpu-custom-op", "Edge TPU")):
        report = micro.compatibility(trials.custom(name))
        assert accelerator in report.problems[0]
        assert "from before it was compiled" in report.problems[0]
    assert "TFLM has no operator mine" in micro.compatibility(trials.custom("mine")).problems[0]


def test_the_operators_of_every_graph_are_judged():
    tflite = trials.trial("RELU", "int8")
    model = unpack(tflite)
    model.subgraphs.append(unpack(trials.trial("RELU", "uint8")).subgraphs[0])
    report = micro.compatibility(pack(model))
    assert [op.name for op in report.operators] == ["RELU", "RELU"]
    assert "RELU has no kernel for uint8" in report.problems[0]


@pytest.mark.parametrize(("logits", "warned"), [(511, False), (512, True), (1000, True)])
def test_a_softmax_that_may_end_the_program_is_a_warning(logits, warned):
    report = micro.compatibility(trials.softmax(logits))
    assert report.should_run  # with most inputs
    assert bool(report.warnings) == warned == ("ends the program" in str(report))
    if interpreter.missing():
        return
    equal = np.zeros((1, logits), np.int8)
    if warned:
        with pytest.raises(micro.Refused):
            micro.run(trials.softmax(logits), equal)
    else:
        assert micro.run(trials.softmax(logits), equal).shape == (1, logits)


def test_a_bias_whose_scale_is_not_that_of_the_sums_is_refused_as_tflm_does():
    wrong = dense(scales=(0.02,), bias_scale=0.9)
    problem = micro.compatibility(wrong).problems[0]
    assert "FULLY_CONNECTED has a bias with the scale 0.9, and its sums have 0.001" in problem
    assert micro.compatibility(dense(scales=(0.02,))).should_run
    if not interpreter.missing():
        with pytest.raises(micro.Refused):
            micro.run(wrong, np.zeros((1, 8), np.int8))
