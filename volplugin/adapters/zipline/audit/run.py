"""One run of the audit, in a process, a working directory and a ``ZIPLINE_ROOT`` of its own.

``python -m volplugin.adapters.zipline.audit.run JOB RESULT`` reads a `Job` and writes a `Record`, both JSON.
"""

from __future__ import annotations

import importlib.util
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import chdir, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from volplugin.adapters.zipline.audit.copies import PREFIX
from volplugin.adapters.zipline.audit.decisions import Decision
from volplugin.adapters.zipline.audit.models import ModelLoad, ModelLog
from volplugin.adapters.zipline.audit.recorder import EnoughSeenError, Recorder
from volplugin.adapters.zipline.audit.trusted import is_library
from volplugin.adapters.zipline.audit.watch import AccessMonitor
from volplugin.adapters.zipline.provider import without_forecast_cache
from volplugin.adapters.zipline.run import GALLERY, load_strategy, run_hooks, zipline_root
from volplugin.storage.atomic import owner, write_atomically

WORK = "work"
"""Folder under ``ZIPLINE_ROOT`` that a run works in and keeps its temporary files in."""
WATCH_SECONDS = 0.5
"""How often a run checks that the audit still runs."""

_children: set[subprocess.Popen[bytes]] = set()


@dataclass(frozen=True)
class Job:
    """The settings of one run.

    Attributes
    ----------
    strategy, bundle, start, end, capital, parameters
        As of `run_backtest`; dates in ISO.
    root : str
        ``ZIPLINE_ROOT`` of the run, with a copy of the bundle.
    watched : tuple of str
        Sessions in whose morning the values that the strategy stores are recorded.
    stop : str, optional
        Session in whose morning the run ends.
    trusted : tuple of str
        Modules that the user trusts to read nothing.
    """

    strategy: str
    bundle: str
    start: str
    end: str
    root: str
    capital: float = 1e6
    parameters: dict[str, Any] = field(default_factory=dict)
    watched: tuple[str, ...] = ()
    stop: str | None = None
    trusted: tuple[str, ...] = ()


@dataclass
class Record:
    """The decisions, models and accesses of one run, and the error that ended it, if one did."""

    decisions: list[Decision] = field(default_factory=list)
    mornings: bool = False
    bundles: list[str] = field(default_factory=list)
    foreign: dict[str, str] = field(default_factory=dict)
    loads: list[ModelLoad] = field(default_factory=list)
    future: list[str] = field(default_factory=list)
    error: dict[str, str] | None = None


def record(job: Job) -> Record:
    """Run a strategy in this process and record its decisions and accesses."""
    recorder = Recorder(job.watched, job.stop, _is_own)
    models = ModelLog(lambda: recorder.completed)
    monitor = AccessMonitor(job.root, _source(job.strategy), frozenset(job.trusted))
    error = None
    environ = {"ZIPLINE_ROOT": job.root}
    with (
        _working_in(Path(job.root, WORK)),
        zipline_root(environ),
        without_forecast_cache(),
        models.recording(),
        recorder.registered() as metrics,
        monitor.watching(),
    ):
        try:
            hooks = recorder.wrap(load_strategy(job.strategy))
            span = job.bundle, job.start, job.end
            run_hooks(hooks, *span, job.capital, job.parameters, environ, metrics, optional=("store",))
        except EnoughSeenError:
            pass
        except (Exception, SystemExit) as problem:  # whatever a strategy raises is a result of the run
            error = _described(problem, recorder.session)
    return Record(
        recorder.decisions,
        recorder.mornings,
        sorted(monitor.bundles),
        monitor.foreign,
        list(models.loads),
        models.future,
        error,
    )


def _source(strategy: str) -> str:
    """Return the file of a strategy, or "" where there is none."""
    if strategy.endswith(".py"):
        return strategy
    for name in (f"{GALLERY}.{strategy}", strategy):
        try:
            spec = importlib.util.find_spec(name)
        except (ImportError, ValueError):
            continue
        if spec is not None:
            return spec.origin or ""
    return ""


@contextmanager
def _working_in(folder: Path) -> Iterator[None]:
    """Work in a folder, and create temporary files there."""
    temporary, variable = tempfile.tempdir, os.environ.get("TMPDIR")
    folder.mkdir(exist_ok=True)
    tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
    try:
        with chdir(folder):
            yield
    finally:
        tempfile.tempdir = temporary
        if variable is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = variable


def spawn(job: Job) -> Record:
    """Run a strategy in a process of its own, which ends with this one."""
    with tempfile.TemporaryDirectory(prefix=f"{PREFIX}-run-{owner()}-") as folder:
        request, target = Path(folder, "job.json"), Path(folder, "record.json")
        write_atomically(request, json.dumps(asdict(job)).encode())
        own = {"ZIPLINE_ROOT": job.root, "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "MPLCONFIGDIR": job.root}
        command = [sys.executable, "-m", __name__, str(request), str(target), str(os.getpid())]
        status, output = _run(command, os.environ | own)
        if status == 0 and target.exists():
            return read_record(target.read_text())
        last = output.strip().splitlines()[-1:] or [f"exit status {status}"]
        return Record(error={"type": "ProcessEnded", "message": last[0], "session": "", "line": ""})


def _run(command: list[str], environ: dict[str, str]) -> tuple[int, str]:
    """Run a command in a session of its own; whatever it has started ends with it."""
    null = subprocess.DEVNULL
    with tempfile.TemporaryFile() as output:  # a pipe would stay open as long as a process that the run has started
        child = subprocess.Popen(command, env=environ, stdin=null, stdout=null, stderr=output, start_new_session=True)
        _children.add(child)
        try:
            child.wait()
        finally:
            _end(child)
            _children.discard(child)
        output.seek(0)
        return child.returncode, output.read().decode(errors="replace")


def end_runs() -> None:
    """End all runs that `spawn` has started and that have not ended."""
    for child in list(_children):
        _end(child)


def _end(child: subprocess.Popen[bytes]) -> None:
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
    elif child.poll() is None:
        child.kill()
    child.wait()


def read_record(text: str) -> Record:
    """Build a record from the JSON of one."""
    metadata = json.loads(text)
    metadata["decisions"] = [Decision(**made) for made in metadata["decisions"]]
    metadata["loads"] = [_load(load) for load in metadata["loads"]]
    return Record(**metadata)


def _load(metadata: dict[str, Any]) -> ModelLoad:
    return ModelLoad(**metadata | {name: tuple(metadata[name]) for name in ("assets", "universe")})


def _described(problem: BaseException, session: pd.Timestamp | None) -> dict[str, str]:
    lines = [frame for frame in traceback.extract_tb(problem.__traceback__) if not is_library(frame.filename)]
    where = f"{lines[-1].filename}, line {lines[-1].lineno}" if lines else ""
    day = "" if session is None else str(session.date())
    return {"type": type(problem).__name__, "message": str(problem), "session": day, "line": where}


def _is_own(kind: type) -> bool:
    module = sys.modules.get(kind.__module__)
    file = getattr(module, "__file__", None)
    return file is not None and not is_library(file)


def _end_with(parent: int) -> None:
    """End this process soon after another one has ended."""

    def watch() -> None:
        """End this process once its parent has ended."""
        while os.getppid() == parent:
            time.sleep(WATCH_SECONDS)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def main(request: str, target: str, parent: str) -> None:
    """Run the job of one file and write the record into another."""
    _end_with(int(parent))
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - strategies that use the global generator can be audited then
    metadata = json.loads(Path(request).read_text())
    made = record(Job(**metadata | {name: tuple(metadata[name]) for name in ("watched", "trusted")}))
    write_atomically(target, json.dumps(asdict(made)).encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
