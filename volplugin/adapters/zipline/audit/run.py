"""One run of the audit, and the process of its own that it is made in.

``python -m volplugin.adapters.zipline.audit.run JOB RESULT`` reads a `Job` and writes a `Record`, both JSON.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import traceback
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from volplugin.adapters.zipline.audit.decisions import Decision
from volplugin.adapters.zipline.audit.models import ModelLoad, ModelLog
from volplugin.adapters.zipline.audit.recorder import EnoughSeenError, Recorder
from volplugin.adapters.zipline.audit.watch import AccessMonitor, is_library, report_native_readers
from volplugin.adapters.zipline.provider import without_forecast_cache
from volplugin.adapters.zipline.run import load_strategy, run_hooks, zipline_root
from volplugin.storage.atomic import write_atomically


@dataclass(frozen=True)
class Job:
    """What one run is asked for.

    Attributes
    ----------
    strategy, bundle, start, end, capital, parameters
        As of `run_backtest`; dates in ISO.
    root : str
        ``ZIPLINE_ROOT`` of the bundle, or of its copy.
    watched : tuple of str
        Sessions in whose morning it is looked at what is kept.
    stop : str, optional
        Session in whose morning the run ends.
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


@dataclass
class Record:
    """What one run showed: decisions, models, what was read besides, and the error that ended it, if one did."""

    decisions: list[Decision] = field(default_factory=list)
    mornings: bool = False
    bundles: list[str] = field(default_factory=list)
    foreign: dict[str, str] = field(default_factory=dict)
    loads: list[ModelLoad] = field(default_factory=list)
    future: list[str] = field(default_factory=list)
    error: dict[str, str] | None = None


def record(job: Job) -> Record:
    """Run a strategy in this process and write down what it does."""
    recorder = Recorder(job.watched, job.stop, _is_own)
    models = ModelLog(lambda: recorder.completed)
    watch = AccessMonitor(job.root)
    error = None
    environ = {"ZIPLINE_ROOT": job.root}
    report_native_readers()
    with (
        zipline_root(environ),
        without_forecast_cache(),
        watch.standing(),
        models.kept(),
        recorder.registered() as metrics,
    ):
        try:
            hooks = recorder.wrap(load_strategy(job.strategy))
            report_native_readers()  # of what the strategy imported
            span = job.bundle, job.start, job.end
            run_hooks(hooks, *span, job.capital, job.parameters, environ, metrics, optional=("store",))
        except EnoughSeenError:
            pass
        except Exception as problem:  # whatever a strategy may raise is the audit's to report
            error = _described(problem, recorder.session)
    return Record(
        recorder.decisions,
        recorder.mornings,
        sorted(watch.bundles),
        watch.foreign,
        list(models.loads),
        models.future,
        error,
    )


def spawn(job: Job) -> Record:
    """Run a strategy in a process of its own, with nothing left over from another run."""
    with tempfile.TemporaryDirectory(prefix="volplugin-audit-run-") as folder:
        asked, answer = Path(folder, "job.json"), Path(folder, "record.json")
        write_atomically(asked, json.dumps(asdict(job)).encode())
        environ = os.environ | {"ZIPLINE_ROOT": job.root, "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", __name__, str(asked), str(answer)]
        ended = subprocess.run(command, env=environ, capture_output=True, text=True)
        if ended.returncode == 0 and answer.exists():
            return read_record(answer.read_text())
        last = ended.stderr.strip().splitlines()[-1:] or [f"exit status {ended.returncode}"]
        return Record(error={"type": "ProcessEnded", "message": last[0], "session": "", "line": ""})


def read_record(text: str) -> Record:
    """Build a record from the JSON of one."""
    metadata = json.loads(text)
    metadata["decisions"] = [Decision(**made) for made in metadata["decisions"]]
    metadata["loads"] = [_load(load) for load in metadata["loads"]]
    return Record(**metadata)


def _load(metadata: dict[str, Any]) -> ModelLoad:
    return ModelLoad(**metadata | {name: tuple(metadata[name]) for name in ("assets", "universe")})


def _described(problem: Exception, session: pd.Timestamp | None) -> dict[str, str]:
    lines = [frame for frame in traceback.extract_tb(problem.__traceback__) if not is_library(frame.filename)]
    where = f"{lines[-1].filename}, line {lines[-1].lineno}" if lines else ""
    day = "" if session is None else str(session.date())
    return {"type": type(problem).__name__, "message": str(problem), "session": day, "line": where}


def _is_own(kind: type) -> bool:
    module = sys.modules.get(kind.__module__)
    file = getattr(module, "__file__", None)
    return file is not None and not is_library(file)


def main(asked: str, answer: str) -> None:
    """Run the job of one file and write the record into another."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - strategies that use the global generator can be audited then
    metadata = json.loads(Path(asked).read_text())
    made = record(Job(**metadata | {"watched": tuple(metadata["watched"])}))
    write_atomically(answer, json.dumps(asdict(made)).encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
