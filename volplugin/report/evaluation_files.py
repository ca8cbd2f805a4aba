"""Write an evaluation of volatility forecasts into a folder: numbers as JSON, tables as text, plots as PNG."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from volplugin.evaluation import PortfolioForecasts, compare_portfolio_forecasts
from volplugin.evaluation.volatility import VolatilityEvaluation
from volplugin.report.figures import Plot, draw
from volplugin.report.plots import evaluation as plots
from volplugin.report.theme import LIGHT
from volplugin.storage.atomic import write_atomically

ROW = 0.34
"""Height of a row of a dot plot, inches."""


def write_evaluation(
    evaluation: VolatilityEvaluation,
    portfolios: Mapping[str, PortfolioForecasts],
    text: str,
    out: str | os.PathLike[str],
) -> Path:
    """Write ``evaluation.json``, ``evaluation.txt`` and ``plots/*.png``; each write is atomic.

    Returns
    -------
    Path
        The JSON file.
    """
    folder = Path(out)
    for name, image in pictures(evaluation):
        write_atomically(folder / "plots" / f"{name}.png", image)
    write_atomically(folder / "evaluation.txt", f"{text}\n".encode())
    numbers = {
        "volatility": evaluation.as_dict(),
        "book": json.loads(compare_portfolio_forecasts(portfolios).to_json(orient="index")),
    }
    return write_atomically(
        folder / "evaluation.json", (json.dumps(numbers, indent=2, allow_nan=False) + "\n").encode()
    )


def pictures(evaluation: VolatilityEvaluation) -> Iterator[tuple[str, bytes]]:
    """Yield name and PNG of every plot that the evaluation has numbers for."""
    scores = evaluation.scores

    def drawn(plot: Plot, height: float = 4.4) -> bytes:
        return draw(plot, LIGHT, (9.0, height), "png")

    if len(scores.models) > 1:
        yield "reductions", drawn(partial(plots.plot_reductions, evaluation), 1.6 + ROW * len(scores.models))
        for horizon in scores.horizons:
            yield f"years_{horizon}", drawn(partial(plots.plot_years, evaluation, horizon=horizon))
            if len(scores.by_stress.columns):
                yield f"stress_{horizon}", drawn(partial(plots.plot_stress, evaluation, horizon=horizon))
    for horizon in scores.horizons:
        yield f"calibration_{horizon}", drawn(partial(plots.plot_deciles, evaluation, horizon=horizon))
    if not evaluation.components.empty:
        yield "seeds", drawn(partial(plots.plot_seeds, evaluation), 1.9 + ROW * len(scores.horizons))
