"""Predict, check, and put what was measured beside what the lecture says.

A notebook shows six things from here:

    predict("01.sigma", "How many ...?", [...], reveal=...)   commit to a guess, then see
    check("02.threshold", magnitude_threshold)                is my answer right, and if not, why?
    yours("02.mask", magnitude_mask, pruning.magnitude_mask)  mine, on the real network
    beside_lecture([Row(...), ...], "caption")                measured here | the lecture says
    after("01.sigma", explorers.distributions)                covered until the guess is committed
    scoreboard()                                              the ledger

Everything displays as HTML and as plain text. Both are the same at every run, and neither holds
the answer to a question that has not been answered.
"""

from course_utils import env
from course_utils.views.checks import in_tab
from course_utils.views.checks.cover import Covered, after
from course_utils.views.checks.exercises import (
    NOT_ATTEMPTED,
    PASSED,
    Exercise,
    Mistake,
    Result,
    check,
    example_kernel,
    exercise,
    judge,
    not_yet,
)
from course_utils.views.checks.lecture import BesideLecture, Claim, Row, beside_lecture, claims
from course_utils.views.checks.ledger import Ledger, Prediction, Try
from course_utils.views.checks.measured import Measured
from course_utils.views.checks.prediction import PredictionWidget, predict
from course_utils.views.checks.scoreboard import Scoreboard, scoreboard
from course_utils.views.checks.yours import percentage, yours

__all__ = [
    "NOT_ATTEMPTED",
    "PASSED",
    "BesideLecture",
    "Claim",
    "Covered",
    "Exercise",
    "Ledger",
    "Measured",
    "Mistake",
    "Prediction",
    "PredictionWidget",
    "Result",
    "Row",
    "Scoreboard",
    "Try",
    "after",
    "beside_lecture",
    "claims",
    "check",
    "example_kernel",
    "exercise",
    "judge",
    "not_yet",
    "percentage",
    "predict",
    "scoreboard",
    "yours",
]

if env.IN_BROWSER:
    in_tab.start()
