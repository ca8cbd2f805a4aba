"""The forecaster's other modes, inputs, horizons and networks, and what a fitted one is made of."""

import numpy as np
import pandas as pd
import pytest
from registry import tiny_lstm
from sklearn.base import clone
from synthetic import ASOF, ASSETS, SESSIONS, TRAINED

from volplugin import HARVolatility, LSTMVolatility, PricePanel
from volplugin.volatility.lstm import NETWORKS

FIELDS = ("open", "high", "low", "close", "volume")


@pytest.fixture(scope="module")
def training(synthetic) -> PricePanel:
    return synthetic.asof(TRAINED)


@pytest.fixture(scope="module")
def known(synthetic) -> PricePanel:
    return synthetic.asof(ASOF)


@pytest.fixture(scope="module")
def shared(training) -> LSTMVolatility:
    """Not to be changed."""
    return small().fit(training)


def small(**changes: object) -> LSTMVolatility:
    return tiny_lstm().set_params(**changes)


def restored(model: LSTMVolatility) -> LSTMVolatility:
    return clone(model).restore(model.get_state(), model.trained_through_, model.assets_, model.universe_)


# -- components ------------------------------------------------------------------------------------


def test_components_are_the_seeds_and_the_ensemble(shared, known):
    parts = shared.ensemble_members()
    assert list(parts) == ["seed 0", "seed 1", "ensemble"]
    forecasts = {name: part.predict(known, 21) for name, part in parts.items()}
    factor = {name: part.factor_[2] for name, part in parts.items()}
    relative = {name: forecasts[name] ** 2 / factor[name] for name in parts}
    np.testing.assert_allclose(relative["ensemble"], np.sqrt(relative["seed 0"] * relative["seed 1"]), rtol=1e-6)


def test_a_component_is_the_model_fitted_as_such(shared, training, known):
    alone = small(seeds=(1,), linear_share=0.0).fit(training)
    pd.testing.assert_series_equal(shared.ensemble_members()["seed 1"].predict(known), alone.predict(known), rtol=1e-9)


def test_components_survive_a_store_and_leave_the_model_as_it_was(shared, known):
    before = shared.predict(known)
    for name, part in restored(shared).ensemble_members().items():
        pd.testing.assert_series_equal(part.predict(known), shared.ensemble_members()[name].predict(known))
    pd.testing.assert_series_equal(shared.predict(known), before)


# -- modes -----------------------------------------------------------------------------------------


def test_an_independent_network_depends_on_its_own_asset_but_for_the_skip(training, known):
    """Another asset's prices move the pooled linear start and the rescale alone."""
    model = small(mode="independent", linear_share=0.0).fit(training)
    assert model.vintage["own"] == f"{len(model.ensemble_.own())} of {len(ASSETS)} assets"
    assert len(model.ensemble_.own()) >= len(ASSETS) - 1
    head = model.ensemble_.copies[0][ASSETS[0]].head.weight
    assert not np.allclose(head.detach(), model.ensemble_.copies[0][ASSETS[1]].head.weight.detach())
    assert model.predict(known).notna().all()


def test_strangers_get_the_linear_model_from_independent_networks(synthetic, known):
    few = PricePanel(**{field: getattr(synthetic, field)[ASSETS[:6]] for field in FIELDS})
    model = small(mode="independent").fit(few.asof(TRAINED))
    linear = HARVolatility("season").fit(few.asof(TRAINED))
    ratio = (model.predict(known) / linear.predict(known))[ASSETS[6:]]
    np.testing.assert_allclose(ratio, ratio.iloc[0], rtol=1e-6)


def test_networks_tuned_whole_are_kept_for_some_and_survive_a_store(training, known, shared):
    model = small(mode="fine-tuned", tuned="network").fit(training)
    own = model.ensemble_.own()
    assert model.vintage["own"] == f"{len(own)} of {len(ASSETS)} assets"
    again = restored(model)
    pd.testing.assert_series_equal(again.predict(known), model.predict(known))
    strangers = [asset for asset in ASSETS if asset not in own]
    ratio = (model.predict(known) / shared.predict(known))[strangers]
    np.testing.assert_allclose(ratio, model.factor_[2] ** 0.5 / shared.factor_[2] ** 0.5, rtol=1e-6)


@pytest.mark.parametrize(
    "changes", [{"mode": "independent"}, {"mode": "fine-tuned"}, {"mode": "fine-tuned", "tuned": "network"}]
)
def test_every_mode_survives_a_store(changes, training, known):
    model = small(**changes).fit(training)
    for name, array in restored(model).get_state().items():
        np.testing.assert_array_equal(array, model.get_state()[name])
    pd.testing.assert_series_equal(restored(model).predict(known), model.predict(known))


# -- inputs ----------------------------------------------------------------------------------------


def test_closes_alone_are_read_whatever_else_is_there(training, known):
    """Trained with ranges in the targets, asked with and without them: the same forecast."""
    model = small(inputs="closes").fit(training)
    bare = PricePanel(close=known.close)
    pd.testing.assert_series_equal(model.predict(known), model.predict(bare))
    assert model.fallbacks(bare) == {}


def test_own_inputs_take_no_notice_of_the_market(training, known):
    model = small(inputs="own").fit(training)
    one = PricePanel(**{field: getattr(known, field)[["ALFA"]] for field in FIELDS})
    assert model.fallbacks(one) == {}
    assert model.predict(one)["ALFA"] == pytest.approx(model.predict(known)["ALFA"], rel=1e-12)


def test_without_the_reference_universe_the_recurrent_layers_still_speak(shared, synthetic):
    """Coefficients without market terms, of the inputs and of what the networks say."""
    one = PricePanel(**{field: getattr(synthetic, field)[["ALFA"]] for field in FIELDS})
    assert "coefficients without market-wide inputs" in shared.fallbacks(one)["market-wide inputs"]
    path = shared.predict_path(one, SESSIONS[1000], SESSIONS[1060])
    for session in (SESSIONS[1000], SESSIONS[1033]):
        pd.testing.assert_series_equal(path.loc[session], shared.predict(one.asof(session)), check_names=False)
    assert (shared.no_market_coef_[1:4] != 0).any()
    whole = shared.predict_path(synthetic, SESSIONS[1000], SESSIONS[1060])
    assert ((path["ALFA"] / whole["ALFA"]).between(0.6, 1.7)).all()


def test_state_is_carried_without_the_reference_universe_too(shared, synthetic):
    one = PricePanel(**{field: getattr(synthetic, field)[["ALFA"]] for field in FIELDS})
    online_predictor = shared.online_predictor()
    for session in SESSIONS[1018:1060]:
        carried = online_predictor.predict_in_sample(one, session, session, (1, 21))
        replayed = shared.predict_in_sample(one, session, session, (1, 21))
        for horizon in (1, 21):
            pd.testing.assert_frame_equal(carried[horizon], replayed[horizon], rtol=1e-5)


# -- horizons and networks -------------------------------------------------------------------------


def test_other_horizons_have_heads_of_their_own(training, known):
    model = small(horizons=(2, 10)).fit(training)
    assert model.fitted_horizons == (2, 10)
    assert model.get_state()["factor"].shape == (2,)
    online_predictor = model.online_predictor()
    online_predictor.predict_in_sample(known, SESSIONS[1020], SESSIONS[1020], (2, 5))
    carried = online_predictor.predict_in_sample(known, SESSIONS[1021], SESSIONS[1021], (2, 5))
    replayed = model.predict_in_sample(known, SESSIONS[1021], SESSIONS[1021], (2, 5))
    pd.testing.assert_frame_equal(carried[5], replayed[5], rtol=1e-5)


@pytest.mark.parametrize("network", sorted(NETWORKS))
def test_every_network_learns_and_survives_a_store(network, training, known):
    model = small(network=network, seeds=(0,), steps=8).fit(training)
    state = model.get_state()
    assert np.abs(state["0/head.weight"]).max() > 0
    forecast = model.predict(known) * np.sqrt(252)
    assert forecast.between(0.05, 1).all()
    pd.testing.assert_series_equal(restored(model).predict(known), model.predict(known))
