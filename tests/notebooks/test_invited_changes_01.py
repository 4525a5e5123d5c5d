"""Notebook 01 with one of the suite's networks in the place of EfficientNet-Lite0."""

import pytest
from changed_cells import everything_shows, run_changed  # noqa: F401

from course_utils.labs.weight_distributions import scenes
from course_utils.machines import models


@pytest.mark.parametrize("network", models.ARCHITECTURES)
def test_another_network(network):
    run_changed("01", "efficientnet_lite0()", f"own_network({network!r})")


def test_the_reason_given_after_the_prediction_holds():
    exponents = scenes.exponents(scenes.efficientnet_lite0())
    most_used = sorted(exponents.exponents[exponents.share.argsort()[::-1][:11]])
    assert exponents.used_by(0.99) == 11
    assert most_used == list(range(-12, -1))  # 2^-12 = 1/4096 up to 2 * 2^-2
