import numpy as np
import pandas as pd
import pytest
from synthetic import ASOF

from volplugin import (
    CovarianceForecast,
    EigenvalueAdjustment,
    PricePanel,
    RiskModel,
    RollingCorrelation,
    RollingVolatility,
    equal_weight,
    minimum_variance,
)
from volplugin.correlation import CorrelationEstimator, LedoitWolfCorrelation
from volplugin.errors import ParameterError
from volplugin.risk.adjustments import AdjustedForecast, PastForecasts, PastPortfolios

COUNT, LENGTH = 20, 60
NAMES = pd.Index([f"A{place:02}" for place in range(COUNT)])
TRUTH = 0.3 + 0.7 * np.eye(COUNT)


def drawn(seed: int) -> pd.DataFrame:
    z = np.random.default_rng(seed).standard_normal((LENGTH, COUNT)) @ np.linalg.cholesky(TRUTH).T
    return pd.DataFrame(z, index=pd.bdate_range("2010-01-04", periods=LENGTH), columns=NAMES)


def past(z: pd.DataFrame, correlation: CorrelationEstimator) -> PastForecasts:
    return PastForecasts(21, z, z.abs(), z, z.columns, correlation, PastPortfolios())


def adjusted(z: pd.DataFrame, correlation: CorrelationEstimator, calibration: EigenvalueAdjustment) -> AdjustedForecast:
    sigma = pd.Series(1.0, index=z.columns)
    draft = AdjustedForecast(sigma, correlation.estimate(z), "structure", {})
    return calibration.apply(draft, past(z, correlation))


def understatement(
    portfolio, seeds: range, calibration: EigenvalueAdjustment, correlation: CorrelationEstimator | None = None
) -> float:
    """True over forecast variance of a book made of each drawn sample's forecast, on average."""
    ratios = []
    for seed in seeds:
        z = drawn(seed)
        draft = adjusted(z, RollingCorrelation(LENGTH) if correlation is None else correlation, calibration)
        forecast = CovarianceForecast(z.index[-1], 21, draft.volatility, draft.correlation)
        w = portfolio(forecast)
        ratios.append(w @ TRUTH @ w / forecast.portfolio_volatility(w) ** 2)
    return float(np.mean(ratios))


def test_it_takes_most_of_the_bias_out_of_optimised_portfolios():
    """Of samples of 60 sessions of 20 assets whose truth is known."""

    def optimised(forecast: CovarianceForecast) -> pd.Series:
        return minimum_variance(forecast, long_only=False)

    before = understatement(optimised, range(12), EigenvalueAdjustment(strength=0.0))
    after = understatement(optimised, range(12), EigenvalueAdjustment())
    assert before > 1.7
    more = understatement(optimised, range(12), EigenvalueAdjustment(strength=1.4))
    assert np.log(after) < 0.5 * np.log(before)
    assert 0.9 < more < after


def test_it_leaves_portfolios_that_nobody_optimised():
    before = understatement(equal_weight, range(12), EigenvalueAdjustment(strength=0.0))
    after = understatement(equal_weight, range(12), EigenvalueAdjustment())
    assert after == pytest.approx(before, rel=0.05)


def test_it_adds_little_to_what_shrinks_its_eigenvalues_by_itself():
    z = drawn(1)
    sample, shrunk = (
        adjusted(z, correlation, EigenvalueAdjustment()).applied["EigenvalueAdjustment"]
        for correlation in (RollingCorrelation(LENGTH), LedoitWolfCorrelation(LENGTH))
    )
    assert sample["largest"] > 1.4
    assert abs(shrunk["largest"] - 1) < 0.3 * (sample["largest"] - 1)


def test_the_safest_portfolio_gains_the_most():
    z = drawn(2)
    before = np.linalg.eigvalsh(RollingCorrelation(LENGTH).estimate(z))
    draft = adjusted(z, RollingCorrelation(LENGTH), EigenvalueAdjustment())
    after = np.linalg.eigvalsh(draft.correlation * np.outer(draft.volatility, draft.volatility))
    assert after[0] > 1.5 * before[0]
    assert after[-1] == pytest.approx(before[-1], rel=0.1)
    assert draft.applied["EigenvalueAdjustment"]["smallest"] > 0.8


def test_the_diagonal_goes_to_the_volatilities():
    z = drawn(3)
    draft = adjusted(z, RollingCorrelation(LENGTH), EigenvalueAdjustment())
    np.testing.assert_array_equal(np.diagonal(draft.correlation), 1.0)
    assert (draft.volatility != 1).all()
    assert draft.applied["EigenvalueAdjustment"]["volatility"] == pytest.approx(draft.volatility.mean())


def test_strength_scales_the_deviation():
    z = drawn(4)
    whole, more = (
        adjusted(z, RollingCorrelation(LENGTH), EigenvalueAdjustment(strength=strength)).applied["EigenvalueAdjustment"]
        for strength in (1.0, 1.4)
    )
    assert more["largest"] - 1 == pytest.approx(1.4 * (whole["largest"] - 1))
    nothing = adjusted(z, RollingCorrelation(LENGTH), EigenvalueAdjustment(strength=0.0))
    np.testing.assert_allclose(nothing.correlation, RollingCorrelation(LENGTH).estimate(z), atol=1e-12)


def test_gaps_are_simulated_too():
    """What is known of an asset half as long has more noise to take out."""
    z = drawn(5)
    short = z.copy()
    short.iloc[: LENGTH // 2, :5] = np.nan
    whole, gapped = (
        adjusted(table, RollingCorrelation(LENGTH), EigenvalueAdjustment()).applied["EigenvalueAdjustment"]["largest"]
        for table in (z, short)
    )
    assert gapped != whole
    assert np.isfinite(gapped)


def test_another_seed_is_another_simulation():
    z = drawn(6)
    one, same, other = (
        adjusted(z, RollingCorrelation(LENGTH), EigenvalueAdjustment(seed=seed)).correlation for seed in (0, 0, 1)
    )
    pd.testing.assert_frame_equal(one, same, check_exact=True)
    assert 1e-6 < (one - other).abs().to_numpy().max() < 0.05


def test_one_simulation_is_enough_to_run():
    draft = adjusted(drawn(7), RollingCorrelation(LENGTH), EigenvalueAdjustment(simulations=1))
    assert draft.applied["EigenvalueAdjustment"]["largest"] > 1


def test_views(synthetic):
    """By default for optimisers alone."""
    known = PricePanel(close=synthetic.close).asof(ASOF)
    plain, given = (
        RiskModel(RollingVolatility(20), RollingCorrelation(60), calibration=item)
        for item in (None, EigenvalueAdjustment(simulations=5))
    )
    risk, structure = (given.forecast(known, view=view) for view in ("risk", "structure"))
    pd.testing.assert_frame_equal(risk.covariance, plain.forecast(known).covariance, check_exact=True)
    assert risk.diagnostics["calibration"] == {}
    assert set(structure.diagnostics["calibration"]) == {"EigenvalueAdjustment"}
    assert not np.allclose(structure.covariance, risk.covariance)


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"simulations": 0}, "^simulations is 0; pass a whole number of them above zero$"),
        ({"strength": -1.0}, "^strength is -1.0; pass a number not below zero, such as 1$"),
        ({"strength": np.nan}, "strength is nan"),
        ({"views": ("optimiser",)}, "views are optimiser; pass some of risk, structure"),
    ],
)
def test_impossible_parameters(parameters, complaint):
    with pytest.raises(ParameterError, match=complaint):
        adjusted(drawn(7), RollingCorrelation(LENGTH), EigenvalueAdjustment(**parameters))
