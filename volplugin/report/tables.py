"""Tables of reports: risk of the portfolio, scores of the models, details of the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from volplugin.evaluation import PortfolioForecasts, VolatilityScores, compare_portfolio_forecasts
from volplugin.evaluation.constants import SIZE, measured_size
from volplugin.report.format import IN_SET, Table, ahead, columns, count, marked, percent, pvalue, show, tabulate
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
    known = columns(
        "return a year annual_return .1% | volatility volatility .1% | Sharpe ratio sharpe .2f"
        " | largest drawdown drawdown .1%"
    )
    note = (
        "The stocks were chosen with hindsight: their return, here and in the Sharpe ratios, could not have been "
        "known. Compare the two rows with each other, not with an index."
    )
    chosen = data.result.details.bundle == "dow30"
    return tabulate(data.money.rename({"run": "this run"}), known, note=note if chosen else "")


def runs(data: ReportData) -> Table:
    """Tabulate all runs, one metric per row; metrics without a value are left out."""
    others = {name: other.scorecard for name, other in data.result.comparisons.items()}
    cards = pd.json_normalize([data.result.scorecard, *others.values()]).set_index(pd.Index(["this run", *others]))
    size = measured_size("Mincer-Zarnowitz of scorecards")
    metrics = columns(
        "forecast volatility mean_predicted_vol .1% | realised volatility realized_vol .1%"
        " | bias statistic bias_statistic.value .2f | bias of 21 sessions, mean distance from 1 mrad_21 .2f"
        " | QLIKE, daily qlike .3f | distance from target, 63 sessions (points) mean_abs_63d_error .1f"
        " | distance from target, calendar years (points) calendar_year_mae .1f"
        " | distance from forecast, 63 sessions (points) mean_abs_63d_gap .1f"
    ) | {"forecast unbiased and efficient, p": ("mincer_zarnowitz.pvalue", lambda p: pvalue(p, size))}
    known = {title: given for title, given in metrics.items() if given[0] in cards and cards[given[0]].notna().any()}
    return Table(tabulate(cards, known).frame.T, "Forecast and realised risk")


def years(data: ReportData) -> Table:
    """Tabulate predicted and realised volatility by calendar year."""
    rows = pd.DataFrame.from_dict(data.result.scorecard["by_year"], orient="index")
    biases = [marked(bias["value"], bias["lower"], bias["upper"]) for bias in rows["bias_statistic"]]
    known = columns("sessions sessions d | forecast mean_predicted_vol .1% | realised realized_vol .1%")
    return tabulate(rows, known | {"bias": (biases, "s")}, "Year by year")


def exceedances(data: ReportData) -> Table:
    """Tabulate losses beyond value at risk, with tests of their number."""
    card = data.result.scorecard
    found = {
        f"{level}, {METHODS[method]}": row
        for method, levels in {**card["exceedances"], "held": card.get("tail_risk", {})}.items()
        for level, row in levels.items()
    }
    rows = pd.DataFrame.from_dict(found, orient="index")
    tested = {}
    for title, test in {"Kupiec p": "kupiec", "Christoffersen p": "christoffersen", "shortfall p": "shortfall"}.items():
        sizes = rows.get(f"{test}_size", pd.Series(SIZE, rows.index)).fillna(SIZE)
        tested[title] = list(map(pvalue, rows[f"{test}_pvalue"], sizes)), "s"
    known = {"expected": ("expected", count)} | columns("found exceedances d | mean loss shortfall_ratio .2f") | tested
    note = (
        "A p below 0.05 rejects the number (Kupiec), or the number and its independence (Christoffersen). Historical "
        "or Student-t: the limits of the perf frame, from 500 earlier returns or else Student-t. Mean loss: of the "
        "days beyond, over the expected shortfall; its p is Acerbi-Szekely's. In brackets: in how many % the test "
        "rejects right forecasts, where that is not about 5."
    )
    return tabulate(rows, known, "Losses beyond value at risk", note)


def stress(data: ReportData) -> Table | None:
    """Tabulate the portfolio's risk in each stress period."""
    rows = data.stress
    if rows is None:
        return None
    biases = map(marked, rows["bias"], rows["lower"] / rows["predicted"], rows["upper"] / rows["predicted"])
    known = columns("forecast predicted .1% | realised realized .1%") | {"bias": (biases, "s")}
    for tail in (5, 1):
        found = zip(rows[f"beyond_{tail}%"], rows["sessions"] * tail / 100, strict=True)
        known[f"beyond {tail}%"] = ([f"{days} of {count(expected)}" for days, expected in found], "s")
    spans = [f"{name}: {row['first'].date()} to {row['last'].date()}" for name, row in rows.iterrows()]
    note = (
        f"{'; '.join(spans)}. Bias: ▲ above the 95% band, forecasts were too low; ▼ below it. Beyond: days on which "
        "the loss went beyond the normal value at risk, of as many as expected."
    )
    return tabulate(rows, known | columns("worst day worst_day .1%"), "", note)


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
    known = {name: one for name, one in given.items() if one is not None}
    texts = [f"{one:,.10g}" if isinstance(one, float) else str(one) for one in known.values()]
    return Table(pd.DataFrame({"": texts}, list(known)), "The run", kind="pairs")


def vintages(data: ReportData) -> Table:
    """Tabulate the model vintages used."""
    used = pd.DataFrame(list(data.result.details.vintages)).rename(columns=lambda name: str(name).replace("_", " "))
    texts = used.astype(object).where(used.notna(), "-").astype(str)
    first = next(iter(texts), None)
    named = texts if first is None else texts.set_index(first).rename_axis(index=None, columns=first)
    return Table(named, "Model vintages", kind="words")


def models(data: ReportData) -> list[Table]:
    """Tabulate the scores of the volatility models, one table per horizon; empty if they were not scored."""
    found = data.result.volatility
    return [] if found is None else [scores(found, horizon) for horizon in found.horizons]


def scores(found: VolatilityScores, horizon: int, components: pd.DataFrame | None = None) -> Table:
    """Tabulate the losses of a horizon, how far they are below the benchmarks', and the model confidence set.

    Parameters
    ----------
    components : DataFrame, optional
        Rows of the members of ensembles, shown below their ``model``.
    """
    rows = found.table.loc[horizon]
    if components is not None:
        order = [name for model in rows.index for name in (model, *components.index[components["model"] == model])]
        rows = pd.concat([rows, components.reindex(columns=rows.columns.intersection(components.columns))]).loc[order]
    rows = rows.assign(mse=1e8 * rows["mse"])
    known = columns("QLIKE qlike .4f | on range qlike_range .4f | MSE e-8 mse .2f | log-lik. log_likelihood .4f")
    # A model is not compared with itself.
    for group, column, form in (("lower by (%) than", "below", "+.1f"), ("t against", "dm", ".1f")):
        known |= {(group, name): (rows[f"{column}_{name}"].mask(rows.index == name), form) for name in found.benchmarks}
    if "mcs_pvalue" in rows:
        known["MCS p "] = ("mcs_pvalue", lambda p: f"{p:.3f}{'*' if p >= IN_SET else ' '}")
    first, left = found.table.loc[horizon].iloc[0], int(found.left_out[horizon])
    title = f"{ahead(horizon)}: {int(first['stock_days']):,} stock-days of {int(first['origins']):,} sessions"
    return tabulate(rows, known, title + (f"; {left:,} left out, without a forecast of each" if left else ""))


def portfolios(given: Mapping[str, PortfolioForecasts]) -> Table | None:
    """Tabulate the risk models' forecasts of the equal-weight portfolio; None if there are none."""
    if not given:
        return None
    rows = compare_portfolio_forecasts(given)
    known = columns("QLIKE qlike .4f")
    for name in [str(name).removeprefix("below_") for name in rows if str(name).startswith("below_")]:
        own = rows.index == name
        known[f"below {name}"] = (rows[f"below_{name}"].mask(own), lambda gain: f"{gain:.1f}%")
        known["t"] = (rows[f"dm_{name}"], ".1f")
    bands = [
        show(low, ".3f") + (f" to {high:.3f}" if low == low else "")
        for low, high in zip(rows["bias_lower"], rows["bias_upper"], strict=True)
    ]
    known |= columns("bias bias .3f") | {"95% band": (bands, "s")}
    known |= columns("forecast mean_predicted_vol .1% | realised realized_vol .1%")
    horizon, origins = next(iter(given.values())).horizon, int(rows["origins"].iloc[0])
    title = f"Equal-weight portfolio, {ahead(horizon)}, {origins:,} origins"
    return tabulate(rows, known, title, "Bias: of daily returns over the forecast in force. Volatilities are annual.")


def stocks(data: ReportData) -> Table | None:
    """Rank the stocks by the forecast error of the run's own model; of many stocks, both ends of the ranking."""
    table = data.stock_errors
    if table is None:
        return None
    names = [str(name) for name in table.columns[:-1]]
    ranked = table.assign(best=table[names].idxmin(axis=1))
    ranked.index = pd.Index([f"{rank}. {stock}" for rank, stock in enumerate(table.index, 1)])
    known: dict[Any, Any] = {name: (name, ".3f") for name in names}
    known |= {"best": ("best", "s"), f"bias of {names[0]}": ("bias", ".2f")}
    ends = ranked if len(ranked) <= 2 * MAX_STOCKS else pd.concat([ranked[:MAX_STOCKS], ranked[-MAX_STOCKS:]])
    return tabulate(ends, known, f"QLIKE by stock, of {len(table)} stocks the hardest and the easiest")
