"""The judgement of volatility forecasts for a terminal: the answer first, then the evidence."""

from __future__ import annotations

import textwrap

from volplugin.evaluation.judge import VolatilityJudgement
from volplugin.report.grid import WIDTH
from volplugin.report.judgement import tables
from volplugin.report.judgement.cells import IN_SET, ahead

SECTIONS = (
    ("SCORES: lower QLIKE and MSE, higher log-likelihood are better", tables.scores_table),
    ("TESTS: is one better, is it right", tables.tests_table),
    ("CALIBRATION, stock by stock", tables.stocks_table),
    ("CALIBRATION of the equal-weight book: volatilities of each model, one correlation", tables.book_table),
    ("YEARS of origins", tables.years_table),
    ("STRESS periods, by origin", tables.stress_table),
    ("COMPONENTS: each seed alone against the whole", tables.components_table),
)

LEGEND = (
    "y is what came true, f what was forecast, z a daily return over the forecast that stood.",
    "QLIKE: y/f - ln(y/f) - 1 against squared returns (floored at 1e-7); on range: against overnight^2 plus "
    "Garman-Klass, scaled on the sessions before the span. log-lik.: Gaussian log density a day of the returns over "
    "which the forecast stands.",
    "MCS p: 0.10 or more (*) is inside the 90% model confidence set of all models; components are not among them.",
    "t and p: HAC, of the mean loss of each session; negative t is better.",
    "Mincer-Zarnowitz (MZ): y/f on 1/f and a constant over all stock-days, errors of Driscoll and Kraay; right is 0 "
    "and 1. const/mean: the constant over the mean forecast.",
    "bias: standard deviation of z; above 1 risk was under-predicted. MRAD: mean distance from 1 of the bias of 21 "
    "sessions, 0.126 for right Gaussian forecasts, 0.17 with fat tails. Q: mean of z^2 - ln z^2, returns floored as "
    "for QLIKE, 2.2 to 2.27 for right Gaussian ones. level: that y/f averages 1.",
    "Kupiec: number of losses beyond value at risk; Christoffersen: number and independence; G: Gaussian quantile, H: "
    "quantile of the earlier z (from the 250th on).",
    "Forecasts of several sessions are renewed as they end, on any of as many days; the p-values of these phases are "
    "joined (twice the median).",
    "With fat tails and overlapping outcomes, level and MZ reject right forecasts more often than 1 time in 20.",
)


def judgement_text(judged: VolatilityJudgement) -> str:
    """Everything that is said of volatility forecasts, as plain text."""
    sections = [_summary(judged)]
    for title, table in SECTIONS:
        blocks = [block for horizon in judged.scores.horizons if (block := table(judged, horizon))]
        if blocks:
            sections.append("\n\n".join([f"{title}\n{'=' * len(title)}", *blocks]))
    return "\n\n\n".join([*sections, _legend(judged)])


def _summary(judged: VolatilityJudgement) -> str:
    """Span, and for each horizon the best model, its lead, and who cannot be told from it."""
    scores = judged.scores
    first, last = (str(scores.losses.index[end].date()) for end in (0, -1))
    lines = [
        f"Single-stock volatility, {first} to {last}, every session an origin; all models on the same stock-days,",
        "learned ones refitted at each year's end.",
        "",
    ]
    for horizon in scores.horizons:
        table = scores.table.loc[horizon]
        best = str(table["qlike"].idxmin())
        said = [f"{ahead(horizon) + ':':20}{best} has the lowest QLIKE, {table.loc[best, 'qlike']:.4f}"]
        said += [
            f"{table.loc[best, f'below_{name}']:.1f}% below {name} (t {table.loc[best, f'dm_{name}']:.1f})"
            for name in [name for name in scores.benchmarks if name != best][:2]
        ]
        lines.append(", ".join(said))
        if "mcs_pvalue" in table:
            inside = ", ".join(str(name) for name in table.index[table["mcs_pvalue"] >= IN_SET])
            lines += textwrap.wrap(
                f"in the 90% model confidence set: {inside}", WIDTH, initial_indent=" " * 20, subsequent_indent=" " * 22
            )
    return "\n".join(lines)


def _legend(judged: VolatilityJudgement) -> str:
    said = list(LEGEND)
    if len(judged.scores.by_stress.columns):
        periods = judged.scores.as_dict()["stress_periods"].items()
        said.append("Stress: " + "; ".join(f"{name}, {begin} to {end}" for name, (begin, end) in periods) + ".")
    lines = (textwrap.fill(one, WIDTH, initial_indent="  ", subsequent_indent="    ") for one in said)
    return "\n".join(["How to read this", *lines])
