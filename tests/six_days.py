"""Good bars of two stocks over six days, and spoilt ones."""

import pandas as pd

DAYS = pd.bdate_range("2020-01-06", periods=6)
BARS = ("open", "high", "low", "close")


def bars(**changes: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Good bars of AAPL and JPM over six days, to be spoilt."""
    close = pd.DataFrame({"AAPL": [10.0, 11, 12, 11, 10, 12], "JPM": [50.0, 51, 50, 52, 53, 52]}, index=DAYS)
    good = {"open": close - 0.5, "high": close + 1, "low": close - 1, "close": close, "volume": close * 100}
    return good | changes


def spoilt(field: str, value: float, asset: str = "JPM", row: int = 3) -> dict[str, pd.DataFrame]:
    given = bars()
    frame = given[field].copy()
    frame.loc[DAYS[row], asset] = value
    return given | {field: frame}
