"""The kit that kills commands finds nothing lost, nothing partial and nothing different; `make crash-kit` is longer."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


def kit(*options: str) -> tuple[int, int, int]:
    """Run the kit; returns kills, those inside a write, and differences."""
    finished = subprocess.run(
        [sys.executable, "-m", "kit.crash", *options], cwd=TESTS, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr
    counted = re.search(r"(\d+) kills \(seed \d+\), (\d+) inside a write .* (\d+) differences", finished.stdout)
    assert counted is not None, finished.stdout
    kills, inside, differences = map(int, counted.groups())
    return kills, inside, differences


def test_some_kills():
    kills, inside, differences = kit("--kills", "6", "--only", "ingest", "--only", "train")
    assert kills == 6
    assert inside >= 3
    assert differences == 0


@pytest.mark.slow
def test_a_hundred_kills():
    kills, inside, differences = kit("--kills", "100", "--seed", "1")
    assert kills == 100
    assert inside >= 50
    assert differences == 0
