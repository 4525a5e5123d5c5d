"""What Colab's ipywidgets 7 lacks is given to it; stand-ins behave as its classes do."""

import ipywidgets
import pytest
from IPython.core.formatters import DisplayFormatter

from course_utils.views import ipywidgets_7


class Widget:
    """As in ipywidgets 7.7.1: it shows itself, and knows nothing of forms."""

    _view_name = "VBoxView"
    model_id = "the-model"
    displayed = 0

    def __repr__(self):
        return "Box(" + "child, " * 40 + ")"

    def _ipython_display_(self, **_):
        pytest.fail("shown past its picture")

    def _handle_displayed(self, **_):
        self.displayed += 1


class DOMWidget(Widget):
    pass


@pytest.fixture(scope="module", autouse=True)
def mended():
    ipywidgets_7.mend(Widget, DOMWidget)


def test_a_picture_is_shown_beside_the_live_widget():
    class Pictured(DOMWidget):
        def _repr_mimebundle_(self, **kwargs):
            return {**super()._repr_mimebundle_(**kwargs), "image/png": "a picture"}

    widget = Pictured()
    forms, _ = DisplayFormatter().format(widget)
    assert forms["image/png"] == "a picture"
    assert forms[ipywidgets_7.VIEW]["model_id"] == "the-model"
    assert len(forms["text/plain"]) == ipywidgets_7.MOST + 1
    assert widget.displayed == 1


def test_a_widget_without_a_page_is_its_text():
    class Layout(Widget):
        _view_name = None

    assert list(Layout()._repr_mimebundle_()) == ["text/plain"]


def test_to_move_the_focus_fails_nowhere():
    assert DOMWidget().focus() is None


def test_ipywidgets_8_is_left_as_it_is():
    forms, focus = ipywidgets.Widget._repr_mimebundle_, ipywidgets.DOMWidget.focus
    ipywidgets_7.mend(ipywidgets.Widget, ipywidgets.DOMWidget)
    assert ipywidgets.Widget._repr_mimebundle_ is forms
    assert ipywidgets.DOMWidget.focus is focus
    assert not hasattr(ipywidgets.Widget, "_ipython_display_")
