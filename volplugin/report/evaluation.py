"""The evaluation of volatility forecasts as a page, as text for a terminal, and as files: results first."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

from volplugin.evaluation import PortfolioForecasts, compare_portfolio_forecasts
from volplugin.evaluation.calibration import METHODS, tail_name
from volplugin.evaluation.constants import TAILS
from volplugin.evaluation.volatility import VolatilityEvaluation
from volplugin.report import tables
from volplugin.report.format import Answer, Format, Page, Section, Table, ahead, columns, pvalue, show, sized, tabulate
from volplugin.report.summary import best_model
from volplugin.storage.atomic import write_files

LEGEND = (
    "y is the outcome, f the forecast, z a daily return over the forecast in force.",
    "QLIKE: y/f - ln(y/f) - 1 against squared returns (floored at 1e-7); on range: against overnight^2 plus "
    "Garman-Klass, scaled before the span. log-lik.: Gaussian log density per day of the returns covered.",
    "MCS p: 0.10 or more (*) is inside the 90% model confidence set; components are not among its models.",
    "t: of the mean loss of each session, with a long-run variance from cosine averages and Student's t of few degrees "
    "of freedom (2.3 rejects at 5% with 8, 2.1 with 16); negative where the loss of the first model is lower.",
    "Mincer-Zarnowitz (MZ): y/f on 1/f and a constant over all stock-days; right is 0 and 1. const/mean: the constant "
    "over the mean forecast. level: that y/f averages 1.",
    "bias: standard deviation of z; above 1 risk was under-predicted. MRAD: mean distance from 1 of the bias of 21 "
    "sessions, right is 0.126 (Gaussian) to 0.17 (fat tails). Q: mean of z^2 - ln z^2, right is 2.2 to 2.27.",
    "Kupiec: number of losses beyond value at risk, one session ahead; Christoffersen: number and independence. "
    "G: Gaussian quantile, H: quantile of the last 1,260 earlier z (from the 250th on).",
    "Several sessions ahead, p-values of the days of renewal are combined (twice the median). [2]: the test at 5% "
    "rejects 2% of right forecasts; without a number it rejects 3.5% to 6.5% (docs/evaluation.md).",
)
YEARS = "Percent by which each model's loss is below the benchmark's, by calendar year of the origins."
DECILES = "Realised over forecast volatility, from the lowest tenth of forecasts to the highest; 1 is right."
Columns = dict[Any, tuple[Any, Format]]


def write_evaluation(
    evaluation: VolatilityEvaluation, portfolios: Mapping[str, PortfolioForecasts], out: str | os.PathLike[str]
) -> Path:
    """Write ``evaluation.html``, ``.json`` and ``.txt``, and ``plots/*.png``; return the path of the page.

    Each write is atomic; the page refers to no other file and no network address.
    """
    from volplugin.report import evaluation_plots
    from volplugin.report.page import Plot, write_page

    book = compare_portfolio_forecasts(portfolios).to_json(orient="index")
    numbers = json.dumps({"volatility": evaluation.as_dict(), "book": json.loads(book)}, indent=2, allow_nan=False)
    page = evaluation_page(evaluation, portfolios)
    write_files(out, {"evaluation.txt": f"{page.text()}\n".encode(), "evaluation.json": f"{numbers}\n".encode()})
    plots: dict[str, Plot] = {"reductions": partial(evaluation_plots.plot_reductions, evaluation.scores)}
    for horizon in evaluation.scores.horizons:
        plots[f"years_{horizon}"] = partial(evaluation_plots.plot_years, evaluation, horizon=horizon)
        plots[f"deciles_{horizon}"] = partial(evaluation_plots.plot_deciles, evaluation, horizon=horizon)
    return write_page(page, plots, Path(out) / "evaluation.html")


def evaluation_page(evaluated: VolatilityEvaluation, portfolios: Mapping[str, PortfolioForecasts]) -> Page:
    """Return the words and tables of an evaluation; the best model first, then the evidence."""
    found, horizons = answers(evaluated), evaluated.scores.horizons
    first, last = (evaluated.scores.losses.index[end].date() for end in (0, -1))
    best = {one.value: [other.label.split()[0] for other in found if other.value == one.value] for one in found}
    parts = "; ".join(f"{name} at {', '.join(days)}" for name, days in best.items())
    everywhere = len(best) == 1 and len(found) > 1
    unit = "session" if horizons == [1] else "sessions"
    caption = "Percent by which each model's loss is below the benchmark's; more is better."
    by_horizon = (
        Section(
            ahead(horizon),
            [scores_table(evaluated, horizon)],
            figures={f"years_{horizon}": YEARS, f"deciles_{horizon}": DECILES},
            id=f"h{horizon}",
        )
        for horizon in horizons
    )
    more = [Section(title, [made(evaluated, horizon) for horizon in horizons]) for title, made in SECTIONS.items()]
    legend = Section("How to read the tables", points=notes(evaluated))
    return Page(
        f"Lowest loss: {f'{next(iter(best))} at every horizon' if everywhere else f'{parts} {unit} ahead'}",
        f"{', '.join(map(str, evaluated.scores.models))}; {first} to {last}, every session an origin, all models on "
        "the same stock-days",
        ["QLIKE against squared returns, lower is better. Models with parameters are refitted at each year's end."],
        found,
        [
            Section("All models", figures={"reductions": caption}, id="models"),
            *by_horizon,
            Section("Equal-weight portfolio", [tables.portfolios(portfolios)], id="portfolio"),
            Section("All tables", folds=[*more, legend], id="tables"),
        ],
        title="Volatility forecasts compared",
    )


def evaluation_text(evaluated: VolatilityEvaluation, portfolios: Mapping[str, PortfolioForecasts] | None = None) -> str:
    """Lay the whole evaluation out as plain text: of volatility forecasts, and of portfolios if given."""
    return evaluation_page(evaluated, portfolios or {}).text()


def notes(evaluated: VolatilityEvaluation) -> list[str]:
    """Explain the columns, and list the stress periods."""
    periods = evaluated.scores.as_dict()["stress_periods"].items()
    stress = "Stress: " + "; ".join(f"{name}, {begin} to {end}" for name, (begin, end) in periods) + "."
    return [*LEGEND, *([stress] if periods else [])]


def answers(evaluated: VolatilityEvaluation) -> list[Answer]:
    """Return, for each horizon, the best model, its lead, and the models that may be as good."""
    return [best_model(evaluated.scores, horizon) for horizon in evaluated.scores.horizons]


def scores_table(evaluated: VolatilityEvaluation, horizon: int) -> Table:
    """Tabulate the losses of each model and of its components."""
    parts = evaluated.components
    return tables.scores(evaluated.scores, horizon, None if parts.empty else parts.loc[horizon])


def tests_table(evaluated: VolatilityEvaluation, horizon: int) -> Table:
    """Tabulate tests of whether a model is right over all stock-days."""
    rows = evaluated.scores.table.loc[horizon]
    regression, level = "Mincer-Zarnowitz", "y/f, right is 1"
    known: Columns = {
        (regression, "const/mean"): (rows["mz_intercept"] / rows["mean_forecast"], "+.2f"),
        (regression, "slope"): ("mz_slope", ".2f"),
        (regression, sized("p (0, 1)", regression, horizon)): ("mz_pvalue", pvalue),
        (level, "mean"): ("level_ratio", ".3f"),
        (level, "t"): ("level_t", ".1f"),
    }
    return tabulate(rows, known, ahead(horizon))


def stocks_table(evaluated: VolatilityEvaluation, horizon: int) -> Table | None:
    """Tabulate the calibration of single stocks: medians, and the share of stocks that each test rejects."""
    rows = evaluated.stocks.loc[horizon]
    if not rows["series"].gt(0).any():
        return None
    known = columns("bias bias .3f | MRAD mrad .3f | Q q .2f")
    middle: Columns = {("median stock", name): given for name, given in known.items()}
    tests = {("% rejecting", head): test.removesuffix("_pvalue") for head, test in _levels(horizon).items()}
    rejected = {head: (100 * rows[test], ".0f") for head, test in (tests | _tails(horizon)).items()}
    title = f"{ahead(horizon)}: {int(rows['series'].iloc[0])} stocks; % of them that reject at 5%"
    return tabulate(rows, middle | rejected, title)


def portfolio_table(evaluated: VolatilityEvaluation, horizon: int) -> Table | None:
    """Tabulate the calibration of the equal-weight portfolio: statistics and p-values."""
    if evaluated.portfolio.empty or not evaluated.portfolio.loc[horizon]["bias"].notna().any():
        return None
    rows = evaluated.portfolio.loc[horizon]
    known: Columns = columns("QLIKE qlike .4f | bias bias .3f | MRAD mrad .3f | Q q .2f")
    tests = {("p of", title): test for title, test in _levels(horizon).items()} | _tails(horizon)
    first, sentences = str(rows.index[0]), []
    low, high = rows.loc[first, ["bias_lower", "bias_upper"]]
    title = f"{ahead(horizon)}: bias is right within {low:.3f} to {high:.3f} (95%, {first}); p-values"
    if len(rows) > 1:
        below = rows.loc[rows["qlike"] < rows.loc[first, "qlike"], f"dm_{first}"]
        rivals = ", ".join(f"{name} (t {show(t, '.1f')})" for name, t in below.items())
        sentences.append(f"QLIKE below {first}'s: {rivals or 'none'}")
    outside = rows.index[(rows["bias"] < rows["bias_lower"]) | (rows["bias"] > rows["bias_upper"])]
    sentences.append(f"bias outside the model's own band: {', '.join(map(str, outside)) or 'none'}")
    return tabulate(rows, known | {head: (test, pvalue) for head, test in tests.items()}, title, "\n".join(sentences))


def _levels(horizon: int) -> dict[str, str]:
    """Columns of the p-values of level and Mincer-Zarnowitz tests, by title."""
    level = sized("level", "level, and band of the bias", horizon)
    return {level: "level_pvalue", sized("MZ", "Mincer-Zarnowitz", horizon): "mz_pvalue"}


def _tails(horizon: int) -> dict[Any, str]:
    """Kupiec's and Christoffersen's columns, for both quantiles at both tails."""
    found = {}
    for test, method, tail in product(("Kupiec", "Christoffersen"), METHODS, TAILS) if horizon == 1 else ():
        kind = " of historical limits" if method == "historical" else ""
        head = sized(f"{method[0].upper()} {tail:.0%}", test + kind, tail)
        found[test, head] = tail_name(test.lower(), method, tail)
    return found


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
    texts = pd.concat([rows.map(show, form=".3f"), gains.map(show, form="+.1f")]).rename(columns=str)
    return Table(texts.rename_axis(index=None, columns=None), title)


stress_table = partial(years_table, parts="by_stress")
"""Tabulate the losses of the origins of each stress period."""


def components_table(evaluated: VolatilityEvaluation, horizon: int) -> Table | None:
    """Tabulate components against the whole; the note has the spread of the seeds."""
    if evaluated.components.empty:
        return None
    known: Columns = columns("QLIKE qlike .4f | on range qlike_range .4f")
    known["against the whole", "lower by (%)"] = ("below_model", "+.2f")
    known["against the whole", "t"] = ("dm_model", ".1f")
    seeds = () if evaluated.seeds.empty else evaluated.seeds.loc[horizon].iterrows()
    sentences = [
        f"{model}: QLIKE of {int(row['seeds'])} seeds from {row['min']:.4f} to {row['max']:.4f}, "
        f"a range of {row['range']:.4f} and a standard deviation of {show(row['std'], '.4f')}"
        for model, row in seeds
    ]
    return tabulate(evaluated.components.loc[horizon], known, ahead(horizon), "\n".join(sentences))


SECTIONS: dict[str, Callable[[VolatilityEvaluation, int], Table | None]] = {
    "Tests: is it right": tests_table,
    "Calibration, stock by stock": stocks_table,
    "Calibration of the equal-weight portfolio: volatilities of each model, one correlation": portfolio_table,
    "Years of origins": years_table,
    "Stress periods, by origin": stress_table,
    "Components: each seed alone against the whole": components_table,
}
