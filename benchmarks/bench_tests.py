"""Size and power of the evaluation's tests, measured on simulated returns whose right forecasts are known.

    python benchmarks/bench_tests.py
    python benchmarks/bench_tests.py --simulations 200 --sessions 1000

Seeds are 0, 1, 2 and so on. Prints Markdown tables: in percent of the simulations, how often each test rejects at 5%
(the model confidence set: how often the 90% set lacks one of three equal models; bands: how often a right statistic
is outside), by the functions of `volplugin.evaluation` and, as "before", by the formulas that they replaced: Bartlett
variances with normal critical values, chi-square bands of Gaussian returns, asymptotic tail tests, and the bootstrap
of arch with blocks of the HAC lags.
"""

import math
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

import click
import numpy as np
import pandas as pd
from machine import describe_machine
from scipy import stats

from volplugin.evaluation import (
    acerbi_szekely,
    bias_statistic,
    coverage,
    diebold_mariano,
    dynamic_quantile,
    fissler_ziegel,
    fit_dof,
    level_test,
    mincer_zarnowitz,
    model_confidence_set,
    mrad,
    qlike,
)
from volplugin.evaluation.bands import Band, mrad_and_q_bands
from volplugin.evaluation.simulation import (
    SimulatedForecasts,
    persistent_errors,
    simulate_garch_t,
    simulate_stochastic_volatility,
)
from volplugin.risk.tail_risk import loss_quantile, loss_shortfall

WORLDS: dict[str, tuple[Callable[..., SimulatedForecasts], str]] = {
    "GARCH-t(6)": (simulate_garch_t, "student"),
    "stochastic volatility": (simulate_stochastic_volatility, "gaussian"),
}
HORIZONS = (1, 5, 21)
PERSISTENCE = (0.0, 0.98)
TOO_HIGH = 1.1
"""Factor of the biased volatility forecast."""
OLD_SETS = 200
"""Simulations of the former confidence set, which is slow."""
CHUNK = 100
"""Simulations in memory at once."""

Outcomes = Iterator[tuple[tuple[str, ...], bool, bool]]
"""Test, horizon and case; whether it rejects now, and whether the former version did."""


def old_mean_test(values: np.ndarray, horizon: int) -> bool:
    """Bartlett variance with normal critical values."""
    n = len(values)
    lags = max(2 * horizon, math.ceil(4 * (n / 100) ** (2 / 9)))
    gap = values - values.mean()
    variance = gap @ gap / n
    for lag in range(1, lags + 1):
        variance += 2 * (1 - lag / (lags + 1)) * (gap[lag:] @ gap[:-lag]) / n
    return bool(2 * stats.norm.sf(abs(values.mean()) / np.sqrt(variance / n)) < 0.05)


def old_mincer_zarnowitz(outcome: np.ndarray, variance: np.ndarray, horizon: int) -> bool:
    """Wald test of the weighted regression with Bartlett errors."""
    ratio, inverse = outcome / variance, variance.mean() / variance
    n, lags = len(ratio), max(2 * horizon, math.ceil(4 * (len(ratio) / 100) ** (2 / 9)))
    design = np.column_stack([inverse, np.ones(n)])
    beta = np.linalg.lstsq(design, ratio)[0]
    moments = design * (ratio - design @ beta)[:, None]
    meat = moments.T @ moments
    for lag in range(1, lags + 1):
        product = moments[lag:].T @ moments[:-lag]
        meat += (1 - lag / (lags + 1)) * (product + product.T)
    bread = np.linalg.inv(design.T @ design)
    gap = beta - [0, 1]
    return bool(stats.chi2.sf(gap @ np.linalg.solve(bread @ meat @ bread, gap), 2) < 0.05)


def old_band(z: np.ndarray) -> bool:
    """Whether the standard deviation is outside its chi-square band."""
    n = len(z)
    lower, upper = np.sqrt(stats.chi2.ppf([0.025, 0.975], n - 1) / (n - 1))
    return not lower <= z.std(ddof=1) <= upper


@lru_cache(maxsize=256)
def month_bands(sessions: int, percent: int) -> tuple[Band, Band]:
    """Bands of MRAD and Q, shared by series with about the same tails; no floor of squared returns."""
    return mrad_and_q_bands(np.full(sessions, 1e3), 100 / max(percent, 0.5))


def daily_statistics(z: np.ndarray) -> Outcomes:
    """Bands of right one-session forecasts, and of forecasts that are a tenth too high."""
    dof = fit_dof(z)
    for case, scaled in (("right", z), ("10% too high", z / TOO_HIGH)):
        for name, part in (("bias", scaled), ("bias, one year", scaled[:252]), ("bias, 63 sessions", scaled[:63])):
            yield (name, "1", case), not bias_statistic(part, dof=dof).within, old_band(part)
        bands = month_bands(len(z), round(100 / dof))
        found = mrad(pd.Series(scaled)), float((scaled**2 - np.log(scaled**2)).mean())
        for name, value, band in zip(("MRAD", "Q"), found, bands, strict=True):
            yield (name, "1", case), not band.lower <= value <= band.upper, False


def level_statistics(outcome: np.ndarray, variance: np.ndarray, horizon: int) -> Outcomes:
    """Level test (the band of the bias of several sessions) and Mincer-Zarnowitz regression."""
    for case, forecast in (("right", variance), ("10% too high", variance * TOO_HIGH**2)):
        ratio = outcome / forecast
        level = level_test(pd.Series(ratio), horizon)
        outside = not level.lower <= np.sqrt(level.ratio) <= level.upper
        yield ("level and bias band", f"{horizon}", case), outside, old_mean_test(ratio - 1, horizon)
        found = mincer_zarnowitz(pd.Series(outcome), pd.Series(forecast), horizon)
        yield (
            ("Mincer-Zarnowitz", f"{horizon}", case),
            found.pvalue < 0.05,
            old_mincer_zarnowitz(outcome, forecast, horizon),
        )


def loss_statistics(losses: dict[str, np.ndarray], horizon: int, case: str, seed: int, old_set: bool) -> Outcomes:
    """Diebold-Mariano of two equal models, and the confidence set of three."""
    frame = pd.DataFrame(losses)
    first, second = frame.iloc[:, 0], frame.iloc[:, 1]
    now = diebold_mariano(first, second, horizon).pvalue < 0.05
    yield ("Diebold-Mariano", f"{horizon}", case), now, old_mean_test((first - second).to_numpy(), horizon)
    if frame.shape[1] > 2:
        kept = model_confidence_set(frame, horizon, reps=500, seed=seed).min() >= 0.10
        yield (
            ("model confidence set (90%)", f"{horizon}", case),
            not kept,
            old_set and not _old_set(frame, horizon, seed),
        )


def _old_set(losses: pd.DataFrame, horizon: int, seed: int) -> bool:
    from arch.bootstrap import MCS

    block = max(2 * horizon, math.ceil(4 * (len(losses) / 100) ** (2 / 9)))
    found = MCS(losses, size=0.1, reps=200, block_size=block, method="R", seed=seed)
    found.compute()
    return bool(found.pvalues["Pvalue"].min() >= 0.10)


def tail_statistics(returns: np.ndarray, sigma: np.ndarray, law: str, errors: np.ndarray) -> Outcomes:
    """Backtests of right limits, of limits a tenth too close, and the loss of two equally good pairs."""
    r = pd.Series(returns)
    for level in (0.01, 0.025, 0.05):
        quantile, shortfall = -loss_quantile(1 - level, law), -loss_shortfall(1 - level, law)
        name = f"at {level:.1%}"
        for case, scale in (("right", 1.0), ("10% too low", 1 / TOO_HIGH)):
            limit, tail = pd.Series(scale * quantile * sigma), pd.Series(scale * shortfall * sigma)
            found = coverage(r < limit, level)
            chi2 = [stats.chi2.sf(s, d) for s, d in ((found.kupiec_statistic, 1), (found.christoffersen_statistic, 2))]
            yield (f"Kupiec {name}", "1", case), found.kupiec_pvalue < 0.05, chi2[0] < 0.05
            yield (f"Christoffersen {name}", "1", case), found.christoffersen_pvalue < 0.05, chi2[1] < 0.05
            if case == "right":
                engle = dynamic_quantile(r, limit, level, reps=199)
                asymptotic = stats.chi2.sf(engle.statistic, 6) < 0.05
                yield (f"dynamic quantile {name}", "1", case), engle.pvalue < 0.05, asymptotic
            acerbi = acerbi_szekely(r, limit, tail, level, reps=500)
            yield (f"Acerbi-Szekely {name}", "1", case), acerbi.pvalue < 0.05, False
        pairs = [sigma * np.exp(error / 2) for error in errors[:2]]
        losses = [fissler_ziegel(r, pd.Series(quantile * s), pd.Series(shortfall * s), level) for s in pairs]
        yield (
            (f"Fissler-Ziegel, Diebold-Mariano {name}", "1", "equal"),
            diebold_mariano(*losses, 1).pvalue < 0.05,
            old_mean_test((losses[0] - losses[1]).to_numpy(), 1),
        )


def ewma94(returns: np.ndarray) -> np.ndarray:
    """EWMA variance with a decay of 0.94, for the session of each column."""
    variance = np.empty_like(returns)
    current = (returns[:, :20] ** 2).mean(axis=1)
    for t in range(returns.shape[1]):
        variance[:, t] = current
        current = 0.94 * current + 0.06 * returns[:, t] ** 2
    return variance


def simulated(world: str, seeds: list[int], sessions: int, only: str) -> Outcomes:
    """Outcomes of every test on some seeds of one law of returns."""
    simulate, law = WORLDS[world]
    for horizon in HORIZONS:
        sample = simulate(seeds, sessions, horizon)
        errors = {p: persistent_errors(seeds, sessions, 3, persistence=p) for p in PERSISTENCE}
        for row, seed in enumerate(seeds):
            variance, outcome = sample.variance[row], sample.outcome[row]
            if horizon == 1 and wanted(only, "bands"):
                yield from daily_statistics(sample.returns[row] / np.sqrt(variance))
            if wanted(only, "level"):
                yield from level_statistics(outcome, variance, horizon)
            if wanted(only, "losses"):
                for p, error in errors.items():
                    losses = {f"{m}": qlike(outcome, variance * np.exp(error[m, row])) for m in range(3)}
                    case = f"equal, gaps {'independent' if p == 0 else 'persistent'}"
                    yield from loss_statistics(losses, horizon, case, seed, old_set=seed < OLD_SETS)
            if horizon == 1 and wanted(only, "tails"):
                yield from tail_statistics(sample.returns[row], np.sqrt(variance), law, errors[0.98][:, row])
        if horizon == 1 and wanted(only, "losses"):
            for row, rival in enumerate(ewma94(sample.returns)):
                losses = {
                    "right": qlike(sample.outcome[row], sample.variance[row]),
                    "EWMA94": qlike(sample.outcome[row], rival),
                }
                yield from loss_statistics(losses, 1, "right against EWMA94", seeds[row], old_set=False)


def _order(item: tuple[tuple[str, ...], np.ndarray]) -> tuple[str, int, str]:
    test, horizon, case = item[0]
    return test, int(horizon), case


def wanted(only: str, part: str) -> bool:
    """Whether a part of the tests is to be run."""
    return not only or part in only.split(",")


@click.command()
@click.option("--simulations", default=2000, show_default=True)
@click.option("--sessions", default=2500, show_default=True, help="Origins per simulation; ten years are 2,500.")
@click.option("--only", default="", help="Comma-separated parts: bands, level, losses, tails; all if empty.")
def main(simulations: int, sessions: int, only: str) -> None:
    """Simulate, test and print."""
    print(
        f"{describe_machine()}\n\n{simulations:,} simulations of {sessions:,} origins, seeds 0 to {simulations - 1}\n"
    )
    for world in WORLDS:
        began, counts = time.process_time(), defaultdict(lambda: np.zeros(3))
        for begin in range(0, simulations, CHUNK):
            for key, now, before in simulated(
                world, list(range(begin, min(begin + CHUNK, simulations))), sessions, only
            ):
                counts[key] += [1, now, before]
        head = "| test | sessions ahead | forecasts | now | before |\n|---|---|---|---|---|"
        print(f"{world}: rejections at 5%, percent\n\n{head}")
        for (test, horizon, case), (number, now, before) in sorted(counts.items(), key=_order):
            scale = 100 / number
            # The former confidence set is slow: the first simulations only.
            old = before * (100 / min(number, OLD_SETS) if test.startswith("model") else scale)
            print(f"| {test} | {horizon} | {case} | {now * scale:.1f} | {old:.1f} |")
        print(f"\n{time.process_time() - began:.0f} processor seconds\n", flush=True)


if __name__ == "__main__":
    main()
