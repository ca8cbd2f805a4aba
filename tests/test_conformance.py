"""What every registered forecaster and correlation estimator keeps, whoever wrote it."""

import random

import numpy as np
import pandas as pd
import pytest
import torch
from registry import CORRELATIONS, FORECASTERS, PAIRS, STOCHASTIC, learn
from sklearn.base import clone
from synthetic import ASOF, ASSETS, DELISTED, HALTED, LISTED, SESSIONS, TRAINED, frames, permuted, scaled

from volplugin import ModelStore, PricePanel, RiskModel, RollingVolatility, WalkForward
from volplugin.data.panel import MAX_GAP_SESSIONS
from volplugin.errors import LookAheadError, MissingVintageError, NotFittedError, PanelError, ParameterError
from volplugin.risk import defaults
from volplugin.volatility import RangesOrCloses, VolatilityForecaster, registry

HORIZONS = (1, 5, 10, 21, 63)
every_forecaster = pytest.mark.parametrize("name", FORECASTERS)
every_correlation = pytest.mark.parametrize("name", CORRELATIONS)


@pytest.fixture(scope="module")
def learned(synthetic) -> dict[str, VolatilityForecaster]:
    """Every forecaster, trained on the synthetic market. Not to be changed."""
    return {name: learn(make(), synthetic) for name, make in FORECASTERS.items()}


@pytest.fixture(scope="module")
def known(synthetic) -> PricePanel:
    return synthetic.asof(ASOF)


@pytest.fixture(scope="module")
def z(synthetic) -> pd.DataFrame:
    """Return devolatilised returns through `ASOF`, by the simplest forecast."""
    sigma = RollingVolatility(40).predict_path(synthetic, SESSIONS[300], ASOF, horizon=1)
    return (synthetic.returns / sigma.shift(1)).loc[sigma.index[1] : ASOF]


def answering(model: VolatilityForecaster) -> VolatilityForecaster:
    """Return the model with the learned numbers that answer at `ASOF`."""
    return model.vintage_at(ASOF)


def assert_same_state(one: VolatilityForecaster, other: VolatilityForecaster) -> None:
    left, right = one.get_state(), other.get_state()
    assert left.keys() == right.keys()
    for key in left:
        np.testing.assert_array_equal(left[key], right[key], err_msg=key, strict=True)


def snapshot(panel: PricePanel) -> dict[str, pd.DataFrame]:
    return {field: getattr(panel, field).copy() for field in ("open", "high", "low", "close", "volume")}


# -- the registry ----------------------------------------------------------------------------------


def test_every_forecaster_of_the_package_is_registered():
    registered = {type(make()) for make in FORECASTERS.values()}
    assert registered >= {WalkForward, *registry.forecaster_classes().values()}


def test_every_correlation_of_the_package_is_registered():
    assert {type(make()) for make in CORRELATIONS.values()} >= set(defaults.CORRELATIONS.values())


# -- parameters and inputs -------------------------------------------------------------------------


@every_forecaster
def test_learning_leaves_parameters_alone(name, learned):
    fresh, used = FORECASTERS[name](), learned[name]
    before, after = fresh.get_params(deep=False), used.get_params(deep=False)
    assert before.keys() == after.keys()
    assert repr(before) == repr(after)


@every_forecaster
def test_constructor_keeps_the_very_objects_it_was_given(name):
    given = FORECASTERS[name]().get_params(deep=False)
    kept = type(FORECASTERS[name]())(**given).get_params(deep=False)
    assert all(kept[key] is given[key] for key in given)


@every_forecaster
def test_clone_has_the_parameters_and_nothing_learned(name, learned, known):
    copy = clone(learned[name])
    assert repr(copy.get_params()) == repr(learned[name].get_params())
    assert not hasattr(copy, "trained_through_")
    if copy.requires_fit:
        with pytest.raises((NotFittedError, MissingVintageError)):
            copy.predict(known)


@every_forecaster
def test_set_params_reaches_every_parameter(name):
    model = FORECASTERS[name]()
    given = model.get_params(deep=False)
    assert model.set_params(**given) is model
    assert repr(model.get_params(deep=False)) == repr(given)


@every_forecaster
def test_inputs_are_left_as_they_were(name, synthetic):
    panel = PricePanel(**frames())
    before = snapshot(panel)
    model = learn(FORECASTERS[name](), panel)
    model.predict(panel.asof(ASOF))
    model.predict_path(panel, SESSIONS[1050], ASOF)
    model.predict_in_sample(panel, SESSIONS[1050], ASOF, (1, 21))
    for field, frame in before.items():
        pd.testing.assert_frame_equal(frame, getattr(panel, field))
    assert panel.fingerprint() == synthetic.fingerprint()


@every_forecaster
def test_fit_returns_self_and_sets_training_metadata(name, synthetic, learned):
    model = answering(learned[name])
    if not model.requires_fit:
        assert model.fit(synthetic) is model
        return
    assert model.trained_through_ <= ASOF
    assert model.assets_ == ASSETS
    assert model.universe_ == ASSETS
    assert model.vintage.keys() - {"own"} == {"model", "trained_through"}
    named = model.forecasters if isinstance(model, RangesOrCloses) else [model]
    assert model.vintage["model"] == " or ".join(type(one).__name__ for one in named)
    assert model.vintage["trained_through"] == str(model.trained_through_.date())


# -- shape, labels, numbers ------------------------------------------------------------------------


@every_forecaster
@pytest.mark.parametrize("horizon", HORIZONS)
def test_positive_and_finite_where_listed_long_enough(name, horizon, learned, known):
    forecast = learned[name].predict(known, horizon)
    assert list(forecast.index) == ASSETS
    assert forecast.dtype == float
    assert np.isfinite(forecast).all()
    annual = forecast * np.sqrt(252)
    assert annual.between(0.03, 3).all()


@every_forecaster
def test_nan_before_listing_and_long_after_delisting(name, learned, synthetic):
    model = answering(learned[name])
    before = model.predict_in_sample(synthetic, SESSIONS[300], LISTED, (21,))[21]
    assert before["DELT"].isna().all()
    # A listed asset needs some history first; from a year on there is an answer.
    later = model.predict_in_sample(synthetic, SESSIONS[400 + 252], SESSIONS[400 + 260], (21,))[21]
    assert later["DELT"].notna().all()
    gone = model.predict_path(synthetic, DELISTED, SESSIONS[-1])["FOXT"]
    assert gone.iloc[: MAX_GAP_SESSIONS + 1].notna().all()
    assert gone.iloc[MAX_GAP_SESSIONS + 1 :].isna().all()


@every_forecaster
def test_in_a_halt_the_last_forecast_stands(name, learned, synthetic):
    path = learned[name].predict_path(synthetic, SESSIONS[1019], SESSIONS[1030])["ECHO"]
    assert (path[HALTED] == path[SESSIONS[1019]]).all()
    assert path.notna().all()


@every_forecaster
def test_columns_are_read_by_name(name, learned, synthetic, known):
    straight = learned[name].predict(known)
    other = learned[name].predict(permuted(synthetic).asof(ASOF))
    assert list(other.index) != list(straight.index)
    pd.testing.assert_series_equal(other[straight.index], straight, rtol=1e-6)


@every_forecaster
def test_learning_reads_columns_by_name(name, learned, synthetic, known):
    other = learn(FORECASTERS[name](), permuted(synthetic))
    tolerance = 0.05 if name in STOCHASTIC else 1e-9
    pd.testing.assert_series_equal(other.predict(known), learned[name].predict(known), rtol=tolerance)


@every_forecaster
@pytest.mark.parametrize("factor", [1e3, 1e-3, np.geomspace(1e-3, 1e3, len(ASSETS))], ids=["big", "small", "mixed"])
def test_the_currency_does_not_matter(name, factor, learned, synthetic, known):
    abroad = scaled(synthetic, factor)
    pd.testing.assert_series_equal(learned[name].predict(abroad.asof(ASOF)), learned[name].predict(known), rtol=1e-6)
    relearned = learn(FORECASTERS[name](), abroad)
    pd.testing.assert_series_equal(relearned.predict(known), learned[name].predict(known), rtol=1e-4)


@every_forecaster
def test_a_forecast_does_not_depend_on_the_other_assets_requested(name, learned, known):
    all_assets = learned[name].predict(known)
    few = learned[name].predict(known.select(["HOTE", "ALFA", "DELT"]))
    pd.testing.assert_series_equal(few, all_assets[["HOTE", "ALFA", "DELT"]], rtol=1e-6)


@every_forecaster
def test_path_rows_equal_pointwise_forecasts(name, learned, synthetic):
    """Across a halt, a delisting and, in a walk-forward, a change of vintage."""
    start, end = SESSIONS[990], SESSIONS[1120]
    path = learned[name].predict_path(synthetic, start, end, horizon=10)
    assert list(path.index) == list(SESSIONS[990:1121])
    assert list(path.columns) == ASSETS
    for session in path.index[::4]:
        point = learned[name].predict(synthetic.asof(session), horizon=10)
        pd.testing.assert_series_equal(path.loc[session], point, rtol=1e-6, check_names=False)


@every_forecaster
def test_only_the_lookback_counts(name, learned, synthetic):
    for session in (SESSIONS[1000], HALTED[1], HALTED[-1] + pd.offsets.BDay(3), ASOF, DELISTED, SESSIONS[-1]):
        known = synthetic.asof(session)
        short = known.tail(learned[name].lookback)
        assert len(short.sessions) < len(known.sessions)
        pd.testing.assert_series_equal(learned[name].predict(short), learned[name].predict(known), rtol=1e-6)


@every_forecaster
def test_predict_in_sample_returns_the_requested_horizons(name, learned, synthetic):
    start = SESSIONS[1050]
    paths = learned[name].predict_in_sample(synthetic, start, ASOF, (1, 10, 21))
    assert list(paths) == [1, 10, 21]
    for horizon, path in paths.items():
        assert list(path.index) == list(SESSIONS[1050:1061])
        pd.testing.assert_series_equal(
            path.loc[ASOF], learned[name].predict(synthetic.asof(ASOF), horizon), rtol=1e-6, check_names=False
        )


@every_forecaster
def test_online_prediction_equals_prediction_in_sample(name, learned, synthetic):
    """Over blocks of a network, a halt, a delisting and, in a walk-forward, a change of vintage."""
    online_predictor = answering(learned[name]).online_predictor()
    for session in [*SESSIONS[1010:1050], *SESSIONS[1095:1115]]:
        known = synthetic.asof(session)
        followed = online_predictor.predict_in_sample(known, session, session, (1, 21))
        for horizon, expected in answering(learned[name]).predict_in_sample(known, session, session, (1, 21)).items():
            pd.testing.assert_frame_equal(followed[horizon], expected, rtol=1e-5, check_freq=False)


@every_forecaster
def test_online_prediction_out_of_order_recomputes(name, learned, synthetic):
    model = answering(learned[name])
    online_predictor = model.online_predictor()
    for session in SESSIONS[[1060, 1061, 1063, 1030, 1031, 1200]]:
        followed = online_predictor.predict_in_sample(synthetic, session, session, (5,))[5]
        expected = model.predict_in_sample(synthetic, session, session, (5,))[5]
        pd.testing.assert_frame_equal(followed, expected, rtol=1e-5, check_freq=False)


# -- determinism -----------------------------------------------------------------------------------


@every_forecaster
def test_same_numbers_whatever_the_global_seed(name, learned, synthetic, known):
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002 - the global state is the point
    torch.manual_seed(1)
    again = learn(FORECASTERS[name](), synthetic)
    assert_same_state(answering(again), answering(learned[name]))
    pd.testing.assert_series_equal(again.predict(known), learned[name].predict(known), check_exact=True)


@every_forecaster
def test_global_state_is_left_alone(name, synthetic, known):
    before = (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())  # noqa: NPY002
    settings = (torch.get_num_threads(), torch.get_default_dtype(), torch.are_deterministic_algorithms_enabled())
    learn(FORECASTERS[name](), synthetic).predict(known)
    after = (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist())  # noqa: NPY002
    assert after == before
    assert settings == (
        torch.get_num_threads(),
        torch.get_default_dtype(),
        torch.are_deterministic_algorithms_enabled(),
    )


@every_forecaster
def test_repeated_forecasts_are_equal(name, learned, synthetic, known):
    first = learned[name].predict(known)
    learned[name].predict(synthetic)
    pd.testing.assert_series_equal(learned[name].predict(known), first, check_exact=True)


# -- state -----------------------------------------------------------------------------------------


@every_forecaster
def test_state_round_trip(name, learned, known):
    model = answering(learned[name])
    if not model.requires_fit:
        assert model.get_state() == {}
        return
    fresh = clone(model).restore(model.get_state(), model.trained_through_, model.assets_, model.universe_)
    assert_same_state(fresh, model)
    assert fresh.vintage == model.vintage
    pd.testing.assert_series_equal(fresh.predict(known), model.predict(known), check_exact=True)


@every_forecaster
def test_state_round_trip_through_a_store(name, learned, known, tmp_path):
    model = answering(learned[name])
    if not model.requires_fit:
        assert not model.get_state()
        return
    store = ModelStore(tmp_path / "models")
    metadata = {"fingerprint": known.fingerprint(), "assets": model.assets_, "universe": model.universe_}
    store.save(model.trained_through_, model.get_state(), metadata)
    state, manifest = ModelStore(tmp_path / "models").load(model.trained_through_)
    fresh = clone(model).restore(state, manifest.trained_through, manifest.assets, manifest.universe)
    pd.testing.assert_series_equal(fresh.predict(known), model.predict(known), check_exact=True)


@every_forecaster
def test_walk_forward_through_a_store(name, synthetic, known, tmp_path):
    inner = FORECASTERS[name]()
    inner = inner.forecaster if isinstance(inner, WalkForward) else inner
    span = (SESSIONS[900], SESSIONS[1100])
    memory = WalkForward(inner).train(synthetic, *span, progress=False)
    WalkForward(inner, store=ModelStore(tmp_path / "models")).train(synthetic, *span, progress=False)
    disk = WalkForward(clone(inner), store=ModelStore(tmp_path / "models"))
    pd.testing.assert_series_equal(disk.predict(known), memory.predict(known), check_exact=True)


# -- what must be refused --------------------------------------------------------------------------


@every_forecaster
def test_a_forecast_before_the_end_of_training_raises(name, learned, synthetic):
    early = SESSIONS[500]
    if not learned[name].requires_fit:
        assert learned[name].predict(synthetic.asof(early)).notna().any()
        return
    refusal = MissingVintageError if isinstance(learned[name], WalkForward) else LookAheadError
    with pytest.raises(refusal, match=str(early.date())):
        learned[name].predict(synthetic.asof(early))
    with pytest.raises(refusal, match=str(early.date())):
        learned[name].predict_path(synthetic, early, ASOF)


@every_forecaster
def test_a_forecast_at_the_last_training_session_is_allowed(name, learned, synthetic):
    through = getattr(answering(learned[name]), "trained_through_", TRAINED)
    assert learned[name].predict(synthetic.asof(through)).notna().any()


@every_forecaster
def test_unfitted(name, known):
    model = FORECASTERS[name]()
    if not model.requires_fit:
        assert model.predict(known).notna().all()
        return
    with pytest.raises((NotFittedError, MissingVintageError), match=r"fit\(panel|volplugin train"):
        model.predict(known)
    with pytest.raises((NotFittedError, MissingVintageError)):
        model.predict_path(known, SESSIONS[1050], ASOF)


@every_forecaster
@pytest.mark.parametrize("horizon", [0, -1, 2.5, "21", 253, None])
def test_impossible_horizons(name, horizon, learned, known):
    with pytest.raises(ParameterError, match="horizon"):
        learned[name].predict(known, horizon)
    with pytest.raises(ParameterError, match="horizon"):
        learned[name].predict_path(known, SESSIONS[1050], ASOF, horizon)


@every_forecaster
def test_aware_dates_are_refused(name, learned, synthetic):
    with pytest.raises(PanelError, match="naive"):
        learned[name].predict_path(synthetic, SESSIONS[1050], ASOF.tz_localize("UTC"))
    with pytest.raises(PanelError, match="naive"):
        learned[name].predict_path(synthetic, SESSIONS[1050].tz_localize("UTC"), ASOF)


# -- correlations ----------------------------------------------------------------------------------


def estimate(name: str, z: pd.DataFrame) -> pd.DataFrame:
    return CORRELATIONS[name]().estimate(z)


@every_correlation
def test_correlation_parameters_and_inputs_are_left_alone(name, z):
    model, before = CORRELATIONS[name](), z.copy()
    given = repr(model.get_params())
    model.estimate(z)
    pd.testing.assert_frame_equal(z, before)
    assert repr(model.get_params()) == repr(clone(model).get_params()) == given


@every_correlation
def test_correlation_is_one(name, z):
    rho = estimate(name, z)
    assert list(rho.index) == list(rho.columns) == ASSETS
    values = rho.to_numpy()
    np.testing.assert_array_equal(np.diagonal(values), 1.0)
    np.testing.assert_array_equal(values, values.T)
    assert np.linalg.eigvalsh(values)[0] >= 0
    assert np.isfinite(values).all()


@every_correlation
def test_correlation_sees_the_common_shock(name, z):
    pairs = estimate(name, z).to_numpy()[~np.eye(len(ASSETS), dtype=bool)]
    # The synthetic market's shocks correlate by 0.36, seen through its ranges of overnight noise.
    assert 0.1 < pairs.mean() < 0.55


@every_correlation
def test_correlation_reads_columns_by_name(name, z):
    other = estimate(name, z[ASSETS[::-1]])
    pd.testing.assert_frame_equal(other.loc[ASSETS, ASSETS], estimate(name, z), rtol=1e-10)


@every_correlation
def test_correlation_forgets_the_scale(name, z):
    pd.testing.assert_frame_equal(
        estimate(name, z * np.geomspace(1e-3, 1e3, len(ASSETS))), estimate(name, z), rtol=1e-9
    )


@every_correlation
def test_correlation_is_of_the_lookback_alone(name, z):
    rows = CORRELATIONS[name]().lookback
    assert rows < len(z)
    wild = z.copy()
    wild.iloc[:-rows] = 1e6
    expected = estimate(name, z)
    pd.testing.assert_frame_equal(estimate(name, wild), expected, check_exact=True)
    pd.testing.assert_frame_equal(estimate(name, z.tail(rows)), expected, check_exact=True)


@every_correlation
def test_correlation_is_the_same_twice(name, z):
    model = CORRELATIONS[name]()
    first = model.estimate(z)
    model.estimate(z * np.nan)
    pd.testing.assert_frame_equal(model.estimate(z), first, check_exact=True)


@every_correlation
def test_correlation_with_assets_hardly_or_never_seen(name, z):
    scarce = z.copy()
    scarce.loc[:, "DELT"] = np.nan
    scarce.iloc[:-5, 4] = np.nan
    rho, metadata = CORRELATIONS[name]().diagnose(scarce)
    values = rho.to_numpy()
    assert np.isfinite(values).all()
    assert np.linalg.eigvalsh(values)[0] >= 0
    assert metadata["observations"] == 0
    # Never seen: the average of those that were, the same for each.
    others = rho.loc["DELT"].drop("DELT")
    assert others.max() - others.min() < 1e-9
    assert 0 < others.iloc[0] < 1


@every_correlation
def test_correlation_diagnostics(name, z):
    rho, metadata = CORRELATIONS[name]().diagnose(z)
    measured = {"condition_number", "psd_repair", "average_correlation", "observations"}
    assert metadata.keys() == measured | {"scarce", "chosen", "fallbacks"}
    assert metadata["scarce"] == metadata["fallbacks"] == {}
    assert metadata["condition_number"] == pytest.approx(np.linalg.cond(rho.to_numpy()), rel=1e-6)
    assert metadata["psd_repair"] == 0
    off = rho.to_numpy()[~np.eye(len(rho), dtype=bool)]
    assert metadata["average_correlation"] == pytest.approx(off.mean())
    assert 10 < metadata["observations"] <= CORRELATIONS[name]().lookback


@every_correlation
@pytest.mark.parametrize("rows", [0, 1, 5])
def test_correlation_of_hardly_any_session(name, rows, z):
    rho = estimate(name, z.head(rows)).to_numpy()
    np.testing.assert_array_equal(np.diagonal(rho), 1.0)
    assert np.linalg.eigvalsh(rho)[0] > -1e-12


@every_correlation
def test_correlation_of_one_asset(name, z):
    assert estimate(name, z[["ALFA"]]).to_numpy().tolist() == [[1.0]]


@every_correlation
def test_correlation_views(name, z):
    structure, metadata = CORRELATIONS[name]().diagnose(z, view="structure")
    np.testing.assert_array_equal(np.diagonal(structure), 1.0)
    assert np.linalg.eigvalsh(structure)[0] >= 0
    assert metadata["fallbacks"] == {}
    with pytest.raises(ParameterError, match="view is 'total'; pass one of risk, structure"):
        CORRELATIONS[name]().estimate(z, view="total")


# -- forecasters and correlations together ----------------------------------------------------------


@pytest.mark.parametrize(("name", "correlation"), PAIRS)
def test_risk_model_of_any_two(name, correlation, learned, known):
    model = RiskModel(learned[name], CORRELATIONS[correlation]())
    all_assets, few = model.forecast(known), model.forecast(known, assets=["HOTE", "ALFA", "DELT"])
    assert list(all_assets.assets) == ASSETS
    pd.testing.assert_series_equal(all_assets.volatility, learned[name].predict(known), rtol=1e-6)
    np.testing.assert_array_equal(np.diagonal(all_assets.covariance), all_assets.volatility**2)
    assert np.linalg.eigvalsh(all_assets.covariance)[0] > 0
    pd.testing.assert_frame_equal(few.covariance, all_assets.covariance.loc[few.assets, few.assets], rtol=1e-6)
    short = model.forecast(known.tail(model.lookback))
    pd.testing.assert_frame_equal(short.covariance, all_assets.covariance, rtol=1e-6)
