"""The examples in the docstrings of the public names run as doctests."""

import doctest
import inspect

import pytest

import volplugin

FINDER = doctest.DocTestFinder(recurse=True)
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE

REQUIRED = {
    "EWMAVolatility",
    "FallbackChain",
    "GARCHVolatility",
    "GeometricBlend",
    "HARVolatility",
    "LSTMVolatility",
    "RefitSchedule",
    "RollingVolatility",
    "WalkForward",
}
"""Public classes whose docstrings have examples; a class whose examples were lost fails."""


def examples_of(name: str) -> list[doctest.DocTest]:
    """Return the examples of a public name and of its methods."""
    found = FINDER.find(getattr(volplugin, name), name, module=inspect.getmodule(getattr(volplugin, name)))
    return [test for test in found if test.examples]


WITH_EXAMPLES = [name for name in volplugin.__all__ if examples_of(name)]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_print_what_they_show(name):
    for test in examples_of(name):
        # Examples import all that they use, as a reader must.
        test.globs = {}
        output: list[str] = []
        result = doctest.DocTestRunner(optionflags=FLAGS).run(test, out=output.append)
        assert result.failed == 0, "".join(output)


def test_the_volatility_classes_have_examples():
    assert set(WITH_EXAMPLES) >= REQUIRED
