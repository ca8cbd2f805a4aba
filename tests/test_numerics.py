"""Sigma of random panels with what prices may hold at worst: right, or refused by name, and never with a warning."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from registry import CORRELATIONS

from volplugin import AssetBias, EigenvalueAdjustment, EWMAVolatility, PricePanel, RiskModel, VolatilityRegimeAdjustment
from volplugin.errors import VolpluginError
from volplugin.volatility import RollingVolatility

SESSIONS = pd.bdate_range("2018-01-01", periods=140)
FLAWS = ("none", "constant", "twin", "tiny", "huge", "one day", "alone", "halted", "delisted", "late", "still")
ESTIMATORS = [name for name in CORRELATIONS if name != "dcc"]

every_estimator = pytest.mark.parametrize("name", ESTIMATORS)
few = settings(max_examples=6, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
many = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))

panels = st.tuples(st.integers(0, 2**32 - 1), st.lists(st.sampled_from(FLAWS), min_size=1, max_size=6), st.booleans())


def panel_of(drawn: tuple[int, list[str], bool], scale: float = 1.0) -> PricePanel:
    """Stocks with a common factor, each with its flaw; with ranges or without."""
    number, flaws, ranges = drawn
    random = np.random.default_rng(number)
    shape = (len(SESSIONS), len(flaws))
    returns = 0.012 * (0.7 * random.standard_normal((shape[0], 1)) + 0.7 * random.standard_normal(shape))
    close = 40 * np.exp(returns.cumsum(axis=0))
    for place, flaw in enumerate(flaws):
        column = close[:, place]
        if flaw == "constant":
            column[:] = 7.0
        elif flaw == "twin":
            column[:] = close[:, 0]
        elif flaw in ("tiny", "huge"):
            column *= 1e-6 if flaw == "tiny" else 1e6
        elif flaw == "one day":
            column[:-1] = np.nan
        elif flaw == "alone":
            column[: shape[0] // 2] = column[shape[0] // 2 + 1 :] = np.nan
        elif flaw == "halted":
            column[60:67] = np.nan
        elif flaw == "delisted":
            column[100:] = np.nan
        elif flaw == "late":
            column[:90] = np.nan
        elif flaw == "still":
            column[-45:] = column[-45]
    frame = pd.DataFrame(scale * close, SESSIONS, [f"S{place}" for place in range(len(flaws))])
    if not ranges:
        return PricePanel(close=frame)
    return PricePanel(close=frame, open=frame, high=frame * 1.004, low=frame * 0.996)


def sigma(model: RiskModel, panel: PricePanel, view: str = "risk") -> pd.DataFrame | None:
    """Covariance, checked; None where it was refused by name."""
    try:
        forecast = model.forecast(panel, 5, view)
    except VolpluginError:
        return None
    values = forecast.covariance.to_numpy()
    assert np.isfinite(values).all()
    np.testing.assert_allclose(values, values.T, rtol=1e-12)
    assert (np.diag(values) > 0).all()
    rho = forecast.correlation.to_numpy()
    np.testing.assert_allclose(np.diag(rho), 1.0, rtol=1e-9)
    assert np.linalg.eigvalsh(rho)[0] >= -1e-9 * len(rho)
    excluded = forecast.diagnostics["excluded"]
    assert set(forecast.assets) | set(excluded) == set(panel.assets)
    assert all(excluded.values())
    return forecast.covariance


def check(model: RiskModel, drawn: tuple[int, list[str], bool], view: str) -> None:
    """Sigma in order, whatever the unit of prices and whatever the order of assets."""
    panel = panel_of(drawn)
    found = sigma(model, panel, view)
    for scale in (1e-6, 1e6):
        other = sigma(model, panel_of(drawn, scale), view)
        assert (other is None) == (found is None)
        if found is not None:
            np.testing.assert_allclose(other, found, rtol=1e-6, atol=1e-12)
    names = list(panel.assets[::-1])
    turned = sigma(model, panel.select(names).with_market(panel.select(names)), view)
    assert (turned is None) == (found is None)
    if found is not None:
        order = [name for name in names if name in found]
        np.testing.assert_allclose(turned.loc[order, order], found.loc[order, order], rtol=1e-6, atol=1e-10)


@every_estimator
@few
@given(drawn=panels, view=st.sampled_from(["risk", "structure"]))
def test_every_estimator(name, drawn, view):
    check(RiskModel(RollingVolatility(20), CORRELATIONS[name]()), drawn, view)


@pytest.mark.parametrize("calibration", [AssetBias(20), VolatilityRegimeAdjustment(3), EigenvalueAdjustment()], ids=str)
@few
@given(drawn=panels)
def test_every_calibration(calibration, drawn):
    check(RiskModel(EWMAVolatility(), CORRELATIONS["ewma"](), calibration=calibration), drawn, "risk")


@pytest.mark.slow
@pytest.mark.parametrize("name", CORRELATIONS)
@many
@given(drawn=panels, view=st.sampled_from(["risk", "structure"]))
def test_every_estimator_at_length(name, drawn, view):
    check(RiskModel(EWMAVolatility(), CORRELATIONS[name]()), drawn, view)


@pytest.mark.parametrize("flaw", FLAWS)
@pytest.mark.parametrize("ranges", [True, False])
def test_a_single_asset_with_each_flaw(flaw, ranges):
    for model in (EWMAVolatility(), RollingVolatility(20)):
        found = sigma(RiskModel(model, CORRELATIONS["two-speed"]()), panel_of((3, [flaw], ranges)))
        assert found is None or found.shape == (1, 1)


@pytest.mark.parametrize("flaw", ["constant", "one day", "alone", "delisted", "still"])
def test_a_flawed_asset_does_not_take_the_others_down(flaw):
    panel = panel_of((5, ["none", flaw, "none"], True))
    found = sigma(RiskModel(EWMAVolatility(), CORRELATIONS["ewma"]()), panel)
    assert found is not None
    assert {"S0", "S2"} <= set(found.columns)
