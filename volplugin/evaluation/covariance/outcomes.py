"""Outcomes of each forecast covariance: one row per origin, so that any mean over origins is one matrix product."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from volplugin.errors import ParameterError
from volplugin.evaluation.constants import MONTH_SESSIONS
from volplugin.evaluation.covariance.sample import EvaluationSample
from volplugin.evaluation.covariance.test_portfolios import TestPortfolios
from volplugin.evaluation.forecasts import by_phase
from volplugin.evaluation.losses import qlike
from volplugin.units import TRADING_DAYS, annualize


def rolling_deviation(score: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distances from one of the standard deviation of windows of 21 sessions: sums by origin, and their number.

    Forecasts renewed every `horizon` sessions make one series per phase; a window belongs to the origin that
    covers its first day. Windows that are not complete, as at a gap between origins, are left out.

    Parameters
    ----------
    score : ndarray of shape (n_origins, horizon, n_portfolios)
        Daily returns over the volatility forecast at the origin.
    places : ndarray of int, shape (n_origins,)
        Number of each origin's session, increasing.

    References
    ----------
    Menchero, Orr and Wang (2011), The Barra US Equity Model (USE4), Methodology Notes.
    """
    origins, _, portfolios = score.shape
    deviation, count = np.zeros((origins, portfolios)), np.zeros((origins, portfolios))
    for rows, days, series in by_phase(score, places):
        distance = np.abs(_window_std(series) - 1)[days]
        deviation[rows] = np.nansum(distance, axis=1)
        count[rows] = np.isfinite(distance).sum(axis=1)
    return deviation, count


def _window_std(series: np.ndarray) -> np.ndarray:
    """Sample standard deviation of the 21 rows from each row on; NaN where one is missing or beyond the end."""
    return pd.DataFrame(series).rolling(MONTH_SESSIONS).std().shift(1 - MONTH_SESSIONS).to_numpy()


BLOCK = 256
"""Origins computed at once."""

Columns = dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class CovarianceOutcomes:
    """Means of one model over the days that each forecast covers, by origin.

    Attributes
    ----------
    columns : dict of str to ndarray of shape (n_origins, n)
        Of the whole covariance (n = 1), or of the portfolios (n = n_portfolios).
    families : Index of shape (n_portfolios,)
    periods : float
        Sessions per year, for annual figures.
    """

    columns: Columns
    families: pd.Index
    periods: float = TRADING_DAYS

    def measures(self, weights: np.ndarray) -> pd.DataFrame:
        """Measures under some weightings of the origins.

        Parameters
        ----------
        weights : ndarray of shape (n_weightings, n_origins)
            Rows that sum to one: equal weights for the whole, for a year, or the counts of a bootstrap sample.

        Returns
        -------
        DataFrame of shape (n_weightings, n_measures), columns (measure, book)
            Of the whole covariance (book ``""``): ``log_likelihood`` (mean Gaussian log density of the day's
            returns, in nats), ``log_likelihood_asset`` (the same an asset-day), ``mahalanobis`` (mean
            ``r' inv(Sigma) r / n``), ``mahalanobis_std`` (its standard deviation over days). Of each family, means
            over its portfolios: ``qlike``, ``bias`` (standard deviation of the daily returns over the
            forecast), ``mrad``, ``predicted`` and ``volatility`` (*annual* root mean square of the forecasts,
            standard deviation of the daily returns).
        """
        mean = {name: weights @ values for name, values in self.columns.items()}
        with np.errstate(invalid="ignore", divide="ignore"):
            mrad = mean["deviation"] / mean["windows"]
        portfolios = {
            "qlike": mean["qlike"],
            "bias": _deviation(mean["score"], mean["score_squared"]),
            "mrad": mrad,
            "predicted": annualize(np.sqrt(mean["variance"]), self.periods),
            "volatility": annualize(_deviation(mean["return"], mean["return_squared"]), self.periods),
        }
        found: dict[tuple[str, str], np.ndarray] = {
            ("log_likelihood", ""): mean["log_likelihood"][:, 0],
            ("log_likelihood_asset", ""): mean["log_likelihood"][:, 0] / mean["assets"][:, 0],
            ("mahalanobis", ""): mean["distance"][:, 0],
            ("mahalanobis_std", ""): _deviation(mean["distance"], mean["distance_squared"])[:, 0],
        }
        for family in self.families.unique():
            own = self.families == family
            found |= {(measure, family): values[:, own].mean(axis=1) for measure, values in portfolios.items()}
        return pd.DataFrame(found).rename_axis(columns=["measure", "book"])

    def biases(self) -> pd.Series:
        """Bias statistic of each portfolio over all origins, by family."""
        mean, squares = (self.columns[name].mean(axis=0) for name in ("score", "score_squared"))
        return pd.Series(_deviation(mean, squares), index=self.families, name="bias")


def outcomes(covariance: np.ndarray, sample: EvaluationSample, portfolios: TestPortfolios) -> CovarianceOutcomes:
    """Compare a model's covariances with the returns that followed.

    Parameters
    ----------
    covariance : ndarray of shape (n_origins, n_assets, n_assets)
        Daily; entries of assets that are left out are not read.
    sample : EvaluationSample
    portfolios : TestPortfolios
        Their weights at the origin are restored every session.

    Raises
    ------
    ParameterError
        Naming the origin of a covariance that is not positive definite.
    """
    parts, scores = [], []
    for begin in range(0, len(covariance), BLOCK):
        rows = slice(begin, begin + BLOCK)
        part, score = _block(covariance[rows], sample, portfolios, rows)
        parts.append(part)
        scores.append(score)
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    columns["deviation"], columns["windows"] = rolling_deviation(np.concatenate(scores), sample.places)
    return CovarianceOutcomes(columns, portfolios.families, sample.periods)


def _block(
    covariance: np.ndarray, sample: EvaluationSample, portfolios: TestPortfolios, rows: slice
) -> tuple[Columns, np.ndarray]:
    """Columns of some origins, and their portfolios' standardised daily returns."""
    here, returns = sample.here[rows], sample.returns[rows]
    sigma = _whole(covariance, here)
    density = _density(sigma, returns, here, sample.origins[rows])
    weights = portfolios.weights(sigma, here)
    variance = ((weights @ sigma) * weights).sum(axis=2)
    earned = returns @ weights.transpose(0, 2, 1)
    score = earned / np.sqrt(variance)[:, None, :]
    squared = (earned**2).mean(axis=1)
    return density | {
        "qlike": qlike(squared, variance),
        "return": earned.mean(axis=1),
        "return_squared": squared,
        "score": score.mean(axis=1),
        "score_squared": (score**2).mean(axis=1),
        "variance": variance,
    }, score


def _density(sigma: np.ndarray, returns: np.ndarray, here: np.ndarray, origins: pd.DatetimeIndex) -> Columns:
    """Gaussian log density and squared distance an asset of each day's returns, means over the horizon."""
    try:
        root = np.linalg.cholesky(sigma)
    except np.linalg.LinAlgError as error:
        worst = int(np.linalg.eigvalsh(sigma)[:, 0].argmin())
        raise ParameterError(
            f"the covariance of {origins[worst].date()} is not positive definite, so that returns have no density "
            "under it; shrink it, or evaluate fewer assets"
        ) from error
    count = here.sum(axis=1, keepdims=True).astype(float)
    distance = (np.linalg.solve(root, returns.transpose(0, 2, 1)) ** 2).sum(axis=1)
    log_determinant = 2 * np.log(np.diagonal(root, axis1=1, axis2=2)).sum(axis=1, keepdims=True)
    density = -0.5 * (count * np.log(2 * np.pi) + log_determinant + distance)
    ratio = distance / count
    return {
        "assets": count,
        "log_likelihood": density.mean(axis=1, keepdims=True),
        "distance": ratio.mean(axis=1, keepdims=True),
        "distance_squared": (ratio**2).mean(axis=1, keepdims=True),
    }


def _whole(covariance: np.ndarray, here: np.ndarray) -> np.ndarray:
    """Covariances in which absent assets have a one on the diagonal and zeros elsewhere."""
    filled = np.where(here[:, :, None] & here[:, None, :], covariance, 0.0)
    diagonal = np.arange(here.shape[1])
    filled[:, diagonal, diagonal] = np.where(here, filled[:, diagonal, diagonal], 1.0)
    return filled


def _deviation(mean: np.ndarray, mean_of_squares: np.ndarray) -> np.ndarray:
    return np.sqrt(np.maximum(mean_of_squares - mean**2, 0.0))
