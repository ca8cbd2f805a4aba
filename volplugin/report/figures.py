"""Draw a plot as a PNG file, or as an SVG element in the colours and the type of its page."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import matplotlib
from markupsafe import Markup, escape
from matplotlib.axes import Axes

from volplugin.report.plots.axes import NARROW, WIDE, new_figure
from volplugin.report.theme import LIGHT, SLOTS, Theme, style

Size = tuple[float, float]
Plot = Callable[[Axes, Theme], Axes]

PIXELS = 96
"""Pixels of a page per inch."""
TYPE_SCALE = 1.07
"""Factor of type sizes: the type of a page is a tenth narrower than matplotlib's, for which room was measured."""
HEAD = re.compile(r"^.*?<svg[^>]*>", re.DOTALL)
METADATA = re.compile(r"<metadata>.*?</metadata>", re.DOTALL)
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
PATH = re.compile(r'(?<= d=")[^"]+')
NUMBER = re.compile(r"-?\d+\.\d+")
POINT = re.compile(r"(?<=[ \"])([xy])=\"(-?\d+\.\d{2,})\"")
GAP = re.compile(r"\s*\n\s*")
SIZE = re.compile(r"font-size: ([\d.]+)px")
FAMILY = re.compile(r"font-family: [^;\"]*; ?")
LEVEL = re.compile(r' transform="rotate\(-?0 [^"]*"')
NAME = re.compile(r'(\bid="|url\(#|href="#)')
COLORS = {color: f"var(--{name})" for name, color in SLOTS.slots()}


@dataclass(frozen=True)
class Picture:
    """A plot with its caption, and its sizes on a wide and on a narrow page, inches."""

    name: str
    plot: Plot
    caption: str
    alt: str
    wide: Size = WIDE
    narrow: Size = NARROW

    @cached_property
    def drawings(self) -> Markup:
        """The plot in both sizes; the page shows the one that fits."""
        return inline(self, "wide", self.wide) + inline(self, "narrow", self.narrow)


def png(picture: Picture, theme: Theme = LIGHT) -> bytes:
    """Draw the wide plot as a PNG file."""
    return draw(picture.plot, theme, picture.wide, "png")


def inline(picture: Picture, width: str, size: Size) -> Markup:
    """Draw a plot as an ``<svg>`` element of class `width` whose colours are CSS variables of the page."""
    svg = draw(picture.plot, SLOTS, size, "svg").decode()
    body = COMMENT.sub("", METADATA.sub("", HEAD.sub("", svg, count=1)))
    body = PATH.sub(lambda path: _short(path[0]), body)
    body = POINT.sub(lambda point: f'{point[1]}="{float(point[2]):.1f}"', body)
    # Type of the page, in the largest size that fits; rotations by zero are removed.
    body = SIZE.sub(lambda size: f"font-size: {TYPE_SCALE * float(size[1]):.2f}px", FAMILY.sub("", body))
    body = LEVEL.sub("", body)
    for color, variable in COLORS.items():
        body = body.replace(color, variable)
    # Equal parts of two plots have equal ids; ids must be unique in a page.
    body = NAME.sub(rf"\g<1>{picture.name}-{width}-", body)
    across, down = (72 * side for side in size)
    start = (
        f'<svg class="{width}" role="img" aria-label="{escape(picture.alt)}" viewBox="0 0 {across:g} {down:g}" '
        f'width="{PIXELS * size[0]:.0f}" height="{PIXELS * size[1]:.0f}">'
    )
    return Markup(start + GAP.sub("\n", body))


def draw(plot: Plot, theme: Theme, size: Size, kind: str) -> bytes:
    """Draw a plot as a file of format `kind`, in the style of the report whatever matplotlib's settings are."""
    with matplotlib.rc_context(style()):
        figure = new_figure(size)
        plot(figure.add_subplot(), theme)
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind, metadata={"Date": None} if kind == "svg" else None)
    return buffer.getvalue()


def _short(path: str) -> str:
    """Shorten an SVG path: round coordinates to a tenth of a point, remove redundant spaces."""
    return re.sub(r"\s*([A-Za-z])\s*", r"\1", NUMBER.sub(lambda n: f"{float(n[0]):.1f}", path))
