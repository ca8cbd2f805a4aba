"""The examples of docstrings run and print what they show."""

import doctest
import importlib

import pytest


@pytest.mark.parametrize("name", ["panel", "simulated", "suspects"])
def test_examples_of_docstrings(name):
    done = doctest.testmod(importlib.import_module(f"volplugin.data.{name}"))
    assert done.attempted > 0
    assert done.failed == 0
