"""Accessible HTML tables."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

INK = "color: var(--jp-content-font-color1, inherit); line-height: 1.45;"
_CELL = (
    "text-align: left; vertical-align: top; padding: 0.4em 0.8em; white-space: normal; "
    "border-bottom: 1px solid var(--jp-border-color2, #c0c0c0);"
)


def html_table(caption, head, rows):
    """An accessible table: a caption, a header for each column and for each row.

    A header without words is a plain cell: a screen reader would announce an empty header.
    """

    def cell(tag, text, scope=""):
        if not str(text).strip():
            tag, scope = "td", ""
        lines = "<br>".join(escape(line) for line in str(text).split("\n"))
        weight = "font-weight: 600;" if tag == "th" else ""
        return f'<{tag}{scope} style="{_CELL} {weight}">{lines}</{tag}>'

    column = ' scope="col"'
    top = "".join(cell("th", h, column) for h in head)
    body = ""
    for first, *others in rows:
        header = cell("th", first, ' scope="row"')
        body += "<tr>" + header + "".join(cell("td", o) for o in others) + "</tr>"
    return (
        f'<table style="{INK} border-collapse: collapse; table-layout: auto; margin: 0.5em 0; '
        f'font-size: inherit; max-width: 100%;">'
        f'<caption style="caption-side: top; text-align: left; padding: 0.4em 0.8em; '
        f'font-weight: 600; {INK}">{escape(caption)}</caption>'
        f"<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
    )


class Table:
    """Rows of text under a caption: HTML in a notebook, aligned columns in a terminal.

    caption: what the numbers are, with their units where no column head says them.
    head:    a name for each column.
    rows:    tuples of as many texts or numbers; the first of each names its row.

    Raises ValueError if a row has another length than the head.

    >>> Table("Bytes of one layer", ("s", "gzip"), [("0.5", "1,200"), ("1.0", "900")])
    Bytes of one layer
      s   gzip
    0.5  1,200
    1.0    900
    """

    def __init__(self, caption: str, head: Sequence[str], rows: Sequence[Sequence]):
        self.caption, self.head = caption, tuple(map(str, head))
        self.rows = [tuple(map(str, row)) for row in rows]
        for row in self.rows:
            if len(row) != len(self.head):
                raise ValueError(f"{caption}: {len(self.head)} columns, but a row of {len(row)}.")

    def __repr__(self):
        columns = list(zip(self.head, *self.rows, strict=True))
        widths = [max(map(len, column)) for column in columns]
        numeric = [all(_is_number(text) for text in column[1:]) for column in columns]
        lines = [
            "  ".join(
                text.rjust(width) if right else text.ljust(width)
                for text, width, right in zip(row, widths, numeric, strict=True)
            ).rstrip()
            for row in (self.head, *self.rows)
        ]
        return "\n".join([self.caption, *lines])

    def _repr_mimebundle_(self, **_):
        html = html_table(self.caption, self.head, self.rows)
        return {"text/plain": repr(self), "text/html": html}


def _is_number(text):
    return text[:1] in "0123456789+-−–" or not text
