"""Text of a backtest's page: headline, questions with answers, one text per section, notes on the assumptions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Any

import pandas as pd

from volplugin.errors import VolpluginError
from volplugin.evaluation.constants import MONTH_SESSIONS, SIZE
from volplugin.report.format import IN_SET, ahead, count, may_be_chance, number, percent, pvalue
from volplugin.report.measures import (
    Worst,
    average_correlation,
    band_shares,
    chosen_dates,
    contribution_shares,
    pit_histogram,
    stock_errors,
    turnover,
    worst_quarter,
)
from volplugin.report.result import BacktestResult
from volplugin.units import QUARTER_SESSIONS, TRADING_DAYS

GOOD, FAIR = 0.05, 0.10
"""Largest distance from 1 of realised over predicted volatility that is called good, or fair."""

HELD = 0.10
"""Largest distance of realised volatility from the target, as a fraction of it, that counts as held."""


@dataclass(frozen=True)
class Tile:
    """A leading number at the top of the page."""

    label: str
    value: str
    note: str


@dataclass(frozen=True)
class Answer:
    """A question and its answer."""

    question: str
    answer: str


def headline(result: BacktestResult) -> str:
    """Summarise in one line how well risk was predicted.

    The criterion is the bias statistic or realised over predicted volatility, whichever is further from 1: the bias
    statistic weights all days equally, the ratio is dominated by crises.
    """
    card = result.scorecard
    ratios = card["bias_statistic"]["value"], card["realized_vol"] / card["mean_predicted_vol"]
    ratio = max(ratios, key=lambda value: abs(log(value)))
    numbers = f"{percent(card['mean_predicted_vol'])} a year forecast, {percent(card['realized_vol'])} realised"
    if abs(ratio - 1) <= GOOD:
        return f"Risk was predicted well on average: {numbers}"
    if abs(ratio - 1) <= FAIR:
        return f"Risk was predicted fairly on average: {numbers}"
    return f"Risk was {'under' if ratio > 1 else 'over'}-predicted: {numbers}"


def answers(result: BacktestResult) -> list[Answer]:
    """State how well risk was predicted, whether the target was held, and the worst quarter."""
    found = [Answer("How well was risk predicted?", f"{_level(result)} {_inside(result)}".strip())]
    if result.target is not None:
        found.append(Answer("Was the target held?", _target(result)))
    worst = worst_quarter(result.perf)
    if worst is not None:
        found.append(Answer("When was it worst?", _worst(worst)))
    windows = result.scorecard.get("worst_windows")
    if windows:
        found.append(Answer("Where did the largest errors come from?", _sources(windows)))
    return found


def tiles(result: BacktestResult) -> list[Tile]:
    """Return the page's four leading numbers."""
    card, worst = result.scorecard, worst_quarter(result.perf)
    bias = card["bias_statistic"]
    aim = f"target {percent(result.target)}" if result.target else f"forecast {percent(card['mean_predicted_vol'])}"
    error, against = (
        (card["mean_abs_63d_error"], "from the target")
        if result.target
        else (card["mean_abs_63d_gap"], "from the forecast")
    )
    found = [
        Tile("Realised volatility a year", percent(card["realized_vol"]), aim),
        Tile("Bias statistic", f"{bias['value']:.2f}", f"95% band {bias['lower']:.2f} to {bias['upper']:.2f}"),
        Tile("63-session volatility, mean distance", f"{error:.1f} pts", against),
    ]
    if worst is not None:
        note = f"{percent(worst.predicted)} forecast, to {worst.last.date()}"
        found.append(Tile("Worst 63 sessions", percent(worst.realized), note))
    return found


def notes(result: BacktestResult) -> list[str]:
    """State the assumptions behind the numbers."""
    sentences = [
        "Timing: a forecast uses completed sessions only. Predicted volatility of a session was made at "
        "the close before it, for the portfolio that was held through it, not for the portfolio that was ordered.",
        "Units: volatilities on this page are annual, daily ones times the square root of 252. QLIKE and its "
        "comparisons are of daily variances.",
        "Bands hold 95% of right forecasts; simulated with the tails of the run's standardised returns.",
    ]
    if "gross_leverage" in result.perf and float(result.perf["gross_leverage"].max()) > 1.0:
        sentences.append("Leverage above 1 was free of interest: zipline charges no borrowing cost.")
    if "unmodelled_weight" in result.perf:
        count = int((result.perf["unmodelled_weight"] > 0).sum())
        if count:
            sentences.append(
                f"On {count:,} sessions the portfolio held stocks without a forecast; predicted volatility omits them."
            )
    if result.details.bundle == "dow30":
        sentences += [
            "The universe is the Dow Jones Industrial Average as of late 2024, chosen with hindsight: "
            "the run can evaluate risk forecasts, but not returns.",
            "The model's defaults were chosen on studies that include 2006 to 2021. Each forecast is "
            "out of sample for its own parameters, but not for that choice.",
        ]
    return sentences


def _level(result: BacktestResult) -> str:
    card = result.scorecard
    return (
        f"Over {card['sessions']:,} sessions from {card['first_session']} to {card['last_session']}, the "
        "standard deviation of each day's return over its forecast, the bias statistic, is "
        f"{card['bias_statistic']['value']:.2f}, where 1 is right."
    )


def _inside(result: BacktestResult) -> str:
    shares = band_shares(result.perf)
    if shares is None:
        return ""
    return (
        f"Of all stretches of {QUARTER_SESSIONS} sessions, {percent(shares.inside, 0)} had a realised volatility "
        f"inside the band where right forecasts put 95%; {percent(shares.below, 0)} were calmer and "
        f"{percent(shares.above, 0)} wilder."
    )


def _target(result: BacktestResult) -> str:
    assert result.target is not None
    card = result.scorecard
    gap = abs(card["realized_vol"] - result.target)
    verdict = "was held within" if gap <= HELD * result.target else "was missed by"
    yearly = card["calendar_year_mae"]
    years = f", and in a calendar year {yearly:.1f}" if yearly is not None else ""
    return (
        f"The target of {percent(result.target)} {verdict} {100 * gap:.1f} points over the "
        f"whole run; volatility of 63 sessions was {card['mean_abs_63d_error']:.1f} points from it on "
        f"average{years}."
    )


def _worst(worst: Worst) -> str:
    return (
        f"From {worst.first.date()} to {worst.last.date()}: {percent(worst.realized)} realised, "
        f"{percent(worst.predicted)} forecast."
    )


SOURCES = {"level": "the level of volatility", "correlation": "average correlation", "stocks": "single stocks"}


def _sources(windows: Sequence[Mapping[str, Any]]) -> str:
    """State the parts of the worst window, and which part was largest in how many windows."""
    worst = windows[0]
    parts = ", ".join(f"{number(100 * worst[name], 1, sign='+')} from {text}" for name, text in SOURCES.items())
    largest = [max(SOURCES, key=lambda name: abs(window[name])) for window in windows]
    counts = ", ".join(f"{text} in {largest.count(name)}" for name, text in SOURCES.items() if name in largest)
    named = ", ".join(worst["largest_stocks"])
    return (
        f"Worst {MONTH_SESSIONS} sessions, {worst['first']} to {worst['last']}: {percent(worst['realized'])} realised, "
        f"{percent(worst['predicted'])} forecast; in points of volatility {parts}"
        f"{f' (most: {named})' if named else ''}. The largest part was {counts} of the {len(windows)} worst windows."
    )


def years(result: BacktestResult) -> list[str]:
    """State in how many years risk was under- and over-predicted, and the results of the other runs."""
    biases = [card["bias_statistic"] for card in result.scorecard["by_year"].values()]
    over, under = (
        sum(not bias["within"] and (bias["value"] > 1) is above for bias in biases) for above in (False, True)
    )
    sentences = [
        f"Of {len(biases)} calendar years, risk was over-predicted in {over}, under-predicted in {under}, and right "
        f"but for chance in {len(biases) - over - under}."
    ]
    for name, other in result.comparisons.items():
        card = other.scorecard
        vols = f"{percent(card['mean_predicted_vol'])} forecast, {percent(card['realized_vol'])} realised"
        sentences.append(f"With {name} instead: {vols}, bias statistic {number(card['bias_statistic']['value'], 2)}.")
    return sentences


def odds(result: BacktestResult) -> list[str]:
    """State the tests of losses beyond value at risk and of the whole distribution."""
    sentences = []
    for level, found in result.scorecard["exceedances"].get("gaussian", {}).items():
        right = found["kupiec_pvalue"] >= SIZE
        number_of = (
            f"{found['exceedances']} losses beyond the {level} value at risk, {count(found['expected'])} expected"
        )
        verdict = "the number may be chance" if right else "the number is unlikely to be chance"
        apart = found["christoffersen_pvalue"] >= SIZE
        order = "" if not right else (", and they do not cluster" if apart else ", but they cluster")
        sentences.append(f"{number_of}: {verdict} (Kupiec p {pvalue(found['kupiec_pvalue'])}){order}.")
    try:
        found = pit_histogram(result.perf)
    except VolpluginError:
        return sentences
    flat = "agrees with right forecasts" if found.pvalue >= SIZE else "is not normal"
    return [*sentences, f"The whole distribution {flat} (Pearson's test, p {pvalue(found.pvalue)})."]


def portfolio(result: BacktestResult) -> list[str]:
    """State leverage and turnover."""
    sentences = []
    if "gross_leverage" in result.perf:
        leverage = result.perf["gross_leverage"]
        sentences.append(f"Gross leverage was {leverage.mean():.2f} on average and {leverage.max():.2f} at most.")
    try:
        yearly = TRADING_DAYS * turnover(result.perf).mean()
    except VolpluginError:
        return sentences
    return [*sentences, f"A year's trades, bought and sold, came to {percent(yearly, 0)} of the portfolio's value."]


def sources(result: BacktestResult) -> list[str]:
    """State the largest risk contributions and the change of average correlation."""
    sentences = []
    dates = chosen_dates(result)
    if dates:
        share = contribution_shares(result)
        largest = [
            f"{share[name].idxmax()} with {share[name].max():.0f}% ({name}, {date.date()})"
            for name, date in dates.items()
        ]
        sentences.append(f"The largest part of the risk came from {', '.join(largest)}.")
    if len(result.correlations) > 1:
        (first, then), *_, (last, now) = sorted(result.correlations.items(), key=lambda pair: pair[0])
        sentences.append(
            f"The average forecast correlation was {average_correlation(then):.2f} on {first.date()} and "
            f"{average_correlation(now):.2f} on {last.date()}."
        )
    return sentences


def stocks(result: BacktestResult) -> list[str]:
    """State which stocks had the largest and the smallest forecast error."""
    try:
        table = stock_errors(result)
    except VolpluginError:
        return []
    own = str(table.columns[0])
    wins = (table.drop(columns="bias").idxmin(axis=1) == own).mean()
    return [
        f"{table.index[0]} was hardest to forecast for {own} (QLIKE {number(table[own].iloc[0], 3)}), "
        f"{table.index[-1]} easiest ({number(table[own].iloc[-1], 3)}). {own} has the lowest loss of the models on "
        f"{percent(wins, 0)} of {len(table)} stocks."
    ]


def models(result: BacktestResult) -> list[str]:
    """Compare the run's own model with the benchmarks at each horizon, and state the model confidence set."""
    scores = result.volatility
    if scores is None:
        return []
    own = scores.models[0]
    sentences = []
    for horizon in scores.horizons:
        table = scores.table.loc[horizon]
        rivals = [_against(table.loc[own], name) for name in scores.benchmarks if name != own]
        parts = [f"the loss (QLIKE) of {own} is {' and '.join(rivals)}"] if rivals else []
        if "mcs_pvalue" in table:
            best = table.index[table["mcs_pvalue"] >= IN_SET]
            alone = " alone" if len(best) == 1 else ""
            parts.append(f"the 90% confidence set of the best holds {' and '.join(map(str, best))}{alone}")
        if parts:
            sentences.append(f"{ahead(horizon)}, {'; '.join(parts)}.")
    return sentences


def _against(row: pd.Series, name: str) -> str:
    gain, t = row[f"below_{name}"], row[f"dm_{name}"]
    return f"{abs(gain):.1f}% {'below' if gain >= 0 else 'above'} {name}'s (t {number(t, 1)}{may_be_chance(t)})"
