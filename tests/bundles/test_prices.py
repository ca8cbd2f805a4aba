"""Prices of any source and market become a bundle, and what was done to them is said."""

import numpy as np
import pandas as pd
import pytest
from zipline.utils.calendar_utils import get_calendar

from volplugin import read_bundle
from volplugin._bundles import bundle_from_frames, ingest_bundle, read_ingestion_metadata, register_prices
from volplugin.adapters.zipline import bundle_calendar, bundle_sessions
from volplugin.adapters.zipline.bundles import newest_ingestion
from volplugin.errors import BundleError, PanelError, ParameterError


def vendor_bars(calendar: str = "XNYS", price: float = 50.0, seed: int = 0) -> pd.DataFrame:
    """Return half a year of bars in the columns of Yahoo, without events."""
    random = np.random.default_rng(seed)
    sessions = get_calendar(calendar).sessions_in_range("2019-01-02", "2019-06-28")
    close = price * np.exp(np.cumsum(0.01 * random.standard_normal(len(sessions))))
    spread = 1 + 0.005 * random.random((2, len(sessions)))
    bars = pd.DataFrame({"Open": close, "High": close * spread[0], "Low": close / spread[1], "Close": close}, sessions)
    return bars.rename_axis("Date").assign(Volume=random.integers(1000, 9000, len(sessions)).astype(float))


def ingest(root: dict[str, str], frames: object, **options: object) -> list[str]:
    """Ingest frames as the bundle ``b`` and return the remarks."""
    bundle_from_frames("b", frames, environ=root, **options)
    return read_ingestion_metadata(newest_ingestion("b", root))["remarks"]


def simple_returns(root: dict[str, str], symbol: str = "A") -> np.ndarray:
    return np.expm1(read_bundle("b", environ=root).returns[symbol].to_numpy()[1:])


# -- splits and dividends ---------------------------------------------------------------------------


def test_splits_of_a_vendor_are_applied_to_raw_prices(root):
    bars = vendor_bars()
    expected = bars["Close"].pct_change().to_numpy()[1:]
    factor = np.where(np.arange(len(bars)) >= 60, 7.0, 1.0)
    raw = bars.div(pd.DataFrame({name: factor for name in bars}, bars.index)).assign(Volume=bars["Volume"] * factor)
    raw["Stock Splits"] = np.where(np.arange(len(bars)) == 60, 7.0, 0.0)
    assert ingest(root, {"A": raw}) == []
    np.testing.assert_allclose(simple_returns(root), expected, atol=3e-4)


def test_splits_that_prices_are_adjusted_for_are_not_applied_twice(root):
    bars = vendor_bars().assign(**{"Stock Splits": 0.0})
    bars.iloc[60, bars.columns.get_loc("Stock Splits")] = 7.0
    (remark,) = ingest(root, {"A": bars})
    assert remark.startswith("prices are adjusted for the splits of the file already")
    np.testing.assert_allclose(simple_returns(root), bars["Close"].pct_change()[1:], atol=3e-5)


def test_dividends_that_closes_of_yfinance_are_adjusted_for_are_not_applied_twice(root):
    bars = vendor_bars().assign(**{"Dividends": 0.0, "Stock Splits": 0.0})
    bars.iloc[60, bars.columns.get_loc("Dividends")] = 2.0
    (remark,) = ingest(root, {"A": bars})
    assert remark.startswith("closes are adjusted for dividends, which are part of the price")
    np.testing.assert_allclose(simple_returns(root), bars["Close"].pct_change()[1:], atol=3e-5)


def test_dividends_of_prices_that_move_by_their_splits_are_applied(root):
    bars = vendor_bars().assign(**{"Dividends": 0.0, "Stock Splits": 0.0})
    expected = bars["Close"].pct_change().to_numpy()[1:]
    bars.iloc[60:, :4] /= 7.0
    bars.iloc[60, bars.columns.get_loc("Stock Splits")] = 7.0
    before = bars["Close"].iloc[79]
    bars.iloc[80, bars.columns.get_loc("Dividends")] = before / 10
    expected[79] = (1 + expected[79]) / 0.9 - 1
    (remark,) = ingest(root, {"A": bars})
    assert remark.startswith("dividends applied")
    np.testing.assert_allclose(simple_returns(root), expected, atol=4e-4)


def test_dividends_and_splits_are_derived_from_adjusted_closes(root):
    bars = vendor_bars().round(4)
    split, dividend = 40, 90
    raw = bars.copy()
    raw.iloc[:split, :4] *= 2
    growth = np.ones(len(bars))
    growth[dividend] = 1 - 0.8 / raw["Close"].iloc[dividend - 1]
    factor = np.cumprod(growth[::-1])[::-1] / growth
    adjusted = (bars["Close"] * factor).round(6)
    (remark,) = ingest(root, {"A": raw.round(4).assign(**{"Adj Close": adjusted})})
    assert remark == "dividends and splits derived from adjusted close over close: A"
    np.testing.assert_allclose(simple_returns(root), adjusted.pct_change()[1:], atol=5e-5)


def test_a_dividend_after_a_session_without_a_trade_is_adjusted_for(root):
    bars = vendor_bars().assign(Dividends=0.0)
    bars.iloc[31, bars.columns.get_loc("Dividends")] = 5.0
    bars = bars.drop(bars.index[30])
    ingest(root, {"A": bars})
    returns = read_bundle("b", environ=root).returns["A"]
    expected = np.log(bars["Close"].iloc[30] / (bars["Close"].iloc[29] - 5.0))
    assert returns[bars.index[30]] == pytest.approx(expected, abs=1e-4)


def test_adjusted_prices_are_taken_as_they_are(root):
    bars = vendor_bars().assign(Dividends=0.5)
    remarks = ingest(root, {"A": bars}, adjusted=True)
    assert remarks == ["prices are adjusted, so that dividend are not used: A"]
    np.testing.assert_allclose(simple_returns(root), bars["Close"].pct_change()[1:], atol=3e-5)


# -- what zipline cannot store ------------------------------------------------------------------------


def test_a_session_without_a_trade_is_missing_again_when_read(root):
    bars = vendor_bars()
    day = bars.index[30]
    remarks = ingest(root, {"A": bars.drop(day), "B": vendor_bars(seed=1)})
    panel = read_bundle("b", environ=root)
    assert remarks == [f"sessions without a trade, stored as missing: A (1, the first on {day.date()})"]
    for field in ("open", "high", "low", "close", "volume"):
        assert getattr(panel, field)["A"].isna().sum() == 1
        assert np.isnan(getattr(panel, field).loc[day, "A"])
        assert getattr(panel, field)["B"].notna().all()


def test_other_rules_for_gaps(root):
    frames = {"A": vendor_bars().drop(pd.Timestamp("2019-03-01")), "B": vendor_bars(seed=1)}
    with pytest.raises(BundleError, match="A on 2019-03-01: no bar for this session of XNYS"):
        ingest(root, frames, on_gap="error")
    assert ingest(root, frames, on_gap="drop") == [
        "left out for sessions without a trade: A (1, the first on 2019-03-01)"
    ]
    assert list(read_bundle("b", environ=root).assets) == ["B"]


def test_volumes_beyond_32_bits_are_scaled(root):
    bars = vendor_bars()
    bars.iloc[3, bars.columns.get_loc("Volume")] = 2.0**33
    (remark,) = ingest(root, {"A": bars})
    assert remark == "volumes above 4,294,967,294, the most that zipline stores, divided by: A (10)"
    assert read_bundle("b", environ=root).volume["A"].iloc[3] == pytest.approx(2.0**33 / 10, abs=1)


@pytest.mark.parametrize(("price", "lot"), [(0.02, 100), (0.0012, 1000), (0.000012, 100_000)])
def test_cheap_prices_are_stored_in_lots(price, lot, root):
    bars = vendor_bars(price=price)
    (remark, *_) = ingest(root, {"A": bars})
    assert remark.startswith(f"stored in lots of {lot:,} shares")
    assert simple_returns(root).std() == pytest.approx(bars["Close"].pct_change().std(), rel=0.02)


def test_rounding_is_noted(root):
    (remark,) = ingest(root, {"A": vendor_bars(price=1.0)})
    assert remark.startswith("prices rounded to thousandths, by up to: A (0.0")


def test_closes_alone_come_back_as_closes_alone(root):
    remarks = ingest(root, {"A": vendor_bars()[["Close"]]})
    panel = read_bundle("b", environ=root)
    assert panel.fields == ("close",)
    assert [remark.split(",")[0] for remark in remarks] == ["closes alone", "no volume"]


# -- calendars ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("calendar", "periods", "country"), [("XLON", 253, "GB"), ("XSHG", 243, "CN"), ("24/7", 365, "US")]
)
def test_bundles_of_other_calendars(calendar, periods, country, root):
    bars = vendor_bars(calendar)
    assert ingest(root, {"A": bars}, calendar=calendar) == []
    panel = read_bundle("b", environ=root)
    assert panel.calendar == bundle_calendar("b", root) == calendar
    assert panel.periods_per_year == periods
    assert panel.sessions.equals(pd.DatetimeIndex(bars.index, freq=None))
    assert read_ingestion_metadata(newest_ingestion("b", root))["market"]["country"] == country


def test_rows_of_holidays_without_a_trade_are_left_out(root):
    bars = vendor_bars()
    filler = bars.iloc[[0]].set_axis([pd.Timestamp("2019-01-21")]).assign(Volume=0.0)
    filler[["Open", "High", "Low"]] = filler["Close"].iloc[0]
    (remark,) = ingest(root, {"A": pd.concat([bars, filler]).rename_axis("Date")})
    assert remark == "rows without a trade on days that are no sessions of XNYS, left out: A (1)"
    assert bundle_sessions("b", root).equals(pd.DatetimeIndex(bars.index, freq=None))


def test_the_wrong_calendar_is_an_error_with_a_remedy(root):
    with pytest.raises(BundleError, match="A on 2019-01-05: not a session of XNYS .*--calendar"):
        ingest(root, {"A": vendor_bars("24/7")})


def test_unknown_options():
    with pytest.raises(ParameterError, match="no exchange calendar is called 'LSE9'"):
        register_prices("b", "prices", calendar="LSE9")
    with pytest.raises(ParameterError, match="on_gap is 'fill'; pass one of trade-free, drop, error"):
        register_prices("b", "prices", on_gap="fill")


# -- folders ------------------------------------------------------------------------------------------


def test_all_problems_of_all_files_come_at_once(tmp_path, root):
    for symbol in "ABCD":
        vendor_bars().round(3).to_csv(tmp_path / f"{symbol}.csv")
    bad = vendor_bars().round(3)
    bad.iloc[5, 3] = -1.0
    bad.to_csv(tmp_path / "B.csv")
    bad.iloc[5, 3], bad.iloc[7, 1] = 50.0, 0.5
    bad.to_csv(tmp_path / "C.csv")
    register_prices("b", tmp_path)
    with pytest.raises(BundleError, match="the prices have 2 problems") as raised:
        ingest_bundle("b", environ=root)
    assert "B on 2019-01-09: close -1.0 is not positive" in str(raised.value)
    assert "C on 2019-01-11: high 0.5 is below low" in str(raised.value)


def test_symbols_that_differ_in_case_alone(tmp_path, root):
    for symbol in ("aapl", "AAPL"):
        vendor_bars().round(3).to_csv(tmp_path / f"{symbol}.csv")
    register_prices("b", tmp_path)
    with pytest.raises(BundleError, match="AAPL and aapl differ in case alone"):
        ingest_bundle("b", environ=root)


def test_newest_first_times_of_day_and_start(tmp_path, root):
    bars = vendor_bars().round(3)
    bars.set_axis(bars.index + pd.Timedelta(hours=16)).rename_axis("Date").iloc[::-1].to_csv(tmp_path / "A.csv")
    register_prices("b", tmp_path, start="2019-02-02", end="2019-05-31")
    ingest_bundle("b", environ=root)
    assert bundle_sessions("b", root)[[0, -1]].tolist() == [pd.Timestamp("2019-02-04"), pd.Timestamp("2019-05-31")]


def test_first_and_last_sessions_are_dates_as_written():
    with pytest.raises(PanelError, match="'01/02/2019' is not a date"):
        register_prices("d", ".", start="01/02/2019")
