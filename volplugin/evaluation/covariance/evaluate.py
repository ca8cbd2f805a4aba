"""Evaluation of forecast covariances: likelihood, calibration, and the risk of many portfolios."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from volplugin.data.panel import PricePanel
from volplugin.errors import ParameterError, require_type
from volplugin.evaluation.covariance.outcomes import CovarianceOutcomes, outcomes
from volplugin.evaluation.covariance.path import CovariancePath
from volplugin.evaluation.covariance.sample import EvaluationSample, evaluation_sample
from volplugin.evaluation.covariance.scores import CovarianceScores
from volplugin.evaluation.covariance.test_portfolios import TestPortfolios
from volplugin.evaluation.forecasts import ReturnKind
from volplugin.evaluation.stress_periods import stress_within


def block_weights(count: int, block: int, reps: int = 1000, seed: int = 0) -> np.ndarray:
    """Weights of `count` observations in bootstrap samples: any mean of a sample is a product with its row.

    Parameters
    ----------
    count : int
        Observations, in order of time.
    block : int
        Mean length of the blocks, which are of random length and wrap around the end.
    reps : int, default 1000
        Samples.
    seed : int, default 0

    Returns
    -------
    ndarray of shape (reps, count)
        Rows that sum to one.

    References
    ----------
    Politis and Romano (1994), The Stationary Bootstrap, Journal of the American Statistical Association 89;
    drawn by `arch.bootstrap.StationaryBootstrap`.
    """
    from arch.bootstrap import StationaryBootstrap

    if not 1 <= block <= count or reps < 1:
        raise ParameterError(f"no samples of {count} observations in blocks of {block}, {reps} times")
    draws = StationaryBootstrap(block, np.arange(count), seed=seed).bootstrap(reps)
    return np.stack([np.bincount(data[0], minlength=count) for data, _ in draws]) / count


MIN_ORIGINS = 50
"""Origins below which the block length is not selected from the data."""

Groups = dict[str, np.ndarray]


def evaluate_covariance_forecasts(
    paths: Mapping[str, CovariancePath],
    panel: PricePanel,
    horizon: int = 21,
    *,
    kind: ReturnKind = "simple",
    random: int = 60,
    reps: int = 1000,
    seed: int = 0,
) -> CovarianceScores:
    """Evaluate forecast covariances on the same origins, assets, returns and portfolios.

    Every origin is evaluated by the daily returns of the `horizon` sessions after it; each portfolio is rebalanced
    every session to its weights at the origin. Forecasts renewed every `horizon` sessions can
    be renewed on `horizon` different days; each origin belongs to one of these phases, so that means over all
    origins are means over all phases.

    Parameters
    ----------
    paths : mapping of model name to CovariancePath
    panel : PricePanel
        Prices through the last origin's horizon.
    horizon : int, default 21
        Sessions that each forecast covers.
    kind : {"simple", "log"}, default "simple"
        Of the returns.
    random : int, default 60
        Random long-only portfolios, and random dollar-neutral ones.
    reps : int, default 1000
        Samples of the stationary bootstrap. The mean block length is selected from the log-likelihoods by the rule of
        Politis and White (2004), and is at least two horizons.
    seed : int, default 0
        Of the portfolios and of the bootstrap.

    Raises
    ------
    AssetMismatchError, InsufficientHistoryError
        If the models have no assets, or no origins with an outcome, in common.
    ParameterError
        Naming the model and the origin of a covariance that is not positive definite.
    """
    require_type(paths, Mapping, "paths")
    require_type(panel, PricePanel, "panel")
    sample = evaluation_sample(paths, panel, horizon, kind)
    portfolios = TestPortfolios(len(sample.assets), random, seed)
    followed = {name: _followed(name, path, sample, portfolios) for name, path in paths.items()}
    drawn = block_weights(len(sample.origins), _block_length(followed, sample), reps, seed)
    table = _grouped(followed, {"all": np.ones(len(sample.origins), dtype=bool)}).droplevel("period")
    by_quarter = _grouped(followed, _by(sample.origins.to_period("Q")))
    return CovarianceScores(
        _with_regret(table, by_quarter["log_likelihood", ""].unstack("period")),
        _grouped(followed, _by(sample.origins.year)),
        _grouped(followed, _stress(sample.origins)),
        _grouped(followed, _by(sample.places % horizon)),
        pd.DataFrame({name: model.biases() for name, model in followed.items()}).T.rename_axis(index="model"),
        pd.concat({name: model.measures(drawn) for name, model in followed.items()}, names=["model", "sample"]),
        horizon,
        sample,
    )


def _followed(
    name: str, path: CovariancePath, sample: EvaluationSample, portfolios: TestPortfolios
) -> CovarianceOutcomes:
    try:
        return outcomes(path.aligned(sample.origins, sample.assets), sample, portfolios)
    except ParameterError as error:
        raise ParameterError(f"{name}: {error}") from error


def _grouped(followed: Mapping[str, CovarianceOutcomes], groups: Groups) -> pd.DataFrame:
    """Measures of each model over groups of origins, index (model, period)."""
    if not groups:
        return pd.DataFrame()
    weights = np.stack([inside / inside.sum() for inside in groups.values()])
    parts = {name: model.measures(weights).set_axis(list(groups)) for name, model in followed.items()}
    return pd.concat(parts, names=["model", "period"])


def _by(labels: pd.Index | np.ndarray) -> Groups:
    names = np.asarray(labels.astype(str))
    return {name: names == name for name in dict.fromkeys(names)}


def _stress(origins: pd.DatetimeIndex) -> Groups:
    periods = stress_within(origins)
    inside = {name: np.asarray((origins >= begin) & (origins <= end)) for name, (begin, end) in periods.items()}
    return {name: rows for name, rows in inside.items() if rows.any()}


def _with_regret(table: pd.DataFrame, by_quarter: pd.DataFrame) -> pd.DataFrame:
    """Add how far a model's log-likelihood is below the best one's: of the whole span, and of each quarter."""
    likelihood = table["log_likelihood", ""]
    whole = likelihood.max() - likelihood
    quarters = (by_quarter.max() - by_quarter).mean(axis=1)
    added = pd.DataFrame({("regret", ""): whole, ("regret_quarter", ""): quarters})
    return pd.concat([table, added], axis=1).rename_axis(columns=table.columns.names)


def _block_length(followed: Mapping[str, CovarianceOutcomes], sample: EvaluationSample) -> int:
    """Origins per block: the length that the models' daily log-likelihoods ask for, and at least two horizons."""
    from arch.bootstrap import optimal_block_length

    count = len(sample.origins)
    if count < 2:
        return 1
    step = float(np.median(np.diff(sample.places)))
    overlap = np.ceil(2 * sample.horizon / step)
    densities = np.column_stack([model.columns["log_likelihood"][:, 0] for model in followed.values()])
    moving = densities[:, np.ptp(densities, axis=0) > 0]
    selected = optimal_block_length(moving)["stationary"].max() if count > MIN_ORIGINS and moving.size else 1.0
    return int(np.clip(np.ceil(max(overlap, selected)), 1, count))
