"""Resources used by a command: wall time, processor time, memory."""

from __future__ import annotations

import sys
import time


class Cost:
    """Resources used since the object was made."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    def description(self, jobs: int) -> str:
        """Stop joblib's idle processes, and describe the resources that all processes used.

        Parameters
        ----------
        jobs : int
            Processes at once; 1 for this one alone.

        Notes
        -----
        The system reports the peak of this process and the peak of the largest other. They need not peak at the same
        moment, and shared memory is counted in each: their sum is an upper bound.
        """
        wall = time.perf_counter() - self._began
        if jobs > 1:
            # The system reports the resources of a process only after it has ended.
            from joblib.externals.loky import get_reusable_executor

            get_reusable_executor().shutdown(wait=True)
        try:
            import resource
        except ImportError:  # there is none on Windows
            return f"{wall:.0f} s"
        own, other = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        processors = own.ru_utime + own.ru_stime + other.ru_utime + other.ru_stime
        unit = 2**30 if sys.platform == "darwin" else 2**20
        peak, theirs = own.ru_maxrss / unit, other.ru_maxrss / unit
        several = f" in all: {peak:.1f} here, {theirs:.1f} in the largest of {jobs} others" if jobs > 1 else ""
        most = peak + jobs * theirs if jobs > 1 else peak
        return f"{wall:.0f} s on the clock, {processors:.0f} s of the processors, at most {most:.1f} GiB{several}"
