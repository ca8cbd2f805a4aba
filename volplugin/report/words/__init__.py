"""The report's sentences, built from its numbers."""

from volplugin.report.words.chapters import book, models, odds, sources, stocks, years
from volplugin.report.words.head import Answer, Tile, answers, headline, notes, tiles

__all__ = [
    "Answer",
    "Tile",
    "answers",
    "book",
    "headline",
    "models",
    "notes",
    "odds",
    "sources",
    "stocks",
    "tiles",
    "years",
]
