"""Judging forecasts, as the commands do it: forecasts are made or found again, then scored."""

from volplugin.judging.books import BookForecasts, book_models, forecast_books, judge_books
from volplugin.judging.volatility import (
    HORIZONS,
    JUDGED,
    VolatilityForecasts,
    forecast_volatility,
    judge_volatility,
    known_before,
    model_names,
)

__all__ = [
    "HORIZONS",
    "JUDGED",
    "BookForecasts",
    "VolatilityForecasts",
    "book_models",
    "forecast_books",
    "forecast_volatility",
    "judge_books",
    "judge_volatility",
    "known_before",
    "model_names",
]
