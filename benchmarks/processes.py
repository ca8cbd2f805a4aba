"""Clock, processor time and memory of a process and all that it starts."""

import resource
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psutil
from joblib.externals.loky import get_reusable_executor

GIB = 2**30


@dataclass
class Spent:
    """What a piece of work took: seconds on the clock, seconds of all processors, and peak memory in GiB."""

    wall: float = 0.0
    processors: float = 0.0
    peak: float = 0.0

    def __str__(self) -> str:
        return f"{self.wall:8.0f} s{self.processors:8.0f} s{self.peak:8.2f} GiB"


@contextmanager
def spending(interval: float = 2.0) -> Iterator[Spent]:
    """Measure a block.

    Memory is the sum over the tree of processes of their shares (PSS), sampled: asking more often would cost what it
    measures. Pages that several processes use count once, as in what the machine must have; worker processes are
    ended with the block, because the system reports the time of a process only after it has ended.
    """
    spent, done = Spent(), threading.Event()

    def watch() -> None:
        while not done.wait(interval):
            spent.peak = max(spent.peak, tree_memory())

    watcher = threading.Thread(target=watch, daemon=True)
    began, before = time.perf_counter(), processor_seconds()
    spent.peak = tree_memory()
    watcher.start()
    try:
        yield spent
    finally:
        spent.wall = time.perf_counter() - began
        spent.peak = max(spent.peak, tree_memory())
        done.set()
        watcher.join()
        get_reusable_executor().shutdown(wait=True)
        spent.processors = processor_seconds() - before


def processor_seconds() -> float:
    """Seconds of this process and of the ended ones that it started."""
    each = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in each)


def tree_memory() -> float:
    """GiB that this process and those it started hold now."""
    total = 0
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        with suppress(psutil.Error):
            whole = process.memory_full_info()
            total += getattr(whole, "pss", whole.uss)
    return total / GIB
