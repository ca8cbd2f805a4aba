"""Books are pinned by closed forms, and by the conditions that a solution of their problem meets."""

import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from volplugin import (
    CovarianceForecast,
    EWMACorrelation,
    EWMAVolatility,
    PricePanel,
    RiskModel,
    equal_weight,
    inverse_volatility,
    minimum_variance,
    risk_parity,
    simulated_panel,
)
from volplugin.errors import AllocationError, AssetMismatchError, MissingForecastError, ParameterError
from volplugin.portfolio import allocation, solvers

ASOF = pd.Timestamp("2010-01-29")


def forecast(sigma, rho) -> CovarianceForecast:
    names = [f"A{place}" for place in range(len(sigma))]
    matrix = np.full((len(sigma), len(sigma)), rho) if np.isscalar(rho) else np.array(rho, dtype=float)
    np.fill_diagonal(matrix, 1.0)
    return CovarianceForecast(ASOF, 21, pd.Series(sigma, index=names), pd.DataFrame(matrix, names, names))


def drawn(count: int, seed: int, sessions: int | None = None) -> CovarianceForecast:
    """A sample correlation with a market in it, and volatilities from 0.5 to 4 percent or so."""
    random = np.random.default_rng(seed)
    sessions = 3 * count if sessions is None else sessions
    z = random.standard_normal((sessions, count)) + 0.7 * random.standard_normal((sessions, 1))
    rho = np.corrcoef(z.T).reshape(count, count)
    return forecast(0.015 * np.exp(0.4 * random.standard_normal(count)), (rho + rho.T) / 2)


ALL = {
    "equal weight": equal_weight,
    "inverse volatility": inverse_volatility,
    "minimum variance": minimum_variance,
    "minimum variance, capped": lambda f: minimum_variance(f, bounds=(0.0, 3 / len(f.assets))),
    "minimum variance, shorts": lambda f: minimum_variance(f, long_only=False),
    "risk parity": risk_parity,
}
every_portfolio = pytest.mark.parametrize("name", ALL)


# -- what all of them keep -----------------------------------------------------------------------------


@every_portfolio
@pytest.mark.parametrize("count", [1, 2, 30])
def test_portfolios_are_fully_invested_and_labelled(name, count):
    f = drawn(count, 3) if count > 1 else forecast([0.02], 1.0)
    portfolio = ALL[name](f)
    assert list(portfolio.index) == list(f.assets)
    assert portfolio.sum() == pytest.approx(1, abs=1e-9)
    assert portfolio.name == "weight"
    if "shorts" not in name:
        assert (portfolio >= 0).all()


@every_portfolio
def test_the_scale_of_volatility_does_not_matter(name):
    f = drawn(12, 4)
    wild = CovarianceForecast(f.asof, f.horizon, 1e4 * f.volatility, f.correlation)
    pd.testing.assert_series_equal(ALL[name](wild), ALL[name](f), rtol=1e-6, atol=1e-8)


@every_portfolio
def test_the_order_of_the_assets_does_not_matter(name):
    f = drawn(12, 5)
    other = ALL[name](f.select(f.assets[::-1]))
    pd.testing.assert_series_equal(other[f.assets], ALL[name](f), rtol=1e-5, atol=1e-6)


@every_portfolio
def test_thirty_assets_take_milliseconds(name):
    """Of the best of several runs, with room for a slow machine."""
    f = drawn(30, 6, 300)
    took = []
    for _ in range(5):
        begin = time.perf_counter()
        ALL[name](f)
        took.append(time.perf_counter() - begin)
    assert min(took) < 0.05


# -- equal weight, inverse volatility ----------------------------------------------------------------


def test_equal_weight_of_a_forecast_or_of_names():
    pd.testing.assert_series_equal(equal_weight(["AAPL", "JPM"]), pd.Series(0.5, index=["AAPL", "JPM"], name="weight"))
    assert (equal_weight(drawn(8, 1)) == 1 / 8).all()


@pytest.mark.parametrize("names", [[], ["AAPL", "AAPL"]])
def test_equal_weight_of_nothing_or_one_twice(names):
    with pytest.raises(AssetMismatchError, match="one or more assets, each once"):
        equal_weight(names)


def test_inverse_volatility_in_closed_form():
    np.testing.assert_allclose(inverse_volatility(forecast([0.01, 0.02, 0.04], 0.3)), [4 / 7, 2 / 7, 1 / 7], rtol=1e-14)


# -- minimum variance ------------------------------------------------------------------------------------


def test_two_assets_in_closed_form():
    """w1 = (s2^2 - rho s1 s2) / (s1^2 + s2^2 - 2 rho s1 s2)."""
    f = forecast([0.01, 0.02], 0.3)
    weight = (4 - 0.6) / (1 + 4 - 1.2)
    for portfolio in (minimum_variance(f), minimum_variance(f, long_only=False), minimum_variance(f, bounds=(0, 1))):
        np.testing.assert_allclose(portfolio, [weight, 1 - weight], rtol=1e-6)


def test_uncorrelated_assets_weigh_their_inverse_variance():
    sigma = np.array([0.01, 0.02, 0.03, 0.05])
    expected = sigma**-2 / (sigma**-2).sum()
    np.testing.assert_allclose(minimum_variance(forecast(sigma, 0.0)), expected, rtol=1e-10)
    np.testing.assert_allclose(minimum_variance(forecast(sigma, 0.0), long_only=False), expected, rtol=1e-12)


def test_short_sales_in_closed_form():
    f = drawn(30, 7)
    inverse = np.linalg.inv(f.covariance.to_numpy())
    np.testing.assert_allclose(minimum_variance(f, long_only=False), inverse.sum(axis=1) / inverse.sum(), rtol=1e-8)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("count", "sessions"), [(5, None), (30, None), (30, 20), (100, 250)])
def test_long_only_meets_the_first_order_conditions(seed, count, sessions):
    """Karush-Kuhn-Tucker: marginal risk is the book's own wherever something is held, and no smaller elsewhere."""
    f = drawn(count, seed, sessions)
    portfolio = minimum_variance(f)
    relative = f.covariance.to_numpy() @ portfolio.to_numpy() / f.portfolio_volatility(portfolio) ** 2
    np.testing.assert_allclose(relative[portfolio > 0], 1, rtol=1e-9)
    assert (relative[portfolio == 0] > 1 - 1e-9).all()
    assert (portfolio == 0).any()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("long_only", "bounds"), [(True, (0.0, 0.08)), (True, (0.01, 0.2)), (False, (-0.05, 0.1))])
def test_bounds_meet_the_first_order_conditions(seed, long_only, bounds):
    """Marginal risk is the same between the bounds, larger at the lower one and smaller at the upper one."""
    f = drawn(30, seed, 90)
    portfolio = minimum_variance(f, long_only, bounds)
    marginal = f.covariance.to_numpy() @ portfolio.to_numpy() / f.portfolio_volatility(portfolio) ** 2
    low, high = portfolio.to_numpy() == bounds[0], portfolio.to_numpy() == bounds[1]
    assert portfolio.between(*bounds).all()
    assert (~low & ~high).any()
    common = marginal[~low & ~high].mean()
    np.testing.assert_allclose(marginal[~low & ~high], common, rtol=1e-5)
    assert (marginal[low] >= common - 1e-5).all()
    assert (marginal[high] <= common + 1e-5).all()


def test_wide_bounds_bind_nothing():
    f = drawn(20, 9, 200)
    pd.testing.assert_series_equal(minimum_variance(f, bounds=(0, 1)), minimum_variance(f), atol=1e-5)
    pd.testing.assert_series_equal(minimum_variance(f, False, (-9, 9)), minimum_variance(f, long_only=False), atol=1e-5)


def test_long_only_is_stronger_than_a_lower_bound():
    assert (minimum_variance(drawn(10, 2), long_only=True, bounds=(-0.5, 0.5)) >= 0).all()


def test_bounds_that_leave_one_portfolio():
    np.testing.assert_allclose(minimum_variance(drawn(7, 2), bounds=(0.0, 1 / 7)), 1 / 7, rtol=1e-9)


@pytest.mark.parametrize("bounds", [(0.0, 0.05), (0.2, 0.5), (0.3, 0.1), (np.nan, 1.0)])
def test_bounds_that_leave_no_portfolio(bounds):
    with pytest.raises(ParameterError, match="no fully invested portfolio of 10 assets has its weights within"):
        minimum_variance(drawn(10, 2), bounds=bounds)


def test_a_singular_correlation():
    """Without short sales there is still a book; with them, any number of riskless ones, or none."""
    twins = forecast([0.01, 0.02], 1.0)
    np.testing.assert_allclose(minimum_variance(twins), [1, 0], atol=1e-12)
    with pytest.raises(AllocationError, match="at 2010-01-29: the correlation is singular; pass long_only"):
        minimum_variance(twins, long_only=False)


def test_infinite_bounds_are_no_bounds():
    f = drawn(10, 2)
    for bounds in ((0.0, np.inf), (None, None), (-np.inf, 1.0)):
        pd.testing.assert_series_equal(minimum_variance(f, bounds=bounds), minimum_variance(f))
    for bounds in ((-np.inf, np.inf), (None, None)):
        unbounded = minimum_variance(f, long_only=False, bounds=bounds)
        pd.testing.assert_series_equal(unbounded, minimum_variance(f, long_only=False))
    np.testing.assert_allclose(
        minimum_variance(f, long_only=False, bounds=(None, 9.0)), minimum_variance(f, long_only=False), atol=1e-5
    )


def test_a_solver_that_does_not_converge(monkeypatch):
    solve = allocation.minimize

    def hurried(*args, options, **kwargs):
        return solve(*args, options=options | {"maxiter": 1}, **kwargs)

    monkeypatch.setattr(allocation, "minimize", hurried)
    with pytest.raises(AllocationError, match="no minimum-variance portfolio at 2010-01-29: Iteration limit reached"):
        minimum_variance(drawn(30, 1), bounds=(0.0, 0.06))


def test_contributions_that_do_not_converge(monkeypatch):
    monkeypatch.setattr(solvers, "SWEEPS", 2)
    with pytest.raises(AllocationError, match="no risk-parity portfolio at 2010-01-29: .* 2 passes; leave out"):
        risk_parity(drawn(30, 1))


def test_an_active_set_that_does_not_settle(monkeypatch):
    def endless(*_):
        raise RuntimeError("Maximum number of iterations reached.")

    monkeypatch.setattr(solvers, "nnls", endless)
    with pytest.raises(AllocationError, match="2010-01-29: Maximum number of iterations"):
        minimum_variance(drawn(5, 1))


# -- risk parity -----------------------------------------------------------------------------------------


@given(st.lists(st.floats(0.001, 0.2), min_size=2, max_size=12), st.floats(0.0, 0.95))
def test_equal_correlations_mean_inverse_volatility(sigma, rho):
    f = forecast(sigma, rho)
    pd.testing.assert_series_equal(risk_parity(f), inverse_volatility(f), rtol=1e-6)


def test_two_assets_share_risk_whatever_their_correlation():
    for rho in (-0.9, 0.0, 0.9):
        np.testing.assert_allclose(risk_parity(forecast([0.01, 0.03], rho)), [0.75, 0.25], rtol=1e-9)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(("count", "sessions"), [(5, None), (30, None), (30, 20), (100, 250)])
def test_every_asset_contributes_the_same(seed, count, sessions):
    f = drawn(count, seed, sessions)
    portfolio = risk_parity(f)
    assert (portfolio > 0).all()
    np.testing.assert_allclose(f.percent_contributions(portfolio), 100 / count, rtol=1e-5)


def test_every_asset_contributes_its_budget():
    f = drawn(6, 8)
    budgets = pd.Series([5, 1, 1, 2, 0.5, 0.5], index=f.assets)[::-1]
    portfolio = risk_parity(f, budgets)
    np.testing.assert_allclose(f.percent_contributions(portfolio), 10 * budgets[f.assets], rtol=1e-6)


@pytest.mark.parametrize("small", [1e-6, 1e-8, 1e-12])
def test_a_budget_next_to_nothing(small):
    f = forecast([0.01, 0.02, 0.03], 0.0)
    expected = np.sqrt([small, 0.5, 0.5]) / f.volatility
    expected /= expected.sum()
    np.testing.assert_allclose(risk_parity(f, dict(zip(f.assets, [small, 0.5, 0.5], strict=True))), expected, rtol=1e-9)


def test_a_quiet_asset_hedges_nothing():
    f = forecast([1e-8, 0.02, 0.03], 0.0)
    pd.testing.assert_series_equal(risk_parity(f), inverse_volatility(f), rtol=1e-9)


def test_solvers_take_stacks_and_leave_assets_without_a_budget_out():
    stack = np.stack([drawn(6, seed).covariance.to_numpy() for seed in range(3)])
    one_by_one = np.stack([solvers.risk_parity_weights(matrix) for matrix in stack])
    np.testing.assert_allclose(solvers.risk_parity_weights(stack), one_by_one, rtol=1e-9)
    stack[:, 5, :5] = stack[:, :5, 5] = 0.0
    weights = solvers.risk_parity_weights(stack, np.array([1.0] * 5 + [0.0]))
    np.testing.assert_allclose(weights[:, :5], solvers.risk_parity_weights(stack[:, :5, :5]), rtol=1e-9)
    assert (weights[:, 5] == 0).all()


def test_risk_parity_lies_between_minimum_variance_and_equal_weight():
    """Maillard, Roncalli and Teiletche, section 2.3: its volatility is in between."""
    for seed in range(10):
        f = drawn(15, seed)
        low, middle, high = (f.portfolio_volatility(make(f)) for make in (minimum_variance, risk_parity, equal_weight))
        assert low < middle < high


@pytest.mark.parametrize("budget", [0.0, -1.0])
def test_impossible_budgets(budget):
    f = drawn(3, 1)
    with pytest.raises(ParameterError, match="the risk budget of A1 is not above zero"):
        risk_parity(f, {"A0": 1.0, "A1": budget, "A2": 1.0})


def test_a_budget_without_a_forecast():
    with pytest.raises(MissingForecastError, match="TSLA"):
        risk_parity(drawn(3, 1), {"A0": 1.0, "A1": 1.0, "A2": 1.0, "TSLA": 1.0})


def test_a_perfect_hedge_has_no_risk_to_share():
    with pytest.raises(AllocationError, match="2010-01-29: A0, A1 hedge each other perfectly; leave"):
        risk_parity(forecast([0.01, 0.02], -1.0))


@pytest.mark.parametrize("allocate", [inverse_volatility, minimum_variance, risk_parity])
def test_a_stale_price_gets_no_weight_unless_allowed(allocate):
    close = simulated_panel(8, "2012-01-03", "2014-06-30", seed=2).close.dropna(axis=1)
    panel, stale = PricePanel(close=close), close.copy()
    stale.iloc[-40:, 0] = stale.iloc[-41, 0]
    asset = close.columns[0]
    clean, still = (
        RiskModel(EWMAVolatility(), EWMACorrelation(20)).forecast(one) for one in (panel, PricePanel(close=stale))
    )
    assert allocate(clean).sum() == pytest.approx(1)
    with pytest.raises(AllocationError, match=f"{asset} at 2014-06-30: close of .* unchanged for 41 sessions"):
        allocate(still)
    assert allocate(still, allow_suspect=True)[asset] > 1 / len(close.columns)
