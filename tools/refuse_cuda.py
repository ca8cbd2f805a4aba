"""Turn a ``pip install --dry-run --report`` file into the list to install, or refuse it.

Reads the report named on the command line and writes one requirement per line to standard output. Exits
with 1, writing nothing there, when a CUDA package would be installed: the project runs on the CPU build of
torch, and the CUDA build brings several GB of packages that it never uses.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any

CUDA_NAME = re.compile(r"^(nvidia|cuda|cupy|triton|pytorch-triton)(-|$)")
CUDA_BUILD = re.compile(r"\+cu\d")

REFUSAL = """\
Stopped before installing anything: these CUDA packages would be installed.
  {packages}
This project uses the CPU build of torch {pinned}. Install that build with
  {python} -m pip install ...
or let pip's own configuration find it, then run the same command again.
To accept the CUDA build on a machine with a GPU, add ALLOW_CUDA=1 to the command.
"""


def requirement(item: dict[str, Any]) -> str:
    """Return the line that installs exactly what the report resolved one item to."""
    if "dir_info" in item["download_info"]:
        return "--editable ."
    return f"{item['metadata']['name']}=={item['metadata']['version']}"


def is_cuda(item: dict[str, Any]) -> bool:
    """Return whether an item of the report is a CUDA package or a CUDA build of another one."""
    name = re.sub(r"[-_.]+", "-", item["metadata"]["name"]).lower()
    return bool(CUDA_NAME.match(name) or CUDA_BUILD.search(item["metadata"]["version"]))


def main(report: str, allow: str = "") -> int:
    """Print the requirements of ``report``; return 1 if they hold CUDA packages not allowed."""
    items = json.loads(Path(report).read_text(encoding="utf-8"))["install"]
    refused = sorted(requirement(item) for item in items if is_cuda(item))
    if refused and not allow:
        pinned = next((i["metadata"]["version"] for i in items if i["metadata"]["name"] == "torch"), "")
        sys.stderr.write(REFUSAL.format(packages="\n  ".join(refused), pinned=pinned, python=sys.executable))
        return 1
    sys.stdout.writelines(f"{requirement(item)}\n" for item in items)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
