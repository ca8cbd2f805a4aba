"""Tables of a backtest's report: risk of the portfolio, scores of the models, details of the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from volplugin.evaluation.constants import SIZE
from volplugin.evaluation.portfolio import compare_portfolio_forecasts
from volplugin.evaluation.stress_periods import STRESS
from volplugin.report.format import (
    IN_SET,
    Table,
    count,
    marked,
    number,
    percent,
    pvalue,
    sessions,
    signed,
    sized_pvalue,
)
from volplugin.report.measures import stock_errors, stress_periods
from volplugin.report.result import BacktestResult

__all__ = [
    "Table",
    "details",
    "exceedances",
    "model_stress",
    "models",
    "portfolios",
    "runs",
    "stocks",
    "stress",
    "vintages",
    "years",
]

METHODS = {
    "gaussian": "Gaussian quantile",
    "student": "Student-t quantile",
    "historical": "historical quantile",
    "held": "historical or Student-t",
}
ARROWS = "▲ above the 95% band: risk was under-predicted; ▼ below it: over-predicted."


def runs(result: BacktestResult) -> Table:
    """Tabulate all runs, one metric per row."""
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
        "small p means that the forecasts could have been better."
    )
    return Table("Predicted and realised risk", ["", *cards], rows, note)


def years(result: BacktestResult) -> Table:
    """Tabulate predicted and realised volatility by calendar year."""
    rows = []
    for year, card in result.scorecard["by_year"].items():
        bias = card["bias_statistic"]
        vols = (percent(card["mean_predicted_vol"]), percent(card["realized_vol"]))
        rows.append([year, str(card["sessions"]), *vols, marked(bias["value"], bias["lower"], bias["upper"])])
    return Table("Year by year", ["", "sessions", "predicted", "realised", "bias"], rows, ARROWS)


def exceedances(result: BacktestResult) -> Table:
    """Tabulate losses beyond value at risk, with tests of their number."""
    rows: list[list[str]] = []
    card = result.scorecard
    for method, levels in {**card["exceedances"], "held": card.get("tail_risk", {})}.items():
        for level, found in levels.items():
            tests = (pvalue(found[f"{test}_pvalue"]) for test in ("kupiec", "christoffersen"))
            shortfall = sized_pvalue(found["shortfall_pvalue"], found.get("shortfall_size", SIZE))
            name = f"{level}, {METHODS[method]}"
            counts = (count(found["expected"]), str(found["exceedances"]))
            rows.append([name, *counts, *tests, number(found["shortfall_ratio"], 2), shortfall])
    note = (
        "Days on which the loss went beyond the forecast quantile: Gaussian, Student-t, from the earlier standardised "
        "returns, or from these where there are 500 and Student-t before, as in the perf frame. A p below 0.05 rejects "
        "the number (Kupiec), the number and its independence (Christoffersen), or the expected shortfall "
        "(Acerbi-Szekely). Mean loss: of these days, over the expected shortfall. In brackets: how often the test "
        "rejects right forecasts, where that is not about 5%."
    )
    heads = ["", "expected", "found", "Kupiec p", "Christoffersen p", "mean loss", "shortfall p"]
    return Table("Losses beyond value at risk", heads, rows, note)


def stress(result: BacktestResult) -> Table | None:
    """Tabulate the portfolio's risk in each stress period."""
    table = stress_periods(result.perf)
    if table.empty:
        return None
    span = ["", "from", "to", "sessions"]
    columns = [*span, "predicted", "realised", "bias", "beyond 5%", "beyond 1%", "worst day", "leverage"]
    rows = []
    for name, row in table.iterrows():
        cells = [str(name), str(row["first"].date()), str(row["last"].date()), str(row["sessions"])]
        cells += [percent(row["predicted"]), percent(row["realized"])]
        cells.append(marked(row["bias"], row["lower"] / row["predicted"], row["upper"] / row["predicted"]))
        for tail in ("5%", "1%"):
            expected = row["sessions"] * float(tail.removesuffix("%")) / 100
            cells.append(f"{row[f'beyond_{tail}']} of {count(expected)}")
        rows.append([*cells, percent(row["worst_day"]), number(row["leverage"], 2)])
    note = (
        f"{ARROWS} Beyond: days on which the loss went beyond the Gaussian value at risk, of as many as were to be "
        "expected. Leverage: mean gross exposure over value."
    )
    return Table("The portfolio under stress", columns, rows, note)


OWN_ROWS = frozenset({"target", "frequency", "bundle"})
"""Parameters that `details` lists in a row of their own."""


def details(result: BacktestResult) -> Table:
    """List the settings needed to repeat the run."""
    run = result.details
    given = {
        "strategy": run.strategy,
        "bundle": run.bundle,
        "sessions": f"{result.perf.index[0].date()} to {result.perf.index[-1].date()}",
        "rebalanced": run.frequency,
        "target": percent(result.target) if result.target else None,
        "model": run.model,
        **{str(name).replace("_", " "): value for name, value in run.parameters.items() if name not in OWN_ROWS},
        "data fingerprint": run.fingerprint,
        "versions": ", ".join(f"{name} {version}" for name, version in run.versions.items()),
    }
    rows = [[name, _plain(value)] for name, value in given.items() if value is not None]
    return Table("The run", [], rows, kind="pairs")


def _plain(value: Any) -> str:
    """Format a float with thousands separators, without trailing zeros."""
    return f"{value:,.10g}" if isinstance(value, float) else str(value)


def vintages(result: BacktestResult) -> Table | None:
    """Tabulate the model vintages used; None if there are none."""
    used = result.details.vintages
    if not used:
        return None
    columns = list(dict.fromkeys(key for vintage in used for key in vintage))
    rows = [[str(vintage.get(key, "–")) for key in columns] for vintage in used]
    note = "A vintage is used only from its last training session on."
    return Table("Model vintages", [name.replace("_", " ") for name in columns], rows, note, "words")


MAX_STOCKS = 10
"""Stocks at either end of a ranking."""


def models(result: BacktestResult) -> Table | None:
    """Tabulate the scores of the volatility models by horizon; None if they were not scored."""
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
        rows.append([sessions(horizon)])
        for model, row in scores.table.loc[horizon].iterrows():
            cells = [str(model), number(row["qlike"], 3), number(row["qlike_range"], 3)]
            for name in against:
                same = model == name
                cells += ["–" if same else signed(row[f"below_{name}"]), number(row[f"dm_{name}"], 1)]
            rows.append([*cells, "yes" if row["mcs_pvalue"] >= IN_SET else "no"] if tested else cells)
    days, origins = (int(scores.table[key].iloc[-1]) for key in ("stock_days", "origins"))
    count = int(scores.left_out.sum())
    left = f" ({count:,} left out because one had no forecast)" if count else ""
    note = (
        f"Mean over {days:,} stock-days, every one of {origins:,} sessions an origin, "
        f"{scores.losses.index[0].date()} to {scores.losses.index[-1].date()}, the same for all models"
        f"{left}. QLIKE against squared "
        "returns and against the range proxy; lower is better. t: Diebold-Mariano on the "
        "cross-sectional mean loss, negative is better, and beyond 2 either way unlikely to be chance."
    )
    if tested:
        columns.append("in 90% set")
        note += " In 90% set: the model confidence set, which the best model is in nine times in ten."
    return Table("Volatility models, stock by stock", columns, rows, note)


def portfolios(result: BacktestResult) -> Table | None:
    """Tabulate the risk models' forecasts of the unlevered portfolio; None if there are none."""
    if not result.portfolios:
        return None
    scores = compare_portfolio_forecasts(result.portfolios)
    below = "below_EWMA94" in scores
    columns = ["", "QLIKE", *(["below EWMA94", "t"] if below else []), "bias", "predicted", "realised"]
    rows = []
    for name, row in scores.iterrows():
        against = []
        if below:
            same = name == "EWMA94"
            against = ["–" if same else signed(row["below_EWMA94"]), number(row["dm_EWMA94"], 1)]
        vols = (percent(row["mean_predicted_vol"]), percent(row["realized_vol"]))
        rows.append([str(name), number(row["qlike"], 3), *against, f"{row['bias']:.2f}", *vols])
    horizon = next(iter(result.portfolios.values())).horizon
    note = (
        f"Equal weight, no leverage; forecasts of {horizon} sessions from each of "
        f"{int(scores['origins'].iloc[0]):,} sessions. Bias: daily returns over the standing forecast."
    )
    return Table("The portfolio's forecast, model by model", columns, rows, note)


def model_stress(result: BacktestResult) -> Table | None:
    """Tabulate losses of the volatility models by stress period, at the longest horizon."""
    scores = result.volatility
    if scores is None or scores.by_stress.columns.empty:
        return None
    horizon = scores.horizons[-1]
    losses = scores.by_stress.loc[horizon].loc[scores.models]
    base = scores.benchmarks[0] if scores.benchmarks else scores.models[0]
    rows = []
    for model, row in losses.iterrows():
        gains = 100 * (1 - row / losses.loc[base])
        cells = [number(row[name], 3) + ("" if model == base else f" ({signed(-gains[name])})") for name in losses]
        rows.append([str(model), *cells])
    spans = "; ".join(f"{name}: {STRESS[name][0]} to {STRESS[name][1]}" for name in losses if name in STRESS)
    note = (
        f"Mean QLIKE over the stock-days of forecasts of {horizon} sessions made in each period, lower is better; in "
        f"brackets how far it is from {base}'s. Origins, {spans}."
    )
    return Table("The models under stress", ["", *map(str, losses.columns)], rows, note)


def stocks(result: BacktestResult) -> Table | None:
    """Rank the stocks by the forecast error of the run's own model; of many stocks, both ends of the ranking."""
    scores = result.volatility
    if scores is None or scores.by_stock.empty:
        return None
    table = stock_errors(result)
    own, *others = [str(name) for name in table.columns[:-1]]
    ranks = range(1, len(table) + 1)
    chosen = [rank for rank in ranks if rank <= MAX_STOCKS or rank > len(table) - MAX_STOCKS]
    rows: list[list[str]] = []
    for place, rank in enumerate(chosen):
        if place and rank != chosen[place - 1] + 1:
            rows.append([f"and {rank - chosen[place - 1] - 1} more"])
        row = table.iloc[rank - 1]
        best = table.columns[:-1][row.iloc[:-1].argmin()]
        cells = [number(row[name], 3) for name in (own, *others)]
        rows.append([f"{rank}. {row.name}", *cells, str(best), number(row["bias"], 2)])
    note = (
        f"Mean QLIKE of forecasts of {scores.horizons[-1]} sessions against squared returns; the stock that {own} "
        f"forecast worst comes first. Bias: root of the mean realised over forecast variance of {own}, above 1 where "
        "risk was under-predicted."
    )
    return Table("Forecast errors, stock by stock", ["", own, *others, "best", f"bias of {own}"], rows, note)
