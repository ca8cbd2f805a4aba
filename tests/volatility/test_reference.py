"""The reference universe of a market that the model was not trained on."""

import numpy as np
import pandas as pd
import pytest

from volplugin import HARVolatility, PricePanel, RiskModel, RollingCorrelation, simulated_panel
from volplugin.volatility import FITTED_HORIZONS, PretrainedVolatility
from volplugin.volatility.reference import with_reference

FIELDS = ("open", "high", "low", "close", "volume")
THROUGH, ASOF = pd.Timestamp("2012-12-31"), pd.Timestamp("2013-03-28")


@pytest.fixture(scope="module")
def market() -> PricePanel:
    return simulated_panel(34, "2010-01-04", "2013-06-28", seed=11)


def edited(panel: PricePanel, change) -> PricePanel:
    """Return a panel whose frames a function of field and frame changed."""
    return PricePanel(**{field: change(field, getattr(panel, field).copy()) for field in FIELDS})


def chosen(panel: PricePanel, through: pd.Timestamp = THROUGH) -> list[str]:
    return list(with_reference(panel, ["X", "Y"], through).market.assets)


def test_the_largest_by_median_turnover_of_a_year(market):
    rows = slice(market.sessions.searchsorted(THROUGH, "right") - 252, market.sessions.searchsorted(THROUGH, "right"))
    turnover = (market.close * market.volume).fillna(0.0).iloc[rows].median()
    assert set(chosen(market)) == set(turnover[turnover > 0].nlargest(30).index)
    assert chosen(market.tail(400)) == chosen(market.asof(ASOF)) == chosen(market.select(["SIM0002"])) == chosen(market)


def test_without_volume_all_with_a_bar_in_each_session(market):
    closes = PricePanel(close=market.close)
    gap = closes.close.copy()
    gap.loc["2012-06-01", "SIM0001"] = np.nan
    late = [asset for asset in market.assets if market.close[asset].loc["2012-01-03":THROUGH].isna().any()]
    assert set(chosen(PricePanel(close=gap))) == set(market.assets) - {*late, "SIM0001"}


@pytest.mark.parametrize("cut", [lambda panel: panel.tail(300), lambda panel: panel.select(list(panel.assets[:3]))])
def test_too_few_sessions_or_assets(market, cut):
    short = PricePanel(**{field: getattr(cut(market), field) for field in FIELDS})
    assert with_reference(short, ["X", "Y"], THROUGH) is short


def test_a_given_market_and_the_models_own_universe_stay(market):
    given = market.with_market(market.select(["SIM0003"]))
    assert with_reference(given, ["X", "Y"], THROUGH) is given
    assert with_reference(market, ["SIM0001"], THROUGH) is market


@pytest.fixture(scope="module")
def shipped() -> PretrainedVolatility:
    return PretrainedVolatility()


def test_batch_pointwise_and_streamed_forecasts_agree(market, shipped):
    path = shipped.predict_path(market, "2013-03-25", ASOF)
    single = shipped.predict(market.asof(ASOF))
    np.testing.assert_allclose(path.loc[ASOF], single, rtol=1e-9)
    some = shipped.predict(market.asof(ASOF).select(["SIM0002", "SIM0033"]))
    np.testing.assert_allclose(some, single[some.index], rtol=1e-9)
    vintage = shipped.vintage_at(ASOF)
    online = vintage.online_predictor()
    for session in path.index:
        streamed = online.predict_in_sample(market.asof(session), session, session, FITTED_HORIZONS)[21]
    np.testing.assert_allclose(streamed.loc[ASOF], single, rtol=1e-6)


def test_the_forecast_names_it_and_no_later_price_changes_it(market, shipped):
    model = RiskModel(shipped, RollingCorrelation(60))
    clean = model.forecast(market.asof(ASOF))
    assert clean.diagnostics["reference"] == chosen(market, THROUGH)
    assert clean.diagnostics["fallbacks"] == {}

    def wild(field, frame):
        after = frame.index > ASOF
        # Volumes of a million times as much would select other stocks, prices alone would not.
        frame.loc[after] *= 1e6 * np.arange(1, frame.shape[1] + 1) if field == "volume" else 3.0
        return frame

    other = edited(market, wild)
    dirty = model.forecast(other.asof(ASOF))
    pd.testing.assert_frame_equal(clean.covariance, dirty.covariance, check_exact=True)
    assert dirty.diagnostics["reference"] == clean.diagnostics["reference"]
    paths = [shipped.predict_path(panel, "2013-02-01", ASOF) for panel in (market, other)]
    pd.testing.assert_frame_equal(*paths, check_exact=True)


def test_it_stays_the_same_until_the_next_vintage(market, shipped):
    """Turnover after the last training session selects nothing."""

    def quiet(field, frame):
        if field == "volume":
            frame.loc[frame.index > THROUGH, "SIM0001":"SIM0010"] = 1.0
        return frame

    vintage = shipped.vintage_at(ASOF)
    assert vintage.reference_assets(edited(market, quiet)) == vintage.reference_assets(market)


def test_a_model_without_market_wide_inputs_names_none(market):
    assert HARVolatility().fit(market.asof(THROUGH)).reference_assets(market) == []
    assert HARVolatility("market").fit(market.asof(THROUGH)).reference_assets(market) == list(market.assets)
