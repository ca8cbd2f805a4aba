"""Numbers that the plots and the page show, computed from a result: no drawing here."""

from volplugin.report.measures.book import (
    average_correlation,
    chosen_dates,
    clustered,
    contribution_shares,
    contributions,
    monthly_turnover,
    same_order,
    turnover,
)
from volplugin.report.measures.distribution import PitHistogram, exceedances, pit_histogram
from volplugin.report.measures.models import reductions, stock_errors
from volplugin.report.measures.stress import stress_periods
from volplugin.report.measures.windows import (
    QUARTER,
    BandShares,
    Worst,
    band_shares,
    bias_path,
    held,
    middle,
    quarters,
    standardized,
    worst_quarter,
)

__all__ = [
    "QUARTER",
    "BandShares",
    "PitHistogram",
    "Worst",
    "average_correlation",
    "band_shares",
    "bias_path",
    "chosen_dates",
    "clustered",
    "contribution_shares",
    "contributions",
    "exceedances",
    "held",
    "middle",
    "monthly_turnover",
    "pit_histogram",
    "quarters",
    "reductions",
    "same_order",
    "standardized",
    "stock_errors",
    "stress_periods",
    "turnover",
    "worst_quarter",
]
