"""The classes of docs/extending.md pass the tests that those of the package pass."""

import os
import re
import subprocess
import sys

import pytest

import pages

SUITES = ("test_conformance.py", "test_lookahead.py", "risk/adjustments/test_every_calibration.py")


@pytest.mark.slow
def test_its_classes_conform_and_do_not_look_ahead(dow30_root):
    suites = [str(pages.CHECKOUT / "tests" / suite) for suite in SUITES]
    options = ["-q", "-p", "extended_registry", "-p", "no:cacheprovider", "-k", "page", *suites]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options],
        cwd=pages.CHECKOUT,
        env=os.environ | {"ZIPLINE_ROOT": str(dow30_root), "PYTHONPATH": str(pages.CHECKOUT / "tests")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed
    assert int(passed[1]) > 80


def test_every_test_that_the_page_names_exists():
    page = (pages.CHECKOUT / "docs" / "extending.md").read_text(encoding="utf-8")
    tests = "".join((pages.CHECKOUT / "tests" / suite).read_text(encoding="utf-8") for suite in SUITES)
    named = set(re.findall(r"`(test_\w+)`", page))
    assert named
    assert named <= set(re.findall(r"def (test_\w+)", tests))
