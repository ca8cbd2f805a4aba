"""Walk-forward training of the default forecaster on the shipped prices: every yearly vintage of 2010 to 2021.

    python benchmarks/bench_walk_forward.py

Needs the bundle dow30 (`volplugin ingest dow30`). Thirty stocks, three seeds, from an empty store, on as many
processes as there are cores, one torch thread each. Prints the seconds, the seconds per network, and the
memory of the largest process.
"""

import os
import resource
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

from machine import describe_machine

from volplugin import read_bundle
from volplugin.risk.defaults import default_walk_forward

START, END = "2010-01-04", "2021-04-20"


def main() -> None:
    """Train, and print what it cost."""
    panel, cores = read_bundle("dow30"), os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as store:
        walk_forward = default_walk_forward(store)
        began = time.perf_counter()
        walk_forward.train(panel, START, END, n_jobs=cores, progress=False)
        seconds = time.perf_counter() - began
        vintages, networks = (
            len(walk_forward.store.vintages()),
            len(walk_forward.store.vintages()) * len(walk_forward.forecaster.seeds),
        )
    largest = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    print(describe_machine())
    print(f"{len(panel.assets)} stocks, {vintages} vintages, {networks} networks on {cores} processes")
    print(f"seconds             {seconds:10.0f}")
    print(f"seconds a network   {seconds * cores / networks:10.1f}")
    print(f"largest process     {largest / 1024**2:10.1f} GiB")


if __name__ == "__main__":
    main()
