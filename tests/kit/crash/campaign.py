"""Kill, look, restart, compare: what is counted, and what counts as a difference."""

from __future__ import annotations

import importlib
import random
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kit.crash.process import Run, forked
from kit.crash.scenes import Scene, outcome
from kit.crash.steps import digests, unfinished
from volplugin.storage.atomic import SUMS

WITHIN, STEPPED = 0.7, 0.85
"""Share of the kills that are meant to come inside a write, and of those at any writing step; the others come at a
random time from outside."""

AGAIN = 0.4
"""Share of the restarts that are killed in their turn."""


@dataclass
class Counts:
    """What a kit has done so far.

    Attributes
    ----------
    kills, inside, restarts : Counter
        By scene; inside are the kills that left a temporary file or folder behind them: those between its making
        and its renaming. Restarts ran to their end.
    differences : list of str
        What was lost, partial, or other than in the undisturbed run.
    """

    kills: Counter[str] = field(default_factory=Counter)
    inside: Counter[str] = field(default_factory=Counter)
    restarts: Counter[str] = field(default_factory=Counter)
    differences: list[str] = field(default_factory=list)


class Campaign:
    """Kills of one scene.

    Parameters
    ----------
    scene : Scene
    folder : Path
        To work in; the scene's own copy is made below it.
    seed : int
    counts : Counts
        Added to.
    """

    def __init__(self, scene: Scene, folder: Path, seed: int, counts: Counts) -> None:
        self.scene, self.counts = scene, counts
        self.place, self.log = folder / f"{scene.name}-run", folder / f"{scene.name}.log"
        self.random = random.Random(f"{seed}/{scene.name}")
        self.started = digests(scene.start)

    def undisturbed(self) -> Run:
        """Run once without a kill: what every other run must come to, and the modules that it needs, imported."""
        self.scene.fresh(self.place)
        self.before = self._read()
        run = self._finish()
        self.result = self._outcome(run)
        self.after = self.result["read"]
        self.reference = run
        _import_all(run.answer["modules"])
        # Once more, for the time that it takes with everything imported; and the kit itself must see no difference.
        self.scene.fresh(self.place)
        self.seconds = self._compared().seconds
        return run

    def kill(self, number: int) -> None:
        """Kill so many runs, each looked at and brought to its end after it."""
        wanted = self.counts.kills[self.scene.name] + number
        while self.counts.kills[self.scene.name] < wanted:
            self.scene.fresh(self.place)
            while self._killed() and self.counts.kills[self.scene.name] < wanted and self.random.random() < AGAIN:
                pass
            self._compared()
            self.counts.restarts[self.scene.name] += 1

    def _killed(self) -> bool:
        """Run with a kill to come; false if the run ended before it."""
        before, left = digests(self.place), unfinished(self.place)
        run = self._run(self._work, **self._when())
        if run.killed:
            self.counts.kills[self.scene.name] += 1
            self.counts.inside[self.scene.name] += bool(unfinished(self.place) - left)
        elif run.status:
            self._differs(f"a run failed: {self.log.read_text()[-2000:]}")
        self._look(before)
        return run.killed

    def _when(self) -> dict[str, Any]:
        """Choose the moment of a kill."""
        kind = self.random.random()
        if kind < WITHIN:
            return {"kill_at": self.random.choice(self.reference.inside)}
        if kind < STEPPED:
            return {"kill_at": self.random.randint(1, self.reference.steps)}
        return {"kill_after": self.random.uniform(0, self.seconds)}

    def _look(self, before: dict[str, str]) -> None:
        """Nothing finished is lost, nothing partial is there to be read."""
        now = digests(self.place)
        for name, digest in before.items():
            if now.get(name) != digest and not self._superseded(name, now):
                self._differs(f"{name} was finished, and is lost or changed")
        published = self.reference.published
        for name, digest in now.items():
            if name.startswith("zipline/"):
                continue  # named by the time of day: judged by the prices read
            if digest not in (self.started.get(name), *published.get(name, [])):
                self._differs(f"{name} is partial, or not what the undisturbed run wrote")
        read = self._read()
        if read["prices"] not in (self.before["prices"], self.after["prices"]):
            self._differs("the prices read are neither the old nor the new")
        if not read["vintages"].items() <= self.after["vintages"].items():
            self._differs(f"the vintages read are {read['vintages']}")

    def _superseded(self, name: str, now: dict[str, str]) -> bool:
        """Whether a file is a part of a vintage that is finished now, or the list of checksums, which grows."""
        parts = Path(name).parts
        if parts[-1] == SUMS:
            return name in now  # `_look` compares it with the lists of the undisturbed run
        return parts[:2] == ("models", "parts") and f"models/vintages/{parts[2]}/manifest.json" in now

    def _compared(self) -> Run:
        run = self._finish()
        found = self._outcome(run)
        for part, expected in self.result.items():
            if found[part] != expected:
                self._differs(f"after a restart {part} differ: {_difference(found[part], expected)}")
        if left := unfinished(self.place):
            self._differs(f"left behind: {sorted(left)}")
        return run

    def _outcome(self, run: Run) -> dict[str, Any]:
        return outcome(self.place, run.answer["printed"], self._read())

    def _read(self) -> dict[str, Any]:
        read = self._run(self.scene.read)
        if read.status:
            raise RuntimeError(f"{self.scene.name}: what is there cannot be read: {self.log.read_text()}")
        return read.answer

    def _finish(self) -> Run:
        run = self._run(self._work)
        if run.killed or run.status:
            raise RuntimeError(f"{self.scene.name}: a restart failed: {self.log.read_text()}")
        return run

    def _run(self, work: Callable[[], Any], **when: Any) -> Run:
        return forked(work, self.place, self.log, **when)

    def _work(self) -> dict[str, Any]:
        return {"printed": self.scene.run(), "modules": sorted(sys.modules)}

    def _differs(self, what: str) -> None:
        self.counts.differences.append(f"{self.scene.name}: {what}")


def _difference(found: Any, expected: Any) -> str:
    if not isinstance(found, dict):
        return f"{found!r}, not {expected!r}"
    return ", ".join(sorted(name for name in found.keys() | expected if found.get(name) != expected.get(name)))


def _import_all(names: list[str]) -> None:
    """Import here what a command imported there, so that later forks begin with it."""
    for name in names:
        if name not in sys.modules and not name.startswith(("__", "kit.")):
            with suppress(Exception):
                importlib.import_module(name)
