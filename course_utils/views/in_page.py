"""A style sheet and a script that come into the page with a widget."""

from __future__ import annotations

import html

import ipywidgets

from course_utils.views import ipywidgets_7

ipywidgets_7.mend(ipywidgets.Widget, ipywidgets.DOMWidget)  # whatever shows a widget comes by here
_DOT = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="

# In JupyterLab's command mode a plain key is a command (r: make the cell raw, b: a new cell below,
# arrows: another cell) wherever in the notebook the focus is. JupyterLab listens on the document,
# by its version in the bubbling phase (this stops plain keys one step before that, when the widget
# has had them) or before the widget has had them (the attribute says that they are no commands).
# Keys with Ctrl, Alt or Cmd, and Shift-Enter, go on to JupyterLab. Once for the page.
KEYS = """
if (!document.body.dataset.labKeys) {
  document.body.dataset.labKeys = 'on';
  const widgetOf = event => event.target.closest?.('.lab-widget, .lab-ask');
  const isCommand = event => event.ctrlKey || event.metaKey || event.altKey ||
    event.key === 'Escape' || (event.shiftKey && event.key === 'Enter');
  window.addEventListener('keydown', event => {
    if (widgetOf(event))
      event.target.toggleAttribute('data-lm-suppress-shortcuts', !isCommand(event));
  }, {capture: true});
  document.body.addEventListener('keydown', event => {
    if (!isCommand(event) && widgetOf(event)) event.stopPropagation();
  });
  // ipywidgets' radio buttons have no name, so arrows go on into the next widget's.
  document.body.addEventListener('focusin', event => {
    const box = event.target.closest('.widget-radio-box');
    if (!box?.closest('.lab-widget, .lab-ask') || event.target.name) return;
    const name = `lab-${Math.random()}`;
    box.querySelectorAll('input').forEach(radio => { radio.name = name; });
  });
  // Who moved a slider with the pointer goes on with the arrow keys. A press on ipywidgets' sliders
  // gives them no focus, and JupyterLab gives it to the cell; a drag may end anywhere on the page.
  let pressed = null;
  document.body.addEventListener('pointerdown', event => {
    const slider = event.target.closest('.noUi-target');
    pressed = slider?.closest('.lab-widget, .lab-ask') ? slider : null;
  }, {capture: true});
  document.addEventListener('pointerup', event => {
    const away = handle => {
      const box = handle.getBoundingClientRect();
      return Math.hypot((box.left + box.right) / 2 - event.clientX,
                        (box.top + box.bottom) / 2 - event.clientY);
    };
    const [handle] = [...pressed?.querySelectorAll('[role=slider]') ?? []]
      .sort((a, b) => away(a) - away(b));
    pressed = null;
    if (handle) setTimeout(() => handle.focus({preventScroll: true}));
  }, {capture: true});
}
"""


# A picture is drawn on white. On JupyterLab's dark theme light and dark change places while hues
# stay: white becomes the page's near-black, ink near-white. The lab's JupyterLab extension does the
# same for the pictures that are no widgets.
DARK = """
[data-jp-theme-light="false"] :is(.lab-widget, .lab-ask) img
  {filter: invert(.93) hue-rotate(180deg)}
"""


def in_page(css: str = "", script: str = KEYS) -> ipywidgets.HTML:
    """A style sheet and a script beside a widget; takes no room. In the script, `this` is there."""
    load = html.escape(script)
    return ipywidgets.HTML(
        f'<style>{DARK}{css}</style><img src="{_DOT}" alt="" hidden onload="{load}">',
        layout={"height": "0", "margin": "0", "overflow": "hidden"},
    )
