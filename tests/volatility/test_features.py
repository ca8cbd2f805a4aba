import numpy as np
import pandas as pd
import pytest
from synthetic import ASOF, ASSETS, HALTED, LISTED, SESSIONS, TRAINED, poisoned

from volplugin import HARVolatility, LSTMVolatility, PricePanel
from volplugin.volatility import Features, build_features, reference
from volplugin.volatility.features import BASE_MINIMUM, BASE_SPAN, CENTRE, FEATURE_LOOKBACK, MARKET, MAX_FEATURE, OWN

FIELDS = ("open", "high", "low", "close", "volume")


@pytest.fixture(scope="module")
def inputs(synthetic) -> Features:
    return build_features(synthetic, synthetic)


def values(inputs: Features, name: str, panel: PricePanel) -> pd.DataFrame:
    return pd.DataFrame(inputs.take((name,))[..., 0], panel.sessions, panel.assets)


@pytest.fixture(scope="module")
def by_pandas(synthetic) -> dict[str, pd.DataFrame]:
    """The inputs' definitions, in pandas, over a history short enough that nothing is forgotten yet."""
    panel = synthetic.asof(SESSIONS[700])
    variance, previous = panel.variance, panel.close.ffill(limit=10).shift()
    base = variance.ewm(span=BASE_SPAN, min_periods=BASE_MINIMUM).mean().where(panel.close.notna())
    scale = np.sqrt(base)
    days = {name: variance.rolling(n, min_periods=1).mean() for name, n in (("1", 1), ("5", 5), ("22", 22))}
    logs = {f"variance_{name}": np.log(mean / base) for name, mean in days.items()}
    market_base = base.mean(axis=1)
    market = {f"market_{name}": logs[f"variance_{name}"].mean(axis=1) for name in days}
    market["market_return"] = panel.returns.mean(axis=1) / np.sqrt(market_base)
    market["market_level"] = np.log(market_base) + CENTRE
    wide = {name: pd.DataFrame(dict.fromkeys(ASSETS, series)) for name, series in market.items()}
    return (
        logs
        | wide
        | {
            "base": base,
            "return": panel.returns / scale,
            "absolute_return": panel.returns.abs() / scale,
            "negative_return": panel.returns.clip(upper=0) / scale,
            "overnight": np.log(panel.open / previous) / scale,
            "volume": np.log(panel.volume / panel.volume.rolling(66, min_periods=22).mean()),
            "level": np.log(variance.rolling(120, min_periods=22).mean()) + CENTRE,
        }
    )


@pytest.mark.parametrize("name", [*OWN, *MARKET, "negative_return"])
def test_inputs_are_what_they_are_called(name, inputs, synthetic, by_pandas):
    """On assets that trade all along; halts and listings below."""
    found = values(inputs, name, synthetic).loc[SESSIONS[100] : SESSIONS[399], ["ALFA", "GOLF", "HOTE"]]
    expected = by_pandas[name].loc[found.index, found.columns].clip(-MAX_FEATURE, MAX_FEATURE)
    pd.testing.assert_frame_equal(found, expected, rtol=1e-9, atol=1e-12, check_freq=False)


def test_the_base_is_an_exponential_mean_of_span_500(inputs, by_pandas):
    base = pd.DataFrame(inputs.base, SESSIONS, ASSETS).loc[: SESSIONS[700]].where(by_pandas["base"].notna())
    pd.testing.assert_frame_equal(base, by_pandas["base"], rtol=1e-9, check_freq=False)


def test_rows_without_a_bar_or_a_base_are_missing(inputs, synthetic):
    x = pd.DataFrame(np.isfinite(inputs.values).all(axis=-1), SESSIONS, ASSETS)
    assert not x.loc[: SESSIONS[BASE_MINIMUM - 1]].any().any()
    assert x.loc[SESSIONS[BASE_MINIMUM] :, "ALFA"].all()
    assert not x.loc[:LISTED, "DELT"].any()
    first = x["DELT"].idxmax()
    assert synthetic.variance.loc[:first, "DELT"].notna().sum() == BASE_MINIMUM
    assert not x.loc[HALTED, "ECHO"].any()
    assert x.loc[HALTED[-1] :, "ECHO"].iloc[1:].all()


def test_inputs_are_clipped(synthetic):
    close = synthetic.close.copy()
    close.loc[ASOF:, "ALFA"] *= 5
    panel = PricePanel(close=close)
    found = values(build_features(panel, panel), "return", panel)
    assert found.loc[ASOF, "ALFA"] == MAX_FEATURE
    assert found.abs().max().max() == MAX_FEATURE


def test_no_level_of_prices_is_in_them(inputs, synthetic):
    dear = PricePanel(**{field: getattr(synthetic, field) * (1000 if field != "volume" else 1) for field in FIELDS})
    np.testing.assert_allclose(build_features(dear, dear).values, inputs.values, rtol=1e-6, atol=1e-9)


def test_no_level_of_volumes_is_in_them(inputs, synthetic):
    busy = PricePanel(**{field: getattr(synthetic, field) * (1000 if field == "volume" else 1) for field in FIELDS})
    np.testing.assert_allclose(build_features(busy, busy).values, inputs.values, rtol=1e-6, atol=1e-9)


def test_only_the_lookback_counts(inputs, synthetic):
    for session in (SESSIONS[900], HALTED[0], HALTED[3], SESSIONS[1024], ASOF):
        short = synthetic.asof(session).tail(FEATURE_LOOKBACK)
        assert len(short.sessions) == FEATURE_LOOKBACK < list(SESSIONS).index(session)
        row = list(SESSIONS).index(session)
        np.testing.assert_allclose(build_features(short, short).values[-1], inputs.values[row], rtol=1e-8, atol=1e-10)


def test_the_last_rows_alone_are_the_same(inputs, synthetic):
    """Made from the whole panel, for the rows wanted."""
    for first in (0, 500, len(SESSIONS) - 3, len(SESSIONS) - 1):
        found = build_features(synthetic, synthetic, first)
        np.testing.assert_allclose(found.values, inputs.values[first:], rtol=1e-8, atol=1e-10)
        np.testing.assert_allclose(found.base, inputs.base[first:], rtol=1e-9)


def test_what_comes_later_does_not_count(inputs, synthetic):
    wild = poisoned(synthetic, ASOF)
    row = list(SESSIONS).index(ASOF) + 1
    np.testing.assert_array_equal(build_features(wild, wild).values[:row], inputs.values[:row])


def test_closes_alone_and_no_volume_leave_some_inputs_out(synthetic):
    panel = PricePanel(close=synthetic.close)
    found = build_features(panel, panel)
    for name in ("overnight", "volume"):
        assert (values(found, name, panel).loc[ASOF] == 0).all()
    assert (values(found, "variance_5", panel).loc[ASOF] != 0).all()


def test_a_session_without_volume_is_left_out(synthetic):
    given = {field: getattr(synthetic, field).copy() for field in FIELDS}
    given["volume"].loc[ASOF, "ALFA"] = 0
    panel = PricePanel(**given)
    assert values(build_features(panel, panel), "volume", panel).loc[ASOF, "ALFA"] == 0


# -- the market ------------------------------------------------------------------------------------


def test_market_inputs_are_of_the_market_and_the_same_for_all(inputs, synthetic):
    few = build_features(synthetic.select(["HOTE", "BRAV"]), synthetic)
    np.testing.assert_allclose(few.take(MARKET)[:, 0], inputs.take(MARKET)[:, 7], rtol=1e-12)
    np.testing.assert_allclose(few.values, inputs.values[:, [7, 1]], rtol=1e-12)


def test_no_market_no_market_inputs(synthetic):
    assert set(build_features(synthetic, None).names).isdisjoint(MARKET)


def test_a_market_that_lacks_sessions(synthetic, inputs):
    """On those there is nothing to say of it; on the others all is as it was."""
    lost = SESSIONS[[1000, 1060]]
    market = PricePanel(**{field: getattr(synthetic, field).drop(lost) for field in FIELDS})
    found = build_features(synthetic, market)
    usable = np.isfinite(inputs.base) & synthetic.close.notna().to_numpy()
    for row in (1000, 1060):
        assert (found.take(MARKET)[row][usable[row]] == 0).all()
    np.testing.assert_array_equal(found.take(OWN), inputs.take(OWN))
    np.testing.assert_allclose(found.take(MARKET)[:1000], inputs.take(MARKET)[:1000], rtol=1e-12)
    assert (found.take(MARKET)[1010][usable[1010]] != 0).all()
    last = build_features(synthetic.asof(ASOF), market, 1060)
    assert (last.take(MARKET)[0][usable[1060]] == 0).all()


def test_a_market_of_other_sessions_shows_no_later_ones(synthetic):
    market = PricePanel(**{field: getattr(synthetic, field).drop(ASOF) for field in FIELDS})
    wild = poisoned(market, ASOF)
    row = list(SESSIONS).index(ASOF) + 1
    clean, dirty = (build_features(synthetic, panel).values[:row] for panel in (market, wild))
    np.testing.assert_array_equal(clean, dirty)


def test_the_reference_universe(synthetic):
    def named(panel: PricePanel, universe: list[str]) -> list[str] | None:
        found = reference(panel, universe)
        return None if found is None else list(found.assets)

    assert named(synthetic, ASSETS) == ASSETS
    assert named(synthetic.select(["ALFA"]), ASSETS) == ASSETS
    assert named(synthetic, ASSETS[:4]) == ASSETS[:4]
    half = PricePanel(close=synthetic.close[ASSETS[:4]])
    assert named(half, ASSETS) == ASSETS[:4]
    assert named(half.select(["BRAV"]), ASSETS) == ASSETS[:4]
    assert named(PricePanel(close=synthetic.close[ASSETS[:3]]), ASSETS) is None
    given = PricePanel(close=synthetic.close[["ALFA"]]).with_market(half)
    assert named(given, ["OTHER", "MORE"]) == ASSETS[:4]


def test_a_market_may_be_given_to_every_call(synthetic):
    """As an alternative to panels that carry theirs."""
    alone = PricePanel(**{field: getattr(synthetic, field)[["ALFA", "BRAV"]] for field in FIELDS})
    model = HARVolatility("market").fit(alone.asof(TRAINED), market=synthetic)
    assert model.universe_ == ASSETS
    carried = HARVolatility("market").fit(synthetic.select(["ALFA", "BRAV"]).asof(TRAINED))
    known = synthetic.select(["ALFA", "BRAV"]).asof(ASOF)
    expected = carried.predict(known)
    pd.testing.assert_series_equal(model.predict(alone.asof(ASOF), market=synthetic), expected, rtol=1e-9)
    path = model.predict_path(alone, SESSIONS[1050], ASOF, market=synthetic)
    pd.testing.assert_series_equal(path.loc[ASOF], expected, rtol=1e-9, check_names=False)


@pytest.mark.parametrize(
    "model",
    [HARVolatility("market"), HARVolatility("lstm"), LSTMVolatility(units=(4,), window=10, seeds=(0,), steps=5)],
    ids=["har-market", "har-lstm", "lstm"],
)
def test_trained_on_calm_years_alone_it_still_sees_a_crash(real, model):
    """Levels beyond those of training are held at their bounds, not extrapolated to a forecast of nothing."""
    names = [asset for asset in real.assets if asset != "V"]  # listed in 2008
    calm = PricePanel(**{field: getattr(real, field)[names] for field in FIELDS})
    model.fit(calm.asof("2007-06-29"))
    crash, before = (model.predict(calm.asof(date), 21) * 252**0.5 for date in ("2008-10-31", "2007-06-29"))
    assert crash.min() > 0.25
    assert (crash > 1.5 * before).all()
