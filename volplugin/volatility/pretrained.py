"""The vintages shipped with the package: a volatility model that is ready to predict without training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import pandas as pd
from sklearn.base import clone

from volplugin.data.panel import PricePanel
from volplugin.errors import MissingVintageError
from volplugin.storage import ModelStore
from volplugin.volatility.base import VolatilityForecaster
from volplugin.volatility.prices import RangesOrCloses
from volplugin.volatility.recalibrated import RecalibratedVolatility
from volplugin.volatility.registry import stored_walk_forward
from volplugin.volatility.training_data import check_training_data
from volplugin.volatility.walk_forward import WalkForward

SHIPPED = Path(__file__).parents[1] / "_pretrained"
PRETRAINED = "pretrained"
"""Name of the shipped vintages, accepted wherever a store folder is."""


def load_walk_forward(store: str | Path) -> WalkForward:
    """Return the `WalkForward` of the vintages in a folder, with the forecaster named in its ``store.json``.

    Parameters
    ----------
    store : str or Path
        Folder of a `ModelStore`; "pretrained" for the shipped vintages.

    Raises
    ------
    MissingVintageError
        If the folder holds none, with the command that trains them.
    StoreCorruptError
        If ``store.json`` names an unknown forecaster, parameter or schedule.
    """
    return PretrainedVolatility() if str(store) == PRETRAINED else stored_walk_forward(store)


def require_trained(store: str | Path, start: pd.Timestamp, panel: PricePanel | None = None) -> WalkForward:
    """Return the `WalkForward` of a store that has a vintage for `start`.

    With a panel, the data that a store's vintages were trained on are compared with it, as in training; the shipped
    vintages hold no training data.

    Raises
    ------
    MissingVintageError
        If it has none, with the command that trains it.
    StoreConfigurationError
        If its vintages were trained on other prices.
    """
    if str(store) != PRETRAINED and ModelStore(store).configuration is None:
        raise MissingVintageError(
            f"{store} holds no trained models; train them: volplugin train --start {start.date()} --store {store}"
        )
    walk_forward = load_walk_forward(store)
    walk_forward.vintage_at(start)
    if panel is not None:
        compare_training_data(walk_forward, start, panel)
    return walk_forward


def compare_training_data(volatility: VolatilityForecaster, start: pd.Timestamp, panel: PricePanel) -> None:
    """Compare the data that a store's vintages used from `start` on were trained on with a panel, and log changes.

    Only stores hold training data; nothing is compared for the shipped vintages, or for a model in memory.

    Raises
    ------
    StoreConfigurationError
        If they were trained on other prices.
    """
    store = getattr(volatility, "store", None)
    if not isinstance(volatility, WalkForward) or isinstance(volatility, PretrainedVolatility) or store is None:
        return
    dates = [day for day in volatility.vintage_dates() if day <= panel.last_session]
    first = max((day for day in dates if day <= start), default=start)
    check_training_data(store, [day for day in dates if day >= first], panel)


def backbone(seeds: int = 3, steps: int | Sequence[int] = 2400, closes: bool = True) -> VolatilityForecaster:
    """Return the unfitted forecaster that is pretrained on a wide panel.

    Hundreds of stocks justify more gradient steps than thirty, and one layer of 32 units forecasts as well as two of
    64 and 32 at a third of the cost; a share of the linear model helps at 21 sessions only (chosen on the years to
    2009).

    Parameters
    ----------
    seeds : int, default 3
        Networks per ensemble.
    steps : int or sequence of int, default 2400
        Gradient steps per network; from several, each seed selects one on a purged tail of the training span.
    closes : bool, default True
        Whether to add a second ensemble for panels with closes only.
    """
    from volplugin.volatility.lstm.forecaster import LSTMVolatility

    each = tuple(range(seeds))
    ranges = LSTMVolatility(seeds=each, steps=steps, mode="shared", units=(32,), linear_share=(0.0, 0.0, 0.25))
    return RangesOrCloses(ranges, clone(ranges).set_params(inputs="season-closes")) if closes else ranges


class PretrainedVolatility(WalkForward):
    """Yearly vintages of an LSTM trained on hundreds of stocks; at `asof` it uses the newest trained by then.

    It predicts without training. ``fit(panel)`` tunes head and skip of the panel's last vintage to each asset of the
    panel, where that improves the loss on a purged tail. The tuned vintage is used from the panel's last session on,
    and the panel's market becomes its reference universe. Untuned, market-wide inputs are means over the universe
    that the vintage was trained on; a panel without that universe, and without ``market=``, is forecast without them.

    Parameters
    ----------
    path : str or Path, optional
        Folder of vintages from ``volplugin pretrain``; by default the shipped vintages.

    Raises
    ------
    MissingVintageError
        If the folder holds no vintages; at a forecast, if `asof` precedes the first vintage.

    Examples
    --------
    >>> from volplugin import simulated_panel
    >>> from volplugin.volatility.pretrained import PretrainedVolatility
    >>> panel = simulated_panel(3, "2008-01-02", "2012-06-29")
    >>> model = PretrainedVolatility()
    >>> model.vintage_at(panel.last_session).vintage["trained_through"]
    '2011-12-30'
    >>> model.predict(panel, horizon=21).shape
    (3,)
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = path
        # Vintages tuned to a panel, by the panel's last session; no parameter, so a clone starts without them.
        self._tuned: dict[pd.Timestamp, VolatilityForecaster] = {}
        walk_forward = stored_walk_forward(SHIPPED if path is None else path)
        super().__init__(walk_forward.forecaster, walk_forward.schedule, walk_forward.store)

    def train(self, *arguments: Any, **settings: Any) -> Self:
        """Return self: the vintages are trained already."""
        return self

    def _fit(self, panel: PricePanel) -> None:
        date = panel.last_session
        backbone = super()._vintage(self._shipped(date)[-1])
        self._tuned[date] = backbone.fine_tuned(panel)

    def _shipped(self, asof: pd.Timestamp) -> list[pd.Timestamp]:
        self.vintage_at(asof)  # raises MissingVintageError before the first vintage
        return [date for date in super()._known() if date <= asof]

    def _known(self) -> list[pd.Timestamp]:
        return sorted({*super()._known(), *self._tuned}) if self._tuned else super()._known()

    def _vintage(self, date: pd.Timestamp) -> VolatilityForecaster:
        return self._tuned[date] if date in self._tuned else super()._vintage(date)

    def _missing(self, asof: pd.Timestamp) -> str:
        first = super()._known()[0].date()
        return (
            f"the pretrained models in {self.store!r} begin with the one trained through {first}, and {asof.date()} is "
            f"earlier; begin later, or train your own: volplugin train --start {asof.date()} --store models"
        )


RecalibratedVolatility.load_store = staticmethod(load_walk_forward)
