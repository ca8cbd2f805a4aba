"""Write a study as one self-contained page, with its numbers and plots beside it."""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from volplugin.files import write_atomically
from volplugin.report.drawing import Picture
from volplugin.report.page import Points, Section, render, write_page
from volplugin.report.study import words
from volplugin.report.study.plots import plot_average_correlation, plot_true_predicted
from volplugin.report.study.result import CAUSAL, SEED, StudyResult

HEADLINE = "The seed design, as described and judged"


def write_study(result: StudyResult, out_dir: str | os.PathLike[str]) -> Path:
    """Write ``study.html``, ``study.json``, ``predictions.csv`` and ``plots/*.png``, each whole or not at all.

    Returns
    -------
    Path
        Of the page, which needs no other file and no network.
    """
    folder = Path(out_dir)
    chapters = sections(result)
    write_atomically(folder / "study.json", (json.dumps(as_dict(result), indent=2) + "\n").encode())
    write_atomically(folder / "predictions.csv", predictions(result).to_csv(index=False).encode())
    page = render(
        title=HEADLINE,
        eyebrow="",
        headline=HEADLINE,
        lede=[*(f"{fact[0].upper()}{fact[1:]}." for fact in result.facts), words.stocks_sentence(result)],
        answers=(),
        tiles=(),
        sections=chapters,
    )
    return write_page(page, chapters, folder / "study.html")


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


def sections(result: StudyResult) -> list[Section]:
    """Return the sections of a study's page: one a book, then correlation and caveats."""
    settings = ", ".join(f"{name} {value}" for name, value in result.settings.items())
    correlation = Picture(
        "average_correlation",
        partial(plot_average_correlation, result),
        "The line of the whole sample is made with the returns after each date too, which nobody had then.",
        "Plot of the average correlation of the whole sample, and of what was known of it at each date",
    )
    caveats = [*words.caveats(result), f"Causal model: {result.model}. Settings of the seed: {settings}."]
    return [
        *(_chapter(result, number, name) for number, name in enumerate(result.books, 1)),
        Section("correlation", "What the correlation was taken for", parts=[correlation]),
        Section("believing", "What to know before believing it", parts=[Points(caveats)]),
    ]


def _chapter(result: StudyResult, number: int, name: str) -> Section:
    book = result.books[name]
    pictures = []
    for kind, model, which in (("seed", SEED, "The seed, as described"), ("causal", CAUSAL, "The causal model")):
        title = f"{which}: true and predicted volatility, {name}"
        caption = (
            f"Both lines at the origin: what was predicted there for the {result.horizon} sessions after it, and what "
            "they brought."
        )
        plot = partial(plot_true_predicted, book, model, title=title)
        pictures.append(Picture(f"book{number}_{kind}", plot, caption, f"Plot. {title}. {caption}"))
    table = words.scores(book, f"{result.horizon} sessions ahead", result.horizon)
    said = words.sentences(book, result.horizon)
    return Section(f"book{number}", name[:1].upper() + name[1:], said, [*pictures, table])
