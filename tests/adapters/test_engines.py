"""One risk model in every engine: the same Sigma at the same close, and nothing that depends on a later price."""

import importlib

import numpy as np
import pandas as pd
import pytest

import zipline_market
from adapters.zipline import strategies
from volplugin import RiskProvider, read_bundle
from volplugin.adapters import cvxportfolio as ours

START, END = "2017-05-15", "2017-06-30"
D = pd.Timestamp(zipline_market.POISON)
HORIZON, VIEW = 21, "structure"
pytestmark = pytest.mark.filterwarnings("ignore")  # of the engines


def library(name):
    return pytest.importorskip(name, reason=f"{name} is not installed; `make test-peers` runs these with it")


def research(model, bundle):
    panel = read_bundle(bundle)
    days = panel.sessions[panel.sessions.slice_indexer(START, END)]
    return {day: model.forecast(panel.asof(day), HORIZON, VIEW).covariance for day in days}


def in_zipline(model, bundle, provider):
    found = {}

    def initialize(context):
        context.risk, context.universe = provider(), strategies.universe(context)

    def handle_data(context, data):
        forecast = context.risk.forecast(context, data, context.universe, horizon=HORIZON, view=VIEW)
        found[forecast.asof] = forecast.relabel({asset: asset.symbol for asset in context.universe}).covariance

    strategies.run(bundle, START, END, initialize, handle_data=handle_data)
    return found


def through_bundle(model, bundle):
    return in_zipline(model, bundle, lambda: RiskProvider(model, bundle=bundle))


def through_history(model, bundle):
    return in_zipline(model, bundle, lambda: RiskProvider(model))


def skfolio(model, bundle):
    library("skfolio")
    panel = read_bundle(bundle)
    estimator = importlib.import_module("volplugin.adapters.skfolio").ForecastCovariance(model, panel, HORIZON, VIEW)
    returns = np.expm1(panel.returns)
    found = {}
    for day in returns.loc[START:END].index:
        sigma = estimator.partial_fit(returns.loc[:day]).covariance_
        found[day] = pd.DataFrame(sigma, returns.columns, returns.columns)
    return found


def bt(model, bundle):
    engine, adapter = library("bt"), importlib.import_module("volplugin.adapters.bt")
    panel, found = read_bundle(bundle), {}

    class Record(engine.Algo):
        def __call__(self, target):
            found[target.now] = target.temp["forecast"].covariance
            return True

    algos = [adapter.ForecastRisk(model, panel, HORIZON, VIEW), Record()]
    test = engine.Backtest(engine.Strategy("run", algos), panel.close.loc[START:END], progress_bar=False)
    engine.run(test)
    return found


def market_data(cvx, panel):
    returns = np.expm1(panel.returns.shift(-1)).iloc[:-1].assign(cash=0.0)
    return cvx.UserProvidedMarketData(returns=returns, cash_key="cash", min_history=pd.Timedelta(0))


class Recorded(ours.ForecastSigma):
    def values_in_time(self, t, past_returns, **kwargs):
        self.found[t] = super().values_in_time(t, past_returns, **kwargs)
        return self.found[t]


def in_cvxportfolio(model, bundle, prices):
    cvx, panel = library("cvxportfolio"), read_bundle(bundle)
    sigma = Recorded(model, panel, HORIZON, VIEW, prices=prices)
    sigma.found = {}
    policy = cvx.SinglePeriodOptimization(-1 * cvx.FullCovariance(Sigma=sigma), [cvx.LongOnly(), cvx.LeverageLimit(1)])
    simulator = cvx.MarketSimulator(market_data=market_data(cvx, panel), costs=[], round_trades=False)
    simulator.backtest(policy, start_time=pd.Timestamp(START), end_time=pd.Timestamp(END))
    return sigma.found


def cvxportfolio(model, bundle):
    return in_cvxportfolio(model, bundle, "close")


def cvxportfolio_at_the_open(model, bundle):
    found = in_cvxportfolio(model, bundle, "open")
    sessions = zipline_market.sessions()
    return {sessions[sessions.get_loc(day) - 1]: sigma for day, sigma in found.items()}


TOLERANCES = {
    through_bundle: 1e-6,
    through_history: 1e-3,
    skfolio: 1e-6,
    bt: 1e-6,
    cvxportfolio: 1e-6,
    cvxportfolio_at_the_open: 1e-6,
}
every_engine = pytest.mark.parametrize("engine", TOLERANCES, ids=lambda engine: engine.__name__)


@every_engine
def test_every_engine_has_the_same_covariance(engine, model, small):
    found, expected = engine(model, small), research(model, small)
    days = [day for day in found if day in expected]
    assert len(days) >= len(expected) - 2
    for day in days:
        names = expected[day].columns
        np.testing.assert_allclose(
            found[day].loc[names, names], expected[day], rtol=TOLERANCES[engine], err_msg=str(day)
        )


@every_engine
def test_no_covariance_depends_on_a_later_price(engine, model, small, poisoned):
    clean, dirty = engine(model, small), engine(model, poisoned)
    past = [day for day in clean if day < D]
    assert len(past) >= 20
    for day in past:
        np.testing.assert_array_equal(dirty[day], clean[day], err_msg=str(day))
    assert any((dirty[day].to_numpy() != clean[day].to_numpy()).any() for day in clean if day >= D)


# -- the rule in every engine -----------------------------------------------------------------------


def bt_weights(model, panel, frequency):
    engine, adapter = library("bt"), importlib.import_module("volplugin.adapters.bt")
    algos = engine.algos
    calendar = {"daily": algos.RunDaily, "monthly": algos.RunMonthly}[frequency](run_on_first_date=True)
    stack = [
        adapter.ForecastRisk(model, panel),
        algos.Or([calendar, adapter.NeedsRebalance(0.10)]),
        algos.SelectAll(),
        algos.WeighEqually(),
        adapter.TargetVolatility(0.10),
        algos.Rebalance(),
    ]
    close = panel.close.loc[START:END]
    test = engine.Backtest(engine.Strategy("run", stack), close, integer_positions=False, progress_bar=False)
    return engine.run(test).get_security_weights()[list(close)]


def cvx_weights(model, panel, frequency):
    cvx = library("cvxportfolio")
    policy = ours.TargetVolatility(model, panel, 0.10, frequency=frequency, prices="close")
    simulator = cvx.MarketSimulator(market_data=market_data(cvx, panel), costs=[], round_trades=False)
    return simulator.backtest(policy, pd.Timestamp(START), pd.Timestamp(END)).w_plus.drop(columns="cash").dropna()


def ml4t_weights(model, panel, frequency):
    engine, pl = library("ml4t.backtest"), library("polars")
    provider = importlib.import_module("volplugin.adapters.ml4t").TargetVolatility(
        model, panel, 0.10, frequency=frequency
    )
    executor = engine.TargetWeightExecutor(engine.RebalanceConfig(min_trade_value=0.0, min_weight_change=0.0))
    found = {}

    class Target(engine.Strategy):
        def on_data(self, timestamp, data, context, broker):
            weights = provider.get_weights(data, broker, timestamp)
            if weights is not None:
                executor.execute(weights, data, broker)
                found[timestamp] = weights

    fields = ("open", "high", "low", "close", "volume")
    bars = pd.concat({name: getattr(panel, name).loc[START:END].stack() for name in fields}, axis=1)
    config = engine.BacktestConfig.from_preset("vectorbt")
    config.allow_leverage = config.allow_short_selling = True
    feed = engine.DataFeed(prices_df=pl.from_pandas(bars.rename_axis(["timestamp", "asset"]).reset_index()))
    engine.Engine(feed, Target(), config).run()
    return pd.DataFrame.from_dict(found, orient="index")[list(panel.assets)]


WEIGHTS = {"bt": bt_weights, "cvxportfolio": cvx_weights, "ml4t": ml4t_weights}
every_rule = pytest.mark.parametrize("engine", WEIGHTS)


@every_rule
@pytest.mark.parametrize("frequency", ["daily", "monthly"])
def test_no_weight_depends_on_a_later_price(engine, frequency, model, small, poisoned):
    clean, dirty = (WEIGHTS[engine](model, read_bundle(bundle), frequency) for bundle in (small, poisoned))
    past = clean.index[clean.index < D]
    assert len(past) >= (20 if frequency == "daily" and engine != "ml4t" else 1)
    np.testing.assert_array_equal(dirty.loc[past], clean.loc[past])


@pytest.mark.parametrize("engine", ["cvxportfolio", "ml4t"])
@pytest.mark.parametrize("frequency", ["daily", "monthly"])
def test_the_rule_holds_the_same_weights_in_every_engine(engine, frequency, model, small):
    """The engines trade at the same prices: they differ by rounding alone."""
    panel = read_bundle(small)
    expected, found = bt_weights(model, panel, frequency), WEIGHTS[engine](model, panel, frequency)
    days = found.index.intersection(expected.index)
    assert len(days) >= 1
    np.testing.assert_allclose(found.loc[days], expected.loc[days], rtol=1e-4)
