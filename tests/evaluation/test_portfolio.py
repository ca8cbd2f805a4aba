import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from volplugin.errors import InsufficientHistoryError
from volplugin.evaluation import PortfolioForecasts, compare_portfolio_forecasts, portfolio_scorecard, standing_bias


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


def test_standing_forecasts_pool_the_returns_they_cover():
    sessions = pd.bdate_range("2020-01-01", periods=6)
    predicted = pd.Series([0.01, 0.02, 0.03], sessions[:3])
    r = pd.Series([0.01, -0.02, 0.03, -0.01], sessions[1:5])
    found = standing_bias(predicted, r, 2)
    pooled = [1.0, -2.0, -1.0, 1.5, 1.0, -1 / 3]
    assert found["bias_statistic"]["value"] == pytest.approx(np.std(pooled, ddof=1))
    assert found["bias_statistic"]["sessions"] == 4
    ratios = np.array([2.5e-4 / 1e-4, 6.5e-4 / 4e-4, 5e-4 / 9e-4])
    assert found["qlike"] == pytest.approx((ratios - np.log(ratios) - 1).mean())
    assert found["origins"] == 3


def test_origins_whose_outcome_is_not_complete_are_left_out(portfolio):
    sigma, r = portfolio
    found = standing_bias(sigma, r, 21)
    assert found["origins"] == 756 - 21
    assert found["last_origin"] == str(sigma.index[-22].date())
    upper = np.sqrt(stats.chi2(755 - 1).ppf(0.975) / (755 - 1))
    assert found["bias_statistic"]["upper"] == pytest.approx(upper)


def test_a_standing_forecast_without_outcome_is_an_error(portfolio):
    with pytest.raises(InsufficientHistoryError, match="origins"):
        standing_bias(portfolio[0][-5:], portfolio[1], 21)


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
    alone = standing_bias(sigma[100:], r, 5)
    assert table.loc["ours", "qlike"] == pytest.approx(alone["qlike"])
