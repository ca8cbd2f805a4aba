import json

import numpy as np
import pandas as pd
import pytest

from volplugin.errors import InsufficientHistoryError, ParameterError
from volplugin.evaluation import (
    PortfolioForecasts,
    compare_portfolio_forecasts,
    horizon_scores,
    level_test,
    perf_scorecard,
    portfolio_scorecard,
    tail_limits,
)
from volplugin.evaluation.constants import measured_size


@pytest.fixture(scope="module")
def portfolio():
    """Ex-ante volatility of a book over three years, and Gaussian returns that obey it."""
    random = np.random.default_rng(5)
    sessions = pd.bdate_range("2015-01-01", periods=756)
    sigma = pd.Series(0.10 / np.sqrt(252) * np.exp(0.2 * np.sin(np.arange(756) / 40)), sessions)
    return sigma, sigma * random.standard_normal(756)


def test_scorecard_numbers_are_the_plain_formulas(portfolio):
    sigma, r = portfolio
    card = portfolio_scorecard(sigma, r, target=0.10)
    z = r / sigma
    assert card["sessions"] == 756
    assert card["mean_predicted_vol"] == pytest.approx(np.sqrt((sigma**2).mean() * 252))
    assert card["realized_vol"] == pytest.approx(r.std() * np.sqrt(252))
    assert card["bias_statistic"]["value"] == pytest.approx(z.std())
    y = np.maximum(r**2, 1e-7)
    assert card["qlike"] == pytest.approx((y / sigma**2 - np.log(y / sigma**2) - 1).mean())
    assert card["q_statistic"] == pytest.approx(card["qlike"] + 1)
    rolling = r.rolling(63).std() * np.sqrt(252)
    assert card["mean_abs_63d_error"] == pytest.approx(100 * (rolling - 0.10).abs().mean())
    yearly = r.groupby(r.index.year).std() * np.sqrt(252)
    counted = yearly[r.groupby(r.index.year).size() >= 63]
    assert card["calendar_year_mae"] == pytest.approx(100 * (counted - 0.10).abs().mean())


def test_right_forecasts_pass_every_test(portfolio):
    card = portfolio_scorecard(*portfolio, target=0.10)
    assert card["bias_statistic"]["within"]
    assert card["mincer_zarnowitz"]["pvalue"] > 0.01
    gaussian = card["exceedances"]["gaussian"]
    assert min(gaussian[level]["kupiec_pvalue"] for level in ("1%", "5%")) > 0.01
    assert set(card["exceedances"]["historical"]) == {"1%", "5%"}


def test_scorecard_survives_json_and_says_nothing_of_a_target_that_was_not_set(portfolio):
    card = portfolio_scorecard(*portfolio)
    assert json.loads(json.dumps(card, allow_nan=False)) == card
    assert card["target"] is card["mean_abs_63d_error"] is card["calendar_year_mae"] is None
    assert card["mean_abs_63d_gap"] > 0


def test_sessions_without_a_portfolio_are_counted_and_left_out(portfolio):
    sigma, r = portfolio
    sigma = sigma.copy()
    sigma.iloc[:20] = np.nan
    sigma.iloc[20:30] = 0.0
    card = portfolio_scorecard(sigma, r)
    assert (card["sessions"], card["sessions_without_forecast"]) == (726, 30)
    assert card["first_session"] == str(r.index[30].date())


def test_each_year_has_its_own_numbers(portfolio):
    sigma, r = portfolio
    year = portfolio_scorecard(sigma, r)["by_year"]["2016"]
    assert year["sessions"] == (r.index.year == 2016).sum()
    assert year["realized_vol"] == pytest.approx(r[r.index.year == 2016].std() * np.sqrt(252))


def test_too_short_a_record_is_an_error(portfolio):
    with pytest.raises(InsufficientHistoryError, match="takes 63"):
        portfolio_scorecard(portfolio[0][:40], portfolio[1][:40])


def test_forecasts_of_two_sessions_pool_the_returns_they_cover():
    sessions = pd.bdate_range("2020-01-01", periods=30)
    predicted = pd.Series([0.01, 0.02, 0.03] * 9, sessions[:27])
    r = pd.Series([0.01, -0.02, 0.03, -0.01] * 7, sessions[1:29])
    found = horizon_scores(predicted, r, 2)
    pairs = np.array([[r.iloc[t], r.iloc[t + 1]] for t in range(27)])
    assert found["bias_statistic"]["value"] == pytest.approx((pairs / predicted.to_numpy()[:, None]).std(ddof=1))
    assert found["bias_statistic"]["sessions"] == 28
    ratios = (pairs**2).mean(axis=1) / predicted.to_numpy() ** 2
    assert found["qlike"] == pytest.approx((ratios - np.log(ratios) - 1).mean())
    assert found["origins"] == 27
    level = level_test(pd.Series(ratios), 2)
    assert found["level_pvalue"] == pytest.approx(level.pvalue)
    assert found["bias_statistic"]["lower"] == pytest.approx(level.lower)


def test_origins_whose_outcome_is_not_complete_are_left_out(portfolio):
    sigma, r = portfolio
    found = horizon_scores(sigma, r, 21)
    assert found["origins"] == 756 - 21
    assert found["last_origin"] == str(sigma.index[-22].date())


def test_horizon_forecasts_are_judged_by_the_sessions_they_cover(portfolio):
    sigma, r = portfolio
    ahead = (sigma**2)[::-1].rolling(21).mean()[::-1] ** 0.5
    card = portfolio_scorecard(sigma, r, predicted_horizon=ahead, horizon=21)["over_horizon"]
    # Row t forecasts the sessions t .. t + 20: its origin is the session before.
    ratio = ((r**2)[::-1].rolling(21).mean()[::-1] / ahead**2)[1:].dropna()
    assert card["horizon"] == 21
    assert card["origins"] == len(ratio)
    assert card["level_pvalue"] == pytest.approx(level_test(ratio, 21).pvalue)
    assert card["bias_statistic"]["within"]
    low = portfolio_scorecard(sigma, r, predicted_horizon=ahead / 1.3, horizon=21)["over_horizon"]
    assert not low["bias_statistic"]["within"]


def test_a_perf_frame_is_scored_with_and_without_the_horizon_column(portfolio):
    sigma, r = portfolio
    perf = pd.DataFrame({"returns": r, "predicted_vol": sigma * np.sqrt(252)})
    old = perf_scorecard(perf, target=0.1, horizon=21)
    assert old["bias_statistic"]["value"] == pytest.approx(portfolio_scorecard(sigma, r)["bias_statistic"]["value"])
    assert old["over_horizon"] is None
    perf["predicted_vol_horizon"] = perf["predicted_vol"]
    new = perf_scorecard(perf, target=0.1, horizon=21)
    assert new["over_horizon"]["origins"] == 756 - 21
    assert new["bias_statistic"] == old["bias_statistic"]


def test_horizon_forecasts_without_their_horizon_are_refused(portfolio):
    with pytest.raises(ParameterError, match="needs horizon="):
        portfolio_scorecard(*portfolio, predicted_horizon=portfolio[0])


def test_right_years_of_fat_tails_are_inside_their_bands():
    sessions = pd.bdate_range("2001-01-01", periods=10 * 261)
    random = np.random.default_rng(3)
    cards = []
    for _ in range(8):
        r = pd.Series(0.01 * random.standard_t(5, len(sessions)) * np.sqrt(3 / 5), sessions)
        cards += portfolio_scorecard(pd.Series(0.01, sessions), r)["by_year"].values()
    inside = np.mean([card["bias_statistic"]["within"] for card in cards])
    assert 0.88 < inside <= 1.0


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda s, r: (s, r.tz_localize("UTC")), "time zones"),
        (lambda s, r: (pd.concat([s, s[:1]]), r), "sigma has 2015-01-01 twice"),
        (lambda s, r: (s.replace(s.iloc[3], np.inf), r), "sigma is infinite at 2015-01-06"),
        (lambda s, r: (s.astype(str).replace("nan", "high") + "x", r), "that are not numbers"),
    ],
)
def test_series_that_cannot_be_scored_are_named(portfolio, spoil, message):
    with pytest.raises(ParameterError, match=message):
        portfolio_scorecard(*spoil(*portfolio))


def test_dates_in_microseconds_are_the_same_dates(portfolio):
    sigma, r = portfolio
    coarse = sigma.set_axis(sigma.index.as_unit("us"))
    assert portfolio_scorecard(coarse, r) == portfolio_scorecard(sigma, r)


def test_a_portfolio_that_never_moved_has_no_scorecard(portfolio):
    with pytest.raises(InsufficientHistoryError, match="all zero"):
        portfolio_scorecard(portfolio[0], 0 * portfolio[1])


def test_each_tail_method_has_its_backtests(portfolio):
    found = portfolio_scorecard(*portfolio)["exceedances"]
    assert list(found) == ["gaussian", "student", "historical"]
    for levels in found.values():
        assert {"kupiec_pvalue", "dynamic_quantile_pvalue", "shortfall_ratio", "shortfall_pvalue"} <= set(levels["5%"])


def test_tails_of_the_portfolio_held_and_their_tests(portfolio):
    sigma, r = portfolio
    found = portfolio_scorecard(sigma, r)["tail_risk"]
    assert list(found) == ["1%", "2.5%", "5%"]
    for level, row in found.items():
        limits = tail_limits(r, sigma, float(level.removesuffix("%")) / 100)
        assert row["exceedances"] == int((r < limits["value_at_risk"]).sum())
        assert row["mean_expected_shortfall"] == pytest.approx(-limits["expected_shortfall"].mean())
        assert 0 < row["mean_value_at_risk"] < row["mean_expected_shortfall"]
        assert row["student_sessions"] == 500
        assert 0 <= row["shortfall_pvalue"] <= 1


def test_a_standing_forecast_without_outcome_is_an_error(portfolio):
    with pytest.raises(InsufficientHistoryError, match="origins"):
        horizon_scores(portfolio[0][-5:], portfolio[1], 21)


def test_portfolios_are_compared_on_the_origins_that_all_have(portfolio):
    sigma, r = portfolio
    portfolios = {
        "EWMA94": PortfolioForecasts(sigma * 1.4, r, 5),
        "ours": PortfolioForecasts(sigma[100:], r, 5),
    }
    table = compare_portfolio_forecasts(portfolios)
    assert (table["origins"] == 756 - 100 - 5).all()
    assert table.loc["ours", "below_EWMA94"] > 0
    assert table.loc["ours", "dm_EWMA94"] < 0
    assert np.isnan(table.loc["EWMA94", "dm_EWMA94"])
    alone = horizon_scores(sigma[100:], r, 5)
    assert table.loc["ours", "qlike"] == pytest.approx(alone["qlike"])


def test_sessions_with_different_returns_are_left_out_of_a_comparison(portfolio):
    sigma, r = portfolio
    other = r.where(r.index != r.index[300], 0.05)
    table = compare_portfolio_forecasts(
        {"a": PortfolioForecasts(sigma, r, 5), "b": PortfolioForecasts(sigma, other, 5)}
    )
    assert (table["origins"] == 756 - 5 - 5).all()
    assert table.loc["a"].equals(table.loc["b"].rename("a"))


def test_the_measured_size_stands_with_each_test(portfolio):
    card = portfolio_scorecard(*portfolio)
    tests = ("kupiec", "independence", "christoffersen", "dynamic_quantile", "shortfall")
    for row in (*card["tail_risk"].values(), *card["exceedances"]["gaussian"].values()):
        assert all(0 <= row[f"{test}_size"] <= 1 for test in tests)
    gaussian = card["exceedances"]["gaussian"]["1%"]
    assert gaussian["dynamic_quantile_size"] == measured_size("dynamic quantile", 0.01)
    for one in ("mincer_zarnowitz", "q_statistic_band", "mrad_21_band"):
        assert 0 <= card[one]["size"] <= 1


def test_portfolios_of_a_short_span_are_compared_without_a_test(portfolio):
    sigma, r = (series[:60] for series in portfolio)
    portfolios = {"EWMA94": PortfolioForecasts(sigma * 1.4, r, 21), "ours": PortfolioForecasts(sigma, r, 21)}
    table = compare_portfolio_forecasts(portfolios)
    assert (table["origins"] == 60 - 21).all()
    assert table["qlike"].notna().all()
    assert table["bias"].notna().all()
    assert table[["bias_lower", "bias_upper", "dm_EWMA94"]].isna().all(axis=None)
