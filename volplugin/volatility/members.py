"""Models that are fitted member by member, such as one seed of an ensemble at a time."""

from __future__ import annotations

from typing import Any, Generic, Self, TypeVar

import numpy as np
import pandas as pd
from sklearn.base import clone

from volplugin.data.panel import PricePanel

State = dict[str, np.ndarray]
"""Learned parameters by name."""

Model = TypeVar("Model")


class MemberFitting(Generic[Model]):
    """Fits a model in independent members, which `WalkForward` runs in parallel and stores one by one.

    ``combine([member.fit_member(panel) for member in members()], panel)`` equals ``fit(panel)``. A model that is no
    ensemble has one member, a clone of itself.
    """

    trained_through_: pd.Timestamp

    def members(self) -> list[Model]:
        """Return the unfitted members that can be fitted independently: one clone, unless the model is an ensemble."""
        return [clone(self)]

    def fit_member(self, panel: PricePanel) -> State:
        """Fit this member, and return the parameters that `combine` needs."""
        model: Any = self
        return model.fit(panel).get_state()

    def combine(self, states: list[State], panel: PricePanel) -> Self:
        """Become the fitted model from the states of all `members`, in order, each fitted on `panel`."""
        self._describe(panel)
        self.trained_through_ = panel.last_session
        self._combine(states, panel)
        return self

    def ensemble_members(self) -> dict[str, Model]:
        """Return the members of a fitted ensemble, each ready to predict, by name; empty for other models."""
        return {}

    def _describe(self, panel: PricePanel) -> None:
        """Store the names of the assets and of the reference universe."""
        raise NotImplementedError

    def _combine(self, states: list[State], panel: PricePanel) -> None:
        model: Any = self
        model.set_state(states[0])
