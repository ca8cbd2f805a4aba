"""HTML that a notebook shows for an object: a small table beside a picture, in the colours of the notebook."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

COLORS = ("#0072b2", "#d55e00")
"""Colours of the first and the second bar of a row: forecast and realised."""
ROW, LABEL, ROOM, WIDTH = 17, 84, 220, 420
"""Height of a row of bars, and widths of its label, of the longest bar and of the picture, in pixels."""


def card(title: str, rows: Mapping[str, str], picture: str = "") -> str:
    """Return a table of names and values under a title, and a picture beside it, which is HTML."""
    cells = "".join(
        f'<tr><td style="text-align:left">{escape(name)}</td><td style="text-align:left">{escape(value)}</td></tr>'
        for name, value in rows.items()
    )
    return (
        '<div style="display:flex;flex-wrap:wrap;gap:24px;align-items:flex-start">'
        f"<div><b>{escape(title)}</b><table>{cells}</table></div>{picture}</div>"
    )


def bars(title: str, values: Mapping[str, Sequence[float]], texts: Mapping[str, str], names: Sequence[str] = ()) -> str:
    """Return an SVG of horizontal bars of positive numbers, one row per label.

    Parameters
    ----------
    title : str
    values : mapping of label to the lengths of its bars
        One or two per row, in any unit.
    texts : mapping of label to str
        Text at the end of the row.
    names : sequence of str, optional
        Names of the bars of a row, for the legend.
    """
    longest = max((max(row) for row in values.values()), default=0.0) or 1.0
    parts = [_text(0, 12, title, "font-weight:bold")]
    for place, name in enumerate(names):
        parts.append(f'<rect x="{LABEL + 90 * place}" y="20" width="9" height="9" fill="{COLORS[place]}"/>')
        parts.append(_text(LABEL + 90 * place + 13, 29, name))
    top = 38 if names else 22
    for line, (label, row) in enumerate(values.items()):
        y, height = top + ROW * line, 11 / len(row)
        parts.append(_text(LABEL - 6, y + 10, label[:12], "text-anchor:end"))
        for place, value in enumerate(row):
            size = f'width="{ROOM * value / longest:.1f}" height="{height:.1f}"'
            parts.append(f'<rect x="{LABEL}" y="{y + place * height:.1f}" {size} fill="{COLORS[place]}"/>')
        parts.append(_text(LABEL + ROOM * max(row) / longest + 5, y + 10, texts[label]))
    height_all = top + ROW * len(values)
    return (
        f'<svg role="img" aria-label="{escape(title)}" width="{WIDTH}" viewBox="0 0 {WIDTH} {height_all}" '
        f'style="font:11px sans-serif" fill="currentColor">{"".join(parts)}</svg>'
    )


def _text(x: float, y: float, text: str, style: str = "") -> str:
    styled = f' style="{style}"' if style else ""
    return f'<text x="{x:.0f}" y="{y:.0f}"{styled}>{escape(text)}</text>'
