"""How well the risk of a portfolio was predicted, as plain numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from volplugin.errors import InsufficientHistoryError
from volplugin.evaluation.calibration import BiasStatistic, bias_statistic, mrad, q_statistic
from volplugin.evaluation.forecasts import PortfolioForecasts
from volplugin.evaluation.hypothesis_tests import coverage, diebold_mariano, mincer_zarnowitz, value_at_risk
from volplugin.evaluation.losses import qlike, realized_variance
from volplugin.evaluation.model_comparison import BENCHMARKS, VolatilityScores, volatility_scorecard
from volplugin.units import annualize

__all__ = [
    "BENCHMARKS",
    "VolatilityScores",
    "compare_portfolio_forecasts",
    "portfolio_scorecard",
    "standing_bias",
    "volatility_scorecard",
]

QUARTER = 63
"""Sessions of the rolling window in which realised volatility is stated."""

TAILS = (0.01, 0.05)


def portfolio_scorecard(predicted: pd.Series, returns: pd.Series, target: float | None = None) -> dict[str, Any]:
    """Compare each session's ex-ante volatility with the return that the book then had.

    Parameters
    ----------
    predicted : Series of shape (n_sessions,)
        *Daily* volatility of the book held through the session, made before it; labelled with the
        session it is *for*. NaN or zero where the book held nothing, or nothing was forecast: such
        sessions are counted and left out.
    returns : Series of shape (n_sessions,)
        The book's daily simple returns.
    target : float, optional
        *Annual* volatility that was aimed at.

    Returns
    -------
    dict
        JSON-serialisable. Volatilities are annual and in decimals (``mean_predicted_vol`` is the root
        mean square, so that it compares with ``realized_vol``); errors against the target, or against
        the prediction (``..._gap``), are in percentage points.

    Raises
    ------
    InsufficientHistoryError
        If fewer than 63 sessions have both a prediction and a return.
    """
    pair = pd.DataFrame({"sigma": predicted, "r": returns})
    known = pair[(pair["sigma"] > 0) & pair["r"].notna()]
    if len(known) < QUARTER:
        raise InsufficientHistoryError(f"{len(known)} sessions with a prediction; a scorecard takes {QUARTER} or more")
    sigma, r = known["sigma"], known["r"]
    z = r / sigma
    card = {
        "sessions": len(known),
        "sessions_without_forecast": len(pair) - len(known),
        "first_session": str(known.index[0].date()),
        "last_session": str(known.index[-1].date()),
        "target": target,
        "mean_predicted_vol": _rms(sigma),
        "realized_vol": _vol(r),
        "bias_statistic": _bias(bias_statistic(z)),
        "qlike": float(qlike(r**2, sigma**2).mean()),
        "q_statistic": q_statistic(r, sigma),
        "mrad_21": mrad(z, 21),
        "mincer_zarnowitz": asdict(mincer_zarnowitz(r**2, sigma**2, horizon=1, lags=21)),
        "exceedances": _exceedances(r, sigma),
        **_errors(r, sigma, target),
        "by_year": _by_year(r, sigma),
    }
    return _clean(card)


def standing_bias(predicted: pd.Series, portfolio_returns: pd.Series, horizon: int) -> dict[str, Any]:
    """Judge forecasts of several sessions by the daily returns over which each of them stood.

    Every session is an origin. Returns of sessions ``t+1 .. t+horizon`` are divided by the forecast
    made at `t` and pooled; QLIKE scores the forecast against their mean square.

    Parameters
    ----------
    predicted : Series of shape (n_origins,)
        *Daily* volatility by origin.
    book_returns : Series of shape (n_sessions,)
        The book's daily returns, through the last origin's horizon; later origins are left out.
    horizon : int
        Sessions that each forecast covers.

    Returns
    -------
    dict
        JSON-serialisable: ``horizon``, ``origins``, ``bias_statistic`` (its band counts each session
        once), ``qlike``, ``mean_predicted_vol`` and ``realized_vol`` (annual, both root mean squares).

    Raises
    ------
    InsufficientHistoryError
        If no origin has an outcome.
    """
    outcome = _outcome(predicted, portfolio_returns, horizon)
    origins = outcome.index
    if len(origins) < 2:
        raise InsufficientHistoryError(f"{len(origins)} origins have a forecast and the {horizon} returns after it")
    daily = _on_origins(predicted, portfolio_returns)
    ahead = np.column_stack([daily.shift(-k).reindex(origins) for k in range(1, horizon + 1)])
    pooled = (ahead / predicted[origins].to_numpy()[:, None]).ravel()
    return _clean(
        {
            "horizon": horizon,
            "origins": len(origins),
            "first_origin": str(origins[0].date()),
            "last_origin": str(origins[-1].date()),
            "bias_statistic": _bias(bias_statistic(pooled, sessions=len(origins) + horizon - 1)),
            "qlike": float(qlike(outcome, predicted[origins] ** 2).mean()),
            "mean_predicted_vol": _rms(predicted[origins]),
            "realized_vol": annualize(float(np.sqrt(outcome.mean()))),
        }
    )


def compare_portfolio_forecasts(
    portfolios: Mapping[str, PortfolioForecasts], benchmark: str = "EWMA94"
) -> pd.DataFrame:
    """Risk models side by side on one book, over the origins that all of them have.

    Parameters
    ----------
    books : mapping of model name to PortfolioForecasts
        Of one horizon, and of the same book.
    benchmark : str, default "EWMA94"
        Compared with where it is among the models.

    Returns
    -------
    DataFrame, index model
        ``qlike``, ``bias`` (with ``bias_lower``, ``bias_upper``), ``mean_predicted_vol``, ``realized_vol``
        (annual), ``origins`` and, with the benchmark, ``below_NAME`` (percent by which QLIKE is lower)
        and ``dm_NAME`` (Diebold-Mariano t, negative where better).
    """
    losses = pd.DataFrame({name: _portfolio_loss(portfolio) for name, portfolio in portfolios.items()}).dropna()
    rows = {}
    for name, portfolio in portfolios.items():
        score = standing_bias(portfolio.predicted.reindex(losses.index), portfolio.returns, portfolio.horizon)
        bias = score.pop("bias_statistic")
        rows[name] = {
            "qlike": score["qlike"],
            "bias": bias["value"],
            "bias_lower": bias["lower"],
            "bias_upper": bias["upper"],
            **{key: score[key] for key in ("mean_predicted_vol", "realized_vol", "origins")},
        }
        if benchmark in portfolios:
            against = diebold_mariano(losses[name], losses[benchmark], portfolio.horizon)
            rows[name][f"below_{benchmark}"] = 100 * (1 - losses[name].mean() / losses[benchmark].mean())
            rows[name][f"dm_{benchmark}"] = np.nan if name == benchmark else against.statistic
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")


def _portfolio_loss(portfolio: PortfolioForecasts) -> pd.Series:
    outcome = _outcome(portfolio.predicted, portfolio.returns, portfolio.horizon)
    return qlike(outcome, portfolio.predicted[outcome.index] ** 2)


def _outcome(predicted: pd.Series, returns: pd.Series, horizon: int) -> pd.Series:
    """Realised daily variance at the origins that have a forecast and a complete outcome."""
    outcome = realized_variance(_on_origins(predicted, returns), horizon).reindex(predicted.index)
    return outcome[outcome.notna() & predicted.notna()]


def _on_origins(predicted: pd.Series, returns: pd.Series) -> pd.Series:
    """Give every origin a row: the first one is a session before the first return."""
    return returns.reindex(returns.index.union(predicted.index))


def _errors(r: pd.Series, sigma: pd.Series, target: float | None) -> dict[str, float | None]:
    """Mean absolute differences of realised volatility, percentage points a year."""
    rolling = annualize(r.rolling(QUARTER).std())
    expected = annualize((sigma**2).rolling(QUARTER).mean() ** 0.5)
    years = [(part, sigma[part.index]) for _, part in r.groupby(r.index.year) if len(part) >= QUARTER]
    yearly = np.array([_vol(part) for part, _ in years])
    forecast = np.array([_rms(part) for _, part in years])
    aim = float("nan") if target is None else target
    return {
        "mean_abs_63d_error": 100 * float((rolling - aim).abs().mean()),
        "mean_abs_63d_gap": 100 * float((rolling - expected).abs().mean()),
        "calendar_year_mae": 100 * float(np.abs(yearly - aim).mean()) if years else None,
        "calendar_year_gap": 100 * float(np.abs(yearly - forecast).mean()) if years else None,
    }


def _exceedances(r: pd.Series, sigma: pd.Series) -> dict[str, dict[str, Any]]:
    """Coverage of the value at risk at each tail, with Gaussian and filtered-historical quantiles."""
    found = {}
    for method in ("gaussian", "historical"):
        limits = {f"{level:.0%}": (level, value_at_risk(r, sigma, level, method).dropna()) for level in TAILS}
        found[method] = {
            name: coverage(r[limit.index] < limit, level).as_dict()
            for name, (level, limit) in limits.items()
            if len(limit) >= QUARTER
        }
    return found


def _by_year(r: pd.Series, sigma: pd.Series) -> dict[str, dict[str, Any]]:
    return {
        str(year): {
            "sessions": len(part),
            "mean_predicted_vol": _rms(sigma[part.index]),
            "realized_vol": _vol(part),
            "bias_statistic": _bias(bias_statistic(part / sigma[part.index])),
        }
        for year, part in r.groupby(r.index.year)
        if len(part) >= 2
    }


def _bias(statistic: BiasStatistic) -> dict[str, Any]:
    return asdict(statistic) | {"within": statistic.within}


def _vol(returns: pd.Series) -> float:
    return annualize(float(returns.std()))


def _rms(volatility: pd.Series) -> float:
    return annualize(float(np.sqrt((volatility**2).mean())))


def _clean(value: Any) -> Any:
    """Return the same with None for NaN and infinities, which JSON does not know."""
    if isinstance(value, dict):
        return {key: _clean(item) for key, item in value.items()}
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
