"""Write a study as one self-contained page, with its numbers and plots beside it."""

from __future__ import annotations

import base64
import io
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.axes import Axes

from volplugin.files import write_atomically
from volplugin.report.plots.axes import NARROW, WIDE, new_figure
from volplugin.report.study import words
from volplugin.report.study.plots import plot_average_correlation, plot_true_predicted
from volplugin.report.study.result import CAUSAL, SEED, BookStudy, StudyResult
from volplugin.report.tables import Table
from volplugin.report.theme import DARK, LIGHT, Theme, style

Plot = Callable[..., Axes]


@dataclass(frozen=True)
class Chapter:
    """One book on the page."""

    title: str
    sentences: list[str]
    pictures: dict[str, Plot]
    table: Table


def write_study(result: StudyResult, out_dir: str | os.PathLike[str]) -> Path:
    """Write ``study.html``, ``study.json``, ``predictions.csv`` and ``plots/*.png``, each whole or not at all.

    Returns
    -------
    Path
        Of the page, which needs no other file and no network.
    """
    folder = Path(out_dir)
    chapters = [_chapter(result, number, name) for number, name in enumerate(result.books)]
    correlation = partial(plot_average_correlation, result)
    pictures = {name: plot for chapter in chapters for name, plot in chapter.pictures.items()}
    for name, plot in (pictures | {"average_correlation": correlation}).items():
        write_atomically(folder / "plots" / f"{name}.png", _draw(plot, LIGHT, WIDE, "png"))
    write_atomically(folder / "study.json", (json.dumps(as_dict(result), indent=2) + "\n").encode())
    write_atomically(folder / "predictions.csv", predictions(result).to_csv(index=False).encode())
    page = (
        _environment()
        .get_template("study.html.j2")
        .render(
            result=result,
            chapters=chapters,
            correlation=correlation,
            stocks=words.stocks_sentence(result),
            caveats=words.caveats(result),
            light=LIGHT,
            dark=DARK,
        )
    )
    return write_atomically(folder / "study.html", page.encode())


def as_dict(result: StudyResult) -> dict[str, Any]:
    """Return every number of a study but the daily ones as plain JSON values."""

    def plain(frame: pd.DataFrame) -> dict[str, Any]:
        return json.loads(frame.to_json(orient="index"))

    books = {
        name: {
            "weights": {str(asset): float(weight) for asset, weight in book.weights.items()},
            "scores": plain(book.table),
            "says": words.sentences(book, result.horizon),
        }
        for name, book in result.books.items()
    }
    return {
        "settings": dict(result.settings),
        "causal_model": result.model,
        "sample": list(result.facts),
        "forecasts_raised": result.raised,
        "books": books,
        "stocks": plain(result.stocks),
        "caveats": words.caveats(result),
        "versions": dict(result.versions),
    }


def predictions(result: StudyResult) -> pd.DataFrame:
    """Daily volatilities in long form: book, origin, what came true, and one column a model."""
    parts = [
        pd.concat([book.true, book.predicted], axis=1).rename_axis("origin").reset_index().assign(book=name)
        for name, book in result.books.items()
    ]
    table = pd.concat(parts)
    return table[["book", *table.columns.drop("book")]]


def _chapter(result: StudyResult, number: int, name: str) -> Chapter:
    book = result.books[name]
    pictures = {
        f"book{number + 1}_{kind}": _true_predicted(book, model, f"{title}: true and predicted volatility, {name}")
        for kind, model, title in (
            ("seed", SEED, "The seed, as described"),
            ("causal", CAUSAL, "The causal model"),
        )
    }
    return Chapter(
        title=name[:1].upper() + name[1:],
        sentences=words.sentences(book, result.horizon),
        pictures=pictures,
        table=words.scores(book, f"{result.horizon} sessions ahead", result.horizon),
    )


def _true_predicted(book: BookStudy, model: str, title: str) -> Plot:
    return partial(plot_true_predicted, book, model, title=title)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("volplugin.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["drawn"] = _data_url
    return environment


def _data_url(plot: Plot, theme: Theme, narrow: bool = False) -> str:
    svg = _draw(plot, theme, NARROW if narrow else WIDE, "svg")
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"


def _draw(plot: Plot, theme: Theme, size: tuple[float, float], kind: str) -> bytes:
    """Draw one plot as a file of some kind, in the page's own style whatever the caller's is."""
    with matplotlib.rc_context(style()):
        figure = new_figure(size)
        plot(ax=figure.add_subplot(), theme=theme)
        buffer = io.BytesIO()
        figure.savefig(buffer, format=kind, metadata={"Date": None} if kind == "svg" else None)
    return buffer.getvalue()
