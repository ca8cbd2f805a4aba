import warnings

import numpy as np
import pandas as pd
import pytest
from registry import tiny_lstm
from synthetic import ASOF, ASSETS, DELISTED, HALTED, LISTED, SESSIONS, TRAINED, poisoned

from volplugin import HARVolatility, LSTMVolatility, PricePanel
from volplugin.volatility.features import FEATURE_LOOKBACK, MAX_FEATURE, build_features
from volplugin.volatility.lstm.ensemble import Readout
from volplugin.volatility.season import SEASON, SEASON_WINDOW, rolling_max, season_inputs

FIELDS = ("open", "high", "low", "close", "volume")


def by_hand(panel: PricePanel, base: np.ndarray, row: int, column: int) -> list[float]:
    """The formulas, value by value."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        returns = panel.returns.to_numpy()
        daily = (returns[:, column] - np.nanmean(returns, axis=1)) ** 2
        night = daily
        if panel.has_ranges:
            overnight = panel.overnight.to_numpy()
            night = (overnight[:, column] - np.nanmedian(overnight, axis=1)) ** 2

    def seen(moves: np.ndarray, first: int, last: int) -> list[float]:
        return [moves[day] for day in range(max(first, 0), last + 1) if np.isfinite(moves[day])]

    def relative(value: float) -> float:
        return float(np.clip(np.log(max(value, 1e-7)) - np.log(base[row, column]), -MAX_FEATURE, MAX_FEATURE))

    found = []
    for days in (1, 5, 22):
        moves = seen(night, row - days + 1, row)
        found.append(relative(np.mean(moves)) if len(moves) >= max(days // 2, 1) else 0.0)
    for horizon, margin in ((1, 2), (5, 2), (21, 0)):
        windows = [seen(night, row - k + 1 - margin, row - k + horizon + margin) for k in (63, 126, 189, 252)]
        largest = [max(window) for window in windows if window]
        found.append(relative(np.median(largest)) if largest else 0.0)
    for horizon in (1, 5):
        moves = seen(daily, row - 63, row - 63 + horizon + 1)
        found.append(relative(np.mean(moves)) if moves else 0.0)
    return found


def assert_by_hand(panel: PricePanel, rows: list[int]) -> None:
    inputs = build_features(panel, panel)
    values = inputs.take(SEASON)
    for row in rows:
        for column in range(len(panel.assets)):
            if np.isfinite(values[row, column]).all():
                expected = by_hand(panel, inputs.base, row, column)
                np.testing.assert_allclose(values[row, column], expected, rtol=1e-8, atol=1e-9)


def test_the_inputs_by_hand(synthetic):
    """From the first row with a base, across a listing, a halt and a delisting."""
    places = [list(SESSIONS).index(date) for date in (LISTED, HALTED[0], HALTED[-1], DELISTED)]
    near = [place + step for place in places for step in (-1, 0, 1, 2, 5, 60, 64)]
    assert_by_hand(synthetic, [*range(60, 320, 13), *near, 1299])


def test_without_opens_daily_moves_stand_for_overnight_ones(synthetic):
    assert_by_hand(PricePanel(close=synthetic.close), [70, 300, 1023, 1299])


def test_a_quarterly_move_is_seen_coming(synthetic):
    """A jump overnight every 63 sessions: large the session before it is due, at every horizon."""
    prices = {field: getattr(synthetic, field).copy() for field in FIELDS}
    days = np.arange(100, len(SESSIONS), 63)
    jumps = pd.Series(0.0, SESSIONS)
    jumps.iloc[days] = 0.1 * (-1.0) ** np.arange(len(days))
    for field in ("open", "high", "low", "close"):
        prices[field]["ALFA"] *= np.exp(jumps.cumsum())
    panel = PricePanel(**prices)
    values = build_features(panel, panel).take(SEASON)[:, ASSETS.index("ALFA")]
    before, quiet = days[10] - 1, days[10] + 30
    for place in (SEASON.index(f"season_max_{horizon}") for horizon in (1, 5, 21)):
        assert values[before, place] > values[quiet, place] + 2


def test_the_window_is_as_long_as_said():
    """The last input that reaches furthest back changes with the first session of the window, and not with earlier."""
    overnight = np.full((SEASON_WINDOW + 1, 1), 1e-4)

    def last(moves: np.ndarray) -> dict[str, float]:
        return {name: float(x[-1, 0]) for name, x in season_inputs(moves, moves, np.ones((1, 1)), SEASON_WINDOW)}

    plain = last(overnight)
    outside, inside = overnight.copy(), overnight.copy()
    outside[0], inside[1] = 1.0, 1.0
    assert last(outside) == pytest.approx(plain, rel=1e-9)
    # One of four quarters moves no median of equal ones; two of the others are made to agree.
    inside[[SEASON_WINDOW - 126, SEASON_WINDOW - 189]] = 1.0
    fewer = inside.copy()
    fewer[1] = 1e-4
    assert last(inside)["season_max_1"] > last(fewer)["season_max_1"]


def test_only_the_lookback_counts(synthetic):
    whole = build_features(synthetic, synthetic).take(SEASON)
    for session in (SESSIONS[900], HALTED[0], HALTED[3], SESSIONS[1024], ASOF):
        row = list(SESSIONS).index(session)
        short = synthetic.asof(session).tail(FEATURE_LOOKBACK)
        for first in (0, FEATURE_LOOKBACK - 1):
            found = build_features(short, short, first).take(SEASON)[-1]
            np.testing.assert_allclose(found, whole[row], rtol=1e-8, atol=1e-9)


def test_what_comes_later_does_not_count(synthetic):
    """Bit for bit, though the season windows look forward from a quarter ago."""
    row = list(SESSIONS).index(ASOF) + 1
    clean, wild = (build_features(panel, panel).take(SEASON)[:row] for panel in (synthetic, poisoned(synthetic, ASOF)))
    np.testing.assert_array_equal(wild, clean)


def test_they_are_of_the_reference_universe(synthetic):
    """Few assets with a market have the inputs that they have among all."""
    whole = build_features(synthetic, synthetic).take(SEASON)
    few = build_features(synthetic.select(["HOTE", "BRAV"]), synthetic).take(SEASON)
    np.testing.assert_allclose(few, whole[:, [7, 1]], rtol=1e-12)


def test_without_a_reference_universe_they_are_missing(synthetic):
    names = ("variance_1", *SEASON)
    found = build_features(synthetic, None, names=names)
    usable = np.isfinite(found.values).all(axis=-1)
    assert (found.take(SEASON)[usable] == 0).all()
    assert set(build_features(synthetic, None).names).isdisjoint(SEASON)


def test_a_market_without_a_session(synthetic):
    """A session that the market lacks has no moves relative to it; the other sessions' moves are as they were."""
    lost = SESSIONS[1000]
    market = PricePanel(**{field: getattr(synthetic, field).drop(lost) for field in FIELDS})
    found, whole = (build_features(synthetic, given).take(SEASON) for given in (market, synthetic))
    day = SEASON.index("idio_1")
    usable = np.isfinite(whole[1000]).all(axis=-1)
    assert (found[1000, usable, day] == 0).all()
    np.testing.assert_allclose(found[999], whole[999], rtol=1e-12)


def test_a_rolling_maximum():
    random = np.random.default_rng(3)
    values = np.where(random.random((200, 3)) < 0.3, np.nan, random.random((200, 3)))
    for window in (1, 5, 9, 21):
        expected = pd.DataFrame(values).rolling(window, min_periods=1).max()
        np.testing.assert_array_equal(rolling_max(values, window), expected)


# -- models that read them -------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["lstm", "lstm-closes", "log-linear"])
def model(request, synthetic) -> LSTMVolatility | HARVolatility:
    made = {
        "lstm": tiny_lstm(),
        "lstm-closes": tiny_lstm().set_params(inputs="season-closes"),
        "log-linear": HARVolatility("season"),
    }[request.param]
    return made.fit(synthetic.asof(TRAINED))


HORIZONS = (1, 21, -1, -21)


def test_event_free_forecasts_in_one_go_and_session_by_session(model, synthetic):
    """Minus a horizon stands for its event-free forecast: the same in batch, at a session, and with carried state."""
    batch = model.predict_in_sample(synthetic, SESSIONS[1015], SESSIONS[1040], HORIZONS)
    online_predictor = model.online_predictor()
    for session in SESSIONS[1015:1041]:
        carried = online_predictor.predict_in_sample(synthetic, session, session, HORIZONS)
        alone = model.predict_in_sample(synthetic.asof(session), session, session, HORIZONS)
        for horizon in HORIZONS:
            expected = batch[horizon].loc[[session]]
            for found in (carried, alone):
                pd.testing.assert_frame_equal(found[horizon], expected, rtol=1e-6, check_names=False, check_freq=False)
    assert not np.allclose(batch[-21], batch[21], rtol=1e-3, equal_nan=True)


def test_event_free_forecasts_know_no_future(model, synthetic):
    assert model.event_aware
    clean = model.predict_in_sample(synthetic, ASOF, ASOF, HORIZONS)
    wild = model.predict_in_sample(poisoned(synthetic, ASOF), SESSIONS[1050], SESSIONS[1070], HORIZONS)
    for horizon in HORIZONS:
        pd.testing.assert_series_equal(wild[horizon].loc[ASOF], clean[horizon].loc[ASOF], rtol=1e-9)


def test_without_a_reference_universe_there_are_no_events(model, synthetic):
    few = synthetic.select(synthetic.assets[:3])  # fewer than a reference universe needs
    strangers = PricePanel(**{field: getattr(few, field).rename(columns="X{}".format) for field in FIELDS})
    paths = model.predict_in_sample(strangers, ASOF, ASOF, HORIZONS)
    for horizon in (1, 21):
        pd.testing.assert_frame_equal(paths[-horizon], paths[horizon], rtol=1e-12)


def test_a_restored_model_forecasts_the_same(model, synthetic):
    kept = type(model)(**model.get_params()).restore(model.get_state(), TRAINED, model.assets_, model.universe_)
    assert kept.event_aware
    for horizon, path in model.predict_in_sample(synthetic, SESSIONS[1050], ASOF, HORIZONS).items():
        found = kept.predict_in_sample(synthetic, SESSIONS[1050], ASOF, HORIZONS)[horizon]
        pd.testing.assert_frame_equal(found, path, check_exact=True)


def test_event_free_forecasts_of_tuned_assets_are_tuned_too(synthetic):
    """By the difference of each asset's own readout, so that tuning alone makes no event."""
    tuned = tiny_lstm().set_params(mode="fine-tuned", seeds=(0,)).fit(synthetic.asof(TRAINED))
    step = np.zeros_like(tuned.readout_.table)
    step[-1] = np.log(4.0)  # the intercept: four times the variance, always
    own = {"ALFA": tuned.readout_.table + step}
    tuned.readout_ = Readout(tuned.readout_.table, own)
    shared = (
        tiny_lstm()
        .set_params(seeds=(0,))
        .restore(
            {name: array for name, array in tuned.get_state().items() if not name.startswith("own/")},
            TRAINED,
            tuned.assets_,
            tuned.universe_,
        )
    )
    found, expected = (model.predict_in_sample(synthetic, ASOF, ASOF, HORIZONS) for model in (tuned, shared))
    for horizon in HORIZONS:
        ratio = (found[horizon] / expected[horizon]).loc[ASOF]
        np.testing.assert_allclose(ratio, np.where(ratio.index == "ALFA", 2.0, 1.0), rtol=1e-9)
