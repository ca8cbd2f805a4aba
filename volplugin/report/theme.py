"""Colours and type of the plots: two themes of one palette, readable by colour-blind readers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Theme:
    """Colours of a plot; `series` is based on Okabe and Ito (2008). Orange is for realised risk alone."""

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
    series=("#0072b2", "#009e73", "#882255", "#56b4e9", "#8a6d3b", "#332288", "#9bbf3b", "#44546a"),
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
    series=("#5cb8f0", "#3ecfa0", "#c2528f", "#2f86c4", "#c9a66b", "#b48ede", "#b9da62", "#9fb0c6"),
    rest="#36414e",
)

MODELS = ("LSTM", "HAR", "EWMA94", "GJR")
"""Models with a fixed place in the series of colours and markers, on all pages."""


def model_slots(names: Iterable[str]) -> dict[str, int]:
    """Return the place of each model in the series of colours and markers: fixed for known names, else the next free.

    Examples
    --------
    >>> model_slots(["mine", "EWMA94", "LSTM"])
    {'mine': 1, 'EWMA94': 2, 'LSTM': 0}
    """
    names = list(dict.fromkeys(names))
    known = {name: MODELS.index(name) for name in names if name in MODELS}
    free = (place for place in range(len(names) + len(MODELS)) if place not in known.values())
    return {name: known[name] if name in known else next(free) for name in names}


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
        "savefig.dpi": 200,
        "svg.fonttype": "none",
        "text.parse_math": False,  # a symbol may hold $, _ or ^
        # A fixed salt of the ids in an SVG makes equal plots equal files.
        "svg.hashsalt": "volplugin",
        "path.simplify_threshold": 0.25,
    }
