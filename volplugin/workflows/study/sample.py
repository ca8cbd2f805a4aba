"""The data of a study: closes that all stocks have, cut into a training and a test part, and the books."""

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
from volplugin.volatility.lstm.seed import SeedSettings

LEAST_TEST = 63
"""Least number of test origins: a quarter."""


@dataclass(frozen=True, eq=False)
class Sample:
    """What a study is made of.

    Attributes
    ----------
    panel : PricePanel
        Everything that was given, unequal histories included: what the causal model may learn from.
    closes : DataFrame of shape (n_sessions, n_assets)
        The sessions on which every stock has a close.
    settings : SeedSettings
    portfolios : mapping of name to Series of shape (n_assets,)
        Weights, restored each session.
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
        """Origins that the networks are trained on."""
        return self._sessions[self.settings.split(len(self._sessions))[0]]

    @property
    def test(self) -> pd.DatetimeIndex:
        """Evaluated origins, each with a complete horizon after it."""
        return self._sessions[self.settings.split(len(self._sessions))[1]]

    @property
    def origins(self) -> pd.DatetimeIndex:
        """All of them, the training part first."""
        return self.training.append(self.test)

    def portfolio_returns(self, portfolio: str) -> pd.Series:
        """Daily simple returns of a portfolio whose weights are restored at every close."""
        weights = self.portfolios[portfolio].to_frame(self.closes.index[0]).T
        # The first close, at which the portfolio is made, is a session too.
        return portfolio_returns(self.returns.reindex(self.closes.index), weights)

    def metadata(self) -> list[str]:
        """Say which sessions are used, and why not more."""
        first, last = _span(self.closes)
        sentences = [f"{len(self.closes.columns)} stocks, {len(self.closes)} closes of each, {first} to {last}"]
        unused = len(self.panel.sessions) - len(self.closes)
        if unused:
            sentences.append(
                f"histories are unequal: the common sample is used, and {unused} of {len(self.panel.sessions)} "
                f"sessions, on which a stock has no close, are left out ({_limits(self.panel)})"
            )
        parts = [f"{len(part)} origins {part[0].date()} to {part[-1].date()}" for part in (self.training, self.test)]
        sentences.append(f"trained on {parts[0]}; tested on {parts[1]}")
        return sentences

    @property
    def _sessions(self) -> pd.DatetimeIndex:
        return cast(pd.DatetimeIndex, self.returns.index)


def common_sample(
    panel: PricePanel, settings: SeedSettings | None = None, weights: Mapping[str, pd.Series] | None = None
) -> Sample:
    """Cut a panel to the sessions that all of its stocks have, and check that a study can be made of them.

    Parameters
    ----------
    panel : PricePanel
        Closes of two stocks or more.
    settings : SeedSettings, optional
        Those of the seed if not given.
    weights : mapping of name to Series, optional
        Portfolios to evaluate besides equal weights; stocks that are not named have weight zero.

    Raises
    ------
    PanelError
        For fewer than two stocks, and for a stock without closes, with a hole in them, or whose price never moves.
    InsufficientHistoryError
        If the common sample is too short, naming the stocks that limit it.
    AssetMismatchError
        If weights name a stock without closes, name one twice, or are not finite numbers.
    """
    settings = settings or SeedSettings()
    names = list(panel.assets)
    if len(names) < 2:
        raise PanelError(f"a study takes two stocks or more, for their correlation; these closes hold {names[0]} alone")
    empty = panel.close.columns[panel.close.isna().all()]
    if len(empty):
        raise PanelError(f"{empty[0]} has no close at all; leave it out")
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
            f"the stocks have {len(closes)} sessions in common, and a study takes {least} or more ({_limits(panel)}); "
            "leave the shortest histories out"
        )


def _is_enough(closes: int, settings: SeedSettings) -> bool:
    training, test = settings.split(closes - 1)
    return training.stop > training.start and test.stop - test.start >= LEAST_TEST


def _check_holes(panel: PricePanel, closes: pd.DataFrame) -> None:
    """Refuse a hole longer than a halt, over which a return would pass for one of a day."""
    places = panel.sessions.get_indexer(closes.index)
    steps = np.diff(places)
    if steps.max() > MAX_GAP_SESSIONS + 1:
        before = int(steps.argmax())
        first = panel.sessions[places[before] + 1]
        asset = panel.close.loc[first].isna().idxmax()
        raise PanelError(
            f"{asset} has no close on {first.date()}, and the stocks none in common until "
            f"{closes.index[before + 1].date()}; leave it out, or cut the closes to one side of the hole"
        )


def _check_moves(sample: Sample) -> None:
    known = sample.returns.loc[: sample.training[-1]]
    still = known.columns[(known.max() == known.min()).to_numpy()]
    if len(still):
        raise PanelError(f"{still[0]} never moves up to {known.index[-1].date()}; leave it out, its range is nothing")


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
        raise AssetMismatchError(f"{portfolio}: weights are finite numbers, and not all of them zero")
    return given.reindex(names, fill_value=0.0)


def _limits(panel: PricePanel) -> str:
    """Name the stocks whose histories begin last and end first, and how many sessions lack a close in between."""
    begins = panel.close.apply(pd.Series.first_valid_index)
    ends = panel.close.apply(pd.Series.last_valid_index)
    sentences = []
    if begins.max() > panel.sessions[0]:
        sentences.append(f"{begins.idxmax()} begins last, on {begins.max().date()}")
    if ends.min() < panel.last_session:
        sentences.append(f"{ends.idxmin()} ends first, on {ends.min().date()}")
    holes = int(panel.close.loc[begins.max() : ends.min()].isna().any(axis=1).sum())
    if holes:
        sentences.append(f"{holes} have a hole in between")
    return "; ".join(sentences) or f"all of them begin on {begins.max().date()}"


def _span(frame: pd.DataFrame) -> tuple[str, str]:
    return str(frame.index[0].date()), str(frame.index[-1].date())
