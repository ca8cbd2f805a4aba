"""Plots of a backtest: each is ``plot_x(result, ax=None, theme=LIGHT)`` and returns its axes.

Without `ax` a new figure is made, outside pyplot: ``plot_target(result).figure.savefig("target.png")``.
"""

from volplugin.report.plots.models import (
    plot_contribution_dates,
    plot_correlation,
    plot_forecast_scores,
    plot_portfolio_forecast,
    plot_stock_errors,
)
from volplugin.report.plots.portfolio import plot_leverage, plot_risk_contributions, plot_turnover
from volplugin.report.plots.risk import (
    plot_calibration,
    plot_exceedances,
    plot_pit,
    plot_predicted_realized,
    plot_stress,
    plot_target,
)

__all__ = [
    "plot_portfolio_forecast",
    "plot_calibration",
    "plot_contribution_dates",
    "plot_correlation",
    "plot_exceedances",
    "plot_forecast_scores",
    "plot_leverage",
    "plot_pit",
    "plot_predicted_realized",
    "plot_risk_contributions",
    "plot_stock_errors",
    "plot_stress",
    "plot_target",
    "plot_turnover",
]
