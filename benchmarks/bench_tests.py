"""Size and power of the evaluation's tests, measured on simulated returns whose right forecasts are known.

    python benchmarks/bench_tests.py
    python benchmarks/bench_tests.py --simulations 200 --sessions 1000
    python benchmarks/bench_tests.py --sizes volplugin/evaluation/measured_sizes.json

Seeds are 0, 1, 2 and so on. Prints a Markdown table of sizes and one of power: in percent of the simulations of each
law of returns, how often each test rejects at 5% (bands: how often the statistic is outside; the model confidence set:
how often the 90% set lacks one of three equal models) and, as "before", how often the version that it replaced did:
Bartlett variances with normal critical values, chi-square bands of Gaussian returns, asymptotic tail tests, and the
bootstrap of arch with blocks of the HAC lags (its first simulations only, as it is slow).
With `--sizes` the sizes outside 3.5% to 6.5% are stored where the package reads them.

Many simulations are computed at once, by the functions of `volplugin.evaluation` where they take arrays. The test of
this file compares the rest with the public functions, simulation by simulation.
"""

import json
import math
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

import click
import numpy as np
import pandas as pd
from known_forecasts import SimulatedForecasts, persistent_errors, simulate_garch_t, simulate_stochastic_volatility
from machine import describe_machine
from scipy import stats

from volplugin.evaluation import (
    acerbi_szekely,
    calibration_table,
    coverage,
    dynamic_quantile,
    fit_dof,
    mincer_zarnowitz,
    qlike,
    sampling_band,
)
from volplugin.evaluation.bands import mrad_and_q_bands, mrad_of_rows, shuffled_returns
from volplugin.evaluation.hypothesis_tests import score_statistics
from volplugin.evaluation.long_run import cosine_averages, smoothing_degrees
from volplugin.risk.tail_risk import loss_quantile, loss_shortfall

WORLDS: dict[str, tuple[Callable[..., SimulatedForecasts], str]] = {
    "GARCH-t(6)": (simulate_garch_t, "student"),
    "stochastic volatility": (simulate_stochastic_volatility, "gaussian"),
}
PARTS = ("bands", "distribution", "levels", "losses", "tails", "tables")
HORIZONS = (1, 5, 21)
PERSISTENCE = {"independent": 0.0, "persistent": 0.98}
TOO_HIGH = 1.1
"""Factor of the biased volatility forecast."""
OLD_SETS = 50
"""Simulations of the former confidence set, which is slow."""
CHUNK = 250
"""Simulations in memory at once."""
RIGHT = ("right", "equal")
"""Beginnings of the names of cases in which a rejection is an error."""

Rejections = Iterator[tuple[tuple[str, int, str], np.ndarray, np.ndarray | None]]
"""Test, sessions ahead and forecasts; rejections by simulation, now and by the former version."""


def mean_test(values: np.ndarray, horizon: int, logarithm: bool = False) -> np.ndarray:
    """P-values that the mean of each row is zero; with `logarithm`, that the mean is one."""
    degrees = smoothing_degrees(values.shape[1], horizon)
    error = np.sqrt((cosine_averages(values.T, degrees) ** 2).mean(axis=0) / values.shape[1])
    mean = values.mean(axis=1)
    return np.asarray(2 * stats.t.sf(np.abs(np.log(mean) * mean if logarithm else mean) / error, degrees))


def score_test(outcome: np.ndarray, variance: np.ndarray, horizon: int) -> np.ndarray:
    """P-values of the Mincer-Zarnowitz test of each row."""
    ratio, inverse = outcome / variance, variance.mean(axis=1, keepdims=True) / variance
    moments = np.stack([ratio - 1, (ratio - 1) * inverse], axis=2)
    pvalues = [stats.chi2.sf(score_statistics(moments[:, phase::horizon]), 2) for phase in range(horizon)]
    return np.asarray(pvalues[0] if horizon == 1 else np.minimum(1, 2 * np.median(pvalues, axis=0)))


def old_lags(horizon: int, sessions: int) -> int:
    """Bartlett lags of the former tests."""
    return max(2 * horizon, math.ceil(4 * (sessions / 100) ** (2 / 9)))


def old_mean_test(values: np.ndarray, horizon: int) -> np.ndarray:
    """P-values by Bartlett variances and the normal law."""
    n = values.shape[1]
    gap = values - values.mean(axis=1, keepdims=True)
    variance = np.einsum("rt,rt->r", gap, gap) / n
    lags = old_lags(horizon, n)
    for lag in range(1, lags + 1):
        variance += 2 * (1 - lag / (lags + 1)) * np.einsum("rt,rt->r", gap[:, lag:], gap[:, :-lag]) / n
    return np.asarray(2 * stats.norm.sf(np.abs(values.mean(axis=1)) / np.sqrt(variance / n)))


def old_mincer_zarnowitz(outcome: np.ndarray, variance: np.ndarray, horizon: int) -> np.ndarray:
    """P-values of the weighted regression with Bartlett errors."""
    ratio, inverse = outcome / variance, variance.mean(axis=1, keepdims=True) / variance
    design = np.stack([inverse, np.ones_like(inverse)], axis=2)
    bread = np.linalg.inv(design.transpose(0, 2, 1) @ design)
    beta = bread @ design.transpose(0, 2, 1) @ ratio[:, :, None]
    moments = design * (ratio[:, :, None] - design @ beta)
    lags = old_lags(horizon, ratio.shape[1])
    meat = moments.transpose(0, 2, 1) @ moments
    for lag in range(1, lags + 1):
        product = moments[:, lag:].transpose(0, 2, 1) @ moments[:, :-lag]
        meat += (1 - lag / (lags + 1)) * (product + product.transpose(0, 2, 1))
    gap = beta - np.array([[0.0], [1.0]])
    wald = gap.transpose(0, 2, 1) @ np.linalg.solve(bread @ meat @ bread, gap)
    return np.asarray(stats.chi2.sf(wald[:, 0, 0], 2))


def scorecard_tests(z: np.ndarray, dof: float, sigma: np.ndarray) -> tuple[np.ndarray, list[float]]:
    """Bands of MRAD and Q, rows of (lower, upper), and p-values of Mincer-Zarnowitz: forecasts right, and too high."""
    right = shuffled_returns(z, dof)  # does not depend on the level of z
    month = mrad_and_q_bands(right, np.full(len(z), 1e3))  # no floor of squared returns
    gap = right**2 - 1
    simulated = score_statistics(np.stack([gap, gap * (sigma**2).mean() / sigma**2], axis=2))
    pairs = [(pd.Series((z * sigma) ** 2), pd.Series((sigma * factor) ** 2)) for factor in (1, TOO_HIGH)]
    fits = [float((simulated >= mincer_zarnowitz(*pair, 1).statistic).mean()) for pair in pairs]
    return np.array([list(band.values()) for band in month]), fits


def bands(sample: SimulatedForecasts) -> Rejections:
    """Bands of right one-session forecasts, and of forecasts that are a tenth too high."""
    sigma = np.sqrt(sample.variance)
    z = sample.returns / sigma
    dofs = [fit_dof(row) for row in z]
    found = [scorecard_tests(*one) for one in zip(z, dofs, sigma, strict=True)]
    month, fits = (np.array(part) for part in zip(*found, strict=True))
    for place, (case, scaled) in enumerate((("right", z), ("10% too high", z / TOO_HIGH))):
        yield ("Mincer-Zarnowitz of scorecards", 1, case), fits[:, place] < 0.05, None
        for name, length in (("bias", z.shape[1]), ("bias, one year", 252), ("bias, 63 sessions", 63)):
            deviation = scaled[:, :length].std(axis=1, ddof=1)
            fitted = np.array([sampling_band(length, dof=dof) for dof in dofs])
            gaussian = np.array([sampling_band(length)])
            yield (name, 1, case), outside(deviation, fitted), outside(deviation, gaussian)
        yield ("MRAD of 21 sessions", 1, case), outside(mrad_of_rows(scaled), month[:, 0]), None
        yield ("Q", 1, case), outside((scaled**2 - np.log(scaled**2)).mean(axis=1), month[:, 1]), None


def distribution(z: np.ndarray) -> Rejections:
    """Pearson's test of normal standardised returns in 20 bins, as the report has it."""
    counts = np.stack([np.histogram(row, 20, (0.0, 1.0))[0] for row in stats.norm.cdf(z)])
    yield ("Pearson's test of the distribution", 1, "right"), stats.chisquare(counts, axis=1).pvalue < 0.05, None


def outside(values: np.ndarray, band: np.ndarray) -> np.ndarray:
    """Whether each value is outside its band, rows of (lower, upper)."""
    return np.asarray((values < band[:, 0]) | (values > band[:, 1]))


def levels(sample: SimulatedForecasts, horizon: int) -> Rejections:
    """Level test (equal to the band of the bias of several sessions) and Mincer-Zarnowitz regression."""
    for case, factor in (("right", 1.0), ("10% too high", TOO_HIGH**2)):
        forecast = sample.variance * factor
        ratio = sample.outcome / forecast
        yield (
            ("level, and band of the bias", horizon, case),
            mean_test(ratio, horizon, logarithm=True) < 0.05,
            old_mean_test(ratio - 1, horizon) < 0.05,
        )
        yield (
            ("Mincer-Zarnowitz", horizon, case),
            score_test(sample.outcome, forecast, horizon) < 0.05,
            old_mincer_zarnowitz(sample.outcome, forecast, horizon) < 0.05,
        )


def losses(sample: SimulatedForecasts, horizon: int, seeds: list[int]) -> Rejections:
    """Diebold-Mariano of two equal models and the confidence set of three, and the power against EWMA94."""
    for name, persistence in PERSISTENCE.items():
        errors = persistent_errors(seeds, sample.variance.shape[1], 3, persistence=persistence)
        loss = qlike(sample.outcome, sample.variance * np.exp(errors))
        gap = loss[0] - loss[1]
        case = f"equal, {name} gaps"
        yield (
            ("Diebold-Mariano", horizon, case),
            mean_test(gap, horizon) < 0.05,
            old_mean_test(gap, horizon) < 0.05,
        )
        now = smallest_set_pvalue(loss, horizon) < 0.10
        old = [old_set(loss[:, row].T, horizon, seed) for row, seed in enumerate(seeds) if seed < OLD_SETS]
        yield ("model confidence set (90%)", horizon, case), now, np.array(old, dtype=bool)
    if horizon == 1:
        gap = qlike(sample.outcome, sample.variance) - qlike(sample.outcome, ewma94(sample.returns))
        yield ("Diebold-Mariano", 1, "EWMA94"), mean_test(gap, 1) < 0.05, old_mean_test(gap, 1) < 0.05
        ratio, variance = sample.outcome[:, 50:], ewma94(sample.returns)[:, 50:]
        yield (
            ("Mincer-Zarnowitz", 1, "EWMA94"),
            score_test(ratio, variance, 1) < 0.05,
            old_mincer_zarnowitz(ratio, variance, 1) < 0.05,
        )


def smallest_set_pvalue(loss: np.ndarray, horizon: int, reps: int = 400) -> np.ndarray:
    """P-value of the first model that `model_confidence_set` removes, of losses models x simulations x sessions."""
    models, simulations, sessions = loss.shape
    degrees = smoothing_degrees(sessions, horizon)
    averages = cosine_averages(loss.transpose(2, 0, 1).reshape(sessions, -1), degrees)
    averages = averages.reshape(degrees, models, simulations)
    normal = np.random.default_rng(0).standard_normal((reps, 1 + degrees, degrees))
    first, second = np.triu_indices(models, 1)
    means = np.sqrt(sessions) * loss.mean(axis=2)
    gap = averages[:, first] - averages[:, second]
    statistic = np.abs((means[first] - means[second]) / np.sqrt((gap**2).mean(axis=0))).max(axis=0)
    drawn = np.tensordot(normal, gap, axes=1) / np.sqrt(degrees)
    largest = np.abs(drawn[:, 0] / np.sqrt((drawn[:, 1:] ** 2).mean(axis=1))).max(axis=1)
    return np.asarray((largest >= statistic).mean(axis=0))


def old_set(losses: np.ndarray, horizon: int, seed: int) -> bool:
    """Whether the former confidence set lacks a model."""
    from arch.bootstrap import MCS

    found = MCS(losses, size=0.1, reps=200, block_size=old_lags(horizon, len(losses)), method="R", seed=seed)
    found.compute()
    return bool(found.pvalues["Pvalue"].min() < 0.10)


def ewma94(returns: np.ndarray) -> np.ndarray:
    """EWMA variance with a decay of 0.94, for the session of each column."""
    variance = np.empty_like(returns)
    current = (returns[:, :20] ** 2).mean(axis=1)
    for t in range(returns.shape[1]):
        variance[:, t] = current
        current = 0.94 * current + 0.06 * returns[:, t] ** 2
    return variance


def tails(sample: SimulatedForecasts, law: str, seeds: list[int]) -> Rejections:
    """Backtests of right limits and of limits a tenth too close, and the loss of two equally good pairs."""
    sigma, returns = np.sqrt(sample.variance), sample.returns
    errors = persistent_errors(seeds, sigma.shape[1], 2)
    for level in (0.01, 0.025, 0.05):
        quantile, shortfall = -loss_quantile(1 - level, law), -loss_shortfall(1 - level, law)
        for case, scale in (("right", 1.0), ("10% too low", 1 / TOO_HIGH)):
            limit, tail = scale * quantile * sigma, scale * shortfall * sigma
            found = [coverage(row, level) for row in returns < limit]
            for name, freedom in (("kupiec", 1), ("independence", 1), ("christoffersen", 2)):
                now = np.array([getattr(one, f"{name}_pvalue") for one in found])
                statistic = np.array([getattr(one, f"{name}_statistic") for one in found])
                title = f"{name.capitalize()}, {level:.1%}"
                yield (title, 1, case), now < 0.05, stats.chi2.sf(statistic, freedom) < 0.05
            rows = [[pd.Series(one[row]) for one in (returns, limit, tail)] for row in range(len(seeds))]
            acerbi = np.array([acerbi_szekely(*row, level, reps=400).pvalue for row in rows])
            yield (f"Acerbi-Szekely, {level:.1%}", 1, case), acerbi < 0.05, None
            if case == "right":
                engle = [dynamic_quantile(r, v, level, reps=199) for r, v, _ in rows]
                old = np.array([stats.chi2.sf(one.statistic, 6) < 0.05 for one in engle], dtype=bool)
                now = np.array([one.pvalue < 0.05 for one in engle], dtype=bool)
                yield (f"dynamic quantile, {level:.1%}", 1, case), now, old
        pairs = [sigma * np.exp(error / 2) for error in errors]
        gap = np.subtract(*(fissler_ziegel_of(returns, quantile * s, shortfall * s, level) for s in pairs))
        name = f"Diebold-Mariano of Fissler-Ziegel losses, {level:.1%}"
        yield (name, 1, "equal, persistent gaps"), mean_test(gap, 1) < 0.05, old_mean_test(gap, 1) < 0.05


def fissler_ziegel_of(returns: np.ndarray, limit: np.ndarray, shortfall: np.ndarray, level: float) -> np.ndarray:
    """Losses of many series of pairs, as `fissler_ziegel` of one."""
    beyond = np.maximum(limit - returns, 0)
    return np.asarray(-beyond / (level * shortfall) + limit / shortfall + np.log(-shortfall) - 1)


def tables(sample: SimulatedForecasts) -> Rejections:
    """P-values of historical limits in the calibration table."""
    sessions = pd.RangeIndex(sample.returns.shape[1] + 1)
    volatility = pd.DataFrame(np.sqrt(sample.variance).T, sessions[: sample.variance.shape[1]])
    found = calibration_table(volatility, pd.DataFrame(sample.returns.T, sessions[1:]), 1)
    for test in ("Kupiec", "Christoffersen"):
        for tail in ("1%", "5%"):
            rejected = found[f"{test.lower()}_historical_{tail}"].to_numpy() < 0.05
            yield (f"{test} of historical limits, {tail}", 1, "right"), rejected, None


def rejections(world: str, seeds: list[int], sessions: int, only: str = "") -> Rejections:
    """Rejections of every test on some seeds of one law of returns."""
    simulate, law = WORLDS[world]
    wanted = set(only.split(",")) if only else set(PARTS)
    for horizon in HORIZONS:
        sample = simulate(seeds, sessions, horizon)
        if horizon == 1 and "bands" in wanted:
            yield from bands(sample)
        if horizon == 1 and law == "gaussian" and "distribution" in wanted:
            yield from distribution(sample.returns / np.sqrt(sample.variance))
        if "levels" in wanted:
            yield from levels(sample, horizon)
        if "losses" in wanted:
            yield from losses(sample, horizon, seeds)
        if horizon == 1 and "tails" in wanted:
            yield from tails(sample, law, seeds)
        if horizon == 1 and "tables" in wanted:
            yield from tables(sample)


@click.command()
@click.option("--simulations", default=2000, show_default=True)
@click.option("--sessions", default=2500, show_default=True, help="Origins per simulation; ten years are 2,500.")
@click.option("--only", default="", help=f"Comma-separated, of {', '.join(PARTS)}; all if empty.")
@click.option("--sizes", type=click.Path(path_type=Path), help="JSON file of the sizes that p-values are printed with.")
def main(simulations: int, sessions: int, only: str, sizes: Path | None) -> None:
    """Simulate, test and print."""
    print(f"{describe_machine()}\n\n{simulations:,} simulations of {sessions:,} origins, seeds 0 to {simulations - 1}")
    began = time.process_time()
    counts: dict[tuple[str, int, str], np.ndarray] = defaultdict(lambda: np.zeros((len(WORLDS), 4)))
    for place, world in enumerate(WORLDS):
        for begin in range(0, simulations, CHUNK):
            seeds = list(range(begin, min(begin + CHUNK, simulations)))
            for key, now, old in rejections(world, seeds, sessions, only):
                former = (0, 0) if old is None else (old.sum(), len(old))
                counts[key][place] += [now.sum(), len(now), *former]
    print("\n".join(["", *table(counts, True), "", *table(counts, False), "", *conclusions(counts)]))
    if sizes is not None:
        write_sizes(sizes, off_size(counts), [test for test, *_ in counts])
    print(f"{time.process_time() - began:.0f} processor seconds")


def table(counts: Mapping[tuple[str, int, str], np.ndarray], size: bool) -> list[str]:
    """Lines of the table of sizes, or of power."""
    heads = ["test", "sessions ahead", "forecasts", *(head for world in WORLDS for head in (world, "before"))]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for (test, horizon, case), rows in sorted(counts.items()):
        if case.startswith(RIGHT) is size:
            pairs = rows.reshape(-1, 2)
            cells = [f"{100 * count / total:.1f}" if total else "" for count, total in pairs]
            lines.append(f"| {test} | {horizon} | {case} | {' | '.join(cells)} |")
    return lines


def off_size(counts: Mapping[tuple[str, int, str], np.ndarray]) -> dict[str, dict[str, float]]:
    """Of each test at 5%, by sessions ahead or tail: the size furthest from 5%, where it is outside 3.5% to 6.5%."""
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for (title, horizon, case), rows in sorted(counts.items()):
        test, _, tail = title.partition(", ")
        if case.startswith(RIGHT) and not test.startswith("model confidence"):
            key = f"{float(tail[:-1]) / 100:g}" if tail.endswith("%") else str(horizon)
            known = rows[rows[:, 1] > 0]
            worst = max(known[:, 0] / known[:, 1], key=lambda size: abs(size - 0.05))
            if not 0.035 <= worst <= 0.065:
                found[test if tail.endswith("%") or not tail else title][key] = round(
                    float(f"{100 * worst:.1f}") / 100, 3
                )  # as the table prints it
    return found


def write_sizes(path: Path, found: Mapping[str, Mapping[str, float]], measured: list[str]) -> None:
    """Store sizes in place of the former ones of the same tests."""
    former = json.loads(path.read_text()) if path.exists() else {}
    again = {title.partition(", ")[0] if title.endswith("%") else title for title in measured}
    kept = {test: sizes for test, sizes in former.items() if test not in again}
    lines = [f' "{test}": {json.dumps(sizes)}' for test, sizes in sorted({**kept, **found}.items())]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n")


def conclusions(counts: Mapping[tuple[str, int, str], np.ndarray]) -> list[str]:
    """State how often the confidence set holds three equal models, and which tests at 5% are off their size."""
    kept = [
        100 - 100 * now / number
        for (test, *_), rows in counts.items()
        if test.startswith("model confidence")
        for now, number, *_ in rows
    ]
    lines = []
    if kept:
        held = f"{min(kept):.1f}% to {max(kept):.1f}%"
        lines = [f"The 90% confidence set holds all of three equal models in {held}; 87 to 93% are wanted."]
    off = [f"{test} at {key}: {size:.1%}" for test, sizes in off_size(counts).items() for key, size in sizes.items()]
    return [*lines, f"Outside 3.5% to 6.5%: {'; '.join(off) or 'none'}."]


if __name__ == "__main__":
    main()
