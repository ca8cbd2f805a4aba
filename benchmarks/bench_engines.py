"""An equal-weight portfolio held at 10% a year in four engines, with our forecasts and in each engine's own way.

    python benchmarks/bench_engines.py --start 2010-01-04 --end 2021-04-20

Needs the bundle dow30 (`volplugin ingest dow30`) and the libraries of benchmarks/requirements.txt. Our rows have one
risk model, on the shipped vintages, and one rule, the defaults of `volplugin.VolatilityTarget`. The engines' own
rows: bt's `TargetVol` (sample covariance of three months, no cap), and cvxportfolio's default covariance (all past
returns) in an optimiser that holds the largest equal-weight portfolio within a limit on volatility; the same
optimiser with our `ForecastSigma`, which has no track record to correct it, is in the table too. zipline fills an
order at the next close, with its costs; the other engines trade at the close at which they decide, without costs.

Prints a Markdown table: realised volatility of the whole period, percent a year; mean distance of the volatility of
the last 63 sessions from 10, points, from the 31st session on; largest leverage; seconds of processor time.
"""

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

import click
import numpy as np
import pandas as pd
from bench_targeting import BUNDLE, FIRST, TARGET, WINDOW
from machine import describe_machine

from volplugin import RiskModel, RiskProvider, read_bundle
from volplugin._gallery.shared import follow
from volplugin._gallery.vol_target import compose
from volplugin.adapters.zipline import register_metrics
from volplugin.adapters.zipline.run import run_hooks
from volplugin.data.panel import PricePanel
from volplugin.portfolio import VolatilityTarget
from volplugin.risk.defaults import default_risk_model
from volplugin.units import TRADING_DAYS, annualize

CAP = VolatilityTarget(TARGET).max_leverage
Run = Callable[[PricePanel, RiskModel, str, str, str], tuple[pd.Series, pd.Series]]
"""From prices, risk model, frequency, start and end to returns and leverage by session."""


def zipline_ours(
    panel: PricePanel, model: RiskModel, frequency: str, start: str, end: str
) -> tuple[pd.Series, pd.Series]:
    """Run the gallery's first strategy."""

    def initialize(context: object) -> None:
        follow(context, compose, RiskProvider(model, bundle=BUNDLE), VolatilityTarget(TARGET), frequency)

    register_metrics()
    perf = run_hooks({"initialize": initialize}, BUNDLE, start, end, 1e6, None, None, "volplugin")
    return perf["returns"], perf["gross_leverage"]


def bt_run(close: pd.DataFrame, *algos: Any) -> tuple[pd.Series, pd.Series]:
    """Run algos in bt."""
    import bt

    test = bt.Backtest(bt.Strategy("run", list(algos)), close, integer_positions=False, progress_bar=False)
    result = bt.run(test)
    leverage = result.get_security_weights().abs().sum(axis=1)
    return result.prices["run"].pct_change().reindex(close.index), leverage.reindex(close.index, fill_value=0.0)


def due(frequency: str) -> Any:
    """Return bt's calendar of rebalances."""
    import bt

    return {"daily": bt.algos.RunDaily, "monthly": bt.algos.RunMonthly}[frequency](run_on_first_date=True)


def bt_ours(panel: PricePanel, model: RiskModel, frequency: str, start: str, end: str) -> tuple[pd.Series, pd.Series]:
    """Run our algos."""
    from bt import algos

    from volplugin.adapters.bt import ForecastRisk, NeedsRebalance, TargetVolatility

    return bt_run(
        panel.close.loc[start:end],
        ForecastRisk(model, panel),
        algos.Or([due(frequency), NeedsRebalance(TARGET)]),
        algos.SelectAll(),
        algos.WeighEqually(),
        TargetVolatility(TARGET),
        algos.Rebalance(),
    )


def bt_own(panel: PricePanel, model: RiskModel, frequency: str, start: str, end: str) -> tuple[pd.Series, pd.Series]:
    """Run bt's `TargetVol`; the prices of its window come before the run."""
    from bt import algos

    begin = pd.Timestamp(start) - pd.DateOffset(months=4)
    start_date = panel.sessions[panel.sessions.searchsorted(pd.Timestamp(start))]
    returns, leverage = bt_run(
        panel.close.loc[begin:end],
        algos.Or([algos.RunOnDate(start_date), due(frequency)]),
        algos.RunAfterDate(start_date - pd.Timedelta(days=1)),
        algos.SelectAll(),
        algos.WeighEqually(),
        algos.TargetVol(TARGET),
        algos.Rebalance(),
    )
    return returns.loc[start:], leverage.loc[start:]


class Calendar:
    """A cvxportfolio policy at the first session of every day or month; other sessions hold on."""

    def __init__(self, policy: Any, frequency: str) -> None:
        self.policy, self.period = policy, {"daily": "D", "monthly": "M"}[frequency]
        self.initialize_estimator_recursive = policy.initialize_estimator_recursive
        self.finalize_estimator_recursive = policy.finalize_estimator_recursive
        self._last: pd.Period | None = None

    def values_in_time_recursive(self, t: pd.Timestamp, current_weights: pd.Series, **state: Any) -> pd.Series:
        """Return the weights after trading."""
        last, self._last = self._last, t.to_period(self.period)
        if last == self._last:
            return current_weights
        return self.policy.values_in_time_recursive(t=t, current_weights=current_weights, **state)


def cvx_run(panel: PricePanel, policy: Any, start: str, end: str) -> tuple[pd.Series, pd.Series]:
    """Run a policy in cvxportfolio, on returns from close to close."""
    import cvxportfolio as cvx

    returns = np.expm1(panel.returns.shift(-1)).loc[:end].assign(cash=0.0)
    data = cvx.UserProvidedMarketData(returns=returns, cash_key="cash", min_history=pd.Timedelta(0))
    simulator = cvx.MarketSimulator(market_data=data, costs=[], round_trades=False)
    result = simulator.backtest(policy, start_time=pd.Timestamp(start), end_time=panel.sessions.asof(pd.Timestamp(end)))
    # The return of a period is labelled with its first close.
    found = result.returns
    return found.set_axis(panel.sessions[panel.sessions.get_indexer(found.index) + 1]), result.leverage


def cvx_ours(panel: PricePanel, model: RiskModel, frequency: str, start: str, end: str) -> tuple[pd.Series, pd.Series]:
    """Run our policy."""
    from volplugin.adapters.cvxportfolio import TargetVolatility

    return cvx_run(panel, TargetVolatility(model, panel, TARGET, frequency=frequency, prices="close"), start, end)


def cvx_optimised(
    sigma: Callable[[PricePanel, RiskModel], tuple[Any, ...]],
) -> Run:
    """Return a run of the largest equal-weight portfolio within the limit on volatility."""

    def run(panel: PricePanel, model: RiskModel, frequency: str, start: str, end: str) -> tuple[pd.Series, pd.Series]:
        import cvxportfolio as cvx

        # Each column is long one asset and short the next: a portfolio without exposure to any is equal-weight.
        count = len(panel.assets)
        pairs = pd.DataFrame((np.eye(count) - np.eye(count, k=1))[:-1], columns=panel.assets).T
        policy = cvx.SinglePeriodOptimization(
            cvx.ReturnsForecast(pd.Series(1.0, panel.assets), decay=1.0),
            [
                cvx.FullCovariance(*sigma(panel, model)) <= TARGET**2 / TRADING_DAYS,
                cvx.FactorNeutral(pairs),
                cvx.LeverageLimit(CAP),
                cvx.LongOnly(),
            ],
            include_cash_return=False,
        )
        return cvx_run(panel, Calendar(policy, frequency), start, end)

    return run


def forecast_sigma(panel: PricePanel, model: RiskModel) -> tuple[Any, ...]:
    """Return our covariance for cvxportfolio."""
    from volplugin.adapters.cvxportfolio import ForecastSigma

    return (ForecastSigma(model, panel, horizon=1, view="targeting", prices="close"),)


def ml4t_ours(panel: PricePanel, model: RiskModel, frequency: str, start: str, end: str) -> tuple[pd.Series, pd.Series]:
    """Run our weight provider in ml4t-backtest."""
    import polars as pl
    from ml4t.backtest import BacktestConfig, DataFeed, Engine, RebalanceConfig, Strategy, TargetWeightExecutor

    from volplugin.adapters.ml4t import TargetVolatility

    provider = TargetVolatility(model, panel, TARGET, frequency=frequency)
    executor = TargetWeightExecutor(RebalanceConfig(min_trade_value=0.0, min_weight_change=0.0))
    leverage: dict[Any, float] = {}

    class Target(Strategy):
        def on_data(self, timestamp: Any, data: Any, context: Any, broker: Any) -> None:
            weights = provider.get_weights(data, broker, timestamp)
            if weights is not None:
                executor.execute(weights, data, broker)
                leverage[timestamp] = sum(weights.values())

    fields = ("open", "high", "low", "close", "volume")
    bars = pd.concat({name: getattr(panel, name).loc[start:end].stack() for name in fields}, axis=1)
    config = BacktestConfig.from_preset("vectorbt")
    config.allow_leverage = config.allow_short_selling = True
    config.initial_cash = 1e6
    feed = DataFeed(prices_df=pl.from_pandas(bars.rename_axis(["timestamp", "asset"]).reset_index()))
    value = pd.Series(dict(Engine(feed, Target(), config).run().equity_curve))
    return value.pct_change(), pd.Series(leverage)


RUNS: dict[tuple[str, str], Run] = {
    ("zipline", "volplugin, the rule"): zipline_ours,
    ("bt", "volplugin, the rule"): bt_ours,
    ("bt", "its TargetVol"): bt_own,
    ("cvxportfolio", "volplugin, the rule"): cvx_ours,
    ("cvxportfolio", "volplugin, Sigma in the optimiser"): cvx_optimised(forecast_sigma),
    ("cvxportfolio", "its default covariance in the optimiser"): cvx_optimised(lambda panel, model: ()),
    ("ml4t-backtest", "volplugin, the rule"): ml4t_ours,
}


def measure(returns: pd.Series, leverage: pd.Series) -> tuple[float, float, float]:
    """Return volatility, percent a year; mean distance over 63 sessions, points; and largest leverage."""
    earning = returns.iloc[FIRST:]
    quarters = annualize(earning.rolling(WINDOW).std().dropna())
    return 100 * annualize(earning.std()), 100 * (quarters - TARGET).abs().mean(), leverage.max()


@click.command()
@click.option("--start", default="2010-01-04", show_default=True)
@click.option("--end", default="2021-04-20", show_default=True)
@click.option("--store", default="pretrained", show_default=True, help="Folder of trained models.")
@click.option("--only", default="", help="Comma-separated engines; all if empty.")
def main(start: str, end: str, store: str, only: str) -> None:
    """Run every engine monthly and daily, and print the table."""
    panel = read_bundle(BUNDLE)
    print(f"{describe_machine()}\n\n{start} to {end}, {TARGET:.0%} a year, equal weights, our leverage to {CAP:g}\n")
    print("| calendar | engine | way | realised | 63 sessions | leverage | seconds |\n|---|---|---|---|---|---|---|")
    for frequency in ("monthly", "daily"):
        for (engine, way), run in RUNS.items():
            if not only or engine in only.split(","):
                began = time.process_time()
                measured = measure(*run(panel, default_risk_model(store), frequency, start, end))
                figures = [f"{figure:.2f}" for figure in measured] + [f"{time.process_time() - began:.0f}"]
                print(f"| {' | '.join([frequency, engine, way, *figures])} |", flush=True)


if __name__ == "__main__":
    main()
