"""The evaluation of volatility forecasts as answers and tables, and as text for a terminal: results first."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import product
from typing import Any

import pandas as pd

from volplugin.evaluation import PortfolioForecasts
from volplugin.evaluation.calibration import METHODS, tail_name
from volplugin.evaluation.constants import TAILS
from volplugin.evaluation.volatility import VolatilityEvaluation
from volplugin.report import tables
from volplugin.report.format import WIDTH, Answer, Format, Table, ahead, short_pvalue, show, sized, tabulate, wrapped
from volplugin.report.summary import best_model

LEGEND = (
    "y is the outcome, f the forecast, z a daily return over the forecast in force.",
    "QLIKE: y/f - ln(y/f) - 1 against squared returns (floored at 1e-7); on range: against overnight^2 plus "
    "Garman-Klass, scaled on the sessions before the span. log-lik.: Gaussian log density per day of the returns that "
    "the forecast covers.",
    "MCS p: 0.10 or more (*) is inside the 90% model confidence set of all models; components are not among them.",
    "t: of the mean loss of each session, with a long-run variance from cosine averages and Student's t of few degrees "
    "of freedom (2.3 rejects at 5% with 8, 2.1 with 16); negative where the loss of the first model is lower.",
    "Mincer-Zarnowitz (MZ): y/f on 1/f and a constant over all stock-days, moments summed per session; right is 0 "
    "and 1. const/mean: the constant over the mean forecast.",
    "bias: standard deviation of z; above 1 risk was under-predicted. MRAD: mean distance from 1 of the bias of 21 "
    "sessions, 0.126 for right Gaussian forecasts, 0.17 with fat tails. Q: mean of z^2 - ln z^2, returns floored as "
    "for QLIKE, 2.2 to 2.27 for right Gaussian ones. level: that y/f averages 1.",
    "Kupiec: number of losses beyond value at risk, one session ahead; Christoffersen: number and independence; exact "
    "or simulated p-values. G: Gaussian quantile, H: quantile of the last 1,260 earlier z (from the 250th on).",
    "Forecasts of several sessions can be renewed on as many different days; the p-values of these phases are "
    "combined (twice the median).",
    "[2]: the test at 5% rejects 2% of right forecasts; without a number it rejects 3.5% to 6.5%.",
    "docs/evaluation.md prints how often each test rejects right forecasts in simulations.",
)
Columns = dict[Any, tuple[Any, Format]]


def evaluation_text(evaluated: VolatilityEvaluation, portfolios: Mapping[str, PortfolioForecasts] | None = None) -> str:
    """Lay the whole evaluation out as plain text: of volatility forecasts, and of portfolios if given."""
    best = [f"{one.label + ':':19}{one.value}, {one.verdict}: {one.note}" for one in answers(evaluated)]
    text = ["\n".join([f"Single-stock volatility, {described(evaluated)}", "", *best])]
    for title, found in sections(evaluated):
        blocks = (f"{table.title}\n{table.text()}\n{table.note}".rstrip("\n") for table in found)
        text.append("\n\n".join([f"{title}\n{'=' * len(title)}", *blocks]))
    legend = (textwrap.fill(one, WIDTH, initial_indent="  ", subsequent_indent="    ") for one in notes(evaluated))
    text.append("\n".join(["How to read this", *legend]))
    table = tables.portfolios(portfolios or {})
    text += [f"{table.title}\n{table.text()}\n{table.note}"] if table else []
    return wrapped("\n\n\n".join(text).split("\n"), "  ")


def described(evaluated: VolatilityEvaluation) -> str:
    """Describe the span and the sample."""
    first, last = (evaluated.scores.losses.index[end].date() for end in (0, -1))
    return f"{first} to {last}, every session an origin, all models on the same stock-days"


def notes(evaluated: VolatilityEvaluation) -> list[str]:
    """Explain the columns, and list the stress periods."""
    periods = evaluated.scores.as_dict()["stress_periods"].items()
    stress = "Stress: " + "; ".join(f"{name}, {begin} to {end}" for name, (begin, end) in periods) + "."
    return [*LEGEND, *([stress] if periods else [])]


def answers(evaluated: VolatilityEvaluation) -> list[Answer]:
    """Return, for each horizon, the best model, its lead, and the models that may be as good."""
    return [best_model(evaluated.scores, horizon) for horizon in evaluated.scores.horizons]


def sections(evaluated: VolatilityEvaluation) -> Iterator[tuple[str, list[Table]]]:
    """Yield title and tables of each section that has numbers, one table per horizon."""
    for title, tabulated in SECTIONS.items():
        found = [tabulated(evaluated, horizon) for horizon in evaluated.scores.horizons]
        if any(found):
            yield title, [table for table in found if table]


def scores_table(evaluated: VolatilityEvaluation, horizon: int) -> Table:
    """Tabulate the losses of each model and of its components."""
    parts = evaluated.components
    return tables.scores(evaluated.scores, horizon, None if parts.empty else parts.loc[horizon])


def tests_table(evaluated: VolatilityEvaluation, horizon: int) -> Table:
    """Tabulate tests of whether a model is right over all stock-days."""
    rows = evaluated.scores.table.loc[horizon]
    columns: Columns = {
        ("Mincer-Zarnowitz", "const/mean"): (rows["mz_intercept"] / rows["mean_forecast"], "+.2f"),
        ("Mincer-Zarnowitz", "slope"): ("mz_slope", ".2f"),
        ("Mincer-Zarnowitz", sized("p (0, 1)", "Mincer-Zarnowitz", horizon)): ("mz_pvalue", short_pvalue),
        ("y/f, right is 1", "mean"): ("level_ratio", ".3f"),
        ("y/f, right is 1", "t"): ("level_t", ".1f"),
    }
    return tabulate(rows, columns, ahead(horizon))


def share(value: float) -> str:
    """Format a fraction as whole percent."""
    return f"{100 * value:.0f}"


def stocks_table(evaluated: VolatilityEvaluation, horizon: int) -> Table | None:
    """Tabulate the calibration of single stocks: medians, and the share of stocks that each test rejects."""
    rows = evaluated.stocks.loc[horizon]
    if not rows["series"].gt(0).any():
        return None
    middle, rejected = "median stock", "% rejecting"
    columns: Columns = {
        (middle, "bias"): ("bias", ".3f"),
        (middle, "MRAD"): ("mrad", ".3f"),
        (middle, "Q"): ("q", ".2f"),
    }
    columns |= {(rejected, title): (test.removesuffix("_pvalue"), share) for title, test in _levels(horizon).items()}
    title = f"{ahead(horizon)}: {int(rows['series'].iloc[0])} stocks; % of them that reject at 5%"
    return tabulate(rows, columns | _tails(share, horizon), title)


def portfolio_table(evaluated: VolatilityEvaluation, horizon: int) -> Table | None:
    """Tabulate the calibration of the equal-weight portfolio: statistics and p-values."""
    if evaluated.portfolio.empty or not evaluated.portfolio.loc[horizon]["bias"].notna().any():
        return None
    rows = evaluated.portfolio.loc[horizon]
    columns: Columns = {
        "QLIKE": ("qlike", ".4f"),
        "bias": ("bias", ".3f"),
        "MRAD": ("mrad", ".3f"),
        "Q": ("q", ".2f"),
    } | {("p of", title): (test, short_pvalue) for title, test in _levels(horizon).items()}
    first, sentences = str(rows.index[0]), []
    low, high = rows.loc[first, ["bias_lower", "bias_upper"]]
    title = f"{ahead(horizon)}: bias is right within {low:.3f} to {high:.3f} (95%, {first}); p-values"
    if len(rows) > 1:
        below = rows.loc[rows["qlike"] < rows.loc[first, "qlike"], f"dm_{first}"]
        rivals = ", ".join(f"{name} (t {show(t, '.1f')})" for name, t in below.items())
        sentences.append(f"QLIKE below {first}'s: {rivals or 'none'}")
    outside = rows.index[(rows["bias"] < rows["bias_lower"]) | (rows["bias"] > rows["bias_upper"])]
    sentences.append(f"bias outside the model's own band: {', '.join(map(str, outside)) or 'none'}")
    return tabulate(rows, columns | _tails(short_pvalue, horizon), title, "\n".join(sentences))


def _levels(horizon: int) -> dict[str, str]:
    """Columns of the p-values of level and Mincer-Zarnowitz tests, by title."""
    level = sized("level", "level, and band of the bias", horizon)
    return {level: "level_pvalue", sized("MZ", "Mincer-Zarnowitz", horizon): "mz_pvalue"}


def _tails(form: Format, horizon: int) -> Columns:
    """Kupiec's and Christoffersen's columns, for both quantiles at both tails."""
    columns: Columns = {}
    for test, method, tail in product(("Kupiec", "Christoffersen"), METHODS, TAILS) if horizon == 1 else ():
        kind = " of historical limits" if method == "historical" else ""
        head = sized(f"{method[0].upper()} {tail:.0%}", test + kind, tail)
        columns[test, head] = (tail_name(test.lower(), method, tail), form)
    return columns


def years_table(evaluated: VolatilityEvaluation, horizon: int, parts: str = "by_year") -> Table | None:
    """Tabulate the losses of the origins of each calendar year, relative to the first benchmark if there is one."""
    losses: pd.DataFrame = getattr(evaluated.scores, parts)
    if losses.columns.empty:
        return None
    rows, title, gains = losses.loc[horizon], f"{ahead(horizon)}: QLIKE", pd.DataFrame()
    if evaluated.scores.benchmarks:
        base = evaluated.scores.benchmarks[0]
        gains = 100 * (1 - rows.drop(index=base) / rows.loc[base])
        rows, title = rows.loc[[base]], f"{title} of {base}, and by how many % each other model's is lower"
    texts = pd.concat([rows.map(show, form=".3f"), gains.map(show, form="+.1f")])
    return tabulate(texts, {str(part): (texts[part], "s") for part in texts}, title)


stress_table = partial(years_table, parts="by_stress")
"""Tabulate the losses of the origins of each stress period."""


def components_table(evaluated: VolatilityEvaluation, horizon: int) -> Table | None:
    """Tabulate components against the whole; the note has the spread of the seeds."""
    if evaluated.components.empty:
        return None
    columns: Columns = {
        "QLIKE": ("qlike", ".4f"),
        "on range": ("qlike_range", ".4f"),
        ("against the whole", "lower by (%)"): ("below_model", "+.2f"),
        ("against the whole", "t"): ("dm_model", ".1f"),
    }
    seeds = () if evaluated.seeds.empty else evaluated.seeds.loc[horizon].iterrows()
    sentences = [
        f"{model}: QLIKE of {int(row['seeds'])} seeds from {row['min']:.4f} to {row['max']:.4f}, "
        f"a range of {row['range']:.4f} and a standard deviation of {show(row['std'], '.4f')}"
        for model, row in seeds
    ]
    return tabulate(evaluated.components.loc[horizon], columns, ahead(horizon), "\n".join(sentences))


SECTIONS: dict[str, Callable[[VolatilityEvaluation, int], Table | None]] = {
    "SCORES: lower QLIKE and MSE, higher log-likelihood are better": scores_table,
    "TESTS: is it right": tests_table,
    "CALIBRATION, stock by stock": stocks_table,
    "CALIBRATION of the equal-weight portfolio: volatilities of each model, one correlation": portfolio_table,
    "YEARS of origins": years_table,
    "STRESS periods, by origin": stress_table,
    "COMPONENTS: each seed alone against the whole": components_table,
}
