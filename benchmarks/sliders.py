"""Slider key press to pixels on screen: `Sweep` and `Explorer` against `interact`.

A histogram of one million weights with a moving threshold, four ways, and the lottery ticket's
film (notebook 04), in a real JupyterLab in a real Chromium, key presses in turns so that all meet
the same machine. Run::

    python benchmarks/sliders.py [--presses 40]

The time runs from the browser's key event to the second animation frame after the new picture was
decoded, so it is an upper bound by about one frame (17 ms), the same for all.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "browser")]

from course_utils.views import style, widgets  # noqa: E402

POSITIONS = np.round(np.linspace(0, 2, 41), 2)  # s: the threshold in standard deviations


class Cut(NamedTuple):
    """A histogram and a threshold: what one picture needs."""

    edges: np.ndarray
    counts: np.ndarray
    threshold: float
    removed: float  # share of the weights at or below the threshold


class Weights:
    """A million weights, counted and sorted once."""

    def __init__(self, count: int = 1_000_000):
        self.values = np.random.default_rng(0).normal(0, 0.05, count).astype(np.float32)
        self.sigma = float(self.values.std())
        self.counts, self.edges = np.histogram(self.values, 201, (-0.25, 0.25))
        self._sizes = np.sort(np.abs(self.values))

    def cut(self, s: float) -> Cut:
        removed = np.searchsorted(self._sizes, s * self.sigma, side="right") / self._sizes.size
        return Cut(self.edges, self.counts, s * self.sigma, float(removed))


def draw_cut(cut: Cut, figure=None):
    """The histogram, with the removed part marked."""
    if figure is None:
        figure, ax = style.subplots()
        with style.rc():
            ax.stairs(cut.counts, cut.edges, fill=True, color=style.BLUE, label="weights")
            figure.moving["removed"] = ax.axvspan(
                0, 1, facecolor="none", edgecolor=style.RED, hatch="///", animated=True
            )
            figure.moving["share"] = ax.text(
                0.98, 0.9, "", transform=ax.transAxes, ha="right", animated=True
            )
            ax.set(xlabel="weight", ylabel="count", xlim=cut.edges[[0, -1]])
    figure.moving["removed"].set_x(-cut.threshold)
    figure.moving["removed"].set_width(2 * cut.threshold)
    figure.moving["share"].set_text(f"{cut.removed:.1%} removed")
    return figure


def alt_cut(cut: Cut) -> str:
    return f"A threshold of {cut.threshold:.3f} removes {cut.removed:.1%} of the weights."


def sweep(weights: Weights):
    return widgets.Sweep(
        draw_cut,
        [weights.cut(s) for s in POSITIONS],
        [f"{s:.2f} σ" for s in POSITIONS],
        description="A threshold on one million weights",
        slider="Threshold s",
        alt=alt_cut,
    )


def explorer(weights: Weights):
    import ipywidgets

    return widgets.Explorer(
        weights.cut,
        draw_cut,
        {"s": ipywidgets.FloatSlider(0, min=0, max=2, step=0.05, description="Threshold s")},
        description="A threshold on one million weights",
        alt=alt_cut,
        presets={"one sigma": {"s": 1.0}},
    )


def interact_twin(weights: Weights, count_each_time: bool = True):
    """What most courses do: a function that draws a new figure, called by `interact`."""
    import ipywidgets
    import matplotlib.pyplot as plt

    def show(s):
        figure, ax = plt.subplots(figsize=(style.WIDTH, style.HEIGHT))
        if count_each_time:
            ax.hist(weights.values, 201, (-0.25, 0.25))
            removed = np.mean(np.abs(weights.values) <= s * weights.sigma)
        else:
            ax.stairs(weights.counts, weights.edges, fill=True)
            removed = weights.cut(s).removed
        ax.axvspan(-s * weights.sigma, s * weights.sigma, color="red", alpha=0.3)
        ax.set(xlabel="weight", ylabel="count", title=f"{removed:.1%} removed")
        plt.show()

    slider = ipywidgets.FloatSlider(0, min=0, max=2, step=0.05, description="Threshold s")
    return ipywidgets.interactive(show, s=slider)


def film():
    """Notebook 04's rounds."""
    from course_utils.labs.lottery_ticket import explorers

    return explorers.film()


WAYS = {
    "Sweep": "sweep(weights)",
    "Sweep, the lottery ticket's film": "film()",
    "Explorer": "explorer(weights)",
    "interact, new figure": "interact_twin(weights)",
    "interact, new figure, histogram counted once": "interact_twin(weights, False)",
}
CELL = """%matplotlib inline
import ipywidgets
from benchmarks.sliders import *
weights = Weights()
for i, way in enumerate([{ways}]):
    box = ipywidgets.VBox([way])
    box.add_class(f"way{{i}}")
    display(box)
"""


def notebook(path: Path, *cells: str) -> None:
    """Write a notebook of code cells."""
    import nbformat

    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(book, path)


def measure(presses: int) -> dict[str, list[float]]:
    """Milliseconds from key to pixels for every way, `presses` each, in turns."""
    import jupyter_page

    times = {name: [] for name in [*WAYS, "Sweep, kernel busy"]}
    with tempfile.TemporaryDirectory() as temporary, jupyter_page.browser() as chrome:
        folder, private = Path(temporary, "notebooks"), Path(temporary, "jupyter")
        folder.mkdir()
        private.mkdir()
        notebook(folder / "sliders.ipynb", CELL.format(ways=", ".join(WAYS.values())))
        with jupyter_page.serve(folder, private) as server:
            page = chrome.new_page(viewport=jupyter_page.VIEWPORT)
            book = jupyter_page.Notebook(page, server, "sliders.ipynb")
            book.run_all()
            if book.errors():
                raise RuntimeError(book.errors()[0])

            def press(i: int, key: str) -> float:
                root = page.query_selector(f".way{i}")
                root.scroll_into_view_if_needed()
                handle = root.query_selector("[role=slider]")
                handle.focus()
                page.wait_for_timeout(150)
                page.evaluate("root => { window.pixels = lab.toPixels(root); }", root)
                page.keyboard.press(key)
                return page.evaluate("() => window.pixels")

            page.wait_for_timeout(2000)
            for turn in range(presses + 3):
                key = "ArrowRight" if turn // 10 % 2 == 0 else "ArrowLeft"
                for i, name in enumerate(WAYS):
                    page.wait_for_function("() => !lab.busy()")
                    time = press(i, key)
                    if turn >= 3:  # the first presses warm the caches
                        times[name].append(time)
            page.evaluate("() => lab.run('import time; time.sleep(10)')")
            for _ in range(10):
                times["Sweep, kernel busy"].append(press(0, "ArrowRight"))
            if not page.evaluate("() => lab.running"):
                raise RuntimeError("The kernel was idle again before the last press; run it again.")
    return times


def header() -> str:
    import ipywidgets
    import jupyterlab
    import matplotlib

    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        models = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = f"{len(models)} × {models[0].split(': ')[1]}" if models else cpu
    load = f", load {Path('/proc/loadavg').read_text().split()[0]}" if info.exists() else ""
    return (
        f"{cpu}, {platform.system()}{load}; Python {platform.python_version()}, "
        f"JupyterLab {jupyterlab.__version__}, ipywidgets {ipywidgets.__version__}, "
        f"Matplotlib {matplotlib.__version__}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--presses", type=int, default=40, help="key presses for each way")
    times = measure(parser.parse_args().presses)
    base = statistics.median(times["interact, new figure"])
    print(header(), end="\n\n")
    print("| way | presses | median ms | p95 ms | times faster than interact |")
    print("|---|---|---|---|---|")
    for name, values in times.items():
        median, p95 = statistics.median(values), np.percentile(values, 95)
        print(f"| {name} | {len(values)} | {median:.0f} | {p95:.0f} | {base / median:.1f} |")


if __name__ == "__main__":
    main()
