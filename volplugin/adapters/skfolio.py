"""Our forecast inside skfolio: a covariance estimator and a prior, for its optimisers and its evaluations.

    panel = read_bundle("dow30")
    forecast = ForecastCovariance(default_risk_model("models"), panel, view="structure")
    MeanRisk(prior_estimator=ForecastPrior(forecast)).fit(returns.loc[:"2015-06-30"])

skfolio hands an estimator returns, and a risk model needs prices: the estimator is given the panel once, and the last
date of the returns is `asof`. Of the returns it reads the dates and the assets alone, so that each forecast is made
with the prices through `asof` and no later one.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
from skfolio.moments import BaseCovariance, BaseMu, EmpiricalMu
from skfolio.prior import BasePrior, ReturnDistribution
from sklearn.base import clone

from volplugin.data.panel import PricePanel, as_moment
from volplugin.errors import InsufficientHistoryError, LookAheadError, ParameterError
from volplugin.risk.covariance import CovarianceForecast
from volplugin.risk.model import RiskModel

__all__ = ["ForecastCovariance", "ForecastPrior"]


class ForecastCovariance(BaseCovariance):
    """Forecast covariance of the sessions after the last date of `X`.

    Parameters
    ----------
    model : RiskModel
        Ready to forecast: fitted, or with vintages. It is not trained here, and a clone of the estimator shares it.
    panel : PricePanel
        Prices through the last date of any `X`; a clone shares it.
    horizon : int, default 21
        Sessions that the forecast covers.
    view : {"structure", "risk"}, default "structure"
        For an optimiser, or for total risk.
    periods : float, default 1
        Sessions that a row of `X` spans, 5 for weekly returns: what the *daily* covariance is multiplied by.
    assume_centered, nearest, higham, higham_max_iteration
        As every skfolio covariance estimator takes them; the forecast has a mean of zero and needs no repair.

    Attributes
    ----------
    covariance_ : ndarray of shape (n_assets, n_assets)
        Of the columns of `X`; NaN for assets without a forecast, which skfolio leaves out of its books.
    forecast_ : CovarianceForecast
        Of the assets that have one; its diagnostics say why the others have none.
    location_ : ndarray of shape (n_assets,)
        Zeros.

    Notes
    -----
    Returns are simple in skfolio, and logarithmic where our volatilities are estimated: over a day the difference is
    of the order of the volatility squared, and is ignored.
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
        """Return an unfitted copy with the same model: cloning that would lose what it has learned."""
        return type(self)(**self.get_params(deep=False))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters; those of the model are its own, as it is shared."""
        return super().get_params(deep=False)

    def fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Forecast from the last date of `X`.

        Parameters
        ----------
        X : DataFrame of shape (n_observations, n_assets)
            Returns with dates as index and the panel's names as columns.
        y : ignored

        Raises
        ------
        ParameterError
            If `X` has no dates.
        AssetMismatchError
            For assets that the panel does not have.
        LookAheadError
            If the panel ends before the last date of `X`.
        """
        self._sessions = self.model.backtest_forecaster()
        return self._forecast(X)

    def partial_fit(self, X: pd.DataFrame, y: Any = None) -> Self:
        """Forecast from the last date of `X`, the rows that came since the last call; equal to `fit` and faster."""
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
        """Prices of the assets of `X` through its last date."""
        if not (isinstance(X, pd.DataFrame) and isinstance(X.index, pd.DatetimeIndex) and len(X)):
            raise ParameterError(
                "the returns have no dates; pass a DataFrame with a DatetimeIndex and assets as columns"
            )
        if not (np.isfinite(self.periods) and self.periods > 0):
            raise ParameterError(f"periods is {self.periods}; pass the sessions that a row of returns spans")
        asof = as_moment(X.index[-1])
        if asof > self.panel.last_session:
            raise LookAheadError(
                f"the returns reach {asof.date()}, the panel ends on {self.panel.last_session.date()}; "
                "pass a panel with the prices of every date that is forecast from"
            )
        return self.panel.asof(asof).select(X.columns)


class ForecastPrior(BasePrior):
    """Forecast covariance, with scenarios that agree with it.

    skfolio's measures of tail risk are taken over scenarios, by default the past returns as they were. Here they are
    the past returns made to have the forecast covariance: the tails are those of the past, the scale and the
    correlations those of the forecast. Measures of variance read the covariance itself.

    Parameters
    ----------
    covariance_estimator : ForecastCovariance
        Or any covariance estimator of skfolio.
    mu_estimator : BaseMu, optional
        Expected returns, by default `EmpiricalMu`, the means of the past.
    recolour : bool, default True
        Whether scenarios are made to have the forecast covariance; if False they are the past returns.

    Attributes
    ----------
    return_distribution_ : ReturnDistribution

    Notes
    -----
    With S the covariance of the past returns about their mean m, Sigma the forecast, and Cholesky factors L, the
    scenarios are ``mu + L(Sigma) inv(L(S)) (r - m)``. Rows with a missing return are left out, never filled.
    """

    def __init__(
        self, covariance_estimator: BaseCovariance, mu_estimator: BaseMu | None = None, recolour: bool = True
    ) -> None:
        self.covariance_estimator = covariance_estimator
        self.mu_estimator = mu_estimator
        self.recolour = recolour

    def fit(self, X: pd.DataFrame, y: Any = None, **fit_params: Any) -> Self:
        """Fit both estimators and lay out the scenarios.

        Parameters
        ----------
        X : DataFrame of shape (n_observations, n_assets)
            Daily simple returns, as `ForecastCovariance.fit` takes them.

        Raises
        ------
        InsufficientHistoryError
            If fewer complete rows than assets, and one more, are there to be recoloured.
        """
        self.covariance_estimator_ = clone(self.covariance_estimator).fit(X)
        self.mu_estimator_ = (EmpiricalMu() if self.mu_estimator is None else clone(self.mu_estimator)).fit(X)
        mu, sigma = self.mu_estimator_.mu_, self.covariance_estimator_.covariance_
        here = np.isfinite(mu) & np.isfinite(np.diagonal(sigma))
        values = np.asarray(X, dtype=float)
        past = values[np.isfinite(values[:, here]).all(axis=1)]
        scenarios = np.full_like(past, np.nan)
        scenarios[:, here] = past[:, here]
        if self.recolour:
            scenarios[:, here] = mu[here] + _recoloured(past[:, here], sigma[np.ix_(here, here)])
        self.feature_names_in_ = self.covariance_estimator_.feature_names_in_
        self.n_features_in_ = len(here)
        self.return_distribution_ = ReturnDistribution(mu=mu, covariance=sigma, returns=scenarios)
        return self


def _recoloured(past: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Past returns less their mean, turned so that their covariance is `sigma`."""
    rows, assets = past.shape
    if rows <= assets:
        raise InsufficientHistoryError(
            f"{rows} complete rows of returns are too few to recolour {assets} assets; pass {assets + 1} or more, "
            "or recolour=False"
        )
    centred = past - past.mean(axis=0)
    own = np.linalg.cholesky(centred.T @ centred / (rows - 1))
    return np.linalg.solve(own, centred.T).T @ np.linalg.cholesky(sigma).T
