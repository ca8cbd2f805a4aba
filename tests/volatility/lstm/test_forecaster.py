import numpy as np
import pandas as pd
import pytest
import torch
from registry import tiny_lstm
from sklearn.base import clone
from synthetic import ASOF, ASSETS, SESSIONS, TRAINED, poisoned

from volplugin import HARVolatility, LSTMVolatility, PricePanel
from volplugin.errors import InsufficientHistoryError, ParameterError, StoreCorruptError
from volplugin.volatility import (
    FITTED_HORIZONS,
    build_features,
    close_to_close_ratio,
    forward_variance,
    out_of_sample_ratio,
)
from volplugin.volatility.features import SEASONAL
from volplugin.volatility.lstm import LOSSES, fitting, forecaster


@pytest.fixture(scope="module")
def training(synthetic) -> PricePanel:
    return synthetic.asof(TRAINED)


@pytest.fixture(scope="module")
def model(training) -> LSTMVolatility:
    """Two seeds, a few steps. Not to be changed."""
    return tiny_lstm().fit(training)


def small(**changes: object) -> LSTMVolatility:
    return tiny_lstm().set_params(**changes)


# -- what it is made of ----------------------------------------------------------------------------


def test_defaults_are_the_shape_of_the_seed_design():
    model = LSTMVolatility()
    assert (model.units, model.window) == ((64, 32), 60)
    assert model.lookback == 771 + 2 * 70


def test_the_state_holds_every_learned_number(model):
    state = model.get_state()
    assert {name.split("/")[0] for name in state} == {
        "0",
        "1",
        "linear",
        "alone",
        "free",
        "factor",
        "factors",
        "bounds",
    }
    assert state["0/layers.0.weight_ih_l0"].shape == (4 * 8, 7 + 8)
    assert state["1/layers.1.weight_hh_l0"].shape == (4 * 4, 4)
    assert state["0/skip.weight"].shape == (3, len(SEASONAL))
    assert state["linear"].shape == (len(SEASONAL) + 2, 3)
    assert state["factor"].shape == (3,)
    assert all(isinstance(array, np.ndarray) for array in state.values())


def test_the_forecast_by_hand(model, synthetic):
    """Mean of the networks in logs, blended with the regression, times the rescale and the slow level."""
    known = synthetic.asof(ASOF).tail(model.lookback)
    inputs = build_features(known, known)
    x, base = inputs.take(SEASONAL), inputs.base[-1]
    begin = len(x) - 1
    block = known.sessions.to_numpy("datetime64[D]").astype(int) // 21
    begin = int(np.searchsorted(block, block[-1] - 1))
    for column, asset in enumerate(ASSETS):
        rows = x[begin:, column]
        bars = torch.tensor(rows[np.isfinite(rows).all(axis=1)], dtype=torch.float32)[None]
        with torch.inference_mode():
            outputs = [network(bars)[0][0, -1].double().numpy() for network in model.ensemble_.networks]
        linear = x[-1, column] @ model.linear_[1:-1] + model.linear_[0]
        variance = np.exp(0.75 * np.mean(outputs, axis=0) + 0.25 * linear) * model.factor_ * base[column]
        for knot, horizon in enumerate(FITTED_HORIZONS):
            assert model.predict(known, horizon)[asset] == pytest.approx(np.sqrt(variance[knot]), rel=1e-5)


def test_the_ensemble_is_the_geometric_mean_of_its_seeds(training, synthetic):
    pair, one, other = (small(seeds=seeds).fit(training) for seeds in ((0, 1), (0,), (1,)))
    known = synthetic.asof(ASOF)
    variance = [(model.predict(known, 21) ** 2 / model.factor_[2]) for model in (pair, one, other)]
    np.testing.assert_allclose(variance[0], np.sqrt(variance[1] * variance[2]), rtol=1e-5)
    assert not np.allclose(variance[1], variance[2], rtol=1e-3)


def test_all_linear_it_is_the_pooled_regression(training, synthetic):
    """An independent road to the same number, but for the rescale, which a gap of targets makes differ a little."""
    known = synthetic.asof(ASOF)
    deep = small(linear_share=1.0).fit(training)
    linear = HARVolatility("season").fit(training)
    for horizon in FITTED_HORIZONS:
        pd.testing.assert_series_equal(deep.predict(known, horizon), linear.predict(known, horizon), rtol=1e-4)


def test_a_share_for_each_horizon(model, training, synthetic):
    """None of the linear model is the ensemble alone, with its own rescale; the other horizons are as they were."""
    mixed = tiny_lstm().set_params(linear_share=(0.0, 0.0, 0.25)).fit(training)
    known, deep = synthetic.asof(ASOF), model.ensemble_members()["ensemble"]
    for horizon, expected in ((1, deep), (5, deep), (21, model)):
        pd.testing.assert_series_equal(mixed.predict(known, horizon), expected.predict(known, horizon), rtol=1e-9)
    changed = {name for name, array in mixed.get_state().items() if not np.array_equal(array, model.get_state()[name])}
    assert changed == {"factor"}


def test_the_rescale_makes_the_mean_quotient_one_on_the_training_data(model, training):
    """Times what its linear part misses out of sample."""
    target = forward_variance(training, FITTED_HORIZONS, close_to_close_ratio(training))
    inputs = build_features(training, training)
    missing = out_of_sample_ratio(inputs.take(SEASONAL), target / inputs.base[..., None], SEASONAL, FITTED_HORIZONS)
    for knot, (horizon, path) in enumerate(
        model.predict_in_sample(training, SESSIONS[0], TRAINED, FITTED_HORIZONS).items()
    ):
        quotient = target[..., knot] / path.where(training.close.notna()).to_numpy() ** 2
        assert np.nanmean(quotient) * missing[knot] == pytest.approx(1, abs=2e-3), horizon


def test_the_level_of_a_wide_panel_is_the_median_over_its_assets(training, monkeypatch):
    """Of each one's mean quotient, so that a few assets with extreme moves do not set the level of all."""
    narrow = small(mode="shared").fit(training)
    monkeypatch.setattr(forecaster, "ENOUGH", len(ASSETS) // 2)
    wide = small(mode="shared").fit(training)
    target = forward_variance(training, FITTED_HORIZONS, close_to_close_ratio(training))
    paths = narrow.predict_in_sample(training, SESSIONS[0], TRAINED, FITTED_HORIZONS)
    for knot, path in enumerate(paths.values()):
        quotient = target[..., knot] / path.where(training.close.notna()).to_numpy() ** 2
        expected = np.nanmedian(np.nanmean(quotient, axis=0)) / np.nanmean(quotient)
        assert wide.factor_[knot] / narrow.factor_[knot] == pytest.approx(expected, abs=1e-3)
        assert abs(expected - 1) > 3e-3


def test_training_moves_it_away_from_the_regression(training):
    """The head, through which the recurrent layers speak, starts at nothing and grows."""
    few, many = (
        np.abs(small(seeds=(0,), steps=steps).fit(training).get_state()["0/head.weight"]).mean() for steps in (1, 60)
    )
    assert 0 < few < many / 5


def test_assets_in_any_order_train_the_same_network(model, training):
    shuffled = PricePanel(
        **{field: getattr(training, field)[ASSETS[::-1]] for field in ("open", "high", "low", "close", "volume")}
    )
    other = tiny_lstm().fit(shuffled)
    for name, array in model.get_state().items():
        np.testing.assert_allclose(other.get_state()[name], array, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("loss", sorted(LOSSES))
def test_every_loss_trains(loss, training, synthetic):
    forecast = small(loss=loss, steps=20).fit(training).predict(synthetic.asof(ASOF)) * np.sqrt(252)
    assert forecast.between(0.05, 1).all()


def test_closes_alone_are_enough(synthetic):
    closes = PricePanel(close=synthetic.close)
    forecast = tiny_lstm().fit(closes.asof(TRAINED)).predict(closes.asof(ASOF))
    assert forecast.notna().all()


def test_an_asset_not_seen_in_training_is_served(synthetic):
    few = PricePanel(**{f: getattr(synthetic, f)[ASSETS[:6]] for f in ("open", "high", "low", "close", "volume")})
    forecast = tiny_lstm().fit(few.asof(TRAINED)).predict(synthetic.asof(ASOF))
    assert forecast.notna().all()
    assert 0.5 < forecast["HOTE"] / synthetic.returns["HOTE"].std() < 2


def test_units_may_be_any_sequence(training):
    given = [8, 4]
    model = small(units=given, seeds=[0]).fit(training)
    assert model.units is given
    assert given == [8, 4]


# -- steps chosen on a purged tail -----------------------------------------------------------------


def test_steps_are_chosen_on_the_tail_of_the_training_span(training, monkeypatch):
    """By the least loss of the held-out tail, then trained on everything."""
    asked = []
    monkeypatch.setattr(
        fitting, "mean_loss", lambda network, x, y, loss: asked.append(x.shape) or [2.0, 1.0][len(asked) - 1]
    )
    chosen = small(seeds=(0,), steps=(1, 12)).fit(training)
    assert len(asked) == 2
    fixed = small(seeds=(0,), steps=12).fit(training)
    for name, array in fixed.get_state().items():
        np.testing.assert_array_equal(chosen.get_state()[name], array)


def test_steps_chosen_by_the_loss_itself(training, synthetic):
    chosen = small(steps=[1, 12]).fit(training)
    assert chosen.steps == [1, 12]
    assert set(chosen.steps_) <= {1, 12}
    assert chosen.vintage["steps"] == ", ".join(map(str, chosen.steps_))
    assert chosen.predict(synthetic.asof(ASOF)).notna().all()
    kept = clone(chosen).restore(chosen.get_state(), TRAINED, chosen.assets_, chosen.universe_)
    assert kept.vintage == chosen.vintage
    again = small(steps=[1, 12]).fit(poisoned(synthetic, TRAINED).asof(TRAINED))
    for name, array in chosen.get_state().items():
        np.testing.assert_array_equal(again.get_state()[name], array)


# -- parts, states ---------------------------------------------------------------------------------


def test_its_parts_are_its_seeds(model, training):
    parts = model.members()
    assert [part.seeds for part in parts] == [(0,), (1,)]
    states = [clone(part).fit_member(training) for part in parts]
    joined = tiny_lstm().combine(states, training)
    for name, array in model.get_state().items():
        np.testing.assert_array_equal(joined.get_state()[name], array)
    assert joined.trained_through_ == TRAINED


def test_weights_that_do_not_fit(model):
    with pytest.raises(StoreCorruptError, match=r"do not fit LSTMVolatility\(units=\(6, 4\)\)"):
        small(units=(6, 4)).restore(model.get_state(), TRAINED, model.assets_, model.universe_)


@pytest.mark.parametrize("name", ["bounds", "factor", "factors", "alone", "free"])
def test_a_tensor_of_another_shape_is_refused(model, name):
    state = model.get_state()
    with pytest.raises(ValueError, match=f"{name} has shape"):
        clone(model).restore(state | {name: state[name][None]}, TRAINED, model.assets_, model.universe_)


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("loss", "mse"),
        ("seeds", ()),
        ("seeds", (1, 1)),
        ("units", ()),
        ("units", (8, 0)),
        ("window", 0),
        ("steps", 0),
        ("mode", "own"),
        ("tuned", "head"),
        ("inputs", "volume"),
        ("network", "transformer"),
        ("horizons", ()),
        ("horizons", (0, 5)),
        ("horizons", (5, 1)),
        ("linear_share", -0.1),
        ("linear_share", 1.1),
        ("linear_share", (0.1, 0.2)),
        ("linear_share", (0.1, 0.2, -0.1)),
        ("linear_share", float("nan")),
    ],
)
def test_impossible_parameters(name, value, training):
    with pytest.raises(ParameterError, match=name):
        small(**{name: value}).fit(training)


def test_too_short_to_train_on(synthetic):
    with pytest.raises(InsufficientHistoryError, match="too short to train on: an asset needs about 80 sessions"):
        tiny_lstm().fit(synthetic.select(["ALFA"]).asof(SESSIONS[100]))
