"""The judgement as a whole, and what ensembles are made of."""

import json

import numpy as np
import pandas as pd
import pytest

from volplugin.evaluation import (
    diebold_mariano,
    equal_weight_portfolios,
    evaluate_volatility_forecasts,
    qlike,
    realized_variance,
    seed_spread,
    volatility_scorecard,
)

CALIBRATED = "2010-12-31"


def paths(panel, halflives):
    squared = panel.returns**2
    columns = {
        (name, h): squared.ewm(halflife=halflife).mean().iloc[200:] ** 0.5
        for name, halflife in halflives.items()
        for h in (1, 5)
    }
    return pd.concat(columns, axis=1, names=["model", "horizon", "asset"])


@pytest.fixture(scope="module")
def forecasts(panel):
    return paths(panel, {"LSTM": 40, "EWMA94": 11})


@pytest.fixture(scope="module")
def pieces(panel):
    return paths(panel, {"LSTM seed 0": 35, "LSTM seed 1": 50, "LSTM ensemble": 42})


@pytest.fixture(scope="module")
def evaluated(panel, forecasts, pieces):
    correlations = ((origin, panel.returns.loc[:origin].corr()) for origin in forecasts.index)
    return evaluate_volatility_forecasts(
        forecasts,
        panel,
        components=pieces,
        parents=dict.fromkeys(pieces.columns.get_level_values("model").unique(), "LSTM"),
        portfolios=equal_weight_portfolios(forecasts, correlations, panel),
        calibrated_through=CALIBRATED,
    )


def test_models_are_scored_as_without_components(panel, forecasts, evaluated):
    alone = volatility_scorecard(forecasts, panel, calibrated_through=CALIBRATED)
    pd.testing.assert_frame_equal(evaluated.scores.table, alone.table)


def test_components_are_scored_on_the_stock_days_of_the_models(panel, pieces, evaluated):
    row = evaluated.components.loc[(5, "LSTM seed 1")]
    outcome = realized_variance(panel.returns, 5).loc[pieces.index]
    loss = qlike(outcome, pieces["LSTM seed 1"][5] ** 2)
    assert row["qlike"] == pytest.approx(np.nanmean(loss))
    whole = evaluated.scores.table.loc[(5, "LSTM")]
    assert row["below_model"] == pytest.approx(100 * (1 - row["qlike"] / whole["qlike"]))
    against = evaluated.scores.losses["LSTM"][5]
    assert row["dm_model"] == pytest.approx(diebold_mariano(loss.mean(axis=1), against, 5).statistic)
    rival = evaluated.scores.table.loc[(5, "EWMA94"), "qlike"]
    assert row["below_EWMA94"] == pytest.approx(100 * (1 - row["qlike"] / rival))


def test_a_model_without_forecasts_of_a_stock_keeps_it_from_its_components(panel, forecasts, pieces):
    holed = forecasts.copy()
    holed.loc[:, ("EWMA94", slice(None), "A")] = np.nan
    parents = {"LSTM seed 0": "LSTM"}
    found = evaluate_volatility_forecasts(
        holed, panel, components=pieces, parents=parents, calibrated_through=CALIBRATED
    )
    outcome = realized_variance(panel.returns, 1).loc[pieces.index].drop(columns="A")
    expected = np.nanmean(qlike(outcome, pieces["LSTM seed 0"][1].drop(columns="A") ** 2))
    assert found.components.loc[(1, "LSTM seed 0"), "qlike"] == pytest.approx(expected)
    assert found.portfolio.empty


def test_spread_is_of_the_seeds_alone(evaluated):
    own = evaluated.components.loc[1]["qlike"][["LSTM seed 0", "LSTM seed 1"]]
    row = evaluated.seeds.loc[(1, "LSTM")]
    assert row["seeds"] == 2
    assert row["range"] == pytest.approx(own.max() - own.min())
    assert row["std"] == pytest.approx(own.std())
    assert row["mean"] == pytest.approx(own.mean())


def test_one_seed_has_no_standard_deviation(evaluated):
    alone = evaluated.components.drop(index="LSTM seed 1", level="component")
    assert np.isnan(seed_spread(alone).loc[(5, "LSTM"), "std"])
    assert seed_spread(alone.drop(index="LSTM seed 0", level="component")).empty


def test_the_portfolio_is_judged_at_origins_with_a_complete_outcome(panel, forecasts, evaluated):
    # 400 origins up to the last session: the last five have no complete outcome.
    assert evaluated.portfolio.loc[(5, "LSTM"), "sessions"] == 399
    sigma, rho = forecasts["LSTM"][1], {origin: panel.returns.loc[:origin].corr() for origin in forecasts.index}
    predicted = [np.sqrt(sigma.loc[t].to_numpy() @ rho[t].to_numpy() @ sigma.loc[t].to_numpy()) / 5 for t in rho]
    returns = np.expm1(panel.returns).mean(axis=1).loc[forecasts.index]
    z = returns.iloc[1:].to_numpy() / predicted[:-1]
    assert evaluated.portfolio.loc[(1, "LSTM"), "bias"] == pytest.approx(z.std(ddof=1))
    losses = {}
    for name in ("LSTM", "EWMA94"):
        sigma = forecasts[name][1]
        portfolio = [sigma.loc[t].to_numpy() @ rho[t].to_numpy() @ sigma.loc[t].to_numpy() / 25 for t in rho]
        losses[name] = pd.Series(qlike(returns.iloc[1:].to_numpy() ** 2, np.array(portfolio[:-1])))
    expected = diebold_mariano(losses["EWMA94"], losses["LSTM"], 1).statistic
    assert evaluated.portfolio.loc[(1, "EWMA94"), "dm_LSTM"] == pytest.approx(expected)


def test_everything_survives_json(evaluated):
    found = json.loads(json.dumps(evaluated.as_dict(), allow_nan=False))
    assert found["calibration"]["stocks"]["5"]["LSTM"]["bias"] == evaluated.stocks.loc[(5, "LSTM"), "bias"]
    assert (
        found["calibration"]["book"]["1"]["EWMA94"]["mz_pvalue"] == evaluated.portfolio.loc[(1, "EWMA94"), "mz_pvalue"]
    )
    assert found["components"]["1"]["LSTM ensemble"]["model"] == "LSTM"
    assert found["seeds"]["1"]["LSTM"]["seeds"] == 2
    assert set(found["forecast_deciles"]["5"]["LSTM"]) == {str(decile) for decile in range(1, 11)}
    assert set(found["scores"]["1"]["LSTM"]["qlike_by_stress"]) == set(found["stress_periods"]) == {"2011"}
