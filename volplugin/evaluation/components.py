"""Scores of the members of ensembles, on the stock-days of the models."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from volplugin.errors import require_type
from volplugin.evaluation.hypothesis_tests import diebold_mariano
from volplugin.evaluation.losses import qlike
from volplugin.evaluation.model_comparison import VolatilityScores, compare, mean_scores
from volplugin.evaluation.sample import EvaluationSample

SEED = "seed"
"""Prefix of the names of components that differ by their random seed alone."""


def component_scores(
    components: pd.DataFrame,
    parents: Mapping[str, str],
    samples: Mapping[int, EvaluationSample],
    scores: VolatilityScores,
) -> pd.DataFrame:
    """Score components on the stock-days that the models were scored on.

    Components take no part in the choice of these stock-days, nor in the model confidence set.

    Parameters
    ----------
    components : DataFrame, columns (model, horizon, asset)
        Daily volatility by origin; a model is here one component.
    parents : mapping of component to model
        What each is a component of.
    samples : mapping of horizon to EvaluationSample
    scores : VolatilityScores
        Of the models on these samples.

    Returns
    -------
    DataFrame, index (horizon, component)
        ``model`` (the whole), ``qlike``, ``qlike_range``, ``mse``, ``log_likelihood``, ``below_NAME`` and
        ``dm_NAME`` of each benchmark, ``below_model`` (percent below the whole, negative where worse) and
        ``dm_model`` (positive where worse than the whole).
    """
    require_type(components, pd.DataFrame, "components")
    require_type(parents, Mapping, "parents")
    require_type(samples, Mapping, "samples")
    require_type(scores, VolatilityScores, "scores")
    rows = {}
    for horizon, sample in samples.items():
        table = scores.table.loc[horizon]
        for name, parent in parents.items():
            variance = sample.scored(components[name][horizon])
            row = mean_scores(sample, variance)
            loss = qlike(sample.outcome, variance).mean(axis=1)
            rivals = {bench: bench for bench in scores.benchmarks} | {"model": parent}
            for label, rival in rivals.items():
                base = scores.losses[rival][horizon]
                row |= compare(row, table.loc[rival], label)
                row[f"dm_{label}"] = diebold_mariano(loss, base, horizon).statistic
            rows[horizon, name] = {"model": parent} | row
    table = pd.DataFrame.from_dict(rows, orient="index").infer_objects()
    table.index = pd.MultiIndex.from_tuples(list(rows), names=["horizon", "component"])
    return table


def seed_spread(table: pd.DataFrame) -> pd.DataFrame:
    """Spread of the scores of a model's seeds, each alone.

    Returns
    -------
    DataFrame, index (horizon, model)
        ``seeds`` (how many), and of their mean QLIKE ``mean``, ``min``, ``max``, ``range`` (largest less
        smallest) and ``std`` (n - 1).
    """
    require_type(table, pd.DataFrame, "table")
    names = table.index.get_level_values("component")
    pairs = zip(names, table["model"], strict=True)
    losses = table[[name.removeprefix(f"{model} ").startswith(SEED) for name, model in pairs]]
    losses = losses.groupby(["horizon", "model"], sort=False)["qlike"]
    spread = losses.agg(seeds="count", mean="mean", min="min", max="max", std="std")
    return spread.assign(range=spread["max"] - spread["min"])
