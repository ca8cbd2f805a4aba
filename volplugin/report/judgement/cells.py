"""Numbers of a text table, formatted: a dash where there is none, nothing where there is nothing to say."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

IN_SET = 0.10
"""P-value from which a model is in the 90% confidence set."""

Show = Callable[[float], str]


def cells(values: pd.Series, show: Show, skip: str | None = None) -> list[str]:
    """Show each value; `skip` is the row in which a model would be compared with itself."""
    return ["" if name == skip else shown(value, show) for name, value in values.items()]


def shown(value: float, show: Show) -> str:
    """Show a value, or a dash for NaN."""
    return show(value) if np.isfinite(value) else "-"


def fixed(digits: int) -> Show:
    """Return what shows a number with so many decimals."""
    return lambda value: f"{value:.{digits}f}"


def signed(digits: int) -> Show:
    """Return what shows a number with its sign and so many decimals."""
    return lambda value: f"{value:+.{digits}f}"


def starred(pvalue: float) -> str:
    """Show a p-value of the model confidence set, with a star inside the 90% set."""
    return f"{pvalue:.3f}{'*' if pvalue >= IN_SET else ' '}"


def share(value: float) -> str:
    """Show a fraction as whole percent."""
    return f"{100 * value:.0f}"


def pvalue(value: float) -> str:
    """Show a p-value in four letters or five."""
    if value < 0.001:
        return "<.001"
    return "1.00" if value >= 0.9995 else f"{value:.3f}".removeprefix("0")


def ahead(horizon: int) -> str:
    """Name a horizon, such as ``5 sessions ahead``."""
    return f"{horizon} session{'s' if horizon > 1 else ''} ahead"
