"""Inside a run: recording the strategy's decisions, and stopping at the last session compared."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pandas as pd
from zipline.finance import metrics
from zipline.utils.algo_instance import get_algo_instance

from volplugin.adapters.zipline.audit.decisions import CLOSE, KEPT, MORNING, Decision
from volplugin.adapters.zipline.audit.state import Own, kept_values, plain

METRICS = "volplugin-audit"


class EnoughSeenError(Exception):
    """The session after which nothing is compared is over."""


class Recorder:
    """Wraps the hooks of a strategy, its blotter and its metrics set; does not change their behaviour.

    Parameters
    ----------
    watched : collection of str
        Sessions (ISO dates) in whose morning it is looked at what ``before_trading_start`` keeps.
    stop : str, optional
        Session in whose morning the run ends.
    own : callable
        Whether a class is the strategy's own.
    """

    def __init__(self, watched: Collection[str], stop: str | None, own: Own) -> None:
        self.watched = frozenset(watched)
        self.stop = stop
        self.decisions: list[Decision] = []
        self.session: pd.Timestamp | None = None
        self.mornings = False
        self._own = own
        self._hook = CLOSE
        self._builtin: frozenset[str] = frozenset()
        self._module: Mapping[str, Any] = {}

    @property
    def completed(self) -> pd.Timestamp | None:
        """Last session that is over, as the strategy's clock has it; None in ``initialize``."""
        if self.session is None or self._hook == CLOSE:
            return self.session
        previous: pd.Timestamp = get_algo_instance().trading_calendar.previous_session(self.session)
        return previous

    def note(self, kind: str, name: str, value: Any) -> None:
        """Write a decision down, under the session and hook that it falls in."""
        if self.session is not None:
            self.decisions.append(Decision(str(self.session.date()), self._hook, kind, name, value))

    # -- the strategy's hooks ---------------------------------------------------------------

    def wrap(self, hooks: Mapping[str, Callable[..., Any]]) -> dict[str, Callable[..., Any]]:
        """Return the hooks with the recorder around them; ``analyze`` decides nothing and is left out."""
        own_initialize, own_morning = hooks["initialize"], hooks.get("before_trading_start")
        self.mornings = own_morning is not None
        self._module = getattr(own_initialize, "__globals__", {})

        def initialize(context: Any) -> None:
            """Run the strategy's ``initialize`` and start recording."""
            self._builtin = frozenset(vars(context))
            self._listen(context.blotter)
            own_initialize(context)

        def before_trading_start(context: Any, data: Any) -> None:
            """Record the strategy's ``before_trading_start``; stop at the last session compared."""
            self.session, self._hook = _naive(data.current_session), MORNING
            if own_morning is not None:
                self._morning(own_morning, context, data)
            if str(self.session.date()) == self.stop:
                raise EnoughSeenError
            self._hook = CLOSE

        wrapped = {name: hook for name, hook in hooks.items() if name != "analyze"}
        return wrapped | {"initialize": initialize, "before_trading_start": before_trading_start}

    def _morning(self, hook: Callable[..., Any], context: Any, data: Any) -> None:
        watched = self.session is not None and str(self.session.date()) in self.watched
        recorded = context.recorded_vars
        before = self._kept(context) if watched else {}
        hook(context, data)
        for name, value in context.recorded_vars.items():
            if name not in recorded or recorded[name] is not value:
                self.note("recorded value", name, plain(value))
        for name, value in (self._kept(context) if watched else {}).items():
            if before.get(name) != value:
                self.note(KEPT, name, value)

    def _kept(self, context: Any) -> dict[str, Any]:
        own = {name: value for name, value in vars(context).items() if name not in self._builtin}
        found = {f"context.{name}": value for name, value in kept_values(own, self._own).items()}
        return found | kept_values(self._module, self._own)

    def _listen(self, blotter: Any) -> None:
        order, cancel = blotter.order, blotter.cancel

        def ordering(asset: Any, amount: float, style: Any, order_id: str | None = None) -> Any:
            """Record an order and place it."""
            buying = amount > 0
            limits = {"limit": style.get_limit_price(buying), "stop": style.get_stop_price(buying)}
            given = {name: plain(limit) for name, limit in limits.items() if limit is not None}
            if amount:
                self.note("order", asset.symbol, {"shares": plain(amount), **given})
            return order(asset, amount, style, order_id)

        def cancelling(order_id: str, relay_status: bool = True) -> Any:
            """Record a cancelled order and cancel it."""
            if order_id in blotter.orders:
                cancelled = blotter.orders[order_id]
                self.note("cancelled order", cancelled.asset.symbol, {"shares": plain(cancelled.amount)})
            return cancel(order_id, relay_status)

        blotter.order, blotter.cancel = ordering, cancelling

    # -- zipline's metrics hook -------------------------------------------------------------

    def end_of_session(
        self, packet: dict[str, Any], ledger: Any, session: pd.Timestamp, session_ix: int, data_portal: Any
    ) -> None:
        """Write down the fills, the recorded values and the worth of a session."""
        for fill in ledger.transactions(packet["daily_perf"]["period_close"]):
            self.note("fill", fill["sid"].symbol, {"shares": plain(fill["amount"]), "price": plain(fill["price"])})
        for name, value in get_algo_instance().recorded_vars.items():
            self.note("recorded value", name, plain(value))
        self.note("portfolio value", "", plain(ledger.portfolio.portfolio_value))

    @contextmanager
    def registered(self) -> Iterator[str]:
        """Offer the recorder to zipline as a metrics set: other metrics decide nothing and take time."""
        metrics.register(METRICS, lambda: {self})
        try:
            yield METRICS
        finally:
            metrics.unregister(METRICS)


def _naive(session: pd.Timestamp) -> pd.Timestamp:
    return session if session.tz is None else session.tz_localize(None)
