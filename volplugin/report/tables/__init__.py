"""The page's tables: rows of formatted text, without any markup."""

from volplugin.report.tables.models import books, model_stress, models, stocks
from volplugin.report.tables.risk import exceedances, runs, stress, years
from volplugin.report.tables.run import details, vintages
from volplugin.report.tables.table import Table

__all__ = [
    "Table",
    "books",
    "details",
    "exceedances",
    "model_stress",
    "models",
    "runs",
    "stocks",
    "stress",
    "vintages",
    "years",
]
