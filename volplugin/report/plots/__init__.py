"""Plots of a backtest: each is ``plot_x(result, ax=None, theme=LIGHT)`` and returns its axes.

Without `ax` a new pyplot figure is made, which a notebook shows; ``plot_target(result).figure.savefig("target.png")``
writes it. `ax` may be any axes, also one of several: nothing outside of it changes. ``result.plot.target()`` is
the same as ``plot_target(result)``.
"""

from volplugin.report.plots.portfolio import (
    plot_average_correlation,
    plot_drawdown,
    plot_factors,
    plot_forecast_scores,
    plot_growth,
    plot_leverage,
    plot_risk_contributions,
    plot_turnover,
)
from volplugin.report.plots.risk import (
    plot_calibration,
    plot_exceedances,
    plot_pit,
    plot_predicted_realized,
    plot_stress,
    plot_target,
    plot_tenths,
    plot_volatility,
)

__all__ = [
    "plot_average_correlation",
    "plot_calibration",
    "plot_drawdown",
    "plot_exceedances",
    "plot_factors",
    "plot_forecast_scores",
    "plot_growth",
    "plot_leverage",
    "plot_pit",
    "plot_predicted_realized",
    "plot_risk_contributions",
    "plot_stress",
    "plot_target",
    "plot_tenths",
    "plot_turnover",
    "plot_volatility",
]
