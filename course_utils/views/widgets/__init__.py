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

from course_utils.views.widgets.bars import progress, progress_bar
from course_utils.views.widgets.explorer import Explorer
from course_utils.views.widgets.picture import MATPLOTLIB, in_page
from course_utils.views.widgets.sweep import Sweep, Sweeps

__all__ = [
    "Explorer",
    "MATPLOTLIB",
    "Sweep",
    "Sweeps",
    "in_page",
    "progress",
    "progress_bar",
]
