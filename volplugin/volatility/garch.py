"""GARCH(1,1) and GJR-GARCH(1,1,1), one model per asset, estimated by `arch`."""

from __future__ import annotations

import warnings
from typing import Literal, cast

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from scipy.signal import lfilter

from volplugin.data.panel import PricePanel
from volplugin.errors import ParameterError
from volplugin.volatility.base import CONTEXT_SESSIONS, State, VolatilityForecaster
from volplugin.volatility.moving_average import MINIMUM, positive
from volplugin.volatility.rolling import rolling_mean

WINDOW = 750
"""Sessions of the recursion; it starts from the mean squared return of the window (the backcast)."""

MINIMUM_RETURNS = 500
"""Least number of returns to estimate an asset's own parameters."""

PERCENT = 100.0
"""Scale of the returns for the optimiser, which fails on numbers as small as daily variances."""

EDGE = 1e-6
"""Tolerance around a persistence of one, where the optimiser ends for some assets: an integrated GARCH, which still
forecasts bounded horizons. Above it a fit is explosive; with beta this close to one, variance would not change."""

DISTRIBUTIONS = ("t", "normal")
"""Distributions of the errors. Both are symmetric, so half of the variance is expected from losses."""

EWMA = np.array([0.0, 0.06, 0.0, 0.94])
"""RiskMetrics as omega, alpha, gamma and beta."""

REASONS = (
    f"fewer than {MINIMUM_RETURNS} returns to fit on",
    "its returns do not vary",
    "the fit did not converge",
    "the fit is degenerate: persistence above one, or no reaction to returns",
    "not among the assets fitted",
)
"""Reasons for pooled parameters, by their number in a store; the order is part of the format."""

TOO_FEW, CONSTANT, NO_CONVERGENCE, DEGENERATE, UNKNOWN = REASONS


class GARCHVolatility(VolatilityForecaster):
    """GARCH(1,1) of the daily log returns of each asset, with zero mean and Student-t errors.

    The variance of the next session is ``h_1 = omega + (alpha + gamma [r < 0]) r^2 + beta h_0``, and of each later
    session ``h_k = omega + persistence h_(k-1)`` with ``persistence = alpha + gamma / 2 + beta``. The forecast is the
    mean of ``h_1 .. h_horizon``, in closed form for any horizon. The recursion runs over the last 750 sessions and
    starts from their mean squared return; a session without a bar does not change it.

    An asset outside the training data, or whose fit fails, is degenerate or has too few returns, is forecast with the
    median alpha, gamma and persistence of the other assets (RiskMetrics' if there are none) around its own mean squared
    return. This raises no error; `fallbacks` lists these assets with the reason.

    Units: a volatility is a daily standard deviation in decimals; only `annualize` and ``periods=`` change that.
    Timing: `asof` is the last completed session used; the forecast covers the `horizon` sessions after it.

    Parameters
    ----------
    asymmetric : bool, default False
        Estimate `gamma`, the additional weight of losses: GJR-GARCH.
    distribution : {"t", "normal"}, default "t"
        Distribution of the errors in the estimation.

    Attributes
    ----------
    parameters_ : DataFrame
        Estimates by asset, for assets with their own fit: omega (daily variance in decimals), alpha, gamma, beta
        and, for t errors, nu.
    failed_ : dict of str to str
        Reason by asset, for training assets without their own fit.

    Raises
    ------
    ParameterError
        From `fit`, for an unknown distribution.

    Notes
    -----
    Assets are fitted in parallel through joblib: ``with joblib.parallel_config(n_jobs=2)``.

    References
    ----------
    Bollerslev (1986), Generalized Autoregressive Conditional Heteroskedasticity, eqs. 1 and 2; Bollerslev
    (1987) on t errors; Glosten, Jagannathan and Runkle (1993), On the Relation between the Expected Value
    and the Volatility of the Nominal Excess Return on Stocks; Engle and Mezrich (1996), GARCH for Groups,
    on targeting the sample variance.

    Examples
    --------
    >>> from volplugin import GARCHVolatility, simulated_panel
    >>> panel = simulated_panel(2, "2011-01-03", "2014-06-30")
    >>> model = GARCHVolatility(asymmetric=True).fit(panel.asof("2013-12-31"))
    >>> list(model.parameters_.columns)
    ['omega', 'alpha', 'gamma', 'beta', 'nu']
    >>> model.predict(panel.asof("2014-01-31"), horizon=21).shape
    (2,)
    """

    def __init__(self, asymmetric: bool = False, distribution: str = "t") -> None:
        self.asymmetric = asymmetric
        self.distribution = distribution

    @property
    def lookback(self) -> int:
        """Sessions up to `asof` that a forecast depends on."""
        return WINDOW + CONTEXT_SESSIONS

    @property
    def parameters_(self) -> pd.DataFrame:
        """Estimated parameters by asset, for assets with their own fit."""
        names = ["omega", "alpha", "gamma", "beta", *(["nu"] if self.distribution == "t" else [])]
        return pd.DataFrame.from_dict(self.own_, orient="index", columns=names)

    def _check_parameters(self) -> None:
        if self.distribution not in DISTRIBUTIONS:
            raise ParameterError(f"distribution is {self.distribution!r}; pass one of {', '.join(DISTRIBUTIONS)}")

    # -- estimation -------------------------------------------------------------------------

    def _fit(self, panel: PricePanel) -> None:
        histories = [column[np.isfinite(column)] for column in panel.returns.to_numpy().T]
        fits = Parallel()(delayed(fit_garch)(history, self.asymmetric, self.distribution) for history in histories)
        # Text labels, as a store keeps them: integer labels are found again after a restore.
        named = dict(zip(map(str, panel.assets), fits, strict=True))
        self.own_ = {asset: fit for asset, fit in named.items() if isinstance(fit, np.ndarray)}
        self.failed_ = {asset: fit for asset, fit in named.items() if isinstance(fit, str)}
        self.pooled_ = _pooled(list(self.own_.values()))

    # -- forecasting ------------------------------------------------------------------------

    def _predict_paths(self, panel: PricePanel, horizons: tuple[int, ...], first: int) -> dict[int, pd.DataFrame]:
        returns = panel.returns.to_numpy()
        omega, alpha, gamma, beta = np.stack([self.own_.get(str(asset), self.pooled_)[:4] for asset in panel.assets]).T
        persistence = alpha + gamma / 2 + beta
        level = rolling_mean(returns**2, WINDOW, MINIMUM)
        own = np.array([str(asset) in self.own_ for asset in panel.assets])
        # Variance targeting for pooled parameters: the unconditional variance equals the asset's own level.
        omega = np.where(own, omega, (1 - persistence) * level)
        # h_1 as a sum: shocks in the window, decayed by beta per bar, then omega and the backcast.
        news, count = _window_sum((alpha + gamma * (returns < 0)) * returns**2, beta)
        tomorrow = news + omega * (1 - beta**count) / (1 - beta) + beta**count * level
        return {
            horizon: self._volatility_frame(positive(_mean_variance(tomorrow, omega, persistence, horizon)), panel)
            for horizon in horizons
        }

    def fallbacks(self, panel: PricePanel) -> dict[str, str]:
        """Return the assets forecast with pooled parameters, each with the reason."""
        return {
            asset: f"pooled parameters: {self.failed_.get(str(asset), UNKNOWN)}"
            for asset in panel.assets
            if str(asset) not in self.own_
        }

    # -- state ------------------------------------------------------------------------------

    def get_state(self) -> State:
        """Return the parameters of each asset, the pooled parameters, and the numbers of `REASONS`."""
        own = {f"own/{asset}": parameters for asset, parameters in self.own_.items()}
        failed = {f"failed/{asset}": np.array([REASONS.index(reason)]) for asset, reason in self.failed_.items()}
        return {"pooled": self.pooled_} | own | failed

    def set_state(self, state: State) -> None:
        """Set them."""
        self.pooled_ = state["pooled"]
        self.own_ = {name.removeprefix("own/"): values for name, values in state.items() if name.startswith("own/")}
        self.failed_ = {
            name.removeprefix("failed/"): REASONS[int(code[0])]
            for name, code in state.items()
            if name.startswith("failed/")
        }


def fit_garch(returns: np.ndarray, asymmetric: bool, distribution: str) -> np.ndarray | str:
    """Estimate one asset's model by maximum likelihood.

    Parameters
    ----------
    returns : ndarray of shape (n_returns,)
        Daily log returns in decimals, without a NaN.
    asymmetric : bool
        Whether gamma is estimated or zero.
    distribution : {"t", "normal"}
        Distribution of the errors.

    Returns
    -------
    ndarray of shape (5,) or (4,), or str
        Omega (in decimals squared), alpha, gamma, beta and, for t errors, nu; or the reason why the fit is not used.
    """
    if len(returns) < MINIMUM_RETURNS:
        return TOO_FEW
    if np.ptp(returns) == 0:
        return CONSTANT
    found = _maximise(returns * PERCENT, asymmetric, distribution)
    if found is None or not np.isfinite(found).all():
        return NO_CONVERGENCE
    omega, alpha, *gamma, beta = found[: 3 + asymmetric]
    parameters = np.array([omega / PERCENT**2, alpha, *(gamma or [0.0]), beta, *found[3 + asymmetric :]])
    sound = _persistence(parameters) <= 1 + EDGE and beta <= 1 - EDGE
    return parameters if sound else DEGENERATE


def _maximise(returns: np.ndarray, asymmetric: bool, distribution: str) -> np.ndarray | None:
    """Return the estimates of `arch` in the order of `arch`, None without convergence."""
    from arch import arch_model

    errors = cast(Literal["t", "normal"], distribution)
    # arch changes the global warning filters; leaving the block restores them.
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        model = arch_model(returns, mean="Zero", o=int(asymmetric), dist=errors, rescale=False)
        try:
            result = model.fit(disp="off", show_warning=False)
        except (ArithmeticError, ValueError, RuntimeError, np.linalg.LinAlgError):
            return None
    return result.params.to_numpy() if result.convergence_flag == 0 else None


def _persistence(parameters: np.ndarray) -> float:
    _, alpha, gamma, beta, *_ = parameters
    return float(alpha + gamma / 2 + beta)


def _pooled(fits: list[np.ndarray]) -> np.ndarray:
    """Median alpha, gamma and persistence; omega is 0, because the level is taken from the asset itself."""
    if not fits:
        return EWMA
    table = np.stack(fits)
    persistence = np.median([_persistence(fit) for fit in fits])
    alpha, gamma = np.median(table[:, 1:3], axis=0)
    return np.array([0.0, alpha, gamma, max(persistence - alpha - gamma / 2, 0.0)])


def _window_sum(news: np.ndarray, decay: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sum of each asset's shocks in the window, with weight ``decay ** (bars since)``, and the number of bars."""
    here = np.isfinite(news)
    bars = here.cumsum(axis=0)
    total = np.empty_like(news)
    for asset, rate in enumerate(decay):
        run = lfilter([1.0], [1.0, -rate], news[here[:, asset], asset])
        total[:, asset] = np.concatenate([[0.0], run])[bars[:, asset]]
    # Window sum = running sum minus the decayed running sum at the window's start.
    left, count = np.zeros_like(total), bars.copy()
    left[WINDOW:], count[WINDOW:] = total[:-WINDOW], bars[WINDOW:] - bars[:-WINDOW]
    return total - decay**count * left, count


def _mean_variance(tomorrow: np.ndarray, omega: np.ndarray, persistence: np.ndarray, horizon: int) -> np.ndarray:
    """Mean of ``h_1 = tomorrow, h_k = omega + persistence h_(k-1)`` over the horizon."""
    powers = persistence ** np.arange(horizon)[:, None]
    # Sums of powers instead of the closed form, which divides by 1 - persistence and so fails at one.
    return powers.mean(axis=0) * tomorrow + (powers.cumsum(axis=0) - powers).mean(axis=0) * omega
