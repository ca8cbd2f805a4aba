"""Cost of a forecast covariance per session of a backtest: this package and other libraries.

    python benchmarks/bench_latency.py [--peer NAME]

On simulated prices of stocks that trade throughout, because some libraries accept no other. Forecasts are made at
consecutive sessions, as in a backtest with daily rebalances; times are milliseconds of the processor, one thread, the
median over sessions, and the ratio is to ours of the same run. The first forecast, which includes the whole history
(ours: the volatilities of all sessions of the vintage), is in a column of its own, without training or loading of
libraries. Returns, and our panel's variances, are computed beforehand, as they are in a backtest. Peers that are not
installed are left out, and named (benchmarks/requirements.txt and the extra `skfolio`; in .venv-peers they are there).
GJR-GARCH of arch is filtered anew by its own model at each session, its parameters standing.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

import click
import numpy as np
import pandas as pd
from machine import describe_machine
from peers import PEERS, PERCENT

from volplugin import LSTMVolatility, PricePanel, RiskModel
from volplugin.data.simulated import simulated_panel
from volplugin.risk.defaults import default_correlation

BEGIN, END, TRAINED = "2008-01-02", "2016-12-30", "2015-12-31"
ASKED = 21
HORIZON = 21
GOALS = {30: (500.0, 0.7), 500: (4000.0, None)}
"""Milliseconds of the first forecast of a backtest and of a session after it, by number of stocks."""
FEW = ("EWMA94", "Ledoit-Wolf", "EWCovariance", "RegimeAdjustedEW", "IEWMA 21/63")
"""Prefixes of the names of peers run on hundreds of stocks; the others take minutes."""

GJR = "variances of GJR-t (arch)"
REFERENCE = "RegimeAdjustedEW 21/63 (skfolio)"
"""Peer that the goal for a session is stated beside."""

Times = tuple[float, float]
"""First forecast and median of the others, in milliseconds."""


def complete_panel(stocks: int) -> PricePanel:
    """Return simulated stocks that trade from the first session to the last."""
    panel = simulated_panel(2 * stocks + 20, BEGIN, END)
    whole = panel.close.notna().all()
    names = list(panel.assets[whole])[:stocks]
    return PricePanel(**{field: getattr(panel, field)[names] for field in ("open", "high", "low", "close", "volume")})


def clocked(steps: Iterator[object]) -> Times:
    """Milliseconds to the first step, and the median of those after it."""
    took, began = [], time.process_time()
    for _ in steps:
        took.append(1e3 * (time.process_time() - began))
        began = time.process_time()
    return took[0], statistics.median(took[1:])


def ours(model: RiskModel, cuts: list[PricePanel]) -> dict[str, Times]:
    """Time a session of a backtest, whose first one computes the volatilities of all; then a forecast made alone."""
    ahead = model.backtest_forecaster()

    def sessions() -> Iterator[object]:
        for cut in cuts:
            ahead.precompute_vintage(cuts[-1], cut.last_session, HORIZON)
            yield ahead.forecast(cut, HORIZON)

    whole = clocked(sessions())
    return {"whole": whole, "alone": clocked(model.forecast(cut, HORIZON) for cut in cuts[:1] * 2)}


def arch_steps(returns: pd.DataFrame, origins: pd.DatetimeIndex) -> Iterator[np.ndarray]:
    """Yield variances by GJR-GARCH-t of arch, stock by stock; the first step estimates the parameters."""
    from arch import arch_model

    settings = {"mean": "Zero", "vol": "GARCH", "p": 1, "o": 1, "q": 1, "dist": "t", "rescale": False}
    models = {name: PERCENT * returns[name].dropna() for name in returns}
    fits = {name: arch_model(r[: origins[0]], **settings).fit(disp="off").params for name, r in models.items()}
    for origin in origins:
        ahead = [
            arch_model(models[n][:origin], **settings).fix(fit).forecast(horizon=HORIZON) for n, fit in fits.items()
        ]
        yield np.array([forecast.variance.to_numpy()[-1].mean() for forecast in ahead])


def peers(
    stocks: int, returns: pd.DataFrame, origins: pd.DatetimeIndex, chosen: tuple[str, ...]
) -> dict[str, Callable[[], Iterator[object]]]:
    """Return the installed peers whose names begin with one of the chosen ones, as generators over the origins."""
    found: dict[str, Callable[[], Iterator[object]]] = {}
    for name, peer in PEERS.items():
        if peer.by_horizon or not name.startswith(chosen) or (stocks > 100 and not name.startswith(FEW)):
            continue
        if find_spec(peer.module) is None:
            print(f"  not installed: {name}")
            continue
        found[name] = lambda peer=peer: peer.forecasts(returns, origins, HORIZON)
    if stocks <= 100 and GJR.startswith(chosen):
        found[GJR] = lambda: arch_steps(returns, origins)
    return found


def print_table(stocks: int, chosen: tuple[str, ...]) -> None:
    """Measure, and print a row per forecaster."""
    panel = complete_panel(stocks)
    model = RiskModel(LSTMVolatility(steps=5).fit(panel.asof(TRAINED)), default_correlation())
    origins = panel.sessions[-ASKED:]
    assert panel.returns.shape == panel.variance.shape == panel.overnight.shape  # derived here, for the cuts
    cuts = [panel.asof(session) for session in origins]
    simple = panel.close.pct_change(fill_method=None).iloc[1:]
    print(
        f"\n{len(panel.assets)} stocks, {len(panel.sessions)} sessions, {ASKED - 1} sessions in a row after the first"
    )
    print(f"  {'':<42}{'first':>10}{'session':>11}{'ratio':>9}")
    mine = ours(model, cuts)
    base = mine["whole"][1]
    rows = {"volplugin: update and covariance": mine["whole"]}
    rows |= {name: clocked(walk_forward()) for name, walk_forward in peers(stocks, simple, origins, chosen).items()}
    for name, (first, session) in rows.items():
        print(f"  {name:<42}{first:7.0f} ms{session:8.2f} ms{session / base:9.2f}")
    first, session = GOALS.get(stocks, (None, None))
    for part, took, goal in (("first forecast", mine["whole"][0], first), ("a session", mine["whole"][1], session)):
        print(f"  ours, {part}: {took:.2f} ms" + ("" if goal is None else f" (goal: at most {goal:g} ms)"))
    if REFERENCE in rows:
        print(f"  ours, a session: {base / rows[REFERENCE][1]:.2f} of {REFERENCE} in the same run")
    print(f"  ours, a forecast made alone: {mine['alone'][1]:.0f} ms")


def print_with_listings(stocks: int) -> None:
    """Measure on stocks that are listed and delisted, and print whether Sigma is in order."""
    panel = simulated_panel(stocks, BEGIN, END)
    model = RiskModel(LSTMVolatility(steps=5).fit(panel.asof(TRAINED)), default_correlation())
    assert panel.returns.shape == panel.variance.shape == panel.overnight.shape
    mine = ours(model, [panel.asof(session) for session in panel.sessions[-6:]])
    forecast = model.forecast(panel)
    metadata, smallest = forecast.diagnostics, float(np.linalg.eigvalsh(forecast.correlation)[0])
    print(
        f"\n{stocks} simulated stocks, listed and delisted: {len(forecast.assets)} with a forecast at the end, "
        f"{len(metadata['excluded'])} without, {len(metadata['short_history'])} of short history\n"
        f"  condition number {metadata['condition_number']:.0f}, smallest eigenvalue {smallest:.1e}, "
        f"largest change by repair {metadata['psd_repair']:.1e}\n"
        f"  a session {mine['whole'][1]:.1f} ms (goal: at most 150 ms), first {mine['whole'][0]:.0f} ms"
    )


@click.command()
@click.option("--stocks", default="30,500", show_default=True, help="Numbers of stocks.")
@click.option(
    "--listed",
    default=300,
    show_default=True,
    help="Stocks of the market with listings and delistings; 0 to leave it out.",
)
@click.option("--peer", default=("",), multiple=True, help="Beginning of the name of a peer to run; all by default.")
def main(stocks: str, listed: int, peer: tuple[str, ...]) -> None:
    """Print the figures."""
    print(describe_machine())
    for number in filter(None, stocks.split(",")):
        print_table(int(number), peer)
    if listed:
        print_with_listings(listed)


if __name__ == "__main__":
    main()
