"""Draw a plot as a PNG file, or as an SVG element whose dark colours and values under the pointer the page adds."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import matplotlib
import numpy as np
from markupsafe import Markup, escape
from matplotlib.axes import Axes
from matplotlib.dates import date2num
from matplotlib.figure import Figure

from volplugin.report.plots.axes import new_figure
from volplugin.report.theme import LIGHT, Theme, style

Size = tuple[float, float]
Plot = Callable[[Axes, Theme], Axes]

SIZE: Size = (4.4, 2.9)
"""Inches: half a wide page, or the whole of a phone's."""
MAX_VALUES = 600
"""Dates of a plot that show their values under the pointer."""
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


def png(picture: Picture, theme: Theme = LIGHT) -> bytes:
    """Draw the plot as a PNG file."""
    return draw(picture.plot, theme, picture.size, "png")


def draw(plot: Plot, theme: Theme, size: Size, kind: str) -> bytes:
    """Draw a plot as a file of format `kind`, in the style of the report whatever matplotlib's settings are."""
    return _saved(drawn(plot, theme, size), kind)


def drawn(plot: Plot, theme: Theme, size: Size) -> Figure:
    """Return a new figure with the plot, in the style of the report."""
    with matplotlib.rc_context(style()):
        figure = new_figure(size)
        plot(figure.add_subplot(), theme)
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
    box, height = ax.get_window_extent(), figure.bbox.height
    unit = 72 / figure.dpi
    frame = [box.x0 * unit, (height - box.y1) * unit, box.x1 * unit, (height - box.y0) * unit]
    return {
        "box": [round(side, 1) for side in frame],
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
