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
    reset_button,
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
    axes : list of list
        Where the axes of each are, as `course_utils.views.pointing.axes_of` tells it.
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
        self.frames, self.axes = [], []
        for state in states:
            self.frames.append(self._painter(state))
            self.axes.append(self._painter.axes)
        self.alts = [alt(state) for state in states]
        self._lines = self.alts if readout is None else [readout(state) for state in states]
        size = self._painter.css_size()

        self.slider = ipywidgets.SelectionSlider(
            options=[(label, i) for i, label in enumerate(labels)],
            index=index,
            description=slider or description,
            style={"description_width": "initial"},
            layout={"width": "auto", "flex": "1 1 0%", "min_width": "0"},
        )
        self.start = index
        self.reset_button = reset_button(self.reset, start=index)
        layout = ipywidgets.Layout()
        layout.margin = "0"
        looks = ipywidgets.HTML().style
        pages = [
            ipywidgets.HTML(
                f"<figure>{img_tag(png, alt_text, size, axes)}{line_below(line, alt_text)}"
                "</figure>",
                layout=layout,
                style=looks,
            )
            for png, alt_text, line, axes in zip(
                self.frames, self.alts, self._lines, self.axes, strict=True
            )
        ]
        # A Tab with its bar hidden, not a Stack: a Tab keeps every page in the browser and only
        # shows another one, where a Stack builds the page anew (twice as long, measured).
        self._pages = ipywidgets.Tab(pages, titles=labels, selected_index=index)
        self._pages.add_class("lab-frame")
        self._link = ipywidgets.jslink((self.slider, "index"), (self._pages, "selected_index"))
        width = max(len(label) for label in labels)
        self._row = ipywidgets.HBox(
            [self.slider, self.reset_button],
            layout={"width": f"{size[0]}px", "max_width": "100%", "align_items": "center"},
        )
        children = [self._row, self._pages, setup(width)]
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
    def labels(self) -> list[str]:
        """What the slider reads at each state."""
        return [label for label, _ in self.slider.options]

    def reset(self) -> None:
        """Go back to the state that it started at: what the button does."""
        self.index = self.start

    @property
    def figure(self) -> Figure:
        """The Matplotlib figure, drawn for the state that is showing."""
        self._painter(self._states[self.index])
        return self._painter.figure

    def save_html(self, path: str | Path, live: str = "") -> None:
        """Save as one HTML file that needs no kernel and no network.

        It opens from the disk and in a page, as an ``<iframe>`` or pasted in; it begins at the
        state that is showing. See `course_utils.views.standalone`, for `live` too.

        Raises
        ------
        ValueError
            The name does not end in .html.
        FileNotFoundError
            There is no such folder.
        """
        standalone.save(path, {"": self._strip()}, live=live)

    def hide_reset(self) -> None:
        """Leave the button out: in `Sweeps` one button is for the choice and the slider."""
        self._row.children = [self.slider]

    def _strip(self) -> standalone.Strip:
        return standalone.Strip(
            description=self.description,
            slider=self.slider.description,
            labels=self.labels,
            alts=self.alts,
            lines=self._lines,
            frames=self.frames,
            index=self.index,
            start=self.start,
            size=self._painter.css_size(),
            axes=self.axes,
        )

    def _picture(self):
        return self.frames[self.index], self.alts[self.index], self._painter.css_size()


class Sweeps(Pictured):
    """A choice (a layer, a bit width) between several `Sweep`; each is drawn when first chosen.

    Where the next one has the label at which the slider stands, it opens there: who looks at
    another layer keeps s. The room stays as it is while pictures are drawn.

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
        self.choice.add_class("lab-choice")
        self._first = index
        # A Tab, as in a Sweep: it keeps every page, so that a choice shows at once and at the same
        # height. A page is a box, so that to fill it builds no other page anew.
        self._boxes = [ipywidgets.VBox([_waiting(name)]) for name in self._names]
        self._boxes[index].add_class("lab-first")
        self._pages = ipywidgets.Tab(self._boxes, titles=self._names, selected_index=index)
        self._pages.add_class("lab-frame")
        self._link = ipywidgets.jslink((self.choice, "index"), (self._pages, "selected_index"))
        self._links: list = []  # between sliders that stand at the same place
        self._shown = index
        self._sweeps: dict[int, Sweep] = {}
        self._fill(index)
        width, height = self.sweep._painter.css_size()
        for page in self._boxes:  # 90: the title, the slider and a line below
            page.layout.min_height = f"calc(min({width}px, 100cqw) * {height / width:.4f} + 90px)"
        self.choice.observe(lambda change: self._fill(change["new"]), "index")
        self.reset_button = reset_button(self.reset, start=self.sweep.start, choice=index)
        self.choice.layout.flex = "1 1 0%" if short else "0 1 auto"
        row = ipywidgets.HBox(
            [self.choice, self.reset_button],
            layout={"width": f"{width}px", "max_width": "100%", "align_items": "center"},
        )
        super().__init__([row, self._pages])
        self.add_class("lab-widget")
        self.add_class("lab-sweeps")

    def _find(self, name: str) -> int:
        if name not in self._makers:
            raise KeyError(f"There is no {name!r} here; choose one of {', '.join(self._names)}.")
        return self._names.index(name)

    def _fill(self, index: int) -> None:
        before = self._sweeps.get(self._shown)
        new = index not in self._sweeps
        if new:
            self._sweeps[index] = sweep = self._makers[self._names[index]]()
            sweep.hide_reset()
        sweep = self._sweeps[index]
        if before and before is not sweep and before.slider.label in sweep.labels:
            sweep.index = sweep.labels.index(before.slider.label)
        if new:
            # In the browser, so that a choice made while the kernel is busy keeps the place, too.
            like = [other for other in self._sweeps.values() if other.labels == sweep.labels]
            if like[0] is not sweep:
                ends = (like[0].slider, "index"), (sweep.slider, "index")
                self._links.append(ipywidgets.jslink(*ends))
            self._boxes[index].children = [sweep]
        self._shown = index
        self._pages.selected_index = index

    @property
    def sweep(self) -> Sweep:
        """The `Sweep` that is showing."""
        return self._sweeps[self.choice.index]

    def reset(self) -> None:
        """Go back to the first choice and where its slider started: what the button does."""
        self.choice.index = self._first
        self.sweep.reset()

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

    def save_html(self, path: str | Path, live: str = "") -> None:
        """Save all the choices as one HTML file, as `Sweep.save_html` does; draws what is missing.

        It begins with the choice that is showing.
        """
        standalone.check(path)
        shown = self.choice.index
        for index, _ in enumerate(progress(self._names, "Drawing the pictures")):
            self._fill(index)
        self._fill(shown)
        strips = [self._sweeps[index]._strip() for index in range(len(self._names))]
        standalone.save(
            path,
            dict(zip(self._names, strips, strict=True)),
            self.choice.description,
            self._names[shown],
            live,
        )

    def _picture(self):
        return self.sweep._picture()


def _waiting(name: str) -> ipywidgets.HTML:
    return ipywidgets.HTML(f'<p role="status">Drawing the pictures of {html.escape(name)} …</p>')
