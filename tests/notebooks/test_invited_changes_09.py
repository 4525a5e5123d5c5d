"""Notebook 09 with what a student changes: bits and scales of the network that is trained."""

import pytest
from test_wrong_answers import as_shipped, code_of, in_the_notebooks_folder, run_cell  # noqa: F401

from course_utils.labs.quantization_aware_training import scenes
from course_utils.machines import evaluation
from course_utils.views import checks
from course_utils.workshop.notebook_builder import sources

NOTEBOOK = next(source for source in sources() if source.name.startswith("09_"))
FEWER = {  # images, so that it takes seconds
    "images.x_train, images.y_train": "images.x_train[:256], images.y_train[:256]",
    "images.x_test, images.y_test": "images.x_test[:100], images.y_test[:100]",
}


@pytest.mark.tensorflow
@pytest.mark.parametrize(("bits", "per_channel"), [(2, False), (3, True), (8, True), (16, False)])
def test_other_bits_and_scales(bits, per_channel, monkeypatch):
    monkeypatch.setattr(checks, "after", lambda ids, show: show())
    namespace = dict(as_shipped(NOTEBOOK))
    for part in ("quantization_aware.fine_tune(", "scenes.trained_here("):
        text = next(text for text in code_of(NOTEBOOK) if part in text)
        for old, new in {
            **FEWER,
            '"weight_bits": 4': f'"weight_bits": {bits}',
            '"per_channel": False': f'"per_channel": {per_channel}',
        }.items():
            text = text.replace(old, new)
        run_cell(text, namespace)
    assert namespace["how"] == {"weight_bits": bits, "per_channel": per_channel}
    assert namespace["qat"].n == 100


def test_what_was_trained_is_shown_beside_what_was_recorded():
    worse, better = (evaluation.count([right] * 99) for right in (False, True))
    said = scenes.trained_here(worse, better, 4, per_channel=False)
    assert ("recorded, 20,000 images", "86.76%") in said.rows
    assert "not shown" not in repr(said)
    said = scenes.trained_here(better, worse, 7, per_channel=True)
    assert "recorded" not in repr(said)
    assert "not shown to have won" in repr(said)


def test_what_the_prose_says_is_what_was_recorded():
    values = scenes.bits_results().values
    assert max(values["ptq"][4]) < min(values["qat"][4])
    assert scenes.recovered(4).low > 80
    assert 1 < scenes.lost(4, "qat").low < scenes.lost(4, "qat").high < 10  # one choice holds it
    for method in ("ptq", "qat"):
        assert abs(scenes.lost(8, method, "ptq_vs_qat_8bit").value) < 0.5
    differing = [row for row in scenes.verdicts().rows if row[-1] == "a difference"]
    assert len(differing) == 4


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_other_bits_for_the_students_functions(bits, monkeypatch):
    monkeypatch.setattr("course_utils.labs.quantization_aware_training.loop.WATCHED", 200)
    namespace = dict(as_shipped(NOTEBOOK))
    text = next(text for text in code_of(NOTEBOOK) if "scenes.train(" in text)
    run_cell(text.replace("bits = 3", f"bits = {bits}"), namespace)
    run_cell(next(text for text in code_of(NOTEBOOK) if "explorers.curves" in text), namespace)
    assert len(namespace["runs"]["true gradient"].accuracy) > 10
