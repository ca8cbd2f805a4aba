import numpy as np
import pandas as pd
import pytest

from volplugin import PricePanel
from volplugin.data import suspect_prices
from volplugin.data.suspects import is_doubtful

DAYS = pd.bdate_range("2020-01-01", periods=120)


def closes(**changes: np.ndarray) -> PricePanel:
    """Return a panel of one good asset and others multiplied by given factors."""
    random = np.random.default_rng(0)
    good = 50 * np.exp(np.cumsum(0.01 * random.standard_normal((120, 1 + len(changes))), axis=0))
    frame = pd.DataFrame(good, DAYS, ["GOOD", *changes])
    for name, factor in changes.items():
        frame[name] *= factor
    return PricePanel(frame)


def from_row(row: int, factor: float) -> np.ndarray:
    return np.where(np.arange(120) >= row, factor, 1.0)


def test_good_prices_are_not_suspect(real, synthetic):
    assert suspect_prices(closes()) == {}
    assert suspect_prices(synthetic) == {}
    assert suspect_prices(real) == {}


@pytest.mark.parametrize(
    ("factor", "reason"),
    [
        (from_row(60, 0.5), "fell by a factor of .* on 2020-03-25, near 2: a split not adjusted for"),
        (from_row(60, 1 / 7), "near 7: a split not adjusted for"),
        (from_row(60, 15.0), "rose by a factor of .*, near 15: a split"),
        (from_row(60, 0.01), "fell by a factor of .* on 2020-03-25, near 100: another unit"),
        (from_row(60, 10.0), "near 10: another unit"),
    ],
)
def test_jumps(factor, reason):
    found = suspect_prices(closes(BAD=factor))
    assert list(found) == ["BAD"]
    pd.testing.assert_series_equal(pd.Series(found).str.contains(reason), pd.Series({"BAD": True}))


def test_a_stale_price():
    close = closes().close.assign(OLD=closes().close["GOOD"].to_numpy())
    close.loc[DAYS[50:75], "OLD"] = 33.0
    assert suspect_prices(PricePanel(close)) == {"OLD": "close of 33 unchanged for 25 sessions up to 2020-04-14"}


@pytest.mark.parametrize(("sessions", "suspect"), [(19, False), (20, True)])
def test_a_close_is_stale_from_twenty_sessions_on(sessions, suspect):
    assert bool(suspect_prices(PricePanel(pd.DataFrame({"OLD": 5.0}, DAYS[:sessions])))) == suspect


def test_a_move_that_was_traded_is_no_split():
    close = closes(BAD=from_row(60, 0.5)).close
    high = close * 1.01
    high.iloc[60] = close.iloc[59]
    panel = PricePanel(close=close, open=close, high=high, low=close * 0.99)
    assert suspect_prices(panel) == {}


def bars(factor: float, *, row: int = 60, traded: float = 1.0, gap: float = 1.0) -> PricePanel:
    """Return a panel whose asset BAD moves by a factor overnight, its volume by the inverse times `traded`."""
    close = closes(BAD=from_row(row, factor), A=np.ones(120), B=np.ones(120), C=np.ones(120)).close
    opens = close.shift(1).fillna(close) * (close / close.shift(1)).where(abs(np.log(close / close.shift(1))) > 0.3, 1)
    opens.iloc[row, 1] *= gap
    volume = pd.DataFrame(1e6, close.index, close.columns)
    volume["BAD"] /= from_row(row, factor)
    volume.iloc[row, 1] *= traded
    high, low = np.maximum(opens, close) * 1.005, np.minimum(opens, close) * 0.995
    return PricePanel(close=close, open=opens, high=high, low=low, volume=volume)


@pytest.mark.parametrize("factor", [0.5, 2 / 3, 3.0, 0.1])
def test_a_split_that_was_not_adjusted_for(factor):
    found = suspect_prices(bars(factor))
    assert list(found) == ["BAD"]
    assert found["BAD"].startswith(f"split by {max(factor, 1 / factor):g} not adjusted for: ")
    assert "overnight on 2020-03-25" in found["BAD"]
    assert not is_doubtful(found["BAD"])


@pytest.mark.parametrize("real", [{"traded": 4.0}, {"gap": 1.15}])
def test_a_real_move_by_a_split_ratio_is_doubtful(real):
    """Traded several times as much, or opened at another price."""
    assert all(map(is_doubtful, suspect_prices(bars(0.5, **real)).values()))


def test_a_split_is_found_from_its_own_session_on():
    panel = bars(0.5)
    assert suspect_prices(panel.asof(DAYS[59])) == {}
    assert list(suspect_prices(panel.asof(DAYS[60]))) == ["BAD"]


def test_a_forecast_far_below_its_peers():
    sigma = pd.Series({"GOOD": 0.01, "ONE": 1e-5, "TWO": 0.012})
    found = suspect_prices(closes(ONE=from_row(0, 1.0), TWO=from_row(0, 1.0)), sigma)
    assert list(found) == ["ONE"]
    assert "below a hundredth of the median" in found["ONE"]
