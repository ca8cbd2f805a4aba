"""The page of a study, one self-contained HTML file, and its numbers and plots in the same folder."""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from volplugin.evaluation.model_comparison import nested
from volplugin.report.axes import plot_lines
from volplugin.report.format import Answer, Format, Table, may_be_chance, percent, show, tabulate, wrapped
from volplugin.report.page import Plot, render, write_page
from volplugin.report.summary import FAIR, GOOD
from volplugin.storage.atomic import write_files
from volplugin.units import annualize
from volplugin.workflows.study.result import CAUSAL, CURRENT, KNOWN, LAST, SEED, PortfolioStudy, StudyResult

CORRELATIONS = {
    SEED: ("whole sample, as in the seed", "ink"),
    KNOWN: ("all sessions so far", "series-2"),
    CURRENT: ("the causal model's estimator", "predicted"),
}
LINES = {"true": ("true", "realized"), "predicted": ("predicted", "predicted")}


def write_study(result: StudyResult, out_dir: str | os.PathLike[str]) -> Path:
    """Write ``study.html``, ``study.json``, ``predictions.csv`` and ``plots/*.png``; return the path of the page.

    Each write is atomic; the page refers to no other file and no network address.
    """
    folder = Path(out_dir)
    numbers, table = json.dumps(as_dict(result), indent=2) + "\n", predictions(result).to_csv(index=False)
    write_files(folder, {"study.json": numbers.encode(), "predictions.csv": table.encode()})
    page, pictures = render(
        "study.html.j2",
        plots(result),
        title=headline(result),
        eyebrow="The original design and the causal model, on the same test part",
        headline=headline(result),
        lede=[*(f"{line[0].upper()}{line[1:]}." for line in result.sample), stocks_sentence(result)],
        answers=answers(next(iter(result.portfolios.values()))),
        result=result,
        settings=", ".join(f"{name} {value}" for name, value in result.settings.items()),
        findings=findings,
        scores=scores,
        caveats=caveats(result),
    )
    return write_page(page, pictures, folder / "study.html")


def plots(result: StudyResult) -> dict[str, Plot]:
    """Return the plots of a study: true and predicted volatility of each portfolio, and the correlations."""
    found: dict[str, Plot] = {}
    for place, (name, portfolio) in enumerate(result.portfolios.items(), 1):
        lines = annualize(portfolio.predicted[[SEED, CAUSAL]].assign(true=portfolio.true))
        top = 1.05 * float(lines.max().max())
        for kind, model, words in (("seed", SEED, "The seed, as described"), ("causal", CAUSAL, "The causal model")):
            frame, title = lines.rename(columns={model: "predicted"}), f"{words}: true and predicted volatility, {name}"
            found[f"book{place}_{kind}"] = partial(plot_lines, frame, LINES, title, top=top)
    title = "Average correlation of the stocks"
    found["average_correlation"] = partial(plot_lines, result.correlation, CORRELATIONS, title, percent=False)
    return found


def headline(result: StudyResult) -> str:
    """State how much of its loss the original design saves by knowing the correlation of the future."""
    name, portfolio = next(iter(result.portfolios.items()))
    known = portfolio.table.loc[KNOWN]
    gain = _lookahead(portfolio)
    verb = "lowered" if gain > 0 else "raised"
    return (
        f"Look-ahead in the correlation {verb} the original design's loss by {show(abs(gain), '.1f')}% "
        f"on {name}{may_be_chance(known['dm_seed'])}"
    )


def answers(portfolio: PortfolioStudy) -> list[Answer]:
    """Return the worth of the look-ahead, the causal model's loss, and both biases."""
    seed, known, causal = (portfolio.table.loc[name] for name in (SEED, KNOWN, CAUSAL))
    gain, below = _lookahead(portfolio), causal["below_seed"]
    worth = f"QLIKE {show(seed['qlike'], '.3f')}; {show(known['qlike'], '.3f')} without{_chance(known['dm_seed'])}"
    loss = f"QLIKE {show(causal['qlike'], '.3f')}, the original design's {show(seed['qlike'], '.3f')}"
    lowered = "loss lowered" if gain > 0 else "loss raised"
    verdict = ("lower loss", "good") if below > 0 else ("higher loss", "poor")
    return [
        Answer("Worth of the look-ahead", f"{abs(gain):.1f}%", worth, lowered, "fair"),
        Answer(
            "Causal model, without look-ahead", f"{abs(below):.1f}%", f"{loss}{_chance(causal['dm_seed'])}", *verdict
        ),
        _bias("Bias, original design", seed),
        _bias("Bias, causal model", causal),
    ]


def _bias(label: str, row: pd.Series) -> Answer:
    gap = abs(row["bias"] - 1)
    verdict = "about right" if gap <= GOOD else f"risk {'under' if row['bias'] > 1 else 'over'}-predicted"
    note = f"{percent(row['mean_predicted_vol'])} a year forecast, {percent(row['realized_vol'])} realised; 1 is right"
    grade = "good" if gap <= GOOD else "fair" if gap <= FAIR else "poor"
    return Answer(label, show(row["bias"]), note, verdict, grade)


def _lookahead(portfolio: PortfolioStudy) -> float:
    """Percent by which the correlation of the whole sample lowers the loss of the correlation known at each date."""
    known = float(portfolio.table.at[KNOWN, "qlike"])
    return 100 * (known - float(portfolio.table.at[SEED, "qlike"])) / known


def as_dict(result: StudyResult) -> dict[str, Any]:
    """Return all numbers of a study except the daily series as plain JSON values."""
    portfolios = {
        name: {
            "weights": {str(asset): float(weight) for asset, weight in portfolio.weights.items()},
            "scores": nested(portfolio.table),
            "says": findings(portfolio, result.horizon),
        }
        for name, portfolio in result.portfolios.items()
    }
    return {
        "settings": dict(result.settings),
        "causal_model": result.model,
        "sample": list(result.sample),
        "forecasts_raised": result.raised,
        "books": portfolios,
        "stocks": nested(result.stocks),
        "caveats": caveats(result),
        "versions": dict(result.versions),
    }


def predictions(result: StudyResult) -> pd.DataFrame:
    """Return daily volatilities in long form: portfolio (``book``), origin, true, and one column per model."""
    parts = [
        pd.concat([portfolio.true, portfolio.predicted], axis=1).rename_axis("origin").reset_index().assign(book=name)
        for name, portfolio in result.portfolios.items()
    ]
    table = pd.concat(parts)
    return table[["book", *table.columns.drop("book")]]


def scores(portfolio: PortfolioStudy, title: str, horizon: int) -> Table:
    """Tabulate the scores of a portfolio's forecasts, one model per row."""
    rows = portfolio.table
    own = rows.index == SEED
    columns: dict[str, tuple[Any, Format]] = {
        "QLIKE": ("qlike", ".3f"),
        "below seed (%)": (rows["below_seed"].mask(own), "+.1f"),
        "t": (rows["dm_seed"].mask(own), ".1f"),
        "bias": ("bias", ".2f"),
        "predicted": ("mean_predicted_vol", ".1%"),
        "realised": ("realized_vol", ".1%"),
        "corr.": ("correlation", ".2f"),
        "R²": ("r2", ".2f"),
        "R² next day": ("r2_next", ".2f"),
    }
    note = (
        f"Forecasts of {horizon} sessions from each of {int(rows['origins'].iloc[0]):,} test origins. QLIKE "
        "against the mean squared return of these sessions, lower is better; t is Diebold and Mariano's statistic "
        "against the seed, negative is better. Bias: standard deviation of daily returns over the forecast for their "
        "session, above 1 where risk was under-predicted. Predicted and realised are annual root mean squares. "
        f"Correlation and R² are with the true line, the standard deviation of the {horizon} sessions ahead; R² next "
        f"day is against the {horizon}-session volatility that ends one session after the origin."
    )
    return tabulate(rows, columns, title, note)


def findings(portfolio: PortfolioStudy, horizon: int) -> list[str]:
    """State the effects of the full-sample correlation, of the smooth target, and of causality."""
    last = portfolio.table.loc[LAST]
    return [
        *(one.sentence for one in answers(portfolio)),
        f"What the smooth target is worth: the trailing {horizon}-session volatility, which forecasts nothing, has R² "
        f"{show(last['r2_next'])} against the rolling volatility of the next day, with which it shares "
        f"{horizon - 1} of {horizon} returns, and {show(last['r2'])} against the volatility of the next {horizon} "
        "sessions, with which it shares none.",
    ]


def caveats(result: StudyResult) -> list[str]:
    """State what looks ahead in the seed, and the limits of the comparison."""
    horizon = result.horizon
    lines = [
        "As described, the seed looks ahead twice: its correlation is estimated on the whole sample, the test part "
        f"included, and its last training targets reach {horizon - 1} sessions into the test part. Its scaling does "
        "not.",
        f"Neighbouring targets share {horizon - 1} of {horizon} returns: the test part holds about "
        f"{len(result.correlation) // horizon} outcomes that do not overlap, and differences are to be read so.",
        "The causal model is refitted each year on data through the year's end, and reads open, high and low where "
        "the prices have them and each stock's whole history; the networks of the seed read closes of the common "
        "sample alone.",
    ]
    if result.raised:
        lines.append(
            f"A linear output can fall below zero: {result.raised:,} forecasts of single stocks were raised to the "
            "smallest target of their training part."
        )
    return lines


def stocks_sentence(result: StudyResult) -> str:
    """State how well the networks fit single stocks."""
    middle = result.stocks.median()
    return (
        f"R² of the median stock's network: {show(middle['training_r2'])} on the training part, "
        f"{show(middle['test_r2'])} on the test part; passes over the training part: "
        f"{result.settings['epochs']}."
    )


def study_text(result: StudyResult) -> str:
    """Return the study as text: the sample, per portfolio a table and the findings, and the caveats."""
    parts = [wrapped([f"{headline(result)}."]), wrapped([*result.sample, stocks_sentence(result)])]
    for name, portfolio in result.portfolios.items():
        title = f"{name}, {result.horizon} sessions ahead"
        parts.append(f"{title}\n{scores(portfolio, title, result.horizon).text()}")
        parts.append(wrapped(findings(portfolio, result.horizon)))
    return "\n\n".join([*parts, wrapped(caveats(result))])


def _chance(t: float) -> str:
    return f" (t {show(t, '.1f')}{may_be_chance(t)})"
