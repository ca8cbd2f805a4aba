"""Write an evaluation of volatility forecasts into a folder: page, numbers as JSON, tables as text, plots as PNG."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from volplugin.evaluation import PortfolioForecasts, compare_portfolio_forecasts
from volplugin.evaluation.volatility import VolatilityEvaluation
from volplugin.report import evaluation_plots, tables
from volplugin.report import evaluation_text as texts
from volplugin.report.page import Picture, Plot, render, write_page
from volplugin.storage.atomic import write_files


def write_evaluation(
    evaluation: VolatilityEvaluation, portfolios: Mapping[str, PortfolioForecasts], out: str | os.PathLike[str]
) -> Path:
    """Write ``evaluation.html``, ``.json`` and ``.txt``, and ``plots/*.png``; return the path of the page.

    Each write is atomic; the page refers to no other file and no network address.
    """
    folder = Path(out)
    numbers = {
        "volatility": evaluation.as_dict(),
        "book": json.loads(compare_portfolio_forecasts(portfolios).to_json(orient="index")),
    }
    text = f"{texts.evaluation_text(evaluation, portfolios)}\n"
    numbers_text = json.dumps(numbers, indent=2, allow_nan=False) + "\n"
    write_files(folder, {"evaluation.txt": text.encode(), "evaluation.json": numbers_text.encode()})
    return write_page(*evaluation_page(evaluation, portfolios), folder / "evaluation.html")


def evaluation_page(
    evaluation: VolatilityEvaluation, portfolios: Mapping[str, PortfolioForecasts]
) -> tuple[str, list[Picture]]:
    """Return the page of an evaluation as HTML, and its pictures; the best model first, then the evidence."""
    answers = texts.answers(evaluation)
    plots: dict[str, Plot] = {"reductions": partial(evaluation_plots.plot_reductions, evaluation.scores)}
    for kind in ("years", "deciles"):
        plot = getattr(evaluation_plots, f"plot_{kind}")
        plots |= {
            f"{kind}_{horizon}": partial(plot, evaluation, horizon=horizon) for horizon in evaluation.scores.horizons
        }
    best = {one.value: [other.label.split()[0] for other in answers if other.value == one.value] for one in answers}
    parts = "; ".join(f"{name} at {', '.join(horizons)}" for name, horizons in best.items())
    unit = "session" if evaluation.scores.horizons == [1] else "sessions"
    everywhere = len(best) == 1 and len(answers) > 1
    return render(
        "evaluation.html.j2",
        plots,
        title="Volatility forecasts compared",
        eyebrow=f"{', '.join(map(str, evaluation.scores.models))}; {texts.described(evaluation)}",
        headline=f"Lowest loss: {next(iter(best))} at every horizon"
        if everywhere
        else f"Lowest loss: {parts} {unit} ahead",
        lede=[
            "QLIKE against squared returns, lower is better. Models with parameters are refitted at each year's end."
        ],
        answers=answers,
        evaluation=evaluation,
        risk_models=tables.portfolios(portfolios),
        texts=texts,
    )
