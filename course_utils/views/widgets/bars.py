"""How far something is."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from contextlib import contextmanager

import ipywidgets
from IPython import get_ipython
from IPython.display import display

from course_utils.views.widgets.picture import check_text


class _Bar(ipywidgets.HBox):
    """A progress bar whose plain text is the same at every run."""

    def __init__(self, description: str):
        self.bar = ipywidgets.IntProgress(
            description=description,
            style={"description_width": "initial"},
            layout={"width": "60%"},
        )
        self.note = ipywidgets.Label("starting")
        self._plain = description
        super().__init__([self.bar, self.note])

    def _repr_mimebundle_(self, **kwargs):
        return {**super()._repr_mimebundle_(**kwargs), "text/plain": self._plain}


def progress(items: Iterable | int, description: str) -> Iterator:
    """Iterate over `items` (or ``range(items)``) and show how far it is, as `progress_bar` does.

    >>> [n * n for n in progress(3, "Squaring")]
    [0, 1, 4]
    """
    if isinstance(items, int):
        items = range(items)
    elif not isinstance(items, Sized):
        items = list(items)
    with progress_bar(description) as report:
        for done, item in enumerate(items):
            report(done, len(items))
            yield item
        report(len(items), len(items))


@contextmanager
def progress_bar(description: str) -> Iterator[Callable]:
    """Show how far something is: ``with progress_bar("Training") as report: report(done, total)``.

    In a notebook it is a bar with the time left, which stays, full, with the time it took; where
    it was stopped, by an exception or before the total was reported, it stays as far as it came.
    Elsewhere it is a line on the terminal, or nothing where no one looks. What a notebook saves
    of it is the same at every run. `report` takes as an optional third argument a mapping of
    numbers to show.
    """
    check_text(description=description)
    live = hasattr(get_ipython(), "kernel")
    terminal = not live and sys.stderr.isatty()
    start = time.monotonic()
    shown, last = -1.0, (0, 0)
    if live:
        row = _Bar(description)
        display(row)

    def report(done: int, total: int, numbers: Mapping[str, float] | None = None) -> None:
        nonlocal shown, last
        now, last = time.monotonic(), (done, total)
        if not (live or terminal) or (now - shown < 0.1 and done < total):
            return
        shown = now
        left = (now - start) / done * (total - done) if done else 0
        parts = [f"{done} of {total}"]
        parts += [f"about {left:.0f} s left"] if 0 < done < total else []
        parts += [
            f"{name.replace('_', ' ')} {value:.3g}" for name, value in (numbers or {}).items()
        ]
        note = ", ".join(parts)
        if live:
            row.bar.max, row.bar.value, row.note.value = total, done, note
        else:
            print(f"\r{description}: {note}    ", end="", file=sys.stderr, flush=True)

    def end(style: str, word: str) -> None:
        seconds = f"{time.monotonic() - start:.0f} s"
        if live:
            row.bar.bar_style, row.note.value = style, f"{word} {seconds}"
        elif terminal:
            print(f"\r{description}: {word} {seconds}{' ' * 40}", file=sys.stderr)

    try:
        yield report
    except BaseException:
        end("danger", "stopped after")
        raise
    done, total = last
    if done < total:  # who reports caught the interruption, and goes on with what there is
        if live:
            row.bar.max, row.bar.value = total, done
        end("warning", f"stopped at {done} of {total}, after")
        return
    if live:
        row.bar.value = row.bar.max
    end("success", "done in")
