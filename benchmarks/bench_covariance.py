"""Compare our forecast covariances of the Dow 30 with other libraries', on the same days and portfolios.

    make bench-covariance
    python benchmarks/bench_covariance.py --start 2010-01-04 --end 2021-03-15 --cache build/covariance
    python benchmarks/bench_covariance.py --horizon 1     forecasts renewed at every close
    python benchmarks/bench_covariance.py --prices LATER.parquet --beside NAME STORE --only none --start ... --end ...
    python benchmarks/bench_covariance.py --anchor vix    our risk view adjusted by implied volatility too

Needs the bundle dow30 (`volplugin ingest dow30`) and the peers (benchmarks/requirements.txt and the extra `skfolio`);
those that are not installed are left out, and named. Every session is an origin, so that all 21 phases of a 21-session
rebalance are in every mean. Our models use the vintages that come with the package; with `--store`, yearly
vintages trained on the Dow 30 alone are evaluated too, and missing ones trained. The covariances of a peer are stored
in the cache, one file each, so that an interrupted run continues with the next.

With `--prices`, a Parquet file that holds the Dow 30 to 2024, the bundle is not needed; `--beside` evaluates
other vintages next to the shipped ones, in the risk view, in place of our other models.

Prints a Markdown table, a row a model: Gaussian log-likelihood of the returns of a day, in nats (in brackets the
difference from our risk view and its 95% bootstrap interval); QLIKE (in brackets the same, in percent) and bias
statistic of the equal-weight portfolio; their means over 60 random long-only and 60 random dollar-neutral portfolios;
MRAD over 21 sessions; realised volatility of minimum-variance portfolios, percent a year (in brackets the difference
from our structure view, in percent); r' inv(Sigma) r / N; and processor milliseconds per forecast, including updates
and estimation, without our training.
"""

import hashlib
import inspect
import json
import os
import sys
import time
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

import click
import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from machine import describe_machine
from peers import PEERS, Peer

from volplugin import PricePanel, RiskModel, read_bundle
from volplugin.adapters.zipline.implied_volatility import anchored
from volplugin.data.panel import price_digest
from volplugin.evaluation import CovariancePath, CovarianceScores, evaluate_covariance_forecasts
from volplugin.risk.adjustments import VolatilityRegimeAdjustment
from volplugin.risk.defaults import default_risk_model, default_walk_forward
from volplugin.storage.forecast_cache import ForecastCache

RISK, STRUCTURE = "volplugin, view risk", "volplugin, view structure"
Timed = tuple[CovariancePath, float]


def anchored_model(panel: PricePanel, anchor: str | None) -> dict[str, tuple[RiskModel, str]]:
    """Return the default risk model adjusted by an implied-volatility series, if one is named."""
    return {} if anchor is None else {f"volplugin, {anchor}": (anchored(default_risk_model(), panel, anchor), "risk")}


def own_models(store: Path | None) -> dict[str, tuple[RiskModel, str]]:
    """Return our risk models and their views: the default, with regime adjustment, and for targeting."""
    model = default_risk_model()
    corrected = RiskModel(model.volatility, model.correlation, calibration=VolatilityRegimeAdjustment())
    own = {
        RISK: (model, "risk"),
        STRUCTURE: (model, "structure"),
        "volplugin, regime multiplier": (corrected, "risk"),
        "volplugin, for targeting": (default_risk_model(), "targeting"),
    }
    return own if store is None else own | {"volplugin, trained on the Dow 30": (default_risk_model(store), "risk")}


def beside_models(beside: tuple[tuple[str, str], ...]) -> dict[str, tuple[RiskModel, str]]:
    """Return the default risk model, and the same with other vintages."""
    others = {name: (default_risk_model(folder), "risk") for name, folder in beside}
    return {RISK: (default_risk_model(), "risk"), STRUCTURE: (default_risk_model(), "structure")} | others


def later_prices(path: str) -> PricePanel:
    """Read the reference universe of the newest vintage from a file."""
    whole = PricePanel.from_parquet(path)
    names = default_risk_model().volatility.vintage_at(whole.last_session).universe_
    return PricePanel(**{field: getattr(whole, field)[names] for field in whole.fields})


def own_path(model: RiskModel, panel: PricePanel, origins: pd.DatetimeIndex, horizon: int, view: str) -> Timed:
    """Our forecasts, and the milliseconds that each took."""
    began = time.process_time()
    forecasts = [(f.asof, f.covariance) for f in model.forecast_path(panel, origins, horizon, view)]
    return CovariancePath.collect(forecasts), 1000 * (time.process_time() - began) / len(origins)


def peer_path(name: str, panel: PricePanel, origins: pd.DatetimeIndex, horizon: int, cache: ForecastCache) -> Timed:
    """Forecasts of a peer, made now or found in the cache, and the milliseconds that each took."""
    key, upper = peer_key(PEERS[name], panel, origins, horizon), np.triu_indices(len(panel.assets))
    kept = cache.load(name, key)
    if kept is None:
        returns = np.expm1(panel.returns.iloc[1:])
        began = time.process_time()
        path = CovariancePath.collect(PEERS[name].forecasts(returns, origins, horizon), panel.assets)
        milliseconds = 1000 * (time.process_time() - began) / len(origins)
        kept = {"upper": path.matrices[:, *upper], "milliseconds": np.array([milliseconds])}
        cache.save(name, key, kept)
    matrices = np.empty((len(origins), len(panel.assets), len(panel.assets)))
    matrices[:, *upper] = matrices.transpose(0, 2, 1)[:, *upper] = kept["upper"]
    return CovariancePath(origins, panel.assets, matrices), float(kept["milliseconds"][0])


def peer_key(peer: Peer, panel: PricePanel, origins: pd.DatetimeIndex, horizon: int) -> str:
    """Digest of what forecasts of a peer depend on: its library, how it is called, prices, origins and horizon."""
    metadata = [peer.library, version(peer.library), version("numpy"), inspect.getsource(sys.modules["peers"])]
    metadata += [str(horizon if peer.by_horizon else ""), price_digest(panel), *origins.astype(str)]
    return hashlib.sha256("\n".join(metadata).encode()).hexdigest()


def installed(peer: Peer) -> bool:
    """Whether the library that a peer needs is there."""
    return find_spec(peer.module) is not None


def table(scores: CovarianceScores, milliseconds: dict[str, float]) -> str:
    """Lay out the scores, one row per model."""
    risk, structure = scores.differences(RISK), scores.differences(STRUCTURE)
    heads = [
        "log-likelihood", "QLIKE EW", "bias EW", "QLIKE long", "bias long", "QLIKE long-short", "bias long-short",
        "MRAD EW", "MRAD long", "GMV vol", "long-only GMV vol", "GMV bias", "r'S⁻¹r/N (sd)", "ms",
    ]  # fmt: skip
    lines = [f"| covariance | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for name in scores.models:
        row = scores.table.loc[name]
        cells = [
            f"{row['log_likelihood', '']:.2f}{_gap(risk, (name, 'log_likelihood', ''), '+.2f')}",
            f"{row['qlike', 'equal weight']:.3f}{_gap(risk, (name, 'qlike', 'equal weight'), '+.0f', '%')}",
            f"{row['bias', 'equal weight']:.3f}",
            f"{row['qlike', 'random long-only']:.3f}",
            f"{row['bias', 'random long-only']:.3f}",
            f"{row['qlike', 'random long-short']:.3f}",
            f"{row['bias', 'random long-short']:.3f}",
            f"{row['mrad', 'equal weight']:.3f}",
            f"{row['mrad', 'random long-only']:.3f}",
            f"{100 * row['volatility', 'minimum variance']:.2f}"
            + _gap(structure, (name, "volatility", "minimum variance"), "+.1f", "%"),
            f"{100 * row['volatility', 'long-only minimum variance']:.2f}",
            f"{row['bias', 'minimum variance']:.2f}",
            f"{row['mahalanobis', '']:.2f} ({row['mahalanobis_std', '']:.2f})",
            f"{milliseconds[name]:.1f}",
        ]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _gap(differences: pd.DataFrame, key: tuple[str, str, str], form: str, unit: str = "") -> str:
    """Difference from the reference with its interval, in brackets; nothing for the reference itself."""
    row = differences.loc[key]
    if not row.any():
        return ""
    return f" ({row['difference']:{form}}{unit}, {row['lower']:{form}} to {row['upper']:{form}})"


def by_period(scores: CovarianceScores) -> str:
    """Lay out log-likelihood, equal-weight QLIKE and minimum-variance volatility by year and stress period."""
    stress = scores.by_stress.rename(index="stress {}".format, level="period")
    periods = pd.concat([scores.by_year, stress])
    shown = {"log-likelihood": ("log_likelihood", ""), "QLIKE EW": ("qlike", "equal weight")}
    shown |= {"bias EW": ("bias", "equal weight"), "GMV vol": ("volatility", "minimum variance")}
    return "\n\n".join(
        f"{title}\n" + periods[column].unstack("period").loc[scores.models].to_string(float_format="{:.3f}".format)
        for title, column in shown.items()
    )


@click.command()
@click.option("--start", default="2010-01-04", show_default=True)
@click.option("--end", default="2021-03-15", show_default=True)
@click.option("--horizon", default=21, show_default=True, help="Sessions that each forecast covers.")
@click.option(
    "--store", type=click.Path(path_type=Path), help="Vintages trained on the Dow 30; evaluated too if given."
)
@click.option("--prices", type=click.Path(exists=True), help="Parquet file that holds the Dow 30 to 2024.")
@click.option("--beside", nargs=2, multiple=True, metavar="NAME STORE", help="Other vintages, and what to call them.")
@click.option("--anchor", help="Also our risk view adjusted by an implied-volatility series: vix, or a CSV file.")
@click.option("--cache", default="build/covariance", show_default=True, type=click.Path(path_type=Path))
@click.option("--jobs", default=2, show_default=True)
@click.option("--only", default="", help="Comma-separated parts of peers' names; all if empty.")
@click.option("--periods", is_flag=True, help="Also print years and stress periods.")
@click.option("--json", "out", type=click.Path(path_type=Path), help="Also write everything to this file.")
def main(
    start: str,
    end: str,
    horizon: int,
    store: Path | None,
    prices: str | None,
    beside: tuple[tuple[str, str], ...],
    anchor: str | None,
    cache: Path,
    jobs: int,
    only: str,
    periods: bool,
    out: Path | None,
) -> None:
    """Forecast, evaluate and print."""
    panel = read_bundle("dow30") if prices is None else later_prices(prices)
    forecast_cache = ForecastCache(cache)
    origins = panel.sessions[panel.sessions.slice_indexer(start, end)]
    parts = tuple(part for part in only.split(",") if part)
    wanted = [name for name in PEERS if not parts or any(part in name for part in parts)]
    absent = [name for name in wanted if not installed(PEERS[name])]
    names = [name for name in wanted if name not in absent]
    if store is not None:
        default_walk_forward(store).train(panel, start, end, n_jobs=jobs)
    own = (beside_models(beside) if beside else own_models(store)) | anchored_model(panel, anchor)
    tasks = [delayed(own_path)(model, panel, origins, horizon, view) for model, view in own.values()]
    tasks += [delayed(peer_path)(name, panel.asof(origins[-1]), origins, horizon, forecast_cache) for name in names]
    timed = dict(zip([*own, *names], Parallel(n_jobs=jobs)(tasks), strict=True))
    scores = evaluate_covariance_forecasts({name: path for name, (path, _) in timed.items()}, panel, horizon)
    libraries = sorted({PEERS[name].library for name in names} - {"numpy"})
    print(describe_machine() + "".join(f", {library} {version(library)}" for library in libraries))
    print(f"\n{start} to {end}, {len(scores.sample.origins)} origins, horizon {horizon}, {len(panel.assets)} assets\n")
    print(table(scores, {name: milliseconds for name, (_, milliseconds) in timed.items()}))
    if absent:
        print(f"\nLeft out, their libraries not installed (`make bench-covariance` does): {', '.join(absent)}")
    if periods:
        print(f"\n{by_period(scores)}")
    if out is not None:
        out.write_text(json.dumps(scores.as_dict(), indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
