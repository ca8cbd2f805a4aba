import pickle

import numpy as np
import pandas as pd
import pytest
from registry import CORRELATIONS, learn, tiny_lstm
from sklearn.base import clone
from sklearn.covariance import LedoitWolf
from synthetic import ASOF, ASSETS, DELISTED, HALTED, LISTED, SESSIONS, TRAINED

from volplugin import (
    AssetBias,
    CovarianceForecast,
    EstimatorCorrelation,
    EWMACorrelation,
    EWMAVolatility,
    GeometricBlend,
    HARVolatility,
    PricePanel,
    RefitSchedule,
    RiskModel,
    RollingCorrelation,
    RollingVolatility,
    WalkForward,
)
from volplugin.errors import (
    AssetMismatchError,
    InsufficientHistoryError,
    MissingForecastError,
    NotFittedError,
    ParameterError,
)
from volplugin.risk.covariance import EVENT_SHARE
from volplugin.risk.covariance_path import variance_parts

SIMPLE = RiskModel(RollingVolatility(40), RollingCorrelation(60))


@pytest.fixture(scope="module")
def model(synthetic) -> RiskModel:
    """A fitted model with market-wide inputs. Not to be changed."""
    return RiskModel(learn(HARVolatility("market"), synthetic), EWMACorrelation(halflife=12))


@pytest.fixture(scope="module")
def known(synthetic) -> PricePanel:
    return synthetic.asof(ASOF)


def same(one: CovarianceForecast, other: CovarianceForecast, tolerance: float = 1e-9) -> None:
    assert (one.asof, one.horizon) == (other.asof, other.horizon)
    pd.testing.assert_series_equal(one.volatility, other.volatility, rtol=tolerance)
    pd.testing.assert_frame_equal(one.correlation, other.correlation, rtol=tolerance, atol=tolerance)


# -- the number ------------------------------------------------------------------------------------


def test_sigma_by_hand(known):
    """The same from pandas alone: rolling volatilities, the returns over the day before's, their correlation."""
    names = ["ALFA", "BRAV", "CHAR", "GOLF"]
    returns = np.log(known.close[names]).diff()
    sigma = (returns**2).rolling(40).mean() ** 0.5
    z = (returns / sigma.shift(1)).clip(-4.2, 4.2).tail(60)
    products = z.T @ z
    scale = np.sqrt(np.diag(products))
    rho = products / np.outer(scale, scale)
    expected = rho * np.outer(sigma.iloc[-1], sigma.iloc[-1])
    forecast = SIMPLE.forecast(PricePanel(close=known.close[names]))
    np.testing.assert_allclose(forecast.covariance, expected, rtol=1e-9)
    w = pd.Series(0.25, index=names)
    assert forecast.portfolio_volatility(w) == pytest.approx(np.sqrt(w @ expected @ w), rel=1e-9)


def test_on_plain_returns_it_is_riskmetrics(known):
    """Without devolatilising, at one decay: exponential means of products of returns."""
    names = ["ALFA", "BRAV", "CHAR", "GOLF"]
    short = PricePanel(close=known.close[names].tail(61))
    halflife = np.log(0.5) / np.log(0.94)
    returns = np.log(short.close).diff().iloc[1:]
    expected = pd.DataFrame(
        {a: {b: (returns[a] * returns[b]).ewm(alpha=0.06).mean().iloc[-1] for b in names} for a in names}
    )
    model = RiskModel(EWMAVolatility(0.94), EWMACorrelation(halflife), devolatilise=False)
    np.testing.assert_allclose(model.forecast(short).covariance, expected, rtol=1e-6)


def test_devolatilised_returns_are_cut_at_4_2(known):
    """A crash that no volatility foresaw weighs as a return of 4.2 standard deviations."""
    close = known.close[["ALFA", "BRAV"]].copy()
    close.loc[SESSIONS[1050] :, "ALFA"] *= 0.5
    crash = SIMPLE.forecast(PricePanel(close=close)).correlation.iloc[0, 1]
    close.loc[SESSIONS[1050] :, "ALFA"] *= 0.5
    assert SIMPLE.forecast(PricePanel(close=close)).correlation.iloc[0, 1] == pytest.approx(crash, abs=0.02)


def test_past_returns_are_divided_by_the_forecasts_of_the_day_before(known):
    """Not by forecasts that know the return already: those would hide its size."""
    close = known.close[["ALFA", "BRAV"]].copy()
    z = RollingVolatility(40).predict_path(PricePanel(close=close), SESSIONS[900], ASOF, horizon=1).shift(1)
    devolatilised = (np.log(close).diff() / z).clip(-4.2, 4.2).loc[:ASOF].tail(60)
    expected = RollingCorrelation(60).estimate(devolatilised)
    pd.testing.assert_frame_equal(SIMPLE.forecast(PricePanel(close=close)).correlation, expected, rtol=1e-9)


def test_horizons_share_the_correlation(model, known):
    day, month = model.forecast(known, 1), model.forecast(known, 21)
    pd.testing.assert_frame_equal(day.correlation, month.correlation, rtol=1e-12)
    assert (day.volatility != month.volatility).all()
    assert (day.horizon, month.horizon) == (1, 21)


def test_fit_fits_the_volatility(synthetic):
    model = RiskModel(HARVolatility(), RollingCorrelation(60))
    assert model.fit(synthetic.asof(TRAINED)) is model
    assert model.volatility.trained_through_ == TRAINED


def test_lookback_is_that_of_its_parts():
    assert SIMPLE.lookback == 40 + 21 + 60
    assert RiskModel(HARVolatility(), EWMACorrelation(12)).lookback == 771 + 72


def test_params_and_clone():
    model = RiskModel(HARVolatility("market"), EWMACorrelation(12), devolatilise=False)
    copy = clone(model)
    assert copy.get_params()["volatility__terms"] == "market"
    assert copy.get_params()["correlation__halflife"] == 12
    assert copy.devolatilise is False


# -- assets ----------------------------------------------------------------------------------------


def test_who_else_is_asked_for_does_not_matter(model, known):
    all_assets = model.forecast(known)
    for few in (["BRAV"], ["HOTE", "ALFA"], ["GOLF", "DELT", "ECHO"]):
        for forecast in (model.forecast(known.select(few)), model.forecast(known, assets=few)):
            assert list(forecast.assets) == few
            same(forecast, all_assets.select(few))
            assert forecast.diagnostics["data_fingerprint"] == all_assets.diagnostics["data_fingerprint"]


def test_an_asset_outside_the_market(model, known):
    """Its forecast stands beside the market's, which it does not change."""
    outsider = PricePanel(close=known.close[["HOTE"]].rename(columns={"HOTE": "NEW"}), market=known)
    forecast = model.forecast(outsider)
    assert list(forecast.assets) == ["NEW"]
    assert forecast.volatility["NEW"] > 0
    ahead = model.backtest_forecaster()
    ahead.precompute_vintage(outsider, ASOF, 21)
    same(ahead.forecast(outsider), forecast)


def test_unlisted_and_delisted_assets_are_named(synthetic):
    early = SIMPLE.forecast(synthetic.asof(SESSIONS[399]))
    assert dict(early.diagnostics["excluded"]) == {"DELT": "no bars up to this session"}
    assert list(early.assets) == [name for name in ASSETS if name != "DELT"]
    late = SIMPLE.forecast(synthetic)
    assert dict(late.diagnostics["excluded"]) == {"FOXT": "no bars up to this session"}
    gone = SIMPLE.forecast(synthetic.asof(SESSIONS[1112]))
    assert dict(gone.diagnostics["excluded"]) == {"FOXT": f"no bar since {DELISTED.date()}"}


def test_a_weight_on_an_excluded_asset_says_why(synthetic):
    forecast = SIMPLE.forecast(synthetic.asof(SESSIONS[399]))
    with pytest.raises(MissingForecastError, match=r"DELT has weight 0.5 .* \(no bars up to this session\)"):
        forecast.portfolio_volatility({"ALFA": 0.5, "DELT": 0.5})


@pytest.mark.parametrize(
    ("session", "asset", "reason"),
    [
        (SESSIONS[399], "DELT", "no bars up to this session"),
        (SESSIONS[410], "DELT", "only 11 bars of history"),
        (SESSIONS[1111], "FOXT", f"no bar since {DELISTED.date()}"),
    ],
)
def test_an_asset_asked_for_by_name_without_a_forecast(session, asset, reason, synthetic):
    with pytest.raises(
        InsufficientHistoryError, match=f"^{asset} has no forecast at {session.date()}: {reason}; leave"
    ):
        SIMPLE.forecast(synthetic.asof(session), assets=["ALFA", asset])


@pytest.mark.parametrize("assets", [[], ["ALFA", "ALFA"]])
def test_no_asset_or_one_twice(assets, model, known):
    with pytest.raises(AssetMismatchError, match="name one or more assets, each once"):
        model.forecast(known, assets=assets)


def test_an_asset_that_is_not_there(model, known):
    with pytest.raises(AssetMismatchError, match="the panel has no TSLA"):
        model.forecast(known, assets=["ALFA", "TSLA"])


def test_no_asset_at_all_with_a_forecast(synthetic):
    with pytest.raises(InsufficientHistoryError, match=f"ALFA has no forecast at {SESSIONS[3].date()}: only 4 bars"):
        SIMPLE.forecast(synthetic.asof(SESSIONS[3]))


def test_in_a_halt_the_last_forecast_stands(synthetic):
    before, within = (SIMPLE.forecast(synthetic.asof(day)) for day in (SESSIONS[1019], HALTED[-1]))
    assert within.volatility["ECHO"] == before.volatility["ECHO"]
    assert np.isfinite(within.covariance).all().all()


def test_a_newly_listed_asset_leans_on_the_average(synthetic):
    """Thirty sessions after its listing, its correlations are pulled to the average, and the diagnostics say so."""
    forecast = RiskModel(RollingVolatility(20), RollingCorrelation(252)).forecast(synthetic.asof(SESSIONS[430]))
    assert dict(forecast.diagnostics["short_history"]) == {"DELT": 31}
    assert dict(SIMPLE.forecast(synthetic.asof(ASOF)).diagnostics["short_history"]) == {"ECHO": 117}
    assert forecast.diagnostics["observations"] < 20
    others = [name for name in ASSETS if name != "DELT"]
    rest = forecast.correlation.loc[others, others].to_numpy()
    mean = rest[~np.eye(len(rest), dtype=bool)].mean()
    assert (forecast.correlation.loc["DELT", others] - mean).abs().max() < 0.15


def test_a_first_day_volatility_comes_with_enough_bars_only(synthetic):
    first = LISTED + pd.offsets.BDay(0)
    assert "DELT" in SIMPLE.forecast(synthetic.asof(first)).diagnostics["excluded"]
    assert "DELT" in SIMPLE.forecast(synthetic.asof(SESSIONS[425])).assets


# -- diagnostics -----------------------------------------------------------------------------------


def test_diagnostics(model, known):
    forecast = model.forecast(known)
    metadata = forecast.diagnostics
    assert metadata["model"] == {"model": "HARVolatility", "trained_through": str(TRAINED.date())}
    assert metadata["data_fingerprint"] == known.tail(model.lookback).fingerprint()
    assert metadata["condition_number"] == pytest.approx(np.linalg.cond(forecast.correlation), rel=1e-6)
    assert metadata["psd_repair"] == 0
    assert metadata["fallbacks"] == {}
    assert metadata["excluded"] == {}
    assert metadata["short_history"] == {}
    assert metadata["view"] == "risk"
    assert metadata["suspect"] == {}
    assert metadata["calibration"] == {}
    assert metadata["calendar"] == f"{known.calendar} (inferred)"
    assert metadata["periods_per_year"] == 252
    assert forecast.periods_per_year == 252
    named = PricePanel(close=known.close, calendar="XLON")
    metadata = model.forecast(named).diagnostics
    assert (metadata["calendar"], metadata["periods_per_year"]) == ("XLON", 253)


@pytest.mark.parametrize("volatility", [lambda: HARVolatility("market"), tiny_lstm], ids=["har", "lstm"])
def test_a_panel_without_the_reference_universe(volatility, synthetic, known):
    """Three names alone: a linear model without market terms answers, and says so."""
    model = RiskModel(learn(volatility(), synthetic), CORRELATIONS["ewma"]())
    alone = PricePanel(
        **{field: getattr(known, field)[ASSETS[:3]] for field in ("open", "high", "low", "close", "volume")}
    )
    forecast = model.forecast(alone)
    assert list(forecast.diagnostics["fallbacks"]) == ["market-wide inputs"]
    assert np.isfinite(forecast.covariance).all().all()
    whole = model.forecast(known, assets=ASSETS[:3])
    assert whole.diagnostics["fallbacks"] == {}
    assert (forecast.volatility / whole.volatility).between(0.5, 2).all()
    assert (forecast.volatility != whole.volatility).all()
    beside = model.forecast(alone.with_market(known))
    assert beside.diagnostics["fallbacks"] == {}
    pd.testing.assert_series_equal(beside.volatility, whole.volatility, rtol=1e-6)


def test_half_of_the_reference_universe_is_enough(model, known):
    assert model.forecast(PricePanel(close=known.close[ASSETS[:4]])).diagnostics["fallbacks"] == {}
    assert model.forecast(PricePanel(close=known.close[ASSETS[:3]])).diagnostics["fallbacks"] != {}


def test_what_the_correlation_could_not_do_is_told_too(synthetic):
    """Thirty sessions after its listing, DELT is too new for the estimator's common sample."""
    estimator = EstimatorCorrelation(LedoitWolf(assume_centered=True), 252)
    metadata = RiskModel(RollingVolatility(20), estimator).forecast(synthetic.asof(SESSIONS[430])).diagnostics
    assert metadata["fallbacks"] == {"LedoitWolf": "1 of 8 assets of shorter history: pairwise correlations"}
    assert list(metadata["scarce"]) == list(metadata["short_history"]) == ["DELT"]


@pytest.mark.parametrize("view", ["total", "", None])
def test_unknown_view(view, model, known):
    with pytest.raises(ParameterError, match="pass one of risk, structure"):
        model.forecast(known, view=view)


@pytest.mark.parametrize("view", ["risk", "structure"])
def test_views(view, model, known):
    assert model.forecast(known, view=view).diagnostics["view"] == view


def test_unfitted(known):
    with pytest.raises(NotFittedError, match="HARVolatility is not fitted"):
        RiskModel(HARVolatility(), EWMACorrelation()).forecast(known)


# -- many sessions ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def walk_forward(synthetic) -> RiskModel:
    walk_forward = WalkForward(HARVolatility("market"), RefitSchedule("quarterly"))
    return RiskModel(walk_forward.train(synthetic, "2016-01-04", "2016-12-30", progress=False), EWMACorrelation(12))


@pytest.fixture(scope="module")
def pointwise(walk_forward, synthetic) -> dict[pd.Timestamp, CovarianceForecast]:
    """Forecasts around a change of vintage, a halt and a delisting, each made alone."""
    chosen = [*SESSIONS[1018:1026], *SESSIONS[1061:1070], *SESSIONS[1105:1115]]
    return {session: walk_forward.forecast(synthetic.asof(session), 5) for session in chosen}


def test_a_path_equals_forecasts_made_alone(walk_forward, synthetic, pointwise):
    path = list(walk_forward.forecast_path(synthetic, pointwise, 5))
    assert [forecast.asof for forecast in path] == list(pointwise)
    vintages = {forecast.diagnostics["model"]["trained_through"] for forecast in path}
    assert vintages == {"2015-12-31", "2016-03-31"}
    for forecast in path:
        same(forecast, pointwise[forecast.asof], 1e-6)
        assert dict(forecast.diagnostics["excluded"]) == dict(pointwise[forecast.asof].diagnostics["excluded"])
        assert forecast.diagnostics["model"] == pointwise[forecast.asof].diagnostics["model"]


def test_a_backtest_equals_forecasts_made_alone(walk_forward, synthetic, pointwise):
    """Session after session, with the past remembered; the panel grows as it would in a backtest."""
    running = walk_forward.backtest_forecaster()
    for session, expected in pointwise.items():
        same(running.forecast(synthetic.asof(session), 5), expected, 1e-6)


def test_a_backtest_may_change_its_mind(walk_forward, synthetic, pointwise):
    """About horizons, assets, and the order of time."""
    running = walk_forward.backtest_forecaster()
    first, second, *_, last = pointwise
    same(running.forecast(synthetic.asof(second), 5), pointwise[second], 1e-6)
    same(running.forecast(synthetic.asof(first), 5), pointwise[first], 1e-6)
    same(running.forecast(synthetic.asof(last), 21), walk_forward.forecast(synthetic.asof(last), 21), 1e-6)
    some = running.forecast(synthetic.asof(last), 5, assets=["GOLF", "ALFA"])
    same(some, pointwise[last].select(["GOLF", "ALFA"]), 1e-6)
    alone = PricePanel(close=synthetic.close[["GOLF", "ALFA", "BRAV", "CHAR"]]).asof(last)
    same(running.forecast(alone, 5), walk_forward.forecast(alone, 5), 1e-6)


def test_an_empty_path(walk_forward, synthetic):
    assert list(walk_forward.forecast_path(synthetic, [], 5)) == []


@pytest.mark.parametrize(
    ("sessions", "complaint"),
    [
        (["2016-01-02", "2016-01-05"], r"^2016-01-02 is no session of PricePanel\(.*\); leave it out$"),
        (["2016-01-05", "2030-01-02"], "2030-01-02 is no session"),
        (["2016-01-06", "2016-01-05"], "^the sessions of a path do not increase; sort them, each once$"),
        (["2016-01-05", "2016-01-05"], "do not increase"),
    ],
)
def test_a_path_of_strange_sessions(sessions, complaint, synthetic):
    """Rather than one with sessions silently left out."""
    with pytest.raises(ParameterError, match=complaint):
        list(SIMPLE.forecast_path(synthetic, sessions))


def test_a_path_may_be_given_as_text(synthetic):
    path = SIMPLE.forecast_path(synthetic, ["2016-01-05", "2016-01-07"])
    assert [str(forecast.asof.date()) for forecast in path] == ["2016-01-05", "2016-01-07"]


def test_a_window_of_the_lookback_is_enough(walk_forward, synthetic, pointwise):
    for session, expected in list(pointwise.items())[::6]:
        same(walk_forward.forecast(synthetic.asof(session).tail(walk_forward.lookback), 5), expected, 1e-6)


def test_real_prices_through_the_crisis(real):
    """The forecast book volatility of late 2008 is several times that of 2006, and near what came."""
    model = RiskModel(HARVolatility(), EWMACorrelation(halflife=42))
    model.volatility.fit(real.asof("2006-06-30"))
    portfolio = pd.Series(1 / 7, index=[name for name in real.assets if name != "V"])
    calm, storm = (
        model.forecast(real.asof(date), assets=portfolio.index).portfolio_volatility(portfolio, periods=252)
        for date in ("2006-12-29", "2008-10-31")
    )
    assert 0.05 < calm < 0.15
    assert 0.4 < storm < 1.2


# -- events ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def aware(synthetic) -> RiskModel:
    """A fitted model that gives event-free forecasts apart. Not to be changed."""
    return RiskModel(learn(HARVolatility("season"), synthetic), EWMACorrelation(halflife=12))


@pytest.mark.parametrize("horizon", [1, 21, 63])
def test_event_variance_stands_on_the_diagonal(aware, known, horizon):
    """Sigma = D_s rho D_s + diag(sigma^2 - s^2), with rho as it is without events."""
    forecast = aware.forecast(known, horizon)
    paths = aware.volatility.predict_in_sample(known, ASOF, ASOF, (horizon, -horizon))
    sigma, event_free = (paths[key].loc[ASOF, forecast.assets].to_numpy() for key in (horizon, -horizon))
    s = np.sqrt(np.minimum(sigma**2, np.sqrt(sigma**2 * event_free**2)))
    assert (s < sigma).any()
    blind = HARVolatility("season").restore(
        {name: array for name, array in aware.volatility.get_state().items() if name != "free"},
        TRAINED,
        aware.volatility.assets_,
        aware.volatility.universe_,
    )
    rho = RiskModel(blind, aware.correlation).forecast(known, horizon).correlation.to_numpy()
    expected = np.outer(s, s) * rho + np.diag(sigma**2 - s**2)
    np.testing.assert_allclose(forecast.covariance, expected, rtol=1e-9)
    np.testing.assert_allclose(forecast.volatility, sigma, rtol=1e-9)
    assert np.linalg.eigvalsh(forecast.covariance)[0] > 0


def test_the_diagnostics_name_event_variance(aware, known):
    forecast = aware.forecast(known, 21)
    paths = aware.volatility.predict_in_sample(known, ASOF, ASOF, (21, -21))
    ratio = (paths[-21] / paths[21]).loc[ASOF, forecast.assets]
    expected = {asset: 1 - value for asset, value in ratio.items() if value < 1}
    assert forecast.diagnostics["event_variance"] == pytest.approx(expected)
    assert forecast.events == [asset for asset, share in expected.items() if share >= EVENT_SHARE]
    few = forecast.select(forecast.assets[::-1][:3])
    assert few.events == [asset for asset in few.assets if asset in forecast.events]
    off = ~np.eye(len(forecast.assets), dtype=bool)
    assert forecast.diagnostics["average_correlation"] == pytest.approx(forecast.correlation.to_numpy()[off].mean())
    assert forecast.diagnostics["condition_number"] == pytest.approx(np.linalg.cond(forecast.correlation))


def test_models_without_an_event_free_forecast_have_no_events(model, known):
    forecast = model.forecast(known)
    assert forecast.diagnostics["event_variance"] == {}
    assert forecast.events == []


def test_events_in_a_path_and_session_by_session(known):
    """The same from a path computed in one go, from single forecasts, and with a network's carried state."""
    lstm = tiny_lstm().set_params(seeds=(0,), steps=30).fit(known.asof(TRAINED))
    model = RiskModel(lstm, EWMACorrelation(halflife=12))
    assert len(model.forecast(known).diagnostics["uncertainty"].seeds) == 1
    wanted, session_by_session = SESSIONS[1040:1061], model.backtest_forecaster()
    for forecast in model.forecast_path(known, wanted):
        cut = known.asof(forecast.asof)
        for other in (session_by_session.forecast(cut), model.forecast(cut)):
            same(forecast, other, tolerance=1e-6)
            assert other.diagnostics["event_variance"] == pytest.approx(
                forecast.diagnostics["event_variance"], abs=1e-5
            )


def test_a_blend_of_an_event_aware_model_is_event_aware(known):
    blend = GeometricBlend([HARVolatility("season"), HARVolatility("market")], rescale=False)
    forecast = RiskModel(blend.fit(known.asof(TRAINED)), EWMACorrelation(12)).forecast(known)
    assert forecast.diagnostics["event_variance"]


def test_a_missing_bar_today_is_no_event(aware, synthetic):
    """In a halt the forecasts of the last bar stand, event-free ones too."""
    forecast = aware.forecast(synthetic.asof(HALTED[1]), 5)
    assert 0 <= forecast.diagnostics["event_variance"].get("ECHO", 0.0) < 1


def test_the_former_name_of_the_forecaster_of_a_backtest(known):
    with pytest.warns(DeprecationWarning, match=r"^session_forecaster\(\) was renamed; use backtest_forecaster\(\)$"):
        running = SIMPLE.session_forecaster()
    same(running.forecast(known), SIMPLE.forecast(known))


def test_the_parts_are_described():
    assert SIMPLE.description == "RollingVolatility + RollingCorrelation(window=60)"
    adjusted = RiskModel(WalkForward(HARVolatility()), EWMACorrelation(12), calibration=[AssetBias()])
    assert adjusted.description == "HARVolatility + EWMACorrelation(halflife=12) + AssetBias"


def test_arrays_are_the_numbers_of_the_forecast(synthetic):
    """Of precomputed sessions alone, with and without an asset that cannot be forecast, and without adjustments."""
    running = SIMPLE.backtest_forecaster()
    assert running.arrays(SESSIONS[1000]) is None
    running.precompute(synthetic, SESSIONS[1100], SESSIONS[1115], 21, 5)
    assert running.arrays(SESSIONS[1099]) is None
    assert running.arrays(SESSIONS[1100], 63) is None
    for session in (SESSIONS[1100], SESSIONS[1115]):
        expected, found = SIMPLE.forecast(synthetic.asof(session), 5), running.arrays(session, 5)
        assert list(found.assets) == list(expected.assets)
        np.testing.assert_allclose(found.volatility, expected.volatility, rtol=1e-9)
        np.testing.assert_allclose(found.correlation, expected.correlation, rtol=1e-9, atol=1e-12)
        w = np.linspace(-0.5, 1, len(found.assets))
        parts = variance_parts([found], w[None])[0, 0]
        assert parts.sum() == pytest.approx(expected.portfolio_volatility(pd.Series(w, expected.assets)) ** 2)
    assert running.arrays(SESSIONS[1101], 5).assets is running.arrays(SESSIONS[1102], 5).assets
    adjusted = RiskModel(SIMPLE.volatility, SIMPLE.correlation, calibration=[AssetBias(21)]).backtest_forecaster()
    adjusted.precompute(synthetic, SESSIONS[1100], SESSIONS[1115], 21)
    assert adjusted.arrays(SESSIONS[1100]) is None


def test_the_last_session_of_a_vintage_is_precomputed_with_it(walk_forward, synthetic):
    running = walk_forward.backtest_forecaster()
    for vintage, sessions in walk_forward.volatility.iter_vintages(synthetic, "2016-01-04", "2016-06-30"):
        running.precompute_vintage(synthetic.asof("2016-07-29"), sessions[-1], 21)
        expected = vintage.predict(synthetic.asof(sessions[-1]), 21).dropna()
        np.testing.assert_allclose(running.arrays(sessions[-1]).volatility, expected, rtol=1e-6)


def test_a_forecaster_can_be_copied(synthetic):
    running = SIMPLE.backtest_forecaster()
    running.precompute(synthetic, SESSIONS[1040], SESSIONS[1045], 21)
    again = pickle.loads(pickle.dumps(running))
    session = SESSIONS[1042]
    np.testing.assert_array_equal(again.arrays(session).volatility, running.arrays(session).volatility)
    same(again.forecast(synthetic.asof(session)), SIMPLE.forecast(synthetic.asof(session)))


# -- staleness -------------------------------------------------------------------------------------


def test_a_model_of_more_than_a_year_ago_is_stale_and_logged_once(synthetic, caplog):
    model = RiskModel(HARVolatility().fit(synthetic.asof(SESSIONS[700])), EWMACorrelation(12))
    year_later = SESSIONS[700] + pd.DateOffset(years=1)
    within, beyond = (synthetic.asof(year_later + pd.Timedelta(days=days)) for days in (0, 7))
    assert model.forecast(within).diagnostics["stale"] == ""
    assert not caplog.records
    for panel in (beyond, beyond, synthetic.asof(ASOF)):
        stale = model.forecast(panel).diagnostics["stale"]
        years = (panel.last_session - SESSIONS[700]).days / 365.25
        assert stale == (
            f"the volatility model was trained through {SESSIONS[700].date()}, {years:.1f} years before "
            f"{panel.last_session.date()}; train a newer one: volplugin pretrain --panel PRICES --store DIR"
        )
    assert [record.levelname for record in caplog.records] == ["WARNING"]


def test_what_learns_nothing_is_never_stale(synthetic):
    assert SIMPLE.forecast(synthetic.asof(ASOF)).diagnostics["stale"] == ""
