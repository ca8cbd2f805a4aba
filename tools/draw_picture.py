"""Draw the README's picture from the demo's output, light and dark, with few colours to reduce the file size.

    python tools/draw_picture.py demo-output docs/demo.png

writes ``docs/demo.png`` and ``docs/demo-dark.png``.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

import matplotlib
from PIL import Image

from volplugin.report import ReportData, plots, read_result
from volplugin.report.axes import DARK, LIGHT, STYLE, Theme, new_figure

COLOURS = 48
SIZE = (9.6, 3.5)


def draw(data: ReportData, theme: Theme) -> Image.Image:
    """Draw volatility with and without the model, and forecast and outcome by size of forecast."""
    buffer = io.BytesIO()
    with matplotlib.rc_context({**STYLE, "savefig.dpi": 150}):
        figure = new_figure(SIZE)
        left, right = figure.subplots(1, 2)
        plots.plot_volatility(data, left, theme)
        plots.plot_tenths(data, right, theme)
        figure.savefig(buffer, format="png")
    return Image.open(buffer).convert("RGB")


def main(folder: str, target: str) -> None:
    """Write the picture for light and for dark pages."""
    data, file = ReportData(read_result(folder)), Path(target)
    for theme, path in ((LIGHT, file), (DARK, file.with_stem(f"{file.stem}-dark"))):
        draw(data, theme).quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
