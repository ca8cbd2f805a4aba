"""Forecast covariances by origin, as one frozen array: the input of the evaluation, from any covariance model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from volplugin.errors import AssetMismatchError, InsufficientHistoryError, ParameterError
from volplugin.risk.covariance import CovarianceForecast

Dated = tuple[pd.Timestamp, pd.DataFrame]
"""An origin and the *daily* covariance that was forecast at its close."""


@dataclass(frozen=True, eq=False)
class CovariancePath:
    """Daily covariances by origin.

    Attributes
    ----------
    origins : DatetimeIndex of shape (n_origins,)
        Last completed session that each forecast used; increasing.
    assets : Index of shape (n_assets,)
    matrices : ndarray of shape (n_origins, n_assets, n_assets)
        *Daily* covariance of decimal returns; NaN in the rows and columns of assets without a forecast.

    Raises
    ------
    ParameterError
        For origins that do not increase, and for a matrix that is no covariance, naming its origin.

    Notes
    -----
    All matrices are held at once, 8 bytes an entry: 20 MB for ten years of 30 assets, 6 GB for 500. Pass every fifth
    or twenty-first session of many assets.
    """

    origins: pd.DatetimeIndex
    assets: pd.Index
    matrices: np.ndarray

    def __post_init__(self) -> None:
        if self.matrices.shape != (len(self.origins), len(self.assets), len(self.assets)):
            raise ParameterError(
                f"matrices of shape {self.matrices.shape} for {len(self.origins)} origins and {len(self.assets)} assets"
            )
        if not (self.origins.is_monotonic_increasing and self.origins.is_unique):
            raise ParameterError("the origins of a path do not increase; sort them, each once")
        _check(self.matrices, self.origins)

    @classmethod
    def collect(
        cls, forecasts: Iterable[CovarianceForecast | Dated], assets: Iterable[str] | None = None
    ) -> CovariancePath:
        """Gather a stream of forecasts, such as ``model.forecast_path(panel, sessions, 21)``.

        Parameters
        ----------
        forecasts : iterable of CovarianceForecast, or of (origin, DataFrame)
            By increasing origin; each labelled by asset.
        assets : iterable of str, optional
            Those of the path; by default all that any forecast has, in the order of appearance.

        Raises
        ------
        InsufficientHistoryError
            For an empty stream.
        """
        dated = [_dated(forecast) for forecast in forecasts]
        if not dated:
            raise InsufficientHistoryError("no forecast to evaluate: the stream of covariances is empty")
        names = list(assets) if assets is not None else list(dict.fromkeys(a for _, sigma in dated for a in sigma))
        index = pd.Index(names)
        matrices = np.stack([sigma.reindex(index=index, columns=index).to_numpy(dtype=float) for _, sigma in dated])
        return cls(pd.DatetimeIndex([origin for origin, _ in dated]), index, matrices)

    def aligned(self, origins: pd.DatetimeIndex, assets: pd.Index) -> np.ndarray:
        """Return the matrices of these origins and assets, NaN where the path has none."""
        rows, columns = self.origins.get_indexer(origins), self.assets.get_indexer(assets)
        values = self.matrices[np.ix_(rows, columns, columns)]
        values[rows < 0] = np.nan
        values[:, columns < 0, :] = np.nan
        values[:, :, columns < 0] = np.nan
        return values

    def known(self, origins: pd.DatetimeIndex, assets: pd.Index) -> np.ndarray:
        """Whether there is a forecast, origins x assets."""
        rows, columns = self.origins.get_indexer(origins), self.assets.get_indexer(assets)
        there = np.isfinite(np.diagonal(self.matrices, axis1=1, axis2=2))[np.ix_(rows, columns)]
        return there & (rows >= 0)[:, None] & (columns >= 0)[None, :]


def _dated(forecast: CovarianceForecast | Dated) -> Dated:
    if isinstance(forecast, CovarianceForecast):
        return forecast.asof, forecast.covariance
    origin, sigma = forecast
    if not sigma.index.equals(sigma.columns):
        raise AssetMismatchError(f"the covariance of {origin.date()} has other rows than columns; label both by asset")
    return origin, sigma


def _check(matrices: np.ndarray, origins: pd.DatetimeIndex) -> None:
    """Raise where a matrix is not a covariance of the assets on its diagonal."""
    variance = np.diagonal(matrices, axis1=1, axis2=2)
    here = np.isfinite(variance)
    both = here[:, :, None] & here[:, None, :]
    scale = np.nanmax(np.where(here, np.abs(variance), np.nan), axis=1, initial=0.0)[:, None, None]
    uneven = np.abs(matrices - matrices.transpose(0, 2, 1)) > 1e-9 * scale
    faults = {
        "is missing or infinite between assets that have a variance": (both & ~np.isfinite(matrices)).any((1, 2)),
        "has a variance that is not positive": (here & ~(variance > 0)).any(1),
        "is not symmetric": (both & uneven).any((1, 2)),
    }
    for what, bad in faults.items():
        if bad.any():
            raise ParameterError(f"the covariance of {origins[bad][0].date()} {what}; repair it before the evaluation")
