"""Stored models measured on another market, and recalibrated there."""

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from volplugin import PricePanel, simulated_panel
from volplugin.cli import main
from volplugin.errors import InsufficientHistoryError, PanelError, StoreConfigurationError
from volplugin.volatility import HARVolatility, RecalibratedVolatility, load_walk_forward
from volplugin.workflows.transfer import Transfer, choose, measure_transfer, recalibrate, transfer_text


@pytest.fixture(scope="module")
def market() -> PricePanel:
    return simulated_panel(4, "2010-01-04", "2014-12-31", seed=7)


@pytest.fixture(scope="module")
def found(market) -> Transfer:
    return measure_transfer(market, training=False)


def test_every_model_is_measured_on_the_last_third(found, market):
    assert list(found.losses.index) == ["stored", "EWMA94", "local HAR", "recalibrated"]
    assert list(found.losses.columns) == [1, 5, 21]
    assert found.losses.notna().all(axis=None)
    assert len(market.sessions[market.sessions > found.fitted_through]) == len(market.sessions) // 3


def test_the_recommendation_has_a_command(found):
    text = transfer_text(found, "london", "pretrained")
    assert text.splitlines()[-1].startswith(f"{found.choice}: ")
    assert "mean QLIKE of 4 assets" in text


@pytest.mark.parametrize(
    ("stored", "recalibrated", "trained", "choice"),
    [(0.8, 0.9, 0.9, "use"), (0.9, 0.8, 0.9, "recalibrate"), (0.9, 0.9, 0.8, "train"), (0.801, 0.8, 0.8, "use")],
)
def test_the_least_loss_is_recommended_and_the_simpler_choice_in_a_tie(stored, recalibrated, trained, choice):
    losses = {"EWMA94": 1.0, "stored": stored, "recalibrated": recalibrated, "trained": trained}
    assert choose(pd.DataFrame({21: losses})) == choice


def test_a_shorter_last_part_is_measured_if_two_years_are_left_to_fit_on(market):
    found = measure_transfer(market.tail(700), training=False)
    assert market.sessions[-700:].get_loc(found.start) == 504


def test_weights_follow_the_past(market):
    prior = RecalibratedVolatility().fit(market.asof("2011-12-30")).weights_
    np.testing.assert_allclose(prior, np.array([[4.0], [1.0], [0.25]]).repeat(3, axis=1) / 5.25)
    weights = RecalibratedVolatility().fit(market.asof("2013-12-31")).weights_
    np.testing.assert_allclose(weights.sum(axis=0), 1.0)
    assert np.abs(weights - prior).max() > 0.05


def test_a_recalibration_on_closes_uses_closes_and_says_so(market):
    closes = RecalibratedVolatility().fit(market.close_only().asof("2011-12-30"))
    known = market.asof("2012-03-30")
    forecast = closes.predict(known)
    pd.testing.assert_series_equal(forecast, closes.predict(known.close_only()), check_exact=True)
    assert "recalibrated on closes only" in closes.fallbacks(known)["open, high and low"]
    assert closes.fallbacks(known.close_only()) == {}
    stored = RecalibratedVolatility().restore(
        closes.get_state(), closes.trained_through_, closes.assets_, closes.universe_
    )
    pd.testing.assert_series_equal(stored.predict(known), forecast, check_exact=True)


def test_a_recalibration_with_ranges_refuses_closes_alone(market):
    fitted = RecalibratedVolatility().fit(market.asof("2011-12-30"))
    with pytest.raises(PanelError, match="has closes only, and the recalibration was fitted with open, high and low"):
        fitted.predict(market.close_only().asof("2012-03-30"))


def test_a_weight_of_one_is_that_member():
    market = simulated_panel(7, "2010-01-04", "2012-06-29", seed=7)
    past = market.asof("2011-12-30")
    model = RecalibratedVolatility().fit(past)
    known = market.asof("2012-03-30")
    alone = load_walk_forward("pretrained").predict(known), HARVolatility("market").fit(past).predict(known)
    for member, forecast in enumerate(alone):
        model.weights_ = np.eye(3)[:, [member]].repeat(3, axis=1)
        pd.testing.assert_series_equal(model.predict(known), forecast, rtol=1e-4)


def test_too_short_a_past(market):
    with pytest.raises(InsufficientHistoryError, match="too short to measure"):
        measure_transfer(market.tail(400))


def test_a_recalibrated_store_forecasts_as_it_was_fitted(market, tmp_path):
    recalibrate(market, tmp_path)
    stored = load_walk_forward(tmp_path)
    assert [str(day.date()) for day in stored.vintage_dates()] == ["2011-12-30", "2012-12-31", "2013-12-31"]
    known = market.asof("2014-06-30")
    fitted = RecalibratedVolatility().fit(market.asof("2013-12-31"))
    pd.testing.assert_series_equal(stored.predict(known), fitted.predict(known), check_exact=True)
    path = stored.predict_path(market, "2014-06-26", "2014-07-02")
    pd.testing.assert_series_equal(path.loc["2014-06-30"], stored.predict(known), check_names=False, rtol=1e-6)


def test_a_recalibration_stays_with_its_models(market):
    fitted = RecalibratedVolatility().fit(market.asof("2013-12-31"))
    state = fitted.get_state()
    state["vintage"] = state["vintage"][::-1].copy()
    with pytest.raises(StoreConfigurationError, match="recalibrated on another model"):
        RecalibratedVolatility().restore(state, fitted.trained_through_, fitted.assets_, fitted.universe_)


def test_the_command_is_listed():
    result = CliRunner().invoke(main, ["transfer", "--help"])
    assert result.exit_code == 0
    assert "--recalibrate" in result.output
