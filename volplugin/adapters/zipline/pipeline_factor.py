"""Volatility forecasts as a Pipeline factor, for screens and ranks, from Pipeline's own data."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import pandas as pd
from zipline.pipeline import CustomFactor
from zipline.pipeline.data import EquityPricing
from zipline.utils.algo_instance import get_algo_instance

from volplugin.adapters.zipline.sessions import running_algorithm
from volplugin.data.panel import PricePanel
from volplugin.errors import ParameterError
from volplugin.volatility.base import OnlinePredictor, VolatilityForecaster

LOG = logging.getLogger(__name__)
FIELDS = ("open", "high", "low", "close", "volume")


def predicted_volatility(model: VolatilityForecaster, horizon: int = 21) -> PredictedVolatility:
    """Return a Pipeline factor of each stock's forecast volatility.

        volatility = predicted_volatility(load_walk_forward("models"))
        attach_pipeline(Pipeline({"volatility": volatility}, screen=volatility.bottom(10)), "calm")

    Works wherever Pipeline does, ``zipline run`` included. A walk-forward uses the vintage of each date.

    Parameters
    ----------
    model : VolatilityForecaster
        Fitted, or a `WalkForward`.
    horizon : int, default 21
        Sessions that a forecast covers.

    Raises
    ------
    ParameterError
        If the model is no volatility forecaster.

    Notes
    -----
    The window is the model's `lookback`. Pipeline demands it whole: in a run that starts sooner after the bundle
    does, the window is the history at the start, and stays that long; the log has a message.
    """
    if not isinstance(model, VolatilityForecaster):
        raise ParameterError(
            f"model is {type(model).__name__}; pass a volatility forecaster, such as load_walk_forward('models'); "
            "a Pipeline factor has one value per asset, so a covariance cannot be one"
        )
    return PredictedVolatility(model=model, horizon=horizon, window_length=_window(model.lookback))


class PredictedVolatility(CustomFactor):
    """Forecast volatility of every stock that trades; made by `predicted_volatility`.

    Units: a daily standard deviation in decimals. Timing: the value that a session shows was forecast at the close
    of the session before it, the `asof`, and covers the `horizon` sessions from there. NaN for a stock that cannot
    be forecast yet.

    Market-wide inputs of a model are made of the stocks that the factor computes: all that trade on the day. Screen
    or rank the result instead of masking the factor, or a forecast would depend on the other stocks computed.
    """

    inputs = [getattr(EquityPricing, field) for field in FIELDS]
    params = ("model", "horizon")
    window_safe = True  # a volatility does not depend on later splits

    def compute(
        self,
        today: pd.Timestamp,
        assets: Sequence[int],
        out: np.ndarray,
        *bars: np.ndarray,
        model: VolatilityForecaster,
        horizon: int,
    ) -> None:
        """Forecast from one window of bars; Pipeline calls it for each session."""
        if len(assets):
            algorithm = running_algorithm()
            known = _FOLLOWING.setdefault(algorithm, {})
            panel = _panel(algorithm, today, assets, bars)
            out[:] = known.setdefault(self, _Following()).forecast(model, panel, horizon).to_numpy()


class _Following:
    """One factor within one simulation: its model carried from session to session."""

    def __init__(self) -> None:
        self._online_predictor: OnlinePredictor | None = None

    def forecast(self, model: VolatilityForecaster, panel: PricePanel, horizon: int) -> pd.Series:
        """Forecast with the vintage of the panel's last session; one volatility per asset."""
        asof = panel.last_session
        vintage = model.vintage_at(asof)
        if self._online_predictor is None or self._online_predictor.model is not vintage:
            self._online_predictor = vintage.online_predictor()
        path = self._online_predictor.predict_in_sample(panel, asof, asof, (horizon,))[horizon]
        return path.iloc[-1].reindex(panel.assets)


_FOLLOWING: WeakKeyDictionary[Any, dict[PredictedVolatility, _Following]] = WeakKeyDictionary()
"""One per algorithm: zipline uses one factor for many runs, with other prices on the same sessions."""


def _window(lookback: int) -> int:
    """Sessions of the factor's window: the model's, or as many as the bundle holds before the run."""
    algorithm = get_algo_instance()
    if algorithm is None:
        return lookback
    finder, start = algorithm.asset_finder, algorithm.sim_params.start_session
    first = min(asset.start_date for asset in finder.retrieve_all(finder.equities_sids))
    available = len(algorithm.trading_calendar.sessions_in_range(first, start)) - 1
    if available < lookback:
        LOG.warning(
            "the model looks back %d sessions, and the bundle holds %d before %s: the factor's window is that long "
            "throughout the run",
            *(lookback, available, start.date()),
        )
    return max(1, min(lookback, available))


def _panel(algorithm: Any, today: pd.Timestamp, assets: Sequence[int], bars: Sequence[np.ndarray]) -> PricePanel:
    """Return the window as a panel, by symbol; its last session is the one before `today`."""
    calendar = algorithm.trading_calendar
    sessions = calendar.sessions_window(calendar.previous_session(today), -len(bars[0]))
    symbols = [asset.symbol for asset in algorithm.asset_finder.retrieve_all(assets)]
    values = dict(zip(FIELDS, bars, strict=True))
    values["volume"] = np.where(np.isnan(values["close"]), np.nan, values["volume"])  # Pipeline says 0 for no bar
    frames = {field: pd.DataFrame(window, sessions, symbols) for field, window in values.items()}
    return PricePanel(**frames, calendar=calendar.name)
