"""Future poison: with every row after t replaced, every forecast up to t stays the same, to the bit."""

import numpy as np
import pandas as pd
import pytest
from registry import CORRELATIONS, FORECASTERS, PAIRS, learn
from synthetic import ASOF, SESSIONS, TRAINED, poisoned

from volplugin import HARVolatility, ModelStore, PricePanel, RefitSchedule, RiskModel, WalkForward
from volplugin.errors import LookAheadError
from volplugin.volatility import VolatilityForecaster

every_forecaster = pytest.mark.parametrize("name", FORECASTERS)
LEARNERS = [name for name, make in FORECASTERS.items() if make().requires_fit and not isinstance(make(), WalkForward)]
LEARNING_NOTHING = [name for name, make in FORECASTERS.items() if not make().requires_fit]
every_learner = pytest.mark.parametrize("name", LEARNERS)

START, END = SESSIONS[1030], SESSIONS[1099]
"""A stretch with `ASOF`, after which the future is poisoned, in its middle."""

QUARTERS = RefitSchedule("quarterly")


@pytest.fixture(scope="module")
def poison(synthetic) -> PricePanel:
    return poisoned(synthetic, ASOF)


@pytest.fixture(scope="module")
def learned(synthetic) -> dict[str, VolatilityForecaster]:
    """Every forecaster, trained on clean data. Not to be changed."""
    return {name: learn(make(), synthetic) for name, make in FORECASTERS.items()}


def assert_known_part_equal(clean: pd.DataFrame, dirty: pd.DataFrame) -> None:
    """Equal to the bit up to `ASOF`; after it, as a control that the poison was swallowed, different."""
    pd.testing.assert_frame_equal(dirty.loc[:ASOF], clean.loc[:ASOF], check_exact=True)
    assert len(clean.loc[:ASOF]) > 20
    after = (dirty / clean - 1).abs().loc[ASOF:].iloc[2:]
    assert (after.max(axis=1) > 0.1).all()


# -- the gate --------------------------------------------------------------------------------------


def test_the_gate_lets_nothing_later_through(synthetic, poison):
    clean, dirty = synthetic.asof(ASOF), poison.asof(ASOF)
    assert clean.fingerprint() == dirty.fingerprint()
    for field in ("open", "high", "low", "close", "volume", "returns", "variance"):
        pd.testing.assert_frame_equal(getattr(dirty, field), getattr(clean, field), check_exact=True)
    assert clean.last_session == ASOF


def test_nothing_later_is_reachable_through_memory(synthetic):
    """Neither through a view's base, nor through the market."""
    cut = synthetic.select(["ALFA", "HOTE"]).asof(ASOF)
    for panel in (cut, cut.market, cut.tail(50), cut.tail(50).market, cut.with_market_assets()):
        for field in ("open", "high", "low", "close", "volume"):
            array = getattr(panel, field).to_numpy()
            while array is not None:
                assert ASOF in panel.sessions
                assert array.size <= len(synthetic.asof(ASOF).sessions) * len(panel.assets)
                array = array.base


def test_the_market_is_cut_with_the_panel(synthetic, poison):
    few = PricePanel(close=synthetic.close[["ALFA"]], market=poison)
    cut = few.asof(ASOF)
    assert cut.market.last_session == ASOF
    assert cut.asof(START).tail(10).market.last_session == START
    assert synthetic.with_market(poison).asof(ASOF).market.fingerprint() == synthetic.asof(ASOF).fingerprint()


# -- forecasters -----------------------------------------------------------------------------------


@every_forecaster
@pytest.mark.parametrize("horizon", [1, 21])
def test_predict_path(name, horizon, learned, synthetic, poison):
    clean = learned[name].predict_path(synthetic, START, END, horizon)
    dirty = learned[name].predict_path(poison, START, END, horizon)
    assert_known_part_equal(clean, dirty)


@every_forecaster
def test_predict_path_when_listings_change_too(name, learned, synthetic):
    """Other gaps change the shapes that a network computes in, and with them no more than the last bits."""
    gaps = poisoned(synthetic, ASOF, gaps=True)
    clean = learned[name].predict_path(synthetic, START, END)
    dirty = learned[name].predict_path(gaps, START, END)
    pd.testing.assert_frame_equal(dirty.loc[:ASOF], clean.loc[:ASOF], rtol=1e-6)
    assert not dirty.loc[ASOF:].iloc[2:].equals(clean.loc[ASOF:].iloc[2:])


@every_forecaster
def test_predict_in_sample(name, learned, synthetic, poison):
    model = learned[name].vintage_at(ASOF)
    for horizon, clean in model.predict_in_sample(synthetic, SESSIONS[850], END, (1, 21, 63, -21)).items():
        assert_known_part_equal(clean, model.predict_in_sample(poison, SESSIONS[850], END, (horizon,))[horizon])


@every_forecaster
def test_predict(name, learned, synthetic, poison):
    clean, dirty = learned[name].predict(synthetic.asof(ASOF)), learned[name].predict(poison.asof(ASOF))
    pd.testing.assert_series_equal(dirty, clean, check_exact=True)


@every_learner
def test_fit_learns_nothing_from_after_its_panel(name, synthetic):
    clean = FORECASTERS[name]().fit(synthetic.asof(TRAINED)).get_state()
    dirty = FORECASTERS[name]().fit(poisoned(synthetic, TRAINED).asof(TRAINED)).get_state()
    assert clean.keys() == dirty.keys()
    for key in clean:
        np.testing.assert_array_equal(dirty[key], clean[key], strict=True)


@every_forecaster
def test_session_by_session_covariances(name, learned, synthetic, poison):
    """Carried state, session by session through the poison; here the covariances of a backtest."""
    runs = [RiskModel(learned[name], CORRELATIONS["ewma"]()).backtest_forecaster() for _ in range(2)]
    for session in SESSIONS[1050:1066]:
        clean, dirty = (
            run.forecast(panel.asof(session)).covariance for run, panel in zip(runs, (synthetic, poison), strict=True)
        )
        if session <= ASOF:
            pd.testing.assert_frame_equal(dirty, clean, check_exact=True)
        elif session > SESSIONS[1062]:
            assert (dirty / clean - 1).abs().to_numpy().max() > 0.1


# -- through the walk-forward ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def walk_forwards(synthetic, poison) -> dict[str, tuple[WalkForward, WalkForward]]:
    """Return every forecaster that learns, in quarterly vintages trained on clean and on poisoned data."""
    return {
        name: tuple(
            WalkForward(FORECASTERS[name](), QUARTERS).train(panel, START, SESSIONS[-1], progress=False)
            for panel in (synthetic, poison)
        )
        for name in LEARNERS
    }


@every_learner
def test_vintages_up_to_the_poison_are_the_same(name, walk_forwards):
    clean, dirty = walk_forwards[name]
    dates = clean.vintage_dates()
    assert dates == dirty.vintage_dates()
    past, future = [d for d in dates if d <= ASOF], [d for d in dates if d > ASOF]
    assert past
    assert future
    for date in past:
        before, after = clean.vintage_at(date).get_state(), dirty.vintage_at(date).get_state()
        assert clean.vintage_at(date).trained_through_ == date
        assert before.keys() == after.keys()
        for key in before:
            np.testing.assert_array_equal(after[key], before[key], strict=True)
    for date in future:
        before, after = clean.vintage_at(date).get_state(), dirty.vintage_at(date).get_state()
        assert any(not np.array_equal(before[key], after[key]) for key in before)


@every_learner
def test_forecasts_of_a_walk_trained_on_the_poison(name, walk_forwards, synthetic, poison):
    clean, dirty = walk_forwards[name]
    assert_known_part_equal(
        clean.predict_path(synthetic, START, SESSIONS[-1]), dirty.predict_path(poison, START, SESSIONS[-1])
    )


@pytest.mark.parametrize(("name", "correlation"), [pair for pair in PAIRS if pair[0] in LEARNERS])
def test_covariances_of_a_walk_trained_on_the_poison(name, correlation, walk_forwards, synthetic, poison):
    assert_same_covariances(*walk_forwards[name], correlation, synthetic, poison)


@pytest.mark.parametrize(("name", "correlation"), [pair for pair in PAIRS if pair[0] in LEARNING_NOTHING])
def test_covariances_of_a_model_that_learns_nothing(name, correlation, synthetic, poison):
    assert_same_covariances(FORECASTERS[name](), FORECASTERS[name](), correlation, synthetic, poison)


def assert_same_covariances(
    one: VolatilityForecaster, other: VolatilityForecaster, correlation: str, clean: PricePanel, dirty: PricePanel
) -> None:
    """Pointwise and along a path that runs on into the poison."""
    model, poisoned_model = (RiskModel(volatility, CORRELATIONS[correlation]()) for volatility in (one, other))
    before, after = model.forecast(clean.asof(ASOF)), poisoned_model.forecast(dirty.asof(ASOF))
    pd.testing.assert_frame_equal(after.covariance, before.covariance, check_exact=True)
    assert dict(after.diagnostics) == dict(before.diagnostics)
    wanted = SESSIONS[1050:1072]
    path, poisoned_path = (
        {forecast.asof: forecast.covariance for forecast in chosen.forecast_path(panel, wanted)}
        for chosen, panel in ((model, clean), (poisoned_model, dirty))
    )
    assert list(path) == list(poisoned_path) == list(wanted)
    for session in wanted[wanted <= ASOF]:
        pd.testing.assert_frame_equal(poisoned_path[session], path[session], check_exact=True)
    for session in wanted[wanted > ASOF][1:]:
        assert (poisoned_path[session] / path[session] - 1).abs().to_numpy().max() > 0.1


def test_a_session_forecaster_does_not_remember_the_future(synthetic):
    """Asked about a later session first, it answers an earlier one as if it had never seen the later."""
    model = RiskModel(learn(HARVolatility("market"), synthetic), CORRELATIONS["ewma"]())
    ahead = model.backtest_forecaster()
    ahead.forecast(synthetic.asof(END))
    earlier = ahead.forecast(synthetic.asof(ASOF))
    pd.testing.assert_frame_equal(earlier.covariance, model.forecast(synthetic.asof(ASOF)).covariance, rtol=1e-9)


# -- models from the future ------------------------------------------------------------------------


def test_a_planted_future_vintage_is_never_used(synthetic, tmp_path):
    store = ModelStore(tmp_path)
    walk_forward = WalkForward(HARVolatility(), QUARTERS, store).train(synthetic, START, END, progress=False)
    honest = walk_forward.predict_path(synthetic, START, ASOF)
    planted = SESSIONS[1061]
    state, manifest = store.load(store.vintages()[-1])
    absurd = {key: array * 0 for key, array in state.items()}
    metadata = {"fingerprint": manifest.fingerprint, "assets": manifest.assets, "universe": manifest.universe}
    store.save(planted, absurd, metadata)
    fresh = WalkForward(HARVolatility(), QUARTERS, ModelStore(tmp_path))
    pd.testing.assert_frame_equal(fresh.predict_path(synthetic, START, ASOF), honest, check_exact=True)
    assert fresh.vintage_at(ASOF).trained_through_ <= ASOF
    # The control: from its date on, it does answer, with zeros.
    assert fresh.vintage_at(planted).trained_through_ == planted
    assert (fresh.predict(synthetic.asof(planted)) == 0).all()


def test_a_model_from_the_future_cannot_be_slipped_into_a_risk_model(synthetic):
    model = RiskModel(HARVolatility().fit(synthetic), CORRELATIONS["ewma"]())
    with pytest.raises(LookAheadError, match=f"trained through {SESSIONS[-1].date()}; a forecast at {ASOF.date()}"):
        model.forecast(synthetic.asof(ASOF))
    with pytest.raises(LookAheadError):
        next(model.forecast_path(synthetic, SESSIONS[1050:1060]))
