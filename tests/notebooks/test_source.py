"""The parser of notebook sources: what a student sees, and every error it must not let pass."""

import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_utils.workshop import notebook_source
from course_utils.workshop.notebook_source import STUB, SourceError, read_cells, split_solution


def code(text):
    return textwrap.dedent(text).strip("\n")


def test_a_block_becomes_one_stub_at_its_indentation():
    solution, student = split_solution(
        code("""
        def threshold(weights, s):
            \"\"\"lambda = s * sigma\"\"\"
            # BEGIN SOLUTION
            sigma = weights.std()

            return s * sigma
            # END SOLUTION


        threshold(w, 1)
        """)
    )
    head = 'def threshold(weights, s):\n    """lambda = s * sigma"""\n'
    assert student == f"{head}    {STUB}\n\n\nthreshold(w, 1)"
    assert (
        solution == f"{head}    sigma = weights.std()\n\n    return s * sigma\n\n\nthreshold(w, 1)"
    )


def test_assignments_are_stubbed_and_keep_their_annotation():
    solution, student = split_solution(
        "if True:\n    k: int = 'é' * 3  # SOLUTION\ny = (2)  # SOLUTION"
    )
    assert student == f"if True:\n    k: int = {STUB}\ny = {STUB}"
    assert solution == "if True:\n    k: int = 'é' * 3\ny = (2)"


def test_two_blocks_in_one_cell():
    block = "# BEGIN SOLUTION\n{}\n# END SOLUTION\n"
    solution, student = split_solution(block.format("a = 1") + "b = 2\n" + block.format("c = 3"))
    assert solution == "a = 1\nb = 2\nc = 3"
    assert student == f"{STUB}\nb = 2\n{STUB}"


def test_a_marker_in_a_string_is_text():
    text = 'text = """\n# BEGIN SOLUTION\nx = 1  # SOLUTION\n"""\nother = "# END SOLUTION"'
    assert split_solution(text) == (text, text)


@pytest.mark.parametrize(
    "comment", ["# resolution in bits", "# convolution", "# the end", "# SIGMA"]
)
def test_an_ordinary_comment_is_no_marker(comment):
    assert split_solution(f"x = 1  {comment}") == (f"x = 1  {comment}",) * 2


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("# BEGIN SOLUTION\na = 1\n# BEGIN SOLUTION\n# END SOLUTION", 3, "begun in line 1"),
        ("# BEGIN SOLUTION\na = 1  # SOLUTION\n# END SOLUTION", 2, "begun in line 1"),
        ("a = 1\n# BEGIN SOLUTION\nb = 1", 2, "without an `# END SOLUTION`"),
        ("a = 1\n# END SOLUTION", 2, "without a `# BEGIN SOLUTION`"),
        ("if 1:\n    # BEGIN SOLUTION\n    a = 1\n# END SOLUTION", 4, "indented"),
        ("# BEGIN SOLUTION\n# only a comment\n# END SOLUTION", 3, "no code"),
        (
            "if 1:\n    # BEGIN SOLUTION\n    a = 1\n    # END SOLUTION\nelse\n",
            5,
            "not plain Python",
        ),
        (
            "# BEGIN SOLUTION\ntry:\n    a = 1\n# END SOLUTION\nfinally:\n    b = 1",
            1,
            "whole statements",
        ),
        ("%timeit f()", 1, "magics"),
        ("figure;", 1, "nbval"),
        ("a = 1\nfigure;  # drawn", 2, "nbval"),
        ("# NBVAL_IGNORE_OUTPUT because of time\nf()", 1, "tag"),
        ("a, b = 1, 2  # SOLUTION", 1, "name = value"),
        ("a = 1; b = 2  # SOLUTION", 1, "name = value"),
        ("a += 1  # SOLUTION", 1, "name = value"),
        ("a = f(1,\n    2)  # SOLUTION", 2, "name = value"),
        ("if 1: a = 2  # SOLUTION", 1, "name = value"),
        ("def f():\n    return 1  # SOLUTION", 2, "name = value"),
        ("# BEGIN SOLUTON\na = 1\n# END SOLUTION", 1, "looks like"),
        ("a = 1  #SOLUTION", 1, "looks like"),
        ("a = 1  # Solution", 1, "looks like"),
        ("a = 1  # SOLUTION: the answer", 1, "looks like"),
        ("# SOLUTION\na = 1", 1, "looks like"),
        ("a = 1  # BEGIN SOLUTION", 1, "looks like"),
        ("# begin solution\na = 1\n# end solution", 1, "looks like"),
        ("## BEGIN SOLUTION\na = 1\n## END SOLUTION", 1, "looks like"),
    ],
)
def test_a_broken_marker_is_an_error_with_its_line(text, line, says):
    with pytest.raises(SourceError) as caught:
        split_solution(text)
    message = str(caught.value)
    assert message.startswith(f"cell:{line}: ")
    assert says in message
    assert "\n" not in message


MARKED = [
    "# BEGIN SOLUTION\nsecret = 1\n# END SOLUTION",
    "secret = 1  # SOLUTION",
]


@given(st.data())
def test_no_single_slip_in_a_marker_publishes_a_solution(data):
    lines = data.draw(st.sampled_from(MARKED)).split("\n")
    row = data.draw(st.sampled_from([i for i, line in enumerate(lines) if "#" in line]))
    start = lines[row].index("#") + 1
    at = data.draw(st.integers(start, len(lines[row]) - 1))
    letter = data.draw(st.sampled_from("ABEGINSOLUTDX_-: enxsolutid#"))
    line = lines[row]
    lines[row] = data.draw(
        st.sampled_from(
            [
                line[:at] + line[at + 1 :],  # one left out
                line[:at] + letter + line[at:],  # one too many
                line[:at] + letter + line[at + 1 :],  # a wrong one
                line[:at] + line[at + 1 : at + 2] + line[at] + line[at + 2 :],  # two exchanged
                line[:at] + line[at].swapcase() + line[at + 1 :],  # the wrong case
            ]
        )
    )
    text = "\n".join(lines)
    if lines[row] == line:
        assert "secret = 1" not in split_solution(text)[1]
    else:
        with pytest.raises(SourceError):
            split_solution(text)


@given(st.lists(st.sampled_from(["begin", "end", "open", "code"]), max_size=12))
def test_only_balanced_markers_pass_and_nothing_marked_remains(kinds):
    lines, inside, legal, secrets = [], False, True, []
    for i, kind in enumerate(kinds):
        if kind == "code":
            lines.append(f"name_{i} = {i}")
            if inside:
                secrets.append(lines[-1])
                empty = False
        elif kind == "open":
            lines.append(f"name_{i} = {i}  # SOLUTION")
            secrets.append(f"name_{i} = {i}")
            legal &= not inside
        elif kind == "begin":
            lines.append("# BEGIN SOLUTION")
            legal &= not inside
            inside, empty = True, True
        else:
            lines.append("# END SOLUTION")
            legal &= inside and not empty
            inside = False
    text = "\n".join(lines)
    if not legal or inside:
        with pytest.raises(SourceError):
            split_solution(text)
        return
    solution, student = split_solution(text)
    assert all(secret in solution.split("\n") for secret in secrets)
    assert not any(secret in student.split("\n") for secret in secrets)
    assert "SOLUTION" not in solution + student


# --- Whole sources --------------------------------------------------------------------------


def cells_of(tmp_path, text):
    path = tmp_path / "01_topic.py"
    path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8", newline="")
    return read_cells(path)


def test_cells_carry_their_kind_and_tags(tmp_path):
    cells = cells_of(
        tmp_path,
        """
        # %% [markdown]
        # # Title

        # %% tags=["nbval-ignore-output"]

        x = 1

        # %% [markdown] tags=["solution"]
        # The answer.

        # %% tags=["solution"]
        y = 2
        """,
    )
    assert [(c.kind, c.tags) for c in cells] == [
        ("markdown", ()),
        ("code", ("nbval-ignore-output",)),
        ("markdown", ("solution",)),
        ("code", ("solution",)),
    ]
    assert [c.student for c in cells] == ["# Title", "x = 1", None, None]
    assert cells[3].solution == "y = 2"


def test_line_ends_of_another_system_do_not_matter(tmp_path):
    text = "# %%\nx = 1  # SOLUTION\n"
    assert cells_of(tmp_path, text) == cells_of(tmp_path, text.replace("\n", "\r\n"))


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("# %%\na = 1\n# %%\nb = 1\n# END SOLUTION\n", 5, "without a `# BEGIN"),
        ("# %%\n# BEGIN SOLUTION\na = 1\n\n# %%\n# END SOLUTION\n", 2, "without an `# END"),
        ('# %% tags=["solutoin"]\na = 1\n', 1, "unknown tag `solutoin`"),
        ('# %% tag=["solution"]\na = 1\n', 1, "a cell begins with"),
        ("# %% tags=[solution]\na = 1\n", 1, "a cell begins with"),
        ("# %% [markdwon]\n# text\n", 1, "a cell begins with"),
        ("# %% [raw]\n# text\n", 1, "a cell begins with"),
        ('# %% tags=["nbval-skip"]\na = 1\n', 1, "proves nothing"),
        ('# %% tags=["raises-exception"]\na = 1\n', 1, "catch the exception"),
        ('# %% tags=["solution"]\na = 1  # SOLUTION\n', 1, "all solution"),
        ("# %% [markdown]\n# # BEGIN SOLUTION\n# text\n", 1, "text cell"),
        ("# %%\n\n\na = 1  # Solution\n", 4, "looks like"),
        ("a = 1\n# %%\nb = 1\n", 1, "begin each cell"),
        ("# %%\n" + "a = 1\n" * 31, 1, "31 lines"),
    ],
)
def test_a_broken_source_is_an_error_with_its_line(tmp_path, text, line, says):
    with pytest.raises(SourceError) as caught:
        cells_of(tmp_path, text)
    assert f"01_topic.py:{line}: " in str(caught.value)
    assert says in str(caught.value)


def test_a_source_that_is_not_utf8_says_so(tmp_path):
    (tmp_path / "01_topic.py").write_bytes(b"# %%\nx = '\xff'\n")
    with pytest.raises(SourceError, match="UTF-8"):
        read_cells(tmp_path / "01_topic.py")


def test_thirty_lines_are_allowed_and_solutions_do_not_count(tmp_path):
    block = "# BEGIN SOLUTION\n" + "a = 1\n" * 40 + "# END SOLUTION\n"
    (cell,) = cells_of(tmp_path, "# %%\n" + "a = 1\n" * 29 + block)
    assert len(cell.student.splitlines()) == notebook_source.MAX_LINES
