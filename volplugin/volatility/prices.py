"""Which prices there are decides who answers: ranges, or closes alone."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from sklearn.base import clone

from volplugin.data.panel import PricePanel
from volplugin.volatility.base import OnlinePredictor, State, VolatilityForecaster
from volplugin.volatility.combination import JointVolatility, Paths

CLOSES_ANSWER = "the panel has closes only: the model that was trained on closes answers"


class RangesOrCloses(JointVolatility):
    """One forecaster for panels with open, high and low, another for panels of closes.

    Parameters
    ----------
    ranges, closes : VolatilityForecaster
        Who answers for each; clones of them are fitted, both on the same panel.
    """

    def __init__(self, ranges: VolatilityForecaster, closes: VolatilityForecaster) -> None:
        self.ranges = ranges
        self.closes = closes

    @property
    def forecasters(self) -> Sequence[VolatilityForecaster]:  # type: ignore[override]
        """Return both, that of ranges first."""
        return (self.ranges, self.closes)

    def answering(self, panel: PricePanel) -> VolatilityForecaster:
        """Return the member that answers for a panel."""
        ranges, closes = self._members
        return ranges if panel.has_ranges else closes

    def _predict_paths(self, panel: PricePanel, horizons: tuple[int, ...], first: int) -> Paths:
        return self.answering(panel)._predict_paths(panel, horizons, first)

    @property
    def vintage(self) -> dict[str, str]:
        """What the learned numbers are, named after the members."""
        return super().vintage | {"model": " or ".join(dict.fromkeys(type(one).__name__ for one in self.forecasters))}

    def online_predictor(self) -> OnlinePredictor:
        """Return what follows with the member that the first panel asks for."""
        return _MemberOnlinePredictor(self)

    def fine_tuned(self, panel: PricePanel) -> RangesOrCloses:
        """Return this fitted model with the member that answers for a panel tuned to its assets."""
        model = clone(self)
        model.__dict__ |= {key: value for key, value in self.__dict__.items() if key.endswith("_")}
        model._describe(panel)
        model.trained_through_ = panel.last_session
        here = self.answering(panel)
        model.forecasters_ = [member.fine_tuned(panel) if member is here else member for member in self._members]
        return model

    def ensemble_members(self) -> dict[str, VolatilityForecaster]:
        """Return those of the forecaster for ranges."""
        return self._members[0].ensemble_members()

    def fallbacks(self, panel: PricePanel) -> dict[str, str]:
        """Name the closes, and what the member that answers names."""
        lacking = {} if panel.has_ranges else {"open, high and low": CLOSES_ANSWER}
        return lacking | self.answering(panel).fallbacks(panel)


class _MemberOnlinePredictor(OnlinePredictor):
    """Follows one member as long as the panels keep to its kind of prices."""

    def __init__(self, model: RangesOrCloses) -> None:
        super().__init__(model)
        self._model = model
        self._online_predictors = [member.online_predictor() for member in model._members]

    def predict_in_sample(
        self, panel: PricePanel, start: pd.Timestamp, end: pd.Timestamp, horizons: Sequence[int]
    ) -> dict[int, pd.DataFrame]:
        """Forecast as the model's `replay` does."""
        online_predictor = self._online_predictors[0 if panel.has_ranges else 1]
        return online_predictor.predict_in_sample(panel, start, end, horizons)

    def get_state(self) -> State:
        """Return what is carried for panels with ranges, and for those of closes."""
        return {
            f"{place}/{name}": array
            for place, online_predictor in enumerate(self._online_predictors)
            for name, array in online_predictor.get_state().items()
        }

    def set_state(self, state: State) -> None:
        """Take it back."""
        for place, online_predictor in enumerate(self._online_predictors):
            prefix = f"{place}/"
            online_predictor.set_state(
                {name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)}
            )
