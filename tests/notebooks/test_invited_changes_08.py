"""Notebook 08 with what a student changes: the calibration data, the network that is converted."""

import pytest
from test_wrong_answers import as_shipped, code_of, in_the_notebooks_folder, run_cell  # noqa: F401

from course_utils.labs.post_training_quantization import scenes
from course_utils.machines import data, evaluation
from course_utils.views import checks
from course_utils.workshop.notebook_builder import sources

NOTEBOOK = next(source for source in sources() if source.name.startswith("08_"))


def cell_with(part):
    return next(text for text in code_of(NOTEBOOK) if part in text)


@pytest.mark.tensorflow
@pytest.mark.parametrize("scale", ["* 1", "* 0.001"])
def test_calibration_data_in_another_scale(scale):
    text = cell_with("warnings.catch_warnings").replace("* 255", scale)
    run_cell(text, dict(as_shipped(NOTEBOOK)))


@pytest.mark.tensorflow
@pytest.mark.parametrize("network", ["fashion_dscnn", "lenet_300_100"])
def test_another_network_is_converted(network, monkeypatch):
    monkeypatch.setattr(checks, "after", lambda ids, show: show())
    namespace = dict(as_shipped(NOTEBOOK))
    run_cell(cell_with("conversion.convert(model, mode").replace("fashion_cnn", network), namespace)
    run_cell(cell_with("scenes.bytes_table"), namespace)


def test_where_the_bytes_are():
    tflite = data.model("watch_cnn", "int8")
    table = scenes.bytes_table(evaluation.size(tflite))
    assert table.rows[-1][-1] == f"{len(tflite):,}"
    assert len(scenes.granularity_table().rows) == 2 * len(scenes.NETWORKS)


def test_two_files_of_one_network_differ_in_their_names_only():
    record = data.result("techniques").record["networks"]["fashion_cnn"]["int8"]["size"]
    shipped = evaluation.size(data.model("fashion_cnn", "int8"))
    assert (shipped.kernels, shipped.biases) == (record["kernels"], record["biases"])
    assert 0 < record["file"] - shipped.file < 300


def test_the_answers_to_the_predictions_are_far_from_the_next_range():
    assert 3.55 < scenes.file_ratio("fashion_cnn") < 3.85
    assert scenes.smaller_per_tensor("fashion_dscnn").value > 27


def test_what_the_prose_says_of_int8_is_what_was_recorded():
    rows = scenes.techniques("fashion_cnn")[0].rows
    assert next(row for row in rows if row.mode == "int8").loss_interval[1] < 0.5
