"""The data of a study: the sessions on which all stocks have a close, the training and test parts, the portfolios."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np
import pandas as pd

from volplugin.data.panel import MAX_GAP_SESSIONS, PricePanel
from volplugin.errors import AssetMismatchError, InsufficientHistoryError, PanelError
from volplugin.evaluation import portfolio_returns
from volplugin.units import QUARTER_SESSIONS
from volplugin.volatility.lstm.seed import SeedSettings


@dataclass(frozen=True, eq=False)
class Sample:
    """The input of a study.

    Attributes
    ----------
    panel : PricePanel
        All prices, with unequal histories; the causal model is trained on them.
    closes : DataFrame of shape (n_sessions, n_assets)
        Closes of the sessions on which every stock has one.
    settings : SeedSettings
    portfolios : mapping of name to Series of shape (n_assets,)
        Weights, restored at every close.
    """

    panel: PricePanel
    closes: pd.DataFrame
    settings: SeedSettings
    portfolios: Mapping[str, pd.Series]

    @cached_property
    def returns(self) -> pd.DataFrame:
        """Daily log returns, sessions x assets."""
        return cast(pd.DataFrame, np.log(self.closes / self.closes.shift(1)).iloc[1:])

    @property
    def training(self) -> pd.DatetimeIndex:
        """Origins of the training part."""
        return self._sessions[self.settings.split(len(self._sessions))[0]]

    @property
    def test(self) -> pd.DatetimeIndex:
        """Origins of the test part, each with a complete horizon after it."""
        return self._sessions[self.settings.split(len(self._sessions))[1]]

    @property
    def origins(self) -> pd.DatetimeIndex:
        """All origins, training part first."""
        return self.training.append(self.test)

    def portfolio_returns(self, portfolio: str) -> pd.Series:
        """Return daily simple returns of a portfolio; its weights are restored at every close."""
        weights = self.portfolios[portfolio].to_frame(self.closes.index[0]).T
        # Weights apply from the first close on, so it needs a row although it has no return.
        return portfolio_returns(self.returns.reindex(self.closes.index), weights)

    def summary(self) -> list[str]:
        """Describe the sessions used, and the reason for each session left out."""
        first, last = _span(self.closes)
        lines = [f"{len(self.closes.columns)} stocks, {len(self.closes)} closes of each, {first} to {last}"]
        unused = len(self.panel.sessions) - len(self.closes)
        if unused:
            lines.append(
                f"histories are unequal: the common sample is used, and {unused} of {len(self.panel.sessions)} "
                f"sessions, on which a stock has no close, are left out ({_limits(self.panel)})"
            )
        parts = [f"{len(part)} origins {part[0].date()} to {part[-1].date()}" for part in (self.training, self.test)]
        lines.append(f"trained on {parts[0]}; tested on {parts[1]}")
        return lines

    @property
    def _sessions(self) -> pd.DatetimeIndex:
        return cast(pd.DatetimeIndex, self.returns.index)


def common_sample(
    panel: PricePanel, settings: SeedSettings | None = None, weights: Mapping[str, pd.Series] | None = None
) -> Sample:
    """Select the sessions on which all stocks have a close, and check that they suffice for a study.

    Parameters
    ----------
    panel : PricePanel
        Closes of at least two stocks.
    settings : SeedSettings, optional
        Default the original settings of the seed.
    weights : mapping of name to Series, optional
        Portfolios to evaluate in addition to equal weights; stocks without a weight have weight zero.

    Raises
    ------
    PanelError
        For fewer than two stocks, and for a stock without closes, with a long gap in them, or with a constant price.
    InsufficientHistoryError
        If the common sample is too short. The message names the stocks that limit it.
    AssetMismatchError
        If weights contain an unknown stock, a stock twice, or a number that is not finite.
    """
    settings = settings or SeedSettings()
    names = list(panel.assets)
    if len(names) < 2:
        raise PanelError(f"a study requires two stocks or more, for their correlation; the only one is {names[0]}")
    empty = panel.close.columns[panel.close.isna().all()]
    if len(empty):
        raise PanelError(f"{empty[0]} has no close at all; remove it")
    closes = panel.close.dropna()
    _check_length(panel, closes, settings)
    _check_holes(panel, closes)
    portfolios = {"equal weights": pd.Series(1 / len(names), index=names)}
    portfolios |= {name: _on_assets(portfolio, names, name) for name, portfolio in (weights or {}).items()}
    sample = Sample(panel, closes, settings, portfolios)
    _check_moves(sample)
    return sample


def _check_length(panel: PricePanel, closes: pd.DataFrame, settings: SeedSettings) -> None:
    least = next(count for count in itertools.count(1) if _is_enough(count, settings))
    if len(closes) < least:
        raise InsufficientHistoryError(
            f"the stocks have {len(closes)} sessions in common, a study requires {least} or more ({_limits(panel)}); "
            "remove the stocks with the shortest histories"
        )


def _is_enough(closes: int, settings: SeedSettings) -> bool:
    training, test = settings.split(closes - 1)
    # The tests of a difference require four horizons.
    least = max(QUARTER_SESSIONS, 4 * settings.horizon)
    return training.stop > training.start and test.stop - test.start >= least


def _check_holes(panel: PricePanel, closes: pd.DataFrame) -> None:
    """Raise for a gap longer than a halt: its return would be taken for the return of one day."""
    places = panel.sessions.get_indexer(closes.index)
    steps = np.diff(places)
    if steps.max() > MAX_GAP_SESSIONS + 1:
        before = int(steps.argmax())
        first = panel.sessions[places[before] + 1]
        asset = panel.close.loc[first].isna().idxmax()
        raise PanelError(
            f"{asset} has no close on {first.date()}, and the stocks none in common until "
            f"{closes.index[before + 1].date()}; remove it, or cut the closes to one side of the gap"
        )


def _check_moves(sample: Sample) -> None:
    known = sample.returns.loc[: sample.training[-1]]
    still = known.columns[(known.max() == known.min()).to_numpy()]
    if len(still):
        raise PanelError(f"{still[0]} has a constant price up to {known.index[-1].date()}; remove it")


def _on_assets(weights: pd.Series, names: list[str], portfolio: str) -> pd.Series:
    given = pd.Series(weights, dtype=float)
    unknown = [name for name in given.index if name not in names]
    if unknown:
        raise AssetMismatchError(f"{portfolio}: there are no closes of {unknown[0]}; the stocks are {', '.join(names)}")
    if given.index.has_duplicates:
        raise AssetMismatchError(
            f"{portfolio}: {given.index[given.index.duplicated()][0]} has two weights; give it one"
        )
    if not np.isfinite(given.to_numpy()).all() or not given.any():
        raise AssetMismatchError(f"{portfolio}: weights must be finite numbers, not all of them zero")
    return given.reindex(names, fill_value=0.0)


def _limits(panel: PricePanel) -> str:
    """Describe what limits the common sample: the latest first close, the earliest last close, and gaps."""
    begins = panel.close.apply(pd.Series.first_valid_index)
    ends = panel.close.apply(pd.Series.last_valid_index)
    limits = []
    if begins.max() > panel.sessions[0]:
        limits.append(f"{begins.idxmax()} begins last, on {begins.max().date()}")
    if ends.min() < panel.last_session:
        limits.append(f"{ends.idxmin()} ends first, on {ends.min().date()}")
    holes = int(panel.close.loc[begins.max() : ends.min()].isna().any(axis=1).sum())
    if holes:
        limits.append(f"{holes} sessions in between have gaps")
    return "; ".join(limits) or f"all of them begin on {begins.max().date()}"


def _span(frame: pd.DataFrame) -> tuple[str, str]:
    return str(frame.index[0].date()), str(frame.index[-1].date())
