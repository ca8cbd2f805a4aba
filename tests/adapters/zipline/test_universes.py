"""Universes that change: stocks are listed, delisted and chosen anew, and the forecast covers whoever is there."""

import numpy as np
import pandas as pd
import pytest
from zipline.api import (
    attach_pipeline,
    date_rules,
    order_target_percent,
    pipeline_output,
    schedule_function,
)
from zipline.pipeline import Pipeline
from zipline.pipeline.factors import AverageDollarVolume, Returns

import zipline_market
from adapters.zipline import strategies
from volplugin import RiskProvider, VolatilityTarget, read_bundle
from volplugin.errors import InsufficientHistoryError

# zipline's own use of pandas in its weekly rules.
pytestmark = pytest.mark.filterwarnings("ignore:Series.view is deprecated:FutureWarning")


def follow(small, model, choose, start, end, **hooks):
    """Weigh chosen stocks equally at a target, weekly; returns the forecasts by session, and the perf."""
    forecasts = {}

    def initialize(context):
        context.risk = RiskProvider(model, bundle=small)
        context.target = VolatilityTarget(0.10, max_leverage=1.5)
        context.universe = strategies.universe(context)
        hooks.get("prepare", lambda context: None)(context)
        schedule_function(rebalance, date_rules.week_start())

    def rebalance(context, data):
        chosen = choose(context, data)
        forecast = context.risk.forecast(context, data, chosen)
        forecasts[data.current_session] = forecast
        weights = context.target.scale(pd.Series(1 / len(forecast.assets), forecast.assets), forecast)
        for asset in {*chosen, *context.portfolio.positions}:
            if data.can_trade(asset):
                order_target_percent(asset, weights.get(asset, 0.0))

    return forecasts, strategies.run(small, start, end, initialize)


def tradable(context, data):
    return [asset for asset in context.universe if data.can_trade(asset)]


def symbols(forecast):
    return {asset.symbol for asset in forecast.assets}


def test_a_listing_is_taken_in_when_it_has_a_forecast(small, model):
    forecasts, perf = follow(small, model, tradable, "2015-12-14", "2016-03-31")
    sizes = [len(forecast.assets) for forecast in forecasts.values()]
    assert sizes == sorted(sizes)
    assert (sizes[0], sizes[-1]) == (5, 6)
    waiting = [f for day, f in forecasts.items() if day >= pd.Timestamp("2016-01-04") and "DDD" not in symbols(f)]
    assert waiting
    assert all("DDD" in {getattr(a, "symbol", a) for a in f.diagnostics["excluded"]} for f in waiting)
    assert perf["unmodelled_weight"].iloc[1:].eq(0).all()


def test_a_delisting_drops_out_and_the_others_go_on(small, model):
    forecasts, perf = follow(small, model, tradable, "2017-08-14", "2017-09-29")
    delisted = pd.Timestamp(zipline_market.DELISTED)
    for session, forecast in forecasts.items():
        assert ("EEE" in symbols(forecast)) == (session <= delisted)
        research = model.forecast(read_bundle(small).asof(session))
        others = [symbol for symbol in research.assets if symbol != "EEE"]
        mine = forecast.volatility.rename(lambda asset: asset.symbol)
        np.testing.assert_allclose(mine[others], research.volatility[others], rtol=1e-6)
    held = perf["positions"].map(lambda positions: {p["sid"].symbol for p in positions})
    assert "EEE" in held.iloc[5]
    assert "EEE" not in held.iloc[-1]
    assert perf["predicted_vol"].iloc[-1] > 0.05


@pytest.mark.parametrize("bundled", [True, False])
def test_a_stock_long_gone_has_no_forecast(small, model, bundled):
    def initialize(context):
        context.risk = RiskProvider(model, bundle=small if bundled else None)
        context.gone = next(a for a in strategies.universe(context) if a.symbol == "EEE")

    def ask(context, data):
        context.risk.forecast(context, data, [context.gone])

    with pytest.raises(InsufficientHistoryError, match="EEE has no forecast at 2017-12-01: no bar since 2017-08-31"):
        strategies.run(small, "2017-12-01", "2017-12-01", initialize, handle_data=ask)


def test_names_chosen_by_pipeline_are_forecast_as_in_research(small, model):
    def prepare(context):
        liquid = AverageDollarVolume(window_length=20).top(4)
        attach_pipeline(Pipeline({"momentum": Returns(window_length=60)}, screen=liquid), "chosen")

    def chosen(context, data):
        return list(pipeline_output("chosen")["momentum"].nlargest(3).index)

    forecasts, perf = follow(small, model, chosen, "2016-11-01", "2017-06-30", prepare=prepare)
    assert len({frozenset(symbols(forecast)) for forecast in forecasts.values()}) >= 4
    panel = read_bundle(small)
    for session, forecast in list(forecasts.items())[::6]:
        research = model.forecast(panel.asof(session)).select([asset.symbol for asset in forecast.assets])
        np.testing.assert_allclose(forecast.covariance.to_numpy(), research.covariance.to_numpy(), rtol=1e-6)
    assert perf["unmodelled_weight"].iloc[1:].eq(0).all()
    assert perf["predicted_vol"].iloc[10:].between(0.05, 0.2).all()
