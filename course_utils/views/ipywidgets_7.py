"""What ipywidgets 7 lacks of ipywidgets 8, for which everything here is written.

Colab's image has 7.7.1. `mend` gives it what is missing, once, so that no other file has to ask for
the version. Only additions: what a notebook does with other widgets goes on as before.
"""

from __future__ import annotations

VIEW = "application/vnd.jupyter.widget-view+json"
MOST = 110  # characters of a widget's plain text, as in ipywidgets


def mend(widget: type, dom_widget: type) -> None:
    """Give the classes Widget and DOMWidget of ipywidgets 7 what those of 8 have.

    Those of 8 are left as they are. In 7 a widget displays itself, past the forms that a subclass
    adds: its picture, its plain text.
    """
    if not hasattr(widget, "_repr_mimebundle_"):
        widget._repr_mimebundle_ = _forms
        widget._ipython_display_ = None  # IPython then asks for the forms
    if not hasattr(dom_widget, "focus"):
        dom_widget.focus = _no_focus


def _forms(self, **_):
    """What a widget is displayed as: plain text, and which model a page shows."""
    text = repr(self)
    data = {"text/plain": text if len(text) <= MOST else text[:MOST] + "…"}
    if self._view_name is None:
        return data
    self._handle_displayed()  # `interact` begins with it
    model = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
    return {**data, VIEW: model}


def _no_focus(self):
    """The pages of ipywidgets 7 cannot be told to move the focus: it stays where it is."""
