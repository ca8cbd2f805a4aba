"""Run strategies, evaluate the forecasts over the same dates, and gather the numbers of a report."""

from __future__ import annotations

import logging
import pickle
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import pandas as pd
from joblib import Parallel, delayed

from volplugin._bundles import dow30
from volplugin.adapters.zipline.bundles import read_bundle, with_named_market
from volplugin.adapters.zipline.parameters import StrategyParameters
from volplugin.adapters.zipline.run import load_strategy, run_strategy, strategy_name
from volplugin.correlation.repair import average
from volplugin.data.panel import PricePanel
from volplugin.data.suspects import suspect_prices
from volplugin.errors import VolpluginError
from volplugin.evaluation import PortfolioForecasts, VolatilityScores, error_sources
from volplugin.portfolio import VolatilityTarget
from volplugin.report.backtest_page import report_folder
from volplugin.report.folder import SCORECARD, forget_result, write_result
from volplugin.report.measures import held
from volplugin.report.result import BacktestResult, Comparison, RunDetails, on_sessions
from volplugin.risk.defaults import PRETRAINED, default_walk_forward, load_walk_forward
from volplugin.risk.model import RiskModel
from volplugin.storage import ModelStore
from volplugin.storage.atomic import write_files
from volplugin.storage.reading import sealed, to_json
from volplugin.units import deannualize
from volplugin.volatility.pretrained import PretrainedVolatility, require_trained
from volplugin.volatility.walk_forward import WalkForward
from volplugin.workflows.evaluate_portfolio import evaluate_portfolios
from volplugin.workflows.evaluate_volatility import evaluate_volatility
from volplugin.workflows.weights import read_groups

LOG = logging.getLogger(__name__)

Log = Callable[[str], None]

NO_MODEL = "no RiskProvider"


@dataclass(frozen=True)
class Backtest:
    """One strategy run, as `volplugin backtest` makes it.

    Attributes
    ----------
    strategy : str
        File, gallery name or module.
    bundle, out : str
        Ingested bundle, folder for the results.
    start, end : Timestamp
        First and last session of the run.
    store : str
        Folder of vintages to train and to evaluate, where the strategy does not bring its own.
    parameters : mapping
        Parameters given, for `read_parameters`: the strategy must read each of them.
    compare : tuple of str
        Correlations of further runs, shown next to the first in the report.
    capital : float
        Starting capital.
    jobs : int
        Processes.
    """

    strategy: str
    bundle: str
    out: str
    start: pd.Timestamp
    end: pd.Timestamp
    store: str = PRETRAINED
    parameters: Mapping[str, Any] = field(default_factory=dict)
    compare: tuple[str, ...] = ()
    capital: float = 1e6
    jobs: int = 2


@dataclass(frozen=True, eq=False)
class _Run:
    """Results of one run that the report shows.

    Attributes
    ----------
    perf : DataFrame
    report : mapping
        Scorecard; empty if the run is too short.
    rule : mapping
        Parameters of the strategy's `VolatilityTarget`.
    model : str
        Description of the model used.
    store : str, optional
        Folder of the vintages used.
    vintages : list of dict
        Metadata of the vintages used.
    average_correlation : Series, optional
        Average forecast correlation, every 21 sessions.
    """

    perf: pd.DataFrame
    report: Mapping[str, Any]
    rule: Mapping[str, Any]
    model: str
    store: str | None
    vintages: list[dict[str, Any]]
    average_correlation: pd.Series | None


def train(
    panel: PricePanel, store: str, start: pd.Timestamp, end: pd.Timestamp, *, jobs: int, progress: bool = True
) -> WalkForward:
    """Train the vintages that the store lacks from `start` to `end`.

    A store of another forecaster than the default one is extended with that forecaster; the pretrained store lacks
    nothing.
    """
    new = store != PRETRAINED and ModelStore(store).configuration is None
    walk_forward = default_walk_forward(store) if new else load_walk_forward(store)
    return walk_forward.train(panel, start, end, n_jobs=jobs, progress=progress)


def backtest(job: Backtest, *, training: bool = True, judging: bool = True, log: Log) -> Path | None:
    """Run a strategy and write ``perf.pkl``, ``scorecard.json``, ``history.npz``, ``report.html`` and the plots.

    A run without enough predictions for a scorecard writes ``perf.pkl`` and a ``scorecard.json`` that names what is
    missing, and logs a warning.

    Parameters
    ----------
    job : Backtest
    training : bool, default True
        Train vintages that the store lacks; otherwise raise.
    judging : bool, default True
        Evaluate the volatility models and the equal-weight portfolio over the same dates, for the report.
    log : callable
        Called with one line per step.

    Returns
    -------
    Path or None
        The report; None where the run was too short for one.

    Raises
    ------
    ParameterError
        If the strategy cannot be loaded, or does not read a parameter given.
    MissingVintageError
        If the store lacks a vintage, and `training` is False.
    """
    panel = with_named_market(read_bundle(job.bundle), job.parameters.get("market"))
    _check(job)  # before the training, so that errors come first
    Path(job.out).mkdir(parents=True, exist_ok=True)
    if training:
        if job.store != PRETRAINED:
            log(f"training what {job.store} lacks")
        train(panel, job.store, job.start, job.end, jobs=job.jobs)
    else:
        require_trained(job.store, job.start)  # the run compares the training data
    chosen = job.parameters.get("correlation", "default")
    others = [name for name in job.compare if name != chosen]
    log(f"running {job.strategy} from {job.start.date()} to {job.end.date()}")
    changes: list[dict[str, Any]] = [{}, *({"correlation": name} for name in others)]
    first, *compared = Parallel(n_jobs=job.jobs)(
        delayed(_run)(job, panel, change, show=not change) for change in changes
    )
    # Written first: later errors do not lose the run.
    write_files(job.out, {"perf.pkl": pickle.dumps(first.perf)})
    forget_result(job.out)
    if not first.report:
        _write_short(job, first)
        return None
    scores, portfolios = None, {}
    if judging:
        log("evaluating forecasts over the same dates")
        walk_forward = load_walk_forward(job.store if first.store is None else first.store)
        scores = evaluate_volatility(panel, walk_forward, job.start, job.end, jobs=job.jobs)
        portfolios = evaluate_portfolios(panel, walk_forward, job.start, job.end, jobs=job.jobs)
    runs = {f"{name} correlation": run for name, run in zip(others, compared, strict=True) if run.report}
    result = _result(job, panel, first, runs, scores, portfolios)
    log(f"writing {job.out}")
    write_result(result, job.out)
    began = time.perf_counter()
    page = report_folder(job.out)
    log(f"drawn in {time.perf_counter() - began:.1f} s, {page.stat().st_size / 1e6:.1f} MB")
    return page


def _check(job: Backtest) -> None:
    """Raise for a strategy or parameters that cannot run."""
    load_strategy(job.strategy)
    shared = {each.name for each in fields(StrategyParameters)}
    parsed = StrategyParameters.parse({name: value for name, value in job.parameters.items() if name in shared})
    VolatilityTarget(parsed.target, parsed.max_leverage, band=parsed.band)


def _run(job: Backtest, panel: PricePanel, change: Mapping[str, Any], show: bool = False) -> _Run:
    parameters = {**job.parameters, **change}
    expected = panel.sessions.slice_indexer(job.start, job.end) if show else slice(0)
    run = run_strategy(
        job.strategy, job.bundle, job.start, job.end, job.capital, parameters, expected=len(panel.sessions[expected])
    )
    run.perf.attrs["risk_model"] = None if run.model is None else run.model.description
    run.perf.attrs["risk_report"] = run.report
    volatility = None if run.model is None else run.model.volatility
    stored = volatility if isinstance(volatility, WalkForward) and volatility.store is not None else None
    report = dict(run.report)
    if run.model is not None and run.report:
        report["worst_windows"] = _worst_windows(run.model, panel, run.perf)
        report["suspect"] = _suspects(panel, run.perf)
    return _Run(
        run.perf,
        report,
        run.rule,
        NO_MODEL if run.model is None else run.model.description,
        None if stored is None else _store_name(stored),
        [] if stored is None else vintages(stored, job.start, job.end),
        _average_correlation(run.model, panel, run.perf) if run.model is not None and run.report else None,
    )


def _store_name(volatility: WalkForward) -> str:
    if isinstance(volatility, PretrainedVolatility) and volatility.path is None:
        return PRETRAINED
    return "" if volatility.store is None else str(volatility.store.path)


def _write_short(job: Backtest, run: _Run) -> None:
    """Write the reason why there is no scorecard, and log it as a warning."""
    predicted = int((run.perf["predicted_vol"] > 0).sum())
    holds = bool((run.perf["gross_leverage"] > 0).any())
    if run.model == NO_MODEL:
        missing = "the strategy made no RiskProvider, so that nothing was forecast"
    elif not holds:
        missing = "the strategy held nothing"
    elif not run.perf["returns"].any():
        missing = "all returns are zero"
    else:
        missing = f"only {predicted} of {len(run.perf)} sessions have a predicted volatility; a scorecard needs 63"
    details = {"strategy": job.strategy, "bundle": job.bundle, "model": run.model}
    card = {"details": details, "sessions": len(run.perf), "sessions_with_forecast": predicted, "missing": missing}
    write_files(job.out, {SCORECARD: to_json(sealed(card)).encode()})
    LOG.warning("warning: no report: %s; the perf frame is in %s", missing, Path(job.out) / "perf.pkl")


def _result(
    job: Backtest,
    panel: PricePanel,
    run: _Run,
    compared: Mapping[str, _Run],
    scores: VolatilityScores | None,
    portfolios: dict[str, PortfolioForecasts],
) -> BacktestResult:
    given = {name: value for name, value in job.parameters.items() if name != "store"}
    return BacktestResult(
        details=RunDetails(
            strategy=strategy_name(job.strategy),
            bundle=job.bundle,
            model=run.model,
            frequency=_rebalanced(run.perf),
            parameters={**given, **run.rule, "capital": job.capital, **({"store": run.store} if run.store else {})},
            vintages=run.vintages,
            fingerprint=panel.asof(job.end).fingerprint(),
            groups=read_groups(dow30.SECTORS).to_dict() if job.bundle == dow30.NAME else {},
        ),
        perf=run.perf,
        scorecard=run.report,
        target=run.report["target"],
        volatility=scores,
        comparisons={name: Comparison(other.perf, other.report) for name, other in compared.items()},
        portfolios=portfolios,
        average_correlation=run.average_correlation,
    )


def _rebalanced(perf: pd.DataFrame) -> str:
    """Describe how often orders were placed."""
    placed = perf["orders"].map(lambda day: any(order["created"] == order["dt"] for order in day))
    return f"on {int(placed.sum())} of {len(perf)} sessions"


def _average_correlation(model: RiskModel, panel: PricePanel, perf: pd.DataFrame) -> pd.Series | None:
    """Average forecast correlation of different assets, at the last session and every 21 sessions before it."""
    sessions = held(on_sessions(perf)).index[::-21][::-1]
    try:
        path = model.forecast_path(panel, sessions)
        return pd.Series({forecast.asof: average(forecast.correlation.to_numpy()) for forecast in path})
    except VolpluginError:  # a strategy's own model may need another panel
        return None


def _worst_windows(model: RiskModel, panel: PricePanel, perf: pd.DataFrame) -> list[dict[str, Any]]:
    """Split the errors of the worst windows; empty where a strategy's model cannot forecast from the bundle."""
    perf = on_sessions(perf)
    # Positions at a close, as shares of the portfolio's value, are held through the next session.
    held = [
        {one["sid"].symbol: one["amount"] * one["last_sale_price"] / value for one in positions}
        for positions, value in zip(perf["positions"], perf["portfolio_value"], strict=True)
    ]
    weights = pd.DataFrame(held, perf.index).reindex(columns=panel.assets).fillna(0.0).shift(1)
    try:
        predicted = deannualize(perf["predicted_vol"], panel.periods_per_year)
        return error_sources(model, panel, weights, predicted, perf["returns"]).as_records()
    except VolpluginError:
        return []


def _suspects(panel: PricePanel, perf: pd.DataFrame) -> dict[str, str]:
    """Return the stocks held whose prices during the run are probably wrong, with the reason."""
    held = {one["sid"].symbol for positions in perf["positions"] for one in positions}
    during = panel.asof(on_sessions(perf).index[-1]).tail(len(perf))
    return {str(asset): why for asset, why in suspect_prices(during).items() if asset in held}


def vintages(walk_forward: WalkForward, start: pd.Timestamp, end: pd.Timestamp) -> list[dict[str, Any]]:
    """Metadata of the stored vintages that are used between two dates."""
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
