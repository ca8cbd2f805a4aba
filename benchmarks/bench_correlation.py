"""Correlation estimators under the same volatility forecasts, out of sample, session by session.

    python benchmarks/bench_correlation.py --start 2004-01-02 --end 2009-12-31

Volatilities come from a pooled HAR with market terms on yearly vintages. Each estimator is applied at every session
to the data known then. Columns: Gaussian log-likelihood of the next session's returns per asset-day; realised annual
volatility of the minimum-variance portfolio, rebalanced daily; QLIKE of the equal-weight variance over 1, 5 and 21
sessions, and its bias over 21, the root of the mean of realised over predicted; mean absolute distance of the
63-session volatility from 10% when that portfolio is scaled to 10% at each close; milliseconds per estimate, and
the same for 300 assets. Volatilities are in percent a year. The bundle's universe was chosen with hindsight.
"""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import click
import numpy as np
import pandas as pd
from sklearn.covariance import OAS

sys.path.insert(0, str(Path(__file__).parent))

from machine import describe_machine

from volplugin import EWMACorrelation, HARVolatility, PricePanel, RollingCorrelation, WalkForward, read_bundle
from volplugin.correlation import (
    CorrelationEstimator,
    DCCCorrelation,
    EstimatorCorrelation,
    FactorCorrelation,
    LedoitWolfCorrelation,
    NonlinearShrinkageCorrelation,
    TwoSpeedCorrelation,
)
from volplugin.risk.covariance_path import MAX_STANDARDIZED_RETURN

HORIZONS = (1, 5, 21)
AHEAD, YEAR, TARGET, QUARTER = 21, 252, 0.10, 63

ESTIMATORS: dict[str, tuple[CorrelationEstimator, tuple[str, ...]]] = {
    "rolling 252": (RollingCorrelation(252), ("risk",)),
    "EWMA 63": (EWMACorrelation(63), ("risk",)),
    "EWMA 252, 20% constant": (EWMACorrelation(252, 0.2), ("risk",)),
    "EWMA 126, 40% constant": (EWMACorrelation(126, 0.4), ("risk",)),
    "Ledoit-Wolf 504": (LedoitWolfCorrelation(504), ("risk",)),
    "Ledoit-Wolf 756, half-life 126": (LedoitWolfCorrelation(756, 126), ("risk",)),
    "nonlinear 504": (NonlinearShrinkageCorrelation(504), ("risk",)),
    "nonlinear 1512, half-life 252": (NonlinearShrinkageCorrelation(1512, 252), ("risk",)),
    "nonlinear 756, half-life 126": (NonlinearShrinkageCorrelation(756, 126), ("risk",)),
    "factors 504": (FactorCorrelation(504), ("risk",)),
    "factors 756, half-life 126": (FactorCorrelation(756, 126), ("risk",)),
    "scikit-learn OAS 504": (EstimatorCorrelation(OAS(assume_centered=True), 504), ("risk",)),
    "DCC 1008": (DCCCorrelation(), ("risk",)),
    "DCC 1008, a and b chosen": (DCCCorrelation(a=None, b=None), ("risk",)),
    "DCC of nonlinear 756": (DCCCorrelation(NonlinearShrinkageCorrelation(756, 126), 0.005, 0.95), ("risk",)),
    "two-speed 10": (TwoSpeedCorrelation(), ("risk", "structure")),
    **{
        f"two-speed 7, trust 0.5, targeting {halflife}": (
            TwoSpeedCorrelation(fast_halflife=7, trust=0.5, targeting_halflife=halflife),
            ("targeting",),
        )
        for halflife in (3, 4, 5, 7)
    },
    "two-speed 21": (TwoSpeedCorrelation(fast_halflife=21), ("risk",)),
    **{
        f"two-speed {halflife}, trust {trust}": (TwoSpeedCorrelation(fast_halflife=halflife, trust=trust), ("risk",))
        for halflife in (5, 7, 10, 21)
        for trust in (0.3, 0.5, 0.7)
    },
    "two-speed 10 of nonlinear 756": (
        TwoSpeedCorrelation(NonlinearShrinkageCorrelation(756, 126)),
        ("risk", "structure"),
    ),
}


class Origin(NamedTuple):
    """Inputs of an estimator at one session, and the next returns."""

    z: pd.DataFrame
    sigma: dict[int, np.ndarray]
    later: np.ndarray
    """Returns of the sessions after, of shape (AHEAD, n_assets)."""


def origins(panel: PricePanel, start: str, end: str) -> Iterator[Origin]:
    """Yield every session between two dates, with returns standardised by the vintage in use."""
    walk_forward = WalkForward(HARVolatility("market")).train(panel, start, end, progress=False)
    returns = panel.returns.to_numpy()
    last = panel.sessions[-AHEAD - 1]
    for model, span in walk_forward.iter_vintages(panel, start, end):
        known = panel.asof(span[-1])
        sigma = model.predict_in_sample(known, known.sessions[0], span[-1], HORIZONS)
        z = (known.returns / sigma[1].shift(1)).clip(-MAX_STANDARDIZED_RETURN, MAX_STANDARDIZED_RETURN)
        for session in span[span <= last]:
            row = panel.sessions.get_loc(session)
            there = np.isfinite(sigma[AHEAD].iloc[row].to_numpy())
            ahead = {days: path.iloc[row].to_numpy()[there] for days, path in sigma.items()}
            yield Origin(z.iloc[: row + 1].loc[:, there], ahead, returns[row + 1 : row + 1 + AHEAD, there])


def scores(estimator: CorrelationEstimator, view: str, inputs: list[Origin]) -> dict[str, float]:
    """Return one row of the table."""
    loglik, gmv, predicted, realised, portfolio = ([] for _ in range(5))
    seconds = 0.0
    for z, sigma, later in inputs:
        began = time.perf_counter()
        rho = estimator.estimate(z, view).to_numpy()
        seconds += time.perf_counter() - began
        covariance = rho * np.outer(sigma[AHEAD], sigma[AHEAD])
        loglik.append(log_likelihood(rho * np.outer(sigma[1], sigma[1]), later[0]))
        hedge = np.linalg.solve(covariance, np.ones(len(rho)))
        gmv.append(np.nansum(later[0] * hedge) / hedge.sum())
        traded = np.isfinite(later).all(axis=0)
        weights = traded / traded.sum()
        path = later[:, traded].mean(axis=1)
        exposures = [weights * sigma[days] for days in HORIZONS]
        predicted.append([exposure @ rho @ exposure for exposure in exposures])
        realised.append([np.mean(path[:days] ** 2) for days in HORIZONS])
        portfolio.append(path[0])
    # The floor of the evaluation: a session without a move would have an infinite loss.
    ratio = np.maximum(realised, 1e-7) / np.array(predicted)
    scaled = pd.Series(np.array(portfolio) * TARGET / np.sqrt(YEAR * np.array(predicted)[:, -1]))
    distance = (scaled.rolling(QUARTER).std() * np.sqrt(YEAR) - TARGET).abs().mean()
    totals = np.sum(loglik, axis=0)
    return {
        "loglik": totals[0] / totals[1],
        "GMV vol": 100 * np.std(gmv) * np.sqrt(YEAR),
        **dict(zip((f"EW QLIKE {days}" for days in HORIZONS), np.mean(ratio - np.log(ratio) - 1, axis=0), strict=True)),
        "EW bias": np.sqrt(ratio[:, -1].mean()),
        "MAE63": 100 * distance,
        "ms": 1e3 * seconds / len(inputs),
    }


def log_likelihood(covariance: np.ndarray, returns: np.ndarray) -> tuple[float, int]:
    """Gaussian log-likelihood of the returns that are there, and their number."""
    there = np.isfinite(returns)
    factor = np.linalg.cholesky(covariance[np.ix_(there, there)])
    shocks = np.linalg.solve(factor, returns[there])
    total = -0.5 * (shocks @ shocks + there.sum() * np.log(2 * np.pi)) - np.log(np.diagonal(factor)).sum()
    return float(total), int(there.sum())


def milliseconds(work: Callable[[], object], rounds: int = 5) -> float:
    """Median time over a few rounds, after one to warm up."""
    work()
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return 1e3 * float(np.median(times))


def many_assets(n_sessions: int = 1512, n_assets: int = 300) -> pd.DataFrame:
    """Simulate standardised returns with a common factor."""
    random = np.random.default_rng(0)
    return pd.DataFrame(
        0.6 * random.standard_normal((n_sessions, 1)) + 0.8 * random.standard_normal((n_sessions, n_assets))
    )


@click.command()
@click.option("--start", default="2004-01-02", show_default=True)
@click.option("--end", default="2009-12-31", show_default=True)
@click.option("--bundle", default="dow30", show_default=True, help="Ingested bundle of daily prices.")
@click.option("--only", default="", help="Comma-separated parts of estimators' names; all if empty.")
def main(start: str, end: str, bundle: str, only: str) -> None:
    """Print one row per estimator and view."""
    print(describe_machine())
    inputs, wide = list(origins(read_bundle(bundle), start, end)), many_assets()
    print(f"{bundle}, {len(inputs)} sessions from {start} to {end}")
    rows = {}
    parts = [part for part in only.split(",") if part]
    wanted = {name: row for name, row in ESTIMATORS.items() if not parts or any(part in name for part in parts)}
    for name, (estimator, views) in wanted.items():
        for view in views:
            row = scores(estimator, view, inputs)
            row["ms (300)"] = milliseconds(lambda e=estimator, v=view: e.estimate(wide, v))
            rows[name, view] = row
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis(["estimator", "view"])
    decimals = {"loglik": "{:.4f}", "EW bias": "{:.3f}", "GMV vol": "{:.2f}", "MAE63": "{:.2f}"}
    decimals |= {f"EW QLIKE {days}": "{:.4f}" for days in HORIZONS}
    print(table.to_string(formatters={name: decimals.get(name, "{:.1f}").format for name in table}))


if __name__ == "__main__":
    main()
