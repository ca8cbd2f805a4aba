"""A forecaster for panels with open, high and low, and another one for panels with closes only."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from sklearn.base import clone

from volplugin.data.panel import PricePanel
from volplugin.volatility.base import OnlinePredictor, VolatilityForecaster
from volplugin.volatility.combination import JointVolatility, Paths

CLOSES_ANSWER = "the panel has closes only: the model trained on closes is used"


class RangesOrCloses(JointVolatility):
    """One forecaster for panels with open, high and low, another one for panels with closes only.

    Parameters
    ----------
    ranges, closes : VolatilityForecaster
        Forecaster of each kind of panel; clones of both are fitted on the same panel.

    Examples
    --------
    >>> from volplugin import EWMAVolatility, HARVolatility, PricePanel, simulated_panel
    >>> from volplugin.volatility import RangesOrCloses
    >>> panel = simulated_panel(3, "2012-01-02", "2014-06-30")
    >>> model = RangesOrCloses(HARVolatility(), EWMAVolatility()).fit(panel.asof("2013-12-31"))
    >>> model.fallbacks(PricePanel(close=panel.close))
    {'open, high and low': 'the panel has closes only: the model trained on closes is used'}
    """

    def __init__(self, ranges: VolatilityForecaster, closes: VolatilityForecaster) -> None:
        self.ranges = ranges
        self.closes = closes

    @property
    def forecasters(self) -> Sequence[VolatilityForecaster]:  # type: ignore[override]
        """Both members, the one for ranges first."""
        return (self.ranges, self.closes)

    def answering(self, panel: PricePanel) -> VolatilityForecaster:
        """Return the member that forecasts a panel."""
        ranges, closes = self._members
        return ranges if panel.has_ranges else closes

    def _predict_paths(self, panel: PricePanel, horizons: tuple[int, ...], first: int) -> Paths:
        return self.answering(panel)._paths(panel, horizons, first)

    @property
    def model_name(self) -> str:
        """Names of the members."""
        return " or ".join(dict.fromkeys(type(member).__name__ for member in self.forecasters))

    def online_predictor(self) -> OnlinePredictor:
        """Return a predictor that uses the online predictor of the panel's member."""
        return _MemberOnlinePredictor(self)

    def fine_tuned(self, panel: PricePanel) -> RangesOrCloses:
        """Return a copy of this fitted model in which the panel's member is tuned to the assets of the panel."""
        model = clone(self)
        model.__dict__ |= {key: value for key, value in self.__dict__.items() if key.endswith("_")}
        model._describe(panel)
        model.trained_through_ = panel.last_session
        here = self.answering(panel)
        model.forecasters_ = [member.fine_tuned(panel) if member is here else member for member in self._members]
        return model

    def ensemble_members(self) -> dict[str, VolatilityForecaster]:
        """Return the ensemble members of the forecaster for ranges."""
        return self._members[0].ensemble_members()

    def fallbacks(self, panel: PricePanel) -> dict[str, str]:
        """Report missing open, high and low, and the fallbacks of the panel's member."""
        lacking = {} if panel.has_ranges else {"open, high and low": CLOSES_ANSWER}
        return lacking | self.answering(panel).fallbacks(panel)


class _MemberOnlinePredictor(OnlinePredictor):
    """Forecasts each panel with the online predictor of the panel's member."""

    def __init__(self, model: RangesOrCloses) -> None:
        super().__init__(model)
        self._model = model
        self._online_predictors = [member.online_predictor() for member in model._members]

    def predict_in_sample(
        self, panel: PricePanel, start: pd.Timestamp, end: pd.Timestamp, horizons: Sequence[int]
    ) -> dict[int, pd.DataFrame]:
        """Forecast as the model's `predict_in_sample` does."""
        online_predictor = self._online_predictors[0 if panel.has_ranges else 1]
        return online_predictor.predict_in_sample(panel, start, end, horizons)
