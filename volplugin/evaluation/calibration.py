"""Calibration: statistics of returns divided by their forecast volatility, and their bands for right forecasts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import TypeVar

import numpy as np
import pandas as pd

from volplugin.errors import InsufficientHistoryError, ParameterError, require_type
from volplugin.evaluation.bands import GAUSSIAN, fit_dof, sampling_band
from volplugin.evaluation.constants import MONTH_SESSIONS, SIZE, TAILS
from volplugin.evaluation.forecasts import ForecastsInForce, align_to_returns
from volplugin.evaluation.hypothesis_tests import mincer_zarnowitz
from volplugin.evaluation.inputs import aligned, check_count, checked, checked_series
from volplugin.evaluation.losses import qlike, realized_variance
from volplugin.evaluation.panel_tests import level_test
from volplugin.evaluation.sample import EvaluationSample
from volplugin.evaluation.tail_limits import HISTORY_START, simulate_tails, value_at_risk
from volplugin.evaluation.tail_tests import coverage
from volplugin.risk.tail_risk import HISTORY_SESSIONS, STUDENT_DOF, TailMethod
from volplugin.units import QUARTER_SESSIONS, annualize

Frame = TypeVar("Frame", pd.Series, pd.DataFrame)


@dataclass(frozen=True)
class BiasStatistic:
    """Standard deviation of standardised returns: 1 is right, above 1 risk was under-predicted.

    `lower` and `upper` bound it with 95% (or `level`) probability where the forecasts are right, with the tails of the
    standardised returns.
    """

    value: float
    lower: float
    upper: float
    sessions: int

    @property
    def within(self) -> bool:
        """Whether the statistic lies in its band."""
        return self.lower <= self.value <= self.upper


def bias_statistic(
    standardized: pd.Series | np.ndarray, level: float = 0.95, dof: float | None = None
) -> BiasStatistic:
    """Return the standard deviation of ``r / sigma`` with the band in which it lies for right forecasts.

    Parameters
    ----------
    standardized : Series or ndarray
        Daily returns divided by the one-session forecast of their volatility; missing values are left out.
    level : float, default 0.95
        Probability of the band.
    dof : float, optional
        Degrees of freedom of the returns' Student-t law; fitted to `standardized` by `fit_dof` if not given. Pass the
        fit of a longer series for a part of it, such as a year.

    Raises
    ------
    InsufficientHistoryError
        For fewer than two standardised returns.
    ParameterError
        For an infinite value, which a forecast of zero leaves.

    References
    ----------
    Menchero, Orr and Wang (2011), The Barra US Equity Model (USE4), Methodology Notes; their band is Gaussian, the
    one here is simulated with the fitted tails (`sampling_band`).

    Examples
    --------
    >>> import numpy as np
    >>> bias_statistic(np.random.default_rng(0).standard_normal(1000)).within
    True
    """
    z = checked_series(standardized, "standardized").dropna().to_numpy()
    if len(z) < 2:
        raise InsufficientHistoryError("a bias statistic needs two standardised returns or more")
    if dof is None:
        dof = fit_dof(z) if np.count_nonzero(z) > 1 else GAUSSIAN
    return BiasStatistic(float(z.std(ddof=1)), *sampling_band(len(z), level, dof), len(z))


def rolling_bias(standardized: Frame, window: int) -> Frame:
    """Bias statistic of the last `window` standardised returns, labelled with the last of them."""
    check_count(window, "window", 2)
    return checked(standardized, "standardized").rolling(window, min_periods=window).std()


def mrad(standardized: pd.Series, window: int = 21) -> float:
    """Mean rolling absolute deviation: how far the bias statistic of `window` sessions is from 1.

    With right forecasts 0.126 for Gaussian returns over 21 sessions, about 0.17 for Student-t(6).

    References
    ----------
    Menchero, Orr and Wang (2011), The Barra US Equity Model (USE4), Methodology Notes.
    """
    found = float((rolling_bias(checked_series(standardized, "standardized"), window) - 1).abs().mean())
    if np.isnan(found):
        raise InsufficientHistoryError(f"no {window} standardised returns in a row; pass a longer series")
    return found


def q_statistic(returns: pd.Series, volatility: pd.Series) -> float:
    """Mean of ``z^2 - ln z^2``: one more than the mean QLIKE, 2.27 where forecasts are right."""
    pair = aligned(returns=returns, volatility=volatility).dropna()
    if pair.empty:
        raise InsufficientHistoryError("no session has a return and a volatility; pass the same dates")
    if (pair["volatility"] < 0).any():
        raise ParameterError("a volatility is negative; pass standard deviations")
    return float(qlike(pair["returns"] ** 2, pair["volatility"] ** 2).mean()) + 1


METHODS: tuple[TailMethod, ...] = ("gaussian", "historical")
"""Quantiles of value at risk in the calibration table."""


def calibration_table(volatility: pd.DataFrame, returns: pd.DataFrame, horizon: int) -> pd.DataFrame:
    """Evaluate forecasts of some series, each by itself.

    Parameters
    ----------
    volatility : DataFrame of shape (n_origins, n_series)
        Daily volatility by origin, consecutive sessions; NaN where a forecast is left out.
    returns : DataFrame of shape (n_sessions, n_series)
        Daily returns, through the last origin's horizon.
    horizon : int
        Sessions that each forecast covers.

    Returns
    -------
    DataFrame, index series
        ``sessions``; ``bias`` (standard deviation of the daily returns over the forecast in force, all phases
        pooled) with its band ``bias_lower``, ``bias_upper`` (of one session: simulated with the fitted tails; of
        several: from `level_test`); ``level_t``, ``level_pvalue`` (hypothesis: realised over forecast variance
        averages one); ``mrad`` over 21 sessions and ``q`` (means over the phases); ``qlike`` of the forecasts;
        ``mz_intercept``, ``mz_slope``, ``mz_pvalue``; and of one session, for the quantiles of both methods at 1% and
        5%, ``exceeded_METHOD_TAIL`` (frequency), ``kupiec_METHOD_TAIL`` and ``christoffersen_METHOD_TAIL`` (p-values).
        NaN where a series has fewer than 63 sessions, or a test too few. Exceedances of right forecasts of several
        sessions cluster, because the forecast covers the daily variances on average only.
    """
    in_force = align_to_returns(volatility, returns, horizon)
    outcome = realized_variance(returns.reindex(returns.index.union(volatility.index)), horizon)
    outcome = outcome.reindex(index=volatility.index, columns=volatility.columns)
    distance = _mrad(in_force.standardized)
    rows = {}
    for place, name in enumerate(volatility.columns):
        row = _level(in_force, place, horizon)
        if row["sessions"] >= QUARTER_SESSIONS:
            row["mrad"] = distance[place]
            row["qlike"] = float(qlike(outcome[name], volatility[name] ** 2).mean())
            row |= _regressions(outcome[name], volatility[name] ** 2, horizon)
            if horizon == 1:
                row |= _tails(pd.Series(in_force.returns[:, place]), pd.Series(in_force.volatility[0, :, place]))
        rows[name] = row
    return pd.DataFrame.from_dict(rows, orient="index", columns=_columns(horizon))


def calibration_summary(table: pd.DataFrame) -> pd.Series:
    """Summarise many series in one row: medians of the statistics, and the share of series that each test rejects.

    Returns
    -------
    Series
        ``series`` (how many were long enough); medians of ``bias``, ``mrad``, ``q``; mean ``exceeded_...``;
        ``outside_band`` (share with `bias` outside its band), and for each p-value, under its name,
        the share below 0.05 among the series that have one.
    """
    require_type(table, pd.DataFrame, "table")
    evaluated = table[table["sessions"] >= QUARTER_SESSIONS]
    row: dict[str, float] = {"series": float(len(evaluated))}
    for name in table.columns:
        values = evaluated[name].dropna()
        if name in ("bias", "mrad", "q"):
            row[name] = float(values.median())
        elif name.startswith("exceeded"):
            row[name] = float(values.mean())
        elif name.startswith(("kupiec", "christoffersen")) or name.endswith("pvalue"):
            row[name.removesuffix("_pvalue")] = float((values < SIZE).mean()) if len(values) else float("nan")
    outside = (evaluated["bias"] < evaluated["bias_lower"]) | (evaluated["bias"] > evaluated["bias_upper"])
    row["outside_band"] = float(outside.mean()) if len(evaluated) else float("nan")
    return pd.Series(row)


def tail_name(what: str, method: str, tail: float) -> str:
    """Column of a tail's number, such as ``kupiec_gaussian_1%``."""
    return f"{what}_{method}_{tail:.0%}"


def _columns(horizon: int) -> list[str]:
    level = ["sessions", "bias", "bias_lower", "bias_upper", "level_t", "level_pvalue", "mrad", "q", "qlike"]
    tails = product(("exceeded", "kupiec", "christoffersen"), METHODS, TAILS) if horizon == 1 else ()
    return [*level, "mz_intercept", "mz_slope", "mz_pvalue", *(tail_name(*tail) for tail in tails)]


def _level(in_force: ForecastsInForce, place: int, horizon: int) -> dict[str, float]:
    """Bias and Q of one series; a session counts once, in however many phases it is."""
    z = in_force.standardized[:, :, place]
    sessions = int(np.isfinite(z).any(axis=0).sum())
    if sessions < QUARTER_SESSIONS:
        return {"sessions": sessions}
    pooled = z[np.isfinite(z)]
    lower = upper = float("nan")
    if horizon == 1:
        lower, upper = sampling_band(sessions, dof=fit_dof(pooled))
    squared, variance = in_force.returns[:, place] ** 2, in_force.volatility[:, :, place] ** 2
    return {
        "sessions": sessions,
        "bias": float(pooled.std(ddof=1)),
        "bias_lower": lower,
        "bias_upper": upper,
        "q": _mean(qlike(squared, variance)) + 1,
    }


def _mrad(z: np.ndarray) -> list[float]:
    """Mean distance from 1 of each series' bias of a month, over the windows of all phases."""
    phases, sessions, series = z.shape
    flat = pd.DataFrame(z.transpose(1, 0, 2).reshape(sessions, phases * series))
    distance = (rolling_bias(flat, MONTH_SESSIONS) - 1).abs().mean().to_numpy().reshape(phases, series)
    return [_mean(column) for column in distance.T]


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _regressions(outcome: pd.Series, forecast: pd.Series, horizon: int) -> dict[str, float]:
    """Level test, its band and Mincer-Zarnowitz regression of one series; empty where it is too short for them."""
    try:
        level, fit = level_test(outcome / forecast, horizon), mincer_zarnowitz(outcome, forecast, horizon)
    except InsufficientHistoryError:
        return {}
    row = {
        "level_t": level.statistic,
        "level_pvalue": level.pvalue,
        "mz_intercept": fit.intercept,
        "mz_slope": fit.slope,
        "mz_pvalue": fit.pvalue,
    }
    return row if horizon == 1 else row | {"bias_lower": level.lower, "bias_upper": level.upper}


def _tails(returns: pd.Series, volatility: pd.Series) -> dict[str, float]:
    """Frequency of exceedances of one series and the p-values of both tests, by quantile and tail."""
    row: dict[str, float] = {}
    for method, tail in product(METHODS, TAILS):
        limit = value_at_risk(returns, volatility, tail, method)
        exceeded = (returns < limit)[returns.notna() & limit.notna()]
        if len(exceeded) >= QUARTER_SESSIONS:
            found = coverage(exceeded, tail, _right(len(exceeded), tail) if method == "historical" else None)
            row[tail_name("exceeded", method, tail)] = found.exceedances / found.sessions
            row[tail_name("kupiec", method, tail)] = found.kupiec_pvalue
            row[tail_name("christoffersen", method, tail)] = found.christoffersen_pvalue
    return row


@lru_cache(maxsize=16)
def _right(sessions: int, tail: float) -> np.ndarray | None:
    """Simulate exceedances of historical limits; None where all earlier sessions count: they are independent then."""
    count = sessions + HISTORY_START
    if count <= HISTORY_SESSIONS:
        return None
    return simulate_tails(np.ones(count), (tail,), STUDENT_DOF, minimum=HISTORY_START)[tail].exceeded[:, HISTORY_START:]


DECILES = 10


def by_forecast_decile(sample: EvaluationSample) -> pd.DataFrame:
    """Stock-days sorted by the forecast of each model into ten groups of equal size.

    Returns
    -------
    DataFrame, index (model, decile)
        ``predicted`` and ``realized`` (*annual* volatilities, root mean squares over the group), ``ratio``
        (realised over predicted: above 1 risk was under-predicted) and ``stock_days``. Decile 1 has the
        smallest forecasts.
    """
    require_type(sample, EvaluationSample, "sample")
    tables = {name: _deciles(sample.outcome, variance, sample.periods) for name, variance in sample.variance.items()}
    return pd.concat(tables, names=["model", "decile"])


def _deciles(outcome: pd.DataFrame, variance: pd.DataFrame, periods: float) -> pd.DataFrame:
    f, y = variance.to_numpy().ravel(), outcome.to_numpy().ravel()
    f, y = f[np.isfinite(f)], y[np.isfinite(f)]
    # By rank, so that the groups are equal in size even where forecasts tie.
    place = np.argsort(np.argsort(f, kind="stable"), kind="stable")
    group = pd.Series(place * min(DECILES, len(f)) // len(f) + 1, name="decile")
    means = pd.DataFrame({"f": f, "y": y}).groupby(group).mean()
    predicted, realized = (annualize(means[name] ** 0.5, periods) for name in ("f", "y"))
    days = group.value_counts().sort_index()
    return pd.DataFrame(
        {"predicted": predicted, "realized": realized, "ratio": realized / predicted, "stock_days": days}
    )
