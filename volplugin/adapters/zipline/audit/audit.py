"""The audit itself: a run on the bundle, one on a plain copy, and one on each copy with another future."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from tqdm.auto import tqdm

from volplugin.adapters.zipline.audit.compare import differing_names, first_leak, nondeterminism, refused
from volplugin.adapters.zipline.audit.copies import remove_abandoned_folders, scrambled_root
from volplugin.adapters.zipline.audit.decisions import KEPT, Difference
from volplugin.adapters.zipline.audit.models import shipped, unproved
from volplugin.adapters.zipline.audit.run import Job, Record, end_runs, spawn
from volplugin.adapters.zipline.audit.verdict import AuditReport, failure_text
from volplugin.adapters.zipline.bundles import bundle_sessions, check_range, is_ingested, read_bundle
from volplugin.data.panel import PricePanel
from volplugin.errors import ParameterError

Runner = Callable[[Job], Record]


@dataclass(frozen=True)
class Audit:
    """Strategy to audit, and settings of the audit.

    Attributes
    ----------
    strategy, bundle, start, end, capital, parameters
        As of `run_backtest`.
    cuts : int
        Sessions with orders that are looked at; each takes a copy cut on the session after, and where the
        strategy has a ``before_trading_start``, one cut on the session itself.
    cut_dates : tuple of Timestamp
        First replaced sessions, instead of the sessions that `cuts` chooses.
    seed : int
        Of the replaced prices.
    jobs : int
        Processes.
    trusted : tuple of str
        Modules that the strategy imports and that the user trusts to read no files.
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
    trusted: tuple[str, ...] = ()


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
        Prices, in addition to the bundle's, that the strategy's models may have been trained on.
    run : callable, optional
        Makes one run; each in a process of its own by default.
    log : callable
        Called with one line per step.

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
    remove_abandoned_folders()
    with _ended_by_signals():
        return _audit(
            audit, sessions, cuts, _Runs(_job(audit), environ, spawn if run is None else run), trained_on, log
        )


def _audit(
    audit: Audit,
    sessions: pd.DatetimeIndex,
    cuts: tuple[str, ...],
    runs: _Runs,
    trained_on: Sequence[PricePanel],
    log: Callable[[str], None],
) -> AuditReport:
    log("running it on a copy of the bundle")
    bundles, original = runs.first()
    if original.error is not None:
        failed = [failure_text("it fails", original.error), *_accesses([original])]
        return _report(audit, [original], not_auditable=failed)
    cuts = cuts or _chosen_cuts(original, sessions, audit.cuts)
    log(f"running it on {2 * len(cuts) + 1} copies of {', '.join(bundles)}, all but one with other prices")
    same, *others = runs.compared(bundles, cuts, audit.seed, audit.jobs)

    not_auditable = nondeterminism(original, same, cuts[-1]) + refused(other for _, other in others)
    leak = None if not_auditable else first_leak(same, others)
    if leak is not None and leak.kind == KEPT:  # a stored time of day differs between any two runs
        leak = first_leak(same, others, ignored=differing_names(same, runs.run(bundles, cuts), KEPT))
    records = [original, same, *(other for _, other in others)]
    loads = list(dict.fromkeys(load for record in records for load in record.loads))
    panels = [read_bundle(audit.bundle, environ=runs.environ), *trained_on]
    not_auditable += [*_accesses(records), *unproved(loads, panels, audit.start)]
    return _report(audit, records, cuts, leak, not_auditable, shipped(loads, panels))


def _accesses(records: Sequence[Record]) -> list[str]:
    """Return the accesses of the runs outside their bundles, each once."""
    return list(dict.fromkeys(f"{what} ({line})" for record in records for what, line in record.foreign.items()))


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """End the runs and remove their folders when the audit is interrupted or terminated."""

    def stop(number: int, _: Any) -> None:
        raise SystemExit(128 + number)

    main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, stop) if main else None
    try:
        yield
    except BaseException:
        end_runs()
        raise
    finally:
        if main:
            signal.signal(signal.SIGTERM, before)


def _job(audit: Audit) -> Job:
    """Return the job of an audit; relative paths in it are made absolute, for runs work in another folder."""
    strategy = os.path.abspath(audit.strategy) if audit.strategy.endswith(".py") else audit.strategy
    parameters = {
        name: os.path.abspath(value)
        if isinstance(value, str) and os.sep in value or os.path.isfile(str(value))
        else value
        for name, value in audit.parameters.items()
    }
    dates = (_iso(audit.start), _iso(audit.end))
    return Job(strategy, audit.bundle, *dates, "", audit.capital, parameters, trusted=audit.trusted)


@dataclass(frozen=True)
class _Runs:
    """Runs of one job, each on copies of its bundles."""

    job: Job
    environ: Mapping[str, str]
    runner: Runner

    def first(self) -> tuple[list[str], Record]:
        """Run on plain copies of the bundles that the strategy opens; returns their names too."""
        bundles = [self.job.bundle]
        while True:
            with scrambled_root(bundles, self.environ, None, 0) as root:
                record = self.runner(replace(self.job, root=root))
            missing = [name for name in record.bundles if name not in bundles and is_ingested(name, self.environ)]
            if not missing:
                return bundles, record
            bundles = sorted([*bundles, *missing])

    def run(
        self, bundles: list[str], cuts: tuple[str, ...], cut: str | None = None, seed: int = 0, mirrored: bool = False
    ) -> Record:
        """Run on copies with another future from `cut` on, or on plain copies."""
        moment = None if cut is None else pd.Timestamp(cut)
        with scrambled_root(bundles, self.environ, moment, seed, mirrored=mirrored) as root:
            return self.runner(replace(self.job, root=root, watched=cuts, stop=cut or cuts[-1]))

    def compared(self, bundles: list[str], cuts: tuple[str, ...], seed: int, jobs: int) -> tuple[Any, ...]:
        """Run on a plain copy, and on two per cut: in one of two mirrored futures any price moves the other way."""
        wanted = [(cut, seed + number, mirror) for number, cut in enumerate(cuts) for mirror in (False, True)]
        with tqdm(desc="audit", unit="run", total=1 + len(wanted), disable=None) as bar:

            def one(*copy: Any) -> Record:
                record = self.run(bundles, cuts, *copy)
                bar.update()
                return record

            runs = Parallel(n_jobs=jobs, prefer="threads")(delayed(one)(*copy) for copy in [(), *wanted])
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
    """Sessions after the sessions with orders: only there a look one session ahead can be detected.

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
    records: Sequence[Record],
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
        orders=sum(made.kind == "order" for made in records[0].decisions),
        cuts=cuts,
        leak=leak,
        models_from_the_future=tuple(dict.fromkeys(what for record in records for what in record.future)),
        not_auditable=tuple(not_auditable),
        notes=tuple(notes),
    )


def _iso(date: pd.Timestamp) -> str:
    return str(date.date())
