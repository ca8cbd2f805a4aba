"""Plots of a backtest: each is ``plot_x(result, ax=None, theme=LIGHT)`` and returns its axes.

Without `ax` a new figure is made, outside pyplot: ``plot_target(result).figure.savefig("target.png")``.
"""

from volplugin.report.plots.portfolio import (
    plot_average_correlation,
    plot_drawdown,
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
