"""Feeding a reader, and counting what becomes of the inputs."""

from __future__ import annotations

import shutil
import tempfile
import time
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from kit.fuzz.targets import NAMED, targets

MUTATED = 3
"""Of four inputs, those that are valid ones with something changed."""


@dataclass
class Tally:
    """What became of the inputs of one reader."""

    inputs: int = 0
    mutated: int = 0
    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    crashes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.inputs + other.inputs,
            self.mutated + other.mutated,
            self.accepted + other.accepted,
            self.refused + other.refused,
            self.crashes + other.crashes,
            self.seconds + other.seconds,
        )


def feed(name: str, inputs: int, number: int) -> Tally:
    """Feed a reader with so many inputs, drawn under a seed."""
    target, tally = targets()[name], Tally()
    began = time.perf_counter()
    place = Path(tempfile.mkdtemp(prefix="fuzz", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))

    @seed(number)
    @settings(
        max_examples=inputs,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
        print_blob=False,
    )
    @given(st.integers(0, 3), st.data())
    def read(kind: int, data: Any) -> None:
        valid = kind < MUTATED
        content = data.draw(target.valid if valid else target.wild)
        folder = place / "one"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        tally.inputs += 1
        tally.mutated += valid
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                target.read(content, folder)
            tally.accepted += 1
        except NAMED as error:
            tally.refused[type(error).__name__] += 1
        except BaseException as error:
            error.add_note(f"input: {content!r}"[:2000])
            raise

    try:
        read()
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        tally.crashes.append("".join(traceback.format_exception(error))[-3500:])
    finally:
        shutil.rmtree(place, ignore_errors=True)
    tally.seconds = time.perf_counter() - began
    return tally
