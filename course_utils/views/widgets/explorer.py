"""`Explorer`: several controls, one figure."""

from __future__ import annotations

import html
import threading
from collections.abc import Callable, Mapping

import ipywidgets
from matplotlib.figure import Figure

from course_utils.views.widgets.picture import (
    SLIDERS,
    Painter,
    Pictured,
    check_text,
    heading,
    img_tag,
    line_below,
    setup,
)


class Explorer(Pictured):
    """Several controls, one figure: each change computes, redraws and shows.

    Parameters
    ----------
    compute : callable
        ``compute(**params) -> result``, pure. It may raise ValueError: the message is shown and the
        last good picture stays.
    draw : callable
        The drawing, ``draw(result, figure=None) -> Figure`` (see the module's text).
    controls : mapping of str to ipywidgets control
        The parameters of `compute` by name. A control without a description gets its name.
    description : str
        What the figure shows, in a few words.
    alt : callable
        ``alt(result) -> str``: the finding in a sentence.
    presets : mapping of str to mapping, optional
        Named settings, each some or all of the parameters. Each gets a button; so does *Reset*.
    readout : callable, optional
        ``readout(result) -> str``: the line of numbers below the picture. Without it the alt text
        is shown there.

    Raises
    ------
    ValueError, KeyError
        No controls, or a preset with an unknown parameter or a value its control cannot take.

    Attributes
    ----------
    result
        What `compute` last returned.
    params : dict
        The settings that it was computed from.
    figure : matplotlib.figure.Figure
        The figure, drawn for `result`.
    """

    def __init__(
        self,
        compute: Callable,
        draw: Callable,
        controls: Mapping[str, ipywidgets.Widget],
        *,
        description: str,
        alt: Callable,
        presets: Mapping[str, Mapping] | None = None,
        readout: Callable | None = None,
    ):
        check_text(description=description)
        if not controls:
            raise ValueError("An Explorer needs at least one control.")
        for name, control in controls.items():
            if not hasattr(control, "value"):
                raise TypeError(f"The control {name!r} must be an ipywidgets control with a value.")
        self.description = description
        self.controls = dict(controls)
        self._compute, self._alt, self._readout = compute, alt, readout or alt
        self._painter = Painter(draw)
        self._busy = threading.RLock()
        self._setting = False
        self._defaults = {name: control.value for name, control in self.controls.items()}
        presets = {name: dict(params) for name, params in (presets or {}).items()}
        for params in presets.values():
            self._validate(params)

        self._image = ipywidgets.HTML(layout={"margin": "0"})
        self._text = ipywidgets.HTML(layout={"margin": "0"})
        self._refusal = ipywidgets.HTML(layout={"margin": "0"})
        for said in (self._text, self._refusal):
            said.add_class("lab-live")
        self._update()

        for name, control in self.controls.items():
            control.description = control.description or name.replace("_", " ")
            if hasattr(control, "style"):  # a control made of several has none
                control.style.description_width = "initial"
            if control.layout.width is None:
                control.layout.width = "auto"
                control.layout.flex = "1 1 380px" if isinstance(control, SLIDERS) else "0 0 auto"
            control.layout.max_width = "100%"
            control.observe(self._changed, "value")
        width, _ = self._painter.css_size()
        wrap = {
            "flex_flow": "row wrap",
            "align_items": "center",
            "grid_gap": "2px 16px",
            "width": f"{width}px",
            "max_width": "100%",
        }
        buttons = [self._button(name, params) for name, params in presets.items()]
        self.reset_button = self._button("Reset", {})
        super().__init__(
            [
                heading(description),
                ipywidgets.HBox(list(self.controls.values()), layout=wrap),
                ipywidgets.HBox([*buttons, self.reset_button], layout=wrap),
                self._refusal,
                self._image,
                self._text,
                setup(),
            ]
        )
        self.add_class("lab-widget")

    @property
    def params(self) -> dict:
        return dict(self._params)

    @property
    def figure(self) -> Figure:
        return self._painter.figure

    def set(self, **params) -> None:
        """Move controls, as a student would, then compute and draw once.

        Raises
        ------
        KeyError
            There is no control of that name.
        ValueError
            The control cannot take that value, or `compute` refused the settings.
        """
        self._validate(params)
        with self._busy:
            self._setting = True
            try:
                for name, value in params.items():
                    self.controls[name].value = value
            finally:
                self._setting = False
            self._update()

    def save_html(self, path) -> None:
        """Raise TypeError: an Explorer computes each picture and needs its kernel."""
        raise TypeError(
            "An Explorer computes each picture when a control moves, so it needs its kernel and "
            f"cannot be saved as HTML ({path}): save a Sweep or Sweeps, or link to the notebook."
        )

    def reset(self) -> None:
        """Put every control back to where it was at first."""
        self.set(**self._defaults)

    def _button(self, name: str, params: Mapping) -> ipywidgets.Button:
        button = ipywidgets.Button(description=name, layout={"width": "auto"})
        # A preset starts from the defaults, so that it always means the same settings.
        button.on_click(lambda _: self._try(lambda: self.set(**{**self._defaults, **params})))
        return button

    def _validate(self, params: Mapping) -> None:
        for name, value in params.items():
            if name not in self.controls:
                names = ", ".join(self.controls)
                raise KeyError(f"There is no control {name!r}; there are {names}.")
            control = self.controls[name]
            if hasattr(control, "_options_values"):
                if value not in control._options_values:
                    options = ", ".join(map(repr, control._options_values))
                    raise ValueError(f"{name} must be one of {options}; got {value!r}.")
            elif hasattr(control, "min"):
                low, high = control.min, control.max
                if isinstance(control, ipywidgets.FloatLogSlider):
                    low, high = control.base**low, control.base**high
                try:
                    inside = low <= value <= high
                except TypeError:
                    inside = False
                if not inside:
                    raise ValueError(f"{name} must lie in {low:g} to {high:g}; got {value!r}.")

    def _changed(self, _change) -> None:
        if not self._setting:
            self._try(self._update)

    def _try(self, action: Callable[[], None]) -> None:
        """Run a callback of a control: a refusal is shown, it does not end in a kernel log."""
        try:
            action()
        except ValueError as error:
            message = html.escape(str(error))
            self._refusal.value = f'<div class="lab-error">Not possible: {message}</div>'

    def _update(self) -> None:
        with self._busy:
            params = {name: control.value for name, control in self.controls.items()}
            result = self._compute(**params)
            self._png = self._painter(result)
            self.result, self._params = result, params
            self._alt_text = self._alt(result)
            size, axes = self._painter.css_size(), self._painter.axes
            self._image.value = img_tag(self._png, self._alt_text, size, axes)
            self._text.value = line_below(self._readout(result), self._alt_text)
            self._refusal.value = ""

    def _picture(self):
        return self._png, self._alt_text, self._painter.css_size()
