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
from volplugin.report.format import Answer, Page, Section, Table, ahead, columns, percent, show, tabulate
from volplugin.report.page import Plot, write_page
from volplugin.report.summary import FAIR, GOOD
from volplugin.storage.atomic import write_files
from volplugin.units import annualize
from volplugin.workflows.study.result import CAUSAL, CURRENT, KNOWN, LAST, SEED, PortfolioStudy, StudyResult

CORRELATIONS = {
    SEED: ("whole sample, as in the seed", "ink"),
    KNOWN: ("all sessions so far", "series-2"),
    CURRENT: ("the causal model's estimator", "predicted"),
}
SIGNIFICANT_T = 2.0
"""Absolute Diebold-Mariano t from which a difference is called more than chance."""
LINES = {"true": ("true", "realized"), "predicted": ("predicted", "predicted")}


def write_study(result: StudyResult, out_dir: str | os.PathLike[str]) -> Path:
    """Write ``study.html``, ``study.json``, ``predictions.csv`` and ``plots/*.png``; return the path of the page.

    Each write is atomic; the page refers to no other file and no network address.
    """
    folder = Path(out_dir)
    numbers, table = json.dumps(as_dict(result), indent=2) + "\n", predictions(result).to_csv(index=False)
    write_files(folder, {"study.json": numbers.encode(), "predictions.csv": table.encode()})
    return write_page(study_page(result), plots(result), folder / "study.html")


def study_page(result: StudyResult) -> Page:
    """Return the words and tables of a study: what the look-ahead was worth, then each portfolio, and the limits."""
    text, middle = headline(result), result.stocks.median()
    fit = (
        f"R² of the median stock's network: {show(middle['training_r2'])} on the training part, "
        f"{show(middle['test_r2'])} on the test part; passes over the training part: {result.settings['epochs']}."
    )
    settings = ", ".join(f"{name} {value}" for name, value in result.settings.items())
    whole = "The line of the whole sample is made with the returns after each date too, which were not available then."
    return Page(
        text,
        "The original design and the causal model, on the same test part",
        [*(f"{line[0].upper()}{line[1:]}." for line in result.sample), fit],
        answers(next(iter(result.portfolios.values()))),
        [
            *(section(result, place) for place in range(len(result.portfolios))),
            Section("Correlation used", figures={"average_correlation": whole}),
            Section(
                "Assumptions and limits",
                points=[*caveats(result), f"Causal model: {result.model}. Settings of the seed: {settings}."],
            ),
        ],
        title=text,
    )


def section(result: StudyResult, place: int) -> Section:
    """Return the section of a portfolio; the answers of the first one are at the head of the page."""
    name, portfolio = list(result.portfolios.items())[place]
    horizon = result.horizon
    caption = (
        f"Both lines at the origin: the volatility predicted there for the {horizon} sessions after it, and the "
        "realised one."
    )
    return Section(
        f"{name[0].upper()}{name[1:]}",
        [scores(portfolio, f"{name}, {ahead(horizon)}", horizon)],
        words=findings(portfolio, horizon)[0 if place else -1 :],
        figures={f"book{place + 1}_{kind}": caption for kind in ("seed", "causal")},
        id=f"book{place + 1}",
    )


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
        f"on {name}{_chance(known['dm_seed'])}"
    )


def answers(portfolio: PortfolioStudy) -> list[Answer]:
    """Return the worth of the look-ahead, the causal model's loss, and both biases."""
    seed, known, causal = (portfolio.table.loc[name] for name in (SEED, KNOWN, CAUSAL))
    gain, below = _lookahead(portfolio), causal["below_seed"]
    worth = f"QLIKE {show(seed['qlike'], '.3f')}; {show(known['qlike'], '.3f')} without{_compared(known)}"
    loss = f"QLIKE {show(causal['qlike'], '.3f')}, the original design's {show(seed['qlike'], '.3f')}"
    lowered = "loss lowered" if gain > 0 else "loss raised"
    verdict = ("lower loss", "good") if below > 0 else ("higher loss", "poor")
    return [
        Answer("Worth of the look-ahead", f"{abs(gain):.1f}%", worth, lowered, "fair"),
        Answer(
            "Causal model, without look-ahead",
            f"{abs(below):.1f}%",
            f"{loss}{_compared(causal)}",
            *verdict,
        ),
        _bias("Bias, original design", seed),
        _bias("Bias, causal model", causal),
    ]


def _bias(label: str, row: pd.Series) -> Answer:
    gap = abs(row["bias"] - 1)
    verdict = "about right" if gap <= GOOD else f"risk {'under' if row['bias'] > 1 else 'over'}-predicted"
    means = f"{percent(row['mean_predicted_vol'])} forecast, {percent(row['realized_vol'])} realised"
    note = f"realised over forecast, day by day; 1 is right. Annual root mean squares: {means}"
    grade = "good" if gap <= GOOD else "fair" if gap <= FAIR else "poor"
    return Answer(label, show(row["bias"]), note, verdict, grade)


def _lookahead(portfolio: PortfolioStudy) -> float:
    """Percent by which the correlation of the whole sample lowers the loss of the correlation known at each date."""
    known = float(portfolio.table.at[KNOWN, "qlike"])
    return 100 * (known - float(portfolio.table.at[SEED, "qlike"])) / known


def as_dict(result: StudyResult) -> dict[str, Any]:
    """Return all numbers of a study except the daily series as plain JSON values."""
    books = {
        name: {
            "weights": {str(asset): float(weight) for asset, weight in one.weights.items()},
            "scores": nested(one.table),
            "says": findings(one, result.horizon),
        }
        for name, one in result.portfolios.items()
    }
    return {
        "settings": dict(result.settings),
        "causal_model": result.model,
        "sample": list(result.sample),
        "forecasts_raised": result.raised,
        "books": books,
        "stocks": nested(result.stocks),
        "caveats": caveats(result),
        "versions": dict(result.versions),
    }


def predictions(result: StudyResult) -> pd.DataFrame:
    """Return daily volatilities in long form: portfolio (``book``), origin, true, and one column per model."""
    parts = {name: pd.concat([one.true, one.predicted], axis=1) for name, one in result.portfolios.items()}
    return pd.concat(parts, names=["book", "origin"]).reset_index()


def scores(portfolio: PortfolioStudy, title: str, horizon: int) -> Table:
    """Tabulate the scores of a portfolio's forecasts, one model per row."""
    rows = portfolio.table.copy()
    rows.loc[SEED, ["below_seed", "dm_seed"]] = float("nan")  # the seed is not compared with itself
    known = columns(
        "QLIKE qlike .3f | below seed (%) below_seed +.1f | t dm_seed .1f | bias bias .2f"
        " | predicted mean_predicted_vol .1% | realised realized_vol .1% | corr. correlation .2f | R² r2 .2f"
        " | R² next day r2_next .2f"
    )
    note = (
        f"From each of {int(rows['origins'].iloc[0]):,} test origins. QLIKE: against the mean squared return, lower is "
        "better. t: Diebold-Mariano against the seed, negative is better. Bias: of daily returns over their forecast, "
        "above 1 where risk was under-predicted. Predicted, realised: annual root mean squares. Correlation and R²: "
        f"with the standard deviation of the {horizon} sessions ahead; next day: of those that end one session ahead."
    )
    return tabulate(rows, known, title, note)


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
    raised = (
        f"A linear output can fall below zero: {result.raised:,} forecasts of single stocks were raised to the "
        "smallest target of their training part."
    )
    return [
        "As described, the seed looks ahead twice: its correlation is estimated on the whole sample, the test part "
        f"included, and its last training targets reach {horizon - 1} sessions into the test part.",
        f"Neighbouring targets share {horizon - 1} of {horizon} returns: the test part holds about "
        f"{len(result.correlation) // horizon} outcomes that do not overlap.",
        "The causal model is refitted at each year's end, and reads open, high and low where the prices have them and "
        "each stock's whole history; the networks of the seed read closes of the common sample alone.",
        *([raised] if result.raised else []),
    ]


def study_text(result: StudyResult) -> str:
    """Return the study as text: the answer, the sample, per portfolio a table and the findings, and the limits."""
    return study_page(result).text()


def _compared(row: pd.Series) -> str:
    return f" (t {show(row['dm_seed'], '.1f')}{_chance(row['dm_seed'])})"


def _chance(t: float) -> str:
    """Return the clause that qualifies an insignificant t statistic."""
    return "" if abs(t) >= SIGNIFICANT_T else ", which may be chance"
