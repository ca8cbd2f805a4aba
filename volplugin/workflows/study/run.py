"""Run a study: train the networks, compose Sigma, evaluate the portfolios."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from volplugin.correlation.repair import average
from volplugin.evaluation import PortfolioForecasts, compare_portfolio_forecasts
from volplugin.risk.covariance import CovarianceForecast
from volplugin.risk.defaults import default_correlation, default_walk_forward, load_walk_forward
from volplugin.risk.model import RiskModel
from volplugin.storage import ModelStore
from volplugin.volatility.base import State
from volplugin.volatility.lstm.seed import forward_volatility
from volplugin.workflows.study.models import CorrelationAt, correlations, level, seed_forecasts, seed_volatility
from volplugin.workflows.study.networks import train_networks
from volplugin.workflows.study.result import CAUSAL, CURRENT, LAST, LEVEL, SEED, PortfolioStudy, StudyResult
from volplugin.workflows.study.sample import Sample


def causal_model(sample: Sample, store: str, *, n_jobs: int | None = None, progress: bool = True) -> RiskModel:
    """Return the risk model used over the test part; train the vintages missing in the store.

    The store's forecaster is used if the store is configured, else the default. Each vintage is trained on all
    prices of the panel through its date.

    Parameters
    ----------
    sample : Sample
    store : str
        Folder of trained models.
    n_jobs : int, optional
        Processes, as in joblib.
    progress : bool, default True
        Show a progress bar if standard error is a terminal.

    Raises
    ------
    StoreConfigurationError
        If the store's vintages were trained on other prices.
    InsufficientHistoryError
        If the history before the test part is too short for training.
    """
    walk_forward = default_walk_forward(store) if ModelStore(store).configuration is None else load_walk_forward(store)
    walk_forward.train(sample.panel, sample.test[0], sample.test[-1], n_jobs=n_jobs, progress=progress)
    return RiskModel(walk_forward, default_correlation())


def evaluate_portfolio(
    sample: Sample, portfolio: str, forecasts: Mapping[str, Sequence[CovarianceForecast]]
) -> PortfolioStudy:
    """Score the forecasts of a portfolio over the test part, and its trailing volatility as a benchmark.

    Parameters
    ----------
    sample : Sample
    portfolio : str
        Key of `sample.portfolios`.
    forecasts : mapping of model to sequence of CovarianceForecast
        One forecast per test origin.
    """
    returns, weights = sample.portfolio_returns(portfolio), sample.portfolios[portfolio]
    horizon = sample.settings.horizon
    rolling = returns.rolling(horizon).std()
    predicted = pd.DataFrame(
        {
            model: pd.Series({one.asof: one.portfolio_volatility(weights) for one in path})
            for model, path in forecasts.items()
        }
    )
    predicted[LAST] = rolling[predicted.index]
    true = rolling.shift(-horizon)[predicted.index].rename("true")
    paths = {str(model): PortfolioForecasts(path, returns, horizon) for model, path in predicted.items()}
    table = compare_portfolio_forecasts(paths, benchmark=SEED)
    table = table.rename(columns={f"below_{SEED}": "below_seed", f"dm_{SEED}": "dm_seed"})
    table["correlation"] = predicted.corrwith(true)
    table["r2"] = predicted.apply(r_squared, true=true)
    table["r2_next"] = predicted.apply(r_squared, true=rolling.shift(-1)[predicted.index])
    return PortfolioStudy(weights, true, predicted, table)


def r_squared(predicted: pd.Series, true: pd.Series) -> float:
    """Return R2 relative to the full-sample mean; negative if the forecast is worse than the mean."""
    return float(1 - ((true - predicted) ** 2).sum() / ((true - true.mean()) ** 2).sum())


def run_study(
    sample: Sample,
    causal: RiskModel,
    folder: str | Path,
    *,
    n_jobs: int | None = None,
    progress: bool = True,
    log: Callable[[str], None] | None = None,
) -> StudyResult:
    """Train the seed's networks, compose Sigma, and evaluate it with the causal model over the test part.

    Parameters
    ----------
    sample : Sample
        From `common_sample`.
    causal : RiskModel
        Risk model that can forecast at the first test origin.
    folder : path
        Folder of the networks; stored networks are not trained again.
    n_jobs : int, optional
        Processes, as in joblib.
    progress : bool, default True
        Show a progress bar if standard error is a terminal.
    log : callable, optional
        Called with a line per step.
    """
    networks = train_networks(sample, Path(folder), n_jobs=n_jobs, progress=progress, log=log)
    if log is not None:
        log("evaluating over the test part")
    volatility, raised = seed_volatility(sample, networks)
    scaled = volatility * level(sample, volatility)
    rho = correlations(sample, causal.correlation)
    horizon, test = sample.settings.horizon, sample.test
    forecasts = {name: list(seed_forecasts(volatility, at, test, horizon)) for name, at in rho.items()}
    forecasts[LEVEL] = list(seed_forecasts(scaled, rho[CURRENT], test, horizon))
    forecasts[CAUSAL] = list(causal.forecast_path(sample.panel, test, horizon))
    return StudyResult(
        settings=asdict(sample.settings),
        sample=sample.summary(),
        portfolios={portfolio: evaluate_portfolio(sample, portfolio, forecasts) for portfolio in sample.portfolios},
        stocks=_stock_errors(sample, networks),
        correlation=_averages(rho, test),
        raised=raised,
        model=causal.description,
    )


def _stock_errors(sample: Sample, networks: Mapping[str, State]) -> pd.DataFrame:
    """Return mean squared error and R2 of each network on the training and the test part."""
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
