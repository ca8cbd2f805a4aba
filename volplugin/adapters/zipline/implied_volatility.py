"""Implied-volatility series by name, and risk models adjusted by them, as commands and strategies request them."""

from __future__ import annotations

from copy import copy

import pandas as pd

from volplugin._bundles.dow30 import load_vix
from volplugin.data import PricePanel
from volplugin.data.readers import read_bars
from volplugin.errors import PanelError
from volplugin.risk.adjustments import ImpliedVolatilityAnchor, adjustment_list
from volplugin.risk.model import RiskModel
from volplugin.storage.reading import as_path

VIX = "vix"
"""Name of the series that is shipped beside the bundle dow30."""


def read_implied_volatility(name: str) -> pd.Series:
    """Return a series of implied volatility by date.

    Parameters
    ----------
    name : str
        "vix" for the closes of VIX that come with the package, or a CSV file with columns ``date, close``.

    Raises
    ------
    PanelError
        For a file that is not there or lacks the columns.
    """
    if name == VIX:
        return load_vix()
    try:
        bars = read_bars(as_path(name))
    except PanelError as error:
        raise PanelError(
            f"{error}; pass vix, or a CSV file with columns date, close of an implied-volatility index"
        ) from error
    return bars["close" if "close" in bars else "adjusted_close"].dropna()


def anchored(model: RiskModel, panel: PricePanel, name: str) -> RiskModel:
    """Return the model with an `ImpliedVolatilityAnchor` after its other adjustments, learned on a panel.

    What was learned through a year's end is used from the next session on.

    Parameters
    ----------
    model : RiskModel
        Fitted, or with a walk-forward.
    panel : PricePanel
        Prices from the model's first vintage on.
    name : str
        As of `read_implied_volatility`.
    """
    found = copy(model)
    anchor = ImpliedVolatilityAnchor(read_implied_volatility(name)).fit(model, panel)
    found.calibration = [*adjustment_list(model.calibration), anchor]
    return found
