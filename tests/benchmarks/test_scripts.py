"""`make bench` runs every script without arguments."""

import importlib
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
