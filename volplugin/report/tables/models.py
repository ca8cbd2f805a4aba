"""Tables of models and of stocks."""

from __future__ import annotations

from volplugin.evaluation.periods import STRESS
from volplugin.evaluation.scorecard import book_scorecard
from volplugin.report.measures import stock_errors
from volplugin.report.result import BacktestResult
from volplugin.report.tables.table import Table, number, percent, signed

MOST = 10
"""Stocks at either end of a ranking."""


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
            cells = [str(model), number(row["qlike"], 3), number(row["qlike_range"], 3)]
            for name in against:
                same = model == name
                cells += ["–" if same else signed(row[f"below_{name}"]), number(row[f"dm_{name}"], 1)]
            rows.append([*cells, "yes" if row["mcs_pvalue"] >= 0.10 else "no"] if tested else cells)
    days, origins = (int(scores.table[key].iloc[-1]) for key in ("stock_days", "origins"))
    count = int(scores.left_out.sum())
    left = f" ({count:,} left out because one had no forecast)" if count else ""
    note = (
        f"Mean over {days:,} stock-days, every one of {origins:,} sessions an origin, "
        f"{scores.losses.index[0].date()} to {scores.losses.index[-1].date()}, the same for all models"
        f"{left}. QLIKE against squared "
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
            against = ["–" if same else signed(row["below_EWMA94"]), number(row["dm_EWMA94"], 1)]
        vols = (percent(row["mean_predicted_vol"]), percent(row["realized_vol"]))
        rows.append([str(name), number(row["qlike"], 3), *against, f"{row['bias']:.2f}", *vols])
    horizon = next(iter(result.books.values())).horizon
    note = (
        f"Equal weight, no leverage; forecasts of {horizon} sessions from each of "
        f"{int(scores['origins'].iloc[0]):,} sessions. Bias: daily returns over the standing forecast."
    )
    return Table("The book's forecast, model by model", columns, rows, note)


def model_stress(result: BacktestResult) -> Table | None:
    """Losses of the volatility models in each stress period, at the longest horizon."""
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
    """Rank the stocks by the forecast error of the run's own model: both ends, where there are many."""
    scores = result.volatility
    if scores is None or scores.by_stock.empty:
        return None
    table = stock_errors(result)
    own, *others = [str(name) for name in table.columns[:-1]]
    ranks = range(1, len(table) + 1)
    chosen = [rank for rank in ranks if rank <= MOST or rank > len(table) - MOST]
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
