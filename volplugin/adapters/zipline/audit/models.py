"""Trained models that a strategy loads: the data that they were trained on, and when they were used."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import pandas as pd
from zipline.utils.algo_instance import get_algo_instance

from volplugin.data.panel import PricePanel
from volplugin.storage import ModelStore
from volplugin.volatility.base import VolatilityForecaster
from volplugin.volatility.pretrained import SHIPPED


@dataclass(frozen=True)
class ModelLoad:
    """One vintage that was read from a store.

    Attributes
    ----------
    path : str
        The store's folder.
    trained_through, fingerprint : str
        As its manifest says.
    assets, universe : tuple of str
        Of its training panel, and of the reference universe behind that.
    early : bool
        Whether it was read in ``initialize``, and not by a `WalkForward`, which selects the vintage by date.
    """

    path: str
    trained_through: str
    fingerprint: str
    assets: tuple[str, ...]
    universe: tuple[str, ...]
    early: bool


class ModelLog:
    """The models that a run loaded, and the models from the future that it loaded or used.

    Parameters
    ----------
    completed : callable
        Returns the last session that is over on the strategy's clock, None in ``initialize``.

    Attributes
    ----------
    loads : dict
        `ModelLoad` as keys, in order.
    future : list of str
        Sentences, one a model.
    """

    def __init__(self, completed: Callable[[], pd.Timestamp | None]) -> None:
        self.loads: dict[ModelLoad, None] = {}
        self.future: list[str] = []
        self._completed = completed
        self._told: set[tuple[str, str]] = set()

    @contextmanager
    def recording(self) -> Iterator[ModelLog]:
        """Record inside the block each load from a `ModelStore` and each call of a forecaster."""
        with (
            replaced(ModelStore, "load", self._loading),
            replaced(VolatilityForecaster, "predict_in_sample", self._asking),
            replaced(VolatilityForecaster, "predict", self._asking),
        ):
            yield self

    def _loading(self, method: Callable[..., Any], store: ModelStore, *arguments: Any, **settings: Any) -> Any:
        state, manifest = method(store, *arguments, **settings)
        early = self._completed() is None and not _called_in("volplugin.volatility.walk_forward")
        metadata = (manifest.trained_through, manifest.fingerprint, tuple(manifest.assets), tuple(manifest.universe))
        self.loads[ModelLoad(str(store.path), *metadata, early)] = None
        self._check(str(store.path), pd.Timestamp(manifest.trained_through), "loaded")
        return state, manifest

    def _asking(self, method: Callable[..., Any], model: Any, *arguments: Any, **settings: Any) -> Any:
        if model.requires_fit and hasattr(model, "trained_through_"):
            self._check(type(model).__name__, model.trained_through_, "used")
        return method(model, *arguments, **settings)

    def _check(self, what: str, trained_through: pd.Timestamp, done: str) -> None:
        completed = _pipeline_date() or self._completed()
        if completed is None or trained_through <= completed or (what, done) in self._told:
            return
        self._told.add((what, done))
        self.future.append(
            f"{what}: a model trained through {trained_through.date()} was {done} when the last completed "
            f"session was {completed.date()}"
        )


@contextmanager
def replaced(owner: Any, name: str, around: Callable[..., Any]) -> Iterator[None]:
    """Call `around` with a function and its arguments, in place of the function, inside the block."""
    original = getattr(owner, name)

    @functools.wraps(original)
    def wrapper(*arguments: Any, **settings: Any) -> Any:
        return around(original, *arguments, **settings)

    setattr(owner, name, wrapper)
    try:
        yield
    finally:
        setattr(owner, name, original)


def frames() -> Iterator[FrameType]:
    """Yield the frames of the callers, from the innermost on."""
    frame: FrameType | None = sys._getframe(2)
    while frame is not None:
        yield frame
        frame = frame.f_back


def _called_in(module: str) -> bool:
    return any(frame.f_globals.get("__name__") == module for frame in frames())


def _pipeline_date() -> pd.Timestamp | None:
    """Last session over for a factor that is being computed: zipline computes them ahead of its own clock."""
    for frame in frames():
        here = frame.f_globals.get("__name__"), frame.f_code.co_name
        if here == ("zipline.pipeline.mixins", "_compute") and "date" in frame.f_locals:
            session: pd.Timestamp = get_algo_instance().trading_calendar.previous_session(frame.f_locals["date"])
            return session
    return None


def unproved(loads: Iterable[ModelLoad], panels: Sequence[PricePanel], start: pd.Timestamp) -> list[str]:
    """List the models whose training data cannot be verified to end where the manifest says.

    A manifest names the last training session and the fingerprint of the training data. Where prices that are at
    hand have that fingerprint up to that session, nothing later can have been in them. The models that come with
    the package are left to `shipped`.

    Parameters
    ----------
    loads : iterable of ModelLoad
    panels : sequence of PricePanel
        The whole bundle, and others that models may have been trained on.
    start : Timestamp
        First session of the run.
    """
    found = []
    for load in loads:
        name = f"{load.path}, vintage {load.trained_through}"
        if load.early and pd.Timestamp(load.trained_through) >= start:
            found.append(
                f"{name}: loaded in initialize, before the session it was trained through; the audit "
                "cannot see when it is used. Load it through WalkForward, which selects the vintage by date"
            )
        if not _is_shipped(load) and not any(_is_trained_on(load, panel) for panel in panels):
            found.append(
                f"{name}: trained on other prices than the bundle's up to {load.trained_through}, so that the audit "
                "cannot rule out data from the future; train it on this bundle, or name its prices (--trained-on)"
            )
    return found


def shipped(loads: Iterable[ModelLoad], panels: Sequence[PricePanel]) -> list[str]:
    """List the models that come with the package and are trusted by their manifests."""
    taken = [load for load in loads if _is_shipped(load) and not any(_is_trained_on(load, panel) for panel in panels)]
    if not taken:
        return []
    last = max(load.trained_through for load in taken)
    return [
        f"models that come with the package ({len(taken)}, the last trained through {last}) are taken at their word: "
        "their prices are not in the bundle (--trained-on PRICES compares them)"
    ]


def _is_shipped(load: ModelLoad) -> bool:
    return Path(load.path).resolve() == SHIPPED.resolve()


def _is_trained_on(load: ModelLoad, panel: PricePanel) -> bool:
    moment = pd.Timestamp(load.trained_through)
    strangers = {*load.assets, *load.universe}.difference(panel.assets)
    if strangers or not panel.sessions[0] <= moment <= panel.last_session:
        return False
    known = panel.asof(moment)
    alone = _only(known, load.assets)
    beside_market = alone.with_market(_only(known, load.universe))
    return load.fingerprint in (alone.fingerprint(), beside_market.fingerprint())


def _only(panel: PricePanel, assets: Iterable[str]) -> PricePanel:
    """Return the panel of some assets, without the others as a market behind them."""
    names = list(assets)
    fields = {field: getattr(panel, field) for field in ("close", "open", "high", "low", "volume")}
    return PricePanel(**{field: frame[names] for field, frame in fields.items() if frame is not None})
