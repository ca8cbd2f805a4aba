"""A command in a process of its own, forked from one that has everything imported already."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kit.crash.steps import Steps


@dataclass(frozen=True)
class Run:
    """How a run ended.

    Attributes
    ----------
    killed : bool
        By SIGKILL; it ended by itself otherwise.
    status : int
        Exit status, 0 where it was killed.
    seconds : float
    steps : int
        Writing steps, of a run that ended by itself.
    inside : list of int
        Those between the making of a temporary file and its renaming; of a run that was not to be killed.
    published : dict
        Digests of the files that got a name, by path; of a run that ended by itself.
    answer : object
        What the function returned.
    """

    killed: bool
    status: int
    seconds: float
    steps: int = 0
    inside: list[int] = field(default_factory=list)
    published: dict[str, list[str]] = field(default_factory=dict)
    answer: Any = None


def forked(
    work: Callable[[], Any], folder: Path, log: Path, *, kill_at: int | None = None, kill_after: float | None = None
) -> Run:
    """Call a function in a forked process whose current folder is `folder`.

    Parameters
    ----------
    work : callable
        Returns what can be written as JSON.
    folder, log : Path
        What it writes below, and the file (elsewhere) for its output.
    kill_at : int, optional
        Writing step at which it kills itself.
    kill_after : float, optional
        Seconds after which it is killed.
    """
    notes = log.with_suffix(".json")
    notes.unlink(missing_ok=True)
    began = time.monotonic()
    process = os.fork()
    if process == 0:
        _child(work, folder, log, notes, kill_at)
    status = _wait(process, None if kill_after is None else began + kill_after)
    seconds = time.monotonic() - began
    if os.WIFSIGNALED(status):
        if os.WTERMSIG(status) != signal.SIGKILL:
            raise RuntimeError(f"ended by signal {os.WTERMSIG(status)}: {log.read_text()}")
        return Run(True, 0, seconds)
    found = json.loads(notes.read_text()) if notes.exists() else {}
    return Run(False, os.WEXITSTATUS(status), seconds, **found)


def _child(work: Callable[[], Any], folder: Path, log: Path, notes: Path, kill_at: int | None) -> None:
    status = 1
    try:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        for stream in (1, 2):
            os.dup2(output, stream)
        os.chdir(folder)
        steps = Steps(folder, kill_at)
        steps.install()
        answer = work()
        metadata = {"steps": steps.count, "inside": steps.inside, "published": steps.published, "answer": answer}
        notes.write_text(json.dumps(metadata))
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _wait(process: int, deadline: float | None) -> int:
    while deadline is not None:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return status
        if time.monotonic() > deadline:
            os.kill(process, signal.SIGKILL)
            break
        time.sleep(0.002)
    return os.waitpid(process, 0)[1]
