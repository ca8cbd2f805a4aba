"""What every registered calibration keeps, whoever wrote it."""

import numpy as np
import pandas as pd
import pytest
from registry import CALIBRATIONS, CORRELATIONS, learn
from sklearn.base import clone
from synthetic import ASOF, ASSETS, SESSIONS, permuted, poisoned, scaled

from volplugin import (
    CovarianceForecast,
    HARVolatility,
    PricePanel,
    RefitSchedule,
    RiskModel,
    RollingCorrelation,
    RollingVolatility,
    WalkForward,
)
from volplugin.risk import adjustments as calibration
from volplugin.risk.adjustments import CovarianceAdjustment

every_calibration = pytest.mark.parametrize("name", CALIBRATIONS)
VIEWS = ("risk", "structure")


def model(name: str | None, volatility=None) -> RiskModel:
    """A model that remembers little, calibrated."""
    given = None if name is None else CALIBRATIONS[name]()
    return RiskModel(RollingVolatility(20) if volatility is None else volatility, RollingCorrelation(60), True, given)


@pytest.fixture(scope="module")
def known(synthetic) -> PricePanel:
    return synthetic.asof(ASOF)


@pytest.fixture(scope="module")
def forecasts(known) -> dict[str, CovarianceForecast]:
    """Made alone, at `ASOF`. Not to be changed."""
    return {name: model(name).forecast(known) for name in CALIBRATIONS}


def same(one: CovarianceForecast, other: CovarianceForecast, tolerance: float = 1e-9) -> None:
    assert (one.asof, one.horizon) == (other.asof, other.horizon)
    pd.testing.assert_frame_equal(one.covariance, other.covariance, rtol=tolerance)


def test_every_calibration_of_the_package_is_registered():
    registered = {type(item) for make in CALIBRATIONS.values() for item in make()}
    public = {getattr(calibration, name) for name in calibration.__all__}
    kinds = {kind for kind in public if isinstance(kind, type) and issubclass(kind, CovarianceAdjustment)}
    assert registered == kinds - {CovarianceAdjustment}


# -- the forecast ----------------------------------------------------------------------------------


@every_calibration
def test_it_stays_a_covariance(name, forecasts):
    forecast = forecasts[name]
    assert list(forecast.assets) == ASSETS
    np.testing.assert_array_equal(np.diagonal(forecast.covariance), forecast.volatility**2)
    np.testing.assert_array_equal(np.diagonal(forecast.correlation), 1.0)
    assert np.linalg.eigvalsh(forecast.correlation)[0] > 0


@every_calibration
def test_it_moves_the_forecast_and_says_how_far(name, forecasts, known):
    plain, forecast = model(None).forecast(known), forecasts[name]
    ratio = forecast.volatility / plain.volatility
    assert ratio.between(0.5, 2).all()
    assert (ratio - 1).abs().max() > 1e-3
    metadata = forecast.diagnostics["calibration"]
    assert list(metadata) == [type(item).__name__ for item in CALIBRATIONS[name]()]
    assert forecast.diagnostics["condition_number"] == pytest.approx(np.linalg.cond(forecast.correlation), rel=1e-6)
    off = forecast.correlation.to_numpy()[~np.eye(len(ASSETS), dtype=bool)]
    assert forecast.diagnostics["average_correlation"] == pytest.approx(off.mean())


@every_calibration
def test_it_is_the_same_twice(name, forecasts, known):
    same(model(name).forecast(known), forecasts[name], 0)


@every_calibration
@pytest.mark.parametrize("view", VIEWS)
def test_both_views(name, view, known):
    forecast = model(name).forecast(known, view=view)
    assert forecast.diagnostics["view"] == view
    assert np.isfinite(forecast.covariance).all().all()


@every_calibration
@pytest.mark.parametrize("horizon", [1, 5, 63])
def test_other_horizons(name, horizon, known):
    forecast = model(name).forecast(known, horizon)
    assert (forecast.volatility / model(None).forecast(known, horizon).volatility).between(0.5, 2).all()


@every_calibration
def test_parameters_are_left_alone(name, known):
    calibrated = model(name)
    before = repr(calibrated.get_params(deep=False))
    calibrated.forecast(known)
    assert repr(calibrated.get_params(deep=False)) == before == repr(clone(calibrated).get_params(deep=False))


@every_calibration
def test_the_currency_does_not_matter(name, forecasts, known):
    other = model(name).forecast(scaled(known, np.geomspace(1e-2, 1e2, len(ASSETS))))
    same(other, forecasts[name], 1e-6)


@every_calibration
def test_the_order_of_the_assets_does_not_matter(name, forecasts, known):
    other = model(name).forecast(permuted(known)).select(ASSETS)
    same(other, forecasts[name], 1e-6)


@every_calibration
def test_who_else_is_asked_for_does_not_matter(name, forecasts, known):
    for few in (["BRAV"], ["HOTE", "ALFA", "DELT"]):
        same(model(name).forecast(known, assets=few), forecasts[name].select(few))


def test_a_stranger_does_not_move_the_reference_portfolio(known, forecasts):
    """Nor, with it, the others' risk: the factor is that of the market."""
    stranger = known.close["HOTE"].rename("NEW") ** 2
    beside = PricePanel(close=pd.concat([known.close[["ALFA"]], stranger], axis=1), market=known)
    for name in ("regime-book", "regime-assets"):
        factor = model(name).forecast(beside).diagnostics["calibration"]["VolatilityRegimeAdjustment"]["factor"]
        assert factor == pytest.approx(
            forecasts[name].diagnostics["calibration"]["VolatilityRegimeAdjustment"]["factor"]
        )


# -- the past, and nothing but the past --------------------------------------------------------------


@every_calibration
def test_a_window_of_the_lookback_is_enough(name, forecasts, known):
    calibrated = model(name)
    assert calibrated.lookback < len(known.sessions)
    same(calibrated.forecast(known.tail(calibrated.lookback)), forecasts[name])


@every_calibration
def test_what_lies_before_the_lookback_does_not_matter(name, forecasts, known):
    """Every bar before it is replaced by a wild one; the sessions just before carry the return into the window."""
    calibrated = model(name)
    close = known.close.copy()
    before = len(close) - calibrated.lookback
    random = np.random.default_rng(5)
    close.iloc[:before] *= np.exp(np.cumsum(0.3 * random.standard_normal((before, close.shape[1])), axis=0))
    same(calibrated.forecast(PricePanel(close=close)), forecasts[name])


@every_calibration
def test_one_session_less_is_not_enough(name, forecasts, known):
    """The lookback is no larger than it needs to be, but for what a halt may reach over."""
    calibrated = model(name)
    short = calibrated.forecast(known.tail(calibrated.lookback - 30))
    assert not np.allclose(short.covariance, forecasts[name].covariance, rtol=1e-12)


@every_calibration
def test_little_history_is_no_obstacle(name, known):
    forecast = model(name).forecast(known.tail(30))
    assert np.isfinite(forecast.covariance).all().all()


@pytest.fixture(scope="module")
def walk_forwards(synthetic) -> tuple[WalkForward, WalkForward]:
    """Trained in quarterly vintages on clean data, and on data poisoned after `ASOF`."""
    return tuple(
        WalkForward(HARVolatility("market"), RefitSchedule("quarterly")).train(
            panel, SESSIONS[1030], SESSIONS[1090], progress=False
        )
        for panel in (synthetic, poisoned(synthetic, ASOF))
    )


@every_calibration
def test_future_poison(name, walk_forwards, synthetic):
    """Pointwise, and along a path that runs on into the poison."""
    panels = synthetic, poisoned(synthetic, ASOF)
    clean, dirty = (model(name, walk_forward) for walk_forward in walk_forwards)
    before, after = (one.forecast(panel.asof(ASOF)) for one, panel in zip((clean, dirty), panels, strict=True))
    pd.testing.assert_frame_equal(after.covariance, before.covariance, check_exact=True)
    assert dict(after.diagnostics) == dict(before.diagnostics)
    wanted = SESSIONS[1056:1066]
    paths = [
        {forecast.asof: forecast.covariance for forecast in one.forecast_path(panel, wanted)}
        for one, panel in zip((clean, dirty), panels, strict=True)
    ]
    for session in wanted[wanted <= ASOF]:
        pd.testing.assert_frame_equal(paths[1][session], paths[0][session], check_exact=True)
    for session in wanted[wanted > ASOF][1:]:
        assert (paths[1][session] / paths[0][session] - 1).abs().to_numpy().max() > 0.1


@every_calibration
def test_a_path_equals_forecasts_made_alone(name, walk_forwards, synthetic):
    """Around a change of vintage, with the past remembered in a path and in a backtest."""
    calibrated = model(name, walk_forwards[0])
    wanted = SESSIONS[1060:1068]
    running = calibrated.backtest_forecaster()
    path = list(calibrated.forecast_path(synthetic, wanted, 5))
    assert len({forecast.diagnostics["model"]["trained_through"] for forecast in path}) == 2
    for session, forecast in zip(wanted, path, strict=True):
        alone = calibrated.forecast(synthetic.asof(session), 5)
        same(forecast, alone, 1e-6)
        same(running.forecast(synthetic.asof(session), 5), alone, 1e-6)
    # Horizons have their own memory, and universes theirs.
    same(running.forecast(synthetic.asof(session), 21), calibrated.forecast(synthetic.asof(session), 21), 1e-6)
    few = PricePanel(close=synthetic.close[ASSETS[:5]]).asof(session)
    same(running.forecast(few, 5), calibrated.forecast(few, 5), 1e-6)


@pytest.mark.parametrize("correlation", CORRELATIONS)
def test_with_every_correlation(correlation, synthetic):
    given = CALIBRATIONS["all"]()
    volatility = learn(HARVolatility("market"), synthetic)
    forecast = RiskModel(volatility, CORRELATIONS[correlation](), calibration=given).forecast(synthetic.asof(ASOF))
    np.testing.assert_array_equal(np.diagonal(forecast.covariance), forecast.volatility**2)
    assert len(forecast.diagnostics["calibration"]) == 3
