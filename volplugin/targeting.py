"""From weights to weights that carry a chosen volatility."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from volplugin.covariance import CovarianceForecast, Weights
from volplugin.errors import ParameterError
from volplugin.units import TRADING_DAYS


@dataclass(frozen=True)
class VolatilityTarget:
    """Scale a book so that its forecast volatility is the target.

    The composition stays as asked; only the leverage changes. The result is always finite: a book
    whose forecast volatility is zero is held at the leverage cap.

    Parameters
    ----------
    target : float
        *Annual* volatility in decimals: 0.10 is ten percent a year.
    max_leverage : float, default 1.0
        Largest sum of absolute weights.
    min_leverage : float, default 0.0
        Smallest sum of absolute weights of a nonempty book.
    band : float, default 0.0
        No-trade band around the wanted leverage, as a fraction of it: inside, the leverage held stays;
        outside, it moves to the band's nearer edge (Donohue and Yip 2003).
    feedback : float, default 0.0
        Strength, 0 to 1, of the correction by the track record: the target is divided by
        ``(realised / predicted) ** feedback``.
    feedback_halflife : float, default 42
        Sessions after which a past session counts half in that ratio.
    periods : float, default 252
        Sessions a year.
    """

    target: float
    max_leverage: float = 1.0
    min_leverage: float = 0.0
    band: float = 0.0
    feedback: float = 0.0
    feedback_halflife: float = 42.0
    periods: float = TRADING_DAYS

    def __post_init__(self) -> None:
        if not (np.isfinite(self.target) and self.target > 0):
            raise ParameterError(f"target is {self.target}; it is an annual volatility above zero, such as 0.10")
        if not (np.isfinite(self.max_leverage) and self.max_leverage > 0):
            raise ParameterError(f"max_leverage is {self.max_leverage}; pass a finite number above zero")
        if not 0 <= self.min_leverage <= self.max_leverage:
            raise ParameterError(f"min_leverage is {self.min_leverage}; pass one within 0 and max_leverage")
        if not 0 <= self.band < 1:
            raise ParameterError(f"band is {self.band}; pass a fraction in [0, 1), such as 0.05")
        if not 0 <= self.feedback <= 1:
            raise ParameterError(f"feedback is {self.feedback}; pass a fraction in [0, 1], such as 0.5")
        if not self.feedback_halflife > 0:
            raise ParameterError(f"feedback_halflife is {self.feedback_halflife}; pass a number of sessions above zero")
        if not (np.isfinite(self.periods) and self.periods > 0):
            raise ParameterError(f"periods is {self.periods}; pass the number of sessions in a year, such as 252")

    def scale(
        self,
        weights: Weights,
        forecast: CovarianceForecast,
        current: Weights | None = None,
        track_record: pd.DataFrame | None = None,
    ) -> pd.Series:
        """Return weights of the same composition at the leverage that meets the target.

        Parameters
        ----------
        weights : Series or mapping of asset to weight
            The book wanted, at any leverage.
        forecast : CovarianceForecast
            Its assets must cover every nonzero weight.
        current : Series or mapping, optional
            The book held now; needed for the no-trade band to have an effect.
        track_record : DataFrame with columns ``predicted`` and ``realized``, optional
            Past sessions, oldest first: the book's daily volatility as forecast, and its return.
            Needed for `feedback` to have an effect.

        Returns
        -------
        Series
            Scaled weight by asset, for every asset of `weights`.

        Raises
        ------
        MissingForecastError
            If a nonzero weight stands on an asset without a forecast.
        """
        book = pd.Series(weights, dtype=float)
        forecast.align(book)
        largest = float(book.abs().max()) if len(book) else 0.0
        if largest == 0:
            return book
        # In two steps, as the sum of very large weights is not a number to divide by.
        composition = book / largest
        composition /= composition.abs().sum()
        volatility = forecast.portfolio_volatility(composition, periods=self.periods)
        target = self.target * self._correction(track_record)
        wanted = self._bounded(target / volatility if volatility > 0 else np.inf)
        leverage = self._banded(wanted, current) if current is not None else wanted
        return composition * leverage

    def _correction(self, track_record: pd.DataFrame | None) -> float:
        """Predicted over realised volatility of the recent past, to the power of the feedback."""
        if self.feedback == 0 or track_record is None:
            return 1.0
        missing = {"predicted", "realized"} - set(track_record)
        if missing:
            raise ParameterError(f"the track record has no column {sorted(missing)[0]}; pass predicted and realized")
        past = track_record[["predicted", "realized"]].replace([np.inf, -np.inf], np.nan).dropna()
        age = np.arange(len(past))[::-1]
        weight = 0.5 ** (age / self.feedback_halflife)
        predicted, realized = (float(weight @ past[column].to_numpy() ** 2) for column in past)
        if not (predicted > 0 and realized > 0):
            return 1.0
        return (predicted / realized) ** (self.feedback / 2)

    def _bounded(self, leverage: float) -> float:
        return float(np.clip(leverage, self.min_leverage, self.max_leverage))

    def _banded(self, wanted: float, current: Any) -> float:
        held = float(pd.Series(current, dtype=float).abs().sum())
        return self._bounded(float(np.clip(held, wanted * (1 - self.band), wanted * (1 + self.band))))
