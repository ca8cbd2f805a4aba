"""The numbers of a backtest that its report shows, as frozen dataclasses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from volplugin.display import card
from volplugin.errors import InsufficientHistoryError, ParameterError
from volplugin.evaluation.forecasts import PortfolioForecasts
from volplugin.evaluation.model_comparison import VolatilityScores
from volplugin.storage.forecast_cache import package_versions
from volplugin.units import QUARTER_SESSIONS, TRADING_DAYS

PACKAGES = ("volplugin", "zipline-reloaded", "torch", "numpy", "pandas", "scikit-learn", "arch", "statsmodels")
REQUIRED = ("returns", "predicted_vol")


def installed_versions() -> Mapping[str, str]:
    """Return the installed versions of the packages that the numbers depend on."""
    return package_versions(PACKAGES)


@dataclass(frozen=True, eq=False)
class RunDetails:
    """Origin of a run's numbers.

    Attributes
    ----------
    strategy : str
        Name of the strategy.
    bundle : str
        Bundle of the prices.
    model : str
        Description of the risk model.
    frequency : str, optional
        Rebalancing frequency.
    parameters : mapping
        The strategy's parameters and the other settings of the run.
    vintages : sequence of mapping
        Model vintages used, each with ``trained_through`` and further manifest fields of the store.
    fingerprint : str, optional
        Digest of the price data.
    versions : mapping
        Package versions.
    groups : mapping
        Group of each asset, such as its sector, by symbol; empty if unknown.
    """

    strategy: str
    bundle: str
    model: str
    frequency: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    vintages: Sequence[Mapping[str, Any]] = ()
    fingerprint: str | None = None
    versions: Mapping[str, str] = field(default_factory=installed_versions)
    groups: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Comparison:
    """A run of the same strategy with another risk model: perf frame and portfolio scorecard."""

    perf: pd.DataFrame
    scorecard: Mapping[str, Any]

    def __post_init__(self) -> None:
        object.__setattr__(self, "perf", on_sessions(self.perf))
        _check_card(self.scorecard)


@dataclass(frozen=True, eq=False)
class BacktestResult:
    """The numbers of one backtest, the input of tables and plots.

    Attributes
    ----------
    details : RunDetails
        Strategy, bundle, model, vintages, versions.
    perf : DataFrame, index sessions
        ``returns`` (daily, simple) and ``predicted_vol`` (*annual*; row `t` is the forecast from the close of `t-1` for
        the portfolio held through `t`). Optional: ``gross_leverage``, ``risk_contributions`` (mapping of asset to
        annual contribution), ``transactions`` or ``turnover`` (traded over portfolio value), ``unmodelled_weight``. The
        timestamps of a zipline perf frame become timezone-naive sessions.
    scorecard : mapping
        From `portfolio_scorecard`.
    target : float, optional
        *Annual* target volatility.
    volatility : VolatilityScores, optional
        Scores of the volatility models, from `volatility_scorecard`.
    comparisons : mapping of name to Comparison
        The same strategy with other risk models.
    portfolios : mapping of model name to PortfolioForecasts
        Forecasts of one unlevered portfolio; the first is the run's own model.
    average_correlation : Series, index sessions, optional
        Average forecast correlation of different assets, at some sessions of the run.
    correlations : mapping of session to DataFrame
        Forecast correlation matrices; `average_correlation` is computed from them if it is not given.

    Raises
    ------
    ParameterError
        If `perf` lacks ``returns`` or ``predicted_vol``.
    InsufficientHistoryError
        If the run is too short for a scorecard.
    """

    details: RunDetails
    perf: pd.DataFrame
    scorecard: Mapping[str, Any]
    target: float | None = None
    volatility: VolatilityScores | None = None
    comparisons: Mapping[str, Comparison] = field(default_factory=dict)
    portfolios: Mapping[str, PortfolioForecasts] = field(default_factory=dict)
    average_correlation: pd.Series | None = None
    correlations: Mapping[pd.Timestamp, pd.DataFrame] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "perf", on_sessions(self.perf))
        _check_card(self.scorecard)
        if self.correlations and self.average_correlation is None:
            object.__setattr__(self, "average_correlation", _average(self.correlations))

    @property
    def periods(self) -> float:
        """Sessions per year by which the volatilities are annual."""
        return float(self.scorecard.get("periods_per_year", TRADING_DAYS))

    @property
    def plot(self) -> Any:
        """The plots of this result, such as ``result.plot.target()``; ``dir(result.plot)`` has their names."""
        import volplugin.report  # a lazy name of the package: the plots need matplotlib, and this module

        return volplugin.report.PlotAccessor(self)

    def __repr__(self) -> str:
        first, last = (date.date() for date in self.perf.index[[0, -1]])
        return f"BacktestResult({self.details.strategy} on {self.details.bundle}, {first} to {last})"

    def _repr_html_(self) -> str:
        """Show a table of the run beside its main plot, in a notebook."""
        run, risk = self.details, self.scorecard
        rows = {
            "sessions": f"{risk['sessions']}, {risk['first_session']} to {risk['last_session']}",
            "target": "-" if self.target is None else f"{self.target:.1%}",
            "predicted": f"{risk['mean_predicted_vol']:.1%} a year",
            "realised": f"{risk['realized_vol']:.1%} a year",
            "realised over forecast": f"{risk['bias_statistic']['value']:.2f}",
            "model": run.model,
        }
        return card(f"{run.strategy} on {run.bundle}", rows, self.plot.html())

    @cached_property
    def contributions(self) -> pd.DataFrame:
        """Annual risk contributions, of shape (n_sessions, n_assets), on sessions with a positive sum.

        An asset absent from a session's mapping was not held and has contribution 0. Empty if the perf frame has none.
        """
        column = self.perf.get("risk_contributions", pd.Series(dtype=object))
        cells = {session: cell for session, cell in column.items() if isinstance(cell, Mapping) and len(cell)}
        if not cells:
            return pd.DataFrame()
        frame = pd.DataFrame(list(cells.values()), index=pd.DatetimeIndex(list(cells))).fillna(0.0)
        return frame.set_axis([symbol(asset) for asset in frame.columns], axis=1)[frame.sum(axis=1) > 0]


def symbol(asset: Any) -> str:
    """Return the symbol of a zipline asset, or the asset as a string; lone surrogates are escaped."""
    return str(getattr(asset, "symbol", asset)).encode("utf-8", "backslashreplace").decode()


def _check_card(scorecard: Mapping[str, Any]) -> None:
    if "bias_statistic" not in scorecard:
        raise InsufficientHistoryError(
            f"the run has fewer than {QUARTER_SESSIONS} sessions with a forecast, too few for a report; "
            "choose a longer span"
        )


def on_sessions(perf: pd.DataFrame) -> pd.DataFrame:
    """Check the columns of a perf frame, and return a copy on timezone-naive sessions."""
    missing = [name for name in REQUIRED if name not in perf]
    if missing:
        raise ParameterError(
            f"the perf frame has no column {missing[0]!r}; run the strategy with the volplugin metrics set"
        )
    frame = perf.copy()
    index = pd.DatetimeIndex(frame.index)
    if index.tz is not None:
        index = index.tz_convert("UTC").tz_localize(None)
        # Rows of zipline are stamped at the close, which on 24/7 is the midnight after the session.
        index = index - pd.Timedelta(1, "ns") if "period_close" in frame else index
    frame.index = index.normalize()
    return frame


def _average(correlations: Mapping[pd.Timestamp, pd.DataFrame]) -> pd.Series:
    """Average of the entries off the diagonal, by session; NaN for a single asset."""
    return pd.Series(
        {
            session: matrix.mask(np.eye(len(matrix), dtype=bool)).stack().mean()
            for session, matrix in correlations.items()
        }
    ).sort_index()
