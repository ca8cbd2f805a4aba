import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from webpage import Page

from volplugin import CovarianceForecast
from volplugin.errors import AssetMismatchError, MissingForecastError, ParameterError, VolpluginError

NAMES = ["AAPL", "JPM", "CVX"]
ASOF = pd.Timestamp("2010-01-29")


def forecast(sigma=(0.01, 0.02, 0.03), rho=0.5, **metadata) -> CovarianceForecast:
    """Three assets with the same correlation between any two."""
    correlation = np.full((3, 3), float(rho))
    np.fill_diagonal(correlation, 1.0)
    return CovarianceForecast(
        asof=ASOF,
        horizon=21,
        volatility=pd.Series(sigma, index=NAMES),
        correlation=pd.DataFrame(correlation, index=NAMES, columns=NAMES),
        **metadata,
    )


# -- the numbers -----------------------------------------------------------------------------------


def test_portfolio_volatility_in_closed_form():
    """Two assets of weight 0.6 and 0.4: var = .36 s1^2 + .16 s2^2 + 2 * .24 * rho s1 s2."""
    variance = 0.36 * 0.01**2 + 0.16 * 0.02**2 + 2 * 0.24 * 0.5 * 0.01 * 0.02
    portfolio = {"AAPL": 0.6, "JPM": 0.4}
    assert forecast().portfolio_volatility(portfolio) == pytest.approx(np.sqrt(variance), rel=1e-14)
    assert forecast().portfolio_volatility(portfolio, periods=252) == pytest.approx(np.sqrt(252 * variance), rel=1e-14)


def test_one_asset_is_its_own_volatility():
    assert forecast().portfolio_volatility({"CVX": 1.0}) == pytest.approx(0.03, rel=1e-15)
    assert forecast().portfolio_volatility({"CVX": -2.0}) == pytest.approx(0.06, rel=1e-15)


def test_a_perfect_hedge_has_no_risk():
    hedged = forecast(sigma=(0.02, 0.02, 0.01), rho=1.0)
    assert hedged.portfolio_volatility({"AAPL": 1.0, "JPM": -1.0}) == pytest.approx(0, abs=1e-12)


def test_covariance_is_d_rho_d():
    f = forecast()
    expected = np.diag(f.volatility) @ f.correlation.to_numpy() @ np.diag(f.volatility)
    np.testing.assert_allclose(f.covariance, expected, rtol=1e-14)
    np.testing.assert_array_equal(np.diagonal(f.covariance), f.volatility**2)
    assert list(f.covariance.index) == list(f.covariance.columns) == NAMES == list(f.assets)


def test_contributions_by_hand():
    """Equal weights: Sigma w / sigma_p, row by row."""
    f, w = forecast(), np.full(3, 1 / 3)
    total = np.sqrt(w @ f.covariance.to_numpy() @ w)
    marginal = f.covariance.to_numpy() @ w / total
    portfolio = pd.Series(w, index=NAMES)
    np.testing.assert_allclose(f.marginal_contributions(portfolio), marginal, rtol=1e-14)
    np.testing.assert_allclose(f.risk_contributions(portfolio), w * marginal, rtol=1e-14)
    np.testing.assert_allclose(f.risk_contributions(portfolio, periods=252), np.sqrt(252) * w * marginal, rtol=1e-14)
    assert f.risk_contributions(portfolio).name == "risk_contribution"


def test_marginal_contribution_is_the_derivative():
    f, portfolio, step = forecast(), pd.Series([0.5, -0.2, 0.4], index=NAMES), 1e-6
    for name in NAMES:
        up, down = (f.portfolio_volatility(portfolio + side * step * (portfolio.index == name)) for side in (1, -1))
        assert f.marginal_contributions(portfolio)[name] == pytest.approx((up - down) / (2 * step), rel=1e-6)


def test_percent_contributions():
    f, portfolio = forecast(), pd.Series([0.5, -0.2, 0.4], index=NAMES)
    percent = f.percent_contributions(portfolio)
    np.testing.assert_allclose(
        percent, 100 * f.risk_contributions(portfolio) / f.portfolio_volatility(portfolio), rtol=1e-12
    )
    assert percent.sum() == pytest.approx(100)
    assert percent["JPM"] < 0
    assert (f.percent_contributions({}) == 0).all()


def test_betas_by_hand():
    """Covariance with the book over its variance; the book's own beta is one."""
    f, portfolio = forecast(), pd.Series([0.5, 0.0, 0.5], index=NAMES)
    covariance = f.covariance.to_numpy() @ portfolio.to_numpy()
    np.testing.assert_allclose(f.betas(portfolio), covariance / f.portfolio_volatility(portfolio) ** 2, rtol=1e-12)
    assert f.betas(portfolio) @ portfolio == pytest.approx(1)
    assert f.betas({"AAPL": 1.0})["CVX"] == pytest.approx(0.5 * 0.03 / 0.01)
    with pytest.raises(VolpluginError, match="the portfolio has no risk at 2010-01-29"):
        f.betas({})


def test_a_series_of_texts_is_refused():
    with pytest.raises(AssetMismatchError, match="the weight of AAPL is '0.5', which is not a number"):
        forecast().portfolio_volatility(pd.Series(["0.5"], ["AAPL"]))


def test_two_assets_have_the_correlation_of_their_pair():
    assert forecast(rho=0.25).average_correlation({"AAPL": 0.5, "CVX": -0.5}) == pytest.approx(0.25)
    assert np.isnan(forecast().average_correlation({"AAPL": 1.0}))


def test_groups_come_in_the_order_of_their_assets():
    groups = {"AAPL": "technology", "JPM": "banks", "CVX": "energy"}
    parts = forecast().risk_contributions(dict.fromkeys(NAMES, 1 / 3), groups=groups)
    assert parts.index.tolist() == ["technology", "banks", "energy"]


def test_factors_of_a_given_market():
    f, portfolio, market = forecast(), pd.Series([0.5, 0.2, 0.3], NAMES), {"CVX": 1.0}
    parts = f.factor_risk(portfolio, 1, market, periods=252)
    exposure = f.factor_loadings(1, market).T @ portfolio
    np.testing.assert_allclose(parts["exposure"].iloc[:-1], exposure * np.sqrt(252))
    assert parts["contribution"].sum() == pytest.approx(f.portfolio_volatility(portfolio, periods=252))
    assert parts["exposure"].iloc[0] != pytest.approx(f.factor_risk(portfolio, 1, periods=252)["exposure"].iloc[0])


def test_trim_effects_by_hand():
    f, portfolio = forecast(), {"AAPL": 0.6, "JPM": 0.005}
    change = f.trim_effects(portfolio, periods=52)
    for asset, after in (("AAPL", {"AAPL": 0.59, "JPM": 0.005}), ("JPM", {"AAPL": 0.6})):
        moved = f.portfolio_volatility(after, 52) - f.portfolio_volatility(portfolio, 52)
        assert change[asset] == pytest.approx(moved, rel=1e-9)
    assert change["CVX"] == 0


def test_tracking_error_is_the_volatility_of_the_difference():
    """Of AAPL against JPM: s1^2 + s2^2 - 2 rho s1 s2."""
    f = forecast()
    expected = np.sqrt(0.01**2 + 0.02**2 - 2 * 0.5 * 0.01 * 0.02)
    assert f.tracking_error({"AAPL": 1.0}, {"JPM": 1.0}) == pytest.approx(expected)
    assert f.tracking_error({"AAPL": 1.0}, {"JPM": 1.0}, periods=252) == pytest.approx(expected * 252**0.5)
    assert f.tracking_error({"AAPL": 0.5, "CVX": 0.5}, {"CVX": 0.5, "AAPL": 0.5}) == 0
    with pytest.raises(MissingForecastError, match="SPY"):
        f.tracking_error({"AAPL": 1.0}, {"SPY": 1.0})


def test_how_diversified_a_portfolio_is():
    f, even = forecast(sigma=(0.02, 0.02, 0.02)), dict.fromkeys(NAMES, 1 / 3)
    assert f.diversification_ratio(even) == pytest.approx(np.sqrt(3 / 2))
    assert f.effective_bets(even) == pytest.approx(3)
    assert f.effective_bets(even, bets="principal") == pytest.approx(1)
    assert f.diversification_ratio({"AAPL": 1.0}) == pytest.approx(1)
    assert np.isnan(f.effective_bets({}))
    with pytest.raises(ParameterError, match="bets is 'factors'"):
        f.effective_bets(even, bets="factors")


weights = arrays(float, 3, elements=st.floats(-5, 5))
volatilities = arrays(float, 3, elements=st.floats(1e-5, 1))


@given(weights, volatilities, st.floats(-0.49, 1.0))
def test_contributions_sum_to_the_portfolio_volatility(w, sigma, rho):
    f, portfolio = forecast(sigma, rho), pd.Series(w, index=NAMES)
    total = f.portfolio_volatility(portfolio)
    assert np.isfinite(total)
    assert total >= 0
    assert f.risk_contributions(portfolio).sum() == pytest.approx(total, rel=1e-9, abs=1e-12)


@given(weights, volatilities, st.floats(0.0, 100.0))
def test_volatility_is_homogeneous(w, sigma, factor):
    f, portfolio = forecast(sigma, 0.3), pd.Series(w, index=NAMES)
    expected = factor * f.portfolio_volatility(portfolio)
    assert f.portfolio_volatility(factor * portfolio) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_an_empty_portfolio_has_no_risk():
    f = forecast()
    for portfolio in ({}, pd.Series(dtype=float), {"AAPL": 0.0}, {"TSLA": 0.0}):
        assert f.portfolio_volatility(portfolio) == 0
        assert (f.risk_contributions(portfolio) == 0).all()


def test_weights_are_read_by_name():
    f = forecast()
    straight = pd.Series([0.5, 0.3, 0.2], index=NAMES)
    assert f.portfolio_volatility(straight[::-1]) == f.portfolio_volatility(straight)
    assert list(f.risk_contributions(straight[::-1]).index) == NAMES
    np.testing.assert_array_equal(f.align(straight[::-1]), straight)


def test_whole_numbers_are_weights_too():
    assert forecast().portfolio_volatility({"AAPL": 1, "JPM": 0}) == pytest.approx(0.01)


def test_the_tables_are_named():
    f, portfolio = forecast(), {"AAPL": 0.5, "JPM": 0.5}
    parts = f.marginal_contributions(portfolio), f.percent_contributions(portfolio), f.betas(portfolio)
    assert [part.name for part in parts] == ["marginal_contribution", "percent_contribution", "beta"]
    assert f.trim_effects(portfolio).name == "trim_effect"
    assert f.volatility_change(portfolio, f).name == "change"
    assert list(f.volatility_change(portfolio, f).index) == ["volatilities", "correlations", "weights"]
    assert f.volatility.name == "volatility"
    assert list(f.risk_contributions(portfolio, groups=dict.fromkeys(NAMES, "x")).index) == ["x"]
    assert repr(f) == "CovarianceForecast(asof=2010-01-29, horizon=21, 3 assets)"


def test_the_card_of_a_notebook():
    metadata = {"event_variance": {"JPM": 0.1, "CVX": 0.09}, "periods_per_year": 250, "model": {"trained_through": 1}}
    f = forecast(diagnostics=metadata)
    cells = [cell.text for cell in Page(f._repr_html_()).all("td")]
    assert dict(zip(cells[::2], cells[1::2], strict=True)) == {
        "as of": "2010-01-29",
        "covers": "the next 21 sessions",
        "assets": "3",
        "volatility": "15.8% to 47.4% a year, median 31.6%",
        "mean correlation": "0.50",
        "expected events": "JPM",
        "trained through": "1",
    }
    texts = [text.text for text in Page(f._repr_html_()).all("text")]
    assert texts == ["Largest volatilities, 3 of 3", "CVX", "47.4%", "JPM", "31.6%", "AAPL", "15.8%"]
    assert "Covariance forecast" in f._repr_html_()
    one = [cell.text for cell in Page(f.select(["CVX"])._repr_html_()).all("td")]
    assert one[one.index("mean correlation") + 1] == "-"
    assert one[one.index("expected events") + 1] == "none"


def test_weights_in_the_forecast_s_own_order_are_copied():
    f = forecast()
    given = pd.Series([0.5, 0.3, 0.2], f.assets)
    f.align(given)[0] = 9.0
    assert given.iloc[0] == 0.5


# -- a frozen value --------------------------------------------------------------------------------


def test_it_cannot_be_changed():
    f = forecast(diagnostics={"model": "EWMA"})
    with pytest.raises(dataclasses.FrozenInstanceError):
        f.horizon = 5
    with pytest.raises(ValueError, match="read-only"):
        f.volatility.iloc[0] = 1.0
    with pytest.raises(ValueError, match="read-only"):
        f.correlation.iloc[0, 1] = 1.0
    with pytest.raises(TypeError):
        f.diagnostics["model"] = "LSTM"


def test_later_changes_of_the_caller_do_not_reach_it():
    sigma = pd.Series([0.01, 0.02, 0.03], index=NAMES)
    rho = pd.DataFrame(np.eye(3), index=NAMES, columns=NAMES)
    metadata = {"model": "EWMA"}
    f = CovarianceForecast(ASOF, 21, sigma, rho, metadata)
    sigma.iloc[0], rho.iloc[0, 1], metadata["model"] = 9.0, 9.0, "LSTM"
    assert f.volatility.iloc[0] == 0.01
    assert f.correlation.iloc[0, 1] == 0
    assert f.diagnostics["model"] == "EWMA"


def test_changing_the_covariance_changes_nothing_else():
    f = forecast()
    covariance = f.covariance
    covariance.iloc[:, :] = 0
    assert f.portfolio_volatility({"AAPL": 1.0}) == pytest.approx(0.01)


def test_select():
    f = forecast(diagnostics={"excluded": {"V": "only 3 bars of history"}})
    some = f.select(["CVX", "AAPL"])
    assert list(some.assets) == ["CVX", "AAPL"]
    assert some.volatility["CVX"] == 0.03
    assert (some.asof, some.horizon) == (f.asof, f.horizon)
    with pytest.raises(MissingForecastError, match=r"V has no forecast at 2010-01-29 \(only 3 bars of history\)"):
        f.select(["AAPL", "V"])


def test_relabel():
    f = forecast().relabel({"AAPL": 24, "JPM": 25, "CVX": 26})
    assert list(f.assets) == [24, 25, 26]
    assert f.portfolio_volatility({24: 1.0}) == pytest.approx(0.01)


def test_assets_without_a_new_label_keep_theirs():
    assert list(forecast().relabel({"AAPL": "X"}).assets) == ["X", "JPM", "CVX"]


def test_dates_and_numbers_of_other_kinds_become_timestamps_and_floats():
    one = dataclasses.replace(forecast(), asof="2010-01-29", volatility=pd.Series([1, 2, 3], NAMES))
    assert one.asof == ASOF
    assert one.asof.unit == "ns"
    assert one.volatility.dtype == float


def test_weights_beyond_what_can_be_squared_are_named():
    with pytest.raises(VolpluginError, match=r"weights of 1e\+200 are too large; pass fractions of the portfolio"):
        forecast().portfolio_volatility({"AAPL": 1e200})


# -- what is refused -------------------------------------------------------------------------------


def test_weight_without_a_forecast():
    f = forecast(diagnostics={"excluded": {"V": "no bars up to this session"}})
    for ask in (f.portfolio_volatility, f.risk_contributions, f.marginal_contributions):
        with pytest.raises(MissingForecastError, match="TSLA has weight 0.25 but no forecast at 2010-01-29; drop it"):
            ask({"AAPL": 0.5, "TSLA": 0.25})
    with pytest.raises(MissingForecastError, match=r"V has weight -0.1 .*\(no bars up to this session\)"):
        f.portfolio_volatility({"V": -0.1})


@pytest.mark.parametrize("weight", [np.nan, np.inf, -np.inf])
def test_weight_that_is_no_number(weight):
    with pytest.raises(AssetMismatchError, match="the weight of JPM is not a finite number"):
        forecast().portfolio_volatility({"AAPL": 0.5, "JPM": weight})


def test_two_weights_for_an_asset():
    portfolio = pd.Series([0.5, 0.5], index=["AAPL", "AAPL"])
    with pytest.raises(AssetMismatchError, match="AAPL has two weights"):
        forecast().portfolio_volatility(portfolio)


@pytest.mark.parametrize("sigma", [0.0, -0.01, np.nan, np.inf])
def test_impossible_volatility(sigma):
    with pytest.raises(VolpluginError, match="JPM at 2010-01-29: volatility .* is not positive and finite"):
        forecast(sigma=(0.01, sigma, 0.03))


def test_impossible_correlation():
    def given_correlation(values) -> CovarianceForecast:
        rho = pd.DataFrame(values, index=NAMES, columns=NAMES)
        return CovarianceForecast(ASOF, 21, pd.Series([0.01] * 3, index=NAMES), rho)

    with pytest.raises(VolpluginError, match="not positive semi-definite"):
        given_correlation([[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]])
    with pytest.raises(VolpluginError, match="diagonal other than one"):
        given_correlation(np.eye(3) * 1.1)
    with pytest.raises(VolpluginError, match="not symmetric"):
        given_correlation([[1, 0.2, 0], [0.1, 1, 0], [0, 0, 1]])
    with pytest.raises(VolpluginError, match="missing or infinite"):
        given_correlation([[1, np.nan, 0], [np.nan, 1, 0], [0, 0, 1]])


def test_rounding_of_a_correlation_is_allowed():
    error = np.zeros((3, 3))
    error[0, 1] = 9e-10
    for rho in (np.eye(3) * (1 + 9e-10), np.eye(3) + error, np.ones((3, 3)) - 1e-10 * (1 - np.eye(3)) * [1, -1, 1]):
        CovarianceForecast(ASOF, 21, pd.Series([0.01] * 3, NAMES), pd.DataFrame(rho, NAMES, NAMES))
    for rho in (np.eye(3) * (1 + 2e-9), np.eye(3) + 3 * error):
        with pytest.raises(VolpluginError, match="^at 2010-01-29: the correlation "):
            CovarianceForecast(ASOF, 21, pd.Series([0.01] * 3, NAMES), pd.DataFrame(rho, NAMES, NAMES))


def test_an_asset_twice():
    """Its risk would count twice."""
    with pytest.raises(AssetMismatchError, match="AAPL is there twice"):
        forecast().select(["AAPL", "JPM", "AAPL"])
    with pytest.raises(AssetMismatchError, match="X is there twice"):
        forecast().relabel({"AAPL": "X", "CVX": "X"})


def test_labels_that_differ():
    rho = pd.DataFrame(np.eye(3), index=NAMES, columns=NAMES)
    with pytest.raises(AssetMismatchError, match="labelled differently"):
        CovarianceForecast(ASOF, 21, pd.Series([0.01] * 3, index=NAMES[::-1]), rho)


@pytest.mark.parametrize("weights", [[0.5, 0.3, 0.2], np.array([0.5, 0.3, 0.2]), pd.Series([0.5, 0.3, 0.2])])
def test_weights_without_labels_are_refused(weights):
    with pytest.raises(
        AssetMismatchError, match="weights (are a list|are a ndarray|have no labels).*pass a Series or a dict"
    ):
        forecast().portfolio_volatility(weights)
