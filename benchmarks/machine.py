"""Description of the machine, printed with the figures of a benchmark."""

import os
import platform
from importlib.metadata import version


def describe_machine() -> str:
    """One line: processor, cores, Python and the packages that matter."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "numpy", "zipline-reloaded"))
    return f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {packages}"
