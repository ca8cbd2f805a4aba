"""What each section of the page says under its title."""

from __future__ import annotations

import pandas as pd

from volplugin.errors import VolpluginError
from volplugin.report.measures import (
    average_correlation,
    chosen_dates,
    contribution_shares,
    pit_histogram,
    stock_errors,
    turnover,
)
from volplugin.report.result import BacktestResult
from volplugin.report.tables.table import count, number, percent, pvalue
from volplugin.units import TRADING_DAYS

SIZE = 0.05
"""P-value below which a test rejects."""
CLEAR = 2.0
"""Diebold-Mariano t from which a difference is hardly chance."""
IN_SET = 0.10
"""P-value from which a model is in the 90% confidence set."""


def years(result: BacktestResult) -> list[str]:
    """Say in how many years risk was under- and over-predicted, and how the other runs did."""
    biases = [card["bias_statistic"] for card in result.scorecard["by_year"].values()]
    over, under = (
        sum(not bias["within"] and (bias["value"] > 1) is above for bias in biases) for above in (False, True)
    )
    said = [
        f"Of {len(biases)} calendar years, risk was over-predicted in {over}, under-predicted in {under}, and right "
        f"but for chance in {len(biases) - over - under}."
    ]
    for name, other in result.comparisons.items():
        card = other.scorecard
        vols = f"{percent(card['mean_predicted_vol'])} forecast, {percent(card['realized_vol'])} came true"
        said.append(f"With {name} instead: {vols}, bias statistic {number(card['bias_statistic']['value'], 2)}.")
    return said


def odds(result: BacktestResult) -> list[str]:
    """Say whether losses beyond value at risk were as many as they should, and whether the distribution was right."""
    said = []
    for level, found in result.scorecard["exceedances"].get("gaussian", {}).items():
        right = found["kupiec_pvalue"] >= SIZE
        number_of = (
            f"{found['exceedances']} losses beyond the {level} value at risk, {count(found['expected'])} expected"
        )
        verdict = "their number may be chance" if right else "their number is hardly chance"
        apart = found["christoffersen_pvalue"] >= SIZE
        order = "" if not right else (", and they do not cluster" if apart else ", but they cluster")
        said.append(f"{number_of}: {verdict} (Kupiec p {pvalue(found['kupiec_pvalue'])}){order}.")
    try:
        found = pit_histogram(result.perf)
    except VolpluginError:
        return said
    flat = "may be that of right forecasts" if found.pvalue >= SIZE else "is not that of a normal law"
    return [*said, f"The whole distribution {flat} (Pearson's test, p {pvalue(found.pvalue)})."]


def book(result: BacktestResult) -> list[str]:
    """Say how much was held and traded."""
    said = []
    if "gross_leverage" in result.perf:
        leverage = result.perf["gross_leverage"]
        said.append(f"Gross leverage was {leverage.mean():.2f} on average and {leverage.max():.2f} at most.")
    try:
        yearly = TRADING_DAYS * turnover(result.perf).mean()
    except VolpluginError:
        return said
    return [*said, f"A year's trades, bought and sold, came to {percent(yearly, 0)} of the portfolio's value."]


def sources(result: BacktestResult) -> list[str]:
    """Say who contributed most, and how correlation changed."""
    said = []
    dates = chosen_dates(result)
    if dates:
        share = contribution_shares(result)
        told = [
            f"{share[name].idxmax()} with {share[name].max():.0f}% ({name}, {date.date()})"
            for name, date in dates.items()
        ]
        said.append(f"The largest part of the risk came from {', '.join(told)}.")
    if len(result.correlations) > 1:
        (first, then), *_, (last, now) = sorted(result.correlations.items(), key=lambda pair: pair[0])
        said.append(
            f"The average forecast correlation was {average_correlation(then):.2f} on {first.date()} and "
            f"{average_correlation(now):.2f} on {last.date()}."
        )
    return said


def stocks(result: BacktestResult) -> list[str]:
    """Say which stocks were forecast worst and best."""
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
    """Say at each horizon whether the run's own model is better than its rivals, and which may be the best."""
    scores = result.volatility
    if scores is None:
        return []
    own = scores.models[0]
    said = []
    for horizon in scores.horizons:
        table = scores.table.loc[horizon]
        rivals = [_against(table.loc[own], name) for name in scores.benchmarks if name != own]
        ahead = f"{horizon} session{'s' if horizon > 1 else ''} ahead"
        parts = [f"the loss (QLIKE) of {own} is {' and '.join(rivals)}"] if rivals else []
        if "mcs_pvalue" in table:
            best = table.index[table["mcs_pvalue"] >= IN_SET]
            alone = " alone" if len(best) == 1 else ""
            parts.append(f"the 90% confidence set of the best holds {' and '.join(map(str, best))}{alone}")
        if parts:
            said.append(f"{ahead[:1].upper()}{ahead[1:]}, {'; '.join(parts)}.")
    return said


def _against(row: pd.Series, name: str) -> str:
    gain, t = row[f"below_{name}"], row[f"dm_{name}"]
    chance = "" if abs(t) >= CLEAR else ", which may be chance"
    return f"{abs(gain):.1f}% {'below' if gain >= 0 else 'above'} that of {name} (t {number(t, 1)}{chance})"
