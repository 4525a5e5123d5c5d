"""`Sweep`: pictures drawn ahead and flipped in the browser; `Sweeps`: a choice of them."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import ipywidgets
from matplotlib.figure import Figure

from course_utils.views import standalone
from course_utils.views.widgets.bars import progress
from course_utils.views.widgets.picture import (
    Painter,
    Pictured,
    check_text,
    heading,
    img_tag,
    line_below,
    setup,
)


class Sweep(Pictured):
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
        check_text(description=description)
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
        self._painter = Painter(draw)
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
                f"<figure>{img_tag(png, alt_text, size)}{line_below(line, alt_text)}</figure>",
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
        children = [self.slider, self._pages, setup(width)]
        super().__init__([heading(description), *children] if slider else children)
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


class Sweeps(Pictured):
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
        check_text(label=label)
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
