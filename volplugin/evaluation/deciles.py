"""Is a forecast right when it is low and when it is high? Realised against forecast volatility by size of forecast."""

from __future__ import annotations

import numpy as np
import pandas as pd

from volplugin.evaluation.sample import ScoredSample
from volplugin.units import annualize

DECILES = 10


def by_forecast_decile(sample: ScoredSample) -> pd.DataFrame:
    """Stock-days sorted by the forecast of each model into ten groups of equal size.

    Returns
    -------
    DataFrame, index (model, decile)
        ``predicted`` and ``realized`` (*annual* volatilities, root mean squares over the group), ``ratio``
        (realised over predicted: above 1 risk was under-predicted) and ``stock_days``. Decile 1 has the
        smallest forecasts.
    """
    tables = {model: _deciles(sample.outcome, variance) for model, variance in sample.variance.items()}
    return pd.concat(tables, names=["model", "decile"])


def _deciles(outcome: pd.DataFrame, variance: pd.DataFrame) -> pd.DataFrame:
    f, y = variance.to_numpy().ravel(), outcome.to_numpy().ravel()
    f, y = f[np.isfinite(f)], y[np.isfinite(f)]
    # By rank, so that the groups are equal in size whatever ties there are.
    place = np.argsort(np.argsort(f, kind="stable"), kind="stable")
    group = pd.Series(place * min(DECILES, len(f)) // len(f) + 1, name="decile")
    means = pd.DataFrame({"f": f, "y": y}).groupby(group).mean()
    predicted, realized = annualize(means["f"] ** 0.5), annualize(means["y"] ** 0.5)
    days = group.value_counts().sort_index()
    return pd.DataFrame(
        {"predicted": predicted, "realized": realized, "ratio": realized / predicted, "stock_days": days}
    )
