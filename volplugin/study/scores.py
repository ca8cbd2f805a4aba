"""Judging one book: the evaluation's losses, and beside them the measures that a smooth target flatters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from volplugin.covariance import CovarianceForecast
from volplugin.evaluation import PortfolioForecasts, book_scorecard
from volplugin.report.study.result import LAST, SEED, BookStudy
from volplugin.study.sample import Sample


def judge_book(sample: Sample, book: str, forecasts: Mapping[str, Sequence[CovarianceForecast]]) -> BookStudy:
    """Score the forecasts of a book, and its own last sessions as a forecast, over the test part.

    Parameters
    ----------
    sample : Sample
    book : str
        Name of one of its books.
    forecasts : mapping of model to sequence of CovarianceForecast
        One a test origin.
    """
    returns, weights, horizon = sample.book_returns(book), sample.books[book], sample.settings.horizon
    rolling = returns.rolling(horizon).std()
    predicted = pd.DataFrame(
        {
            model: pd.Series({one.asof: one.portfolio_volatility(weights) for one in path})
            for model, path in forecasts.items()
        }
    )
    predicted[LAST] = rolling[predicted.index]
    true = rolling.shift(-horizon)[predicted.index].rename("true")
    paths = {str(model): PortfolioForecasts(path, returns, horizon) for model, path in predicted.items()}
    table = book_scorecard(paths, benchmark=SEED)
    table = table.rename(columns={f"below_{SEED}": "below_seed", f"dm_{SEED}": "dm_seed"})
    table["correlation"] = predicted.corrwith(true)
    table["r2"] = predicted.apply(r_squared, true=true)
    table["r2_next"] = predicted.apply(r_squared, true=rolling.shift(-1)[predicted.index])
    return BookStudy(weights, true, predicted, table)


def r_squared(predicted: pd.Series, true: pd.Series) -> float:
    """One minus the squared errors over those of the mean, which knows the future: negative where worse than it."""
    return float(1 - ((true - predicted) ** 2).sum() / ((true - true.mean()) ** 2).sum())
