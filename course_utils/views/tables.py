"""Accessible HTML tables."""

from __future__ import annotations

from html import escape

INK = "color: var(--jp-content-font-color1, inherit); line-height: 1.45;"
_CELL = (
    "text-align: left; vertical-align: top; padding: 0.4em 0.8em; white-space: normal; "
    "border-bottom: 1px solid var(--jp-border-color2, #c0c0c0);"
)


def html_table(caption, head, rows):
    """An accessible table: a caption, a header for each column and for each row."""

    def cell(tag, text, scope=""):
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
