"""Plots as methods of a result: ``result.plot.target()`` is ``plot_target(result)``."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import partial
from typing import Any

from matplotlib.axes import Axes

from volplugin.report import plots
from volplugin.report.figures import SIZE, draw
from volplugin.report.theme import LIGHT

PREFIX = "plot_"


class PlotAccessor:
    """The plots of a backtest, each a method ``name(ax=None, theme=LIGHT)`` that returns its axes.

    Parameters
    ----------
    result : BacktestResult

    Examples
    --------
    >>> from volplugin.report import read_result
    >>> read_result("results").plot.target()  # doctest: +SKIP
    """

    def __init__(self, result: Any) -> None:
        self._result = result

    def __getattr__(self, name: str) -> Callable[..., Axes]:
        """Return ``plot_NAME`` of this result."""
        if name in dir(self):
            return partial(getattr(plots, PREFIX + name), self._result)
        raise AttributeError(f"there is no plot {name!r}; choose one of {', '.join(dir(self))}")

    def html(self, name: str = "predicted_realized") -> str:
        """Return a plot as an ``<img>`` element that contains its PNG file."""
        picture = draw(lambda ax, theme: getattr(self, name)(ax, theme), LIGHT, SIZE, "png")
        code = base64.b64encode(picture).decode()
        return f'<img width="490" alt="Plot, {name.replace("_", " ")}" src="data:image/png;base64,{code}">'

    def __dir__(self) -> list[str]:
        """Return the names of the plots."""
        return [name.removeprefix(PREFIX) for name in plots.__all__ if name.startswith(PREFIX)]

    def __repr__(self) -> str:
        return f"<plots: {', '.join(dir(self))}>"
