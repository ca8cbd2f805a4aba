"""The same number in a backtest as in research, and named errors."""

import gc
import os
import weakref
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from zipline import run_algorithm
from zipline.api import date_rules, schedule_function, time_rules

import zipline_market
from adapters.zipline import strategies
from volplugin import (
    ModelStore,
    PricePanel,
    RefitSchedule,
    RiskModel,
    RiskProvider,
    RollingCorrelation,
    WalkForward,
    read_bundle,
)
from volplugin.adapters.zipline.provider import provider_of
from volplugin.errors import (
    AssetMismatchError,
    BundleError,
    BundleNotFoundError,
    BundleRangeError,
    DataFrequencyError,
    InsufficientHistoryError,
    MissingForecastError,
    MissingVintageError,
    StoreConfigurationError,
)
from volplugin.volatility import HARVolatility

START, END = "2017-01-25", "2017-02-10"  # over FFF's split and ahead of a dividend


def forecasts(small, provider, *, start=START, end=END, symbols=None, hook="handle_data", silent=()):
    """Forecasts that a strategy got, by the session in which it asked: all, but those to be silent in."""
    got = {}

    def initialize(context):
        context.assets = [a for a in strategies.universe(context) if symbols is None or a.symbol in symbols]
        context.risk = provider()

    def ask(context, data):
        if data.current_session not in silent:
            got[data.current_session] = context.risk.forecast(context, data, context.assets)

    strategies.run(small, start, end, initialize, **{hook: ask})
    return got


@pytest.mark.parametrize(("bundled", "tolerance"), [(True, 1e-6), (False, 1e-3)])
def test_backtest_and_research_say_the_same(small, model, bundled, tolerance):
    panel = read_bundle(small)
    got = forecasts(small, lambda: RiskProvider(model, bundle=small if bundled else None, horizon=5))
    assert list(got) == list(zipline_market.sessions(START, END))
    for session, forecast in got.items():
        research = model.forecast(panel.asof(session), horizon=5)
        assert forecast.asof == session
        assert forecast.horizon == 5
        assert [asset.symbol for asset in forecast.assets] == list(research.assets)
        np.testing.assert_allclose(forecast.volatility, research.volatility, rtol=tolerance)
        np.testing.assert_allclose(forecast.correlation, research.correlation, atol=tolerance, rtol=0)
        equal = np.full(6, 1 / 6)
        risk, expected = (f.portfolio_volatility(pd.Series(equal, f.assets)) for f in (forecast, research))
        assert risk == pytest.approx(expected, rel=tolerance)


@pytest.mark.parametrize("bundled", [True, False])
def test_before_trading_start_answers_with_yesterday(small, model, bundled):
    panel = read_bundle(small)
    got = forecasts(small, lambda: RiskProvider(model, bundle=small if bundled else None), hook="before_trading_start")
    before = zipline_market.sessions("2017-01-24", END)
    for yesterday, today in zip(before[:-1], before[1:], strict=True):
        assert got[today].asof == yesterday
        research = model.forecast(panel.asof(yesterday))
        np.testing.assert_allclose(got[today].volatility, research.volatility, rtol=1e-3)


def test_a_scheduled_function_answers_with_today_whatever_its_time_rule(small, model):
    got = {}

    def initialize(context):
        context.risk = RiskProvider(model, bundle=small)
        context.assets = strategies.universe(context)
        schedule_function(ask, date_rules.every_day(), time_rules.market_open(minutes=1))

    def ask(context, data):
        got[data.current_session] = context.risk.forecast(context, data, context.assets).asof

    strategies.run(small, START, END, initialize)
    assert got == {session: session for session in zipline_market.sessions(START, END)}


@pytest.mark.parametrize("bundled", [True, False])
def test_minute_mode_is_refused_at_once(small, model, bundled):
    def initialize(context):
        RiskProvider(model, bundle=small if bundled else None)

    with pytest.raises(DataFrequencyError, match="the run is in minute mode.*--data-frequency daily"):
        run_algorithm(
            start=pd.Timestamp(START),
            end=pd.Timestamp(END),
            initialize=initialize,
            capital_base=1e6,
            bundle=small,
            data_frequency="minute",
        )


@pytest.mark.parametrize("bundled", [True, False])
def test_a_forecast_does_not_depend_on_who_else_is_asked_for(small, model, bundled):
    def provider():
        return RiskProvider(model, bundle=small if bundled else None)

    all_assets = forecasts(small, provider, end="2017-01-27")
    pair = forecasts(small, provider, end="2017-01-27", symbols=("CCC", "FFF"))
    for session, few in pair.items():
        assert [asset.symbol for asset in few.assets] == ["CCC", "FFF"]
        np.testing.assert_array_equal(few.covariance, all_assets[session].select(few.assets).covariance)


@pytest.mark.parametrize("bundled", [True, False])
def test_named_market_is_the_reference_universe(small, bundled, tmp_path):
    # HAR's inputs are market-wide: another market, another forecast, and the same one as in research.
    market = ["AAA", "BBB", "CCC"]
    panel = read_bundle(small)
    fitted = HARVolatility("market").fit(panel.asof("2016-12-30"), market=panel.select(market).asof("2016-12-30"))
    model = RiskModel(fitted, RollingCorrelation(60))
    got = forecasts(
        small,
        lambda: RiskProvider(model, bundle=small if bundled else None, market=",".join(market)),
        end="2017-01-27",
        symbols=("CCC", "FFF"),
    )
    for session, forecast in got.items():
        seen = panel.asof(session)
        research = model.forecast(seen.select(["CCC", "FFF"]).with_market(seen.select(market)))
        np.testing.assert_allclose(forecast.volatility, research.volatility, rtol=1e-3)


def test_stocks_too_young_are_left_out_with_a_reason(small, model):
    got = forecasts(small, lambda: RiskProvider(model, bundle=small), start="2016-01-14", end="2016-02-05")
    first, last = (list(got.values())[row] for row in (0, -1))
    assert "DDD" not in [asset.symbol for asset in first.assets]
    assert first.diagnostics["excluded"]["DDD"] == "only 9 bars of history"
    assert "DDD" in [asset.symbol for asset in last.assets]


def test_weight_on_a_stock_without_a_forecast_is_named(small, model):
    def initialize(context):
        context.risk = RiskProvider(model, bundle=small)
        context.assets = strategies.universe(context)

    def ask(context, data):
        forecast = context.risk.forecast(context, data, context.assets)
        forecast.portfolio_volatility({asset: 0.1 for asset in context.assets})

    with pytest.raises(MissingForecastError, match=r"DDD.* has weight 0.1 but no forecast at 2016-01-14"):
        strategies.run(small, "2016-01-14", "2016-01-14", initialize, handle_data=ask)


def test_asking_only_for_a_stock_too_young_is_named(small, model):
    with pytest.raises(InsufficientHistoryError, match="DDD has no forecast at 2016-01-14: only 9 bars"):
        forecasts(
            small,
            lambda: RiskProvider(model, bundle=small),
            start="2016-01-14",
            end="2016-01-15",
            symbols=("DDD",),
        )


def test_the_last_digits_hold_when_a_provider_serves_two_runs(small, model):
    provider = RiskProvider(model, bundle=small)  # made outside of any run
    first, second = (forecasts(small, lambda: provider) for _ in range(2))
    for session in first:
        np.testing.assert_array_equal(first[session].covariance.to_numpy(), second[session].covariance.to_numpy())


def test_the_first_provider_of_a_run_is_found_and_then_forgotten(small, model):
    found = {}

    def initialize(context):
        context.first, context.second = RiskProvider(model, bundle=small), RiskProvider(model)
        found["is first"] = provider_of(context) is context.first
        found["first"] = weakref.ref(context.first)
        schedule_function(lambda context, data: None, date_rules.every_day())

    strategies.run(small, START, "2017-01-27", initialize)
    assert found["is first"]
    gc.collect()
    assert found["first"]() is None


# -- from a store -------------------------------------------------------------------------------


def test_vintages_of_a_store_answer_by_date(small, tmp_path):
    panel = read_bundle(small)
    walk_forward = WalkForward(HARVolatility(), schedule=RefitSchedule("yearly"), store=ModelStore(tmp_path / "models"))
    walk_forward.train(panel, start="2016-01-04", end="2017-12-29", progress=False)
    model = RiskModel(walk_forward, RollingCorrelation(60))
    got = forecasts(
        small,
        lambda: RiskProvider.from_store(tmp_path / "models", bundle=small, correlation=RollingCorrelation(60)),
        start="2016-12-28",
        end="2017-01-06",
    )
    vintages = {forecast.diagnostics["model"]["trained_through"] for forecast in got.values()}
    assert vintages == {"2015-12-31", "2016-12-30"}
    for session, forecast in got.items():
        research = model.forecast(panel.asof(session))
        np.testing.assert_allclose(forecast.covariance, research.covariance, rtol=1e-6)


def test_training_data_are_compared_as_in_the_commands(small, tmp_path, caplog):
    panel = read_bundle(small)
    fields = ("open", "high", "low", "close")

    def train(folder, factor):
        frames = {field: getattr(panel, field) * factor for field in fields}
        store = ModelStore(tmp_path / folder)
        WalkForward(HARVolatility(), store=store).train(
            PricePanel(**frames, volume=panel.volume), "2017-01-04", "2017-01-04", progress=False
        )
        caplog.clear()
        forecasts(small, lambda: RiskProvider.from_store(store.path, bundle=small), end="2017-01-27")

    train("same", 1.0)
    assert caplog.text == ""
    step = panel.close * 0 + np.where(panel.sessions < pd.Timestamp("2016-06-01"), 0.98, 1.0)[:, None]
    train("dividend", step)
    assert "were trained on other data than these: " in caplog.text
    noise = np.exp(np.cumsum(np.random.default_rng(0).normal(0, 0.02, panel.close.shape), axis=0))
    with pytest.raises(StoreConfigurationError, match="was trained on other prices"):
        train("other", panel.close * 0 + noise)


def test_an_empty_store_names_the_command(small, tmp_path):
    with pytest.raises(MissingVintageError, match="volplugin train"):
        forecasts(small, lambda: RiskProvider.from_store(tmp_path / "models", bundle=small))


def test_a_run_before_the_first_vintage_names_the_command(small, tmp_path):
    walk_forward = WalkForward(HARVolatility(), schedule=RefitSchedule("yearly"), store=ModelStore(tmp_path / "models"))
    walk_forward.train(read_bundle(small), start="2017-01-04", end="2017-12-29", progress=False)
    with pytest.raises(MissingVintageError, match="2016-06-01.*volplugin train --start 2016-01-01"):
        forecasts(
            small,
            lambda: RiskProvider.from_store(tmp_path / "models", bundle=small),
            start="2016-06-01",
            end="2016-06-03",
        )


# -- what is wrong with the bundle --------------------------------------------------------------


@pytest.mark.parametrize("bundled", [True, False])
def test_a_run_past_the_end_of_the_bundle_is_refused(small, model, bundled):
    with pytest.raises(BundleRangeError, match=r"the run ends on 2018-01-03, after the last session of .* 2017-12-29"):
        forecasts(
            small,
            lambda: RiskProvider(model, bundle=small if bundled else None),
            start="2017-12-20",
            end="2018-01-03",
        )


def test_a_bundle_that_is_not_there_shows_at_once(small, model):
    with pytest.raises(BundleNotFoundError, match="no bundle 'absent'"):
        forecasts(small, lambda: RiskProvider(model, bundle="absent"))


def test_another_bundle_than_the_run_is_refused(small, model, tmp_path, monkeypatch):
    from volplugin._bundles import ingest_bundle, register_csv_folder

    tables = {"AAA": zipline_market.market()["AAA"]}
    register_csv_folder("other", zipline_market.write_csv(tmp_path / "prices", tables))
    ingest_bundle("other")
    with pytest.raises(BundleError, match="the run has BBB, which bundle 'other' lacks"):
        forecasts(small, lambda: RiskProvider(model, bundle="other"))


@pytest.mark.parametrize("bundled", [True, False])
def test_a_market_the_bundle_lacks_is_named(small, model, bundled):
    with pytest.raises(AssetMismatchError, match="no XYZ"):
        forecasts(small, lambda: RiskProvider(model, bundle=small if bundled else None, market=["AAA", "XYZ"]))


def test_labels_are_the_assets_given(small, model):
    got = forecasts(small, lambda: RiskProvider(model, bundle=small), end="2017-01-26", symbols=("FFF", "AAA"))
    forecast = next(iter(got.values()))
    assert [type(asset).__name__ for asset in forecast.assets] == ["Equity", "Equity"]
    weights = pd.Series(0.5, index=forecast.assets)
    assert forecast.risk_contributions(weights).sum() == pytest.approx(forecast.portfolio_volatility(weights))


# -- the next run on the same prices ---------------------------------------------------------------


@pytest.fixture(scope="module")
def learned(small):
    return RiskModel(HARVolatility("market").fit(read_bundle(small).asof("2016-12-30")), RollingCorrelation(60))


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Folder in which runs cache precomputed volatilities, empty at first."""
    bundles = Path(os.environ["ZIPLINE_ROOT"])
    root = tmp_path / "root"
    root.mkdir()
    (root / "data").symlink_to(bundles / "data")
    monkeypatch.setenv("ZIPLINE_ROOT", str(root))
    return root / "volplugin" / "forecasts"


def assert_same_numbers(one, other):
    assert list(one) == list(other)
    for session, forecast in one.items():
        np.testing.assert_array_equal(forecast.covariance.to_numpy(), other[session].covariance.to_numpy())


def test_the_next_run_finds_what_was_foreseen_and_says_the_same(small, learned, kept, monkeypatch):
    first = forecasts(small, lambda: RiskProvider(learned, bundle=small))
    assert len(list(kept.glob("*.npz"))) == 1
    replayed = []
    monkeypatch.setattr(HARVolatility, "predict_in_sample", lambda self, *arguments: replayed.append(self))
    assert_same_numbers(forecasts(small, lambda: RiskProvider(learned, bundle=small)), first)
    assert replayed == []


def test_a_run_that_asks_on_other_days_finds_the_vintages_of_the_run_before(small, kept):
    panel = read_bundle(small)
    walk_forward = WalkForward(HARVolatility("market"), RefitSchedule("monthly")).train(
        panel, START, END, progress=False
    )
    model = RiskModel(walk_forward, RollingCorrelation(60))
    daily = forecasts(small, lambda: RiskProvider(model, bundle=small))
    assert len(list(kept.glob("*.npz"))) == 2
    turn = zipline_market.sessions("2017-01-30", "2017-02-03")  # the second vintage answers from the 31st on
    rarely = forecasts(small, lambda: RiskProvider(model, bundle=small), silent=turn)
    assert len(list(kept.glob("*.npz"))) == 2
    assert_same_numbers(rarely, {session: daily[session] for session in rarely})


def test_a_strategy_may_ask_again_after_a_vintage_was_missing(small, kept):
    panel = read_bundle(small)
    walk_forward = WalkForward(HARVolatility("market")).train_through(
        panel, [pd.Timestamp("2017-02-01")], progress=False
    )
    risk = RiskModel(walk_forward, RollingCorrelation(60))
    asked = {}

    def initialize(context):
        context.assets = strategies.universe(context)
        context.risk = RiskProvider(risk, bundle=small)

    def ask(context, data):
        try:
            asked[data.current_session] = len(context.risk.forecast(context, data, context.assets).assets)
        except MissingVintageError:
            asked[data.current_session] = 0

    strategies.run(small, START, END, initialize, handle_data=ask)
    assert asked == {session: 6 if session >= pd.Timestamp("2017-02-01") else 0 for session in asked}
    assert list(asked) == list(zipline_market.sessions(START, END))


def test_a_damaged_file_of_the_run_before_is_made_anew(small, learned, kept):
    first = forecasts(small, lambda: RiskProvider(learned, bundle=small))
    (file,) = kept.glob("*.npz")
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    assert_same_numbers(forecasts(small, lambda: RiskProvider(learned, bundle=small)), first)
    assert file.read_bytes() == content


def test_another_model_another_file(small, learned, kept):
    forecasts(small, lambda: RiskProvider(learned, bundle=small))
    other = RiskModel(HARVolatility("market").fit(read_bundle(small).asof("2016-06-30")), learned.correlation)
    forecasts(small, lambda: RiskProvider(other, bundle=small))
    assert len(list(kept.glob("*.npz"))) == 2


def test_a_folder_that_cannot_be_written_costs_time_alone(small, learned, kept):
    kept.parent.mkdir()
    kept.write_text("a file, not a folder")
    assert len(forecasts(small, lambda: RiskProvider(learned, bundle=small))) > 0
