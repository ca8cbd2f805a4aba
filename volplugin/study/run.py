"""The study from end to end: train, combine, judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from volplugin.correlation.base import average
from volplugin.report.study.result import CAUSAL, CURRENT, LEVEL, StudyResult
from volplugin.risk_model import RiskModel
from volplugin.study.models import CorrelationAt, correlations, level, seed_forecasts, seed_volatility
from volplugin.study.networks import train_networks
from volplugin.study.sample import Sample
from volplugin.study.scores import judge_book, r_squared
from volplugin.volatility.base import State
from volplugin.volatility.lstm.seed import forward_volatility
from volplugin.walkforward import WalkForward


def run_study(
    sample: Sample,
    causal: RiskModel,
    folder: str | Path,
    *,
    n_jobs: int | None = None,
    progress: bool = True,
    say: Callable[[str], None] | None = None,
) -> StudyResult:
    """Train the seed's networks, compose Sigma, and judge it beside the causal model over the test part.

    Parameters
    ----------
    sample : Sample
        From `common_sample`.
    causal : RiskModel
        Ready to answer at the first test origin.
    folder : path
        Where each network is kept as it finishes; what it holds already is not trained again.
    n_jobs : int, optional
        Processes that train, as joblib counts them.
    progress : bool, default True
        Show a bar, on a terminal.
    say : callable, optional
        Told of each step.
    """
    networks = train_networks(sample, Path(folder), n_jobs=n_jobs, progress=progress, say=say)
    if say is not None:
        say("judging over the test part")
    volatility, raised = seed_volatility(sample, networks)
    scaled = volatility * level(sample, volatility)
    rho = correlations(sample, causal.correlation)
    horizon, test = sample.settings.horizon, sample.test
    forecasts = {name: list(seed_forecasts(volatility, at, test, horizon)) for name, at in rho.items()}
    forecasts[LEVEL] = list(seed_forecasts(scaled, rho[CURRENT], test, horizon))
    forecasts[CAUSAL] = list(causal.forecast_path(sample.panel, test, horizon))
    return StudyResult(
        settings=asdict(sample.settings),
        facts=sample.facts(),
        books={book: judge_book(sample, book, forecasts) for book in sample.books},
        stocks=_stock_errors(sample, networks),
        correlation=_averages(rho, test),
        raised=raised,
        model=_in_words(causal),
    )


def _in_words(model: RiskModel) -> str:
    walk = model.volatility
    forecaster = walk.forecaster if isinstance(walk, WalkForward) else walk
    return f"{type(forecaster).__name__} + {model.correlation!r}"


def _stock_errors(sample: Sample, networks: Mapping[str, State]) -> pd.DataFrame:
    """Mean squared error and R2 of each network on both parts, from its own forecasts."""
    values = forward_volatility(sample.returns.to_numpy(), sample.settings.horizon)
    true = pd.DataFrame(values, index=sample.returns.index, columns=sample.returns.columns)
    rows: dict[str, dict[str, float]] = {}
    for name in true:
        predicted = pd.Series(networks[str(name)]["forecast"], index=sample.origins)
        rows[name] = {}
        for part, origins in (("training", sample.training), ("test", sample.test)):
            pair = predicted[origins], true.loc[origins, name]
            rows[name] |= {f"{part}_mse": ((pair[0] - pair[1]) ** 2).mean(), f"{part}_r2": r_squared(*pair)}
    return pd.DataFrame.from_dict(rows, orient="index")


def _averages(rho: Mapping[str, CorrelationAt], test: pd.DatetimeIndex) -> pd.DataFrame:
    return pd.DataFrame({name: [average(at(day).to_numpy()) for day in test] for name, at in rho.items()}, index=test)
