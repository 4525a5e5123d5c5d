"""A `.tflite` file of one's own on the page: what it holds, what it needs, where it runs.

Nothing is uploaded to anywhere: the notebook's kernel reads the file, in a browser's tab the
browser itself.
"""

from __future__ import annotations

import html
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import ipywidgets

from course_utils.labs.tflite_micro_export import figures, file_parts, scenes
from course_utils.machines import data, micro
from course_utils.views import style, widgets
from course_utils.views.tables import Table
from course_utils.views.widgets.picture import Pictured, setup

MOST_FILES = 100  # of the notebook's folder
MOST_UPLOADS = 10  # that are kept to choose from again


def page() -> OwnFile:
    """Choose a `.tflite` file, and see its weights, mapping, memory, boards and refusals."""
    return OwnFile()


def uploaded(value) -> tuple[str, bytes] | None:
    """The name and bytes of what a FileUpload holds; None where it is empty.

    value: of ipywidgets 8, a tuple of {"name", "content", ...}; of ipywidgets 7 (Colab), a mapping
           {name: {"metadata": ..., "content": ...}}. The last file counts.
    """
    if not value:
        return None
    if isinstance(value, Mapping):
        name, held = list(value.items())[-1]
    else:
        held = value[-1]
        name = held["name"]
    return str(name), bytes(held["content"])


class OwnFile(Pictured):
    """A choice of files, a line about the file, and its parts, each made when first chosen.

    folder: where the notebook lies, in which "Look again" looks for `*.tflite`.
    `file` is the File that is shown, None where it could not be read; `part` the part's name.
    """

    def __init__(self, folder: Path | None = None):
        self._folder = Path.cwd() if folder is None else folder
        self._turn = threading.RLock()  # a kernel may run callbacks on several threads
        self._setting = False
        self._uploads: dict[str, bytes] = {}
        self.file: file_parts.File | None = None
        self._made: dict[str, ipywidgets.Widget] = {}
        self._needs: file_parts.Needs | None = None
        self.upload = ipywidgets.FileUpload(
            accept=".tflite", multiple=False, description="Choose a .tflite file",
            layout={"width": "auto"},
        )  # fmt: skip
        self.files = ipywidgets.Dropdown(
            description="or take", style={"description_width": "initial"},
            layout={"width": "auto", "max_width": "100%"},
        )  # fmt: skip
        self.again = ipywidgets.Button(description="Look again", layout={"width": "auto"})
        self.again.tooltip = "Look for .tflite files in the notebook's folder"
        # A Jupyter server that `lab.py` did not start ends the connection of a message of more than
        # 10 MB, without a word.
        self.upload.tooltip = "Up to 8 MB; larger files: by the list of files at the left"
        self.parts = ipywidgets.ToggleButtons(
            options=list(PARTS), description="Show", style={"description_width": "initial"},
            layout={"width": "auto", "max_width": "100%"},
        )  # fmt: skip
        self.parts.style.button_width = "auto"
        self._said, self._status = ipywidgets.HTML(), ipywidgets.HTML()
        for line in (self._said, self._status):
            line.add_class("lab-live")
        self._page = ipywidgets.VBox()
        wrap = {"flex_flow": "row wrap", "align_items": "center", "grid_gap": "2px 12px",
                "max_width": "100%"}  # fmt: skip
        row = ipywidgets.HBox([self.upload, self.files, self.again], layout=wrap)
        super().__init__([row, self._said, self.parts, self._status, self._page, setup()])
        self.add_class("lab-widget")
        self.look_again()
        self.show(self.files.value)
        self.upload.observe(self._uploaded, "value")
        self.files.observe(self._chosen, "value")
        self.again.on_click(lambda _: self.look_again(say=True))
        self.parts.observe(lambda change: self.choose(change["new"]), "value")

    @property
    def part(self) -> str:
        """The part that is chosen."""
        return self.parts.value

    def look_again(self, say: bool = False) -> None:
        """Offer what lies in the folder now; the choice stays."""
        try:
            found = sorted(path.name for path in self._folder.glob("*.tflite"))
        except OSError:
            found = []
        self._folders = {f"{name} (in this folder)": name for name in found[:MOST_FILES]}
        options = [*self._uploads, *self._folders, *EXAMPLES]
        with self._turn:
            chosen, self._setting = self.files.value, True
            try:
                self.files.options = [(file_parts.shortened(name, 60), name) for name in options]
                self.files.value = chosen if chosen in options else next(iter(EXAMPLES))
            finally:
                self._setting = False
            if self.files.value != chosen and chosen is not None:
                self.show(self.files.value)
        if say:
            self._status.value = _line(
                f"{len(found)} .tflite files in {self._folder.name or self._folder}: drop one on "
                "the list of files at the left to add it."
            )

    def offer(self, name: str, content: bytes) -> None:
        """Take a file that was uploaded, and show it."""
        label = f"{name} (uploaded)"
        self._uploads = {label: content, **{k: v for k, v in self._uploads.items() if k != label}}
        for old in list(self._uploads)[MOST_UPLOADS:]:
            del self._uploads[old]
        with self._turn:
            self._setting = True
            try:
                self.look_again()
                self.files.value = label
            finally:
                self._setting = False
            self.show(label)

    def show(self, label: str) -> None:
        """Read the file of that label, say what it is, and show the chosen part of it."""
        with self._turn:
            self._made, self._needs, self.file = {}, None, None
            self._page.children, self._status.value = (), ""
            self.parts.layout.display = None
            try:
                name, content = self._content(label)
                self.file = file_parts.read(name, content)
                self._said.value = _line(file_parts.summary(self.file))
            except ValueError as error:
                said = f"{file_parts.shortened(_name(label), 60)} can't be shown: {error}"
                self._said.value = _refusal(said)
                self.parts.layout.display = "none"
                return
            self.choose(self.part)

    def choose(self, part: str) -> None:
        """Show a part of the file; it is made the first time."""
        with self._turn:
            if self.parts.value != part:
                self.parts.value = part  # which comes back here
                return
            if self.file is None:
                return
            if part not in self._made:
                self._page.children = ()
                self._status.value = _line(f"Working on {part} …")
                self._made[part] = self._make(part)
                self._status.value = ""
            shown = self._made[part]
            if isinstance(shown, Pictured):
                self._still, self.description = shown, shown.description
            self._page.children = (shown,)

    def needs(self) -> file_parts.Needs:
        """The RAM that the file takes; measured the first time, with a line that says so."""
        if self._needs is None:
            if not micro.missing():
                self._status.value = _line(
                    "Measuring in the TFLM interpreter: it gets less and less memory until it "
                    "refuses. That may take some seconds …"
                )
            self._needs = file_parts.needs(self.file)
        return self._needs

    def _content(self, label):
        if label in self._uploads:
            return _name(label), self._uploads[label]
        if label in self._folders:
            name = self._folders[label]
            return name, file_parts.read_path(self._folder / name)
        return EXAMPLES[label], data.read(f"models/{EXAMPLES[label]}")

    def _make(self, part):
        """A part, or one sentence why there is none."""
        try:
            return PARTS[part](self)
        except (ValueError, micro.Refused, ImportError) as error:
            return ipywidgets.HTML(_refusal(f"{part} can't be shown of this file: {error}"))

    def _uploaded(self, _change):
        if (given := uploaded(self.upload.value)) is not None:
            self.offer(*given)

    def _chosen(self, change):
        if not self._setting:
            self.show(change["new"])

    def _picture(self):
        return self._still._picture()


# --- the parts ----------------------------------------------------------------------------------


def _weights(own: OwnFile) -> ipywidgets.Widget:
    file = own.file
    table = _scrolled(file_parts.tensors_table(file))
    try:
        found = file_parts.constants(file)
    except ValueError as error:
        return ipywidgets.VBox([ipywidgets.HTML(_refusal(str(error))), table])
    explorer = widgets.Explorer(
        lambda tensor, bins: file_parts.values(file, tensor, bins),
        figures.draw_values,
        {
            "tensor": _dropdown(found, "Tensor"),
            "bins": ipywidgets.IntSlider(value=64, min=8, max=128, step=8, description="Bars"),
        },
        description="The numbers of a constant tensor",
        alt=figures.alt_values,
    )
    return _Above(explorer, table)


def _mapping(own: OwnFile) -> ipywidgets.Widget:
    file = own.file
    controls = {"tensor": _dropdown(file_parts.quantized(file), "Tensor")}
    if (channels := file_parts.most_channels(file)) > 1:
        controls["channel"] = ipywidgets.IntSlider(max=channels - 1, description="Channel")
    return widgets.Explorer(
        lambda tensor, channel=0: file_parts.mapped(file, tensor, channel),
        figures.draw_mapped,
        controls,
        description="What the codes stand for: real = scale × (code − zero_point)",
        alt=figures.alt_mapped,
    )


def _lifetimes(own: OwnFile) -> ipywidgets.Widget:
    windows = file_parts.lifetimes(own.file)
    if sum(map(len, windows.values())) == 1:  # nothing to move between
        (state,) = next(iter(windows.values()))
        picture = style.Picture(figures.draw_lifetimes(state), figures.alt_lifetimes(state))
        return ipywidgets.HTML(_img(picture))

    def of(states):
        states = states * 2 if len(states) == 1 else states  # a last one alone: nothing moves
        peak = max(states, key=lambda state: state.alive[state.at]).at
        return widgets.Sweep(
            figures.draw_lifetimes, states, [state.operators[state.at] for state in states],
            slider="operator", index=peak, description="Activations over the network's life",
            alt=figures.alt_lifetimes,
        )  # fmt: skip

    if len(windows) == 1:
        return of(next(iter(windows.values())))
    first = max(windows, key=lambda name: max(windows[name][0].alive))
    makers = {name: lambda states=states: of(states) for name, states in windows.items()}
    return widgets.Sweeps("Part", makers, first=first)


def _memory(own: OwnFile) -> ipywidgets.Widget:
    makers = (
        lambda: file_parts.flash_table(own.file),
        lambda: file_parts.arena_table(own.file, own.needs()),
    )
    return ipywidgets.VBox(list(map(_or_why, makers)))


def _boards(own: OwnFile) -> ipywidgets.Widget:
    return _table(file_parts.boards_table(own.file, own.needs()))


def _refusals(own: OwnFile) -> ipywidgets.Widget:
    said = ipywidgets.HTML(_line(file_parts.verdict(own.file)))
    tables = (file_parts.runtimes_table(own.file), file_parts.operators_table(own.file))
    return ipywidgets.VBox([said, *map(_scrolled, tables)])


PARTS: Mapping[str, Callable[[OwnFile], ipywidgets.Widget]] = {
    "Weights": _weights,
    "Mapping": _mapping,
    "Lifetimes": _lifetimes,
    "Memory": _memory,
    "Boards": _boards,
    "Refusals": _refusals,
}
EXAMPLES = {f"{name} (shipped)": f"{name}_int8.tflite" for name in scenes.NETWORKS}


class _Above(Pictured):
    """An explorer, and a table below it."""

    def __init__(self, explorer, table):
        self.explorer, self.description = explorer, explorer.description
        super().__init__([explorer, table])

    def _picture(self):
        return self.explorer._picture()


# --- looks --------------------------------------------------------------------------------------


def _dropdown(found, label):
    return ipywidgets.Dropdown(options=found, value=found[0][1], description=label)


def _name(label):
    return label.rsplit(" (", 1)[0]


def _line(text):
    return f'<div class="lab-readout" style="max-width: 60em">{html.escape(text)}</div>'


def _refusal(text):
    look = "max-width: 60em; line-height: 1.5"
    return f'<div class="lab-error" role="status" style="{look}">{html.escape(text)}</div>'


def _table(table: Table):
    return ipywidgets.HTML(table._repr_mimebundle_()["text/html"])


def _scrolled(table: Table):
    """A table in a box that the keyboard can scroll."""
    inside = table._repr_mimebundle_()["text/html"]
    label = html.escape(table.caption, quote=True)
    return ipywidgets.HTML(
        f'<div role="region" tabindex="0" aria-label="{label}" style="max-height: 26em; '
        f'overflow: auto">{inside}</div>'
    )


def _or_why(make: Callable[[], Table]):
    try:
        return _table(make())
    except ValueError as error:
        return ipywidgets.HTML(_refusal(str(error)))


def _img(picture: style.Picture) -> str:
    bundle, meta = picture._repr_mimebundle_()
    size = meta["image/png"]
    return (
        f'<img alt="{html.escape(picture.alt, quote=True)}" width="{size["width"]}" '
        f'height="{size["height"]}" src="data:image/png;base64,{bundle["image/png"]}">'
    )
