import json

import numpy as np
import pandas as pd
import pytest

from volplugin.data.panel import PricePanel
from volplugin.errors import ParameterError
from volplugin.evaluation import CovariancePath, evaluate_covariance_forecasts

HORIZON, ASSETS = 10, 6
DAYS = pd.bdate_range("2010-11-01", "2012-06-29")


@pytest.fixture(scope="module")
def market():
    """Prices whose covariance is known, its level moving by the quarter; and that covariance by session."""
    random = np.random.default_rng(11)
    level = np.where((np.arange(len(DAYS)) // 60) % 2, 2.0, 1.0)[:, None]
    rho = 0.5 + 0.5 * np.eye(ASSETS)
    returns = 0.01 * level * random.multivariate_normal(np.zeros(ASSETS), rho, len(DAYS))
    panel = PricePanel(close=pd.DataFrame(30 * np.exp(returns.cumsum(axis=0)), DAYS, list("ABCDEF")))
    return panel, 1e-4 * rho * level[:, :, None] ** 2


@pytest.fixture(scope="module")
def paths(market):
    """The truth of the next session, the same a tenth too low, and its mean."""
    panel, covariance = market
    origins, ahead = DAYS[:-HORIZON], covariance[1 : len(DAYS) - HORIZON + 1]
    still = np.broadcast_to(covariance.mean(axis=0), ahead.shape)
    named = {"truth": ahead, "low": 0.81 * ahead, "still": still}
    return {name: CovariancePath(origins, panel.assets, matrices) for name, matrices in named.items()}


@pytest.fixture(scope="module")
def scores(market, paths):
    return evaluate_covariance_forecasts(paths, market[0], HORIZON, kind="log", random=8, reps=200)


def test_the_truth_wins_and_the_table_says_by_how_much(scores):
    assert scores.models == ["truth", "low", "still"]
    likelihood = scores.table["log_likelihood", ""]
    assert likelihood.idxmax() == "truth"
    regret = scores.table["regret", ""]
    assert regret["truth"] == 0
    assert regret["still"] == pytest.approx(likelihood["truth"] - likelihood["still"])
    assert scores.table["regret_quarter", ""]["still"] >= regret["still"]
    # Volatilities a tenth too low make standardised returns a tenth too large.
    biases = scores.table["bias"]
    np.testing.assert_allclose(biases.loc["low"], biases.loc["truth"] / 0.9, rtol=1e-9)
    np.testing.assert_allclose(scores.biases.loc["low"] * 0.9, scores.biases.loc["truth"], rtol=1e-9)
    # The weights are the same, so that the returns are too.
    np.testing.assert_allclose(scores.table["volatility"].loc["low"], scores.table["volatility"].loc["truth"])


def test_years_and_phases_average_to_the_whole(scores):
    whole = scores.table["log_likelihood", ""]
    origins = scores.sample.origins
    for parts, labels in ((scores.by_year, origins.year), (scores.by_phase, scores.sample.places % HORIZON)):
        share = pd.Series(labels.astype(str)).value_counts(normalize=True)
        likelihood = parts["log_likelihood", ""].unstack("period")
        np.testing.assert_allclose((likelihood * share[likelihood.columns]).sum(axis=1), whole[likelihood.index])
    assert len(scores.by_phase.loc["truth"]) == HORIZON
    assert list(scores.by_year.loc["truth"].index) == ["2010", "2011", "2012"]


def test_stress_periods_within_the_span_are_scored(scores, market, paths):
    assert list(scores.by_stress.loc["truth"].index) == ["2011"]
    inside = {
        name: CovariancePath(path.origins[rows], path.assets, path.matrices[rows])
        for name, path in paths.items()
        for rows in [slice(*path.origins.slice_locs("2011-07-25", "2011-12-30"))]
    }
    alone = evaluate_covariance_forecasts(inside, market[0], HORIZON, kind="log", random=8, reps=10).table
    stress = scores.by_stress.droplevel("period")
    for measure in ("log_likelihood", "qlike", "bias", "volatility"):
        np.testing.assert_allclose(stress[measure], alone[measure], rtol=1e-9)


def test_differences_are_from_the_reference_with_an_interval(scores):
    table = scores.differences("truth")
    likelihood, risk = table.loc[("still", "log_likelihood", "")], table.loc[("low", "qlike", "equal weight")]
    assert likelihood["difference"] == pytest.approx(-scores.table.loc["still", ("regret", "")])
    assert likelihood["lower"] < likelihood["difference"] < likelihood["upper"] < 0
    percent = 100 * (
        scores.table.loc["low", ("qlike", "equal weight")] / scores.table.loc["truth", ("qlike", "equal weight")] - 1
    )
    assert risk["difference"] == pytest.approx(percent)
    assert (table.loc["truth"] == 0).all(axis=None)
    # Wider where more confidence is asked for.
    wide = scores.differences("truth", level=0.99).loc[("still", "log_likelihood", "")]
    assert wide["upper"] - wide["lower"] > likelihood["upper"] - likelihood["lower"]
    with pytest.raises(ParameterError, match="pass one of truth, low, still"):
        scores.differences("nobody")


def test_every_model_is_judged_on_the_same_days(market, paths, scores):
    holed = paths["still"].matrices.copy()
    holed[:50, 2, :] = holed[:50, :, 2] = np.nan
    late = CovariancePath(paths["low"].origins[20:], paths["low"].assets, paths["low"].matrices[20:])
    others = paths | {"low": late, "still": CovariancePath(paths["still"].origins, paths["still"].assets, holed)}
    cut = evaluate_covariance_forecasts(others, market[0], HORIZON, kind="log", random=8, reps=10)
    assert cut.sample.origins.equals(scores.sample.origins[20:])
    assert cut.sample.left_out == 30
    same = {name: path for name, path in others.items() if name != "still"} | {"still": others["still"]}
    same["truth"] = CovariancePath(
        paths["truth"].origins, paths["truth"].assets, np.where(np.isnan(holed), np.nan, paths["truth"].matrices)
    )
    again = evaluate_covariance_forecasts(same, market[0], HORIZON, kind="log", random=8, reps=10)
    pd.testing.assert_frame_equal(cut.table, again.table)


def test_a_sparse_grid_is_judged_on_its_own_phases(market, paths, scores):
    every = {name: CovariancePath(p.origins[3::5], p.assets, p.matrices[3::5]) for name, p in paths.items()}
    found = evaluate_covariance_forecasts(every, market[0], HORIZON, kind="log", random=8, reps=20)
    assert list(found.by_phase.loc["truth"].index) == ["3", "8"]
    for phase in ("3", "8"):
        one, all_ = (
            table.loc[("low", phase), ("qlike", "equal weight")] for table in (found.by_phase, scores.by_phase)
        )
        assert one == pytest.approx(all_, rel=1e-9)


def test_the_same_seed_gives_the_same_figures(market, paths, scores):
    again = evaluate_covariance_forecasts(paths, market[0], HORIZON, kind="log", random=8, reps=200)
    pd.testing.assert_frame_equal(again.table, scores.table, check_exact=True)
    pd.testing.assert_frame_equal(again.resampled, scores.resampled, check_exact=True)
    other = evaluate_covariance_forecasts(paths, market[0], HORIZON, kind="log", random=8, reps=200, seed=1)
    assert (other.table["qlike", "random long-only"] != scores.table["qlike", "random long-only"]).all()


def test_one_session_horizons_are_judged_too(market, paths):
    found = evaluate_covariance_forecasts(paths, market[0], 1, kind="log", random=2, reps=20)
    np.testing.assert_allclose(found.table.loc["truth", "bias"], 1, atol=0.1)
    assert list(found.by_phase.loc["truth"].index) == ["0"]


def test_scores_are_plain_numbers_for_json(scores):
    plain = json.loads(json.dumps(scores.as_dict(), allow_nan=False))
    assert plain["scores"]["low"]["bias, equal weight"] == scores.table.loc["low", ("bias", "equal weight")]
    assert (
        plain["by_year"]["still"]["2011"]["log_likelihood"]
        == scores.by_year.loc[("still", "2011"), ("log_likelihood", "")]
    )
    assert plain["origins"] == len(scores.sample.origins)
    assert list(plain["stress_periods"]) == ["2011"]


def test_a_covariance_without_a_density_names_the_model_and_the_day(market, paths):
    flat = paths["low"].matrices.copy()
    flat[9] = flat[9, 0, 0]
    bad = paths | {"flat": CovariancePath(paths["low"].origins, paths["low"].assets, flat)}
    with pytest.raises(ParameterError, match=f"flat: the covariance of {DAYS[9].date()} is not positive definite"):
        evaluate_covariance_forecasts(bad, market[0], HORIZON, kind="log", random=2, reps=10)
