"""The numbers of a run that a report shows, as frozen dataclasses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import pandas as pd

from volplugin.errors import InsufficientHistoryError, ParameterError
from volplugin.evaluation.forecasts import PortfolioForecasts
from volplugin.evaluation.model_comparison import VolatilityScores

PACKAGES = (
    "volplugin",
    "zipline-reloaded",
    "torch",
    "numpy",
    "pandas",
    "scikit-learn",
    "arch",
    "statsmodels",
)
NEEDED = ("returns", "predicted_vol")


def package_versions(names: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Return the installed versions of the packages that the numbers depend on."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


@dataclass(frozen=True, eq=False)
class RunDetails:
    """Origin of a run's numbers.

    Attributes
    ----------
    strategy : str
        Name of the strategy.
    bundle : str
        Bundle that prices came from.
    model : str
        The risk model's composition in words.
    frequency : str, optional
        How often the portfolio was rebalanced.
    parameters : mapping
        The strategy's parameters and whatever else one needs to run it again.
    vintages : sequence of mapping
        Model vintages used, each with ``trained_through`` and further manifest fields of the store.
    fingerprint : str, optional
        Of the price data.
    versions : mapping
        Package versions.
    """

    strategy: str
    bundle: str
    model: str
    frequency: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    vintages: Sequence[Mapping[str, Any]] = ()
    fingerprint: str | None = None
    versions: Mapping[str, str] = field(default_factory=package_versions)


@dataclass(frozen=True, eq=False)
class Comparison:
    """The same strategy run with another risk model: its perf frame and portfolio scorecard."""

    perf: pd.DataFrame
    scorecard: Mapping[str, Any]

    def __post_init__(self) -> None:
        object.__setattr__(self, "perf", on_sessions(self.perf))
        _check_card(self.scorecard)


@dataclass(frozen=True, eq=False)
class BacktestResult:
    """The numbers of one backtest, ready to be drawn.

    Attributes
    ----------
    details : RunDetails
        Strategy, bundle, model, vintages, versions.
    perf : DataFrame, index sessions
        ``returns`` (daily, simple) and ``predicted_vol`` (*annual*; row `t` made at the close of `t-1` for
        the portfolio held through `t`); if there, ``gross_leverage``, ``risk_contributions`` (mapping of
        asset to annual contribution), ``transactions`` or ``turnover`` (traded over portfolio value) and
        ``unmodelled_weight`` are shown too. A zipline perf frame will
        do: its timestamps become timezone-naive sessions.
    scorecard : mapping
        From `portfolio_scorecard`.
    target : float, optional
        *Annual* volatility that was aimed at.
    volatility : VolatilityScores, optional
        Scores of the volatility models, from `volatility_scorecard`.
    comparisons : mapping of name to Comparison
        The same strategy with other risk models.
    portfolios : mapping of model name to PortfolioForecasts
        Forecasts of one unlevered portfolio; the first is the run's own model.
    correlations : mapping of Timestamp to DataFrame
        Forecast correlations at some dates, such as the first and the last of the run.

    Raises
    ------
    ParameterError
        If `perf` lacks a column that the report is about.
    InsufficientHistoryError
        If the run was too short to have a scorecard.
    """

    details: RunDetails
    perf: pd.DataFrame
    scorecard: Mapping[str, Any]
    target: float | None = None
    volatility: VolatilityScores | None = None
    comparisons: Mapping[str, Comparison] = field(default_factory=dict)
    portfolios: Mapping[str, PortfolioForecasts] = field(default_factory=dict)
    correlations: Mapping[pd.Timestamp, pd.DataFrame] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "perf", on_sessions(self.perf))
        _check_card(self.scorecard)

    @cached_property
    def contributions(self) -> pd.DataFrame:
        """Risk contributions of all assets, annual, on the sessions through which a portfolio with risk was held.

        Of shape (n_sessions, n_assets); empty where the perf frame holds none. An asset absent from a session's
        mapping was not held and contributed nothing.
        """
        column = self.perf.get("risk_contributions", pd.Series(dtype=object))
        cells = {session: cell for session, cell in column.items() if isinstance(cell, Mapping) and len(cell)}
        if not cells:
            return pd.DataFrame()
        frame = pd.DataFrame(list(cells.values()), index=pd.DatetimeIndex(list(cells))).fillna(0.0)
        return frame.set_axis([symbol(asset) for asset in frame.columns], axis=1)[frame.sum(axis=1) > 0]


def symbol(asset: Any) -> str:
    """Return the symbol of a zipline asset, or the asset's own name; lone surrogates, which no file holds, escaped."""
    return str(getattr(asset, "symbol", asset)).encode("utf-8", "backslashreplace").decode()


def _check_card(scorecard: Mapping[str, Any]) -> None:
    if "bias_statistic" not in scorecard:
        raise InsufficientHistoryError(
            "the run has no scorecard, as one shorter than 63 sessions with a forecast has none; "
            "choose a longer span to have a report"
        )


def on_sessions(perf: pd.DataFrame) -> pd.DataFrame:
    """Return a copy of a perf frame on timezone-naive sessions, its columns checked."""
    missing = [name for name in NEEDED if name not in perf]
    if missing:
        raise ParameterError(
            f"the perf frame has no column {missing[0]!r}; run the strategy with the volplugin metrics set"
        )
    frame = perf.copy()
    index = pd.DatetimeIndex(frame.index)
    frame.index = (index.tz_convert("UTC").tz_localize(None) if index.tz is not None else index).normalize()
    return frame
