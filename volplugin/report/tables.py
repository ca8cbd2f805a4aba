"""Tables of a backtest's report: risk of the portfolio, scores of the models, details of the run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from volplugin.evaluation.constants import SIZE
from volplugin.evaluation.portfolio import compare_portfolio_forecasts
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
from volplugin.report.measures import ReportData

METHODS = {
    "gaussian": "Gaussian quantile",
    "student": "Student-t quantile",
    "historical": "historical quantile",
    "held": "historical or Student-t",
}
OWN_ROWS = frozenset({"target", "frequency", "bundle"})
"""Parameters that `details` lists in a row of their own."""
MAX_STOCKS = 10
"""Stocks at either end of a ranking."""


def money(data: ReportData) -> Table:
    """Tabulate return, volatility, Sharpe ratio and drawdown."""
    names = {"run": "this run", "untouched": "untouched"}
    rows = [
        [names[str(name)], percent(row["annual_return"]), percent(row["volatility"]), number(row["sharpe"], 2)]
        + [percent(row["drawdown"])]
        for name, row in data.money.iterrows()
    ]
    return Table("", ["", "return a year", "volatility", "Sharpe ratio", "largest drawdown"], rows)


def runs(data: ReportData) -> Table:
    """Tabulate all runs, one metric per row."""
    result = data.result
    cards = {"this run": result.scorecard} | {name: other.scorecard for name, other in result.comparisons.items()}
    metrics: list[tuple[str, Callable[[Mapping[str, Any]], str]]] = [
        ("forecast volatility", lambda c: percent(c["mean_predicted_vol"])),
        ("realised volatility", lambda c: percent(c["realized_vol"])),
        ("bias statistic", lambda c: number(c["bias_statistic"]["value"], 2)),
        ("bias of 21 sessions, mean distance from 1", lambda c: number(c["mrad_21"], 2)),
        ("QLIKE, daily", lambda c: number(c["qlike"], 3)),
        ("distance from target, 63 sessions (points)", lambda c: number(c["mean_abs_63d_error"], 1)),
        ("distance from target, calendar years (points)", lambda c: number(c["calendar_year_mae"], 1)),
        ("distance from forecast, 63 sessions (points)", lambda c: number(c["mean_abs_63d_gap"], 1)),
        ("forecast unbiased and efficient, p", lambda c: pvalue(c["mincer_zarnowitz"]["pvalue"])),
    ]
    rows = [[name, *(show(card) for card in cards.values())] for name, show in metrics]
    return Table("Forecast and realised risk", ["", *cards], [row for row in rows if set(row[1:]) != {"–"}])


def years(data: ReportData) -> Table:
    """Tabulate predicted and realised volatility by calendar year."""
    rows = []
    for year, card in data.result.scorecard["by_year"].items():
        bias = card["bias_statistic"]
        vols = (percent(card["mean_predicted_vol"]), percent(card["realized_vol"]))
        rows.append([year, str(card["sessions"]), *vols, marked(bias["value"], bias["lower"], bias["upper"])])
    return Table("Year by year", ["", "sessions", "forecast", "realised", "bias"], rows)


def exceedances(data: ReportData) -> Table:
    """Tabulate losses beyond value at risk, with tests of their number."""
    rows, card = [], data.result.scorecard
    for method, levels in {**card["exceedances"], "held": card.get("tail_risk", {})}.items():
        for level, found in levels.items():
            tests = (pvalue(found[f"{test}_pvalue"]) for test in ("kupiec", "christoffersen"))
            shortfall = sized_pvalue(found["shortfall_pvalue"], found.get("shortfall_size", SIZE))
            counts = (count(found["expected"]), str(found["exceedances"]))
            rows.append(
                [f"{level}, {METHODS[method]}", *counts, *tests, number(found["shortfall_ratio"], 2), shortfall]
            )
    note = (
        "Historical or Student-t: the limits of the perf frame, from 500 earlier returns or else Student-t. Mean loss: "
        "of the days beyond, over the expected shortfall; its p is Acerbi-Szekely's. In brackets: how often the test "
        "rejects right forecasts, where that is not about 5%."
    )
    heads = ["", "expected", "found", "Kupiec p", "Christoffersen p", "mean loss", "shortfall p"]
    return Table("Losses beyond value at risk", heads, rows, note)


def stress(data: ReportData) -> Table | None:
    """Tabulate the portfolio's risk in each stress period."""
    if data.stress is None:
        return None
    columns = ["", "forecast", "realised", "bias", "beyond 5%", "beyond 1%", "worst day"]
    rows = []
    for name, row in data.stress.iterrows():
        band = row["lower"] / row["predicted"], row["upper"] / row["predicted"]
        beyond = [f"{row[f'beyond_{tail}%']} of {count(row['sessions'] * tail / 100)}" for tail in (5, 1)]
        cells = [str(name), percent(row["predicted"])]
        cells += [percent(row["realized"]), marked(row["bias"], *band), *beyond, percent(row["worst_day"])]
        rows.append(cells)
    spans = [f"{name}: {row['first'].date()} to {row['last'].date()}" for name, row in data.stress.iterrows()]
    note = (
        f"{'; '.join(spans)}. Bias: ▲ above the 95% band, forecasts were too low; ▼ below it. Beyond: days on which "
        "the loss went beyond the normal value at risk, of as many as expected."
    )
    return Table("", columns, rows, note)


def details(data: ReportData) -> Table:
    """List the settings needed to repeat the run."""
    result, run = data.result, data.result.details
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
    shown = {name: f"{value:,.10g}" if isinstance(value, float) else str(value) for name, value in given.items()}
    return Table(
        "The run", [], [[name, shown[name]] for name, value in given.items() if value is not None], kind="pairs"
    )


def vintages(data: ReportData) -> Table | None:
    """Tabulate the model vintages used; None if there are none."""
    used = data.result.details.vintages
    columns = list(dict.fromkeys(key for vintage in used for key in vintage))
    rows = [[str(vintage.get(key, "–")) for key in columns] for vintage in used]
    return Table("Model vintages", [name.replace("_", " ") for name in columns], rows, kind="words") if used else None


def models(data: ReportData) -> Table | None:
    """Tabulate the scores of the volatility models by horizon; None if they were not scored."""
    scores = data.result.volatility
    if scores is None:
        return None
    against = [name for name in scores.benchmarks if f"dm_{name}" in scores.table]
    columns = ["", "QLIKE", "QLIKE, range"]
    for name in against:
        columns += [f"lower than {name}", f"t against {name}"]
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
    left = int(scores.left_out.sum())
    note = (
        f"Mean over {days:,} stock-days, every one of {origins:,} sessions an origin, {scores.losses.index[0].date()} "
        f"to {scores.losses.index[-1].date()}, the same for all models"
        f"{f' ({left:,} left out because one had no forecast)' if left else ''}."
    )
    return Table("Volatility models", [*columns, "in 90% set"] if tested else columns, rows, note)


def portfolios(data: ReportData) -> Table | None:
    """Tabulate the risk models' forecasts of the unlevered portfolio; None if there are none."""
    if not data.result.portfolios:
        return None
    scores = compare_portfolio_forecasts(data.result.portfolios)
    below = "below_EWMA94" in scores
    rows = []
    for name, row in scores.iterrows():
        same = name == "EWMA94"
        against = ["–" if same else signed(row["below_EWMA94"]), number(row["dm_EWMA94"], 1)] if below else []
        vols = (percent(row["mean_predicted_vol"]), percent(row["realized_vol"]))
        rows.append([str(name), number(row["qlike"], 3), *against, number(row["bias"], 2), *vols])
    horizon = next(iter(data.result.portfolios.values())).horizon
    note = f"Equal weight, no leverage: {horizon} sessions from each of {int(scores['origins'].iloc[0]):,} sessions."
    columns = ["", "QLIKE", *(["lower than EWMA94", "t"] if below else []), "bias", "forecast", "realised"]
    return Table("Risk models, on the equal-weight portfolio", columns, rows, note)


def stocks(data: ReportData) -> Table | None:
    """Rank the stocks by the forecast error of the run's own model; of many stocks, both ends of the ranking."""
    table = data.stock_errors
    if table is None:
        return None
    own, *others = [str(name) for name in table.columns[:-1]]
    rows: list[list[str]] = []
    for rank, (stock, row) in enumerate(table.iterrows(), 1):
        if MAX_STOCKS < rank <= len(table) - MAX_STOCKS:
            if rank == MAX_STOCKS + 1:
                rows.append([f"and {len(table) - 2 * MAX_STOCKS} more"])
            continue
        cells = [number(row[name], 3) for name in (own, *others)]
        rows.append([f"{rank}. {stock}", *cells, str(row.iloc[:-1].idxmin()), number(row["bias"], 2)])
    return Table("QLIKE by stock", ["", own, *others, "best", f"bias of {own}"], rows)
