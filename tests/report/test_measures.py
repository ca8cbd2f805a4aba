import dataclasses

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from volplugin.errors import InsufficientHistoryError, ParameterError
from volplugin.evaluation import fit_dof, sampling_band
from volplugin.report import BacktestResult, Comparison, ReportData


def data_of(result, perf, **changes):
    return ReportData(dataclasses.replace(result, perf=perf, **changes))


def flat(bare, returns, vol=0.16, **columns):
    sessions = pd.bdate_range("2015-01-01", periods=len(returns))
    return data_of(bare, pd.DataFrame({"returns": returns, "predicted_vol": vol, **columns}, index=sessions))


def test_perf_of_zipline_gets_plain_sessions(result):
    assert result.perf.index.tz is None
    assert result.perf.index[0] == pd.Timestamp("2010-01-04")


def test_perf_without_predictions_raises(bare):
    with pytest.raises(ParameterError, match="no column 'predicted_vol'.*metrics set"):
        BacktestResult(bare.details, bare.perf[["returns"]], bare.scorecard)


def test_a_run_too_short_for_a_scorecard_raises(bare):
    with pytest.raises(InsufficientHistoryError, match="choose a longer span"):
        BacktestResult(bare.details, bare.perf, {})
    with pytest.raises(InsufficientHistoryError, match="63 sessions"):
        Comparison(bare.perf, {})


def test_quarters_compare_the_same_sessions(result):
    windows, perf = ReportData(result).quarters, result.perf.iloc[100:163]
    row = windows.loc[perf.index[-1]]
    assert row["realized"] == pytest.approx(perf["returns"].std() * np.sqrt(252))
    assert row["predicted"] == pytest.approx(np.sqrt((perf["predicted_vol"] ** 2).mean()))
    assert row["lower"] < row["predicted"] < row["upper"]


def test_quarters_skip_sessions_without_a_portfolio(result):
    perf = result.perf.copy()
    perf.iloc[:30, perf.columns.get_loc("predicted_vol")] = np.nan
    assert data_of(result, perf).quarters.index[0] == perf.index[92]


def test_biggest_miss_is_the_quarter_with_inflated_returns(result):
    perf = result.perf.copy()
    perf.iloc[300:363, perf.columns.get_loc("returns")] *= 4
    miss = data_of(result, perf).biggest_miss
    assert abs(perf.index.get_loc(miss.name) - 362) <= 5
    assert miss["realized"] > 3 * miss["predicted"]


def test_shares_of_quarters_below_inside_and_above_the_band(result):
    perf = result.perf
    below, inside, above = ReportData(result).band_shares
    assert inside > 0.8
    assert below + inside + above == pytest.approx(1)
    assert data_of(result, perf.assign(returns=3 * perf["returns"])).band_shares[2] == 1
    assert data_of(result, perf.assign(returns=perf["returns"] / 3)).band_shares[0] == 1


def test_measures_of_a_short_or_minimal_run_are_none(bare):
    short, data = data_of(bare, bare.perf.iloc[:40]), ReportData(bare)
    assert short.quarters is short.biggest_miss is short.band_shares is short.volatilities is None
    assert short.bias_path is short.tenths is short.pit is None
    assert short.regimes == {}
    assert data.untouched is data.turnover is data.monthly_turnover is data.shares is data.stress is None
    assert data.stock_errors is data.stale is None
    assert list(data.money.index) == ["run"]


def test_untouched_divides_by_the_leverage_at_the_close_before(result):
    data, perf = ReportData(result), result.perf
    expected = perf["returns"] / perf["gross_leverage"].shift(1)
    pd.testing.assert_series_equal(data.untouched["returns"], expected.iloc[1:], check_names=False)
    cash = data_of(result, perf.assign(gross_leverage=np.where(np.arange(len(perf)) < 100, 0.01, 1.0)))
    assert cash.untouched.index[0] == perf.index[101]
    np.testing.assert_allclose(cash.untouched["returns"], perf["returns"].iloc[101:])


def test_tenths_compare_forecast_and_outcome_of_the_same_sessions(bare):
    vol = np.linspace(0.10, 0.40, 400)
    data = flat(bare, np.tile([0.01, -0.01], 200), vol)
    assert len(data.tenths) == 10
    np.testing.assert_allclose(data.tenths["realized"], 0.01 * np.sqrt(252))
    assert data.tenths["predicted"].iloc[0] == pytest.approx(np.sqrt((vol[:40] ** 2).mean()))
    assert data.regimes["calm"].value > 1 > data.regimes["storm"].value


def test_money_equals_hand_counts(bare):
    data = flat(bare, np.tile([0.02, -0.01], 126), gross_leverage=0.5)
    run, other = data.money.loc["run"], data.money.loc["untouched"]
    returns = data.returns["run"]
    assert run["drawdown"] == pytest.approx(-0.01)
    assert other["drawdown"] == pytest.approx(-0.02)
    assert run["sharpe"] == pytest.approx(returns.mean() / returns.std() * np.sqrt(252))
    assert data.growth["run"].iloc[-1] == pytest.approx((1 + returns).prod())
    assert data.drawdown.min().to_dict() == pytest.approx({"run": -0.01, "untouched": -0.02})


def test_rolling_bias_uses_a_quarter_in_a_short_run(result, bare):
    assert ReportData(result).bias_window == 252
    data = ReportData(bare)
    z = bare.perf["returns"] / bare.perf["predicted_vol"] * np.sqrt(252)
    assert data.bias_window == 63
    assert data.bias_path.iloc[-1] == pytest.approx(z.iloc[-63:].std())


def test_pit_counts_equal_scipys(result):
    found = ReportData(result).pit
    z = result.perf["returns"] / (result.perf["predicted_vol"] / np.sqrt(252))
    by_hand = pd.cut(pd.Series(stats.norm.cdf(z)), np.linspace(0, 1, 11)).value_counts(sort=False)
    np.testing.assert_allclose(found["share"], by_hand / 560)
    low, high = stats.binom.interval(0.95, 560, 0.1)
    assert found[["lower", "upper"]].drop_duplicates().to_numpy().tolist() == [[low / 560, high / 560]]


def test_over_predicted_risk_fills_the_middle_bins(bare):
    calm = flat(bare, np.random.default_rng(0).normal(0, 0.005, 400)).pit
    assert calm["share"].iloc[3:7].sum() > 0.6


def test_exceedances_are_returns_below_normal_quantiles(bare):
    daily = 0.16 / np.sqrt(252)
    frame = flat(bare, [0.0, -1.7 * daily, -2.4 * daily, 3 * daily]).exceedances
    assert frame["limit_5%"].iloc[0] == pytest.approx(-1.6448536 * daily)
    assert frame["limit_1%"].iloc[0] == pytest.approx(-2.3263479 * daily)
    assert list(frame["beyond_5%"]) == [False, True, True, False]
    assert list(frame["beyond_1%"]) == [False, False, True, False]


def test_exceedances_agree_with_the_scorecard(result):
    gaussian, frame = result.scorecard["exceedances"]["gaussian"], ReportData(result).exceedances
    for tail in ("1%", "5%"):
        assert frame[f"beyond_{tail}"].sum() == gaussian[tail]["exceedances"]


def test_turnover_is_purchases_plus_sales_over_value(bare):
    data = flat(
        bare,
        [0.0, 0.0, 0.0],
        portfolio_value=[100.0, 200.0, 100.0],
        transactions=[[{"amount": 2, "price": 10.0}, {"amount": -1, "price": 5.0}], [{"amount": -4, "price": 5.0}], []],
    )
    np.testing.assert_allclose(data.turnover, [0.25, 0.10, 0.0])
    assert data.monthly_turnover.to_dict() == {pd.Timestamp("2015-01-01"): pytest.approx(0.35)}


def test_shares_add_up_to_one_and_assets_not_held_have_none(result):
    share = ReportData(result).shares
    np.testing.assert_allclose(share.sum(axis=1), 1)
    assert share.mean().is_monotonic_decreasing
    perf = result.perf.iloc[:3].copy()
    perf["risk_contributions"] = [{"A": 0.1}, {}, {"B": 0.2}]
    assert data_of(result, perf).shares.to_dict("list") == {"A": [1.0, 0.0], "B": [0.0, 1.0]}


def test_shares_of_groups_are_sums_of_their_assets(result):
    details = dataclasses.replace(result.details, groups={"S11": "one", "S10": "one", "S00": "two"})
    share = ReportData(dataclasses.replace(result, details=details)).shares
    single = ReportData(result).shares
    assert set(share) == {"one", "two", "no group"}
    np.testing.assert_allclose(share["one"], single["S11"] + single["S10"])


def test_stock_errors_are_means_of_the_stock_s_own_days(result):
    scores, table = result.volatility, ReportData(result).stock_errors
    assert table["LSTM"].is_monotonic_decreasing
    # Every stock has all days here, so that the mean over stocks is the mean over stock-days.
    np.testing.assert_allclose(table[scores.models].mean(), scores.table["qlike"].loc[21][scores.models])


def test_sessions_with_a_model_older_than_a_year_are_stale(result):
    stale = ReportData(result).stale
    assert stale[0] == result.perf.index[result.perf.index > pd.Timestamp("2009-12-31") + pd.Timedelta(days=370)][0]
    vintages = [{"trained_through": f"{year}-12-31"} for year in (2009, 2010, 2011)]
    details = dataclasses.replace(result.details, vintages=vintages)
    assert not len(ReportData(dataclasses.replace(result, details=details)).stale)


def test_stress_statistics_use_the_sessions_of_the_period(storm):
    data = ReportData(storm)
    assert list(data.stress.index) == ["2018Q4", "2020"]
    part, row = storm.perf.loc["2020-02-20":"2020-06-30"], data.stress.loc["2020"]
    assert row["sessions"] == len(part)
    assert row["realized"] == pytest.approx(part["returns"].std() * np.sqrt(252))
    assert row["predicted"] == pytest.approx(np.sqrt((part["predicted_vol"] ** 2).mean()))
    assert row["bias"] == pytest.approx(data.standardized.loc[part.index].std())
    lower, upper = sampling_band(len(part), dof=fit_dof(data.standardized))
    assert row["lower"] == pytest.approx(lower * row["predicted"])
    assert row["upper"] == pytest.approx(upper * row["predicted"])
    assert row["worst_day"] == part["returns"].min()
    assert data_of(storm, storm.perf.loc["2020-07-01":]).stress is None
