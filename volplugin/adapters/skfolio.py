"""Covariance estimator and prior for skfolio, from a risk model of this package.

    panel = read_bundle("dow30")
    forecast = ForecastCovariance(default_risk_model("models"), panel, view="structure")
    MeanRisk(prior_estimator=ForecastPrior(forecast)).fit(returns.loc[:"2015-06-30"])

skfolio passes returns to an estimator, but a risk model needs prices: the estimator holds the panel, and `asof` is the
last date of the returns. It reads only dates and assets of the returns; a forecast uses prices through `asof`.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from skfolio.moments import BaseCovariance, BaseMu, EmpiricalMu
from skfolio.prior import BasePrior, ReturnDistribution
from sklearn.base import clone

from volplugin.data.panel import PricePanel, as_moment
from volplugin.errors import InsufficientHistoryError, LookAheadError, ParameterError, require_type
from volplugin.risk.covariance import CovarianceForecast
from volplugin.risk.model import RiskModel
from volplugin.units import as_number

__all__ = ["ForecastCovariance", "ForecastPrior"]


class ForecastCovariance(BaseCovariance):
    """Forecast covariance of the sessions after the last date of `X`.

    Parameters
    ----------
    model : RiskModel
        Fitted, or with vintages. `fit` does not train it; clones of the estimator share it.
    panel : PricePanel
        Prices through the last date of any `X`; clones share it.
    horizon : int, default 21
        Sessions that the forecast covers.
    view : {"structure", "risk"}, default "structure"
        "structure" for optimisers, "risk" for total risk.
    periods : float, default 1
        Sessions per row of `X`, such as 5 for weekly returns; multiplies the *daily* covariance.
    assume_centered, nearest, higham, higham_max_iteration
        Parameters of every skfolio covariance estimator; the forecast has zero mean and needs no repair.

    Attributes
    ----------
    covariance_ : ndarray of shape (n_assets, n_assets)
        Covariance of the columns of `X`; NaN for assets without a forecast, which skfolio excludes from portfolios.
    forecast_ : CovarianceForecast
        Forecast of the other assets; ``diagnostics["excluded"]`` has the reasons of exclusion.
    location_ : ndarray of shape (n_assets,)
        Zeros.

    Notes
    -----
    skfolio uses simple returns, the volatility models log returns: the daily difference is of the order of the
    variance, and is ignored.
    """

    def __init__(
        self,
        model: RiskModel,
        panel: PricePanel,
        horizon: int = 21,
        view: str = "structure",
        periods: float = 1,
        assume_centered: bool = True,
        nearest: bool = True,
        higham: bool = False,
        higham_max_iteration: int = 100,
    ) -> None:
        super().__init__(assume_centered, nearest, higham, higham_max_iteration)
        self.model = model
        self.panel = panel
        self.horizon = horizon
        self.view = view
        self.periods = periods

    def __sklearn_clone__(self) -> ForecastCovariance:
        """Return an unfitted copy with the same model; cloning the model would discard its fit."""
        return type(self)(**self.get_params(deep=False))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters of the estimator alone, whatever `deep` is: the model is shared."""
        return super().get_params(deep=False)

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Forecast from the latest date of `X`.

        Parameters
        ----------
        X : DataFrame of shape (n_observations, n_assets)
            Returns with dates as index, in any order, and the panel's names as columns.
        y : ignored

        Raises
        ------
        ParameterError
            If `X` has no dates, or one twice.
        AssetMismatchError
            For assets that the panel does not have.
        LookAheadError
            If the panel ends before the last date of `X`.
        """
        require_type(self.panel, PricePanel, "panel")
        self._sessions = require_type(self.model, RiskModel, "model").backtest_forecaster()
        return self._forecast(X)

    def partial_fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Forecast from the latest date of `X`, the rows since the last call; faster than `fit`, same result."""
        if not hasattr(self, "_sessions"):
            return self.fit(X)
        return self._forecast(X)

    def _forecast(self, X: pd.DataFrame) -> Self:
        known = self._known(X)
        self.forecast_: CovarianceForecast = self._sessions.forecast(known, self.horizon, self.view)
        sigma = self.forecast_.covariance.reindex(index=X.columns, columns=X.columns).to_numpy(copy=True)
        self.feature_names_in_ = np.asarray(X.columns, dtype=object)
        self.n_features_in_ = len(X.columns)
        self.location_ = np.zeros(self.n_features_in_)
        self._set_covariance(self.periods * sigma)
        return self

    def _known(self, X: pd.DataFrame) -> PricePanel:
        """Return the prices of the assets of `X` through its latest date."""
        if not (isinstance(X, pd.DataFrame) and isinstance(X.index, pd.DatetimeIndex) and len(X)):
            raise ParameterError(
                "the returns have no dates; pass a DataFrame with a DatetimeIndex and assets as columns"
            )
        if not 0 < as_number(self.periods) < np.inf:
            raise ParameterError(f"periods is {self.periods}; pass the number of sessions per row of returns")
        odd = X.index[X.index.isna() | X.index.duplicated()]
        if len(odd):
            raise ParameterError(
                f"the returns have two rows of {odd[0]}, or rows without a date; pass one row per session"
            )
        asof = as_moment(X.index.max())
        if asof > self.panel.last_session:
            raise LookAheadError(
                f"the returns reach {asof.date()}, the panel ends on {self.panel.last_session.date()}; "
                "pass a panel with prices through the last date of the returns"
            )
        return self.panel.asof(asof).select(X.columns)


class ForecastPrior(BasePrior):
    """Prior with the forecast covariance and with scenarios that have this covariance.

    skfolio computes tail risk from scenarios, by default from past returns. Here past returns are transformed to the
    forecast covariance: the tails come from the past, scale and correlations from the forecast.

    Parameters
    ----------
    covariance_estimator : ForecastCovariance or BaseCovariance
    mu_estimator : BaseMu, optional
        Expected returns, default `EmpiricalMu` (past means).
    recolour : bool, default True
        Transform the scenarios to the forecast covariance; if False, use past returns.

    Attributes
    ----------
    return_distribution_ : ReturnDistribution

    Notes
    -----
    With S the covariance of the past returns about their mean m, Sigma the forecast, and Cholesky factors L, the
    scenarios are ``mu + L(Sigma) inv(L(S)) (r - m)``. Rows with a missing return are dropped.
    """

    def __init__(
        self, covariance_estimator: BaseCovariance, mu_estimator: BaseMu | None = None, recolour: bool = True
    ) -> None:
        self.covariance_estimator = covariance_estimator
        self.mu_estimator = mu_estimator
        self.recolour = recolour

    def fit(self, X: pd.DataFrame, y: Any = None, **fit_params: Any) -> Self:
        """Fit both estimators and compute the scenarios.

        Parameters
        ----------
        X : DataFrame of shape (n_observations, n_assets)
            Daily simple returns, as in `ForecastCovariance.fit`.

        Raises
        ------
        InsufficientHistoryError
            If `X` has at most as many complete rows as assets.
        """
        self.covariance_estimator_ = clone(self.covariance_estimator).fit(X)
        self.mu_estimator_ = (EmpiricalMu() if self.mu_estimator is None else clone(self.mu_estimator)).fit(X)
        mu, sigma = self.mu_estimator_.mu_, self.covariance_estimator_.covariance_
        known = np.isfinite(mu) & np.isfinite(np.diagonal(sigma))
        values = np.asarray(X, dtype=float)
        past = values[np.isfinite(values[:, known]).all(axis=1)]
        scenarios = np.full_like(past, np.nan)
        scenarios[:, known] = past[:, known]
        if self.recolour:
            scenarios[:, known] = mu[known] + _recoloured(past[:, known], sigma[np.ix_(known, known)])
        self.feature_names_in_ = self.covariance_estimator_.feature_names_in_
        self.n_features_in_ = len(known)
        self.return_distribution_ = ReturnDistribution(mu=mu, covariance=sigma, returns=scenarios)
        return self


def _recoloured(past: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Transform past returns, less their mean, to covariance `sigma`."""
    rows, assets = past.shape
    if rows <= assets:
        raise InsufficientHistoryError(
            f"{rows} complete rows of returns are too few to recolour {assets} assets; pass {assets + 1} or more, "
            "or recolour=False"
        )
    centred = past - past.mean(axis=0)
    # Whiten with the Cholesky factor of the sample covariance, then colour with the factor of the forecast.
    own = np.linalg.cholesky(centred.T @ centred / (rows - 1))
    return np.linalg.solve(own, centred.T).T @ np.linalg.cholesky(sigma).T
