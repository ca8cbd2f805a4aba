"""What the commands do: train what is missing, run strategies, judge, and gather the numbers of a report."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from joblib import Parallel, delayed

from volplugin.adapters.zipline.bundles import read_bundle
from volplugin.adapters.zipline.run import load_strategy, run_backtest
from volplugin.data.panel import PricePanel
from volplugin.errors import InsufficientHistoryError
from volplugin.evaluation import PortfolioForecasts, VolatilityScores
from volplugin.portfolio import VolatilityTarget
from volplugin.report.backtest_page import report_folder
from volplugin.report.folder import forget_result, write_result
from volplugin.report.measures import held
from volplugin.report.result import BacktestResult, Comparison, RunDetails, on_sessions
from volplugin.risk.defaults import PRETRAINED, correlation_named, default_walk_forward, load_walk_forward
from volplugin.risk.model import RiskModel
from volplugin.storage import ModelStore
from volplugin.storage.atomic import write_atomically
from volplugin.volatility.pretrained import require_trained
from volplugin.volatility.walk_forward import WalkForward
from volplugin.workflows.evaluate_portfolio import evaluate_portfolios
from volplugin.workflows.evaluate_volatility import evaluate_volatility

Log = Callable[[str], None]


@dataclass(frozen=True)
class Backtest:
    """One strategy run: what `volplugin backtest` is asked for.

    Attributes
    ----------
    strategy : str
        File, gallery name or module.
    bundle, store, out : str
        Ingested bundle, folder of vintages, folder for the results.
    start, end : Timestamp
        First and last session of the run.
    parameters : mapping
        Of the strategy: target (annual), frequency, max_leverage, band, correlation.
    compare : tuple of str
        Correlations of runs to stand beside the first in the report.
    capital : float
        Starting capital.
    jobs : int
        Processes.
    """

    strategy: str
    bundle: str
    store: str
    out: str
    start: pd.Timestamp
    end: pd.Timestamp
    parameters: Mapping[str, Any] = field(default_factory=dict)
    compare: tuple[str, ...] = ()
    capital: float = 1e6
    jobs: int = 2


def train(
    panel: PricePanel, store: str, start: pd.Timestamp, end: pd.Timestamp, *, jobs: int, progress: bool = True
) -> WalkForward:
    """Train the vintages that the store lacks for answering from `start` to `end`.

    A store that holds another forecaster than the default keeps it; the pretrained one lacks nothing.
    """
    new = store != PRETRAINED and ModelStore(store).configuration is None
    walk_forward = default_walk_forward(store) if new else load_walk_forward(store)
    return walk_forward.train(panel, start, end, n_jobs=jobs, progress=progress)


def backtest(job: Backtest, *, training: bool = True, judging: bool = True, log: Log) -> Path:
    """Run a strategy and write ``perf.pkl``, ``scorecard.json``, ``history.npz``, ``report.html`` and the plots.

    Parameters
    ----------
    job : Backtest
    training : bool, default True
        Train what the store lacks; otherwise refuse.
    judging : bool, default True
        Score the volatility models and the equal-weight book over the same dates, for the report.
    say : callable
        Told of each step.

    Returns
    -------
    Path
        Of the report.
    """
    panel = read_bundle(job.bundle)
    # What cannot run, or cannot be written, is told before anything is trained for it.
    load_strategy(job.strategy)
    VolatilityTarget(job.parameters["target"], job.parameters["max_leverage"], band=job.parameters["band"])
    Path(job.out).mkdir(parents=True, exist_ok=True)
    if training:
        if job.store != PRETRAINED:
            log(f"training what {job.store} lacks")
        walk_forward = train(panel, job.store, job.start, job.end, jobs=job.jobs)
    else:
        walk_forward = require_trained(job.store, job.start)
    chosen = job.parameters.get("correlation", "default")
    runs = [chosen, *(name for name in job.compare if name != chosen)]
    log(f"running {job.strategy} from {job.start.date()} to {job.end.date()}")
    perfs = Parallel(n_jobs=job.jobs)(delayed(_run)(job, correlation) for correlation in runs)
    # First of all: whatever may go wrong from here on, the run is not lost.
    write_atomically(Path(job.out) / "perf.pkl", pickle.dumps(perfs[0]))
    forget_result(job.out)
    if not perfs[0].attrs["risk_report"]:
        raise InsufficientHistoryError(
            f"{job.start.date()} to {job.end.date()} is too short for a report, which takes 63 sessions with a "
            f"forecast; the run itself is in {Path(job.out) / 'perf.pkl'}"
        )
    scores, portfolios = None, {}
    if judging:
        log("judging forecasts over the same dates")
        scores = evaluate_volatility(panel, walk_forward, job.start, job.end, jobs=job.jobs)
        portfolios = evaluate_portfolios(panel, walk_forward, job.start, job.end, jobs=job.jobs)
    result = _result(job, panel, walk_forward, dict(zip(runs, perfs, strict=True)), scores, portfolios)
    log(f"writing {job.out}")
    write_result(result, job.out)
    began = time.perf_counter()
    page = report_folder(job.out)
    log(f"drawn in {time.perf_counter() - began:.1f} s, {page.stat().st_size / 1e6:.1f} MB")
    return page


def _run(job: Backtest, correlation: str) -> pd.DataFrame:
    parameters = {**job.parameters, "store": job.store, "correlation": correlation}
    return run_backtest(job.strategy, job.bundle, job.start, job.end, job.capital, parameters)


def _result(
    job: Backtest,
    panel: PricePanel,
    walk_forward: WalkForward,
    perfs: dict[str, pd.DataFrame],
    scores: VolatilityScores | None,
    portfolios: dict[str, PortfolioForecasts],
) -> BacktestResult:
    (chosen, perf), *others = perfs.items()
    model = RiskModel(walk_forward, correlation_named(chosen))
    return BacktestResult(
        details=RunDetails(
            strategy=job.strategy,
            bundle=job.bundle,
            # A strategy may have brought a model of its own.
            model=perf.attrs["risk_model"] or model.description,
            frequency=job.parameters.get("frequency"),
            parameters={**job.parameters, "capital": job.capital, "store": job.store},
            vintages=vintages(walk_forward, job.start, job.end),
            fingerprint=panel.asof(job.end).fingerprint(),
        ),
        perf=perf,
        scorecard=perf.attrs["risk_report"],
        target=perf.attrs["risk_report"]["target"],
        volatility=scores,
        comparisons={
            RiskModel(walk_forward, correlation_named(name)).description: Comparison(other, other.attrs["risk_report"])
            for name, other in others
        },
        portfolios=portfolios,
        correlations=_correlations(model, panel, perf),
    )


def _correlations(model: RiskModel, panel: PricePanel, perf: pd.DataFrame) -> dict[pd.Timestamp, pd.DataFrame]:
    """Forecast correlations at the first session through which a book was held, and at the last of the run."""
    perf = on_sessions(perf)
    forecasts = (model.forecast(panel.asof(session)) for session in (held(perf).index[0], perf.index[-1]))
    return {forecast.asof: forecast.correlation for forecast in forecasts}


def vintages(walk_forward: WalkForward, start: pd.Timestamp, end: pd.Timestamp) -> list[dict[str, Any]]:
    """Facts of the stored vintages that answer between two dates."""
    if walk_forward.store is None or not walk_forward.requires_fit:
        return []
    dates = [date for date in walk_forward.store.vintages() if date <= end]
    used = [date for date in dates if date > start] + [max(date for date in dates if date <= start)]
    return [
        {
            "trained_through": manifest.trained_through,
            "assets": len(manifest.assets),
            "data": manifest.fingerprint[:12],
        }
        for manifest in (walk_forward.store.load(date)[1] for date in sorted(used))
    ]
