"""Colours and type of the plots: two themes of one palette, readable by colour-blind readers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

HEAT = "viridis"
"""Colour map of matrices, perceptually uniform."""


@dataclass(frozen=True)
class Theme:
    """Colours of a plot; `series` is based on Okabe and Ito (2008), lightened for the dark theme."""

    name: str
    paper: str
    ink: str
    muted: str
    grid: str
    predicted: str
    realized: str
    series: tuple[str, ...]
    rest: str

    def slots(self) -> Iterator[tuple[str, str]]:
        """Yield name and colour of each slot; the series are numbered."""
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "series":
                yield from ((f"series-{place}", color) for place, color in enumerate(value))
            elif field.name != "name":
                yield field.name, value


LIGHT = Theme(
    name="light",
    paper="#ffffff",
    ink="#1c2430",
    muted="#5b6675",
    grid="#e3e7ec",
    predicted="#0072b2",
    realized="#d55e00",
    series=("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#8a6d3b", "#7a5195", "#9bbf3b"),
    rest="#d9dee4",
)

DARK = Theme(
    name="dark",
    paper="#151b23",
    ink="#e6ebf1",
    muted="#9aa7b6",
    grid="#2a333f",
    predicted="#5cb8f0",
    realized="#ff9a52",
    series=("#5cb8f0", "#f2bd4b", "#3ecfa0", "#e79fc6", "#2f86c4", "#c9a66b", "#b48ede", "#b9da62"),
    rest="#36414e",
)

# Placeholders, one colour per slot; `figures.inline` replaces them by CSS variables of the page.
SLOTS = Theme(
    name="slots",
    paper="#fe0101",
    ink="#fe0102",
    muted="#fe0103",
    grid="#fe0104",
    predicted="#fe0105",
    realized="#fe0106",
    series=tuple(f"#fe020{place}" for place in range(8)),
    rest="#fe0107",
)


def style() -> Any:
    """Return the rc parameters of the report's plots; axes passed by a caller are not affected."""
    return {
        # Comes with matplotlib and is among the widest: text that fits in it fits in the reader's font.
        "font.family": ["DejaVu Sans"],
        "font.size": 8.75,
        "axes.titlesize": 9.75,
        "axes.titleweight": "bold",
        "axes.labelsize": 8.75,
        "xtick.labelsize": 8.5,
        "ytick.labelsize": 8.5,
        "legend.fontsize": 8.5,
        "axes.unicode_minus": True,
        "figure.dpi": 100,
        "savefig.dpi": 150,
        "svg.fonttype": "none",
        "text.parse_math": False,  # a symbol may hold $, _ or ^
        # A fixed salt of the ids in an SVG makes equal plots equal files.
        "svg.hashsalt": "volplugin",
        "path.simplify_threshold": 0.25,
    }
