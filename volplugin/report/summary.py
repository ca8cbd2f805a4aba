"""Words of reports: the headline, answers with verdicts, and one text per section."""

from __future__ import annotations

from collections.abc import Iterator
from math import log
from pathlib import Path

import pandas as pd

from volplugin.evaluation.constants import MONTH_SESSIONS, SIZE
from volplugin.evaluation.model_comparison import VolatilityScores
from volplugin.report.folder import read_result
from volplugin.report.format import IN_SET, Answer, ahead, count, percent, show
from volplugin.report.measures import ReportData
from volplugin.report.result import BacktestResult
from volplugin.units import QUARTER_SESSIONS

GOOD, FAIR = 0.05, 0.10
"""Largest distance from 1 of realised over predicted volatility that is called right, or nearly right."""
HELD = 0.10
"""Largest distance of realised volatility from the target, as a fraction of it, that counts as held."""
SOURCES = {"level": "the level of volatility", "correlation": "average correlation", "stocks": "single stocks"}
CONDITIONS = (
    "Timing: a forecast uses completed sessions only. The forecast of a session was made at the close before it, for "
    "the portfolio that was held through it.",
    "Units: volatilities are annual, daily ones times the square root of {:g}. QLIKE is of daily variances.",
    "Untouched: returns and forecasts divided by the gross leverage at the close before.",
)
MAX_SUSPECTS = 5
"""Stocks with suspect prices that are named."""


def five_lines(result: BacktestResult | ReportData) -> str:
    """Return the answers as lines for a terminal, each with the first clause of its note."""
    return "\n".join(
        f"{one.label + ':':14}{one.value} {one.note.split(';')[0]}: {one.verdict}"
        for one in answers(ReportData.of(result))
    )


def report_lines(page: Path) -> str:
    """Return the path and size of a report, and the five lines of the result in its folder."""
    size = page.stat().st_size / 1e6
    return f"report: {page} ({size:.1f} MB)\n{five_lines(read_result(page.parent))}"


def headline(data: ReportData) -> str:
    """Summarise in one line how well risk was predicted: on average, in calm times, and in storms."""
    return f"Risk was forecast {_verdict(data)}"


def _verdict(data: ReportData) -> str:
    level, texts = _level(data)[0], []
    for ratio, time in zip(data.regimes.values(), ("in calm times", "in storms"), strict=False):
        outside = not ratio.lower <= ratio.value <= ratio.upper and abs(ratio.value - 1) > GOOD
        side = "too low" if ratio.value > 1 else "too high"
        texts += [f"{side} {time}"] if outside and side not in level else []
    if data.regimes and not texts and level == "right on average":
        return f"{level} and at each size"
    return ", ".join([level, *texts])


def _level(data: ReportData) -> tuple[str, str]:
    """Return words and grade of the average forecast.

    The criterion is the bias statistic or realised over predicted volatility, whichever is further from 1: the bias
    statistic weights all days equally, the ratio is dominated by crises.
    """
    card = data.result.scorecard
    bias = card["bias_statistic"]
    ratio = max(bias["value"], card["realized_vol"] / card["mean_predicted_vol"], key=lambda value: abs(log(value)))
    side = "low" if ratio > 1 else "high"
    if abs(ratio - 1) <= GOOD:
        return "right on average", "good"
    if bias["lower"] <= ratio <= bias["upper"]:
        return "right but for chance on average", "good"
    return (f"a little too {side} on average", "fair") if abs(ratio - 1) <= FAIR else (f"too {side} on average", "poor")


def answers(data: ReportData) -> list[Answer]:
    """Return the five answers; fewer if the result lacks a target or 63 sessions."""
    return [_forecast(data), *_target(data), *_peak(data), *_miss(data), _money(data)]


def _forecast(data: ReportData) -> Answer:
    card, note = data.result.scorecard, f"a year forecast, {percent(data.result.scorecard['realized_vol'])} realised"
    if data.regimes:
        calm, storm = data.regimes["calm"].value, data.regimes["storm"].value
        note += f"; realised over forecast {calm:.2f} in calm times, {storm:.2f} in storms"
    return Answer("Forecast", percent(card["mean_predicted_vol"]), note, _verdict(data), _level(data)[1])


def _target(data: ReportData) -> Iterator[Answer]:
    target, card = data.result.target, data.result.scorecard
    if target is not None:
        gap = abs(card["realized_vol"] - target)
        note = (
            f"a year realised, target {percent(target)}; stretches of {QUARTER_SESSIONS} sessions were "
            f"{card['mean_abs_63d_error']:.1f} points from it on average"
        )
        verdict = ("held", "good") if gap <= HELD * target else (f"missed by {100 * gap:.1f} points", "poor")
        yield Answer("Target", percent(card["realized_vol"]), note, *verdict)


def _peak(data: ReportData) -> Iterator[Answer]:
    if data.volatilities is not None:
        highest, verdict = data.volatilities.max(), ("the highest", "fair")
        note = f"volatility in the wildest {QUARTER_SESSIONS} sessions"
        if "untouched" in highest:
            change = highest["run"] / highest["untouched"] - 1
            verdict = (f"{-change:.0%} lower", "good") if change < 0 else (f"{change:.0%} higher", "poor")
            note += f", the same stocks untouched {percent(highest['untouched'])}"
        yield Answer("Peak", percent(highest["run"]), note, *verdict)


def _miss(data: ReportData) -> Iterator[Answer]:
    miss = data.biggest_miss
    if miss is not None:
        last = pd.Timestamp(str(miss.name)).date()
        note = f"realised, {percent(miss['predicted'])} forecast, {QUARTER_SESSIONS} sessions to {last}"
        verdict = f"forecast too {'low' if miss['realized'] > miss['predicted'] else 'high'}"
        yield Answer("Biggest miss", percent(miss["realized"]), note, verdict)


def _money(data: ReportData) -> Answer:
    run = data.money.loc["run"]
    value, drawdown = show(run["sharpe"]), f"largest drawdown {percent(run['drawdown'])}"
    if "untouched" not in data.money.index:
        return Answer("Money", value, f"Sharpe ratio; {drawdown}", "nothing to compare with")
    other = data.money.loc["untouched"]
    note = f"Sharpe ratio, untouched {show(other['sharpe'])}; {drawdown}, untouched {percent(other['drawdown'])}"
    verdict, grade = ("more", "good") if run["sharpe"] >= other["sharpe"] else ("less", "poor")
    return Answer("Money", value, note, f"{verdict} return per risk", grade)


def years(data: ReportData) -> list[str]:
    """State the shares of the sessions inside and outside the band, and the years with forecasts too high or low."""
    sentences = []
    if data.band_shares is not None:
        below, inside, above = data.band_shares
        sentences.append(
            f"Of all stretches of {QUARTER_SESSIONS} sessions, {percent(inside, 0)} had a realised volatility inside "
            f"the band where right forecasts put 95%, {percent(below, 0)} below it and {percent(above, 0)} above."
        )
    biases = [card["bias_statistic"] for card in data.result.scorecard["by_year"].values()]
    high, low = (sum(not bias["within"] and (bias["value"] > 1) is above for bias in biases) for above in (False, True))
    sentences.append(
        f"Of {len(biases)} calendar years, forecasts were too high in {high}, too low in {low}, and right but for "
        f"chance in {len(biases) - high - low}."
    )
    return sentences


def errors(data: ReportData) -> list[str]:
    """State the sources of the worst window's error, and which source was largest in how many windows."""
    windows = data.result.scorecard.get("worst_windows")
    if not windows:
        return []
    worst = windows[0]
    parts = ", ".join(f"{show(100 * worst[name], '+.1f')} from {text}" for name, text in SOURCES.items())
    largest = [max(SOURCES, key=lambda name: abs(window[name])) for window in windows]
    counts = ", ".join(f"{text} in {largest.count(name)}" for name, text in SOURCES.items() if name in largest)
    named = f" (most: {', '.join(worst['largest_stocks'])})" if worst["largest_stocks"] else ""
    return [
        f"Worst {MONTH_SESSIONS} sessions, {worst['first']} to {worst['last']}: {percent(worst['realized'])} realised, "
        f"{percent(worst['predicted'])} forecast; in points of volatility {parts}{named}.",
        f"The largest part was {counts} of the {len(windows)} worst such windows.",
    ]


def odds(data: ReportData) -> list[str]:
    """State whether the numbers of losses beyond value at risk may be chance."""
    return [
        f"{found['exceedances']} losses beyond the {level} value at risk, {count(found['expected'])} expected: "
        f"the number {'may' if found['kupiec_pvalue'] >= SIZE else 'is unlikely to'} be chance."
        for level, found in data.result.scorecard["exceedances"].get("gaussian", {}).items()
    ]


def sources(data: ReportData) -> list[str]:
    """State the share of the market in the predicted variance."""
    share = data.market_share
    if share is None:
        return []
    words = "nearly all" if share >= 0.995 else percent(share, 0)
    return [f"Of the predicted variance, {words} came from the market."]


def models(data: ReportData) -> list[str]:
    """Name the best volatility model at each horizon."""
    scores = data.result.volatility
    found = [] if scores is None else [best_model(scores, horizon) for horizon in scores.horizons]
    return [one.sentence for one in found]


def best_model(scores: VolatilityScores, horizon: int) -> Answer:
    """Return the best model of a horizon, its lead, and the models that may be as good."""
    table = scores.table.loc[horizon]
    best = str(table["qlike"].idxmin())
    row, inside = table.loc[best], [best]
    note = [f"QLIKE {show(row['qlike'], '.4f')}"]
    note += [
        f"{show(row[f'below_{name}'], '.1f')}% below {name} (t {show(row[f'dm_{name}'], '.1f')})"
        for name in [name for name in scores.benchmarks if name != best][:2]
    ]
    if "mcs_pvalue" in table:
        inside = [str(name) for name in table.index[table["mcs_pvalue"] >= IN_SET]]
        note.append(f"in the 90% model confidence set: {', '.join(inside)}")
    alone = inside == [best]
    verdict = "lowest loss" if alone else "lowest loss, others may be as good"
    return Answer(ahead(horizon), best, "; ".join(note), verdict, "good" if alone else "fair")


def warnings(data: ReportData) -> list[str]:
    """Name stocks with suspect prices, and state on how many sessions the model was stale."""
    suspect = data.result.scorecard.get("suspect") or {}
    found = [f"Suspect prices of {asset}: {why}." for asset, why in list(suspect.items())[:MAX_SUSPECTS]]
    if data.stale is None or data.stale.empty:
        return found
    return [
        *found,
        f"Stale model: on {len(data.stale):,} of {len(data.held):,} sessions, to {data.stale[-1].date()}, the newest "
        "usable model was more than a year old. Train newer vintages with volplugin train.",
    ]


def notes(data: ReportData) -> list[str]:
    """State the conditions of this run behind the numbers: leverage, missing forecasts, hindsight."""
    perf, sentences = data.result.perf, list(CONDITIONS)
    sentences[1] = sentences[1].format(data.periods)
    if "gross_leverage" in perf and float(perf["gross_leverage"].max()) > 1.0:
        sentences.append("Leverage above 1 was free of interest: zipline charges no borrowing cost.")
    missing = int((perf["unmodelled_weight"] > 0).sum()) if "unmodelled_weight" in perf else 0
    if missing:
        sentences.append(
            f"On {missing:,} sessions the portfolio held stocks without a forecast; predicted volatility omits them."
        )
    if data.result.details.bundle == "dow30":
        sentences.append(
            "The universe is the Dow Jones Industrial Average as of late 2024, chosen with hindsight: the run can "
            "evaluate risk forecasts, but not returns. The model's defaults were chosen on studies that include 2006 "
            "to 2021: each forecast is out of sample for its own parameters, but not for that choice."
        )
    return sentences
