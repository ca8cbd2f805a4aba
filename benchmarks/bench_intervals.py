"""Coverage of the interval of portfolio volatility, Dow 30.

    python benchmarks/bench_intervals.py

Needs the bundle dow30 (`volplugin ingest dow30`). 90% intervals of the default risk model for the equal-weight
portfolio and 20 random long-only ones, from every 21st session. Prints a Markdown table: mean logarithmic standard
deviations by source, and how often the interval holds the root mean square return of the sessions ahead: alone, and
widened by the sampling error of that root mean square under Student-t returns; and how often `realized_interval` does,
from one-session forecasts of the same weights since 2008.
"""

import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

import click
import numpy as np
import pandas as pd
from bench_tails import forecasts
from machine import describe_machine
from scipy import stats

from volplugin import default_risk_model, read_bundle
from volplugin.risk.tail_risk import STUDENT_DOF

LEVEL = 0.90


def sampling_error(horizon: int, dof: float = STUDENT_DOF) -> float:
    """Logarithmic standard deviation of the root mean square of Student-t returns of a constant volatility."""
    kurtosis = 3 + 6 / (dof - 4)
    return float(np.sqrt((kurtosis - 1) / horizon) / 2)


def records(histories: list[pd.DataFrame], start: str, end: str, horizon: int, every: int) -> pd.DataFrame:
    """One row per origin and portfolio: sources, forecast and realised volatility."""
    panel, model = read_bundle("dow30"), default_risk_model()
    origins = panel.sessions[panel.sessions.slice_indexer(start, end)][:-horizon:every]
    simple = np.expm1(panel.returns.to_numpy())
    random = np.random.default_rng(0).dirichlet(np.ones(len(panel.assets)), 20)
    rows = []
    for forecast in model.forecast_path(panel, origins, horizon):
        here, place = panel.assets.get_indexer(forecast.assets), panel.sessions.get_loc(forecast.asof)
        named = (("equal weight", np.ones(len(panel.assets))), *(("random", one) for one in random))
        for (name, weights), past in zip(named, histories, strict=True):
            own = weights[here] / weights[here].sum()
            portfolio = pd.Series(own, forecast.assets)
            found = forecast.volatility_interval(portfolio, LEVEL)
            lower, upper = forecast.realized_interval(portfolio, past[: forecast.asof], LEVEL)
            realized = np.sqrt(((simple[place + 1 : place + 1 + horizon, here] @ own) ** 2).mean())
            error = np.log(realized / found.volatility)
            rows.append((name, found.seeds, found.vintages, found.correlation, error, lower <= realized <= upper))
    return pd.DataFrame(rows, columns=["portfolio", "seeds", "vintages", "correlation", "error", "held"])


@click.command()
@click.option("--start", default="2010-01-04", show_default=True)
@click.option("--end", default="2021-04-20", show_default=True)
@click.option("--every", default=21, show_default=True, help="Sessions between origins.")
def main(start: str, end: str, every: int) -> None:
    """Forecast, count and print."""
    print(f"{describe_machine()}\n\nOrigins from {start} on, every {every} sessions, to {end}; {LEVEL:.0%} intervals\n")
    heads = ("sessions ahead", "portfolio", "seeds", "vintages", "correlation", "interval", "holds realised")
    print(f"| {' | '.join((*heads, 'with sampling error', 'realised interval'))} |\n{'|---' * (len(heads) + 2)}|")
    volatility, returns = forecasts(read_bundle("dow30"), "2008-01-02", end)
    histories = [pd.DataFrame({"returns": returns[one], "volatility": volatility[one]}) for one in range(21)]
    quantile = stats.norm.ppf((1 + LEVEL) / 2)
    for horizon in (1, 21, 63):
        for name, part in records(histories, start, end, horizon, every).groupby("portfolio", sort=False):
            width = np.sqrt((part[["seeds", "vintages", "correlation"]] ** 2).sum(axis=1))
            inside = part["error"].abs() <= quantile * width
            widened = part["error"].abs() <= quantile * np.hypot(width, sampling_error(horizon))
            means = part[["seeds", "vintages", "correlation"]].mean()
            bounds = f"-{1 - np.exp(-quantile * width.mean()):.1%} to +{np.exp(quantile * width.mean()) - 1:.1%}"
            cells = [
                *(f"{mean:.3f}" for mean in means),
                bounds,
                *(f"{share.mean():.1%}" for share in (inside, widened, part["held"])),
            ]
            print(f"| {horizon} | {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
