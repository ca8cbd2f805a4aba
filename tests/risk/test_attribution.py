"""Splits of a portfolio's volatility, beside the same numbers written out by hand."""

import itertools

import numpy as np
import pandas as pd
import pytest

from volplugin import CovarianceForecast
from volplugin.errors import AssetMismatchError, MissingForecastError, ParameterError, VolpluginError

NAMES = ["A", "B", "C", "D"]
ASOF = pd.Timestamp("2010-01-29")
WEIGHTS = pd.Series({"A": 0.5, "B": 0.3, "C": -0.1, "D": 0.0})


def forecast(seed=0, names=NAMES):
    random = np.random.default_rng(seed)
    rho = np.corrcoef(random.standard_normal((len(names), 12)) + random.standard_normal(12))
    sigma = random.uniform(0.01, 0.03, len(names))
    return CovarianceForecast(ASOF, 21, pd.Series(sigma, names), pd.DataFrame(rho, names, names))


def volatility(sigma, rho, weights):
    """Double sum of the definition."""
    pairs = itertools.product(range(len(weights)), repeat=2)
    return np.sqrt(sum(weights[i] * weights[j] * sigma[i] * sigma[j] * rho[i, j] for i, j in pairs))


def test_contributions_of_a_group_are_the_sum_of_its_assets():
    one = forecast()
    alone = one.risk_contributions(WEIGHTS, 252)
    groups = {"A": "x", "B": "y", "C": "x"}
    found = one.risk_contributions(WEIGHTS, 252, groups=groups)
    assert found.to_dict() == pytest.approx({"x": alone["A"] + alone["C"], "y": alone["B"]}, rel=1e-13)
    assert found.sum() == pytest.approx(one.portfolio_volatility(WEIGHTS, 252), rel=1e-13)
    with pytest.raises(AssetMismatchError, match="B has a weight but no group"):
        one.risk_contributions(WEIGHTS, groups={"A": "x", "C": "x"})


def test_beta_is_covariance_over_variance_of_the_market():
    one, market = forecast(), np.full(4, 0.25)
    covariance = one.covariance.to_numpy()
    by_hand = WEIGHTS.to_numpy() @ covariance @ market / (market @ covariance @ market)
    assert one.beta(WEIGHTS) == pytest.approx(by_hand, rel=1e-13)
    assert one.beta(WEIGHTS, {"A": 1.0}) == pytest.approx((WEIGHTS @ covariance[:, 0]) / covariance[0, 0], rel=1e-13)
    assert one.beta({"A": 2.0}, {"A": 1.0}) == pytest.approx(2.0)


def test_average_correlation_is_of_the_pairs_held():
    one = forecast()
    rho = one.correlation
    by_hand = (rho.loc["A", "B"] + rho.loc["A", "C"] + rho.loc["B", "C"]) / 3
    assert one.average_correlation(WEIGHTS) == pytest.approx(by_hand, rel=1e-13)
    assert np.isnan(one.average_correlation({"A": 1.0}))


def test_loadings_of_equally_correlated_assets_in_closed_form():
    """With one correlation r the market leaves (1 - r)(I - 11'/n), whose eigenvalues are 1 - r and zero."""
    sigma, r, n = 0.02, 0.4, 4
    rho = pd.DataFrame(np.full((n, n), r) + (1 - r) * np.eye(n), NAMES, NAMES)
    one = CovarianceForecast(ASOF, 21, pd.Series(sigma, NAMES), rho)
    loadings = one.factor_loadings(3)
    np.testing.assert_allclose(loadings["market"], sigma * np.sqrt((1 + (n - 1) * r) / n))
    np.testing.assert_allclose((loadings.iloc[:, 1:] ** 2).sum(), sigma**2 * (1 - r))
    np.testing.assert_allclose(loadings @ loadings.T, one.covariance, atol=1e-16)


def test_factors_and_the_specific_part_add_up():
    one = forecast()
    table, loadings = one.factor_risk(WEIGHTS, 2, periods=252), one.factor_loadings(2)
    assert list(table.index) == ["market", "component 1", "component 2", "specific"]
    by_hand = np.sqrt(252) * np.array([sum(WEIGHTS[a] * loadings.loc[a, f] for a in NAMES) for f in loadings])
    np.testing.assert_allclose(table["exposure"].iloc[:3], by_hand)
    total = one.portfolio_volatility(WEIGHTS, 252)
    np.testing.assert_allclose(table["contribution"].iloc[:3], by_hand**2 / total)
    specific = one.covariance - loadings @ loadings.T
    assert np.linalg.eigvalsh(specific)[0] > -1e-18
    assert table.loc["specific", "exposure"] == pytest.approx(np.sqrt(252 * WEIGHTS @ specific @ WEIGHTS), rel=1e-10)
    assert table["contribution"].sum() == pytest.approx(total, rel=1e-13)
    assert table["share"].sum() == pytest.approx(1, rel=1e-13)
    market = one.beta(WEIGHTS) * one.portfolio_volatility(dict.fromkeys(NAMES, 0.25), 252)
    assert table.loc["market", "exposure"] == pytest.approx(market, rel=1e-12)
    np.testing.assert_allclose(one.factor_risk({}, 1).to_numpy(), 0)


def test_impossible_factors_raise():
    for count in (-1, 4):
        with pytest.raises(ParameterError, match="pass 0 to 3"):
            forecast().factor_loadings(count)
    with pytest.raises(VolpluginError, match="no risk"):
        forecast().factor_loadings(1, {"A": 0.0})


def test_a_change_of_one_cause_alone_goes_to_it():
    one, other = forecast(0), forecast(1)
    louder = CovarianceForecast(ASOF, 21, 1.1 * one.volatility, one.correlation)
    parts = louder.volatility_change(WEIGHTS, one)
    assert parts.to_dict() == pytest.approx(
        {"volatilities": 0.1 * one.portfolio_volatility(WEIGHTS), "correlations": 0, "weights": 0}, abs=1e-17
    )
    tighter = CovarianceForecast(ASOF, 21, one.volatility, other.correlation)
    change = tighter.portfolio_volatility(WEIGHTS) - one.portfolio_volatility(WEIGHTS)
    assert tighter.volatility_change(WEIGHTS, one)["correlations"] == pytest.approx(change, rel=1e-12)
    bought = one.volatility_change(WEIGHTS, one, 0.5 * WEIGHTS)
    assert bought["weights"] == pytest.approx(0.5 * one.portfolio_volatility(WEIGHTS), rel=1e-12)


def test_the_split_of_a_change_is_the_mean_over_six_orders():
    now, before = forecast(0), forecast(1)
    then = pd.Series({"A": 0.2, "B": 0.5, "D": 0.1})
    w = [then.reindex(NAMES).fillna(0.0).to_numpy(), WEIGHTS.to_numpy()]
    s, r = ([one.volatility.to_numpy() for one in (before, now)], [one.correlation.to_numpy() for one in (before, now)])

    def at(a, b, c):
        return volatility(s[a], r[b], w[c])

    # The effect of the volatilities, with weights 1/3, 1/6, 1/6, 1/3 for the states of the other two.
    first = (at(1, 0, 0) - at(0, 0, 0)) / 3 + (at(1, 1, 1) - at(0, 1, 1)) / 3
    first += (at(1, 1, 0) - at(0, 1, 0)) / 6 + (at(1, 0, 1) - at(0, 0, 1)) / 6
    parts = now.volatility_change(WEIGHTS, before, then)
    assert parts["volatilities"] == pytest.approx(first, rel=1e-12)
    assert parts.sum() == pytest.approx(at(1, 1, 1) - at(0, 0, 0), rel=1e-12)
    yearly = now.volatility_change(WEIGHTS, before, then, periods=252)
    np.testing.assert_allclose(yearly, parts * np.sqrt(252))


def test_a_change_from_a_forecast_without_an_asset_raises():
    with pytest.raises(MissingForecastError, match="C has no forecast"):
        forecast().volatility_change(WEIGHTS, forecast(1, ["A", "B", "D"]))


def test_a_trim_is_the_portfolio_computed_again():
    one = forecast()
    effects = one.trim_effects(WEIGHTS, 0.2, periods=252)
    total = one.portfolio_volatility(WEIGHTS, 252)
    after = {"A": {"A": 0.3}, "B": {"B": 0.1}, "C": {"C": 0.0}, "D": {"D": 0.0}}
    for asset, changed in after.items():
        again = one.portfolio_volatility({**WEIGHTS, **changed}, 252) - total
        assert effects[asset] == pytest.approx(again, abs=1e-15), asset
    with pytest.raises(ParameterError, match="size is 0"):
        one.trim_effects(WEIGHTS, 0)
