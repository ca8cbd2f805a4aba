"""Targets of make run every script."""

import importlib
import re
from pathlib import Path

import click
import pytest

SCRIPTS = sorted(path.stem for path in (Path(__file__).parents[2] / "benchmarks").glob("bench_*.py"))


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_needs_no_arguments_and_says_what_it_prints(name):
    if name == "bench_cluster":
        pytest.importorskip("dask.distributed")
    script = importlib.import_module(name)
    assert f"benchmarks/{name}.py" in script.__doc__
    if isinstance(script.main, click.Command):
        script.main.make_context(name, [])
    else:
        assert script.main.__code__.co_argcount == 0


def test_each_script_is_run_by_one_target():
    # Two have targets of their own.
    makefile = (Path(__file__).parents[2] / "Makefile").read_text()
    listed = [
        name for names in re.findall(r"^(?:COSTS|EVALUATED) = (.*)$", makefile, re.MULTILINE) for name in names.split()
    ]
    assert sorted([*listed, "covariance", "reports"]) == [name.removeprefix("bench_") for name in SCRIPTS]
