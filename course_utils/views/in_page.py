"""A style sheet and a script that come into the page with a widget."""

from __future__ import annotations

import html

import ipywidgets

_DOT = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="

# In JupyterLab's command mode a plain key is a command (r: make the cell raw, b: a new cell below,
# arrows: another cell) wherever in the notebook the focus is. JupyterLab listens on the document,
# in the bubbling phase: this stops plain keys one step before that, when the widget has had them.
# Keys with Ctrl, Alt or Cmd, and Shift-Enter, go on to JupyterLab. Once for the page.
KEYS = """
if (!document.body.dataset.labKeys) {
  document.body.dataset.labKeys = 'on';
  document.body.addEventListener('keydown', event => {
    const command = event.ctrlKey || event.metaKey || event.altKey || event.key === 'Escape' ||
      (event.shiftKey && event.key === 'Enter');
    if (!command && event.target.closest('.lab-widget, .lab-ask')) event.stopPropagation();
  });
  // ipywidgets' radio buttons have no name, so arrows go on into the next widget's.
  document.body.addEventListener('focusin', event => {
    const box = event.target.closest('.widget-radio-box');
    if (!box?.closest('.lab-widget, .lab-ask') || event.target.name) return;
    const name = `lab-${Math.random()}`;
    box.querySelectorAll('input').forEach(radio => { radio.name = name; });
  });
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
