"""Kills the commands with SIGKILL at random moments, most of them inside a write, and looks at what is left.

`make crash-kit` runs it: `python -m kit.crash`, from tests/.
"""

import os

for _pool in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_pool] = "1"  # before numpy is loaded: a process with threads must not be forked
os.environ["MPLBACKEND"] = "Agg"
