import json

import numpy as np
import pandas as pd
import pytest
from registry import tiny_lstm
from sklearn.base import clone
from synthetic import ASOF, LISTED, SESSIONS, TRAINED

from volplugin import (
    EWMACorrelation,
    EWMAVolatility,
    FallbackChain,
    GARCHVolatility,
    GeometricBlend,
    HARVolatility,
    ModelStore,
    PricePanel,
    RiskModel,
    RollingVolatility,
    WalkForward,
)
from volplugin.errors import InsufficientHistoryError, ParameterError, StoreConfigurationError, StoreCorruptError
from volplugin.volatility import (
    FITTED_HORIZONS,
    VolatilityForecaster,
    close_to_close_ratio,
    describe,
    forward_variance,
    load_walk_forward,
)

YOUNG = SESSIONS[430]
"""A session soon after DELT was listed: too soon for HAR."""


@pytest.fixture(scope="module")
def trained(synthetic) -> PricePanel:
    return synthetic.asof(TRAINED)


@pytest.fixture(scope="module")
def known(synthetic) -> PricePanel:
    return synthetic.asof(ASOF)


@pytest.fixture(scope="module")
def chain(synthetic) -> FallbackChain:
    """Of three, trained before DELT was listed."""
    return FallbackChain([HARVolatility("market"), GARCHVolatility(), EWMAVolatility()]).fit(
        synthetic.asof(SESSIONS[390])
    )


def restored(model: VolatilityForecaster) -> VolatilityForecaster:
    return clone(model).restore(model.get_state(), model.trained_through_, model.assets_, model.universe_)


# -- the geometric blend ---------------------------------------------------------------------------


@pytest.mark.parametrize("horizon", [1, 10, 21, 63])
def test_blend_is_the_weighted_geometric_mean(horizon, trained, known):
    members = [HARVolatility().fit(trained), EWMAVolatility(), RollingVolatility()]
    blend = GeometricBlend(members, [0.5, 0.3, 0.2], rescale=False).fit(trained)
    har, ewma, rolling = (member.predict(known, horizon) for member in members)
    pd.testing.assert_series_equal(blend.predict(known, horizon), har**0.5 * ewma**0.3 * rolling**0.2)


def test_members_weigh_the_same_by_default(trained, known):
    members = [EWMAVolatility(), RollingVolatility()]
    expected = np.sqrt(members[0].predict(known) * members[1].predict(known))
    pd.testing.assert_series_equal(GeometricBlend(members, rescale=False).predict(known), expected, check_names=False)


def test_realised_over_forecast_variance_averages_one_on_training_data(trained):
    blend = GeometricBlend([HARVolatility(), RollingVolatility()]).fit(trained)
    paths = blend.predict_in_sample(trained, trained.sessions[0], TRAINED, FITTED_HORIZONS)
    realised = forward_variance(trained, FITTED_HORIZONS, close_to_close_ratio(trained))
    for knot, horizon in enumerate(FITTED_HORIZONS):
        assert np.nanmean(realised[..., knot] / paths[horizon].to_numpy() ** 2) == pytest.approx(1, abs=1e-9)
    # Rolling volatility alone would be too low: a mean of ratios is above the ratio of means.
    assert (blend.factor_ > 1).all()


def test_between_the_horizons_the_factor_is_interpolated(trained, known):
    members = [EWMAVolatility(), RollingVolatility()]
    blend = GeometricBlend(members).fit(trained)
    plain = GeometricBlend(members, rescale=False)
    first, second, third = blend.factor_
    for horizon, factor in {1: first, 3: (first + second) / 2, 13: (second + third) / 2, 63: third}.items():
        ratio = (blend.predict(known, horizon) / plain.predict(known, horizon)) ** 2
        np.testing.assert_allclose(ratio, factor)


def test_a_blend_has_a_forecast_where_every_member_has(synthetic):
    members = [EWMAVolatility(), RollingVolatility(60), RollingVolatility(10)]
    blend = GeometricBlend(members, rescale=False)
    path = blend.predict_path(synthetic, LISTED, YOUNG)["DELT"]
    each = pd.concat([member.predict_path(synthetic, LISTED, YOUNG)["DELT"] for member in members], axis=1)
    pd.testing.assert_series_equal(path.notna(), each.notna().all(axis=1), check_names=False)
    assert each.notna().any(axis=1).sum() > path.notna().sum() > 0


def test_a_blend_is_fitted_in_parts(trained):
    blend = GeometricBlend([tiny_lstm(), GeometricBlend([GARCHVolatility(), EWMAVolatility()])], [0.75, 0.25])
    parts = blend.members()
    assert [type(part).__name__ for part in parts] == [
        "LSTMVolatility",
        "LSTMVolatility",
        "GARCHVolatility",
        "EWMAVolatility",
    ]
    joined = clone(blend).combine([part.fit_member(trained) for part in parts], trained)
    whole = blend.fit(trained).get_state()
    assert joined.get_state().keys() == whole.keys()
    for name, array in joined.get_state().items():
        np.testing.assert_allclose(array, whole[name], rtol=1e-6, atol=1e-9, err_msg=name)


def test_members_given_are_left_unfitted(trained):
    members = [HARVolatility(), GARCHVolatility()]
    GeometricBlend(members).fit(trained)
    FallbackChain(members).fit(trained)
    assert not any(hasattr(member, "trained_through_") for member in members)


def test_a_blend_names_what_its_members_name(synthetic):
    few = synthetic.asof(TRAINED).select(["ALFA", "BRAV"])
    blend = GeometricBlend([GARCHVolatility(), GARCHVolatility(asymmetric=True)]).fit(few)
    known = synthetic.select(["ALFA", "HOTE"])
    output = "GARCHVolatility: pooled parameters: not among the assets fitted"
    assert blend.fallbacks(known) == {"HOTE": f"{output}; {output}"}
    assert restored(blend).fallbacks(known) == blend.fallbacks(known)


@pytest.mark.parametrize("weights", [[1.0], [0.5, 0.6], [1.5, -0.5], [1.0, 0.0], [0.5, np.nan]])
def test_weights_are_checked(weights, trained):
    with pytest.raises(ParameterError, match="pass 2 positive numbers of sum one"):
        GeometricBlend([HARVolatility(), EWMAVolatility()], weights).fit(trained)


@pytest.mark.parametrize("kind", [GeometricBlend, FallbackChain])
@pytest.mark.parametrize("members", [[], [HARVolatility], ["HAR"]])
def test_members_are_checked(kind, members, trained):
    with pytest.raises(ParameterError, match="pass a list of one or more forecasters"):
        kind(members).fit(trained)


@pytest.mark.parametrize("kind", [GeometricBlend, FallbackChain])
def test_members_parameters_are_checked(kind, trained):
    with pytest.raises(ParameterError, match="decay is 2"):
        kind([EWMAVolatility(decay=2), HARVolatility()]).fit(trained)


@pytest.mark.parametrize("kind", [GeometricBlend, FallbackChain])
def test_walk_forward_refits_a_combination(kind, trained):
    with pytest.raises(ParameterError, match="trained over dates"):
        kind([WalkForward(HARVolatility()), EWMAVolatility()]).fit(trained)


@pytest.mark.parametrize("kind", [GeometricBlend, FallbackChain])
def test_lookback_is_the_longest(kind):
    assert kind([EWMAVolatility(), tiny_lstm()]).lookback == tiny_lstm().lookback


# -- the fallback chain ----------------------------------------------------------------------------


def test_the_first_member_with_a_forecast_is_used(chain, synthetic):
    panel = synthetic.asof(YOUNG)
    best, middle, last = (member.predict(panel) for member in chain.forecasters_)
    assert best.isna().sum() == 1
    found = chain.predict(panel)
    pd.testing.assert_series_equal(found.drop("DELT"), best.drop("DELT"), check_exact=True)
    assert found["DELT"] == middle["DELT"] != last["DELT"]


def test_fallbacks_name_the_member_used_per_asset(chain, synthetic):
    panel = synthetic.asof(YOUNG)
    expected = {
        "DELT": "GARCHVolatility forecasts in place of HARVolatility; "
        "GARCHVolatility: pooled parameters: fewer than 500 returns to fit on"
    }
    assert chain.fallbacks(panel) == expected
    assert restored(chain).fallbacks(panel) == expected
    diagnostics = RiskModel(chain, EWMACorrelation(60)).forecast(panel).diagnostics
    assert diagnostics["fallbacks"] == expected
    assert "DELT" not in diagnostics["excluded"]


def test_no_fallback_is_reported_when_the_first_member_forecasts_all(chain, known):
    assert chain.fallbacks(known) == {}


@pytest.mark.parametrize("row", [395, 405, 425, 460, 520, 1021, 1027, 1150])
def test_the_report_is_about_the_forecast(row, synthetic):
    """Before and after a listing, in a halt and after a delisting."""
    chain = FallbackChain([HARVolatility("market"), EWMAVolatility()]).fit(synthetic.asof(SESSIONS[390]))
    panel = synthetic.asof(SESSIONS[row])
    first, second = (member.predict(panel).notna() for member in chain.forecasters_)
    assert set(chain.fallbacks(panel)) == set(panel.assets[second & ~first])


def test_fallbacks_of_the_members_used_are_included(synthetic):
    """Without the reference universe HAR answers with its market-free twin."""
    chain = FallbackChain([HARVolatility("market"), EWMAVolatility()]).fit(synthetic.asof(TRAINED))
    alone = PricePanel(close=synthetic.close[["ALFA"]])
    assert list(chain.fallbacks(alone)) == ["market-wide inputs"]
    assert chain.fallbacks(alone)["market-wide inputs"].startswith("HARVolatility: ")


@pytest.fixture(scope="module")
def short(synthetic) -> tuple[FallbackChain, PricePanel]:
    """Return a chain trained on a panel too short for its first member."""
    panel = synthetic.asof(SESSIONS[80])
    return FallbackChain([HARVolatility("market"), EWMAVolatility(calibrated=True)]).fit(panel), panel


def test_a_member_that_cannot_be_fitted_is_skipped(short):
    chain, panel = short
    expected = EWMAVolatility(calibrated=True).fit(panel).predict(panel)
    pd.testing.assert_series_equal(chain.predict(panel), expected, check_exact=True)
    there = expected.index[expected.notna()]
    assert len(there) == 7
    assert chain.fallbacks(panel) == dict.fromkeys(there, "EWMAVolatility forecasts in place of HARVolatility")


def test_a_stored_chain_records_which_members_are_fitted(short):
    chain, panel = short
    fresh = restored(chain)
    pd.testing.assert_series_equal(fresh.predict(panel), chain.predict(panel), check_exact=True)
    assert fresh.fallbacks(panel) == chain.fallbacks(panel)


def test_a_chain_of_which_no_member_can_be_fitted(synthetic):
    with pytest.raises(InsufficientHistoryError, match="too few sessions to regress on"):
        FallbackChain([HARVolatility("market"), HARVolatility()]).fit(synthetic.asof(SESSIONS[80]))


def test_the_recommended_chain(synthetic, known):
    chain = FallbackChain([tiny_lstm(), HARVolatility("market"), EWMAVolatility()]).fit(synthetic.asof(TRAINED))
    pd.testing.assert_series_equal(chain.predict(known), chain.forecasters_[0].predict(known), check_exact=True)
    assert chain.fallbacks(known) == {}
    assert set(chain.fallbacks(synthetic.asof(ASOF).tail(50))) >= set(known.assets)


# -- descriptions in a store -----------------------------------------------------------------------

NESTED = FallbackChain(
    [
        GeometricBlend((HARVolatility("market"), GARCHVolatility(asymmetric=True)), weights=(0.75, 0.25)),
        EWMAVolatility(0.97),
    ]
)


def test_a_plain_forecaster_is_described_plainly():
    assert describe(HARVolatility("market")) == {
        "forecaster": "HARVolatility",
        "parameters": {"terms": "market", "pooled": True},
    }


def test_nested_forecasters_describe_themselves():
    assert json.loads(json.dumps(describe(NESTED))) == {
        "forecaster": "FallbackChain",
        "parameters": {
            "forecasters": [
                {
                    "forecaster": "GeometricBlend",
                    "parameters": {
                        "forecasters": [
                            {"forecaster": "HARVolatility", "parameters": {"terms": "market", "pooled": True}},
                            {"forecaster": "GARCHVolatility", "parameters": {"asymmetric": True, "distribution": "t"}},
                        ],
                        "weights": [0.75, 0.25],
                        "rescale": True,
                    },
                },
                {"forecaster": "EWMAVolatility", "parameters": {"decay": 0.97, "calibrated": False}},
            ]
        },
    }


@pytest.mark.parametrize(
    "model", [NESTED, GARCHVolatility(asymmetric=True), tiny_lstm()], ids=["nested", "gjr", "lstm"]
)
def test_a_store_gives_back_the_forecaster_that_wrote_it(model, synthetic, known, tmp_path):
    span = (SESSIONS[900], ASOF)
    walk_forward = WalkForward(model, store=ModelStore(tmp_path)).train(synthetic, *span, progress=False)
    loaded = load_walk_forward(tmp_path)
    assert describe(loaded.forecaster) == describe(model)
    assert loaded.configuration == walk_forward.configuration
    pd.testing.assert_series_equal(loaded.predict(known), walk_forward.predict(known), check_exact=True)
    assert loaded.vintage_at(ASOF).fallbacks(known) == walk_forward.vintage_at(ASOF).fallbacks(known)


def test_a_store_of_another_combination_is_refused(synthetic, tmp_path):
    span = (SESSIONS[900], SESSIONS[950])
    WalkForward(GeometricBlend([HARVolatility(), EWMAVolatility()]), store=ModelStore(tmp_path)).train(
        synthetic, *span, progress=False
    )
    other = WalkForward(GeometricBlend([HARVolatility(), EWMAVolatility(0.97)]), store=ModelStore(tmp_path))
    with pytest.raises(StoreConfigurationError, match="forecasters is .*0.94.* there and .*0.97.* here"):
        other.train(synthetic, *span, progress=False)


@pytest.mark.parametrize(
    "member",
    [
        {"forecaster": "Oracle", "parameters": {}},
        {"forecaster": "EWMAVolatility", "parameters": {"crystal": 1}},
        {"forecaster": "EWMAVolatility"},
        {"forecaster": "EWMAVolatility", "parameters": 3},
    ],
    ids=["class", "parameter", "no-parameters", "no-mapping"],
)
def test_an_unknown_member_is_a_corrupt_store(member, tmp_path):
    store = ModelStore(tmp_path)
    store.configure({"forecaster": "FallbackChain", "parameters": {"forecasters": [member]}, "schedule": "yearly"})
    with pytest.raises(StoreCorruptError, match="names an unknown forecaster"):
        load_walk_forward(tmp_path)
