"""The study: Sigma by hand, each row of the table, look-ahead of each correlation."""

import numpy as np
import pandas as pd
import pytest
import synthetic as market

from volplugin import PricePanel
from volplugin.evaluation import qlike
from volplugin.volatility.lstm.seed import forward_volatility
from volplugin.workflows.study import SeedSettings, common_sample
from volplugin.workflows.study.models import correlations, level, seed_forecasts, seed_volatility
from volplugin.workflows.study.networks import train_networks
from volplugin.workflows.study.result import CAUSAL, CURRENT, KNOWN, LAST, LEVEL, SEED
from volplugin.workflows.study.run import r_squared


@pytest.fixture(scope="module")
def volatility(sample, result, folder):
    networks = train_networks(sample, folder, n_jobs=1, progress=False)
    return seed_volatility(sample, networks)[0]


def test_sigma_is_diag_sigma_rho_diag_sigma(sample, causal, volatility):
    origin = sample.test[7]
    forecast = next(
        iter(seed_forecasts(volatility, correlations(sample, causal.correlation)[SEED], sample.test[7:8], 20))
    )
    rho = np.corrcoef(sample.returns.to_numpy(), rowvar=False)
    sigma = np.diag(volatility.loc[origin])
    np.testing.assert_allclose(forecast.covariance, sigma @ rho @ sigma, rtol=1e-12)
    assert (forecast.asof, forecast.horizon) == (origin, 20)


def test_prediction_of_a_portfolio_is_the_root_of_w_sigma_w(sample, volatility, result):
    rho = np.corrcoef(sample.returns.to_numpy(), rowvar=False)
    for name, weights in sample.portfolios.items():
        spread = (volatility.loc[sample.test] * weights).to_numpy()
        expected = np.sqrt(np.einsum("ti,ij,tj->t", spread, rho, spread))
        np.testing.assert_allclose(result.portfolios[name].predicted[SEED], expected, rtol=1e-12)


def test_true_line_is_the_deviation_of_the_portfolios_next_returns(sample, result):
    portfolio = result.portfolios["mine"]
    origin = sample.test[11]
    ahead = sample.portfolio_returns("mine").loc[origin:].iloc[1:21]
    assert portfolio.true.loc[origin] == pytest.approx(ahead.std(ddof=1))
    assert portfolio.true.notna().all()
    assert portfolio.predicted[LAST].loc[origin] == pytest.approx(
        sample.portfolio_returns("mine").loc[:origin].tail(20).std()
    )


def test_table_scores_squared_returns_of_the_next_sessions(sample, result):
    portfolio = result.portfolios["equal weights"]
    r = sample.portfolio_returns("equal weights")
    outcome = pd.Series({t: (r.loc[t:].iloc[1:21] ** 2).mean() for t in sample.test})
    for model in (SEED, KNOWN, CURRENT, LEVEL, CAUSAL, LAST):
        loss = qlike(outcome, portfolio.predicted[model] ** 2).mean()
        assert portfolio.table.at[model, "qlike"] == pytest.approx(loss)
        assert portfolio.table.at[model, "r2"] == pytest.approx(r_squared(portfolio.predicted[model], portfolio.true))
        assert portfolio.table.at[model, "correlation"] == pytest.approx(
            np.corrcoef(portfolio.predicted[model], portfolio.true)[0, 1]
        )
    assert portfolio.table["origins"].eq(len(sample.test)).all()


def test_trailing_volatility_has_the_highest_r_squared_one_day_ahead(result):
    last = result.portfolios["equal weights"].table.loc[LAST]
    assert last["r2_next"] > 0.9
    assert last["r2"] < 0.5
    assert result.portfolios["equal weights"].table["r2_next"].idxmax() == LAST


def test_r_squared_against_its_definition():
    true, predicted = pd.Series([1.0, 2.0, 3.0]), pd.Series([1.0, 2.0, 2.0])
    assert r_squared(predicted, true) == pytest.approx(0.5)
    assert r_squared(true, true) == 1
    assert r_squared(-true, true) < 0


def test_level_sets_realised_over_forecast_to_one_on_the_training_part(sample, volatility):
    known = sample.training[:-19]
    scaled = volatility * level(sample, volatility)
    squares = (sample.returns**2).rolling(20).mean().shift(-20).loc[known]
    np.testing.assert_allclose((squares / scaled.loc[known] ** 2).mean(), 1.0)
    last = sample.returns.index.get_loc(known[-1])
    assert sample.returns.index[last + 20] == sample.test[0]


def test_forecasts_below_every_target_are_raised_and_counted(sample, result, folder):
    networks = train_networks(sample, folder, n_jobs=1, progress=False)
    sunk = {name: {"forecast": state["forecast"].copy()} for name, state in networks.items()}
    sunk["ALFA"]["forecast"][5:8] = -0.001
    volatility, raised = seed_volatility(sample, sunk)
    targets = forward_volatility(sample.returns["ALFA"].to_numpy(), 20)[SeedSettings().split(899)[0]]
    assert volatility["ALFA"].iloc[5:8].tolist() == [targets.min()] * 3
    unsunk = (networks["ALFA"]["forecast"][5:8] >= targets.min()).sum()
    assert raised == result.raised + unsunk


def test_only_the_seeds_correlation_depends_on_the_future(closes, causal, sample):
    """Everything after an origin is corrupted: the correlation of the whole sample moves, the others do not."""
    origin = sample.test[20]
    wild = closes.close.copy()
    shape = (int((wild.index > origin).sum()), len(wild.columns))
    wild.loc[wild.index > origin] = np.exp(np.cumsum(0.3 * np.random.default_rng(1).standard_normal(shape), axis=0))
    poisoned = common_sample(PricePanel(close=wild), sample.settings)
    clean, corrupted = (correlations(each, causal.correlation) for each in (sample, poisoned))
    for name in (KNOWN, CURRENT):
        pd.testing.assert_frame_equal(clean[name](origin), corrupted[name](origin))
    assert not np.allclose(clean[SEED](origin), corrupted[SEED](origin), atol=0.01)


def test_causal_forecasts_are_made_as_of_each_origin(sample, causal, result):
    origin = sample.test[30]
    forecast = causal.forecast(sample.panel.asof(origin), 20)
    expected = forecast.portfolio_volatility(sample.portfolios["mine"])
    assert result.portfolios["mine"].predicted.at[origin, CAUSAL] == pytest.approx(expected, rel=1e-9)


def test_average_correlations_end_where_the_sample_does(sample, result):
    rho = sample.returns.corr().to_numpy()
    average = (rho.sum() - 3) / 6
    np.testing.assert_allclose(result.correlation[SEED], average)
    assert result.correlation[KNOWN].iloc[-1] == pytest.approx(average, abs=0.02)


def test_networks_are_scored_on_both_parts(sample, result):
    assert list(result.stocks.index) == list(sample.panel.assets)
    assert (result.stocks[["training_mse", "test_mse"]] > 0).all(axis=None)


def test_delisted_stock_ends_the_sample():
    panel = PricePanel(close=market.market().close[["ALFA", "FOXT"]])
    sample = common_sample(panel)
    assert sample.closes.index[-1] == market.DELISTED
    assert f"FOXT ends first, on {market.DELISTED.date()}" in " ".join(sample.summary())
