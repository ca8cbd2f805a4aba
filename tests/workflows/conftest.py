"""A span of the synthetic market, a fast ensemble, and a fixture that forbids training and forecasting."""

import pytest
from synthetic import SESSIONS

from volplugin import EWMAVolatility, HARVolatility, WalkForward
from volplugin.storage.forecast_cache import ForecastCache
from volplugin.volatility import VolatilityForecaster


class Ensemble(WalkForward):
    """A walk-forward with two seeds and their ensemble as members."""

    def ensemble_members(self):
        return {"seed 0": EWMAVolatility(0.9), "seed 1": EWMAVolatility(0.96), "ensemble": EWMAVolatility(0.93)}


@pytest.fixture(scope="session")
def span():
    return SESSIONS[900], SESSIONS[1100]


@pytest.fixture(scope="session")
def walk_forward(synthetic, span):
    return Ensemble(HARVolatility("market")).train(synthetic, *span, progress=False)


@pytest.fixture
def cache(tmp_path):
    return ForecastCache(tmp_path / "forecasts")


@pytest.fixture
def idle(monkeypatch):
    """Return a function after whose call every training and every forecast raises."""

    def work(*arguments, **settings):
        raise AssertionError("there was nothing to do")

    def forbid():
        for kind in (VolatilityForecaster, WalkForward):
            monkeypatch.setattr(kind, "predict_path", work)
            monkeypatch.setattr(kind, "predict_in_sample", work)
        monkeypatch.setattr(WalkForward, "train", work)

    return forbid
