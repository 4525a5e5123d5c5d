"""Operators alone, and how far two engines' codes are apart."""

import numpy as np
import pytest
from tflite_tools import Writer

from course_utils.machines import evaluation, operators


def test_an_operator_alone_reads_all_that_the_file_does_not_hold():
    writer = Writer()
    x, a, b, y = (writer.tensor([1, 4], "float32") for _ in range(4))
    writer.operator("ADD", [x, writer.constant(np.ones(4), "float32")], a,
                    fusedActivationFunction="NONE")  # fmt: skip
    writer.operator("LOGISTIC", [x], b)
    writer.operator("MUL", [a, b], y, fusedActivationFunction="NONE")
    tflite = writer.bytes([x], [y])
    ours, theirs = (np.full((3, 4), value, np.float32) for value in (2, 5))
    assert (evaluation.run(operators.single_operator(tflite, 0), ours) == 3).all()
    assert (evaluation.run(operators.single_operator(tflite, 2), (ours, theirs)) == 10).all()


def test_a_difference_is_counted_in_codes():
    ours, theirs = np.int8([[1, 2], [127, 4]]), np.int8([[1, 3], [-128, 4]])
    assert operators.difference(ours, theirs) == {
        "differing": 2, "inputs": 2, "by": {"1": 1, "255": 1}
    }  # fmt: skip
    for other in (theirs.astype(np.float32), theirs[:1], theirs[:, :1]):
        with pytest.raises(ValueError, match="Only codes of one shape"):
            operators.difference(ours, other)
