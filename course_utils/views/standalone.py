"""An explorer as one HTML file that needs no kernel, no server and no network.

`Sweep.save_html` and `Sweeps.save_html` call `page`. The file shows in a browser from the disk and
in a page of a book, as an ``<iframe>`` or with what lies between its two comments pasted in:
its style and its script reach nothing outside its ``<section>``, and it has no ids.

How the pictures are packed: what changes between the pictures of a sweep lies in a few rectangles
(a curve's marker, a number, a bar). Each rectangle's pictures are stacked into sheets, equal ones
once, and a sheet is a lossless WebP, which finds what its pictures share. A picture is then its
background with one piece of a sheet for each rectangle, pixel for pixel what the notebook shows.
Two hundred pictures of magnitude pruning: 24 MB as PNG, 8 MB as WebP each, 0.7 MB as sheets.
"""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Mapping
from pathlib import Path
from string import Template
from typing import NamedTuple

import numpy as np
from PIL import Image

from course_utils.machines import data
from course_utils.views import pointing

GAP = 6  # pixels without change between two rectangles
SHEET = 2_000_000  # pixels of a sheet: 8 MB while it is decoded
TALLEST = 16_383  # pixels: WebP's limit


class Strip(NamedTuple):
    """The pictures of one slider."""

    description: str  # what the figure shows, in a few words
    slider: str  # the slider's label
    labels: list[str]  # what the slider reads at each picture
    alts: list[str]  # the finding of each
    lines: list[str]  # the visible line below each
    frames: list[bytes]  # PNG
    index: int  # where to open
    start: int  # where Reset goes
    size: tuple[int, int]  # CSS pixels
    axes: list[list[dict]]  # of each, where its axes are: see `pointing`


RUN_IT = "Run this cell yourself"  # in a browser tab: the site of the lab


def save(
    path: str | Path,
    strips: Mapping[str, Strip],
    choice: str = "",
    first: str = "",
    live: str = "",
) -> None:
    """Write `page` to a file: whole, over an older one. Raises what `check` raises."""
    check(path)
    data.write_atomically(Path(path), page(strips, choice, first, live).encode())


def check(path: str | Path) -> None:
    """Raise ValueError if the name does not end in .html, FileNotFoundError without the folder."""
    path = Path(path)
    if path.suffix.lower() != ".html":
        raise ValueError(f"An explorer is saved as HTML: end its name in .html, not {path.name!r}.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {path.parent}: make it first.")


def page(strips: Mapping[str, Strip], choice: str = "", first: str = "", live: str = "") -> str:
    """A whole HTML page that moves through pictures.

    strips: by name of the choice, in order; only one, of any name, where there is none.
    choice: the label of the choice; "" where there is none.
    first: the name to begin with; the first one unless told.
    live: the address of the cell that makes these pictures, to be run there; "" for no link.
    """
    first = first or next(iter(strips))
    start = strips[first]
    options = "".join(
        f"<option{' selected' if name == first else ''}>{html.escape(name)}</option>"
        for name in strips
    )
    choose = f"<label>{html.escape(choice)} <select>{options}</select></label>" if choice else ""
    width, height = start.size
    longest = max(len(label) for strip in strips.values() for label in strip.labels)
    fragment = _FRAGMENT.substitute(
        style=_STYLE,
        script=_SCRIPT.replace("READ", pointing.READ),
        title=html.escape(start.description),
        choose=choose,
        slider=html.escape(start.slider),
        reading=longest,
        last=len(start.labels) - 1,
        index=start.index,
        label=html.escape(start.labels[start.index]),
        still=base64.b64encode(webp(pixels_of(start.frames[start.index]))).decode("ascii"),
        alt=html.escape(start.alts[start.index]),
        line=html.escape(start.lines[start.index]),
        live=f'<p><a href="{html.escape(live)}">{RUN_IT}</a></p>\n' if live else "",
        width=width,
        height=height,
        pictures=_json(pack(strips)),
    )
    return _PAGE.substitute(
        title=html.escape(start.description), width=max(width, 850), fragment=fragment
    )


def pack(strips: Mapping[str, Strip]) -> dict:
    """What the page's script reads: texts, sheets, and where on them each picture's pieces are.

    Returns a dict: sheets (WebP in base64), tiles (of each its sheet and the row where it begins),
    strips, each with its texts, its boxes (left, top, width, height in pixels, the first is the
    whole picture), its frames (for each picture the number of the tile that goes in each box) and
    its axes (for each picture a number), and axes.
    """
    numbers: dict[tuple[int, int], dict[bytes, int]] = {}  # size -> pixels -> number of the tile
    told = []
    axes: dict[str, int] = {}  # as JSON -> its number
    for strip in strips.values():
        frames = np.stack([pixels_of(frame) for frame in strip.frames])
        height, width = frames.shape[1:]
        boxes = [(0, 0, height, width), *changing_boxes(frames)]
        tiles = []
        for i, (top, left, bottom, right) in enumerate(boxes):
            known = numbers.setdefault((bottom - top, right - left), {})
            tiles.append(
                [
                    known.setdefault(piece.tobytes(), sum(map(len, numbers.values())))
                    for piece in (frames if i else frames[:1])[:, top:bottom, left:right]
                ]
            )
        tiles[0] *= len(frames)  # what changes is painted over the first picture
        told.append(
            {
                "description": strip.description,
                "slider": strip.slider,
                "labels": strip.labels,
                "alts": strip.alts,
                # null: the line only repeats the alternative text
                "lines": [
                    None if line == alt else line
                    for line, alt in zip(strip.lines, strip.alts, strict=True)
                ],
                "index": strip.index,
                "start": strip.start,
                "size": strip.size,
                "axes": [axes.setdefault(json.dumps(some), len(axes)) for some in strip.axes],
                "boxes": [[x, y, right - x, bottom - y] for y, x, bottom, right in boxes],
                "frames": list(zip(*tiles, strict=True)),
            }
        )
    places, sheets = {}, []
    for (height, width), known in numbers.items():
        many = max(1, min(SHEET // (height * width), TALLEST // height))
        pieces = list(known)
        for start in range(0, len(pieces), many):
            some = pieces[start : start + many]
            places |= {known[piece]: (len(sheets), i * height) for i, piece in enumerate(some)}
            pixels = np.frombuffer(b"".join(some), np.uint32).reshape(-1, width)
            sheets.append(base64.b64encode(webp(pixels)).decode("ascii"))
    return {
        "strips": told,
        "axes": [json.loads(some) for some in axes],
        "tiles": [places[i] for i in range(len(places))],
        "sheets": sheets,
    }


def changing_boxes(frames: np.ndarray) -> list[tuple[int, int, int, int]]:
    """The rectangles outside of which all pictures are the same.

    frames: any dtype, shape (pictures, height, width).
    Returns (top, left, bottom, right) of each: the picture is cut at rows and columns where nothing
    changes, and each part again, until there are none.

    >>> frames = np.zeros((2, 30, 40)); frames[1, 2:5, 3:8] = frames[1, 20, 30:33] = 1
    >>> changing_boxes(frames)
    [(2, 3, 5, 8), (20, 30, 21, 33)]
    """
    changed = np.zeros(frames.shape[1:], bool)
    for frame in frames[1:]:
        changed |= frame != frames[0]
    return _cut(changed, 0, 0)


def _cut(changed, top, left):
    boxes = []
    rows = _runs(changed.any(axis=1))
    for y, bottom in rows:
        columns = _runs(changed[y:bottom].any(axis=0))
        for x, right in columns:
            if len(rows) == len(columns) == 1:
                boxes.append((top + y, left + x, top + bottom, left + right))
            else:
                boxes += _cut(changed[y:bottom, x:right], top + y, left + x)
    return boxes


def _runs(line):
    """(start, stop) of each run of True in a line; runs nearer than GAP are one."""
    on = np.flatnonzero(line)
    if not on.size:
        return []
    ends = np.flatnonzero(np.diff(on) > GAP)
    starts, stops = on[np.r_[0, ends + 1]], on[np.r_[ends, on.size - 1]] + 1
    return list(zip(starts.tolist(), stops.tolist(), strict=True))


def pixels_of(png: bytes) -> np.ndarray:
    """uint32, shape (height, width): the bytes R, G, B, A of each pixel."""
    rgba = np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))
    return rgba.view(np.uint32)[:, :, 0]


def webp(pixels: np.ndarray) -> bytes:
    """Pixels as `pixels_of` gives them, as a lossless WebP.

    From quality 90 on WebP looks a million pixels back, so at the tile before.
    """
    rgba = np.ascontiguousarray(pixels).view(np.uint8).reshape(*pixels.shape, 4)
    out = io.BytesIO()
    Image.fromarray(rgba).convert("RGB").save(out, "webp", lossless=True, quality=90, method=4)
    return out.getvalue()


def _json(value):
    """JSON that cannot end the script element that it stands in."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")


_PAGE = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>$title</title>
<style>body {margin: 1rem auto; padding: 0 1rem; max-width: ${width}px;
font-family: system-ui, sans-serif; color: CanvasText; background: Canvas}
@media screen and (prefers-color-scheme: dark) {
.lab-explorer .lab-picture {background: none !important}
.lab-picture > :is(img, canvas) {filter: invert(.93) hue-rotate(180deg)}}</style>
</head>
<body>
<main class="lab-alone">
<!-- An explorer: to paste it into a page, take all from here -->
$fragment
<!-- to here -->
</main>
</body>
</html>
""")

_FRAGMENT = Template("""\
<section class="lab-explorer" lang="en" aria-label="$title">
<style>$style</style>
<p class="lab-title">$title</p>
<div class="lab-controls" hidden>$choose
<label><span class="lab-slider">$slider</span>
<span class="lab-range"><input type="range" min="0" max="$last" value="$index">
<span class="lab-reading" style="min-width: ${reading}ch" aria-hidden="true">$label</span></span>
</label><button type="button">Reset</button></div>
<figure><div class="lab-picture" style="aspect-ratio: $width / $height; max-width: ${width}px"><img
 src="data:image/webp;base64,$still" alt="$alt" width="$width" height="$height"><canvas
 aria-hidden="true" hidden></canvas><span class="lab-point" aria-hidden="true" hidden></span></div>
<figcaption>$line</figcaption></figure>
$live<p class="lab-said" role="status"></p>
<p class="lab-still">With JavaScript a slider moves this picture.</p>
<script type="application/json">$pictures</script>
<script>$script</script>
</section>""")

_STYLE = """
.lab-explorer {max-width: 100%; margin: 1em 0; line-height: 1.5}
.lab-explorer .lab-title {font-weight: 600; margin: 0 0 .3em}
.lab-explorer .lab-controls {display: flex; flex-wrap: wrap; gap: .3em 1.2em; align-items: center}
.lab-explorer .lab-controls[hidden], .lab-explorer :is(canvas, .lab-point)[hidden]
  {display: none}
.lab-explorer label {display: flex; flex-wrap: wrap; gap: 0 .6em; align-items: center; margin: 0}
.lab-explorer label:last-of-type {flex: 1 1 20em}
.lab-explorer .lab-range {display: flex; gap: .8em; align-items: center; flex: 1 1 16em}
.lab-explorer input {flex: 1; min-width: 0; height: 1.8em; margin: 0}
.lab-explorer select, .lab-explorer button {font: inherit; max-width: 100%}
.lab-explorer .lab-reading {font-variant-numeric: tabular-nums}
.lab-explorer :is(input, select, button):focus-visible
  {outline: 3px solid #E67817; outline-offset: 2px}
.lab-explorer figure {margin: .5em 0 0}
.lab-explorer .lab-picture {position: relative; background: white}
.lab-explorer img, .lab-explorer canvas {position: absolute; inset: 0; width: 100%; height: 100%;
  margin: 0; border: 0; border-radius: 0; max-width: none}
.lab-explorer figcaption {margin: .3em 0 0; text-align: left; color: inherit; font-size: 1em}
.lab-explorer .lab-said {position: absolute; width: 1px; height: 1px; margin: 0; overflow: hidden;
  clip-path: inset(50%)}
.lab-explorer .lab-point {position: absolute; pointer-events: none; white-space: nowrap;
  padding: 1px 7px; border-radius: 3px; font-size: 13px; color: #fff; background: #222}
@media print {.lab-explorer {break-inside: avoid}}
.quarto-dark .lab-explorer .lab-picture {background: none}
.quarto-dark .lab-explorer .lab-picture > :is(img, canvas)
  {filter: invert(.93) hue-rotate(180deg)}
"""

# Everything is found from the script's own place, so that several explorers on a page do not meet.
_SCRIPT = """
(() => {
  const root = document.currentScript.closest('.lab-explorer');
  const find = what => root.querySelector(what);
  const {strips, axes, tiles, sheets} = JSON.parse(find('[type="application/json"]').textContent);
  const choice = find('select'), slider = find('input'), image = find('img');
  const canvas = find('canvas'), pen = canvas.getContext('2d', {alpha: false});
  const line = find('figcaption'), frame = find('.lab-picture'), told = find('.lab-point');
  READ
  const bitmaps = new Map();  // sheet -> its picture, or the promise of it
  const needed = (strip, i) => new Set(strip.frames[i].map(tile => tiles[tile][0]));

  const decode = sheet => {
    if (!bitmaps.has(sheet)) {
      const bytes = Uint8Array.from(atob(sheets[sheet]), letter => letter.charCodeAt(0));
      const promise = createImageBitmap(new Blob([bytes], {type: 'image/webp'}));
      bitmaps.set(sheet, promise);
      promise.then(bitmap => bitmaps.get(sheet) === promise && bitmaps.set(sheet, bitmap));
    }
    return bitmaps.get(sheet);
  };

  // Where another choice would open: at the same label if it has it.
  const opening = (strip, from) => {
    const same = strip.labels.indexOf(from.labels[slider.valueAsNumber]);
    return same < 0 ? strip.index : same;
  };

  // Kept decoded, so that they show at once: all pictures of the choice that shows, and those on
  // which its two neighbours would open.
  const decodeAhead = () => {
    const strip = chosen();
    const wanted = new Set(strip.frames.flatMap((_, i) => [...needed(strip, i)]));
    const at = strips.indexOf(strip);
    for (const other of [strips[at - 1], strips[at + 1]])
      if (other) needed(other, opening(other, strip)).forEach(sheet => wanted.add(sheet));
    for (const [sheet, bitmap] of bitmaps) {
      if (wanted.has(sheet)) continue;
      if (bitmap instanceof ImageBitmap) bitmap.close();
      bitmaps.delete(sheet);
    }
    wanted.forEach(decode);
  };

  const paint = (strip, i) => {
    const [, , width, height] = strip.boxes[0];
    if (canvas.width !== width || canvas.height !== height) {
      canvas.width = width;
      canvas.height = height;
    }
    strip.boxes.forEach(([x, y, w, h], box) => {
      const [sheet, top] = tiles[strip.frames[i][box]];
      pen.drawImage(bitmaps.get(sheet), 0, top, w, h, x, y, w, h);
    });
    canvas.hidden = false;
    image.alt = strip.alts[i];
    line.textContent = strip.lines[i] ?? strip.alts[i];
    line.setAttribute('aria-hidden', strip.lines[i] === null);
  };

  let asked = 0;
  const show = async () => {
    const strip = chosen(), i = slider.valueAsNumber, ask = ++asked;
    find('.lab-reading').textContent = strip.labels[i];
    slider.setAttribute('aria-valuetext', strip.labels[i] + ', ' + strip.alts[i]);
    const waiting = [...needed(strip, i)].map(decode).filter(bitmap => bitmap instanceof Promise);
    if (waiting.length) await Promise.all(waiting);  // else painted in the key's own frame
    if (ask === asked) paint(strip, i);
  };

  const choose = async (before, to) => {
    const strip = chosen();
    const i = to ?? (before ? opening(strip, before) : strip.index);
    const [width, height] = strip.size;
    find('.lab-title').textContent = strip.description;
    root.setAttribute('aria-label', strip.description);
    find('.lab-slider').textContent = strip.slider;
    canvas.parentElement.style.maxWidth = width + 'px';
    canvas.parentElement.style.aspectRatio = width + ' / ' + height;
    slider.max = strip.labels.length - 1;
    slider.value = i;
    await show();
    decodeAhead();
    if (before) find('.lab-said').textContent = image.alt;
  };

  const chosen = () => strips[choice ? choice.selectedIndex : 0];
  const first = choice ? choice.selectedIndex : 0;
  let now = chosen();
  slider.addEventListener('input', show);
  slider.addEventListener('change', () => setTimeout(decodeAhead));  // after the paint
  slider.addEventListener('pointerup', () => slider.focus({preventScroll: true}));  // not in Safari
  if (choice) choice.addEventListener('change', () => { choose(now); now = chosen(); });
  find('button').addEventListener('click', () => {
    if (choice) choice.selectedIndex = first;
    slider.value = strips[first].start;
    const before = now;
    now = chosen();
    choose(before, now.start);
  });
  frame.addEventListener('pointermove', event => {
    const box = frame.getBoundingClientRect();
    const x = event.clientX - box.left, y = event.clientY - box.top;
    const text = read(axes[now.axes[slider.valueAsNumber]], x / box.width, y / box.height,
      [box.width, box.height]);
    told.textContent = text;
    told.hidden = !text;
    told.style.left = Math.max(0, Math.min(x + 14, box.width - told.offsetWidth)) + 'px';
    told.style.top = Math.max(0, y - told.offsetHeight - 10) + 'px';
  });
  frame.addEventListener('pointerleave', () => { told.hidden = true; });
  if (root.parentElement.matches('.lab-alone')) {  // on its own page the title is the page's
    find('.lab-title').setAttribute('role', 'heading');
    find('.lab-title').setAttribute('aria-level', 1);
  }
  find('.lab-controls').hidden = false;
  find('.lab-still').remove();
  choose();
})();
"""
