"""How stored models do on another market, and whether to use, recalibrate or replace them there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from volplugin.data.panel import PricePanel
from volplugin.errors import InsufficientHistoryError
from volplugin.evaluation import qlike, realized_variance
from volplugin.risk.defaults import default_volatility
from volplugin.storage import ModelStore
from volplugin.units import TRADING_DAYS
from volplugin.volatility import (
    EWMAVolatility,
    HARVolatility,
    RecalibratedVolatility,
    RefitSchedule,
    VolatilityForecaster,
    load_walk_forward,
)
from volplugin.volatility.walk_forward import WalkForward

HORIZONS = (1, 5, 21)
MIN_FIT, MIN_TEST, MAX_TEST = 2 * TRADING_DAYS, TRADING_DAYS // 2, 3 * TRADING_DAYS
"""Sessions to fit local models on, and to measure on."""
CHOICES = {"use": "stored", "recalibrate": "recalibrated", "train": "trained"}
"""What to do, with the model that it leads to."""
TIE = 0.002
"""Relative loss within which the simpler choice is recommended."""


@dataclass(frozen=True)
class Transfer:
    """Losses of models on the last part of a market's past.

    Attributes
    ----------
    losses : DataFrame of shape (n_models, n_horizons)
        Mean QLIKE against squared returns, over the same stocks and sessions for every model.
    fitted_through, start, end : Timestamp
        Last training session of the local models; first and last forecast.
    assets : int
    choice : {"use", "recalibrate", "train"}
    """

    losses: pd.DataFrame
    fitted_through: pd.Timestamp
    start: pd.Timestamp
    end: pd.Timestamp
    assets: int
    choice: str


def measure_transfer(panel: PricePanel, store: str = "pretrained", *, training: bool = True) -> Transfer:
    """Measure stored models on a market against EWMA94, a local HAR, a recalibration, and models trained there.

    Local models are fitted once, on the first part of the panel, and forecast the last part: a third of the sessions,
    at most three years. The recommended choice has the least mean loss relative to EWMA94; the simpler choice is
    preferred within 0.2%.

    Parameters
    ----------
    panel : PricePanel
        The market's past; nothing else is used.
    store : str, default "pretrained"
        Folder of the stored models.
    training : bool, default True
        Also train the default model there, which takes minutes; without it a local HAR takes its place.

    Raises
    ------
    InsufficientHistoryError
        With fewer than about two and a half years of sessions.
    MissingVintageError
        If the stored models begin after the first part of the panel.
    """
    sessions = panel.sessions
    test = min(MAX_TEST, max(MIN_TEST, len(sessions) // 3), len(sessions) - MIN_FIT)
    if test < MIN_TEST:
        raise InsufficientHistoryError(
            f"{panel!r} is too short to measure models on: {MIN_FIT + MIN_TEST} sessions are needed; "
            "bring earlier prices, or use the models as they are"
        )
    cut = pd.Timestamp(sessions[-test - 1])
    losses = transfer_losses(panel, local_models(store, training=training), store, cut)
    return Transfer(losses, cut, pd.Timestamp(sessions[-test]), panel.last_session, len(panel.assets), choose(losses))


def local_models(store: str, *, training: bool = True) -> dict[str, VolatilityForecaster]:
    """Return the unfitted local models by name."""
    models: dict[str, VolatilityForecaster] = {
        "EWMA94": EWMAVolatility(),
        "local HAR": HARVolatility("market"),
        "recalibrated": RecalibratedVolatility(store),
    }
    return models | ({"trained": default_volatility()} if training else {})


def transfer_losses(
    panel: PricePanel, models: Mapping[str, VolatilityForecaster], store: str, cut: pd.Timestamp
) -> pd.DataFrame:
    """Fit models through a session, and return their and the stored models' mean QLIKE after it, models x horizons."""
    known, start = panel.asof(cut), panel.sessions[panel.sessions.get_loc(cut) + 1]
    fitted: dict[str, VolatilityForecaster] = {"stored": load_walk_forward(store)}
    fitted |= {name: model.fit(known) if model.requires_fit else model for name, model in models.items()}
    losses = {}
    for horizon in HORIZONS:
        outcome = realized_variance(panel.returns, horizon)
        each = {
            name: qlike(outcome.loc[start:], model.predict_path(panel, start, panel.last_session, horizon) ** 2)
            for name, model in fitted.items()
        }
        everywhere = np.all([np.isfinite(loss.to_numpy()) for loss in each.values()], axis=0)
        losses[horizon] = {name: float(loss.to_numpy()[everywhere].mean()) for name, loss in each.items()}
    return pd.DataFrame(losses)


def choose(losses: pd.DataFrame) -> str:
    """Return the choice of the least mean loss relative to EWMA94, the simpler one in a tie."""
    relative = (losses / losses.loc["EWMA94"]).mean(axis=1)
    local = "trained" if "trained" in relative.index else "local HAR"
    scores = {choice: relative[local if name == "trained" else name] for choice, name in CHOICES.items()}
    least = min(scores.values())
    return next(choice for choice, score in scores.items() if score <= least * (1 + TIE))


def recalibrate(panel: PricePanel, folder: str | Path, store: str = "pretrained") -> WalkForward:
    """Write a folder of recalibrations of stored models, one per year with two years of sessions or more before it.

    Raises
    ------
    InsufficientHistoryError
        With fewer than two years of sessions.
    """
    if len(panel.sessions) <= MIN_FIT:
        raise InsufficientHistoryError(f"{panel!r} is too short: a recalibration needs {MIN_FIT} sessions before it")
    first = load_walk_forward(store).vintage_dates()[0]
    start = max(pd.Timestamp(panel.sessions[MIN_FIT]), first + pd.Timedelta(days=1))
    walk_forward = WalkForward(RecalibratedVolatility(store), RefitSchedule("yearly"), ModelStore(folder))
    return walk_forward.train(panel, start, panel.last_session, progress=False)


ACTIONS = {
    "use": "use the stored models as they are: --store {store}",
    "recalibrate": "recalibrate them: volplugin transfer --bundle {bundle} --store {store} --recalibrate FOLDER, "
    "then --store FOLDER",
    "train": "train models on these prices: volplugin train --bundle {bundle} --start {start} --store FOLDER, "
    "then --store FOLDER",
}


def transfer_text(transfer: Transfer, bundle: str, store: str) -> str:
    """Lay out the losses, and the recommended choice with its command."""
    table = transfer.losses.rename(index={"stored": f"stored ({store})"})
    table.columns = [f"{horizon} session{'s' * (horizon > 1)}" for horizon in table.columns]
    action = ACTIONS[transfer.choice].format(bundle=bundle, store=store, start=transfer.end.date())
    return (
        f"mean QLIKE of {transfer.assets} assets from {transfer.start.date()} to {transfer.end.date()}; local models "
        f"fitted through {transfer.fitted_through.date()}\n{table.round(4).to_string()}\n{transfer.choice}: {action}"
    )
