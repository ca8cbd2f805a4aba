"""Measures of the report compared with counts by hand and with scipy."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from volplugin.errors import InsufficientHistoryError, ParameterError
from volplugin.evaluation import fit_dof, sampling_band
from volplugin.report.measures import (
    average_correlation,
    chosen_dates,
    contribution_shares,
    exceedances,
    monthly_turnover,
    pit_histogram,
    same_order,
    standardized,
    stock_errors,
    stress_periods,
    turnover,
)


def flat(returns, vol=0.16):
    sessions = pd.bdate_range("2015-01-01", periods=len(returns))
    return pd.DataFrame({"returns": returns, "predicted_vol": vol}, index=sessions)


def test_pit_counts_equal_scipys(result):
    found = pit_histogram(result.perf, bins=10)
    z = result.perf["returns"] / (result.perf["predicted_vol"] / np.sqrt(252))
    by_hand = pd.cut(pd.Series(stats.norm.cdf(z)), np.linspace(0, 1, 11)).value_counts(sort=False)
    np.testing.assert_array_equal(found.counts, by_hand)
    assert found.expected == pytest.approx(56)
    assert (found.lower, found.upper) == stats.binom.interval(0.95, 560, 0.1)
    squares = ((found.counts - 56) ** 2 / 56).sum()
    assert found.pvalue == pytest.approx(stats.chi2.sf(squares, 9))


def test_over_predicted_risk_fills_the_middle_bins():
    returns = np.random.default_rng(0).normal(0, 0.005, 400)
    calm = pit_histogram(flat(returns), bins=4)
    assert calm.counts[1:3].sum() > 0.8 * 400
    assert calm.pvalue < 1e-6
    with pytest.raises(InsufficientHistoryError, match="19 sessions"):
        pit_histogram(flat(returns[:19]), bins=4)


def test_exceedances_are_returns_below_normal_quantiles():
    daily = 0.16 / np.sqrt(252)
    frame = exceedances(flat([0.0, -1.7 * daily, -2.4 * daily, 3 * daily]))
    assert frame["limit_5%"].iloc[0] == pytest.approx(-1.6448536 * daily)
    assert frame["limit_1%"].iloc[0] == pytest.approx(-2.3263479 * daily)
    assert list(frame["beyond_5%"]) == [False, True, True, False]
    assert list(frame["beyond_1%"]) == [False, False, True, False]


def test_exceedances_agree_with_the_scorecard(result):
    gaussian = result.scorecard["exceedances"]["gaussian"]
    frame = exceedances(result.perf)
    for tail in ("1%", "5%"):
        assert frame[f"beyond_{tail}"].sum() == gaussian[tail]["exceedances"]


def test_turnover_is_purchases_plus_sales_over_value():
    perf = flat([0.0, 0.0, 0.0]).assign(
        portfolio_value=[100.0, 200.0, 100.0],
        transactions=[[{"amount": 2, "price": 10.0}, {"amount": -1, "price": 5.0}], [{"amount": -4, "price": 5.0}], []],
    )
    np.testing.assert_allclose(turnover(perf), [0.25, 0.10, 0.0])
    assert monthly_turnover(perf).to_dict() == {pd.Timestamp("2015-01-01"): pytest.approx(0.35)}
    with pytest.raises(ParameterError, match="no transactions"):
        turnover(flat([0.0]))


def test_shares_at_chosen_dates_are_percent_of_the_forecast(result):
    dates = chosen_dates(result)
    assert dates["first"] == result.perf.index[0]
    assert dates["highest forecast"] == result.perf["predicted_vol"].idxmax()
    assert dates["last"] == result.perf.index[-1]
    share = contribution_shares(result, top=4)
    cells = result.perf["risk_contributions"].iloc[-1]
    assert len(share) == 4
    assert share["last"].is_monotonic_decreasing
    for asset in share.index:
        assert share.at[asset, "last"] == pytest.approx(100 * cells[asset] / sum(cells.values()))


def test_average_correlation_is_the_mean_over_pairs():
    rho = pd.DataFrame([[1, 0.2, 0.4], [0.2, 1, 0.6], [0.4, 0.6, 1]])
    assert average_correlation(rho) == pytest.approx(0.4)
    assert np.isnan(average_correlation(rho.iloc[:1, :1]))


def test_matrices_of_different_assets_share_an_order():
    old = pd.DataFrame([[1, 0.3], [0.3, 1]], ["A", "gone"], ["A", "gone"])
    new = pd.DataFrame(np.eye(3) * 0.5 + 0.5, list("CAB"), list("CAB"))
    first, last = same_order({pd.Timestamp("2020-01-02"): new, pd.Timestamp("2010-01-04"): old}).values()
    assert list(first.index) == list(last.index) == list(last.columns)
    assert set(last.index) == {"A", "B", "C", "gone"}
    assert first.loc["A", "gone"] == 0.3
    assert first.loc["B"].isna().all()


def test_stock_errors_are_means_of_the_stock_s_own_days(result):
    scores = result.volatility
    table = stock_errors(result, 1)
    assert table["LSTM"].is_monotonic_decreasing
    # Every stock has all days here, so that the mean over stocks is the mean over stock-days.
    np.testing.assert_allclose(table[scores.models].mean(), scores.table["qlike"].loc[1][scores.models])
    with pytest.raises(ParameterError, match="no scores by stock"):
        stock_errors(dataclasses.replace(result, volatility=None))


def test_stress_statistics_use_the_sessions_of_the_period(storm):
    table = stress_periods(storm.perf)
    assert list(table.index) == ["2018Q4", "2020"]
    part = storm.perf.loc["2020-02-20":"2020-06-30"]
    row = table.loc["2020"]
    assert row["sessions"] == len(part)
    assert row["realized"] == pytest.approx(part["returns"].std() * np.sqrt(252))
    assert row["predicted"] == pytest.approx(np.sqrt((part["predicted_vol"] ** 2).mean()))
    assert row["bias"] == pytest.approx(standardized(part).std())
    lower, upper = sampling_band(len(part), dof=fit_dof(standardized(storm.perf)))
    assert row["lower"] == pytest.approx(lower * row["predicted"])
    assert row["upper"] == pytest.approx(upper * row["predicted"])
    assert row["leverage"] == pytest.approx(part["gross_leverage"].mean())
    assert row["worst_day"] == part["returns"].min()
    assert stress_periods(storm.perf.loc["2020-07-01":]).empty
