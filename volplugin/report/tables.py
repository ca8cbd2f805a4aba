"""The page's tables: rows of formatted text, without any markup."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from volplugin.evaluation.scorecard import book_scorecard
from volplugin.report.result import BacktestResult
from volplugin.report.words import percent

METHODS = {"gaussian": "Gaussian quantile", "historical": "historical quantile"}

SAID = frozenset({"target", "frequency", "bundle"})
"""Parameters that have rows of their own."""


@dataclass(frozen=True)
class Table:
    """Column titles, and rows of which the first cell is the row's name; a row of one cell is a heading."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""


def runs(result: BacktestResult) -> Table:
    """Show all runs side by side, one metric a row."""
    cards = {"this run": result.scorecard} | {name: other.scorecard for name, other in result.comparisons.items()}
    metrics: list[tuple[str, Callable[[Mapping[str, Any]], str]]] = [
        ("predicted volatility", lambda c: percent(c["mean_predicted_vol"])),
        ("realised volatility", lambda c: percent(c["realized_vol"])),
        ("bias statistic", lambda c: _number(c["bias_statistic"]["value"], 3)),
        ("bias of 21 sessions, mean distance from 1", lambda c: _number(c["mrad_21"], 3)),
        ("QLIKE, daily", lambda c: _number(c["qlike"], 3)),
        ("distance from target, 63 sessions (pts)", lambda c: _number(c["mean_abs_63d_error"], 2)),
        ("distance from target, calendar years (pts)", lambda c: _number(c["calendar_year_mae"], 2)),
        ("distance from forecast, 63 sessions (pts)", lambda c: _number(c["mean_abs_63d_gap"], 2)),
        ("forecast unbiased and efficient, p", lambda c: _pvalue(c["mincer_zarnowitz"]["pvalue"])),
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
        mark = "" if bias["within"] else ("▲ " if bias["value"] > 1 else "▼ ")
        vols = (percent(card["mean_predicted_vol"]), percent(card["realized_vol"]))
        rows.append([year, str(card["sessions"]), *vols, f"{mark}{bias['value']:.2f}"])
    note = "▲ above the 95% band: risk was under-predicted; ▼ below it: over-predicted."
    return Table("Year by year", ["", "sessions", "predicted", "realised", "bias"], rows, note)


def exceedances(result: BacktestResult) -> Table:
    """Losses beyond the value at risk, counted and tested."""
    rows: list[list[str]] = []
    for method, levels in result.scorecard["exceedances"].items():
        for level, found in levels.items():
            tests = (_pvalue(found[f"{test}_pvalue"]) for test in ("kupiec", "christoffersen"))
            name = f"{level}, {METHODS[method]}"
            rows.append([name, f"{found['expected']:.0f}", str(found["exceedances"]), *tests])
    note = (
        "Days on which the loss went beyond the forecast quantile, Gaussian or from the earlier "
        "standardised returns. A p below 0.05 rejects the number (Kupiec) or the number and its "
        "independence (Christoffersen)."
    )
    return Table("Losses beyond value at risk", ["", "expected", "found", "Kupiec p", "Christoffersen p"], rows, note)


def models(result: BacktestResult) -> Table | None:
    """Scores of the volatility models by horizon."""
    scores = result.volatility
    if scores is None:
        return None
    against = [name for name in scores.benchmarks if f"dm_{name}" in scores.table]
    columns = ["", "QLIKE", "QLIKE, range"]
    for name in against:
        columns += [f"below {name}", f"t against {name}"]
    tested = "mcs_pvalue" in scores.table
    rows: list[list[str]] = []
    for horizon in scores.horizons:
        rows.append([f"{horizon} session{'s' if horizon > 1 else ''}"])
        for model, row in scores.table.loc[horizon].iterrows():
            cells = [str(model), _number(row["qlike"], 3), _number(row["qlike_range"], 3)]
            for name in against:
                same = model == name
                cells += ["–" if same else _signed(row[f"below_{name}"]), _number(row[f"dm_{name}"], 1)]
            rows.append([*cells, "yes" if row["mcs_pvalue"] >= 0.10 else "no"] if tested else cells)
    days, origins = (int(scores.table[key].iloc[-1]) for key in ("stock_days", "origins"))
    note = (
        f"Mean over {days:,} stock-days, every one of {origins:,} sessions an origin, "
        f"{scores.losses.index[0].date()} to {scores.losses.index[-1].date()}, the same for all models "
        f"({int(scores.left_out.sum()):,} left out because one had no forecast). QLIKE against squared "
        "returns and against the range proxy; lower is better. t: Diebold-Mariano on the "
        "cross-sectional mean loss, negative is better, and beyond 2 either way hardly chance."
    )
    if tested:
        columns.append("in 90% set")
        note += " In 90% set: the model confidence set, which the best model is in nine times in ten."
    return Table("Volatility models, stock by stock", columns, rows, note)


def books(result: BacktestResult) -> Table | None:
    """Risk models on the unlevered book."""
    if not result.books:
        return None
    scores = book_scorecard(result.books)
    below = "below_EWMA94" in scores
    columns = ["", "QLIKE", *(["below EWMA94", "t"] if below else []), "bias", "predicted", "realised"]
    rows = []
    for name, row in scores.iterrows():
        against = []
        if below:
            same = name == "EWMA94"
            against = ["–" if same else _signed(row["below_EWMA94"]), _number(row["dm_EWMA94"], 1)]
        vols = (percent(row["mean_predicted_vol"]), percent(row["realized_vol"]))
        rows.append([str(name), _number(row["qlike"], 3), *against, f"{row['bias']:.2f}", *vols])
    horizon = next(iter(result.books.values())).horizon
    note = (
        f"Equal weight, no leverage; forecasts of {horizon} sessions from each of "
        f"{int(scores['origins'].iloc[0]):,} sessions. Bias: daily returns over the standing forecast."
    )
    return Table("The book's forecast, model by model", columns, rows, note)


def details(result: BacktestResult) -> Table:
    """List what is needed to run it again."""
    run = result.details
    given = {
        "strategy": run.strategy,
        "bundle": run.bundle,
        "sessions": f"{result.perf.index[0].date()} to {result.perf.index[-1].date()}",
        "rebalanced": run.frequency,
        "target": percent(result.target) if result.target else None,
        "model": run.model,
        **{str(name).replace("_", " "): value for name, value in run.parameters.items() if name not in SAID},
        "data fingerprint": run.fingerprint,
        "versions": ", ".join(f"{name} {version}" for name, version in run.versions.items()),
    }
    return Table("The run", [], [[name, str(value)] for name, value in given.items() if value is not None])


def vintages(result: BacktestResult) -> Table | None:
    """Model vintages that answered."""
    used = result.details.vintages
    if not used:
        return None
    columns = list(dict.fromkeys(key for vintage in used for key in vintage))
    rows = [[str(vintage.get(key, "–")) for key in columns] for vintage in used]
    note = "A vintage answers only on dates after it was trained through."
    return Table("Model vintages", [name.replace("_", " ") for name in columns], rows, note)


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None or not np.isfinite(value) else f"{value:.{digits}f}".replace("-", "−")


def _signed(value: float) -> str:
    return f"{value:+.1f}%".replace("-", "−")


def _pvalue(value: float | None) -> str:
    return "< 0.001" if value is not None and value < 0.001 else _number(value, 3)
