"""GARCH(1,1) and GJR-GARCH(1,1,1), one model an asset, estimated by `arch`."""

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
"""Sessions that the recursion runs over; before them lies the mean squared return of the window (the backcast)."""

MINIMUM_RETURNS = 500
"""Returns an asset needs for parameters of its own."""

PERCENT = 100.0
"""Scale of the returns given to the optimiser, which is lost among numbers as small as daily variances."""

EDGE = 1e-6
"""Room around a persistence of one, where the optimiser ends for some assets: an integrated GARCH, good to forecast
bounded horizons with. Beyond it a fit is explosive; a beta that near to one would hold its variance for ever."""

DISTRIBUTIONS = ("t", "normal")
"""Of the errors. Both symmetric: half of any day's variance is expected to fall on losses."""

EWMA = np.array([0.0, 0.06, 0.0, 0.94])
"""RiskMetrics as omega, alpha, gamma and beta."""

REASONS = (
    f"fewer than {MINIMUM_RETURNS} returns to fit on",
    "its returns do not vary",
    "the fit did not converge",
    "the fit is degenerate: persistence above one, or no reaction to returns",
    "not among the assets fitted",
)
"""Why an asset has no parameters of its own."""

TOO_FEW, CONSTANT, NO_CONVERGENCE, DEGENERATE, UNKNOWN = REASONS


class GARCHVolatility(VolatilityForecaster):
    """GARCH(1,1) of each asset's daily log returns, with zero mean and Student-t errors.

    The variance of the next session is ``omega + (alpha + gamma [r < 0]) r^2 + beta h``, that of each later one
    ``omega + persistence h`` with ``persistence = alpha + gamma / 2 + beta``; the forecast is their mean over the
    horizon, any horizon, in closed form. The recursion runs over the last 750 sessions and starts from their mean
    squared return; a session without a bar holds it.

    Assets whose fit fails, is degenerate or would see too few returns, and assets never fitted, answer with the
    median alpha, gamma and persistence of the others (RiskMetrics' if there is none) about their own mean squared
    return: never an error, always named by `fallbacks`.

    Parameters
    ----------
    asymmetric : bool, default False
        Let losses weigh more than gains, by `gamma`: GJR-GARCH.
    distribution : {"t", "normal"}, default "t"
        Of the errors, in estimation.

    Attributes
    ----------
    parameters_ : DataFrame
        By asset with a fit of its own: omega (daily variance in decimals), alpha, gamma, beta and, for
        t errors, nu.
    failed_ : dict of str to str
        By training asset without one: why.

    Notes
    -----
    Fitting runs over assets through joblib: ``with joblib.parallel_config(n_jobs=2)``.

    References
    ----------
    Bollerslev (1986), Generalized Autoregressive Conditional Heteroskedasticity, eqs. 1 and 2; Bollerslev
    (1987) on t errors; Glosten, Jagannathan and Runkle (1993), On the Relation between the Expected Value
    and the Volatility of the Nominal Excess Return on Stocks; Engle and Mezrich (1996), GARCH for Groups,
    on targeting the sample variance.
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
        """Parameters of each asset with a fit of its own."""
        names = ["omega", "alpha", "gamma", "beta", *(["nu"] if self.distribution == "t" else [])]
        return pd.DataFrame.from_dict(self.own_, orient="index", columns=names)

    def _check_parameters(self) -> None:
        if self.distribution not in DISTRIBUTIONS:
            raise ParameterError(f"distribution is {self.distribution!r}; pass one of {', '.join(DISTRIBUTIONS)}")

    # -- estimation -------------------------------------------------------------------------

    def _fit(self, panel: PricePanel) -> None:
        histories = [column[np.isfinite(column)] for column in panel.returns.to_numpy().T]
        fits = Parallel()(delayed(fit_garch)(history, self.asymmetric, self.distribution) for history in histories)
        named = dict(zip(panel.assets, fits, strict=True))
        self.own_ = {asset: fit for asset, fit in named.items() if isinstance(fit, np.ndarray)}
        self.failed_ = {asset: fit for asset, fit in named.items() if isinstance(fit, str)}
        self.pooled_ = _pooled(list(self.own_.values()))

    # -- forecasting ------------------------------------------------------------------------

    def _predict_paths(self, panel: PricePanel, horizons: tuple[int, ...], first: int) -> dict[int, pd.DataFrame]:
        returns = panel.returns.to_numpy()
        omega, alpha, gamma, beta = np.stack([self.own_.get(asset, self.pooled_)[:4] for asset in panel.assets]).T
        persistence = alpha + gamma / 2 + beta
        level = rolling_mean(returns**2, WINDOW, MINIMUM)
        own = np.array([asset in self.own_ for asset in panel.assets])
        omega = np.where(own, omega, (1 - persistence) * level)
        news, count = _window_sum((alpha + gamma * (returns < 0)) * returns**2, beta)
        tomorrow = news + omega * (1 - beta**count) / (1 - beta) + beta**count * level
        return {
            horizon: self._volatility_frame(positive(_mean_variance(tomorrow, omega, persistence, horizon)), panel)
            for horizon in horizons
        }

    def fallbacks(self, panel: PricePanel) -> dict[str, str]:
        """Name the assets that answer with pooled parameters, and why."""
        return {
            asset: f"pooled parameters: {self.failed_.get(asset, UNKNOWN)}"
            for asset in panel.assets
            if asset not in self.own_
        }

    # -- state ------------------------------------------------------------------------------

    def get_state(self) -> State:
        """Return the parameters of each asset and the pooled ones, and by number why an asset has none."""
        own = {f"own/{asset}": parameters for asset, parameters in self.own_.items()}
        failed = {f"failed/{asset}": np.array([REASONS.index(reason)]) for asset, reason in self.failed_.items()}
        return {"pooled": self.pooled_} | own | failed

    def set_state(self, state: State) -> None:
        """Take them back."""
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
        Of the errors.

    Returns
    -------
    ndarray of shape (5,) or (4,), or str
        Omega (in decimals squared), alpha, gamma, beta and, for t errors, nu; or why there are none.
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
    """Return the estimates of `arch` in its own order, None without convergence."""
    from arch import arch_model

    errors = cast(Literal["t", "normal"], distribution)
    # arch also changes the filters itself, for good; leaving the block puts them back.
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
    """Median alpha, gamma and persistence; no omega, for the level is the asset's own."""
    if not fits:
        return EWMA
    table = np.stack(fits)
    persistence = np.median([_persistence(fit) for fit in fits])
    alpha, gamma = np.median(table[:, 1:3], axis=0)
    return np.array([0.0, alpha, gamma, max(persistence - alpha - gamma / 2, 0.0)])


def _window_sum(news: np.ndarray, decay: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sum of each asset's news in the window, weight ``decay ** (bars since)``, and the number of bars in it."""
    here = np.isfinite(news)
    bars = here.cumsum(axis=0)
    total = np.empty_like(news)
    for asset, rate in enumerate(decay):
        run = lfilter([1.0], [1.0, -rate], news[here[:, asset], asset])
        total[:, asset] = np.concatenate([[0.0], run])[bars[:, asset]]
    left, count = np.zeros_like(total), bars.copy()
    left[WINDOW:], count[WINDOW:] = total[:-WINDOW], bars[WINDOW:] - bars[:-WINDOW]
    return total - decay**count * left, count


def _mean_variance(tomorrow: np.ndarray, omega: np.ndarray, persistence: np.ndarray, horizon: int) -> np.ndarray:
    """Mean of ``h_1 = tomorrow, h_k = omega + persistence h_(k-1)`` over the horizon."""
    powers = persistence ** np.arange(horizon)[:, None]
    # Sums rather than quotients by 1 - persistence, which may be zero.
    return powers.mean(axis=0) * tomorrow + (powers.cumsum(axis=0) - powers).mean(axis=0) * omega
