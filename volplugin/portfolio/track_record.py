"""What a book's realised volatility says about its predictions."""

from __future__ import annotations

from collections import deque

import numpy as np
import pandas as pd

from volplugin.errors import ParameterError

COLUMNS = ("predicted", "realized")
LENGTH = 504
"""Sessions that a track record remembers by default: two years."""


class TrackRecord:
    """Predicted volatility and realised return of the book held, session by session.

    At each close, first `observe` the session's return, then `expect` for the book that goes into the next: an
    order that is not filled yet belongs to a later row.

    Parameters
    ----------
    length : int, default 504
        Sessions remembered.
    """

    def __init__(self, length: int = LENGTH) -> None:
        if length < 1:
            raise ParameterError(f"length is {length}; remember one session or more")
        self._rows: deque[tuple[float, float]] = deque(maxlen=length)
        self._expected = np.nan

    def expect(self, predicted: float) -> None:
        """Take note of the *daily* volatility that is forecast for the book held into the next session."""
        self._expected = float(predicted)

    def observe(self, realized: float) -> None:
        """Take note of the book's return over a session; kept if a volatility above zero was expected of it."""
        if np.isfinite(realized) and np.isfinite(self._expected) and self._expected > 0:
            self._rows.append((self._expected, float(realized)))
        self._expected = np.nan

    @property
    def frame(self) -> pd.DataFrame:
        """Columns ``predicted`` (daily volatility) and ``realized`` (return), oldest first."""
        return pd.DataFrame(list(self._rows), columns=COLUMNS, dtype=float)

    def __len__(self) -> int:
        return len(self._rows)


def predicted_over_realized(track_record: pd.DataFrame, halflife: float, prior: float = 0.0) -> float:
    """Predicted over realised volatility of the recent past; one where the record says nothing.

    Parameters
    ----------
    track_record : DataFrame with columns ``predicted`` and ``realized``
        Daily volatility as forecast and return, oldest first; rows that are not finite are left out.
    halflife : float
        Sessions after which a row counts half.
    prior : float, default 0.0
        Sessions that went as predicted, added to both.

    Raises
    ------
    ParameterError
        If a column is missing.
    """
    missing = set(COLUMNS) - set(track_record)
    if missing:
        raise ParameterError(f"the track record has no column {sorted(missing)[0]}; pass predicted and realized")
    past = track_record[list(COLUMNS)].replace([np.inf, -np.inf], np.nan).dropna()
    weight = 0.5 ** (np.arange(len(past))[::-1] / halflife)
    predicted, realized = (float(weight @ past[column].to_numpy() ** 2) for column in COLUMNS)
    if not (predicted > 0 and realized > 0):
        return 1.0
    as_predicted = prior * predicted / float(weight.sum())
    return float(np.sqrt((predicted + as_predicted) / (realized + as_predicted)))
