"""The installer's guard lists what was resolved, and refuses a set that holds CUDA packages."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "tools" / "refuse_cuda.py"


def refuse_cuda(folder: Path, packages: dict[str, str], *options: str) -> subprocess.CompletedProcess[str]:
    """Run the guard over a report that resolved ``packages`` and the checkout itself."""
    items = [{"metadata": {"name": n, "version": v}, "download_info": {"url": ""}} for n, v in packages.items()]
    checkout = {
        "metadata": {"name": "volplugin", "version": "0"},
        "download_info": {"dir_info": {"editable": True}},
    }
    report = folder / "report.json"
    report.write_text(json.dumps({"install": [*items, checkout]}), encoding="utf-8")
    return subprocess.run([sys.executable, SCRIPT, report, *options], capture_output=True, text=True)


def test_cpu_set_is_listed_as_resolved(tmp_path):
    finished = refuse_cuda(tmp_path, {"numpy": "2.4.6", "torch": "2.13.0+cpu"})
    assert finished.returncode == 0
    assert finished.stdout.splitlines() == ["numpy==2.4.6", "torch==2.13.0+cpu", "--editable ."]


@pytest.mark.parametrize(
    ("name", "release"),
    [
        ("nvidia-cublas", "13.1"),
        ("nvidia_cudnn_cu13", "9.1"),
        ("cuda-toolkit", "13"),
        ("triton", "3.5"),
        ("torch", "2.13.0+cu130"),
    ],
)
def test_cuda_package_stops_the_install(tmp_path, name, release):
    finished = refuse_cuda(tmp_path, {"numpy": "2.4.6", name: release})
    assert finished.returncode == 1
    assert finished.stdout == ""
    assert f"{name}=={release}" in finished.stderr


def test_cuda_set_is_listed_where_allowed(tmp_path):
    finished = refuse_cuda(tmp_path, {"nvidia-cublas": "13.1"}, "1")
    assert finished.returncode == 0
    assert "nvidia-cublas==13.1" in finished.stdout
