"""What notebook 06 invites to change runs, and shows what the prose says that it does."""

import pytest
from test_wrong_answers import code_of, run_cell

from course_utils.labs.float_to_int8 import explorers, scenes
from course_utils.views import checks
from course_utils.workshop.notebook_builder import sources

(SOURCE,) = (path for path in sources() if path.stem.startswith("06"))
MEASURED = '"fashion_dscnn", 4, "per tensor, symmetric"'


@pytest.mark.parametrize(
    ("network", "bits", "scheme"),
    [("fashion_dscnn", 4, "per channel, symmetric"), ("fashion_dscnn", 8, "per tensor, affine"),
     ("fashion_cnn", 2, "per tensor, symmetric"), ("watch_cnn", 16, "per channel, symmetric")],
)  # fmt: skip
def test_the_measurement_takes_other_networks_bits_and_schemes(monkeypatch, network, bits, scheme):
    monkeypatch.chdir(SOURCE.parents[1])
    namespace = {"__name__": "__main__", "display": lambda *_, **__: None}
    (cell,) = (text for text in code_of(SOURCE) if "scenes.measure(" in text)
    namespace.update(checks=checks, scenes=scenes)
    run_cell(cell.replace(MEASURED, f"{network!r}, {bits}, {scheme!r}"), namespace)
    assert 0 <= namespace["quantized"].value <= 100


def test_four_bits_per_tensor_cost_what_the_notebook_expects():
    quantized, float32 = scenes.measure("fashion_dscnn", 4, "per tensor, symmetric")
    assert quantized.value < float32.value - 10


def test_with_three_bits_a_little_clipping_raises_the_sqnr():
    dense1 = "fashion_cnn", "dense1", "weights"
    assert scenes.mapping(dense1, 3, 60).sqnr_db > scenes.mapping(dense1, 3, 100).sqnr_db


@pytest.mark.parametrize("name", scenes.NETWORKS)
def test_every_network_s_calibration_can_be_looked_at(name):
    samples, methods, tensors = scenes.calibration_choices(name)
    explorers.calibration(name)
    for what, method in zip(samples, methods * len(samples), strict=False):
        for bits in (8, 4):
            scenes.calibration(name, what, method, bits, tensors[-1])
