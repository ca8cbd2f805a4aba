"""Numbers, then plots, then a page: the report of a backtest."""

from volplugin.report.html import write_report
from volplugin.report.result import BacktestResult, Comparison, RunDetails, package_versions

__all__ = ["BacktestResult", "Comparison", "RunDetails", "package_versions", "write_report"]
