"""Verdicts on the forecasts of a backtest, as they were made before and as they are made now, side by side.

    volplugin demo --out demo-output
    python benchmarks/bench_verdicts.py demo-output

Before: the forecast of the `--horizon` sessions of the run against the return of the next session, bands of independent
Gaussian returns, Mincer-Zarnowitz with Bartlett errors and the chi-square law. Now: the numbers of `perf_scorecard`.
Prints a Markdown table: bias statistic with its 95% band and verdict, of all sessions and of each calendar year, the
share of 63-session windows inside their band, and the p-value of Mincer-Zarnowitz.
"""

import os
import sys
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

import click
import pandas as pd
from bench_tests import old_mincer_zarnowitz

from volplugin.evaluation import perf_scorecard, rolling_bias, sampling_band
from volplugin.evaluation.portfolio import perf_periods
from volplugin.units import QUARTER_SESSIONS, deannualize


def verdict(value: float, lower: float, upper: float) -> str:
    """State where a bias statistic lies."""
    return "right" if lower <= value <= upper else "too low" if value > upper else "too high"


def cell(bias: dict[str, Any]) -> str:
    """Format a bias statistic, its band and its verdict."""
    value, lower, upper = (bias[name] for name in ("value", "lower", "upper"))
    return f"{value:.3f} ({lower:.3f} to {upper:.3f}): {verdict(value, lower, upper)}"


def former_bias(z: pd.Series) -> dict[str, Any]:
    """Bias statistic with the band of Gaussian returns."""
    lower, upper = sampling_band(len(z))
    return {"value": float(z.std()), "lower": lower, "upper": upper}


def rows(perf: pd.DataFrame) -> list[tuple[str, str, str]]:
    """Name of each statistic, its former and its present verdict."""
    sigma = deannualize(perf["predicted_vol_horizon"].astype(float), perf_periods(perf))
    r, sigma = (series[(sigma > 0) & perf["returns"].notna()] for series in (perf["returns"], sigma))
    z, card = r / sigma, perf_scorecard(perf)
    found = [("all sessions", cell(former_bias(z)), cell(card["bias_statistic"]))]
    for year, now in card["by_year"].items():
        found.append((year, cell(former_bias(z[z.index.year == int(year)])), cell(now["bias_statistic"])))
    inside = rolling_bias(z, QUARTER_SESSIONS).dropna().between(*sampling_band(QUARTER_SESSIONS)).mean()
    found.append(("63 sessions, inside the band", f"{inside:.0%}", f"{card['bias_63']['share_inside']:.0%}"))
    outcome, variance = ((series.to_numpy() ** 2)[None] for series in (r, sigma))
    former = float(old_mincer_zarnowitz(outcome, variance, 1)[0])
    found.append(("Mincer-Zarnowitz p", f"{former:.2g}", f"{card['mincer_zarnowitz']['pvalue']:.2g}"))
    return found


@click.command()
@click.argument("folder", default="demo-output", type=click.Path(path_type=Path))
def main(folder: Path) -> None:
    """Read the perf frame of a backtest's FOLDER and print the table."""
    found = rows(pd.read_pickle(folder / "perf.pkl"))
    print("| forecasts of | before | now |\n|---|---|---|")
    for row in found:
        print(f"| {' | '.join(row)} |")
    years = [row for row in found if row[0].isdigit()]
    counts = [
        {word: sum(row[place].endswith(word) for row in years) for word in ("too high", "too low", "right")}
        for place in (1, 2)
    ]
    texts = [", ".join(f"{count} {word}" for word, count in one.items()) for one in counts]
    print(f"\nOf {len(years)} years before: {texts[0]}; now: {texts[1]}.")


if __name__ == "__main__":
    main()
