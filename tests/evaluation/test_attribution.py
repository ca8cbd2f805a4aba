"""Sources of a portfolio's errors: planted ones are found, and the parts add up."""

import numpy as np
import pandas as pd
import pytest

from volplugin import CovarianceForecast, PricePanel
from volplugin.errors import InsufficientHistoryError, ParameterError
from volplugin.evaluation import error_sources

NAMES = ["A", "B", "C", "D"]
SESSIONS = pd.bdate_range("2018-01-01", periods=400)
SIGMA, RHO = np.array([0.01, 0.02, 0.015, 0.01]), 0.3
BEGIN, STOP = 200, 221


class Constant:
    """The right forecast of the quiet part, whatever the prices."""

    def forecast_path(self, panel, sessions, horizon=21):
        assert horizon == 1
        rho = pd.DataFrame(np.full((4, 4), RHO) + (1 - RHO) * np.eye(4), NAMES, NAMES)
        for session in sessions:
            yield CovarianceForecast(session, 1, pd.Series(SIGMA, NAMES), rho)


def covariance(sigma, rho):
    return np.outer(sigma, sigma) * (np.full((4, 4), rho) + (1 - rho) * np.eye(4))


def exactly(covariance, count, random):
    """Returns whose second moments about zero are exactly this covariance."""
    z = random.standard_normal((count, 4))
    root = np.linalg.cholesky(z.T @ z / count)
    return z @ np.linalg.inv(root).T @ np.linalg.cholesky(covariance).T


def run(weights, sigma=SIGMA, rho=RHO, windows=1, **changes):
    """Quiet returns, and 21 sessions with other volatilities or correlations."""
    random = np.random.default_rng(0)
    r = np.vstack([exactly(covariance(SIGMA, RHO), 20, random) for _ in range(20)])
    r[BEGIN:STOP] = exactly(covariance(sigma, rho), STOP - BEGIN, random)
    panel = PricePanel(close=pd.DataFrame(100 * np.exp(np.cumsum(np.log1p(r), axis=0)), SESSIONS, NAMES))
    held = pd.DataFrame([weights] * len(SESSIONS), SESSIONS, NAMES)
    predicted = pd.Series(np.sqrt(weights @ covariance(SIGMA, RHO) @ weights), SESSIONS)
    predicted.iloc[:2] = np.nan
    if windows == 1:  # no other window can be chosen
        predicted.iloc[:BEGIN] = predicted.iloc[STOP:] = np.nan
    returns = pd.Series(r @ weights, SESSIONS) + changes.get("cost", 0.0)
    return error_sources(Constant(), panel, held, predicted, returns, windows=windows), predicted


LONG = np.full(4, 0.25)
MIXED = np.array([0.5, -0.25, 0.25, -0.5])
YEAR = np.sqrt(262)  # weekdays, which the panel counts per year


def check_sum(found):
    parts = found.windows[["level", "correlation", "stocks", "other"]].sum(axis=1)
    np.testing.assert_allclose(parts, found.windows["realized"] - found.windows["predicted"], atol=1e-12)
    np.testing.assert_allclose(found.by_stock.sum(axis=1), found.windows["stocks"], atol=1e-12)


@pytest.mark.parametrize("weights", [LONG, MIXED])
def test_a_change_of_level_alone(weights):
    found, predicted = run(weights, sigma=2 * SIGMA)
    check_sum(found)
    row = found.windows.iloc[0]
    assert (row["first"], row["last"]) == (SESSIONS[BEGIN], SESSIONS[STOP - 1])
    assert row["predicted"] == pytest.approx(predicted.iloc[BEGIN] * YEAR)
    assert row["realized"] == pytest.approx(2 * predicted.iloc[BEGIN] * YEAR)
    assert row["level"] == pytest.approx(predicted.iloc[BEGIN] * YEAR, rel=1e-9)
    np.testing.assert_allclose(row[["correlation", "stocks", "other"]].astype(float), 0, atol=1e-12)


@pytest.mark.parametrize("weights", [LONG, MIXED])
def test_a_change_of_correlation_alone(weights):
    found, predicted = run(weights, rho=0.9)
    check_sum(found)
    row = found.windows.iloc[0]
    realized = np.sqrt(weights @ covariance(SIGMA, 0.9) @ weights)
    assert row["correlation"] == pytest.approx((realized - predicted.iloc[BEGIN]) * YEAR, rel=1e-9)
    np.testing.assert_allclose(row[["level", "stocks", "other"]].astype(float), 0, atol=1e-12)


def test_one_stock_is_named():
    sigma = SIGMA.copy()
    sigma[2] *= 5
    found, _ = run(LONG, sigma=sigma)
    check_sum(found)
    assert found.by_stock.iloc[0].idxmax() == "C"
    record = found.as_records()[0]
    assert next(iter(record["largest_stocks"])) == "C"
    assert record["last"] == str(SESSIONS[STOP - 1].date())


def test_costs_are_other():
    found, _ = run(LONG, sigma=3 * SIGMA, cost=-0.001)
    check_sum(found)
    assert found.windows["other"].iloc[0] != 0


def test_the_parts_written_out_for_random_returns():
    """The definition once more, with matrices."""
    random = np.random.default_rng(3)
    found, _ = run(MIXED, sigma=SIGMA * random.uniform(0.5, 3, 4), rho=0.6, windows=5)
    check_sum(found)
    assert len(found.windows) == 5
    firsts = SESSIONS.get_indexer(found.windows["first"])
    assert np.diff(np.sort(firsts)).min() >= 21
    random = np.random.default_rng(0)
    row, stocks = found.windows.iloc[0], found.by_stock.iloc[0]
    place = firsts[0]
    r = np.vstack([exactly(covariance(SIGMA, RHO), 20, random) for _ in range(20)])
    sigma = SIGMA * np.random.default_rng(3).uniform(0.5, 3, 4)
    r[BEGIN:STOP] = exactly(covariance(sigma, 0.6), 21, random)
    second = r[place : place + 21].T @ r[place : place + 21] / 21
    w, before = MIXED, covariance(SIGMA, RHO)
    ratio, weight = np.diag(second) / np.diag(before), w**2 * np.diag(before)
    reached = pd.Series(weight, ratio).sort_index().cumsum() / weight.sum()
    k = reached.index[reached >= 0.5][0]
    scale = np.sqrt(np.diag(second))
    mean = (second / np.outer(scale, scale))[np.triu_indices(4, 1)].mean()
    moved = k * (before + (mean - RHO) * (np.outer(SIGMA, SIGMA) - np.diag(SIGMA**2)))
    total = np.sqrt(w @ second @ w) + np.sqrt(w @ before @ w)
    np.testing.assert_allclose(stocks, w * ((second - moved) @ w) / total * YEAR, rtol=1e-7, atol=1e-12)
    assert row["level"] == pytest.approx((k - 1) * (w @ before @ w) / total * YEAR, rel=1e-7)


def test_what_cannot_be_split_is_refused():
    with pytest.raises(ParameterError, match="windows is 0"):
        run(LONG, windows=0)
    panel = PricePanel(close=pd.DataFrame(100.0, SESSIONS, NAMES))
    held, flat = pd.DataFrame(0.25, SESSIONS[:50], NAMES), pd.Series(0.01, SESSIONS)
    with pytest.raises(ParameterError, match="the weights lack"):
        error_sources(Constant(), panel, held, flat, flat * np.linspace(1, 3, 400))
    with pytest.raises(InsufficientHistoryError, match="5 sessions"):
        error_sources(Constant(), panel, held, flat[:5], flat[:5])
