"""What the page says at its head, and what has to be known before believing it."""

from __future__ import annotations

from dataclasses import dataclass
from math import log

from volplugin.report.measures import QUARTER, Worst, band_shares, worst_quarter
from volplugin.report.result import BacktestResult
from volplugin.report.tables.table import percent

GOOD, FAIR = 0.05, 0.10
"""How far from 1 realised over predicted may be to be called good, or fair."""

HELD = 0.10
"""How far from the target, as a fraction of it, realised volatility may be where the target was held."""


@dataclass(frozen=True)
class Tile:
    """One number that stands at the top of the page."""

    label: str
    value: str
    note: str


@dataclass(frozen=True)
class Answer:
    """A question and what the numbers say to it."""

    question: str
    answer: str


def headline(result: BacktestResult) -> str:
    """Say in one line how well risk was predicted.

    Judged by the bias statistic or by realised over predicted volatility, whichever is further from 1:
    the first weighs every day alike, the second hears the crises.
    """
    card = result.scorecard
    ratios = card["bias_statistic"]["value"], card["realized_vol"] / card["mean_predicted_vol"]
    ratio = max(ratios, key=lambda value: abs(log(value)))
    numbers = f"{percent(card['mean_predicted_vol'])} a year forecast, {percent(card['realized_vol'])} came true"
    if abs(ratio - 1) <= GOOD:
        return f"Risk was predicted well on average: {numbers}"
    if abs(ratio - 1) <= FAIR:
        return f"Risk was predicted fairly on average: {numbers}"
    return f"Risk was {'under' if ratio > 1 else 'over'}-predicted: {numbers}"


def answers(result: BacktestResult) -> list[Answer]:
    """Say how well risk was predicted, whether the target was held, and when it was worst."""
    found = [Answer("How well was risk predicted?", f"{_level(result)} {_inside(result)}".strip())]
    if result.target is not None:
        found.append(Answer("Was the target held?", _target(result)))
    worst = worst_quarter(result.perf)
    if worst is not None:
        found.append(Answer("When was it worst?", _worst(worst)))
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
    """State the assumptions a reader has to know."""
    said = [
        "Timing: a forecast uses completed sessions only. Predicted volatility of a session was made at "
        "the close before it, for the book that was held through it, not for the book that was ordered.",
        "Units: volatilities on this page are annual, daily ones times the square root of 252. QLIKE and its "
        "comparisons are of daily variances.",
        "Bands are those of Gaussian returns; returns have fatter tails, so that right forecasts leave "
        "them a little more often than one time in twenty.",
    ]
    if "gross_leverage" in result.perf and float(result.perf["gross_leverage"].max()) > 1.0:
        said.append("Leverage above 1 was free of interest: zipline charges no borrowing cost.")
    if "unmodelled_weight" in result.perf:
        count = int((result.perf["unmodelled_weight"] > 0).sum())
        if count:
            said.append(
                f"On {count:,} sessions the book held stocks without a forecast; predicted volatility leaves them out."
            )
    if result.details.bundle == "dow30":
        said += [
            "The universe is the Dow Jones Industrial Average as of late 2024, chosen with hindsight: "
            "the run is good for judging risk forecasts, not for claiming returns.",
            "The model's defaults were chosen on studies that include 2006 to 2021. Each forecast is "
            "out of sample for its own parameters, but not for that choice.",
        ]
    return said


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
        f"Of all stretches of {QUARTER} sessions, {percent(shares.inside, 0)} had a realised volatility inside the "
        f"band where right forecasts put 95%; {percent(shares.below, 0)} were calmer and {percent(shares.above, 0)} "
        "wilder."
    )


def _target(result: BacktestResult) -> str:
    assert result.target is not None
    card = result.scorecard
    gap = abs(card["realized_vol"] - result.target)
    verdict = "was held within" if gap <= HELD * result.target else "was missed by"
    yearly = card["calendar_year_mae"]
    years = f", and that of a calendar year {yearly:.1f}" if yearly is not None else ""
    return (
        f"The target of {percent(result.target)} {verdict} {100 * gap:.1f} points over the "
        f"whole run; volatility of 63 sessions was {card['mean_abs_63d_error']:.1f} points from it on "
        f"average{years}."
    )


def _worst(worst: Worst) -> str:
    return (
        f"From {worst.first.date()} to {worst.last.date()}: {percent(worst.realized)} came true, "
        f"{percent(worst.predicted)} was forecast."
    )
