"""The tables of a judgement in plain text, each of one horizon; empty where there is nothing to show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from volplugin.evaluation.judge import VolatilityJudgement
from volplugin.evaluation.verdicts import METHODS, TAILS, tail_name
from volplugin.report.grid import Group, grid
from volplugin.report.judgement.cells import Show, ahead, cells, fixed, pvalue, share, shown, signed, starred


def scores_table(judged: VolatilityJudgement, horizon: int) -> str:
    """Losses of each model and its components, how far they are below the benchmarks', and the confidence set."""
    scores = judged.scores
    rows = _with_components(judged, horizon)
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
            {name: cells(rows[f"below_{name}"], signed(1), skip=name) for name in scores.benchmarks},
        ),
    ]
    if "mcs_pvalue" in rows:
        groups.append(Group("", {"MCS p ": cells(rows["mcs_pvalue"], starred)}))
    row = scores.table.loc[horizon].iloc[0]
    left = int(scores.left_out[horizon])
    title = f"{ahead(horizon)}: {int(row['stock_days']):,} stock-days of {int(row['origins']):,} sessions"
    return f"{title}{f'; {left:,} left out, without a forecast of each' if left else ''}\n{grid(_names(rows), groups)}"


def tests_table(judged: VolatilityJudgement, horizon: int) -> str:
    """Is a model better than the benchmarks, and is it right over all stock-days."""
    scores = judged.scores
    rows = scores.table.loc[horizon]
    groups = [
        Group(
            "Diebold-Mariano t against",
            {name: cells(rows[f"dm_{name}"], fixed(1), skip=name) for name in scores.benchmarks},
        ),
        Group(
            "Mincer-Zarnowitz",
            {
                "const/mean": cells(rows["mz_intercept"] / rows["mean_forecast"], signed(2)),
                "slope": cells(rows["mz_slope"], fixed(2)),
                "p (0, 1)": cells(rows["mz_pvalue"], pvalue),
            },
        ),
        Group(
            "y/f, right is 1",
            {"mean": cells(rows["level_ratio"], fixed(3)), "t": cells(rows["level_t"], fixed(1))},
        ),
    ]
    return f"{ahead(horizon)}\n{grid(_names(rows), groups)}"


def stocks_table(judged: VolatilityJudgement, horizon: int) -> str:
    """Calibration of single stocks: medians, and the share of stocks that each test rejects."""
    rows = judged.stocks.loc[horizon]
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


def book_table(judged: VolatilityJudgement, horizon: int) -> str:
    """Calibration of the equal-weight book: statistics and p-values."""
    if judged.book.empty or not judged.book.loc[horizon]["bias"].notna().any():
        return ""
    rows = judged.book.loc[horizon]
    band = rows[["bias_lower", "bias_upper"]].iloc[0]
    groups = [
        Group("", _columns(rows, {"qlike": fixed(4), "bias": fixed(3), "mrad": fixed(3), "q": fixed(2)})),
        Group("p of", {"level": cells(rows["level_pvalue"], pvalue), "MZ": cells(rows["mz_pvalue"], pvalue)}),
        *_tail_groups(rows, pvalue),
    ]
    title = f"{ahead(horizon)}: bias is right within {band.iloc[0]:.3f} to {band.iloc[1]:.3f} (95%, Gaussian)"
    first = str(rows.index[0])
    below = rows["qlike"] < rows.loc[first, "qlike"]
    rivals = [f"{name} (t {shown(t, fixed(1))})" for name, t in rows.loc[below, f"dm_{first}"].items()]
    said = f"\nQLIKE below that of {first}: {', '.join(rivals) or 'none'}" if len(rows) > 1 else ""
    return f"{title}; p-values\n{grid(_names(rows), groups)}{said}"


def years_table(judged: VolatilityJudgement, horizon: int) -> str:
    """Losses of the origins of each calendar year."""
    return _parts(judged, horizon, judged.scores.by_year)


def stress_table(judged: VolatilityJudgement, horizon: int) -> str:
    """Losses of the origins of each stress period."""
    return _parts(judged, horizon, judged.scores.by_stress)


def _parts(judged: VolatilityJudgement, horizon: int, losses: pd.DataFrame) -> str:
    """Losses of parts of the span: relative to the first benchmark where there is one."""
    if losses.columns.empty:
        return ""
    rows, title = losses.loc[horizon], f"{ahead(horizon)}: QLIKE"
    columns: dict[str, list[str]] = {str(part): cells(rows[part], fixed(3)) for part in rows}
    names = _names(rows)
    if judged.scores.benchmarks:
        base = judged.scores.benchmarks[0]
        gains = 100 * (1 - rows.drop(index=base) / rows.loc[base])
        first = {str(part): cells(rows.loc[[base], part], fixed(3)) for part in rows}
        columns = {str(part): first[str(part)] + cells(gains[part], signed(1)) for part in rows}
        title += f" of {base}, and by how many % that of each other model is lower"
        names = [base, *_names(gains)]
    return f"{title}\n{grid(names, [Group('', columns)])}"


def components_table(judged: VolatilityJudgement, horizon: int) -> str:
    """Components against the whole, and the spread of the seeds."""
    if judged.components.empty:
        return ""
    rows = judged.components.loc[horizon]
    groups = [
        Group("", {"QLIKE": cells(rows["qlike"], fixed(4)), "on range": cells(rows["qlike_range"], fixed(4))}),
        Group(
            "against the whole",
            {"lower by (%)": cells(rows["below_model"], signed(2)), "t": cells(rows["dm_model"], fixed(1))},
        ),
    ]
    lines = [ahead(horizon), grid(_names(rows), groups)]
    if not judged.seeds.empty:
        lines += [
            f"{model}: QLIKE of {int(row['seeds'])} seeds from {row['min']:.4f} to {row['max']:.4f}, "
            f"a range of {row['range']:.4f} and a standard deviation of {shown(row['std'], fixed(4))}"
            for model, row in judged.seeds.loc[horizon].iterrows()
        ]
    return "\n".join(lines)


def _with_components(judged: VolatilityJudgement, horizon: int) -> pd.DataFrame:
    """Rows of the models, each followed by those of its components."""
    table = judged.scores.table.loc[horizon]
    if judged.components.empty:
        return table
    parts = judged.components.loc[horizon]
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
