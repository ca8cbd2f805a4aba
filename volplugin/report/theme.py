"""Colours and type of the plots: two themes of one palette, safe for colour-blind readers."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from matplotlib import font_manager

FONTS = ("Inter", "Helvetica Neue", "Arial", "Liberation Sans", "DejaVu Sans")


@dataclass(frozen=True)
class Theme:
    """Colours of a plot; `series` is after Okabe and Ito (2008), lightened for a dark ground."""

    name: str
    paper: str
    ink: str
    muted: str
    grid: str
    predicted: str
    realized: str
    series: tuple[str, ...]
    rest: str
    heat: tuple[str, ...]


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
    heat=("#f7fafc", "#cfe1ee", "#86b7d8", "#3784b8", "#0a4d7f", "#062f52"),
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
    heat=("#17222e", "#1d3b55", "#25618f", "#3d8fc9", "#83c3ee", "#dbefff"),
)


@cache
def style() -> Any:
    """Return the rc parameters for the page's own plots; a caller's axes keep the caller's style."""
    # matplotlib complains of every name that is not installed, so only those that are; its own comes last.
    installed = set(font_manager.get_font_names())
    fonts = [name for name in FONTS if name in installed]
    # DejaVu is the widest of them by a tenth.
    scale = 0.92 if fonts[:1] == ["DejaVu Sans"] else 1.0
    return {
        "font.family": fonts,
        "font.size": 9.5 * scale,
        "axes.titlesize": 10.5 * scale,
        "axes.titleweight": "bold",
        "axes.labelsize": 9.5 * scale,
        "xtick.labelsize": 9 * scale,
        "ytick.labelsize": 9 * scale,
        "legend.fontsize": 9 * scale,
        "axes.unicode_minus": True,
        "figure.dpi": 100,
        "savefig.dpi": 150,
        "svg.fonttype": "path",
        # Names inside an SVG are hashed with this, so that equal plots are equal files.
        "svg.hashsalt": "volplugin",
        "path.simplify_threshold": 0.25,
    }
