"""What happened to the book in the stress periods that the field speaks of."""

from __future__ import annotations

import numpy as np
import pandas as pd

from volplugin.evaluation.calibration import sampling_band
from volplugin.evaluation.periods import stress_within
from volplugin.report.measures.distribution import TAILS, exceedances
from volplugin.report.measures.windows import held, standardized
from volplugin.units import annualize

FEWEST = 21
"""Sessions of a period that is judged."""


def stress_periods(perf: pd.DataFrame) -> pd.DataFrame:
    """Judge the book in each stress period that lies within the run.

    Returns
    -------
    DataFrame, index name of the period
        ``first``, ``last``, ``sessions``; annual ``predicted`` (root mean square), ``realized``, and the 95% band
        ``lower``, ``upper`` of the latter where forecasts are right; ``bias``; daily losses beyond value at risk
        ``beyond_5%``, ``beyond_1%``; ``worst_day`` (daily return); ``leverage`` (mean gross, NaN if not known).
        Empty where no period lies within.
    """
    known = held(perf)
    if known.empty:
        return pd.DataFrame()
    z, beyond = standardized(perf), exceedances(perf)
    leverage = perf["gross_leverage"] if "gross_leverage" in perf else pd.Series(np.nan, perf.index)
    rows = {}
    for name, (begin, end) in stress_within(known.index).items():
        part = known.loc[begin:end]
        if len(part) < FEWEST:
            continue
        lower, upper = sampling_band(len(part))
        predicted = float(np.sqrt((part["predicted_vol"] ** 2).mean()))
        rows[name] = {
            "first": part.index[0],
            "last": part.index[-1],
            "sessions": len(part),
            "predicted": predicted,
            "realized": annualize(float(part["returns"].std())),
            "lower": predicted * lower,
            "upper": predicted * upper,
            "bias": float(z.loc[begin:end].std()),
            **{f"beyond_{tail:.0%}": int(beyond.loc[begin:end, f"beyond_{tail:.0%}"].sum()) for tail in TAILS},
            "worst_day": float(part["returns"].min()),
            "leverage": float(leverage.loc[begin:end].mean()),
        }
    return pd.DataFrame.from_dict(rows, orient="index")
