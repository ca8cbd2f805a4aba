import numpy as np
import pandas as pd
import pytest
from synthetic import ASOF, SESSIONS

from volplugin import AssetBias, PricePanel, RiskModel, RollingCorrelation, RollingVolatility
from volplugin.errors import ParameterError
from volplugin.risk.adjustments import PastForecasts, PastPortfolios
from volplugin.volatility import VolatilityForecaster

NAMES = ["ALFA", "BRAV", "CHAR", "GOLF"]


class Wrong(RollingVolatility):
    """Rolling volatilities that are wrong by a factor an asset."""

    factors = dict(zip(NAMES, (2.0, 1.0, 1.0, 0.5), strict=True))

    def _predict_path(self, panel: PricePanel, horizon: int, first: int) -> pd.DataFrame:
        return super()._predict_path(panel, horizon, first) * [self.factors.get(name, 1.0) for name in panel.assets]


@pytest.fixture(scope="module")
def known(synthetic) -> PricePanel:
    return PricePanel(close=synthetic.close[NAMES]).asof(ASOF)


def factors(panel: PricePanel, calibration: AssetBias, volatility: VolatilityForecaster | None = None) -> pd.Series:
    plain, calibrated = (
        RiskModel(RollingVolatility(20) if volatility is None else volatility, RollingCorrelation(60), calibration=item)
        for item in (None, calibration)
    )
    forecast = calibrated.forecast(panel)
    ratio = forecast.volatility / plain.forecast(panel).volatility
    told = forecast.diagnostics["calibration"]["AssetBias"]["factors"]
    assert {name: told[name] for name in ratio.index} == pytest.approx(ratio.to_dict())
    return ratio


def test_by_hand(known):
    """Squared returns over the 21 forecasts that stood over each, averaged, relative to the assets' mean, shrunk."""
    sigma = RollingVolatility(20).predict_path(known, SESSIONS[800], ASOF, 21)
    ratio = ((np.log(known.close).diff() ** 2) * (1 / sigma**2).rolling(21).mean().shift(1)).tail(120)
    weights = 0.5 ** (np.arange(120)[::-1] / 20)
    bias = ratio.mul(weights, axis=0).sum() / weights.sum()
    expected = np.sqrt(1 + 0.5 * (bias / bias.mean() - 1))
    np.testing.assert_allclose(factors(known, AssetBias(20, 0.5)), expected, rtol=1e-9)


def test_a_session_counts_by_the_forecasts_that_covered_it():
    """Of two sessions each: the first forecast is the oldest, and the second is missing."""
    forecasts = pd.DataFrame({"ALFA": [2.0, np.nan, 1.0, 4.0]}, SESSIONS[:4])
    returns = pd.DataFrame({"ALFA": [0.1, 0.2, 0.3, 0.4]}, SESSIONS[:4])
    past = PastForecasts(2, returns, forecasts, returns, returns.columns, RollingCorrelation(60), PastPortfolios())
    np.testing.assert_allclose(past.standing(3)["ALFA"], [0.04 / 4, 0.09 / 4, 0.16], rtol=1e-12)


def test_forecasts_wrong_by_a_factor_are_put_right(known):
    """In full trust, but for the common level, which is not its business."""
    right = RollingVolatility(20).predict(known) * factors(known, AssetBias(20, 1.0))
    wrong = Wrong(20).predict(known) * factors(known, AssetBias(20, 1.0), Wrong(20))
    ratio = wrong / right
    np.testing.assert_allclose(ratio, ratio.iloc[0], rtol=1e-9)
    assert (Wrong(20).predict(known) / RollingVolatility(20).predict(known)).to_dict() == pytest.approx(Wrong.factors)


def test_the_common_level_is_left_alone(known):
    for trust in (0.3, 1.0):
        assert (factors(known, AssetBias(20, trust)) ** 2).mean() == pytest.approx(1)
    np.testing.assert_allclose(factors(known, AssetBias(20, 0.0)), 1, rtol=1e-14)


def test_a_new_asset_is_like_the_others(synthetic):
    """The missing part of its record counts as the mean of the reference universe."""
    moved = factors(synthetic.asof(SESSIONS[445]), AssetBias(252, 1.0))
    others = (moved.drop("DELT") - 1).abs()
    assert abs(moved["DELT"] - 1) < 0.06
    assert others.max() > 0.02


def test_lookback():
    model = RiskModel(RollingVolatility(20), RollingCorrelation(60), calibration=AssetBias(20))
    assert model.lookback == 41 + 120 + 21
    model = RiskModel(RollingVolatility(20), RollingCorrelation(200), calibration=AssetBias(20))
    assert model.lookback == 41 + 200
    assert AssetBias().get_params() == {"halflife": 252, "trust": 0.5}


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"halflife": -1}, "^halflife is -1; pass a number of sessions above zero$"),
        ({"trust": 2}, "^trust is 2; pass a share between 0 and 1$"),
    ],
)
def test_impossible_parameters(parameters, complaint, known):
    with pytest.raises(ParameterError, match=complaint):
        factors(known, AssetBias(**parameters))
