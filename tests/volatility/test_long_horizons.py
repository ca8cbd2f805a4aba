import numpy as np
import pandas as pd
import pytest
from registry import tiny_lstm
from synthetic import SESSIONS, poisoned

from volplugin import HARVolatility
from volplugin.volatility.bias_correction import close_to_close_ratio, forward_variance
from volplugin.volatility.long_horizons import LONG_HORIZONS, MINIMUM_SESSIONS, TermStructure, all_horizons

TRAINED = SESSIONS[1150]
"""Late enough that there is a term structure to learn."""

ASOF = SESSIONS[1220]


@pytest.fixture(scope="module", params=["lstm", "har", "log-linear"])
def model(request, synthetic):
    made = {"lstm": tiny_lstm(), "har": HARVolatility(), "log-linear": HARVolatility("season")}[request.param]
    return made.fit(synthetic.asof(TRAINED))


def test_total_variance_increases_with_the_horizon(model, synthetic):
    horizons = (1, 2, 5, 13, 21, 22, 30, 42, 50, 63, 100, 126, 200, 252)
    paths = model.predict_in_sample(synthetic, SESSIONS[1160], ASOF, horizons)
    totals = np.stack([horizon * path.to_numpy() ** 2 for horizon, path in paths.items()])
    increments = np.diff(totals, axis=0)
    assert (increments[np.isfinite(increments)] > 0).all()


def test_the_variance_beyond_the_last_head_by_hand(model, synthetic):
    """Total variance at 21 sessions, and the stretches' variances from the regression."""
    paths = model.predict_in_sample(synthetic, ASOF, ASOF, (21, *LONG_HORIZONS))
    inputs = (
        model._inputs(synthetic.asof(ASOF), ("variance_1",))
        if isinstance(model, HARVolatility)
        else model._fitted.features(synthetic.asof(ASOF), synthetic.asof(ASOF))
    )
    base, level = inputs.base[-1], inputs.take(("level",))[-1, :, 0]
    last = paths[21].loc[ASOF].to_numpy() ** 2
    table, (low, high) = model.term_.table, model.term_.bounds
    total, begin = 21 * last, 21
    for column, end in enumerate(LONG_HORIZONS):
        x = np.stack([np.log(last / base), np.log(base), level], axis=-1).clip(low, high)
        log_ratio = x @ table[1:4, column] + table[0, column]
        total = total + (end - begin) * np.exp(log_ratio) * table[4, column] * base
        np.testing.assert_allclose(paths[end].loc[ASOF] ** 2, total / end, rtol=1e-9)
        begin = end


def test_the_regression_is_mixed_with_the_level_of_each_asset(synthetic):
    """By hand: least squares, and the asset means of log variance regressed on ln b; then realised equals forecast."""
    panel = synthetic.asof(TRAINED).select(["ALFA", "BRAV", "GOLF"])
    random = np.random.default_rng(0)
    base = 1e-4 * np.exp(random.standard_normal(panel.close.shape))
    variance, level = base * np.exp(random.standard_normal(base.shape)), random.standard_normal(base.shape)
    table = TermStructure.fit(panel, variance, base, level, 126).table[:, 0]
    scaled = forward_variance(panel, (126, 252), close_to_close_ratio(panel))
    y = 2 * scaled[..., 1] - scaled[..., 0]
    here = np.isfinite(y)
    x = np.stack([np.ones(base.shape), np.log(variance / base), np.log(base), level], axis=-1)[here]
    log_y, b = np.log(y)[here], np.log(base)[here]
    line = np.linalg.lstsq(x, log_y - b, rcond=None)[0]
    means = np.nanmean(np.where(here, np.log(y), np.nan), axis=0)[np.nonzero(here)[1]]
    slope, intercept = np.polyfit(b, means, 1)
    expected = 0.6 * x @ line + 0.4 * (intercept + slope * b - b)
    np.testing.assert_allclose(x @ table[:4], expected, atol=1e-8)
    assert np.mean(np.exp(log_y - b - expected)) == pytest.approx(table[4])


def test_forecasts_revert():
    """Twice the variance of today is less than twice that of the sessions long after, and half of it more than half."""
    bounds = np.array([[-4.0, -14.0, -6.0], [4.0, -4.0, 6.0]])
    structure = TermStructure(np.array([[0.0], [0.5], [0.0], [0.0], [1.0]]).repeat(4, axis=1), bounds)
    base = np.full((1, 8), np.exp(-9.0))
    calm, usual, storm = (
        structure.extend(base[..., None] * factor, base, np.zeros((1, 8)), 21)[0, 0] for factor in (0.5, 1.0, 2.0)
    )
    assert (usual == usual[0]).all()
    assert (np.diff(calm) > 0).all()
    assert (np.diff(storm) < 0).all()


def test_of_a_short_history_there_is_none(synthetic):
    short = HARVolatility().fit(synthetic.asof(SESSIONS[MINIMUM_SESSIONS - 2]))
    assert short.term_ is None
    assert short.all_horizons == (1, 5, 21)
    long = short.predict_in_sample(synthetic, ASOF, ASOF, (21, 252))
    assert (long[252] / long[21] - 1).abs().max().max() < 0.5


def test_horizons_that_have_heads_are_not_fitted_twice(synthetic):
    model = tiny_lstm().set_params(horizons=(2, 63), seeds=(0,)).fit(synthetic.asof(TRAINED))
    assert model.all_horizons == (2, 63, 126, 252)
    assert all_horizons((1, 252), model.term_) == (1, 252)


def test_it_is_kept_with_the_model(model, synthetic):
    kept = type(model)(**model.get_params()).restore(model.get_state(), TRAINED, model.assets_, model.universe_)
    assert kept.all_horizons == (1, 5, 21, *LONG_HORIZONS)
    found, expected = (each.predict_in_sample(synthetic, ASOF, ASOF, (30, 252)) for each in (kept, model))
    for horizon in (30, 252):
        pd.testing.assert_frame_equal(found[horizon], expected[horizon], check_exact=True)


def test_what_comes_later_does_not_count(model, synthetic):
    """Neither in learning the stretches nor in forecasting them."""
    wild = poisoned(synthetic, ASOF)
    again = type(model)(**model.get_params()).fit(poisoned(synthetic, TRAINED).asof(TRAINED))
    np.testing.assert_array_equal(again.term_.table, model.term_.table)
    clean, dirty = (
        model.predict_in_sample(panel, SESSIONS[1180], SESSIONS[1240], (42, 63, 252)) for panel in (synthetic, wild)
    )
    for horizon, path in clean.items():
        pd.testing.assert_frame_equal(dirty[horizon].loc[:ASOF], path.loc[:ASOF], check_exact=True)


def test_carried_from_session_to_session(synthetic):
    model = tiny_lstm().fit(synthetic.asof(TRAINED))
    online_predictor, batch = (
        model.online_predictor(),
        model.predict_in_sample(synthetic, SESSIONS[1190], ASOF, (42, 252, -63)),
    )
    for session in SESSIONS[1190:1221]:
        found = online_predictor.predict_in_sample(synthetic, session, session, (42, 252, -63))
        for horizon, path in found.items():
            pd.testing.assert_frame_equal(path, batch[horizon].loc[[session]], rtol=1e-6, check_freq=False)
