import exchange_calendars
import numpy as np
import pandas as pd
import pytest

from volplugin.evaluation import STRESS, mean_by_stress, mean_by_year, stress_within


def test_stress_periods_begin_and_end_on_sessions_and_do_not_overlap():
    calendar = exchange_calendars.get_calendar("XNYS", start="2005-01-03", end="2021-12-31")
    ends = [pd.Timestamp(date) for span in STRESS.values() for date in span]
    assert all(calendar.is_session(date) for date in ends)
    assert ends == sorted(ends)
    assert [name[:4] for name in STRESS] == [str(begin.year) for begin in ends[::2]]


def test_a_period_that_sticks_out_of_the_span_is_not_shown():
    assert list(stress_within(pd.bdate_range("2011-07-25", "2020-06-29"))) == ["2011", "2015", "2018Q4"]
    assert list(stress_within(pd.bdate_range("2011-07-26", "2020-06-30"))) == ["2015", "2018Q4", "2020"]
    assert stress_within(pd.bdate_range("2016-01-01", "2017-01-01")) == {}


def test_means_are_over_the_stock_days_of_the_origins():
    sessions = pd.bdate_range("2018-09-03", "2019-01-31")
    loss = pd.DataFrame({"A": np.arange(len(sessions), dtype=float), "B": 1.0}, sessions)
    loss.iloc[:40, 1] = np.nan
    inside = loss.loc["2018-10-01":"2018-12-31"]
    assert mean_by_stress(loss)["2018Q4"] == pytest.approx(np.nanmean(inside.to_numpy()))
    assert mean_by_year(loss)[2019] == pytest.approx(np.nanmean(loss.loc["2019"].to_numpy()))


def test_a_part_without_any_loss_has_none():
    sessions = pd.bdate_range("2018-09-03", "2019-01-31")
    loss = pd.DataFrame({"A": 1.0}, sessions)
    loss.loc["2018-10-01":] = np.nan
    assert np.isnan(mean_by_stress(loss)["2018Q4"])
    assert np.isnan(mean_by_year(loss)[2019])
