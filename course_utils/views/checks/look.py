"""How a reply looks: a mark, a box in its colour, HTML and plain text alike."""

from __future__ import annotations

from IPython.display import display

from course_utils.views.tables import INK

# A symbol, a word and a colour: never the colour alone. Colours are JupyterLab's own, so that they
# follow its theme; elsewhere the fallback holds.
MARKS = {
    "passed": ("✓", "var(--jp-success-color1, #2e7d32)"),
    "right": ("✓", "var(--jp-success-color1, #2e7d32)"),
    "agrees": ("✓", "var(--jp-success-color1, #2e7d32)"),
    "close": ("≈", "var(--jp-warn-color1, #b26a00)"),
    "differs": ("≠", "var(--jp-warn-color1, #b26a00)"),
    "not yet": ("✗", "var(--jp-error-color1, #b71c1c)"),
    "missed": ("✗", "var(--jp-error-color1, #b71c1c)"),
    "not attempted": ("○", "var(--jp-border-color1, #888888)"),
    "not committed": ("○", "var(--jp-border-color1, #888888)"),
    "not shown": ("?", "var(--jp-border-color1, #888888)"),
    "not comparable": ("–", "var(--jp-border-color1, #888888)"),
    "cannot check": ("!", "var(--jp-error-color1, #b71c1c)"),
}


def mark_text(state):
    return f"{MARKS[state][0]} {state}"


def box(state, *paragraphs, role=""):
    """Paragraphs (HTML) with a bar in the state's colour down the side."""
    body = "".join(f'<p style="margin: 0.25em 0;">{p}</p>' for p in paragraphs if p)
    colour = MARKS[state][1]
    return (
        f'<div{role} style="{INK} border-left: 4px solid {colour}; padding: 0.3em 0.9em; '
        f'margin: 0.3em 0; max-width: 46em;">{body}</div>'
    )


class Saved:
    """A widget whose saved output keeps up with it: what a page without a kernel shows later.

    It has `_still()`: the forms of its present state for such a page. A cell stores those of the
    moment in which it ran; `save_still` puts the present ones into the same output.
    """

    _handle = None

    def _forms(self):
        """(forms of the output, their metadata): the live widget among them."""
        live = super()._repr_mimebundle_() or {}
        still, metadata = self._still()
        return {**live, **still}, metadata

    def _repr_mimebundle_(self, **_):
        return self._forms()

    def _ipython_display_(self):
        forms, metadata = self._forms()
        self._handle = display(forms, metadata=metadata, raw=True, display_id=True)

    def save_still(self):
        if self._handle is not None:
            forms, metadata = self._forms()
            self._handle.update(forms, metadata=metadata, raw=True)


class Shown:
    """Displays as HTML, and as text wherever there is no browser."""

    def _repr_mimebundle_(self, **_):
        return {"text/plain": str(self), "text/html": self._html()}

    def __repr__(self):
        return str(self)
