"""The report's sentences, built from its numbers."""

from volplugin.report.words.chapters import book, comparisons, models, odds, sources, stocks
from volplugin.report.words.head import Answer, Tile, answers, headline, notes, tiles

__all__ = [
    "Answer",
    "Tile",
    "answers",
    "book",
    "comparisons",
    "headline",
    "models",
    "notes",
    "odds",
    "sources",
    "stocks",
    "tiles",
]
