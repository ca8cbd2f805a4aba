"""Write an evaluation of volatility forecasts into a folder: page, numbers as JSON, tables as text, plots as PNG."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from volplugin.evaluation import PortfolioForecasts, compare_portfolio_forecasts
from volplugin.evaluation.volatility import VolatilityEvaluation
from volplugin.report.figures import Picture
from volplugin.report.format import IN_SET, Table, ahead, number, percent, signed
from volplugin.report.page import Section, render, write_page
from volplugin.report.plots import evaluation as plots
from volplugin.report.summary import Answer
from volplugin.storage.atomic import write_atomically

ROW = 0.34
"""Height of a row of a dot plot, inches."""


LEDE = (
    "QLIKE against squared returns, lower is better. All models on the same stock-days; models with parameters are "
    "refitted at each year's end."
)


def write_evaluation(
    evaluation: VolatilityEvaluation,
    portfolios: Mapping[str, PortfolioForecasts],
    text: str,
    out: str | os.PathLike[str],
) -> Path:
    """Write ``evaluation.html``, ``.json`` and ``.txt``, and ``plots/*.png``; each write is atomic.

    Returns
    -------
    Path
        The page. It refers to no other file and no network address.
    """
    folder = Path(out)
    write_atomically(folder / "evaluation.txt", f"{text}\n".encode())
    numbers = {
        "volatility": evaluation.as_dict(),
        "book": json.loads(compare_portfolio_forecasts(portfolios).to_json(orient="index")),
    }
    write_atomically(folder / "evaluation.json", (json.dumps(numbers, indent=2, allow_nan=False) + "\n").encode())
    page, sections = evaluation_page(evaluation, portfolios, text)
    return write_page(page, sections, folder / "evaluation.html")


def evaluation_page(
    evaluation: VolatilityEvaluation, portfolios: Mapping[str, PortfolioForecasts], text: str
) -> tuple[str, list[Section]]:
    """Return the page of an evaluation as HTML, and its sections: the best model first, then the evidence."""
    scores = evaluation.scores
    first, last = (scores.losses.index[end].date() for end in (0, -1))
    best = {horizon: str(scores.table.loc[horizon]["qlike"].idxmin()) for horizon in scores.horizons}
    parts = [
        f"{name} at {' and '.join(str(horizon) for horizon in best if best[horizon] == name)}"
        for name in dict.fromkeys(best.values())
    ]
    pictures = {picture.name: picture for picture in _pictures(evaluation)}
    sections = [
        *(
            Section(f"h{horizon}", ahead(horizon), (), [scores_of(evaluation, horizon), *_of(pictures, horizon)])
            for horizon in scores.horizons
        ),
        Section("portfolio", "Equal-weight portfolio", (), [risk_models(portfolios)]),
    ]
    overall = [pictures[name] for name in ("reductions", "seeds") if name in pictures]
    if overall:
        sections.insert(0, Section("models", "All models", (), overall))
    page = render(
        "evaluation.html.j2",
        title="Volatility forecasts compared",
        eyebrow=f"{', '.join(map(str, scores.models))}; {first} to {last}, every session an origin",
        headline=f"Lowest loss: {'; '.join(parts)} {'session' if list(best) == [1] else 'sessions'} ahead",
        lede=[LEDE],
        answers=[_answer(evaluation, horizon, name) for horizon, name in best.items()],
        sections=sections,
        text=text,
    )
    return page, sections


def _answer(evaluation: VolatilityEvaluation, horizon: int, best: str) -> Answer:
    """State the best model of a horizon, its lead, and the models that may be as good."""
    row, table = evaluation.scores.table.loc[horizon].loc[best], evaluation.scores.table.loc[horizon]
    rivals = [name for name in evaluation.scores.benchmarks if name != best]
    leads = [f"{number(row[f'below_{name}'], 1)}% below {name} (t {number(row[f'dm_{name}'], 1)})" for name in rivals]
    note = [f"QLIKE {number(row['qlike'], 4)}", *leads]
    alone = True
    if "mcs_pvalue" in table:
        others = [str(name) for name in table.index[table["mcs_pvalue"] >= IN_SET] if name != best]
        alone = not others
        note += [f"in the 90% confidence set too: {', '.join(others)}"] if others else []
    verdict = "lowest loss" if alone else "lowest loss, others may be as good"
    return Answer(ahead(horizon), best, f"{'; '.join(note)}.", verdict, "good" if alone else "fair")


def scores_of(evaluation: VolatilityEvaluation, horizon: int) -> Table:
    """Tabulate the losses of a horizon, one model per row, the lowest QLIKE first."""
    scores, table = evaluation.scores, evaluation.scores.table.loc[horizon].sort_values("qlike")
    columns = ["", "QLIKE", "on range", *(f"% below {name}" for name in scores.benchmarks)]
    rows = [
        [str(name), number(row["qlike"], 4), number(row["qlike_range"], 4)]
        + ["–" if name == other else signed(row[f"below_{other}"]) for other in scores.benchmarks]
        for name, row in table.iterrows()
    ]
    if "mcs_pvalue" in table:
        columns.append("90% set")
        rows = [[*row, "in" if p >= IN_SET else "out"] for row, p in zip(rows, table["mcs_pvalue"], strict=True)]
    row = table.iloc[0]
    note = f"{int(row['stock_days']):,} stock-days of {int(row['origins']):,} sessions. On range: range-based variance."
    return Table("Loss of each model", columns, rows, note)


def risk_models(portfolios: Mapping[str, PortfolioForecasts]) -> Table:
    """Tabulate the risk models on the equal-weight portfolio."""
    table, horizon = compare_portfolio_forecasts(portfolios), next(iter(portfolios.values())).horizon
    rows = [
        [
            str(name),
            number(row["qlike"], 4),
            number(row["bias"], 3),
            "–" if row["bias_lower"] != row["bias_lower"] else f"{row['bias_lower']:.3f} to {row['bias_upper']:.3f}",
            percent(row["mean_predicted_vol"]),
            percent(row["realized_vol"]),
        ]
        for name, row in table.iterrows()
    ]
    columns = ["", "QLIKE", "bias", "95% band", "forecast", "realised"]
    note = "Bias: standard deviation of daily returns over the forecast in force, 1 is right. Volatilities are annual."
    return Table(f"{horizon} sessions ahead", columns, rows, note)


def _of(pictures: Mapping[str, Picture], horizon: int) -> list[Picture]:
    return [
        pictures[f"{kind}_{horizon}"] for kind in ("years", "stress", "calibration") if f"{kind}_{horizon}" in pictures
    ]


def _pictures(evaluation: VolatilityEvaluation) -> Iterator[Picture]:
    """Yield every plot that the evaluation has numbers for."""
    scores = evaluation.scores

    def made(name: str, plot: str, caption: str, height: float = 4.4, **keywords: int) -> Picture:
        drawn = partial(getattr(plots, f"plot_{plot}"), evaluation, **keywords)
        return Picture(name, drawn, caption, f"Plot. {caption}", (9.0, height))

    if len(scores.models) > 1:
        yield made("reductions", "reductions", "Percent by which each model's loss is below the benchmark's; more is "
                   "better.", 1.6 + ROW * len(scores.models))  # fmt: skip
        for horizon in scores.horizons:
            yield made(f"years_{horizon}", "years", "The same, by calendar year of the origins.", horizon=horizon)
            if len(scores.by_stress.columns):
                caption = "The same, for origins in periods of stress."
                yield made(f"stress_{horizon}", "stress", caption, horizon=horizon)
    for horizon in scores.horizons:
        caption = "Realised over forecast variance, from the lowest tenth of forecasts to the highest; 1 is right."
        yield made(f"calibration_{horizon}", "deciles", caption, horizon=horizon)
    if not evaluation.components.empty:
        caption = "Loss of each member of an ensemble alone, against the whole."
        yield made("seeds", "seeds", caption, 1.9 + ROW * len(scores.horizons))
