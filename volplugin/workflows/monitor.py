"""Daily checks of prices, models and forecasts, each a number compared with a limit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from volplugin.data.calendars import calendar_sessions
from volplugin.data.panel import PricePanel
from volplugin.errors import LookAheadError, MissingVintageError
from volplugin.evaluation import sampling_band
from volplugin.evaluation.losses import qlike
from volplugin.risk.covariance import as_weights
from volplugin.risk.model import SHORT_HISTORY, RiskModel
from volplugin.units import QUARTER_SESSIONS

OK, WARN, FAIL = "ok", "warn", "FAIL"
RECENT = 21
"""Number of last sessions searched for missing bars."""


@dataclass(frozen=True)
class Limits:
    """Limits of the checks.

    Attributes
    ----------
    window : int
        Sessions over which calibration is evaluated.
    confidence : float
        Probability of the band of the bias statistic, if forecasts are right.
    loss : float
        Largest mean loss of the window, as a multiple of the mean loss before it.
    model_age : int
        Largest number of days between the end of training and the last close.
    price_age : int
        Largest number of sessions since the last close.
    coverage : float
        Smallest share of assets, or of weight, with a forecast.
    missing : float
        Largest share of missing bars in the last sessions.
    still : int
        Number of sessions with an unchanged close from which a price is stale.
    """

    window: int = QUARTER_SESSIONS
    confidence: float = 0.99
    loss: float = 2.0
    model_age: int = 400
    price_age: int = 3
    coverage: float = 0.95
    missing: float = 0.02
    still: int = 5


@dataclass(frozen=True)
class Check:
    """A check: its name, state ("ok", "warn" or "FAIL"), finding and limit."""

    name: str
    state: str
    found: str
    limit: str

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def check_health(
    model: RiskModel,
    panel: PricePanel,
    today: pd.Timestamp,
    weights: pd.Series | None = None,
    limits: Limits | None = None,
    calendar: str | None = None,
) -> list[Check]:
    """Check prices, models and forecasts as of the panel's last session.

    Parameters
    ----------
    model : RiskModel
        Fitted, or with vintages.
    panel : PricePanel
        Prices through the last close.
    today : Timestamp
        Date at which the age of the prices is measured.
    weights : Series, optional
        Portfolio weights by asset; default equal weights.
    limits : Limits, optional
    calendar : str, optional
        Exchange calendar whose sessions the prices must cover; by default the panel's.

    Raises
    ------
    InsufficientHistoryError
        If no asset has a forecast.
    """
    limits, calendar = limits or Limits(), calendar or panel.calendar or "XNYS"
    weights = None if weights is None else as_weights(weights)
    forecast = model.forecast(panel, 1)
    return [
        _price_age(panel, today, calendar, limits),
        _missing_sessions(panel, calendar),
        _missing_bars(panel, limits),
        _stale_prices(panel, limits),
        _model_age(forecast.diagnostics["model"], panel.last_session, limits),
        _coverage(forecast.assets, panel, weights, limits),
        _history(forecast.diagnostics["short_history"], forecast.assets),
        _fallbacks(forecast.diagnostics["fallbacks"]),
        *_calibration(model, panel, weights, limits),
    ]


def _price_age(panel: PricePanel, today: pd.Timestamp, calendar: str, limits: Limits) -> Check:
    behind = max(0, len(_calendar_sessions(calendar, panel.last_session, today)) - 1)
    found = f"{behind} sessions behind {today.date()}: the last close is of {panel.last_session.date()}"
    return Check("prices are recent", _failed(behind > limits.price_age), found, f"at most {limits.price_age}")


def _missing_sessions(panel: PricePanel, calendar: str) -> Check:
    present = panel.sessions[-SHORT_HISTORY:]
    missing = _calendar_sessions(calendar, present[0], present[-1]).difference(present)
    named = f": {', '.join(str(date.date()) for date in missing[:3])}" if len(missing) else ""
    found = f"{len(missing)} of the last {len(present)} missing{named}"
    return Check("every session is there", _failed(len(missing) > 0), found, "none")


def _missing_bars(panel: PricePanel, limits: Limits) -> Check:
    recent = panel.close.iloc[-RECENT:]
    listed = panel.close.iloc[-SHORT_HISTORY:].notna().any()
    gaps = recent.loc[:, listed].isna()
    share = float(gaps.to_numpy().mean()) if gaps.size else 0.0
    worst = gaps.sum().sort_values(ascending=False)
    named = f", most of {worst.index[0]} ({int(worst.iloc[0])})" if share else ""
    found = f"{share:.1%} of bars missing in {RECENT} sessions{named}"
    return Check("bars are there", _failed(share > limits.missing), found, f"at most {limits.missing:.0%}")


def _stale_prices(panel: PricePanel, limits: Limits) -> Check:
    recent = panel.close.iloc[-limits.still - 1 :]
    unchanged = recent.notna().all() & (recent.nunique() == 1) & (len(recent) > limits.still)
    names = list(recent.columns[unchanged])
    found = f"{', '.join(map(str, names[:5]))} at one price for {limits.still} sessions" if names else "all move"
    return Check("prices move", _failed(bool(names)), found, f"fewer than {limits.still} sessions at one price")


def _model_age(model: dict[str, str], last: pd.Timestamp, limits: Limits) -> Check:
    if "trained_through" not in model:
        return Check("model is recent", OK, f"{model['model']} needs no training", "")
    days = (last - pd.Timestamp(model["trained_through"])).days
    found = f"{model['model']}, trained through {model['trained_through']}: {days} days before the last close"
    return Check("model is recent", _failed(days > limits.model_age), found, f"at most {limits.model_age} days")


def _coverage(assets: pd.Index, panel: PricePanel, weights: pd.Series | None, limits: Limits) -> Check:
    listed = panel.assets[panel.close.iloc[-RECENT:].notna().any()]
    portfolio = pd.Series(1.0, listed) if weights is None else weights.abs()
    share = float(portfolio[portfolio.index.isin(assets)].sum() / portfolio.sum()) if portfolio.sum() > 0 else 1.0
    lacking = [str(name) for name in portfolio.index[(portfolio != 0) & ~portfolio.index.isin(assets)]]
    what = "assets" if weights is None else "weight"
    found = f"{share:.0%} of {what} with a forecast{', without: ' + ', '.join(lacking[:5]) if lacking else ''}"
    return Check("coverage", _failed(share < limits.coverage), found, f"at least {limits.coverage:.0%}")


def _history(short: dict[Any, int], assets: pd.Index) -> Check:
    named = ", ".join(f"{asset} ({bars})" for asset, bars in list(short.items())[:5])
    found = f"{len(short)} of {len(assets)} assets{': ' + named if named else ''}"
    return Check("histories are long", WARN if short else OK, f"shorter: {found}", f"{SHORT_HISTORY} bars")


def _fallbacks(fallbacks: dict[str, str]) -> Check:
    found = "; ".join(f"{part}: {why}" for part, why in fallbacks.items()) or "none"
    return Check("no fallback in use", WARN if fallbacks else OK, found, "none")


def _calibration(model: RiskModel, panel: PricePanel, weights: pd.Series | None, limits: Limits) -> Iterator[Check]:
    """Evaluate the portfolio's forecasts of the last sessions, each made with the data of its date."""
    outcomes = _outcomes(model, panel, weights, limits.window)
    z = outcomes["returned"] / outcomes["volatility"]
    if len(z) < limits.window:
        yield Check("calibration", WARN, f"only {len(z)} forecasts to evaluate", f"{limits.window}")
        return
    recent = z.iloc[-limits.window :]
    lower, upper = sampling_band(limits.window, limits.confidence)
    bias = float(np.sqrt((recent**2).mean()))
    limit = f"{lower:.2f} to {upper:.2f}"
    found = f"bias {bias:.2f} over {limits.window} sessions ({'under' if bias > 1 else 'over'}-predicted)"
    yield Check("calibration", _failed(not lower <= bias <= upper), found, limit)
    loss = qlike(outcomes["returned"] ** 2, outcomes["volatility"] ** 2)
    now, usual = float(loss.iloc[-limits.window :].mean()), float(loss.iloc[: -limits.window].mean())
    if not np.isfinite(usual):
        yield Check("loss", WARN, "no earlier forecasts to compare with", "")
        return
    found = f"QLIKE {now:.2f} over {limits.window} sessions, {usual:.2f} over the {len(loss) - limits.window} before"
    yield Check("loss", _failed(now > limits.loss * usual), found, f"at most {limits.loss:g} times")


def _outcomes(model: RiskModel, panel: PricePanel, weights: pd.Series | None, window: int) -> pd.DataFrame:
    """Return one-session forecasts of the portfolio's volatility, each with the return of the next session."""
    origins = panel.sessions[-4 * window - 1 : -1]
    origins = origins[next((row for row, day in enumerate(origins) if _has_vintage(model, day)), len(origins)) :]
    simple = np.expm1(panel.returns)
    rows = {}
    for forecast in model.forecast_path(panel, origins, horizon=1):
        after = simple.iloc[panel.sessions.get_loc(forecast.asof) + 1]
        portfolio = pd.Series(1.0, forecast.assets) if weights is None else weights[weights.index.isin(forecast.assets)]
        portfolio = portfolio[after[portfolio.index].notna()]
        if not len(portfolio) or not portfolio.abs().sum() > 0:
            continue
        portfolio = portfolio / len(portfolio) if weights is None else portfolio
        rows[forecast.asof] = (forecast.portfolio_volatility(portfolio), float(after[portfolio.index] @ portfolio))
    return pd.DataFrame.from_dict(rows, orient="index", columns=["volatility", "returned"])


def _has_vintage(model: RiskModel, session: pd.Timestamp) -> bool:
    try:
        model.volatility.vintage_at(session)
    except (MissingVintageError, LookAheadError):
        return False
    return True


def _calendar_sessions(calendar: str, start: pd.Timestamp, end: pd.Timestamp) -> pd.DatetimeIndex:
    if end < start:
        return pd.DatetimeIndex([])
    return calendar_sessions(calendar, start, end)


def _failed(fails: bool) -> str:
    return FAIL if fails else OK


def health_text(checks: list[Check]) -> str:
    """Lay out one line per check, its state first, its limit in brackets."""
    wide = max(len(check.name) for check in checks)
    lines = [f"{check.state:<5}{check.name:<{wide + 2}}{check.found}" for check in checks]
    limits = [f" ({check.limit})" if check.limit else "" for check in checks]
    return "\n".join(line + limit for line, limit in zip(lines, limits, strict=True))
