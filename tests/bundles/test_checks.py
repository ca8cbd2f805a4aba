"""What a bundle cannot hold is refused by name before anything is written."""

import numpy as np
import pandas as pd
import pytest
from zipline.utils.calendar_utils import get_calendar

import zipline_market
from volplugin._bundles import check_bars
from volplugin.errors import BundleError, PanelError

CALENDAR = get_calendar("XNYS")
DAY = "2016-02-03"


@pytest.fixture
def bars() -> pd.DataFrame:
    return zipline_market.market()["AAA"].loc["2016-01-04":"2016-12-30"].copy()


def test_good_bars_pass_unchanged(bars):
    before = bars.copy()
    check_bars("AAA", bars, CALENDAR)
    pd.testing.assert_frame_equal(bars, before)


@pytest.mark.parametrize(
    ("field", "value", "error", "message"),
    [
        ("close", np.nan, PanelError, "close nan is missing or not finite"),
        ("open", np.inf, PanelError, "open inf is missing or not finite"),
        ("volume", np.nan, PanelError, "volume nan is missing or not finite"),
        ("low", 0.0, PanelError, "low 0.0 is not positive"),
        ("close", -3.0, PanelError, "close -3.0 is not positive"),
        ("volume", -1.0, PanelError, "volume -1.0 is negative"),
        ("high", 1.0, PanelError, "high 1.0 is below low"),
        ("high", 5e6, BundleError, "high 5000000.0 is above 4,294,967"),
        ("low", 4e-4, BundleError, "low 0.0004 rounds to zero"),
        ("volume", 2.0**32, BundleError, "volume 4294967296.0 is above 4,294,967,294"),
        ("split", 0.0, BundleError, "split 0.0 is not a positive number"),
        ("split", np.nan, BundleError, "split nan is not a positive number"),
        ("dividend", -0.1, BundleError, "dividend -0.1 is not a cash amount"),
        ("dividend", 1e3, BundleError, "dividend 1000.0 is not below the close before it"),
    ],
)
def test_bad_value_is_named_with_asset_and_date(bars, field, value, error, message):
    bars.loc[DAY, field] = value
    with pytest.raises(error, match="^AAA on 2016-02-03: ") as raised:
        check_bars("AAA", bars, CALENDAR)
    assert message in str(raised.value)


def test_missing_session_is_named(bars):
    with pytest.raises(BundleError, match="AAA on 2016-02-03: no bar for this session of XNYS"):
        check_bars("AAA", bars.drop(pd.Timestamp(DAY)), CALENDAR)


def test_extra_session_is_named(bars):
    christmas = bars.loc[[pd.Timestamp("2016-12-23")]].set_axis([pd.Timestamp("2016-12-25")])
    with pytest.raises(BundleError, match="AAA on 2016-12-25: not a session of XNYS"):
        check_bars("AAA", pd.concat([bars, christmas]).sort_index(), CALENDAR)


def test_duplicate_date_is_named(bars):
    twice = pd.concat([bars, bars.loc[[DAY]]]).sort_index()
    with pytest.raises(PanelError, match="AAA on 2016-02-03: duplicate date"):
        check_bars("AAA", twice, CALENDAR)


def test_unsorted_date_is_named(bars):
    rows = list(range(len(bars)))
    rows[3], rows[4] = rows[4], rows[3]
    with pytest.raises(PanelError, match="AAA on 2016-01-07: dates are not increasing"):
        check_bars("AAA", bars.iloc[rows], CALENDAR)


def test_timezone_is_refused(bars):
    with pytest.raises(PanelError, match="without a timezone"):
        check_bars("AAA", bars.tz_localize("UTC"), CALENDAR)


def test_no_bars_are_refused(bars):
    with pytest.raises(PanelError, match="AAA: no bars"):
        check_bars("AAA", bars.iloc[:0], CALENDAR)


def test_bars_beyond_the_calendar_are_refused(bars):
    early = bars.set_axis(bars.index - pd.DateOffset(years=40))
    with pytest.raises(BundleError, match="beyond the calendar XNYS"):
        check_bars("AAA", early, CALENDAR)
