"""The page's sections: a question each, an answer in words, pictures and tables, and what had to be left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from volplugin.report import tables, words
from volplugin.report.drawing import Picture
from volplugin.report.page import Pair, Part, Points, Section
from volplugin.report.pictures import Missing, picture
from volplugin.report.result import BacktestResult
from volplugin.report.tables import Table


def sections(result: BacktestResult) -> list[Section]:
    """Return the sections of a backtest's page, in order."""

    def drawn(*names: str) -> list[Given]:
        return [picture(result, name) for name in names]

    aim = "Was the target held?" if result.target is not None else "How much was held?"
    return [
        _section(
            "risk", "Was risk predicted?", words.years(result),
            [*drawn("predicted_realized", "calibration"), [tables.runs(result), tables.years(result)]],
        ),
        _section(
            "odds", "Were the odds right?", words.odds(result),
            [*drawn("exceedances"), [*drawn("pit"), tables.exceedances(result)]],
        ),
        _section("target", aim, words.book(result), drawn("target", "leverage", "turnover")),
        _section(
            "sources", "Where did the risk come from?", words.sources(result),
            [*drawn("risk_contributions", "contribution_dates"), _correlations(result)],
        ),
        _section("stress", "What happened under stress?", (), [*drawn("stress"), tables.stress(result)]),
        _section(
            "stocks", "Which stocks were hardest to forecast?", words.stocks(result),
            [*drawn("stock_errors"), tables.stocks(result)],
        ),
        _section(
            "models", "Which model forecasts best?", words.models(result),
            [
                *drawn("forecast_scores"), tables.models(result), tables.model_stress(result),
                *drawn("book_forecast"), tables.books(result),
            ],
        ),
        Section("believing", "What to know before believing it", parts=[Points(words.notes(result))]),
        _section("again", "How to run it again", (), [tables.details(result), tables.vintages(result)]),
    ]  # fmt: skip


def _correlations(result: BacktestResult) -> list[Given]:
    """Then and now, side by side."""
    dates = sorted(result.correlations)
    if not dates:
        return [picture(result, "correlation")]
    return [picture(result, "correlation", date=date) for date in dict.fromkeys((dates[0], dates[-1]))]


Given: TypeAlias = Picture | Table | Missing | None


def _section(id_: str, title: str, said: Sequence[str], given: Iterable[Given | list[Given]]) -> Section:
    """Section of what there is, with a line on each part that is missing."""
    parts: list[Part] = []
    missing: list[str] = []
    for one in given:
        found = [part for part in (one if isinstance(one, list) else [one]) if part is not None]
        missing += [f"{part.what}: left out, as {part.why}." for part in found if isinstance(part, Missing)]
        there = [part for part in found if not isinstance(part, Missing) and _rows(part)]
        parts += [Pair(there)] if len(there) > 1 else there
    return Section(id_, title, said, parts, missing)


def _rows(part: Picture | Table) -> bool:
    return isinstance(part, Picture) or bool(part.rows)
