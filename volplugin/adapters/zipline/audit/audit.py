"""The audit itself: a run on the bundle, one on a plain copy, and one on each copy with another future."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from zipline.utils.paths import zipline_root as root_of

from volplugin.adapters.zipline.audit.compare import differing_names, first_leak, nondeterminism, refused
from volplugin.adapters.zipline.audit.copies import scrambled_root
from volplugin.adapters.zipline.audit.decisions import KEPT, Difference
from volplugin.adapters.zipline.audit.models import shipped, unproved
from volplugin.adapters.zipline.audit.run import Job, Record, spawn
from volplugin.adapters.zipline.audit.verdict import AuditReport, failure_text
from volplugin.adapters.zipline.bundles import bundle_sessions, check_range, read_bundle
from volplugin.data.panel import PricePanel
from volplugin.errors import ParameterError

Runner = Callable[[Job], Record]


@dataclass(frozen=True)
class Audit:
    """What is audited, and how thoroughly.

    Attributes
    ----------
    strategy, bundle, start, end, capital, parameters
        As of `run_backtest`.
    cuts : int
        Sessions with orders that are looked at; each takes a copy cut on the session after, and where the
        strategy has a ``before_trading_start``, one cut on the session itself.
    cut_dates : tuple of Timestamp
        First replaced sessions, instead of those that `cuts` chooses.
    seed : int
        Of the replaced prices.
    jobs : int
        Processes.
    """

    strategy: str
    bundle: str
    start: pd.Timestamp
    end: pd.Timestamp
    capital: float = 1e6
    parameters: Mapping[str, Any] = field(default_factory=dict)
    cuts: int = 3
    cut_dates: tuple[pd.Timestamp, ...] = ()
    seed: int = 0
    jobs: int = 1


def audit_strategy(
    audit: Audit,
    *,
    environ: Mapping[str, str] | None = None,
    trained_on: Sequence[PricePanel] = (),
    run: Runner | None = None,
    log: Callable[[str], None] = print,
) -> AuditReport:
    """Audit a strategy for decisions that used prices of their future.

    Parameters
    ----------
    audit : Audit
    environ : mapping, optional
        Whose ``ZIPLINE_ROOT`` holds the bundle; the process's own by default.
    trained_on : sequence of PricePanel
        Prices, besides the bundle's, that the strategy's models may have been trained on.
    run : callable, optional
        Makes one run; each in a process of its own by default.
    say : callable
        Told of the steps.

    Raises
    ------
    ParameterError
        For dates to cut at that the run does not have.
    BundleNotFoundError, BundleRangeError
        If the bundle is not there, or does not hold all the sessions.
    """
    environ = os.environ if environ is None else environ
    check_range(audit.bundle, audit.start, audit.end, environ)
    sessions = bundle_sessions(audit.bundle, environ)
    sessions = sessions[(sessions >= audit.start) & (sessions <= audit.end)]
    cuts = _given_cuts(audit, sessions)
    dates = (_iso(audit.start), _iso(audit.end))
    job = Job(audit.strategy, audit.bundle, *dates, root_of(environ), audit.capital, dict(audit.parameters))

    log("running it on the bundle")
    run = spawn if run is None else run
    original = run(job)
    if original.error is not None:
        return _report(audit, original, not_auditable=[failure_text("it fails", original.error)])
    cuts = cuts or _chosen_cuts(original, sessions, audit.cuts)
    copies = _Copies(job, sorted({audit.bundle, *original.bundles}), environ, cuts, run)
    log(f"running it on {2 * len(cuts) + 1} copies of {', '.join(copies.bundles)}, all but one with other prices")
    same, *others = copies.made(audit.seed, audit.jobs)

    not_auditable = nondeterminism(original, same, cuts[-1]) + refused(other for _, other in others)
    leak = None if not_auditable else first_leak(same, others)
    if leak is not None and leak.kind == KEPT:  # or kept is the time of day, which a second look tells
        leak = first_leak(same, others, ignored=differing_names(same, copies.run(), KEPT))
    not_auditable += [f"{what} ({line})" for what, line in original.foreign.items()]
    panels = [read_bundle(audit.bundle, environ=environ), *trained_on]
    not_auditable += unproved(original.loads, panels, audit.start)
    return _report(audit, original, cuts, leak, not_auditable, shipped(original.loads, panels))


@dataclass(frozen=True)
class _Copies:
    """Runs of one job on copies of its bundles."""

    job: Job
    bundles: list[str]
    environ: Mapping[str, str]
    cuts: tuple[str, ...]
    runner: Runner

    def run(self, cut: str | None = None, seed: int = 0, mirrored: bool = False) -> Record:
        """Run on a copy with another future from `cut` on, or on a plain copy."""
        moment = None if cut is None else pd.Timestamp(cut)
        with scrambled_root(self.bundles, self.environ, moment, seed, mirrored=mirrored) as root:
            return self.runner(replace(self.job, root=root, watched=self.cuts, stop=cut or self.cuts[-1]))

    def made(self, seed: int, jobs: int) -> tuple[Any, ...]:
        """Run on a plain copy, and on two for each cut: in one of two mirrored futures any price goes another way."""
        wanted = [(cut, seed + number, mirror) for number, cut in enumerate(self.cuts) for mirror in (False, True)]
        runs = Parallel(n_jobs=jobs, prefer="threads")(delayed(self.run)(*copy) for copy in [(), *wanted])
        return runs[0], *((cut, record) for (cut, *_), record in zip(wanted, runs[1:], strict=True))


def _given_cuts(audit: Audit, sessions: pd.DatetimeIndex) -> tuple[str, ...]:
    for date in audit.cut_dates:
        if date not in sessions[1:]:
            raise ParameterError(
                f"{_iso(date)} is no session after the first from {_iso(audit.start)} to {_iso(audit.end)}; "
                "name one that is"
            )
    if audit.cuts < 1 or len(sessions) < 2:
        raise ParameterError(f"an audit takes two sessions and a cut: {len(sessions)} sessions, cuts is {audit.cuts}")
    return tuple(sorted({_iso(date) for date in audit.cut_dates}))


def _chosen_cuts(original: Record, sessions: pd.DatetimeIndex, count: int) -> tuple[str, ...]:
    """Sessions after those with orders, for a look at one session ahead is seen nowhere else.

    And the sessions themselves, if something is decided in their morning; spread evenly over the run.
    """
    ordered = {pd.Timestamp(made.session) for made in original.decisions if made.kind == "order"}
    days = sessions[:-1][sessions[:-1].isin(list(ordered))] if ordered else sessions[:-1]
    days = days if len(days) else sessions[:-1]
    chosen = days[np.unique(((np.arange(count) + 0.5) * len(days) / count).astype(int))]
    cuts = set(sessions[sessions.get_indexer(chosen) + 1])
    if original.mornings:
        cuts |= set(chosen) - {sessions[0]}
    return tuple(sorted(_iso(cut) for cut in cuts))


def _report(
    audit: Audit,
    original: Record,
    cuts: tuple[str, ...] = (),
    leak: Difference | None = None,
    not_auditable: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> AuditReport:
    return AuditReport(
        strategy=audit.strategy,
        bundle=audit.bundle,
        start=_iso(audit.start),
        end=_iso(audit.end),
        orders=sum(made.kind == "order" for made in original.decisions),
        cuts=cuts,
        leak=leak,
        models_from_the_future=tuple(original.future),
        not_auditable=tuple(not_auditable),
        notes=tuple(notes),
    )


def _iso(date: pd.Timestamp) -> str:
    return str(date.date())
