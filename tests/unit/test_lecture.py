"""One rule of verdict, one row a claim, and a page that lists them all."""

import re

import pytest

from course_utils import labs
from course_utils.views.checks import Measured, Row, beside_lecture, claims
from course_utils.views.checks.lecture import Claim, verdict
from course_utils.workshop import lecture_page


def claim(low, high, about=False, no_effect=None):
    return Claim("id", "words", "slide", low, high, "", about, no_effect)


EXACT = claim(4, 4, no_effect=1)
ABOUT = claim(1400, 1400, about=True)
UP_TO = claim(1, 6, no_effect=1)
RANGE = claim(1.1, 1.5, no_effect=1)
FASTER = claim(1, None, no_effect=1)
NO_MORE = claim(None, 0, no_effect=0)
NEGLIGIBLE = claim(None, 0.5, no_effect=0)
LOSS = claim(2.0, 2.0, no_effect=0)


@pytest.mark.parametrize(
    ("said", "measured", "state"),
    [
        (EXACT, 4, "agrees"),
        (EXACT, 3.97, "agrees"),  # 4.0, to two digits
        (EXACT, 3.94, "close"),
        (EXACT, 3.61, "close"),
        (EXACT, 3.5, "differs"),
        (EXACT, Measured(3.8, 3.6, 4.1), "agrees"),  # the interval meets it
        (EXACT, Measured(3.0, 0.9, 5.0), "not shown"),  # it leaves open whether there is any
        (ABOUT, 1462, "agrees"),
        (ABOUT, 1600, "close"),
        (ABOUT, 2070, "differs"),
        (UP_TO, 3.6, "agrees"),
        (UP_TO, 6.0, "agrees"),
        (UP_TO, 6.4, "close"),
        (UP_TO, 7.2, "differs"),
        (UP_TO, 1.0, "differs"),  # no improvement at all
        (UP_TO, Measured(1.1, 0.9, 1.3), "not shown"),
        (UP_TO, Measured(0.7, 0.6, 0.8), "differs"),
        (RANGE, 1.3, "agrees"),
        (RANGE, 1.6, "close"),
        (RANGE, 0.9, "differs"),
        (FASTER, Measured(1.2, 1.1, 1.3), "agrees"),
        (FASTER, Measured(1.2, 0.9, 1.5), "not shown"),
        (FASTER, Measured(0.8, 0.7, 0.9), "differs"),
        (NO_MORE, Measured(-0.2, -0.3, -0.1), "agrees"),
        (NO_MORE, Measured(0.05, -0.1, 0.2), "not shown"),  # "Accuracy <= hybrid", by chance?
        (NO_MORE, Measured(0.16, 0.11, 0.21), "differs"),
        (NO_MORE, 0, "agrees"),
        (NEGLIGIBLE, Measured(0.0, -0.02, 0.02), "agrees"),
        (NEGLIGIBLE, Measured(0.5, 0.0, 1.1), "not shown"),
        (NEGLIGIBLE, Measured(2.0, 1.5, 2.5), "differs"),
        (LOSS, Measured(2.7, 2.1, 3.3), "close"),
        (LOSS, Measured(2.7, 2.5, 2.9), "differs"),
        (LOSS, Measured(1.0, -0.5, 2.5), "not shown"),
        (claim(0, 0), 0, "agrees"),
        (claim(0, 0), 1, "differs"),
    ],
)  # fmt: skip
def test_the_rule(said, measured, state):
    assert verdict(said, measured) == state


def test_conditions_that_differ_come_first():
    row = Row("int8_size", 4.0, "here", unlike="Another device.")
    assert (row.state, row.reason) == ("not comparable", "Another device.")


@pytest.mark.parametrize(
    ("id", "text"),
    [
        ("int8_size", "4 ×"),
        ("pruning_speedup", "up to 6 ×"),
        ("ops_tensorflow", "about 1,400 operators"),
        ("compress", "more than 1 ×"),
        ("float16_loss", "at most 0.5 points"),
        ("hybrid_conv_speed", "1.1 to 1.5 ×"),
        ("nano_ram", "262,144 bytes"),
        ("weight_range", "at least 50 %"),
    ],
)
def test_a_claim_in_words(id, text):
    assert str(claims()[id]) == text


ROWS = [
    Row("ops_tensorflow_lite", 207, "LiteRT", why="It has <grown>."),
    Row("int8_size", Measured(3.9, 3.8, 4.0, "×"), "a file"),
    Row("integer_loss", Measured(0.0, -0.1, 0.1), "int8 against hybrid"),
]


def test_beside_lecture_is_an_accessible_table():
    bundle = beside_lecture(ROWS, "Measured here & said there")._repr_mimebundle_()
    html = bundle["text/html"]
    assert html.count('scope="col"') == 4
    assert html.count('scope="row"') == len(ROWS)
    assert re.search(r"<caption[^>]*>Measured here &amp; said there</caption>", html)
    for text in ("≠ differs", "✓ agrees", "? not shown", "It has &lt;grown&gt;.", "leaves it open"):
        assert text in html
    assert "“~130” (Framework Differences): about 130 operators" in bundle["text/plain"]


def test_a_table_needs_rows_a_caption_and_known_claims():
    for rows, caption in ([], "caption"), (ROWS, ""):
        with pytest.raises(ValueError, match="at least one Row"):
            beside_lecture(rows, caption)
    with pytest.raises(KeyError):
        beside_lecture([Row("nobody", 1, "said")], "caption")


def test_every_claim_has_one_row_at_most_and_every_notebook_shows_its_own():
    found = lecture_page.rows()
    assert set(found) <= set(claims())
    for number in {number for number, _ in found.values()}:
        assert "../notebooks/" in lecture_page.cell_of(number)


@pytest.mark.parametrize("lab", labs.found(), ids=str)
def test_what_does_not_agree_says_why(lab):
    module = lab.module("lecture")
    for row in module.rows() if module else ():
        assert row.state == "agrees" or row.reason != "Why? Nobody has explained it yet.", row.claim


def test_the_page_is_fresh():
    assert lecture_page.PAGE.read_text("utf-8") == lecture_page.page()
