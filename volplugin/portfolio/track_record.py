"""Predicted volatility and realised returns of the portfolio held."""

from __future__ import annotations

from collections import deque

import numpy as np
import pandas as pd

from volplugin.data.checks import as_floats
from volplugin.errors import ParameterError, require_type
from volplugin.risk.tail_risk import HISTORY_SESSIONS
from volplugin.units import as_number

COLUMNS = ("predicted", "realized")
LENGTH = HISTORY_SESSIONS
"""Sessions that a track record stores by default: five years."""


class TrackRecord:
    """Predicted volatility and realised return of the portfolio held, session by session.

    At each close first call `observe` with the session's return, then `expect` with the forecast for the portfolio
    that is held into the next session: an order that is not filled yet belongs to a later row. `RiskProvider.target`
    does both.

    Units: volatilities are *daily* standard deviations in decimals, returns are simple.

    Parameters
    ----------
    length : int, default 1260
        Number of sessions stored.

    Raises
    ------
    ParameterError
        If `length` is below 1.

    Examples
    --------
    >>> from volplugin.portfolio import TrackRecord
    >>> record = TrackRecord()
    >>> record.expect(0.010)
    >>> record.observe(-0.004)
    >>> record.frame.to_dict("records")
    [{'predicted': 0.01, 'realized': -0.004}]
    """

    def __init__(self, length: int = LENGTH) -> None:
        if not as_number(length) >= 1:
            raise ParameterError(f"length is {length}; pass 1 or more sessions")
        self._rows: deque[tuple[float, float]] = deque(maxlen=length)
        self._expected = np.nan

    def expect(self, predicted: float) -> None:
        """Store the *daily* volatility forecast for the portfolio held into the next session."""
        self._expected = float(predicted)

    def observe(self, realized: float) -> None:
        """Add the portfolio's return of one session, if a volatility above zero was forecast for it."""
        if np.isfinite(realized) and np.isfinite(self._expected) and self._expected > 0:
            self._rows.append((self._expected, float(realized)))
        self._expected = np.nan

    @property
    def frame(self) -> pd.DataFrame:
        """Columns ``predicted`` (daily volatility) and ``realized`` (return), oldest first."""
        return pd.DataFrame(np.array(self._rows, dtype=float).reshape(-1, 2), columns=COLUMNS)

    def __len__(self) -> int:
        return len(self._rows)


def predicted_over_realized(track_record: pd.DataFrame, halflife: float, prior: float = 0.0) -> float:
    """Predicted over realised volatility of the recent past; 1 without usable rows.

    Parameters
    ----------
    track_record : DataFrame with columns ``predicted`` and ``realized``
        *Daily* volatility as forecast, and return, oldest first; rows that are not finite are left out.
    halflife : float
        Sessions after which a row counts half.
    prior : float, default 0.0
        Number of sessions whose realised volatility equals the predicted one, added to both.

    Returns
    -------
    float
        Square root of the ratio of weighted mean squares.

    Raises
    ------
    ParameterError
        If a column is missing.
    """
    past = _finite(track_record)
    weight = 0.5 ** (np.arange(len(past))[::-1] / halflife)
    predicted, realized = (float(weight @ past[column].to_numpy() ** 2) for column in COLUMNS)
    if not (predicted > 0 and realized > 0):
        return 1.0
    as_predicted = prior * predicted / float(weight.sum())
    return float(np.sqrt((predicted + as_predicted) / (realized + as_predicted)))


def standardized_record(track_record: pd.DataFrame) -> np.ndarray:
    """Return the last 1,260 realised returns over predicted volatility; the leverage held plays no part in them.

    Parameters and errors as in `predicted_over_realized`.
    """
    past = _finite(track_record).tail(HISTORY_SESSIONS)
    past = past[past["predicted"] > 0]
    return (past["realized"] / past["predicted"]).to_numpy()


def _finite(track_record: pd.DataFrame) -> pd.DataFrame:
    missing = set(COLUMNS) - set(require_type(track_record, pd.DataFrame, "track_record"))
    if missing:
        raise ParameterError(f"the track record has no column {sorted(missing)[0]}; pass predicted and realized")
    past = as_floats(track_record[list(COLUMNS)], "the track record", ParameterError)
    return past[(past.abs() < 1e100).all(axis=1)]
