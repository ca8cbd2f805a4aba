"""Render pages: one self-contained HTML file each; plots are SVG elements in it and PNG files in the same folder."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.dates import date2num
from matplotlib.figure import Figure

from volplugin.errors import VolpluginError
from volplugin.report.axes import new_figure
from volplugin.report.theme import DARK, LIGHT, Theme, style
from volplugin.storage.atomic import write_files

Size = tuple[float, float]
Plot = Callable[..., Axes]
"""A function with keyword arguments ``ax`` and ``theme``."""

SIZE: Size = (4.4, 2.9)
"""Inches: half a wide page, or the whole of a phone's."""
MAX_VALUES = 600
"""Dates of a plot that show their values under the pointer."""
UNBROKEN = re.compile(r"\d{4}-\d{2}-\d{2}|\b[tp] [<−]? ?[\d.]+")
"""Dates, and statistics such as "t −2.1"."""
MINUS = re.compile(r"(?<![\w.])-(?=\d)")
LONG = re.compile(r"\d+\.\d{3,}")
NAME = re.compile(r'(\bid="|url\(#|href="#)')


@dataclass(frozen=True)
class Picture:
    """A plot with its caption, alternative text and size in inches."""

    name: str
    plot: Plot
    caption: str
    alt: str
    size: Size = SIZE

    @cached_property
    def svg(self) -> Markup:
        """The plot as an ``<svg>`` element in the light theme, which scales to the width of its place."""
        figure = drawn(self.plot, LIGHT, self.size)
        body = _saved(figure, "svg").decode()
        body = body[body.index(">", body.index("<svg")) + 1 :]
        body = LONG.sub(lambda number: f"{float(number[0]):.1f}", body)
        # Equal parts of two plots have equal ids; ids must be unique in a page.
        body = NAME.sub(rf"\g<1>{self.name}-", body)
        across, down = (72 * side for side in self.size)
        values = _values(figure)
        data = f' data-values="{escape(json.dumps(values, separators=(",", ":")))}"' if values else ""
        start = f'<svg role="img" aria-label="{escape(self.alt)}" viewBox="0 0 {across:g} {down:g}"{data}>'
        return Markup(start + re.sub(r"\s*\n\s*", "\n", body))


def draw(plot: Plot, theme: Theme = LIGHT, size: Size = SIZE) -> bytes:
    """Draw a plot as a PNG file, in the style of the report whatever matplotlib's settings are."""
    return _saved(drawn(plot, theme, size), "png")


def drawn(plot: Plot, theme: Theme, size: Size) -> Figure:
    """Return a new figure with the plot, in the style of the report."""
    with matplotlib.rc_context(style()):
        figure = new_figure(size)
        plot(ax=figure.add_subplot(), theme=theme)
    return figure


def _saved(figure: Figure, kind: str) -> bytes:
    buffer = io.BytesIO()
    with matplotlib.rc_context(style()):
        bare = dict.fromkeys(("Creator", "Date", "Format", "Type")) if kind == "svg" else None
        figure.savefig(buffer, format=kind, metadata=bare)
    return buffer.getvalue()


def _values(figure: Figure) -> dict[str, object] | None:
    """Return the frame of a plot over dates and the values of its lines, for the page's script; None for other plots.

    ``box`` is the frame (left, top, right, bottom) in the units of the SVG, ``span`` its first and last day since 1970;
    ``days`` are the dates, ``lines`` the values by name. At most `MAX_VALUES` dates are kept.
    """
    ax = figure.axes[0]
    lines = [line for line in ax.get_lines() if (line.get_gid() or "").startswith("values")]
    if not lines:
        return None
    dates = np.unique(np.concatenate([date2num(line.get_xdata()) for line in lines]))
    dates = dates[:: -(-len(dates) // MAX_VALUES)]
    (left, low), (right, high) = ax.get_window_extent().get_points() * 72 / figure.dpi
    down = figure.bbox.height * 72 / figure.dpi
    return {
        "box": [round(float(side), 1) for side in (left, down - high, right, down - low)],
        "span": [round(float(end), 2) for end in ax.get_xlim()],
        "days": [int(day) for day in dates],
        "unit": "%" if "%" in ax.yaxis.get_major_formatter()(10, 0) else "",
        "lines": {
            str(line.get_label()).lstrip("_"): _at(date2num(line.get_xdata()), np.asarray(line.get_ydata()), dates)
            for line in lines
        },
    }


def _at(x: np.ndarray, y: np.ndarray, dates: np.ndarray) -> list[float | None]:
    """Return the last value at or before each date; None before the first and where it is missing."""
    place = np.searchsorted(x, dates, side="right") - 1
    found = np.where(place >= 0, y[place.clip(min=0)], np.nan)
    return [round(float(value), 2) if np.isfinite(value) else None for value in found]


def render(template: str, plots: Mapping[str, Plot], **values: Any) -> tuple[str, list[Picture]]:
    """Render a page; return HTML and the pictures that the template draws.

    Parameters
    ----------
    template : str
        Extends ``page.html.j2``; ``figure(name, title, caption)`` draws a plot; None if its numbers are missing.
    plots : mapping of name to plot
    **values
        ``title`` of the browser window; ``eyebrow`` and ``headline``, the line above the headline and the headline;
        ``lede``, sentences below it; ``answers``, the tiles; and what the template needs further.
    """
    pictures = list[Picture]()

    def figure(name: str, title: str, caption: str, size: Size = SIZE) -> Picture | None:
        if name not in plots:
            return None
        picture = Picture(name, plots[name], caption, f"Plot, {title[0].lower()}{title[1:]}. {caption}", size)
        try:
            _ = picture.svg
        except VolpluginError:
            return None
        pictures.append(picture)
        return picture

    loader = PackageLoader("volplugin.report")
    page = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, finalize=_typographic)
    page.trim_blocks = page.lstrip_blocks = True
    page.filters["dates"] = _unbroken
    page.globals |= {"figure": figure, "links": []}
    script = Markup(loader.get_source(page, "page.js")[0])
    return page.get_template(template).render(light=LIGHT, dark=DARK, script=script, **values), pictures


def write_page(page: str, pictures: Iterable[Picture], path: str | os.PathLike[str]) -> Path:
    """Write a page, and its pictures as ``plots/*.png`` in the same folder; return the path of the page.

    Each write is atomic; the page refers to no other file and no network address.
    """
    file = Path(path)
    plots = {f"plots/{one.name}.png": draw(one.plot, LIGHT, one.size) for one in pictures}
    write_files(file.parent, plots | {file.name: page.encode()})
    return file


def _typographic(value: Any) -> Any:
    """Replace a hyphen before a digit by a minus sign, and a single hyphen by a dash."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return "–" if value == "-" else MINUS.sub("−", value)


def _unbroken(text: str) -> Markup:
    """Escape a text, and forbid line breaks inside dates and statistics."""
    return Markup(UNBROKEN.sub(r'<span class="date">\g<0></span>', str(escape(_typographic(text)))))
