"""What answers a prediction stays covered until the guess is committed."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from html import escape

import ipywidgets
from IPython.core.formatters import DisplayFormatter

from course_utils.views import in_browser
from course_utils.views.checks import ledger
from course_utils.views.checks.answers import error_line
from course_utils.views.checks.look import Saved, box
from course_utils.views.in_page import in_page

_NOTHING = object()  # what a function that only prints returns


class Covered(Saved, ipywidgets.VBox):
    """A picture, table or explorer that is made when its predictions are committed. See `after`."""

    def __init__(self, ids: tuple[str, ...], show: Callable):
        self.ids, self._show, self._cell = ids, show, in_browser.cell()
        self.shown = None  # what `show` returned, once it was called
        self._cover = ipywidgets.HTML(self._static())
        self._button = ipywidgets.Button(
            description="Show it without a guess",
            layout={"width": "auto", "align_self": "flex-start"},
        )
        super().__init__([self._cover, self._button, in_page()])
        self.add_class("lab-ask")
        self._button.on_click(lambda _: self.uncover())
        ledger.LEDGER.watchers.add(self)
        self.ledger_changed()

    def ledger_changed(self, started_over=False):
        if not self._waits_for():
            self.uncover()
        else:
            self._cover.value = self._static()

    def _waits_for(self):
        return [id for id in self.ids if not ledger.LEDGER.predictions.get(id)]

    def uncover(self) -> None:
        """Uncover it: what the button does."""
        if self.shown is not None or self._button.disabled:
            return
        self._button.disabled = True
        self._cover.value = box("not committed", "Drawing …", role=' role="status"')
        printed = io.StringIO()
        try:
            with contextlib.redirect_stdout(printed):
                shown = self._show()
        except Exception as error:
            shown = in_browser.instead(error, self._cell)
            if shown is None:
                self._button.disabled = False
                self._cover.value = box(
                    "cannot check",
                    f"This could not be made ({escape(error_line(error))}). Run the cells above "
                    "this one, then this one again.",
                    role=' role="alert"',
                )
                return
        self.shown, self._printed = _NOTHING if shown is None else shown, printed.getvalue()
        self.children = _widgets(shown, self._printed)
        self.save_still()

    def __repr__(self):
        return self._words()

    def _words(self):
        ids = self._waits_for() or self.ids
        what = f"prediction {ids[0]}" if len(ids) == 1 else f"predictions {' and '.join(ids)}"
        return f"Covered: this answers {what}. Commit to your guess first, and it opens."

    def _static(self):
        return box("not committed", escape(self._words()))

    def _still(self):
        if self.shown is None:
            return {"text/plain": self._words(), "text/html": self._static()}, {}
        return _forms_of(self.shown, self._printed)


def _forms_of(value, printed):
    """(forms, metadata) that a page without a kernel shows of a value, and of what was printed."""
    if value is None or value is _NOTHING:
        return {"text/plain": printed, "text/html": f"<pre>{escape(printed)}</pre>"}, {}
    forms, metadata = DisplayFormatter().format(value)
    if isinstance(value, ipywidgets.Widget):
        forms = {name: form for name, form in forms.items() if "widget-view" not in name}
    return forms, metadata


def _widgets(value, printed):
    """What a cell would have shown, as widgets."""
    found = [ipywidgets.HTML(f"<pre>{escape(printed)}</pre>")] if printed else []
    if isinstance(value, ipywidgets.Widget):
        return [*found, value]
    if value is None:
        return found
    forms, metadata = DisplayFormatter().format(value)
    if png := forms.get("image/png"):
        about = metadata.get("image/png", {})
        alt = escape(str(about.get("alt", "")))
        width = about.get("width", "")
        html = (
            f'<img alt="{alt}" width="{width}" style="max-width: 100%; height: auto" '
            f'src="data:image/png;base64,{png}">'
        )
    else:
        html = forms.get("text/html") or f"<pre>{escape(str(value))}</pre>"
    return [*found, ipywidgets.HTML(html)]


def after(ids: str | tuple[str, ...], show: Callable):
    """Show what `show()` makes once these predictions are committed.

    ids:  the predictions that it answers, such as "02.half".
    show: a function without arguments that returns what a cell would show (a widget, a picture, a
          table), or prints.

    Until then a line stands there, and a button for those who only look. What answers nothing
    that was asked in this notebook, and everything in a solution notebook, shows at once.
    """
    ids = (ids,) if isinstance(ids, str) else tuple(ids)
    if ledger.in_solution_notebook():
        return show()
    return Covered(ids, show)
