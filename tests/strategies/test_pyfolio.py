"""The perf frame is what users of empyrical and pyfolio expect: their numbers are ours, and the tear sheets draw."""

import numpy as np
import pandas as pd
import pytest

from volplugin import RiskModel, RiskProvider, RollingCorrelation, RollingVolatility, VolatilityTarget
from volplugin._gallery.shared import follow
from volplugin._gallery.vol_target import compose
from volplugin.adapters.zipline import register_metrics
from volplugin.adapters.zipline.run import run_hooks

# What pyfolio itself still uses of matplotlib, seaborn and pandas is not ours to mend.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def perf(small):
    def initialize(context):
        risk = RiskProvider(RiskModel(RollingVolatility(40), RollingCorrelation(60)), bundle=small)
        follow(context, compose, risk, VolatilityTarget(0.10), "monthly")

    register_metrics()
    return run_hooks({"initialize": initialize}, small, "2016-03-01", "2017-12-27", 1e6, None, None, "volplugin")


@pytest.fixture(scope="module")
def pyfolio():
    return pytest.importorskip("pyfolio", reason="pyfolio is not installed: pip install 'volplugin[pyfolio]'")


@pytest.fixture(scope="module")
def extracted(perf, pyfolio):
    return pyfolio.utils.extract_rets_pos_txn_from_zipline(perf)


def test_realized_volatility_is_that_of_empyrical(perf):
    empyrical = pytest.importorskip("empyrical", reason="empyrical-reloaded comes with zipline")
    rolling = empyrical.roll_annual_volatility(perf["returns"], 63)
    np.testing.assert_allclose(perf["realized_vol"].iloc[62:], rolling, rtol=1e-9)
    assert perf["realized_vol"].iloc[:62].isna().all()
    assert empyrical.annual_volatility(perf["returns"]) == pytest.approx(perf["algo_volatility"].iloc[-1])


def test_returns_positions_and_transactions_come_out(perf, extracted):
    returns, positions, transactions = extracted
    np.testing.assert_array_equal(returns, perf["returns"])
    assert returns.index.equals(perf.index.normalize())
    symbols = {column.symbol for column in positions if column != "cash"}
    assert symbols == {p["sid"].symbol for day in perf["positions"] for p in day}
    assert len(transactions) == perf["transactions"].map(len).sum()


def test_leverage_by_positions_is_that_of_the_perf_frame(perf, pyfolio, extracted):
    leverage = pyfolio.timeseries.gross_lev(extracted[1])
    ours = perf["gross_leverage"].set_axis(perf.index.normalize()).loc[leverage.index]
    np.testing.assert_allclose(leverage, ours, rtol=1e-9)


def test_tear_sheets_draw(pyfolio, extracted):
    plt = pytest.importorskip("matplotlib.pyplot")
    returns, positions, transactions = extracted
    before = set(plt.get_fignums())
    pyfolio.create_simple_tear_sheet(returns, positions, transactions)
    pyfolio.create_full_tear_sheet(returns, positions=positions, transactions=transactions)
    drawn = set(plt.get_fignums()) - before
    assert len(drawn) >= 2
    for number in drawn:
        plt.close(number)


def test_our_columns_plot_beside_theirs(perf, extracted):
    """On one index: the day without its hour."""
    columns = perf[["predicted_vol", "realized_vol"]].set_axis(perf.index.normalize())
    joined = pd.concat([extracted[0], columns], axis=1)
    assert len(joined) == len(perf)
    assert joined["predicted_vol"].notna().sum() > 400
