"""Statistics of the predicted risk of a portfolio.

Daily statistics compare one-session forecasts with the return of the next session. Forecasts of a longer horizon are
compared with the returns of all sessions that they cover (`horizon_scores`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from volplugin.display import bars, card
from volplugin.errors import InsufficientHistoryError, ParameterError, require_type
from volplugin.evaluation.bands import fit_dof, mrad_and_q_bands, sampling_band, shuffled_returns
from volplugin.evaluation.calibration import BiasStatistic, bias_statistic, mrad, q_statistic, rolling_bias
from volplugin.evaluation.constants import MONTH_SESSIONS, TAILS, measured_size
from volplugin.evaluation.forecasts import PortfolioForecasts, returns_after
from volplugin.evaluation.hypothesis_tests import diebold_mariano, mincer_zarnowitz
from volplugin.evaluation.inputs import aligned, check_count, check_zones, forecasts_and_returns
from volplugin.evaluation.long_run import fewest_sessions
from volplugin.evaluation.losses import qlike, realized_variance
from volplugin.evaluation.panel_tests import level_test
from volplugin.evaluation.tail_limits import (
    SimulatedTails,
    expected_shortfall,
    limits_by_level,
    simulate_tails,
    value_at_risk,
)
from volplugin.evaluation.tail_tests import acerbi_szekely, coverage, dynamic_quantile
from volplugin.risk.tail_risk import MIN_HISTORY_SESSIONS
from volplugin.units import QUARTER_SESSIONS, TRADING_DAYS, annualize, deannualize, is_number

Limits: TypeAlias = Mapping[float, pd.DataFrame]
Tails: TypeAlias = Mapping[float, SimulatedTails]
TAIL_TESTS = {
    "kupiec": "Kupiec",
    "independence": "Independence",
    "christoffersen": "Christoffersen",
    "dynamic_quantile": "dynamic quantile",
    "shortfall": "Acerbi-Szekely",
}
"""Names of the tests of tails in `docs/evaluation.md`, by their names in a scorecard."""
MAX_TARGET = 5
"""Annual volatility from which a target is taken for percent."""
SAME_RETURN = 1e-9
"""Difference up to which returns are the same but for rounding."""
HELD_TAILS = (0.01, 0.025, 0.05)
"""Tails of ``tail_risk``."""


class Scorecard(dict[str, Any]):
    """The numbers of `portfolio_scorecard`: a dictionary that a notebook shows as a table and a picture."""

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Write one line in IPython; `print` shows the whole dictionary."""
        bias = self.get("bias_statistic", {}).get("value", float("nan"))
        printer.text(f"Scorecard({self.get('sessions', 0)} sessions, realised over forecast {bias:.2f})")

    def _repr_html_(self) -> str:
        if "bias_statistic" not in self:
            return card("Scorecard", {"sessions with a forecast": "too few"})
        bias, target = self["bias_statistic"], self["target"]
        verdict = "within" if bias["within"] else "outside"
        rows = {
            "sessions": f"{self['sessions']}, {self['first_session']} to {self['last_session']}",
            "target": "-" if target is None else f"{target:.1%}",
            "predicted": f"{self['mean_predicted_vol']:.1%} a year",
            "realised": f"{self['realized_vol']:.1%} a year",
            "realised over forecast": f"{bias['value']:.2f}, {verdict} {bias['lower']:.2f} to {bias['upper']:.2f}",
            "quarters within their band": f"{self['bias_63']['share_inside']:.0%}, 95% if forecasts are right",
        }
        years = {year: (row["mean_predicted_vol"], row["realized_vol"]) for year, row in self["by_year"].items()}
        texts = {year: f"{predicted:.1%}, {realized:.1%}" for year, (predicted, realized) in years.items()}
        picture = bars("Volatility by year", years, texts, ["forecast", "realised"])
        return card("Portfolio risk, forecast and realised", rows, picture)


def portfolio_scorecard(
    predicted: pd.Series,
    returns: pd.Series,
    target: float | None = None,
    *,
    predicted_horizon: pd.Series | None = None,
    horizon: int | None = None,
    periods: float = TRADING_DAYS,
) -> Scorecard:
    """Compare each session's ex-ante volatility with the portfolio's return of that session.

    Parameters
    ----------
    predicted : Series of shape (n_sessions,)
        *Daily* volatility of the portfolio held through the session, forecast for this one session at the close
        before and labelled with the session it is *for*. NaN or zero where nothing was held or forecast: these
        sessions are counted and left out.
    returns : Series of shape (n_sessions,)
        The portfolio's daily simple returns.
    target : float, optional
        *Annual* volatility that the strategy aimed at.
    predicted_horizon : Series of shape (n_sessions,), optional
        *Daily* volatility over the `horizon` sessions that begin with the row's session, forecast at the close before.
    horizon : int, optional
        Sessions that `predicted_horizon` covers.
    periods : float, default 252
        Sessions per year, for the annual figures; ``panel.periods_per_year`` of the prices.

    Returns
    -------
    Scorecard
        A JSON-serialisable dictionary. Volatilities are annual and in decimals (``mean_predicted_vol`` is the root
        mean square, so that it compares with ``realized_vol``); errors against the target, or against
        the prediction (``..._gap``), are in percentage points. Bands hold 95% of right forecasts with the fitted
        tails (``tail_dof`` degrees of freedom; None for Gaussian ones). ``tail_risk`` holds, by tail, the mean value
        at risk and expected shortfall (positive losses in one session) of `tail_limits` and their tests;
        ``student_sessions`` of them have a history of fewer than 500. ``size`` and ``..._size`` are how often the test
        at 5% rejects right forecasts (`measured_size`). ``over_horizon`` holds `horizon_scores` of
        `predicted_horizon`, None without it.

    Raises
    ------
    InsufficientHistoryError
        If fewer than 63 sessions have both a prediction and a return, or all returns are zero.
    ParameterError
        Naming the session of a repeated date, or an infinite or negative value; for time zones that differ, labels
        that are no dates, and a target that is no risk above zero.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> sessions = pd.bdate_range("2020-01-01", periods=500)
    >>> returns = pd.Series(0.01 * np.random.default_rng(0).standard_normal(500), sessions)
    >>> portfolio_scorecard(pd.Series(0.01, sessions), returns)["bias_statistic"]["within"]
    True
    """
    pair = forecasts_and_returns(predicted, returns)
    if target is not None and not (is_number(target) and 0 < target < MAX_TARGET):
        raise ParameterError(f"target is {target!r}; pass an annual volatility from 0 to {MAX_TARGET}, such as 0.10")
    known = pair[(pair["sigma"] > 0) & pair["r"].notna()]
    if len(known) < QUARTER_SESSIONS:
        raise InsufficientHistoryError(
            f"{len(known)} sessions with a prediction; a scorecard takes {QUARTER_SESSIONS} or more"
        )
    sigma, r = known["sigma"], known["r"]
    if np.count_nonzero(r) < 2:
        raise InsufficientHistoryError("the portfolio's returns are all zero: there is no risk to evaluate")
    z = r / sigma
    dof = fit_dof(z)
    right = shuffled_returns(z.to_numpy(), dof)
    mrad_band, q_band = mrad_and_q_bands(right, sigma.to_numpy())
    tails = simulate_tails(sigma.to_numpy(), HELD_TAILS, dof) if len(known) > MIN_HISTORY_SESSIONS else {}
    limits = limits_by_level(r, sigma, HELD_TAILS)
    numbers = {
        "sessions": len(known),
        "sessions_without_forecast": len(pair) - len(known),
        "periods_per_year": periods,
        "first_session": str(known.index[0].date()),
        "last_session": str(known.index[-1].date()),
        "target": target,
        "mean_predicted_vol": _root_mean_square(sigma, periods),
        "realized_vol": _volatility(r, periods),
        "tail_dof": dof,
        "bias_statistic": _bias(bias_statistic(z, dof=dof)),
        "qlike": float(qlike(r**2, sigma**2).mean()),
        "q_statistic": q_statistic(r, sigma),
        "q_statistic_band": q_band | {"size": measured_size("Q")},
        "mrad_21": mrad(z, MONTH_SESSIONS),
        "mrad_21_band": mrad_band | {"size": measured_size("MRAD of 21 sessions")},
        "bias_63": _quarters(z, dof),
        "mincer_zarnowitz": asdict(mincer_zarnowitz(r**2, sigma**2, 1, right**2))
        | {"size": measured_size("Mincer-Zarnowitz of scorecards")},
        "exceedances": _exceedances(r, sigma, limits, tails),
        "tail_risk": _tail_risk(r, limits, tails),
        **_errors(r, sigma, target, periods),
        "by_year": _by_year(r, sigma, dof, periods),
        "over_horizon": _over_horizon(predicted_horizon, returns, horizon, periods),
    }
    return Scorecard(_clean(numbers))


def perf_scorecard(perf: pd.DataFrame, target: float | None = None, horizon: int | None = None) -> Scorecard:
    """`portfolio_scorecard` of a perf frame.

    Parameters
    ----------
    perf : DataFrame, columns ``returns``, ``predicted_vol`` and, if it has it, ``predicted_vol_horizon``
        One row per session; volatilities are *annual*, of the row's session and of the `horizon` sessions from it on,
        by the column ``periods_per_year`` if there is one, else by 252 sessions per year.
    target : float, optional
        *Annual* volatility that the strategy aimed at.
    horizon : int, optional
        Sessions that ``predicted_vol_horizon`` covers; the column is not read if None.

    Raises
    ------
    ParameterError
        Naming a missing column; and as `portfolio_scorecard`.
    """
    missing = {"returns", "predicted_vol"} - set(perf if isinstance(perf, pd.DataFrame) else ())
    if missing:
        raise ParameterError(f"perf has no column {min(missing)}; pass the frame of a backtest with metrics volplugin")
    longer = "predicted_vol_horizon" in perf and horizon is not None
    periods = perf_periods(perf)
    return portfolio_scorecard(
        deannualize(perf["predicted_vol"].astype(float), periods),
        perf["returns"],
        target,
        predicted_horizon=deannualize(perf["predicted_vol_horizon"].astype(float), periods) if longer else None,
        horizon=horizon if longer else None,
        periods=periods,
    )


def perf_periods(perf: pd.DataFrame) -> float:
    """Sessions per year by which the volatilities of a perf frame are annual: column ``periods_per_year``, or 252."""
    return float(perf["periods_per_year"].iloc[0]) if "periods_per_year" in perf and len(perf) else TRADING_DAYS


def _over_horizon(
    predicted: pd.Series | None, returns: pd.Series, horizon: int | None, periods: float
) -> dict[str, Any] | None:
    """Scores of the forecasts of several sessions, or None where there are none or too few."""
    if predicted is None:
        return None
    if horizon is None:
        raise ParameterError("predicted_horizon needs horizon=, the sessions that each forecast covers")
    check_count(horizon, "horizon")
    pair = forecasts_and_returns(predicted, returns)
    # The origin of a forecast for the sessions from t on is t - 1: shift the labels back by one session.
    origin = pair["sigma"].where(pair["sigma"] > 0).shift(-1)
    try:
        return horizon_scores(origin, pair["r"], horizon, periods)
    except InsufficientHistoryError:
        return None


def horizon_scores(
    predicted: pd.Series, portfolio_returns: pd.Series, horizon: int, periods: float = TRADING_DAYS
) -> dict[str, Any]:
    """Judge forecasts of several sessions by the daily returns of the sessions that each covers.

    Every session is an origin. Returns of sessions ``t+1 .. t+horizon`` are divided by the forecast
    made at `t` and pooled; QLIKE scores the forecast against their mean square.

    Parameters
    ----------
    predicted : Series of shape (n_origins,)
        *Daily* volatility by origin.
    portfolio_returns : Series of shape (n_sessions,)
        The portfolio's daily returns, through the last origin's horizon; later origins are left out.
    horizon : int
        Sessions that each forecast covers.
    periods : float, default 252
        Sessions per year, for the annual figures.

    Returns
    -------
    dict
        JSON-serialisable: ``horizon``, ``origins``, ``bias_statistic`` (its band comes from `level_test`, which
        accounts for overlap and fat tails), ``level_pvalue``, ``mincer_zarnowitz``, ``qlike``,
        ``mean_predicted_vol`` and ``realized_vol`` (annual, both root mean squares).

    Raises
    ------
    InsufficientHistoryError
        If fewer origins than twelve, or than four horizons, have an outcome.
    """
    sample = _sample(predicted, portfolio_returns, horizon)
    sigma, outcome, origins = sample.sigma, sample.outcome, sample.outcome.index
    level = level_test(sample.ratio, horizon)
    bias = BiasStatistic(sample.bias, level.lower, level.upper, sample.sessions)
    return _clean(
        {
            "horizon": horizon,
            "origins": len(origins),
            "first_origin": str(origins[0].date()),
            "last_origin": str(origins[-1].date()),
            "bias_statistic": _bias(bias),
            "level_pvalue": level.pvalue,
            "mincer_zarnowitz": asdict(mincer_zarnowitz(outcome, sigma**2, horizon))
            | {"size": measured_size("Mincer-Zarnowitz", horizon)},
            "qlike": float(qlike(outcome, sigma**2).mean()),
            "mean_predicted_vol": _root_mean_square(sigma, periods),
            "realized_vol": annualize(float(np.sqrt(outcome.mean())), periods),
        }
    )


@dataclass(frozen=True)
class _Sample:
    """Origins that have a forecast and an outcome, the bias over all their returns and how many sessions these are."""

    sigma: pd.Series
    outcome: pd.Series
    bias: float
    sessions: int

    @property
    def ratio(self) -> pd.Series:
        return self.outcome / self.sigma**2


def _sample(predicted: pd.Series, returns: pd.Series, horizon: int) -> _Sample:
    pair = forecasts_and_returns(predicted, returns)
    outcome = _outcome(pair["sigma"], pair["r"], horizon)
    if len(outcome) < 2:
        raise InsufficientHistoryError(f"{len(outcome)} origins have a forecast and the {horizon} returns after it")
    sigma = pair.loc[outcome.index, "sigma"]
    places = pair.index.get_indexer(outcome.index)
    pooled = returns_after(pair[["r"]].to_numpy(), places, horizon)[:, :, 0] / sigma.to_numpy()[:, None]
    sessions = int(len(np.unique(places[:, None] + np.arange(1, horizon + 1))))
    return _Sample(sigma, outcome, float(pooled.std(ddof=1)), sessions)


def compare_portfolio_forecasts(
    portfolios: Mapping[str, PortfolioForecasts], benchmark: str = "EWMA94"
) -> pd.DataFrame:
    """Risk models side by side on one portfolio, over the origins that all of them have.

    Origins before a session on which the models' portfolios had different returns are left out.

    Parameters
    ----------
    portfolios : mapping of model name to PortfolioForecasts
        Of one horizon, and of the same portfolio.
    benchmark : str, default "EWMA94"
        Model to compare with, where it is among the models.

    Returns
    -------
    DataFrame, index model
        ``qlike``, ``bias`` (with ``bias_lower``, ``bias_upper``), ``mean_predicted_vol``, ``realized_vol``
        (annual), ``origins`` and, with the benchmark, ``below_NAME`` (percent by which QLIKE is lower)
        and ``dm_NAME`` (Diebold-Mariano t, negative where better). Bounds and t are NaN where the origins are too
        few for a test: fewer than twelve, or than four horizons.

    Raises
    ------
    ParameterError
        For horizons that differ, returns that differ on most sessions, and as `portfolio_scorecard`.
    InsufficientHistoryError
        If fewer than two origins are common to all.
    """
    require_type(portfolios, Mapping, "portfolios")
    for name, portfolio in portfolios.items():
        require_type(portfolio, PortfolioForecasts, name)
    if len({portfolio.horizon for portfolio in portfolios.values()}) != 1:
        raise ParameterError("pass the forecasts of one or more models, all of one horizon")
    portfolios = _of_same_returns(portfolios)
    each = {name: _portfolio_loss(portfolio) for name, portfolio in portfolios.items()}
    check_zones(**each)
    losses = pd.DataFrame(each).dropna()
    rows = {}
    for name, portfolio in portfolios.items():
        sample = _sample(portfolio.predicted.reindex(losses.index), portfolio.returns, portfolio.horizon)
        testable = len(losses) >= fewest_sessions(portfolio.horizon)
        level = level_test(sample.ratio, portfolio.horizon) if testable else None
        rows[name] = {
            "qlike": float(losses[name].mean()),
            "bias": sample.bias,
            "bias_lower": np.nan if level is None else level.lower,
            "bias_upper": np.nan if level is None else level.upper,
            "mean_predicted_vol": _root_mean_square(sample.sigma, portfolio.periods),
            "realized_vol": annualize(float(np.sqrt(sample.outcome.mean())), portfolio.periods),
            "origins": len(losses),
        }
        if benchmark in portfolios:
            rows[name][f"below_{benchmark}"] = 100 * (1 - losses[name].mean() / losses[benchmark].mean())
            rows[name][f"dm_{benchmark}"] = (
                diebold_mariano(losses[name], losses[benchmark], portfolio.horizon).statistic
                if testable and name != benchmark
                else np.nan
            )
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("model")


def _of_same_returns(portfolios: Mapping[str, PortfolioForecasts]) -> dict[str, PortfolioForecasts]:
    """Leave out the sessions on which the models' portfolios had different returns; they may be few."""
    frame = aligned(**{name: portfolio.returns for name, portfolio in portfolios.items()})
    differ = (frame.max(axis=1) - frame.min(axis=1)) > SAME_RETURN
    if differ.mean() > 0.5:
        raise ParameterError(f"{', '.join(portfolios)} have different returns; pass forecasts of the same portfolio")
    same = frame.mask(differ)
    return {name: replace(portfolio, returns=same[name]) for name, portfolio in portfolios.items()}


def _portfolio_loss(portfolio: PortfolioForecasts) -> pd.Series:
    pair = forecasts_and_returns(portfolio.predicted, portfolio.returns)
    outcome = _outcome(pair["sigma"], pair["r"], portfolio.horizon)
    return qlike(outcome, pair.loc[outcome.index, "sigma"] ** 2)


def _outcome(predicted: pd.Series, returns: pd.Series, horizon: int) -> pd.Series:
    """Realised daily variance at the origins that have a forecast and a complete outcome."""
    outcome = realized_variance(returns, horizon)
    return outcome[outcome.notna() & predicted.notna()]


def _errors(r: pd.Series, sigma: pd.Series, target: float | None, periods: float) -> dict[str, float | None]:
    """Mean absolute differences of realised volatility, annual percentage points."""
    rolling = annualize(r.rolling(QUARTER_SESSIONS).std(), periods)
    expected = annualize((sigma**2).rolling(QUARTER_SESSIONS).mean() ** 0.5, periods)
    years = [(part, sigma[part.index]) for _, part in r.groupby(r.index.year) if len(part) >= QUARTER_SESSIONS]
    yearly = np.array([_volatility(part, periods) for part, _ in years])
    forecast = np.array([_root_mean_square(part, periods) for _, part in years])
    aim = float("nan") if target is None else target
    return {
        "mean_abs_63d_error": 100 * float((rolling - aim).abs().mean()),
        "mean_abs_63d_gap": 100 * float((rolling - expected).abs().mean()),
        "calendar_year_mae": 100 * float(np.abs(yearly - aim).mean()) if years else None,
        "calendar_year_gap": 100 * float(np.abs(yearly - forecast).mean()) if years else None,
    }


def _quarters(z: pd.Series, dof: float) -> dict[str, float]:
    """Band of the bias statistic of 63 sessions, and the share of rolling windows inside it."""
    lower, upper = sampling_band(QUARTER_SESSIONS, dof=dof)
    inside = rolling_bias(z, QUARTER_SESSIONS).dropna().between(lower, upper)
    return {"lower": lower, "upper": upper, "share_inside": float(inside.mean())}


def _exceedances(r: pd.Series, sigma: pd.Series, limits: Limits, tails: Tails) -> dict[str, dict[str, Any]]:
    """Test value at risk and expected shortfall at each tail, with the quantiles of each method."""
    found: dict[str, dict[str, Any]] = {"gaussian": {}, "student": {}, "historical": {}}
    for level in TAILS:
        name, past = f"{level:.0%}", limits[level][limits[level]["method"] == "historical"]
        for method in ("gaussian", "student"):
            limit, shortfall = (find(r, sigma, level, method) for find in (value_at_risk, expected_shortfall))
            found[method][name] = _backtests(r, limit, shortfall, level, None, "")
        if len(past) >= QUARTER_SESSIONS:
            pair, right = (past["value_at_risk"], past["expected_shortfall"]), tails[level].since(MIN_HISTORY_SESSIONS)
            kind = " of historical limits in scorecards"
            found["historical"][name] = _backtests(r[past.index], *pair, level, right, kind)
    return found


def _tail_risk(r: pd.Series, limits: Limits, tails: Tails) -> dict[str, dict[str, Any]]:
    """Value at risk and expected shortfall of the portfolio held, as `tail_limits` forecasts them, and their tests."""
    kind = " of scorecards" if tails else ""
    return {
        f"{100 * level:g}%": {
            "mean_value_at_risk": -float(limit["value_at_risk"].mean()),
            "mean_expected_shortfall": -float(limit["expected_shortfall"].mean()),
            "student_sessions": int((limit["method"] == "student").sum()),
        }
        | _backtests(r, limit["value_at_risk"], limit["expected_shortfall"], level, tails.get(level), kind)
        for level, limit in limits.items()
    }


def _backtests(
    r: pd.Series, limit: pd.Series, shortfall: pd.Series, level: float, simulated: SimulatedTails | None, kind: str
) -> dict[str, Any]:
    row = asdict(coverage(r < limit, level, None if simulated is None else simulated.exceeded))
    row["dynamic_quantile_pvalue"] = dynamic_quantile(r, limit, level, simulated=simulated).pvalue
    test = acerbi_szekely(r, limit, shortfall, level, simulated=simulated)
    sizes = {f"{name}_size": measured_size(title + kind, level) for name, title in TAIL_TESTS.items()}
    return row | sizes | {"shortfall_ratio": test.ratio, "shortfall_pvalue": test.pvalue}


def _by_year(r: pd.Series, sigma: pd.Series, dof: float, periods: float) -> dict[str, dict[str, Any]]:
    return {
        str(year): {
            "sessions": len(part),
            "mean_predicted_vol": _root_mean_square(sigma[part.index], periods),
            "realized_vol": _volatility(part, periods),
            "bias_statistic": _bias(bias_statistic(part / sigma[part.index], dof=dof)),
        }
        for year, part in r.groupby(r.index.year)
        if len(part) >= 2
    }


def _bias(statistic: BiasStatistic) -> dict[str, Any]:
    return asdict(statistic) | {"within": statistic.within}


def _volatility(returns: pd.Series, periods: float) -> float:
    return annualize(float(returns.std()), periods)


def _root_mean_square(volatility: pd.Series, periods: float) -> float:
    return annualize(float(np.sqrt((volatility**2).mean())), periods)


def _clean(value: Any) -> Any:
    """Return the same with None for NaN and infinities, which JSON does not have."""
    if isinstance(value, dict):
        return {key: _clean(item) for key, item in value.items()}
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
