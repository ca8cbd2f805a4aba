"""Render pages: one self-contained HTML file each; plots are SVG elements in it and PNG files in the same folder."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.dates import date2num
from matplotlib.figure import Figure

from volplugin.errors import VolpluginError
from volplugin.report.axes import DARK, LIGHT, STYLE, Theme, new_figure
from volplugin.report.format import Page, Section, Table
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
    """A plot in the light theme, with its name and its caption."""

    name: str
    caption: str
    figure: Figure

    @cached_property
    def svg(self) -> Markup:
        """The plot as an ``<svg>`` element, which scales to the width of its place."""
        body = _saved(self.figure, "svg").decode()
        body = body[body.index(">", body.index("<svg")) + 1 :]
        body = LONG.sub(lambda number: f"{float(number[0]):.1f}", body)
        # Equal parts of two plots have equal ids; ids must be unique in a page.
        body = NAME.sub(rf"\g<1>{self.name}-", body)
        title = self.figure.axes[0].get_title(loc="left").replace("\n", " ")
        across, down = 72 * self.figure.get_size_inches()
        values = f' data-values="{escape(json.dumps(_values(self.figure), separators=(",", ":")))}"'
        label = escape(f"Plot, {title[0].lower()}{title[1:]}. {self.caption}")
        start = f'<svg role="img" aria-label="{label}" viewBox="0 0 {across:g} {down:g}"{values}>'
        return Markup(start.replace(' data-values="null"', "") + re.sub(r"\s*\n\s*", "\n", body))


def draw(plot: Plot, theme: Theme = LIGHT, size: Size = SIZE) -> bytes:
    """Draw a plot as a PNG file, in the style of the report whatever matplotlib's settings are."""
    return _saved(drawn(plot, theme, size), "png")


def drawn(plot: Plot, theme: Theme = LIGHT, size: Size = SIZE) -> Figure:
    """Return a new figure with the plot, in the style of the report."""
    with matplotlib.rc_context(STYLE):
        figure = new_figure(size)
        plot(ax=figure.add_subplot(), theme=theme)
    return figure


def _saved(figure: Figure, kind: str) -> bytes:
    buffer = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        bare = dict.fromkeys(("Creator", "Date", "Format", "Type")) if kind == "svg" else None
        figure.savefig(buffer, format=kind, metadata=bare)
    return buffer.getvalue()


def _values(figure: Figure) -> dict[str, Any] | None:
    """Return the frame of a plot over dates and the values of its lines, for the page's script; None for other plots.

    ``box`` is the frame (left, top, right, bottom) in the units of the SVG, ``span`` its first and last day since 1970;
    ``days`` are the dates, ``lines`` the values by name. At most `MAX_VALUES` dates are kept.
    """
    ax = figure.axes[0]
    lines = {
        str(line.get_label()).lstrip("_"): pd.Series(np.asarray(line.get_ydata()), date2num(line.get_xdata()))
        for line in ax.get_lines()
        if (line.get_gid() or "").startswith("values")
    }
    if not lines:
        return None
    dates = np.unique(np.concatenate([line.index for line in lines.values()]))
    dates = dates[:: -(-len(dates) // MAX_VALUES)]
    (left, low), (right, high) = ax.get_window_extent().get_points() * 72 / figure.dpi
    down = figure.bbox.height * 72 / figure.dpi
    shown = pd.DataFrame({name: line.reindex(dates, method="ffill") for name, line in lines.items()}).round(2)
    return {
        "box": [round(float(side), 1) for side in (left, down - high, right, down - low)],
        "span": [round(float(end), 2) for end in ax.get_xlim()],
        "days": [int(day) for day in dates],
        "unit": "%" if "%" in ax.yaxis.get_major_formatter()(10, 0) else "",
        "lines": shown.astype(object).where(shown.notna(), None).to_dict("list"),
    }


def render(page: Page, plots: Mapping[str, Plot]) -> tuple[str, list[Picture]]:
    """Return a page as HTML, and its pictures; plots that raise, and sections without content, are left out."""
    found: list[Picture] = []

    def figures(captions: Mapping[str, str]) -> dict[str, Any]:
        for name in captions:
            try:
                found.append(Picture(name, captions[name], drawn(plots[name])))
            except (KeyError, VolpluginError):
                continue
        return {one.name: one for one in found if one.name in captions}

    hero = figures(page.figures)
    sections: list[Section] = [replace(one, figures=figures(one.figures)) for one in page.sections]
    environment = Environment(
        loader=PackageLoader("volplugin.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_typographic,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["html"] = _html
    template = environment.get_template("page.html.j2")
    shown = {"page": page, "hero": hero, "sections": [one for one in sections if one]}
    return template.render(light=LIGHT, dark=DARK, **shown), found


def write_page(page: Page, plots: Mapping[str, Plot], path: str | os.PathLike[str]) -> Path:
    """Write a page, and its pictures as ``plots/*.png`` in the same folder; return the path of the page.

    Each write is atomic; the page refers to no other file and no network address.
    """
    file, (text, pictures) = Path(path), render(page, plots)
    drawings = {f"plots/{one.name}.png": _saved(one.figure, "png") for one in pictures}
    write_files(file.parent, drawings | {file.name: text.encode()})
    return file


def _html(table: Table) -> Markup:
    """Return a table as HTML, with a column of bars if it has some."""
    cells = table.frame.map(_typographic).rename(index=_typographic, columns=_typographic)
    if table.bars:
        cells.insert(0, "", ["".join(map(_bar, row, [*"w" * (len(row) - 1), ""])) for row in table.bars])
    with pd.option_context("display.max_colwidth", None):
        return Markup(cells.to_html(border=0, escape=False, header=table.kind != "pairs"))


def _bar(length: float, kind: str) -> str:
    return f'<i class="{kind}{" hedge" if length < 0 else ""}" style="width: {abs(length):.1f}%"></i>'


def _typographic(value: Any) -> Any:
    """Escape a text, with minus signs and dashes, and without line breaks inside dates and statistics."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    text = "–" if value == "-" else MINUS.sub("−", value)
    return Markup(UNBROKEN.sub(r'<span class="date">\g<0></span>', str(escape(text))))
