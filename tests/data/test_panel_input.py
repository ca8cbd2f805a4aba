"""Prices, dates and labels that a panel refuses or reads, each error naming the asset and the date."""

import numpy as np
import pandas as pd
import pytest
from six_days import BARS, DAYS, bars, spoilt

from volplugin import PricePanel
from volplugin.errors import AssetMismatchError, PanelError, VolpluginError


@pytest.mark.parametrize("field", BARS)
@pytest.mark.parametrize("value", [0.0, -1.0])
def test_price_that_is_not_positive(field, value):
    with pytest.raises(PanelError, match=f"^JPM on 2020-01-09: {field} is not positive; correct the bar"):
        PricePanel(**spoilt(field, value))


@pytest.mark.parametrize("field", [*BARS, "volume"])
@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinite_number(field, value):
    with pytest.raises(PanelError, match=f"^JPM on 2020-01-09: {field} is infinite"):
        PricePanel(**spoilt(field, value))


def test_negative_volume():
    with pytest.raises(PanelError, match="^AAPL on 2020-01-06: volume is negative"):
        PricePanel(**spoilt("volume", -1.0, "AAPL", 0))


def test_no_volume_is_fine():
    assert PricePanel(**spoilt("volume", 0.0)).volume.loc[DAYS[3], "JPM"] == 0
    assert np.isnan(PricePanel(**spoilt("volume", np.nan)).volume.loc[DAYS[3], "JPM"])


def test_high_below_low():
    with pytest.raises(PanelError, match="^JPM on 2020-01-09: high is below low"):
        PricePanel(**spoilt("high", 50.9))


@pytest.mark.parametrize("field", ["open", "high", "low"])
def test_half_a_bar(field):
    with pytest.raises(PanelError, match=f"^JPM on 2020-01-09: {field} is missing where close is there"):
        PricePanel(**spoilt(field, np.nan))


def test_nan_close_in_a_bar():
    with pytest.raises(PanelError, match=r"^JPM on 2020-01-09: close is missing \(NaN\) where open is there"):
        PricePanel(**spoilt("close", np.nan))


def test_many_bad_values_are_counted():
    close = bars()["close"]
    close.loc[DAYS[2] :, "AAPL"] = -5
    with pytest.raises(PanelError, match=r"^AAPL on 2020-01-08: close is not positive \(4 such values\)"):
        PricePanel(close=close)


def test_ranges_come_together():
    given = bars()
    with pytest.raises(PanelError, match="open, high and low come together: only high given"):
        PricePanel(close=given["close"], high=given["high"])


def test_unsorted_dates():
    close = bars()["close"].iloc[[0, 1, 3, 2, 4, 5]]
    with pytest.raises(PanelError, match="not increasing at 2020-01-08"):
        PricePanel(close=close)


def test_times_of_day():
    close = bars()["close"].set_axis(DAYS + pd.to_timedelta([0, 16, 0, 15, 0, 0], "h"))
    with pytest.raises(PanelError, match="^2020-01-07 16:00:00 is a time of day, not a session"):
        PricePanel(close=close)


def test_duplicate_dates():
    close = bars()["close"].iloc[[0, 1, 1, 2]]
    with pytest.raises(PanelError, match="duplicate date 2020-01-07"):
        PricePanel(close=close)


def test_aware_dates():
    with pytest.raises(PanelError, match=r"timezone-aware \(UTC\); use index.tz_localize\(None\)"):
        PricePanel(close=bars()["close"].tz_localize("UTC"))


def test_aware_dates_in_one_field():
    with pytest.raises(PanelError, match="volume: dates are timezone-aware"):
        PricePanel(**bars(volume=bars()["volume"].tz_localize("UTC")))


def test_missing_date():
    close = bars()["close"]
    close.index = [*DAYS[:5], pd.NaT]
    with pytest.raises(PanelError, match="NaT"):
        PricePanel(close=close)


def test_index_without_dates():
    with pytest.raises(PanelError, match="holds no dates"):
        PricePanel(close=bars()["close"].reset_index(drop=True))


def test_fields_of_other_dates():
    with pytest.raises(PanelError, match="dates of volume differ from the dates of close, first difference 2020-01-13"):
        PricePanel(**bars(volume=bars()["volume"].iloc[:-1]))


def test_fields_of_other_assets():
    other = bars()["volume"].rename(columns={"JPM": "GS"})
    with pytest.raises(AssetMismatchError, match="assets of volume differ from the assets of close: GS, JPM"):
        PricePanel(**bars(volume=other))


def test_duplicate_assets():
    close = bars()["close"].set_axis(["AAPL", "AAPL"], axis=1)
    with pytest.raises(PanelError, match="duplicate asset AAPL"):
        PricePanel(close=close)


@pytest.mark.parametrize("empty", [slice(0), slice(None)])
def test_nothing_at_all(empty):
    close = bars()["close"].iloc[empty]
    with pytest.raises(PanelError, match="empty"):
        PricePanel(close=close if not len(close) else close[[]])


@pytest.mark.parametrize("close", [bars()["close"]["AAPL"], [[1.0]], None])
def test_not_a_frame(close):
    with pytest.raises(PanelError, match="pass a DataFrame"):
        PricePanel(close=close)


def test_text_for_prices():
    close = bars()["close"].astype(object)
    close.iloc[2, 1] = "n/a"
    with pytest.raises(PanelError, match="close holds values that are not numbers.*n/a"):
        PricePanel(close=close)


def test_every_error_is_one_of_ours():
    assert issubclass(PanelError, VolpluginError)
    assert issubclass(PanelError, ValueError)
    assert issubclass(AssetMismatchError, KeyError)


@pytest.mark.parametrize("value", [1e-300, 1e300])
def test_prices_whose_ratios_are_no_numbers(value):
    with pytest.raises(PanelError, match="JPM on 2020-01-09: close is no price in any currency"):
        PricePanel(close=spoilt("close", value)["close"])


def test_an_index_without_dates_beside_good_closes():
    with pytest.raises(PanelError, match="open: the index holds no dates"):
        PricePanel(**bars(open=bars()["open"].reset_index(drop=True)))


# -- dates that are not dates, and labels ----------------------------------------------------------


@pytest.mark.parametrize("date", ["2020-01-10 09:30", pd.Timestamp("2020-01-10 15:59")])
def test_asof_before_the_close_is_the_session_before(date):
    assert PricePanel(**bars()).asof(date).last_session == DAYS[3]


def test_asof_with_a_time_of_day_uses_the_calendar_of_the_panel():
    london = PricePanel(**bars(), calendar="XLON")
    assert london.asof("2020-01-08 16:00").last_session == DAYS[1]
    assert london.asof("2020-01-08 16:30").last_session == DAYS[2]
    unknown = PricePanel(close=bars()["close"].drop(DAYS[1]))
    assert unknown.calendar is None
    assert unknown.asof("2020-01-08 23:59").last_session == DAYS[0]


@pytest.mark.parametrize("date", [20200108, 1578441600.0, "01/08/2020", "8 January 2020", "2020"])
def test_asof_guesses_no_date(date):
    with pytest.raises(PanelError, match="not a date"):
        PricePanel(**bars()).asof(date)


def test_dates_in_other_units_are_the_same_dates():
    given = bars()
    given["volume"] = given["volume"].set_axis(DAYS.as_unit("s"))
    assert PricePanel(**given).volume.index.unit == "ns"


def test_columns_with_levels_are_refused_in_one_line():
    close = pd.concat({"Close": bars()["close"]}, axis=1)
    with pytest.raises(PanelError, match="columns of close have 2 levels, such as .'Close', 'AAPL'."):
        PricePanel(close=close)


def test_select_names_a_label_of_another_type():
    panel = PricePanel(close=bars()["close"].set_axis([10107, 14593], axis=1))
    with pytest.raises(AssetMismatchError, match="'10107' is a str, the panel's label 10107 a int"):
        panel.select(["10107"])


# -- calendars -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("calendar", "periods"),
    [("XNYS", 252), ("XSHG", 243), ("XLON", 253), ("24/7", 365), ("XPAR", 256), ("NYSE", 252)],
)
def test_sessions_per_year_of_a_calendar(calendar, periods):
    panel = PricePanel(**bars(), calendar=calendar)
    assert panel.periods_per_year == panel.asof(DAYS[2]).tail(2).select(["JPM"]).periods_per_year == periods
    assert panel.calendar == calendar
    assert panel.has_calendar


def test_sessions_per_year_are_counted_without_a_calendar():
    def counted(days: pd.DatetimeIndex) -> int:
        return PricePanel(close=pd.DataFrame({"A": np.full(len(days), 10.0)}, days)).periods_per_year

    assert counted(DAYS) == 252
    assert counted(pd.date_range("2020-01-06", periods=14)) == 365
    assert counted(pd.date_range("2015-01-01", "2019-12-31")) == 365
    assert counted(pd.bdate_range("2015-01-01", "2019-12-31")) == 261
    assert counted(pd.bdate_range("2015-01-05", periods=1301)) == 261
    assert counted(pd.date_range("2015-01-05", periods=210, freq="2D")) == 183
    assert counted(pd.date_range("2015-01-05", periods=199, freq="2D")) == 365
    assert counted(pd.date_range("2015-01-05", periods=200, freq="2D")) == 183


def test_an_inferred_calendar_is_that_of_the_sessions(real):
    panel = PricePanel(close=real.close)
    assert not panel.has_calendar
    assert panel.calendar == "XNYS"
    assert panel.periods_per_year == 252


def test_unknown_calendar():
    with pytest.raises(PanelError, match="no exchange calendar is called 'NYSEX'"):
        PricePanel(**bars(), calendar="NYSEX")


def test_a_label_as_text_and_as_a_number():
    close = pd.DataFrame({1: [1.0, 2.0], "1": [1.0, 2.0]}, DAYS[:2])
    with pytest.raises(PanelError, match="^two assets are written 1, as text and as a number or with spaces; rename"):
        PricePanel(close=close)


def test_sundays_are_weekends():
    sundays = pd.date_range("2020-01-05", periods=20, freq="W-SUN")
    assert PricePanel(close=pd.DataFrame({"A": np.arange(1.0, 21)}, sundays)).periods_per_year == 365
