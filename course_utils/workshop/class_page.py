"""The page on a class: what it guessed, what it tried, and what most of it got wrong.

One file that needs nothing else, and names nobody but in the list of files at its end: it can be
shown to the class. Bars are drawn beside the numbers that they stand for.
"""

from __future__ import annotations

import re
from collections import Counter
from html import escape
from string import Template

from course_utils.workshop.submissions import Reading, plain

BINS = 8  # of a histogram of guessed numbers
LONGEST = 300
MANY_TRIES = 4  # from here on tries are not told apart
MEASURED = "◀ this"
TOP = 10  # misconceptions at the top of the page
MISCONCEPTIONS = ("Misconception", "Students", "Not passed since", "What they were told")


def page(reading: Reading, columns, misconceptions, solved, titles) -> str:
    """The whole page. columns, misconceptions, solved: as `collect` has them; titles: by number."""
    numbers = sorted({work.number for work in reading.works})
    parts = [_first(misconceptions)]
    for number in numbers:
        works = [work for work in reading.works if work.number == number]
        here = [each for each in columns if each.id.split(".")[0] == number]
        handed = f"{_count(len(works), 'student')} handed this notebook in."
        parts.append(f"<h2>{_text(titles.get(number, number))}</h2><p>{handed}</p>")
        parts += [_prediction(each, works) for each in here if each.kind == "prediction"]
        parts += [
            _exercise(each, works, solved, [m for m in misconceptions if m.id == each.id])
            for each in here
            if each.kind == "exercise"
        ]
    parts.append(_files(reading))
    return _PAGE.substitute(summary=_text(summary(reading)), body="\n".join(parts))


def summary(reading: Reading) -> str:
    """In one sentence or two, what was read."""
    ledgers = sum(work.counted for work in reading.works)
    outputs = len(reading.works) - ledgers
    parts = [
        f"{_count(len(reading.students), 'student')}, {_count(ledgers, 'ledger')}",
        f", {_count(outputs, 'notebook')} without a ledger" * bool(outputs),
        f"; {_count(len(reading.problems), 'remark')} about files" * bool(reading.problems),
        f"; {_count(reading.others, 'file')} of other kinds" * bool(reading.others),
    ]
    return "".join(parts) + "."


def _count(number, word):
    return f"{number:,} {word}" if number == 1 else f"{number:,} {word}s"


def _text(text):
    """Text by others, for HTML: in one line, not too long, and never markup."""
    text = plain(text)
    return escape(text if len(text) <= LONGEST else text[:LONGEST] + " …")


# --- Sections -------------------------------------------------------------------------------


def _first(misconceptions):
    head = "<h2>To talk about first</h2>"
    if not misconceptions:
        return head + "<p>No answer showed a known misconception.</p>"
    rows = [
        (f"{each.name} ({each.id})", each.students, str(each.left), each.says)
        for each in misconceptions[:TOP]
    ]
    caption = "The most frequent misconceptions"
    if len(misconceptions) > TOP:
        caption += f", {TOP} of {len(misconceptions)}; the others are with their exercises"
    return head + _bars(caption, MISCONCEPTIONS, rows)


def _prediction(each, works):
    firsts = [work.predictions[each.id][0] for work in works if work.predictions.get(each.id)]
    head = f"<h3>Prediction {_text(each.id)}</h3>"
    if each.question:
        head += f'<p class="question">{_text(each.question)}</p>'
    if not firsts:
        return head + "<p>Nobody has committed to a guess.</p>"
    measured = Counter(first.measured for first in firsts).most_common()
    told = f"<p>Measured: <strong>{_text(measured[0][0])}</strong>"
    if len(measured) > 1:
        others = sum(count for _, count in measured[1:])
        told += f" ({_count(others, 'student')} measured something else)"
    states = Counter(first.state for first in firsts)
    shares = ", ".join(f"{states[s]} {s}" for s in ("right", "close", "missed") if states[s])
    told += f". First guesses: {shares}.</p>"
    numeric = not each.choices and all(number_in(first.guess) is not None for first in firsts)
    rows = _binned(firsts, measured[0][0]) if numeric else _chosen(each, firsts, measured[0][0])
    missing = len(works) - len(firsts)
    if missing:
        rows.append(("(no guess)", missing, ""))
    return (
        head + told + _bars(f"First guesses at {each.id}", ("Guess", "Students", "Measured"), rows)
    )


def _chosen(each, firsts, measured):
    counts = Counter(first.guess for first in firsts)
    right = {first.guess for first in firsts if first.state == "right"}
    right &= {*(each.choices or right)}
    right |= {measured} & set(each.choices)
    value = number_in(measured)
    if value is not None:
        right |= {label for label, (low, high) in each.ranges.items() if low <= value < high}
    labels = [*each.choices, *sorted(set(counts) - set(each.choices))]
    return [(label, counts[label], MEASURED * (label in right)) for label in labels]


def number_in(text: str) -> float | None:
    """The number that a text begins with.

    >>> number_in("225,034 bytes"), number_in("conv1")
    (225034.0, None)
    """
    found = re.match(r"-?\d[\d,]*(\.\d+)?(e[+-]?\d{1,3})?", text)
    return float(found[0].replace(",", "")) if found else None


def _binned(firsts, measured):
    """Rows of a histogram of numbers: each value if there are few, else ranges of equal width."""
    values = [number_in(first.guess) for first in firsts]
    truth = number_in(measured)
    distinct = sorted({*values, *([] if truth is None else [truth])})
    if len(distinct) <= BINS:
        return [(f"{v:,.6g}", values.count(v), MEASURED * (v == truth)) for v in distinct]
    low, high = distinct[0], distinct[-1]
    edges = [low + (high - low) * i / BINS for i in range(BINS)] + [high]

    def place(value):
        return min(sum(value >= edge for edge in edges[1:]), BINS - 1)

    counts = Counter(map(place, values))
    return [
        (f"{a:,.4g} to {b:,.4g}", counts[i],
         MEASURED * (truth is not None and place(truth) == i))
        for i, (a, b) in enumerate(zip(edges, edges[1:], strict=False))
    ]  # fmt: skip


def _exercise(each, works, solved, misconceptions):
    found = [outcome for work in works if (outcome := solved(work, each.id))]
    counts = Counter(map(_outcome, found))
    missing = len(works) - len(found)
    counts["not attempted"] += missing
    rows = [(label, counts[label]) for label in _outcomes() if counts[label] or label in SHOWN]
    head = f"<h3>Exercise {_text(each.id)}</h3>"
    head += _bars(f"Answers to {each.id}", ("Outcome", "Students"), rows)
    unknown = sum(outcome.unknown > 0 for outcome in found)
    rows = [(each.name, each.students, str(each.left), each.says) for each in misconceptions]
    if unknown:
        rows.append(("(none that is known)", unknown, "", "A case in which the answer was wrong."))
    if not rows:
        return head
    return head + _bars(f"Misconceptions in {each.id}", MISCONCEPTIONS, rows)


SHOWN = ("passed at try 1", "not yet")


def _outcomes():
    tries = [f"passed at try {at}" for at in range(1, MANY_TRIES)]
    many = f"passed at try {MANY_TRIES} or later"
    return [*tries, many, "passed, try not known", "not yet", "not attempted"]


def _outcome(found):
    if found.state != "passed":
        return found.state
    if found.at is None:
        return "passed, try not known"
    return _outcomes()[min(found.at, MANY_TRIES) - 1]


def _files(reading):
    head = "<h2>Files</h2>"
    if not reading.problems:
        return head + "<p>Every file was read as it is.</p>"
    rows = "".join(
        f'<tr><th scope="row">{_text(student or "–")}</th><td>{_text(sentence)}</td></tr>'
        for student, sentence in sorted(reading.problems)
    )
    return (
        f'{head}<table class="files"><caption>What there is to say about files</caption><thead>'
        f'<tr><th scope="col">Student</th><th scope="col">Remark</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>"
    )


def _bars(caption, head, rows):
    """A table: a label, a number with its bar, and perhaps a note and a sentence."""
    most = max((row[1] for row in rows), default=0) or 1
    top = "".join(f'<th scope="col">{_text(h)}</th>' for h in head)
    body = ""
    for label, number, *more in rows:
        bar = f'<span class="bar" style="width: {8 * number / most:.2f}em"></span>'
        told = "".join(f"<td>{escape(plain(text)[:1000])}</td>" for text in more)
        body += (
            f'<tr><th scope="row">{_text(label)}</th>'
            f'<td class="number"><span>{number}</span> {bar}</td>{told}</tr>'
        )
    return (
        f"<table><caption>{_text(caption)}</caption><thead><tr>{top}</tr></thead>"
        f"<tbody>{body}</tbody></table>"
    )


_PAGE = Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
      content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="referrer" content="no-referrer">
<title>What the class guessed and tried</title>
<style>
:root { color-scheme: light dark; --ink: #1a1a1a; --paper: #ffffff; --soft: #c4c4c4;
  --bar: #3d6a96; --quiet: #595959; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8e8e8; --paper: #161616; --soft: #4a4a4a; --bar: #8db8e2; --quiet: #b0b0b0; }
}
body { color: var(--ink); background: var(--paper); font: 1rem/1.5 system-ui, sans-serif;
  max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1, h2, h3 { line-height: 1.25; }
h2 { margin-top: 2.5rem; border-bottom: 2px solid var(--soft); }
h3 { margin-top: 2rem; }
.question { font-style: italic; max-width: 46rem; }
table { border-collapse: collapse; margin: 0.75rem 0; }
caption { text-align: left; font-weight: 600; padding: 0.25rem 0; }
th, td { text-align: left; vertical-align: top; padding: 0.25rem 1rem 0.25rem 0;
  border-bottom: 1px solid var(--soft); overflow-wrap: anywhere; }
thead th { color: var(--quiet); font-weight: 600; }
tbody th { font-weight: 400; min-width: 11rem; max-width: 18rem; }
.number { white-space: nowrap; min-width: 10.5em; font-variant-numeric: tabular-nums; }
.number span:first-child { display: inline-block; min-width: 1.7em; text-align: right; }
td:nth-child(3) { min-width: 8.5rem; }
.files td, .files th { min-width: 6rem; }
.bar { display: inline-block; height: 0.8em; margin-left: 0.4em; background: var(--bar);
  vertical-align: -0.05em; forced-color-adjust: none; }
@media (max-width: 40rem) { tbody th, .number, td:nth-child(3), .files td, .files th
  { min-width: 0; padding-right: 0.5rem; } .number { white-space: normal; } }
@media print { .bar { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  tr { break-inside: avoid; } }
</style>
</head>
<body>
<main>
<h1>What the class guessed and tried</h1>
<p>$summary</p>
<p>The sections name nobody; the list of files at the end does.</p>
$body
</main>
</body>
</html>
""")
