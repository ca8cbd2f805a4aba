"""Tables of the book: its risk by run, by year, in its tails and under stress."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from volplugin.report.measures import stress_periods
from volplugin.report.result import BacktestResult
from volplugin.report.tables.table import Table, count, marked, number, percent, pvalue

METHODS = {"gaussian": "Gaussian quantile", "historical": "historical quantile"}
ARROWS = "▲ above the 95% band: risk was under-predicted; ▼ below it: over-predicted."


def runs(result: BacktestResult) -> Table:
    """Show all runs side by side, one metric a row."""
    cards = {"this run": result.scorecard} | {name: other.scorecard for name, other in result.comparisons.items()}
    metrics: list[tuple[str, Callable[[Mapping[str, Any]], str]]] = [
        ("predicted volatility", lambda c: percent(c["mean_predicted_vol"])),
        ("realised volatility", lambda c: percent(c["realized_vol"])),
        ("bias statistic", lambda c: number(c["bias_statistic"]["value"], 3)),
        ("bias of 21 sessions, mean distance from 1", lambda c: number(c["mrad_21"], 3)),
        ("QLIKE, daily", lambda c: number(c["qlike"], 3)),
        ("distance from target, 63 sessions (pts)", lambda c: number(c["mean_abs_63d_error"], 2)),
        ("distance from target, calendar years (pts)", lambda c: number(c["calendar_year_mae"], 2)),
        ("distance from forecast, 63 sessions (pts)", lambda c: number(c["mean_abs_63d_gap"], 2)),
        ("forecast unbiased and efficient, p", lambda c: pvalue(c["mincer_zarnowitz"]["pvalue"])),
    ]
    rows = [[name, *(show(card) for card in cards.values())] for name, show in metrics]
    rows = [row for row in rows if set(row[1:]) != {"–"}]
    note = (
        "Bias statistic: below 1 risk was over-predicted, above 1 under-predicted; 0.95 to 1.05 is good "
        "in the long run. Over 21 sessions even perfect forecasts are 0.13 from 1 on average with "
        "Gaussian returns, 0.17 with fat tails. The last row is the weighted Mincer-Zarnowitz test; a "
        "small p says that the forecasts could have been better."
    )
    return Table("Predicted and realised risk", ["", *cards], rows, note)


def years(result: BacktestResult) -> Table:
    """Predicted and realised volatility of each calendar year."""
    rows = []
    for year, card in result.scorecard["by_year"].items():
        bias = card["bias_statistic"]
        vols = (percent(card["mean_predicted_vol"]), percent(card["realized_vol"]))
        rows.append([year, str(card["sessions"]), *vols, marked(bias["value"], bias["lower"], bias["upper"])])
    return Table("Year by year", ["", "sessions", "predicted", "realised", "bias"], rows, ARROWS)


def exceedances(result: BacktestResult) -> Table:
    """Losses beyond the value at risk, counted and tested."""
    rows: list[list[str]] = []
    for method, levels in result.scorecard["exceedances"].items():
        for level, found in levels.items():
            tests = (pvalue(found[f"{test}_pvalue"]) for test in ("kupiec", "christoffersen"))
            name = f"{level}, {METHODS[method]}"
            rows.append([name, count(found["expected"]), str(found["exceedances"]), *tests])
    note = (
        "Days on which the loss went beyond the forecast quantile, Gaussian or from the earlier "
        "standardised returns. A p below 0.05 rejects the number (Kupiec) or the number and its "
        "independence (Christoffersen)."
    )
    return Table("Losses beyond value at risk", ["", "expected", "found", "Kupiec p", "Christoffersen p"], rows, note)


def stress(result: BacktestResult) -> Table | None:
    """Show the book in each stress period."""
    table = stress_periods(result.perf)
    if table.empty:
        return None
    columns = [
        "",
        "from",
        "to",
        "sessions",
        "predicted",
        "realised",
        "bias",
        "beyond 5%",
        "beyond 1%",
        "worst day",
        "leverage",
    ]
    rows = []
    for name, row in table.iterrows():
        cells = [
            str(name),
            str(row["first"].date()),
            str(row["last"].date()),
            str(row["sessions"]),
            percent(row["predicted"]),
            percent(row["realized"]),
            marked(row["bias"], row["lower"] / row["predicted"], row["upper"] / row["predicted"]),
        ]
        for tail in ("5%", "1%"):
            expected = row["sessions"] * float(tail.removesuffix("%")) / 100
            cells.append(f"{row[f'beyond_{tail}']} of {count(expected)}")
        rows.append([*cells, percent(row["worst_day"]), number(row["leverage"], 2)])
    note = (
        f"{ARROWS} Beyond: days on which the loss went beyond the Gaussian value at risk, of as many as were to be "
        "expected. Leverage: mean gross exposure over value."
    )
    return Table("The book under stress", columns, rows, note)
