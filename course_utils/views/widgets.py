"""`Sweep` and `Explorer`: the two ways to make a figure move.

Both take a *drawing*: one function ``draw(data, figure=None) -> Figure``. Called with data alone it
builds the figure; called again with that figure it only changes the artists that move, which it
keeps in ``figure.moving`` and made with ``animated=True``. The widgets draw everything else once
and then paint only those artists over it. Moving artists therefore lie on top. A drawing that
changes anything else (an axis limit, a title) is still right, only slower.

- `Sweep`: one slider over pictures drawn ahead and flipped in the browser. It needs no kernel while
  it moves, so it stays quick on a far-away hub and while the kernel trains. `Sweeps` is a choice
  between several.
- `Explorer`: several controls; each change computes, redraws and sends one picture.

Each is shown with a PNG beside the live widget, so that GitHub, nbviewer and a notebook that was
never run show a picture too.
"""

from __future__ import annotations

import base64
import html
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from contextlib import contextmanager
from pathlib import Path

import ipywidgets
from IPython import get_ipython
from IPython.display import display
from matplotlib.figure import Figure

from course_utils.views import standalone, style

# Matplotlib is not thread-safe, and a kernel may run widget callbacks on a thread of its own.
MATPLOTLIB = threading.RLock()

_CSS = """
.lab-widget .widget-readout, .lab-widget label.widget-label
  {max-width: none; overflow: visible; white-space: nowrap}
.lab-widget .noUi-handle:focus-visible, .lab-widget button:focus-visible,
.lab-widget select:focus-visible {outline: 3px solid #E67817; outline-offset: 2px}
.lab-widget button.mod-active {font-weight: 600; box-shadow: inset 0 -3px 0 #006395}
.lab-frame > .lm-TabBar, .lab-frame > .p-TabBar {display: none !important}
.lab-frame > .widget-tab-contents {border: 0 !important; padding: 0 !important; overflow: hidden}
.lab-widget img {max-width: 100%; height: auto; display: block}
.lab-widget figure {margin: 0}
.lab-widget .lab-readout {line-height: 1.5; margin: 2px 4px}
.lab-widget .lab-title {font-weight: 600; margin: 2px 4px}
.lab-widget .lab-error {color: #A51C30; font-weight: 600; margin: 2px 4px}
"""

# ipywidgets' sliders have no accessible name and read out an index. This gives each handle its
# visible label as its name and its visible readout, with the picture's line, as its value. It is an
# addition for screen readers: where a page forbids inline scripts, everything else still works.
_NAME_SLIDERS = """
const name = tries => {
  const root = this.closest('.lab-widget');
  const sliders = root ? [...root.querySelectorAll('.widget-slider')] : [];
  if (!sliders.length) { if (tries) setTimeout(() => name(tries - 1), 100); return; }
  root.querySelectorAll('.lab-live .widget-html-content').forEach(
    e => e.setAttribute('aria-live', 'polite'));
  for (const slider of sliders) {
    const handle = slider.querySelector('[role=slider]');
    if (!handle || handle.hasAttribute('aria-label')) continue;
    handle.setAttribute('aria-label', slider.querySelector('label').textContent);
    const say = () => {
      const line = [...root.querySelectorAll('.lab-frame .lab-readout')]
        .find(e => e.offsetParent);
      const text = [slider.querySelector('.widget-readout'), line]
        .map(e => e && e.textContent).filter(t => t).join(', ');
      if (handle.getAttribute('aria-valuetext') !== text)
        handle.setAttribute('aria-valuetext', text);
    };
    new MutationObserver(say).observe(handle, {attributeFilter: ['aria-valuetext']});
    say();
  }
};
name(50);
"""
_DOT = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="


_SLIDERS = (
    ipywidgets.FloatLogSlider,
    ipywidgets.FloatSlider,
    ipywidgets.IntSlider,
    ipywidgets.SelectionSlider,
)


class _Painter:
    """Draws pictures of a changing state on one figure, painting only what moves."""

    def __init__(self, draw: Callable):
        self._draw = draw
        self._background = None
        self.figure: Figure | None = None

    def __call__(self, data) -> bytes:
        """PNG bytes of the drawing of `data`."""
        with MATPLOTLIB, style.rc():
            if self.figure is None:
                self.figure = self._draw(data)
                style.freeze_layout(self.figure)
            else:
                self._draw(data, self.figure)
            canvas = self.figure.canvas
            # Animated artists do not make their figure stale: if it is, the background changed.
            if self._background is None or self.figure.stale:
                canvas.draw()
                self._background = canvas.copy_from_bbox(self.figure.bbox)
            else:
                canvas.restore_region(self._background)
            moving = getattr(self.figure, "moving", {}).values()
            for artist in sorted(moving, key=lambda artist: artist.get_zorder()):
                artist.axes.draw_artist(artist)
            return style.png(self.figure)

    def css_size(self) -> tuple[int, int]:
        """Width and height of the picture in CSS pixels."""
        inches = self.figure.get_size_inches()
        return round(inches[0] * style.CSS_DPI), round(inches[1] * style.CSS_DPI)


def _img(png: bytes, alt: str, size: tuple[int, int]) -> str:
    # decoding="sync": the new picture replaces the old one in the same frame, without a blank.
    return (
        f'<img alt="{html.escape(alt)}" width="{size[0]}" height="{size[1]}" decoding="sync" '
        f'src="data:image/png;base64,{base64.b64encode(png).decode("ascii")}">'
    )


def _line(text: str, alt: str) -> str:
    """The visible line below a picture; hidden from screen readers if it only repeats the alt."""
    if not text:
        return ""
    hidden = ' aria-hidden="true"' if text == alt else ""
    return f'<div class="lab-readout"{hidden}>{html.escape(text)}</div>'


def _title(text: str) -> ipywidgets.HTML:
    return ipywidgets.HTML(f'<div class="lab-title">{html.escape(text)}</div>')


def _setup(readout_width: int = 0) -> ipywidgets.HTML:
    """The style sheet and the names for screen readers; takes no room."""
    readout = f".lab-readout-{readout_width} .widget-readout {{min-width: {readout_width}ch}}"
    return in_page(_CSS + (readout if readout_width else ""), _NAME_SLIDERS)


def in_page(css: str, script: str) -> ipywidgets.HTML:
    """A style sheet and a script beside a widget; takes no room. In the script, `this` is there."""
    return ipywidgets.HTML(
        f'<style>{css}</style><img src="{_DOT}" alt="" hidden onload="{html.escape(script)}">',
        layout={"height": "0", "margin": "0", "overflow": "hidden"},
    )


def _check_text(**texts) -> None:
    for name, text in texts.items():
        if not isinstance(text, str) or not text.strip():
            raise TypeError(f"{name} must be a sentence for readers, not {text!r}.")


class _Pictured(ipywidgets.VBox):
    """A box that is shown with a PNG of its present picture beside the live widget."""

    description = ""

    def _picture(self) -> tuple[bytes, str, tuple[int, int]]:
        """PNG bytes, alt text and CSS size of the picture that is showing."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **kwargs):
        data = super()._repr_mimebundle_(**kwargs)
        png, alt, (width, height) = self._picture()
        data["image/png"] = base64.b64encode(png).decode("ascii")
        data["text/plain"] = f"{self.description}\n{alt}"
        # nbconvert writes this alt; JupyterLab uses the size.
        return data, {"image/png": {"alt": alt, "width": width, "height": height}}


class Sweep(_Pictured):
    """One slider over pictures that were drawn ahead.

    Parameters
    ----------
    draw : callable
        The drawing, ``draw(data, figure=None) -> Figure`` (see the module's text).
    states : sequence
        The data of each picture, at least two.
    labels : sequence of str
        What the slider reads at each state, with its unit.
    description : str
        What the figure shows, in a few words.
    alt : callable
        ``alt(state) -> str``: the finding of that picture in a sentence.
    slider : str, optional
        The slider's label. Without it the description labels the slider.
    readout : callable, optional
        ``readout(state) -> str``: the line of numbers below the picture. Without it the alt text
        is shown there.
    index : int
        The state to start at.

    Raises
    ------
    ValueError
        Fewer than two states, as many labels as states missing, or an index out of range.

    Attributes
    ----------
    frames : list of bytes
        The pictures, PNG.
    alts : list of str
        Their alt texts.
    """

    def __init__(
        self,
        draw: Callable,
        states: Sequence,
        labels: Sequence[str],
        *,
        description: str,
        alt: Callable,
        slider: str = "",
        readout: Callable | None = None,
        index: int = 0,
    ):
        _check_text(description=description)
        states, labels = list(states), [str(label) for label in labels]
        if len(states) < 2:
            raise ValueError(f"A Sweep moves between at least two states, got {len(states)}.")
        if len(labels) != len(states):
            raise ValueError(
                f"A Sweep needs a label for each state: got {len(labels)} for {len(states)} states."
            )
        if not 0 <= index < len(states):
            raise ValueError(f"index must lie in 0..{len(states) - 1}, got {index}.")

        self.description = description
        self._painter = _Painter(draw)
        self._states = states
        self.frames = [self._painter(state) for state in states]
        self.alts = [alt(state) for state in states]
        self._lines = self.alts if readout is None else [readout(state) for state in states]
        size = self._painter.css_size()

        self.slider = ipywidgets.SelectionSlider(
            options=[(label, i) for i, label in enumerate(labels)],
            index=index,
            description=slider or description,
            style={"description_width": "initial"},
            layout={"width": f"{size[0]}px", "max_width": "100%"},
        )
        layout = ipywidgets.Layout()
        layout.margin = "0"
        looks = ipywidgets.HTML().style
        pages = [
            ipywidgets.HTML(
                f"<figure>{_img(png, alt_text, size)}{_line(line, alt_text)}</figure>",
                layout=layout,
                style=looks,
            )
            for png, alt_text, line in zip(self.frames, self.alts, self._lines, strict=True)
        ]
        # A Tab with its bar hidden, not a Stack: a Tab keeps every page in the browser and only
        # shows another one, where a Stack builds the page anew (twice as long, measured).
        self._pages = ipywidgets.Tab(pages, titles=labels, selected_index=index)
        self._pages.add_class("lab-frame")
        self._link = ipywidgets.jslink((self.slider, "index"), (self._pages, "selected_index"))
        width = max(len(label) for label in labels)
        children = [self.slider, self._pages, _setup(width)]
        super().__init__([_title(description), *children] if slider else children)
        self.add_class("lab-widget")
        self.add_class(f"lab-readout-{width}")

    @property
    def index(self) -> int:
        """Which state is showing."""
        return self.slider.index

    @index.setter
    def index(self, index: int) -> None:
        if not 0 <= index < len(self._states):
            raise ValueError(f"index must lie in 0..{len(self._states) - 1}, got {index}.")
        self.slider.index = index
        self._pages.selected_index = index  # jslink works in the browser only

    @property
    def figure(self) -> Figure:
        """The Matplotlib figure, drawn for the state that is showing."""
        self._painter(self._states[self.index])
        return self._painter.figure

    def save_html(self, path: str | Path) -> None:
        """Save as one HTML file that needs no kernel and no network.

        It opens from the disk and in a page, as an ``<iframe>`` or pasted in; it begins at the
        state that is showing. See `course_utils.views.standalone`.

        Raises
        ------
        ValueError
            The name does not end in .html.
        FileNotFoundError
            There is no such folder.
        """
        standalone.save(path, {"": self._strip()})

    def _strip(self) -> standalone.Strip:
        return standalone.Strip(
            description=self.description,
            slider=self.slider.description,
            labels=[label for label, _ in self.slider.options],
            alts=self.alts,
            lines=self._lines,
            frames=self.frames,
            index=self.index,
            size=self._painter.css_size(),
        )

    def _picture(self):
        return self.frames[self.index], self.alts[self.index], self._painter.css_size()


class Sweeps(_Pictured):
    """A choice (a layer, a bit width) between several `Sweep`; each is drawn when first chosen.

    Parameters
    ----------
    label : str
        What is chosen.
    sweeps : mapping of str to callable
        For each choice a function without arguments that makes its `Sweep`.
    first : str, optional
        The choice to start with.

    Raises
    ------
    ValueError
        There is nothing to choose from.
    KeyError
        `first` is not one of the choices.

    Example: ``Sweeps("Layer", {name: lambda name=name: sweep(name) for name in layers})``
    """

    def __init__(
        self,
        label: str,
        sweeps: Mapping[str, Callable[[], Sweep]],
        *,
        first: str | None = None,
    ):
        _check_text(label=label)
        if not sweeps:
            raise ValueError("Sweeps needs at least one Sweep to choose.")
        self._makers = dict(sweeps)
        self._names = list(sweeps)
        index = self._find(self._names[0] if first is None else first)
        short = sum(len(name) + 4 for name in self._names) < 70
        self.choice = (ipywidgets.ToggleButtons if short else ipywidgets.Dropdown)(
            options=self._names,
            index=index,
            description=label,
            style={"description_width": "initial"},
            layout={"width": "auto", "max_width": "100%"},
        )
        if short:
            self.choice.style.button_width = "auto"
        waiting = [
            ipywidgets.HTML(f'<p role="status">Drawing the pictures of {html.escape(name)} …</p>')
            for name in self._names
        ]
        self._pages = ipywidgets.Stack(waiting, selected_index=index)
        self._link = ipywidgets.jslink((self.choice, "index"), (self._pages, "selected_index"))
        self._fill(index)
        self.choice.observe(lambda change: self._fill(change["new"]), "index")
        super().__init__([self.choice, self._pages])
        self.add_class("lab-widget")

    def _find(self, name: str) -> int:
        if name not in self._makers:
            raise KeyError(f"There is no {name!r} here; choose one of {', '.join(self._names)}.")
        return self._names.index(name)

    def _fill(self, index: int) -> None:
        pages = list(self._pages.children)
        if not isinstance(pages[index], Sweep):
            pages[index] = self._makers[self._names[index]]()
            self._pages.children = pages
        self._pages.selected_index = index

    @property
    def sweep(self) -> Sweep:
        """The `Sweep` that is showing."""
        return self._pages.children[self.choice.index]

    def choose(self, name: str) -> Sweep:
        """Show the sweep called `name` (drawing it if need be) and return it."""
        self.choice.index = self._find(name)
        return self.sweep

    @property
    def description(self) -> str:
        return self.sweep.description

    @property
    def figure(self) -> Figure:
        """The figure of the `Sweep` that is showing."""
        return self.sweep.figure

    def save_html(self, path: str | Path) -> None:
        """Save all the choices as one HTML file, as `Sweep.save_html` does; draws what is missing.

        It begins with the choice that is showing.
        """
        standalone.check(path)
        shown = self.choice.index
        for index, _ in enumerate(progress(self._names, "Drawing the pictures")):
            self._fill(index)
        self._pages.selected_index = shown
        strips = [page._strip() for page in self._pages.children]
        standalone.save(
            path,
            dict(zip(self._names, strips, strict=True)),
            self.choice.description,
            self._names[shown],
        )

    def _picture(self):
        return self.sweep._picture()


class Explorer(_Pictured):
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
        _check_text(description=description)
        if not controls:
            raise ValueError("An Explorer needs at least one control.")
        for name, control in controls.items():
            if not hasattr(control, "value"):
                raise TypeError(f"The control {name!r} must be an ipywidgets control with a value.")
        self.description = description
        self.controls = dict(controls)
        self._compute, self._alt, self._readout = compute, alt, readout or alt
        self._painter = _Painter(draw)
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
                control.layout.flex = "1 1 380px" if isinstance(control, _SLIDERS) else "0 0 auto"
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
                _title(description),
                ipywidgets.HBox(list(self.controls.values()), layout=wrap),
                ipywidgets.HBox([*buttons, self.reset_button], layout=wrap),
                self._refusal,
                self._image,
                self._text,
                _setup(),
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
            self._image.value = _img(self._png, self._alt_text, self._painter.css_size())
            self._text.value = _line(self._readout(result), self._alt_text)
            self._refusal.value = ""

    def _picture(self):
        return self._png, self._alt_text, self._painter.css_size()


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


@contextmanager
def progress_bar(description: str) -> Iterator[Callable]:
    """Show how far something is: ``with progress_bar("Training") as report: report(done, total)``.

    In a notebook it is a bar with the time left, which stays, full, with the time it took.
    Elsewhere it is a line on the terminal, or nothing where no one looks. What a notebook saves
    of it is the same at every run. `report` takes as an optional third argument a mapping of
    numbers to show.
    """
    _check_text(description=description)
    live = hasattr(get_ipython(), "kernel")
    terminal = not live and sys.stderr.isatty()
    start = time.monotonic()
    shown = -1.0
    if live:
        row = _Bar(description)
        display(row)

    def report(done: int, total: int, numbers: Mapping[str, float] | None = None) -> None:
        nonlocal shown
        now = time.monotonic()
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

    try:
        yield report
    except BaseException:
        if live:
            row.bar.bar_style = "danger"
            row.note.value = f"stopped after {time.monotonic() - start:.0f} s"
        raise
    else:
        if live:
            row.bar.bar_style = "success"
            row.bar.value = row.bar.max
            row.note.value = f"done in {time.monotonic() - start:.0f} s"
    finally:
        if terminal:
            print(f"\r{description}: {time.monotonic() - start:.0f} s{' ' * 40}", file=sys.stderr)
