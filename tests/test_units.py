import numpy as np
import pandas as pd
import pytest

from volplugin import annualize
from volplugin.units import TRADING_DAYS, deannualize


def test_a_year_has_252_sessions():
    assert TRADING_DAYS == 252
    assert annualize(0.01) == pytest.approx(0.15874507866387544, rel=1e-15)
    assert deannualize(0.16) == pytest.approx(0.16 / 15.874507866387544, rel=1e-15)


def test_another_year():
    assert annualize(0.02, periods=365) == pytest.approx(0.02 * np.sqrt(365))
    assert annualize(0.02, periods=1) == 0.02


@pytest.mark.parametrize(
    "daily",
    [0.01, np.array([0.01, np.nan]), pd.Series({"AAPL": 0.01}), pd.DataFrame({"AAPL": [0.01, 0.02]})],
    ids=["float", "array", "series", "frame"],
)
def test_there_and_back_keeps_kind_and_value(daily):
    back = deannualize(annualize(daily, 260), 260)
    assert type(back) is type(daily)
    np.testing.assert_allclose(back, daily, rtol=1e-15)


def test_labels_stay():
    annual = annualize(pd.Series({"AAPL": 0.01}, name="volatility"))
    assert annual.index.tolist() == ["AAPL"]
    assert annual.name == "volatility"
