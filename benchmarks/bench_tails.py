"""Value at risk and expected shortfall of one-session forecasts, Dow 30, by the law of the standardised return.

    python benchmarks/bench_tails.py

Needs the bundle dow30 (`volplugin ingest dow30`). One-session forecasts of the default risk model at every session, for
the equal-weight portfolio and 20 random long-only and 20 random dollar-neutral ones. Prints a Markdown table: how often
losses exceed the value at risk, the mean loss of these sessions over the expected shortfall, and p-values; of random
portfolios the mean, the range, and the share that Kupiec's test rejects at 5%.
"""

import os
import sys
from functools import lru_cache
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

import click
import numpy as np
import pandas as pd
from machine import describe_machine

from volplugin import PricePanel, default_risk_model, read_bundle
from volplugin.evaluation import acerbi_szekely, coverage, expected_shortfall, value_at_risk
from volplugin.evaluation.tail_limits import HISTORY_START, SimulatedTails, simulate_tails
from volplugin.risk.tail_risk import STUDENT_DOF

GROUPS = {"equal weight": slice(0, 1), "random long-only": slice(1, 21), "random long-short": slice(21, 41)}
METHODS = ("gaussian", "student", "historical")


def portfolios(assets: int) -> np.ndarray:
    """Weights of all portfolios, of shape (41, assets): equal, long-only, and normal ones to be made dollar-neutral."""
    random = np.random.default_rng(0)
    long_only = random.dirichlet(np.ones(assets), 20)
    return np.vstack([np.ones((1, assets)) / assets, long_only, random.standard_normal((20, assets))])


def held(weights: np.ndarray, here: np.ndarray) -> np.ndarray:
    """Weights in the assets with a forecast, dollar-neutral from the 22nd portfolio on, gross exposure one."""
    cut = weights[:, here]
    cut[21:] -= cut[21:].mean(axis=1, keepdims=True)
    return np.asarray(cut / np.abs(cut).sum(axis=1, keepdims=True))


def forecasts(panel: PricePanel, start: str, end: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Daily volatility forecast for each session and the return of it, sessions x portfolios."""
    origins = panel.sessions[panel.sessions.slice_indexer(start, end)][:-1]
    simple, weights = np.expm1(panel.returns.to_numpy()), portfolios(len(panel.assets))
    sigma, returns = [], []
    for forecast in default_risk_model().forecast_path(panel, origins, 1):
        here = panel.assets.get_indexer(forecast.assets)
        own = held(weights, here)
        sigma.append(np.sqrt(np.einsum("pi,ij,pj->p", own, forecast.covariance.to_numpy(), own)))
        returns.append(own @ simple[panel.sessions.get_loc(forecast.asof) + 1, here])
    sessions = panel.sessions[panel.sessions.get_indexer(origins) + 1]
    return pd.DataFrame(sigma, sessions), pd.DataFrame(returns, sessions)


@lru_cache
def simulated(sessions: int, first: int, level: float) -> SimulatedTails:
    """Right exceedances of historical limits from a position on."""
    return simulate_tails(np.ones(sessions), (level,), STUDENT_DOF, minimum=HISTORY_START)[level].since(first)


def row(sigma: pd.DataFrame, returns: pd.DataFrame, level: float, method: str, start: str) -> list[str]:
    """Cells of one group of portfolios: exceedances, shortfall ratio and p-values."""
    rates, ratios, pvalues = [], [], []
    right = simulated(len(sigma), int(sigma.index.searchsorted(start)), level) if method == "historical" else None
    for portfolio in sigma:
        r, s = returns[portfolio], sigma[portfolio]
        limit = value_at_risk(r, s, level, method)[start:].dropna()
        shortfall = expected_shortfall(r, s, level, method)[limit.index]
        counted = coverage(r[limit.index] < limit, level, None if right is None else right.exceeded)
        tested = acerbi_szekely(r[limit.index], limit, shortfall, level, simulated=right)
        rates.append(counted.exceedances / counted.sessions)
        ratios.append(tested.ratio)
        pvalues.append((counted.kupiec_pvalue, counted.christoffersen_pvalue, tested.pvalue))
    if len(rates) == 1:
        return [f"{rates[0]:.2%}", f"{ratios[0]:.3f}", *(f"{pvalue:.3f}" for pvalue in pvalues[0])]
    rejected = np.mean([kupiec < 0.05 for kupiec, _, _ in pvalues])
    return [
        f"{np.mean(rates):.2%} ({min(rates):.2%} to {max(rates):.2%})",
        f"{np.mean(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})",
        f"{rejected:.0%} reject", "", "",
    ]  # fmt: skip


@click.command()
@click.option("--start", default="2010-01-04", show_default=True, help="First session that is counted.")
@click.option("--history", default="2008-01-02", show_default=True, help="First origin; earlier returns are history.")
@click.option("--end", default="2021-03-16", show_default=True)
def main(start: str, history: str, end: str) -> None:
    """Forecast, count and print."""
    sigma, returns = forecasts(read_bundle("dow30"), history, end)
    print(f"{describe_machine()}\n\nSessions {start} to {sigma.index[-1].date()}, {len(sigma[start:]):,} of them\n")
    heads = [
        "tail",
        "law",
        "portfolios",
        "exceeded",
        "shortfall ratio",
        "Kupiec p",
        "Christoffersen p",
        "Acerbi-Szekely p",
    ]
    print(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    for level in (0.01, 0.05):
        for method in METHODS:
            for name, chosen in GROUPS.items():
                cells = row(sigma.iloc[:, chosen], returns.iloc[:, chosen], level, method, start)
                print(f"| {' | '.join([f'{level:.0%}', method, name, *cells])} |")


if __name__ == "__main__":
    main()
