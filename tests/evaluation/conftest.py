import numpy as np
import pandas as pd
import pytest

from volplugin.data.panel import PricePanel


@pytest.fixture(scope="session")
def panel():
    """Five stocks over 600 sessions with a common factor and a volatility that moves, OHLC."""
    random = np.random.default_rng(7)
    sessions = pd.bdate_range("2010-01-04", periods=600, name="date")
    level = np.exp(0.4 * np.sin(np.arange(600) / 60.0))[:, None]
    shocks = 0.6 * random.standard_normal((600, 1)) + 0.8 * random.standard_normal((600, 5))
    returns = 0.01 * level * shocks
    close = pd.DataFrame(50 * np.exp(returns.cumsum(axis=0)), sessions, list("ABCDE"))
    open_ = close.shift(1).fillna(50.0) * np.exp(0.002 * random.standard_normal((600, 5)))
    wick = 0.004 * level * np.abs(random.standard_normal((600, 5)))
    top, bottom = np.maximum(open_, close) * np.exp(wick), np.minimum(open_, close) * np.exp(-wick)
    return PricePanel(close=close, open=open_, high=top, low=bottom)
