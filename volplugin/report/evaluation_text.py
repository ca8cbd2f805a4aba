"""The evaluation of volatility forecasts as text for a terminal: results first, then the evidence."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

import pandas as pd

from volplugin.evaluation import PortfolioForecasts, compare_portfolio_forecasts
from volplugin.evaluation.calibration import METHODS, tail_name
from volplugin.evaluation.constants import SIZE, TAILS, measured_size
from volplugin.evaluation.volatility import VolatilityEvaluation
from volplugin.report.format import (
    IN_SET,
    WIDTH,
    Group,
    Show,
    ahead,
    cells,
    fixed,
    grid,
    share,
    short_pvalue,
    shown,
    starred,
    with_sign,
)

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
    "Kupiec: number of losses beyond value at risk; Christoffersen: number and independence; exact or simulated "
    "p-values. G: Gaussian quantile, H: quantile of the last 1,260 earlier z (from the 250th on).",
    "Forecasts of several sessions can be renewed on as many different days; the p-values of these phases are "
    "combined (twice the median).",
    "size: how often a test at 5% rejects right forecasts, where that is not 3.5% to 6.5%.",
    "docs/evaluation.md prints how often each test rejects right forecasts in simulations.",
)


def evaluation_text(evaluated: VolatilityEvaluation) -> str:
    """Lay the whole evaluation of volatility forecasts out as plain text."""
    sections = [_summary(evaluated)]
    for title, table in SECTIONS:
        blocks = [block for horizon in evaluated.scores.horizons if (block := table(evaluated, horizon))]
        if blocks:
            sections.append("\n\n".join([f"{title}\n{'=' * len(title)}", *blocks]))
    return fitted("\n\n\n".join([*sections, _legend(evaluated)]))


def fitted(text: str) -> str:
    """Wrap lines that are wider than a terminal."""
    wrap = partial(textwrap.wrap, width=WIDTH, subsequent_indent="  ")
    return "\n".join(part for line in text.split("\n") for part in (wrap(line) if len(line) > WIDTH else [line]))


def _summary(evaluated: VolatilityEvaluation) -> str:
    """Span, and for each horizon the best model, its lead, and the models not distinguishable from it."""
    scores = evaluated.scores
    first, last = (str(scores.losses.index[end].date()) for end in (0, -1))
    lines = [
        f"Single-stock volatility, {first} to {last}, every session an origin; all models on the same stock-days,",
        "learned ones refitted at each year's end.",
        "",
    ]
    for horizon in scores.horizons:
        table = scores.table.loc[horizon]
        best = str(table["qlike"].idxmin())
        sentences = [f"{ahead(horizon) + ':':20}{best} has the lowest QLIKE, {table.loc[best, 'qlike']:.4f}"]
        sentences += [
            f"{table.loc[best, f'below_{name}']:.1f}% below {name} (t {table.loc[best, f'dm_{name}']:.1f})"
            for name in [name for name in scores.benchmarks if name != best][:2]
        ]
        lines.append(", ".join(sentences))
        if "mcs_pvalue" in table:
            inside = ", ".join(str(name) for name in table.index[table["mcs_pvalue"] >= IN_SET])
            lines += textwrap.wrap(
                f"in the 90% model confidence set: {inside}", WIDTH, initial_indent=" " * 20, subsequent_indent=" " * 22
            )
    return "\n".join(lines)


def _legend(evaluated: VolatilityEvaluation) -> str:
    sentences = list(LEGEND)
    if len(evaluated.scores.by_stress.columns):
        periods = evaluated.scores.as_dict()["stress_periods"].items()
        sentences.append("Stress: " + "; ".join(f"{name}, {begin} to {end}" for name, (begin, end) in periods) + ".")
    lines = (textwrap.fill(one, WIDTH, initial_indent="  ", subsequent_indent="    ") for one in sentences)
    return "\n".join(["How to read this", *lines])


def scores_table(evaluated: VolatilityEvaluation, horizon: int) -> str:
    """Losses of each model and its components, how far they are below the benchmarks', and the confidence set."""
    scores = evaluated.scores
    rows = _with_components(evaluated, horizon)
    groups = [
        Group(
            "",
            {
                "QLIKE": cells(rows["qlike"], fixed(4)),
                "on range": cells(rows["qlike_range"], fixed(4)),
                "MSE e-8": cells(1e8 * rows["mse"], fixed(2)),
                "log-lik.": cells(rows["log_likelihood"], fixed(4)),
            },
        ),
        Group(
            "QLIKE lower by (%) than",
            {name: cells(rows[f"below_{name}"], with_sign(1), skip=name) for name in scores.benchmarks},
        ),
    ]
    if "mcs_pvalue" in rows:
        groups.append(Group("", {"MCS p ": cells(rows["mcs_pvalue"], starred)}))
    row = scores.table.loc[horizon].iloc[0]
    left = int(scores.left_out[horizon])
    title = f"{ahead(horizon)}: {int(row['stock_days']):,} stock-days of {int(row['origins']):,} sessions"
    return f"{title}{f'; {left:,} left out, without a forecast of each' if left else ''}\n{grid(_names(rows), groups)}"


def tests_table(evaluated: VolatilityEvaluation, horizon: int) -> str:
    """Test whether a model is better than the benchmarks, and right over all stock-days."""
    scores = evaluated.scores
    rows = scores.table.loc[horizon]
    groups = [
        Group(
            "Diebold-Mariano t against",
            {name: cells(rows[f"dm_{name}"], fixed(1), skip=name) for name in scores.benchmarks},
        ),
        Group(
            "Mincer-Zarnowitz",
            {
                "const/mean": cells(rows["mz_intercept"] / rows["mean_forecast"], with_sign(2)),
                "slope": cells(rows["mz_slope"], fixed(2)),
                _mz_head("p (0, 1)", horizon): cells(rows["mz_pvalue"], short_pvalue),
            },
        ),
        Group(
            "y/f, right is 1",
            {"mean": cells(rows["level_ratio"], fixed(3)), "t": cells(rows["level_t"], fixed(1))},
        ),
    ]
    return f"{ahead(horizon)}\n{grid(_names(rows), groups)}"


def _mz_head(head: str, horizon: int) -> str:
    """Add the measured size of the Mincer-Zarnowitz test to a heading, where it is not about 5%."""
    size = measured_size("Mincer-Zarnowitz", horizon)
    return head if size == SIZE else f"{head}, size {share(size)}%"


def stocks_table(evaluated: VolatilityEvaluation, horizon: int) -> str:
    """Calibration of single stocks: medians, and the share of stocks that each test rejects."""
    rows = evaluated.stocks.loc[horizon]
    if not rows["series"].gt(0).any():
        return ""
    groups = [
        Group("median stock", _columns(rows, {"bias": fixed(3), "mrad": fixed(3), "q": fixed(2)})),
        Group("% rejecting", _columns(rows, {"level": share, "mz": share})),
        *_tail_groups(rows, share),
    ]
    return f"{ahead(horizon)}: {int(rows['series'].iloc[0])} stocks; % of them that reject at 5%\n" + grid(
        _names(rows), groups
    )


def portfolio_table(evaluated: VolatilityEvaluation, horizon: int) -> str:
    """Calibration of the equal-weight portfolio: statistics and p-values."""
    if evaluated.portfolio.empty or not evaluated.portfolio.loc[horizon]["bias"].notna().any():
        return ""
    rows = evaluated.portfolio.loc[horizon]
    band = rows[["bias_lower", "bias_upper"]].iloc[0]
    groups = [
        Group("", _columns(rows, {"qlike": fixed(4), "bias": fixed(3), "mrad": fixed(3), "q": fixed(2)})),
        Group(
            "p of",
            {
                "level": cells(rows["level_pvalue"], short_pvalue),
                _mz_head("MZ", horizon): cells(rows["mz_pvalue"], short_pvalue),
            },
        ),
        *_tail_groups(rows, short_pvalue),
    ]
    first = str(rows.index[0])
    title = f"{ahead(horizon)}: bias is right within {band.iloc[0]:.3f} to {band.iloc[1]:.3f} (95%, {first})"
    below = rows["qlike"] < rows.loc[first, "qlike"]
    rivals = [f"{name} (t {shown(t, fixed(1))})" for name, t in rows.loc[below, f"dm_{first}"].items()]
    sentences = f"\nQLIKE below {first}'s: {', '.join(rivals) or 'none'}" if len(rows) > 1 else ""
    outside = rows.index[(rows["bias"] < rows["bias_lower"]) | (rows["bias"] > rows["bias_upper"])]
    sentences += f"\nbias outside the model's own band: {', '.join(map(str, outside)) or 'none'}"
    return f"{title}; p-values\n{grid(_names(rows), groups)}{sentences}"


def years_table(evaluated: VolatilityEvaluation, horizon: int) -> str:
    """Losses of the origins of each calendar year."""
    return _parts(evaluated, horizon, evaluated.scores.by_year)


def stress_table(evaluated: VolatilityEvaluation, horizon: int) -> str:
    """Losses of the origins of each stress period."""
    return _parts(evaluated, horizon, evaluated.scores.by_stress)


def _parts(evaluated: VolatilityEvaluation, horizon: int, losses: pd.DataFrame) -> str:
    """Losses of parts of the span: relative to the first benchmark where there is one."""
    if losses.columns.empty:
        return ""
    rows, title = losses.loc[horizon], f"{ahead(horizon)}: QLIKE"
    columns: dict[str, list[str]] = {str(part): cells(rows[part], fixed(3)) for part in rows}
    names = _names(rows)
    if evaluated.scores.benchmarks:
        base = evaluated.scores.benchmarks[0]
        gains = 100 * (1 - rows.drop(index=base) / rows.loc[base])
        first = {str(part): cells(rows.loc[[base], part], fixed(3)) for part in rows}
        columns = {str(part): first[str(part)] + cells(gains[part], with_sign(1)) for part in rows}
        title += f" of {base}, and by how many % each other model's is lower"
        names = [base, *_names(gains)]
    return f"{title}\n{grid(names, [Group('', columns)])}"


def components_table(evaluated: VolatilityEvaluation, horizon: int) -> str:
    """Components against the whole, and the spread of the seeds."""
    if evaluated.components.empty:
        return ""
    rows = evaluated.components.loc[horizon]
    groups = [
        Group("", {"QLIKE": cells(rows["qlike"], fixed(4)), "on range": cells(rows["qlike_range"], fixed(4))}),
        Group(
            "against the whole",
            {"lower by (%)": cells(rows["below_model"], with_sign(2)), "t": cells(rows["dm_model"], fixed(1))},
        ),
    ]
    lines = [ahead(horizon), grid(_names(rows), groups)]
    if not evaluated.seeds.empty:
        lines += [
            f"{model}: QLIKE of {int(row['seeds'])} seeds from {row['min']:.4f} to {row['max']:.4f}, "
            f"a range of {row['range']:.4f} and a standard deviation of {shown(row['std'], fixed(4))}"
            for model, row in evaluated.seeds.loc[horizon].iterrows()
        ]
    return "\n".join(lines)


def _with_components(evaluated: VolatilityEvaluation, horizon: int) -> pd.DataFrame:
    """Rows of the models, each followed by the rows of its components."""
    table = evaluated.scores.table.loc[horizon]
    if evaluated.components.empty:
        return table
    parts = evaluated.components.loc[horizon]
    order = [name for model in table.index for name in (model, *parts.index[parts["model"] == model])]
    return pd.concat([table, parts.reindex(columns=table.columns.intersection(parts.columns))]).loc[order]


def _tail_groups(rows: pd.DataFrame, show: Show) -> Iterator[Group]:
    """Kupiec's and Christoffersen's columns, for both quantiles at both tails."""
    short = {"gaussian": "G", "historical": "H"}
    for test in ("kupiec", "christoffersen"):
        columns = {
            f"{short[method]} {tail:.0%}": cells(rows[tail_name(test, method, tail)], show)
            for method in METHODS
            for tail in TAILS
        }
        yield Group(test.capitalize(), columns)


def _columns(rows: pd.DataFrame, wanted: Mapping[str, Show]) -> dict[str, Sequence[str]]:
    titles = {"qlike": "QLIKE", "mrad": "MRAD", "q": "Q", "mz": "MZ"}
    return {titles.get(name, name): cells(rows[name], show) for name, show in wanted.items()}


def _names(rows: pd.DataFrame) -> list[str]:
    return [str(name) for name in rows.index]


def risk_model_table(portfolios: Mapping[str, PortfolioForecasts]) -> str:
    """Risk models side by side on the equal-weight portfolio."""
    table, horizon = compare_portfolio_forecasts(portfolios), next(iter(portfolios.values())).horizon
    shown = pd.DataFrame({"QLIKE": table["qlike"].map("{:.4f}".format)})
    for column in [name for name in table if name.startswith("below_")]:
        shown[column.replace("_", " ")] = table[column].map("{:.1f}%".format)
    shown["bias"] = table["bias"].map("{:.3f}".format)
    shown["95% band"] = [
        "too few" if pd.isna(a) else f"{a:.3f} to {b:.3f}"
        for a, b in zip(table["bias_lower"], table["bias_upper"], strict=True)
    ]
    shown["forecast vol"] = table["mean_predicted_vol"].map("{:.1%}".format)
    shown["realised vol"] = table["realized_vol"].map("{:.1%}".format)
    origins = int(table["origins"].iloc[0])
    columns = {str(name): list(shown[name]) for name in shown}
    return fitted(
        f"Equal-weight portfolio, {horizon} sessions ahead, {origins:,} origins; bias of daily returns over the "
        f"forecast in force\n{grid(_names(shown), [Group('', columns)])}"
    )


SECTIONS = (
    ("SCORES: lower QLIKE and MSE, higher log-likelihood are better", scores_table),
    ("TESTS: is one better, is it right", tests_table),
    ("CALIBRATION, stock by stock", stocks_table),
    ("CALIBRATION of the equal-weight portfolio: volatilities of each model, one correlation", portfolio_table),
    ("YEARS of origins", years_table),
    ("STRESS periods, by origin", stress_table),
    ("COMPONENTS: each seed alone against the whole", components_table),
)
