"""What Sweep and Explorer share: painting a drawing, the page's style, the still picture."""

from __future__ import annotations

import base64
import html
import json
import threading
from collections.abc import Callable

import ipywidgets
from matplotlib.axis import Axis
from matplotlib.figure import Figure

from course_utils.views import pointing, style
from course_utils.views.in_page import KEYS, in_page

# Matplotlib is not thread-safe, and a kernel may run widget callbacks on a thread of its own.
MATPLOTLIB = threading.RLock()
_CSS = """
.lab-widget .widget-readout, .lab-widget label.widget-label
  {max-width: none; overflow: visible; white-space: nowrap}
.lab-widget .noUi-handle:focus-visible, .lab-widget button:focus-visible,
.lab-widget select:focus-visible {outline: 3px solid #E67817; outline-offset: 2px}
.lab-widget button.mod-active {font-weight: 600; box-shadow: inset 0 -3px 0 #006395}
.lab-frame > .lm-TabBar, .lab-frame > .p-TabBar {display: none !important}
.lab-frame > .widget-tab-contents
  {border: 0 !important; padding: 0 !important; overflow: hidden; background: none !important}
.lab-sweeps {container-type: inline-size}
.lab-point {position: fixed; z-index: 1000; pointer-events: none; padding: 1px 7px;
  font: 13px/1.5 var(--jp-ui-font-family, sans-serif); white-space: nowrap; border-radius: 3px;
  color: var(--jp-ui-inverse-font-color1, #fff); background: var(--jp-inverse-layout-color1, #222)}
.lab-widget img {max-width: 100%; height: auto; display: block}
.lab-widget figure {margin: 0}
.lab-widget .lab-readout {line-height: 1.5; margin: 2px 4px}
.lab-widget .lab-title {font-weight: 600; margin: 2px 4px}
.lab-widget .lab-error {color: var(--jp-error-color1, #A51C30); font-weight: 600; margin: 2px 4px}
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
        .find(e => !root.contains(e.closest('.lm-mod-hidden, .p-mod-hidden')));
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
# What lies under the pointer, in a box that follows it. It costs nothing until a pointer
# moves. Once for the page.
_POINT = """
if (!document.body.dataset.labPoint) {
  document.body.dataset.labPoint = 'on';
  const told = document.createElement('div');
  told.className = 'lab-point';
  told.setAttribute('aria-hidden', 'true');
  told.hidden = true;
  document.body.append(told);
  %s
  document.body.addEventListener('pointermove', event => {
    const picture = event.buttons ? null : event.target.closest('.lab-widget img[data-axes]');
    const box = picture?.getBoundingClientRect();
    told.textContent = picture ? read(JSON.parse(picture.dataset.axes),
      (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height,
      [box.width, box.height]) : '';
    told.hidden = !told.textContent;
    if (told.hidden) return;
    const left = event.clientX + 14, room = document.documentElement.clientWidth - 4;
    told.style.left = Math.min(left, room - told.offsetWidth) + 'px';
    told.style.top = event.clientY - told.offsetHeight - 10 + 'px';
  }, {passive: true});
  document.body.addEventListener('pointerleave', () => { told.hidden = true; });
}
""" % pointing.READ  # noqa: UP031 - braces are JavaScript's
# What a choice and a Reset do in the page, without the kernel; once for the page. While pictures
# of a choice are drawn the box keeps its height. A Reset asks the kernel only where this finds no
# slider: the button's classes say where the slider goes and, in `Sweeps`, which choice is made.
_CHOOSE = """
if (!document.body.dataset.labChoose) {
  document.body.dataset.labChoose = 'on';
  const keep = event => {
    const root = event.target.closest('.lab-choice')?.closest('.lab-sweeps');
    if (!root || root.style.minHeight) return;
    root.style.minHeight = root.offsetHeight + 'px';
    const free = tries => {
      const drawn = [...root.querySelectorAll('figure img')].some(e => e.offsetParent);
      if (tries && !drawn) setTimeout(() => free(tries - 1), 100);
      else root.style.minHeight = '';
    };
    setTimeout(() => free(600), 100);
  };
  document.body.addEventListener('change', keep, {capture: true});
  document.body.addEventListener('click', keep, {capture: true});
  document.body.addEventListener('click', event => {
    const button = event.target.closest('button.lab-reset');
    const root = button?.closest('.lab-sweeps') ?? button?.closest('.lab-widget');
    const slider = (root?.querySelector('.lab-first') ?? root)?.querySelector('.noUi-target');
    if (!slider?.noUiSlider) return;
    event.stopPropagation();
    const to = kind => Number(button.className.match(`lab-${kind}-([0-9]+)`)?.[1]);
    const list = root.querySelector('.lab-choice select');
    if (list && list.selectedIndex !== to('choice')) {
      list.selectedIndex = to('choice');
      list.dispatchEvent(new Event('change', {bubbles: true}));
    }
    root.querySelectorAll('.lab-choice button')[to('choice')]?.click();
    slider.noUiSlider.set(to('start'));
  }, {capture: true});
}
"""
SLIDERS = (
    ipywidgets.FloatLogSlider,
    ipywidgets.FloatSlider,
    ipywidgets.IntSlider,
    ipywidgets.SelectionSlider,
)


class Painter:
    """Draws pictures of a changing state on one figure, painting only what moves."""

    def __init__(self, draw: Callable):
        self._draw = draw
        self._background = None
        self.axes: list[dict] = []  # of the picture that was painted last, see `pointing`
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
                self.axes = pointing.axes_of(self.figure)
                self.figure.stale = False  # to read an axis changes nothing on it
            else:
                canvas.restore_region(self._background)
            moving = getattr(self.figure, "moving", {}).values()
            for artist in sorted(moving, key=lambda artist: artist.get_zorder()):
                artist.axes.draw_artist(artist)
            if any(isinstance(artist, Axis) for artist in moving):
                self.axes = pointing.axes_of(self.figure)
                self.figure.stale = False
            return style.png(self.figure)

    def css_size(self) -> tuple[int, int]:
        """Width and height of the picture in CSS pixels."""
        inches = self.figure.get_size_inches()
        return round(inches[0] * style.CSS_DPI), round(inches[1] * style.CSS_DPI)


def img_tag(png: bytes, alt: str, size: tuple[int, int], axes: list[dict]) -> str:
    # decoding="sync": the new picture replaces the old one in the same frame, without a blank.
    told = f'data-axes="{html.escape(json.dumps(axes, separators=(",", ":")))}" ' if axes else ""
    return (
        f'<img alt="{html.escape(alt)}" width="{size[0]}" height="{size[1]}" decoding="sync" {told}'
        f'src="data:image/png;base64,{base64.b64encode(png).decode("ascii")}">'
    )


def line_below(text: str, alt: str) -> str:
    """The visible line below a picture; hidden from screen readers if it only repeats the alt."""
    if not text:
        return ""
    hidden = ' aria-hidden="true"' if text == alt else ""
    return f'<div class="lab-readout"{hidden}>{html.escape(text)}</div>'


def heading(text: str) -> ipywidgets.HTML:
    return ipywidgets.HTML(f'<div class="lab-title">{html.escape(text)}</div>')


def reset_button(reset: Callable[[], None], **to: int) -> ipywidgets.Button:
    """A button that calls `reset`, and tells `_CHOOSE` in its classes where to go without it."""
    button = ipywidgets.Button(description="Reset", layout={"width": "auto", "flex": "0 0 auto"})
    button.on_click(lambda _: reset())
    for name in ("lab-reset", *(f"lab-{kind}-{index}" for kind, index in to.items())):
        button.add_class(name)
    return button


def setup(readout_width: int = 0) -> ipywidgets.HTML:
    """The style sheet and the names for screen readers; takes no room."""
    readout = f".lab-readout-{readout_width} .widget-readout {{min-width: {readout_width}ch}}"
    scripts = KEYS + _POINT + _CHOOSE + _NAME_SLIDERS
    return in_page(_CSS + (readout if readout_width else ""), scripts)


def check_text(**texts) -> None:
    for name, text in texts.items():
        if not isinstance(text, str) or not text.strip():
            raise TypeError(f"{name} must be a sentence for readers, not {text!r}.")


class Pictured(ipywidgets.VBox):
    """A box that is shown with a PNG of its present picture beside the live widget."""

    description = ""

    def _picture(self) -> tuple[bytes, str, tuple[int, int]]:
        """PNG bytes, alt text and CSS size of the picture that is showing."""
        raise NotImplementedError

    def _repr_mimebundle_(self, **kwargs):
        data = super()._repr_mimebundle_(**kwargs)
        png, alt, (width, height) = self._picture()
        data["image/png"] = base64.b64encode(style.to_keep(png)).decode("ascii")
        data["text/plain"] = f"{self.description}\n{alt}"
        # See `style.Picture` for who reads what.
        return data, {"image/png": {"alt": alt, "width": width, "height": height}}
