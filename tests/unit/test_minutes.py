"""The minutes that a notebook states follow from what it holds, and the lesson plan agrees."""

import re

import pytest

from course_utils import env
from course_utils.workshop.minutes import (
    CODE_LINE,
    EXPLORER,
    EXPLORER_AGAIN,
    FUNCTION,
    PICTURE,
    PREDICTION,
    SESSION,
    TOLERANCE,
    VALUE,
    WORDS_PER_MINUTE,
    content,
    main,
    minutes,
    sections,
)
from course_utils.workshop.notebook_builder import minutes_of, sources

SOURCES = {source.stem[:2]: source for source in sources()}
PLAN = (env.ROOT / "docs" / "instructors.md").read_text(encoding="utf-8")
README = (env.ROOT / "README.md").read_text(encoding="utf-8")

ROWS = {
    number: (int(stated), plan)
    for number, stated, plan in re.findall(r"(?m)^\| (\d\d) \| (\d+) \| (.+) \|$", PLAN)
}
EXPECTED = {
    number: " ".join(text.split())
    for number, text in re.findall(r"(?ms)^\*\*(\d\d)\.\*\* (.+?)\n\n", PLAN)
}
MISTAKE = re.compile(r"`(\d\d\.\w+)`: `(\w+)`")


@pytest.fixture
def made_up(tmp_path):
    """Makes a source under the name of notebook 02, whose lab has explorers."""

    def write(*cells):
        path = tmp_path / "02_magnitude_pruning.py"
        path.write_text("\n\n".join(cells) + "\n", encoding="utf-8")
        return path

    return write


# --- What is counted --------------------------------------------------------------------------


def prose(*lines):
    return "\n".join(["# %% [markdown]", *(f"# {line}".rstrip() for line in lines)])


def code(*lines):
    return "\n".join(["# %%", *lines])


def test_words_are_read(made_up):
    source = made_up(prose("# A title", "", " ".join(["word"] * WORDS_PER_MINUTE)))
    assert minutes(source) == pytest.approx(1, abs=0.05)


def test_a_prediction_counts_and_its_folded_code_does_not(made_up):
    source = made_up(code("checks.predict(", '    "02.x",', '    "Why?",', ")"))
    assert minutes(source) == PREDICTION


@pytest.mark.parametrize(
    "cell",
    [
        'explorers.magnitude_pruning("fashion_cnn")',
        'checks.after("02.half", explorers.magnitude_pruning)',
        'checks.after("02.half", lambda: explorers.magnitude_pruning("fashion_cnn"))',
    ],
)
def test_an_explorer_counts_once_covered_or_not_and_less_again(made_up, cell):
    assert minutes(made_up(code(cell))) == EXPLORER + CODE_LINE
    again = minutes(made_up(code(cell), prose("# Title"), code(cell)))
    assert again == pytest.approx(EXPLORER + EXPLORER_AGAIN + 2 * CODE_LINE, abs=0.02)


@pytest.mark.parametrize(
    "cell",
    [
        'explorers.sensitivity("fashion_cnn")',  # by its annotation a Picture
        'print("a table")',
        "scenes.excerpt(folder)",
        'checks.beside_lecture(rows, "What it costs")',
        'checks.after("02.half", lambda: checks.beside_lecture(rows, caption))',
        'checks.after("02.half", tell)',
    ],
)
def test_a_table_or_picture_counts(made_up, cell):
    assert minutes(made_up(code(cell))) == PICTURE + CODE_LINE


def test_a_function_takes_longer_than_a_value(made_up):
    function = code(
        "def mask(w):",
        "    # BEGIN SOLUTION",
        "    long = w",
        "    return long",
        "    # END SOLUTION",
        'checks.check("02.mask", mask)',
    )
    value = code("s = 1  # SOLUTION", 'checks.check("02.s", s)')
    assert minutes(made_up(function)) == pytest.approx(FUNCTION + 3 * CODE_LINE)
    assert minutes(made_up(value)) == pytest.approx(VALUE + 2 * CODE_LINE)


def test_what_students_do_not_see_or_read_afterwards_is_not_counted(made_up):
    hidden = '# %% tags=["solution"]\nprint("the answer")'
    commented_out = code("# explorers.magnitude_pruning(mine)")
    assert minutes(made_up(hidden)) == 0
    assert minutes(made_up(commented_out)) == CODE_LINE
    assert minutes(made_up(prose("## Read next", "", "A paper."))) == 0


def test_sections_of_one_name_are_kept_apart(made_up):
    source = made_up(prose("# Title"), prose("## Explore"), prose("## Explore"))
    assert list(sections(source))[1:] == ["Title", "Explore", "Explore (2)"]


@pytest.mark.parametrize("number", SOURCES)
def test_a_notebook_is_counted_whole(number):
    """What a plain search in the source finds, apart from what is commented out."""
    held, text = content(SOURCES[number]), SOURCES[number].read_text(encoding="utf-8")
    assert held.predictions == len(re.findall(r"(?m)^checks\.predict\(", text)) > 0
    exercises = re.findall(r"(?m)^checks\.check\(", text)
    assert held.functions + held.values == len(exercises) > 0
    assert held.explorers > 0
    assert sum(part.minutes() for part in sections(SOURCES[number]).values()) == pytest.approx(
        held.minutes()
    )


def test_the_command_prints_a_line_a_notebook_or_a_section(capsys):
    assert main([]) == 0
    printed = capsys.readouterr().out
    assert [line[:2] for line in printed.splitlines()[1:]] == list(SOURCES)
    assert main(["02"]) == 0
    assert "One threshold per layer" in capsys.readouterr().out


# --- What is stated ---------------------------------------------------------------------------


@pytest.mark.parametrize("number", SOURCES)
def test_a_notebook_states_the_minutes_of_its_content(number):
    computed, stated = minutes(SOURCES[number]), minutes_of(SOURCES[number])
    assert stated % 5 == 0
    assert abs(computed - stated) <= TOLERANCE, (
        f"notebook {number} states {stated} minutes, its content takes {computed:.0f}: "
        "python -m course_utils.workshop minutes"
    )


@pytest.mark.parametrize("number", SOURCES)
def test_the_readme_and_the_plan_say_what_the_notebook_says(number):
    row = re.search(rf"(?m)^\| {number} \| \[.+\| (\d+) \|$", README)
    assert row, f"the README's map lacks notebook {number}"
    assert (int(row[1]), ROWS[number][0]) == (minutes_of(SOURCES[number]),) * 2


# --- The lesson plan --------------------------------------------------------------------------


def test_the_plan_has_every_notebook_and_no_other():
    assert list(ROWS) == list(EXPECTED) == list(SOURCES)


def named(text):
    return re.findall(r"\*([^*]+)\*", text)


def levels(number):
    """{section: 1 for "# Title", 2 for "## Title" ...}, in the notebook's order."""
    text = SOURCES[number].read_text(encoding="utf-8")
    marks = [len(found) for found in re.findall(r"(?m)^# (#+) ", text)]
    titles = [title for title in sections(SOURCES[number]) if title != "before the title"]
    assert len(marks) == len(titles) + 1  # "Read next" is no section
    return dict(zip(titles, marks, strict=False))


def with_what_is_below(number, titles):
    """The sections of these titles, each with its subsections."""
    taken, below = [], 0
    for title, depth in levels(number).items():
        if below and depth <= below:
            below = 0
        if title in titles:
            below = depth
        if below:
            taken.append(title)
    return taken


@pytest.mark.parametrize("number", ROWS)
def test_the_sections_of_the_plan_are_in_the_notebook(number):
    assert set(named(ROWS[number][1])) <= set(levels(number))


@pytest.mark.parametrize("number", ROWS)
def test_each_part_of_a_long_notebook_fits_a_session(number):
    stated, plan = ROWS[number]
    taken = {title: part.minutes() for title, part in sections(SOURCES[number]).items()}
    if stated <= SESSION:
        assert "two sessions" not in plan
        return
    after = re.search(r"break before \*([^*]+)\*", plan)[1]
    titles = list(taken)
    parts = titles[: titles.index(after)], titles[titles.index(after) :]
    left_out = with_what_is_below(number, named(plan.split("leave out")[1]))
    kept = [title for title in titles if title not in left_out]
    for part in (*parts, kept):
        assert 0 < sum(taken[title] for title in part) <= SESSION


@pytest.mark.parametrize("number", EXPECTED)
def test_two_declared_misconceptions_are_expected(number):
    lab = env.ROOT / "course_utils" / "labs" / SOURCES[number].stem[3:] / "exercises.py"
    exercises, source = lab.read_text(encoding="utf-8"), SOURCES[number].read_text(encoding="utf-8")
    mistakes = MISTAKE.findall(EXPECTED[number])
    assert len(set(mistakes)) == 2
    for id, name in mistakes:
        assert re.search(rf'checks\.check\(\s*"{id}"', source), f"{id} is no exercise"
        own = exercises[exercises.index(f'"{id}"') :]
        own = own[: min(end for end in (*starts(own), len(own)))]
        assert f'"{name}"' in own, f"{id} has no mistake {name}"


def starts(text):
    """Where the exercises after the first one begin."""
    return [match.start() for match in re.finditer(r"(?m)^(exercise\(|@judge\()", text)]


@pytest.mark.parametrize("number", EXPECTED)
def test_a_question_is_asked_and_its_prediction_exists(number):
    text = EXPECTED[number]
    assert "Ask: " in text
    source = SOURCES[number].read_text(encoding="utf-8")
    for id in re.findall(r"`(\d\d\.\w+)`", MISTAKE.sub("", text)):
        assert re.search(rf'checks\.predict\(\s*"{id}"', source), f"{id} is no prediction"


def test_the_answers_are_the_recorded_ones():
    from course_utils.labs.deep_compression import scenes as compression
    from course_utils.labs.float_to_int8 import scenes as float_to_int8
    from course_utils.labs.floating_point import scenes as floating_point
    from course_utils.labs.integer_arithmetic import scenes as integers
    from course_utils.labs.magnitude_pruning import scenes as magnitude
    from course_utils.labs.post_training_quantization import scenes as techniques
    from course_utils.labs.quantization_aware_training import scenes as qat
    from course_utils.labs.structured_pruning import scenes as structured
    from course_utils.labs.tflite_micro_export import scenes as micro
    from course_utils.machines import data

    answers = {
        "02": [f"{magnitude.pruning_sweep('fashion_cnn').loss_at_half().value:.1f} points"],
        "03": [
            f"{structured.lost('synapses').value:.1f} points",
            f"{structured.lost('neurons').value:.1f} points",
            f"{structured.speedup('anywhere', 0.9):.1f} times",
        ],
        "05": [f"{floating_point.loss('fashion_cnn', 'bfloat16').value:.2f} points"],
        "06": [f"{float_to_int8.calibration_loss('fashion_cnn', 'noise').value:.1f} points"],
        "07": [
            f"{integers.images_differing('TFLM').value:.0f} of 10,000 images",
            f"XNNPACK: {integers.images_differing('LiteRT XNNPACK').value:.0f},",
        ],
        "08": [
            f"{techniques.file_ratio(name):.2f} times" for name in ("fashion_cnn", "fashion_dscnn")
        ],
        "09": [
            f"costs {qat.lost(4, 'ptq').value:.0f} points",
            f"{qat.lost(4, 'qat').value:.1f} points",
            f"{qat.lost(4, 'control_ptq').value:.0f} points, `qat_bits.json`",
        ],
        "10": [
            f"{compression.smaller('lenet_300_100', 'pruned').value:.1f} times",
            f"{compression.arena_grows().value:.0f} times",
        ],
        "11": [
            f"{len(data.model('watch_cnn', 'int8')):,} bytes",
            f"{micro.record('watch_cnn', 'int8')['smallest_arena']:,} bytes",
        ],
    }
    for number, phrases in answers.items():
        for phrase in phrases:
            assert phrase in EXPECTED[number], (number, phrase)


def test_every_file_that_the_plan_names_is_there():
    for name in re.findall(r"`(\w+\.json)`", "".join(EXPECTED.values())):
        assert (env.ROOT / "data" / "results" / name).exists(), name
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", PLAN):
        assert (env.ROOT / "docs" / target).exists(), target
    assert "docs/instructors.md" in README
