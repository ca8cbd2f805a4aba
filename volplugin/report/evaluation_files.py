"""Write an evaluation of volatility forecasts into a folder: numbers as JSON, tables as text, plots as PNG."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from volplugin.evaluation import PortfolioForecasts, compare_portfolio_forecasts
from volplugin.evaluation.volatility import VolatilityEvaluation
from volplugin.report.plots import evaluation as plots
from volplugin.report.plots.axes import new_figure
from volplugin.report.theme import style
from volplugin.storage.atomic import write_atomically

TALL = 0.34
"""Inches of a row of a dot plot."""


def write_evaluation(
    evaluated: VolatilityEvaluation,
    portfolios: Mapping[str, PortfolioForecasts],
    text: str,
    out: str | os.PathLike[str],
) -> Path:
    """Write ``evaluation.json``, ``evaluation.txt`` and ``plots/*.png``, each file whole or not at all.

    Returns
    -------
    Path
        Of the JSON file.
    """
    folder = Path(out)
    for name, image in pictures(evaluated):
        write_atomically(folder / "plots" / f"{name}.png", image)
    write_atomically(folder / "evaluation.txt", f"{text}\n".encode())
    numbers = {
        "volatility": evaluated.as_dict(),
        "book": json.loads(compare_portfolio_forecasts(portfolios).to_json(orient="index")),
    }
    return write_atomically(
        folder / "evaluation.json", (json.dumps(numbers, indent=2, allow_nan=False) + "\n").encode()
    )


def pictures(evaluated: VolatilityEvaluation) -> Iterator[tuple[str, bytes]]:
    """Yield name and PNG of every plot that the evaluation has numbers for."""
    with matplotlib.rc_context(style()):
        rows = len(evaluated.scores.models)
        if rows > 1:
            yield "reductions", _png(plots.plot_reductions(evaluated, _axes(1.6 + TALL * rows)))
            for horizon in evaluated.scores.horizons:
                yield f"years_{horizon}", _png(plots.plot_years(evaluated, _axes(), horizon=horizon))
                if len(evaluated.scores.by_stress.columns):
                    yield f"stress_{horizon}", _png(plots.plot_stress(evaluated, _axes(), horizon=horizon))
        for horizon in evaluated.scores.horizons:
            yield f"calibration_{horizon}", _png(plots.plot_deciles(evaluated, _axes(), horizon=horizon))
        if not evaluated.components.empty:
            yield "seeds", _png(plots.plot_seeds(evaluated, _axes(1.9 + TALL * len(evaluated.scores.horizons))))


def _axes(height: float = 4.4) -> Axes:
    return new_figure((9.0, height)).add_subplot()


def _png(ax: Axes) -> bytes:
    buffer = io.BytesIO()
    assert isinstance(ax.figure, Figure)
    ax.figure.savefig(buffer, format="png")
    return buffer.getvalue()
