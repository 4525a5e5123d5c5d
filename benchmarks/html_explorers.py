"""Explorers saved as HTML: how large the files are, and how long from key press to pixels.

    python benchmarks/html_explorers.py [--presses 60]

The baseline is the live `Sweep` in JupyterLab, in the same run, on the same keys. Each time runs
from the browser's key event to the end of the frame that paints the new picture, and to the frame
after, which is how `benchmarks/sliders.py` measures and one frame (17 ms) more. The browser has no
network.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "browser")]

from benchmarks import sliders  # noqa: E402
from course_utils.views import standalone, widgets  # noqa: E402
from course_utils.workshop import gallery  # noqa: E402

PRESSES_AHEAD = 3  # the first presses warm the caches

# A saved explorer sets its picture's alt text as it paints; a live Sweep shows another <img>, whose
# pixels are there once it is decoded.
SCRIPT = """() => {
const picture = root => [...root.querySelectorAll('img')]
  .find(e => e.offsetParent !== null && e.getBoundingClientRect().width > 100);
window.toPixels = root => new Promise(resolve => {
  const before = picture(root), saved = root.querySelector('canvas');
  let start = null;
  addEventListener('keydown', e => { start = e.timeStamp; }, {capture: true, once: true});
  const observer = new MutationObserver(async records => {
    const now = picture(root);
    const painted = saved ? records.some(r => r.attributeName === 'alt') : now && now !== before;
    if (start === null || !painted) return;
    observer.disconnect();
    if (!saved) await now.decode();
    requestAnimationFrame(() => {
      const {port1, port2} = new MessageChannel();
      let frame;
      port1.onmessage = () => { frame = performance.now() - start; };
      port2.postMessage(0);  // comes after the frame has been painted
      requestAnimationFrame(() => setTimeout(() => resolve([frame, performance.now() - start])));
    });
  });
  observer.observe(root, {subtree: true, childList: true, attributes: true});
});
}"""


def press(page, root, control, key: str) -> tuple[float, float]:
    """Milliseconds from a key to the frame with the new picture, and to the frame after."""
    control.focus()
    page.wait_for_timeout(120)
    page.evaluate("root => { window.pixels = toPixels(root); }", root)
    page.keyboard.press(key)
    return page.evaluate("() => window.pixels")


def walk(page, root, control, presses: int) -> list[tuple[float, float]]:
    """Press arrow keys from one end to the other and back."""
    page.evaluate(SCRIPT)
    last = int(float(control.get_attribute("max") or control.get_attribute("aria-valuemax")))
    control.press("Home")
    page.wait_for_timeout(500)
    times = []
    for turn in range(presses + PRESSES_AHEAD):
        key = "ArrowRight" if turn // last % 2 == 0 else "ArrowLeft"
        times.append(press(page, root, control, key))
    return times[PRESSES_AHEAD:]


def of_files(chrome, folder: Path, presses: int) -> dict[str, list]:
    """Times of every saved explorer, and of the key that chooses another strip."""
    context = chrome.new_context(viewport={"width": 1280, "height": 900}, offline=True)
    page = context.new_page()
    times = {}
    for file in sorted(folder.glob("*.html")):
        page.goto(file.as_uri())
        page.wait_for_selector(".lab-explorer canvas:not([hidden])")
        page.wait_for_timeout(1500)
        root = page.query_selector(".lab-explorer")
        times[file.stem] = walk(page, root, root.query_selector("input"), presses)
        choice = root.query_selector("select")
        if choice:
            choices = choice.evaluate("e => e.options.length")
            choice.evaluate("e => { e.selectedIndex = 0; }")
            keys = (["ArrowDown"] * (choices - 1) + ["ArrowUp"] * (choices - 1)) * 3
            times[f"{file.stem}, choice"] = [press(page, root, choice, key) for key in keys]
    context.close()
    return times


def of_jupyter(chrome, folder: Path, private: Path, presses: int) -> list:
    """Times of a live Sweep in JupyterLab."""
    import jupyter_page

    cell = "from benchmarks.sliders import *\nsweep(Weights())"
    sliders.notebook(folder / "sweep.ipynb", cell)
    with jupyter_page.serve(folder, private) as server:
        page = chrome.new_page(viewport=jupyter_page.VIEWPORT)
        book = jupyter_page.Notebook(page, server, "sweep.ipynb")
        book.run_all()
        page.wait_for_timeout(2000)
        (root,) = book.labs(0)
        root.scroll_into_view_if_needed()
        return walk(page, root, root.query_selector("[role=slider]"), presses)


def sizes(folder: Path) -> list[str]:
    """Save every explorer that needs no kernel, and a twin of `sliders.sweep`; a row for each."""
    makers = {shown.name: shown.make for shown in gallery.explorers() if not shown.needs_kernel}
    rows = []
    for name, make in {**makers, "live-twin": lambda: sliders.sweep(sliders.Weights())}.items():
        box = make()
        path = folder / f"{name}.html"
        box.save_html(path)
        pages = box._pages.children if isinstance(box, widgets.Sweeps) else [box]
        frames = [frame for page in pages for frame in page.frames]
        some = frames[:: max(1, len(frames) // 10)]
        each = [len(standalone.webp(standalone.pixels_of(frame))) for frame in some]
        png, webp = sum(map(len, frames)) / 1e6, np.mean(each) * len(frames) / 1e6
        rows.append(
            f"| {name} | {len(frames)} | {png:.2f} | {webp:.2f} | {path.stat().st_size / 1e6:.2f} |"
        )
        print(rows[-1], file=sys.stderr, flush=True)
    return rows


def main() -> None:
    import jupyter_page

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--presses", type=int, default=60, help="key presses for each explorer")
    presses = parser.parse_args().presses
    print(sliders.header(), end="\n\n")
    with tempfile.TemporaryDirectory() as temporary, jupyter_page.browser() as chrome:
        files, notebooks, private = (Path(temporary, name) for name in ("html", "nb", "jupyter"))
        for folder in (files, notebooks, private):
            folder.mkdir()
        print("| explorer | pictures | PNG MB | WebP each MB (estimate) | file MB |")
        print("|---|---|---|---|---|")
        print(*sizes(files), sep="\n", end="\n\n", flush=True)
        times = of_files(chrome, files, presses)
        times["live Sweep in JupyterLab"] = of_jupyter(chrome, notebooks, private, presses)
    print("| explorer | presses | median ms | p95 ms | to the next frame: median ms | p95 ms |")
    print("|---|---|---|---|---|---|")
    for name, both in times.items():
        painted, after = zip(*both, strict=True)
        print(
            f"| {name} | {len(both)} | {statistics.median(painted):.0f} | "
            f"{np.percentile(painted, 95):.0f} | {statistics.median(after):.0f} | "
            f"{np.percentile(after, 95):.0f} |"
        )


if __name__ == "__main__":
    main()
