"""The public names load on first use, and importing the package stays light."""

import importlib
import subprocess
import sys

import pytest

import volplugin

HEAVY = ("torch", "zipline", "matplotlib", "sklearn", "scipy", "statsmodels", "arch", "pandas")


def run_python(code: str) -> str:
    """Run ``code`` in a fresh interpreter and return what it printed."""
    finished = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return finished.stdout.strip()


def test_import_loads_nothing_heavy():
    loaded = run_python(f"import sys, volplugin; print([m for m in {HEAVY!r} if m in sys.modules])")
    assert loaded == "[]"


@pytest.mark.parametrize("name", ["PricePanel", "RiskModel", "VolatilityTarget", "EWMAVolatility", "EWMACorrelation"])
def test_engine_free_names_load_neither_torch_nor_zipline(name):
    heavy = ("torch", "zipline", "matplotlib")
    loaded = run_python(f"import sys; from volplugin import {name}; print([m for m in {heavy!r} if m in sys.modules])")
    assert loaded == "[]"


@pytest.mark.parametrize("module", ["volplugin.risk.defaults", "volplugin.volatility", "volplugin.volatility.registry"])
def test_naming_the_default_models_does_not_load_torch(module):
    loaded = run_python(f"import sys, {module}; print('torch' in sys.modules)")
    assert loaded == "False"


def test_the_pretrained_alias_needs_no_other_import():
    assert run_python("from volplugin import LSTMVolatility; print(type(LSTMVolatility.pretrained()).__name__)") == (
        "PretrainedVolatility"
    )


def test_a_printed_forecast_loads_nothing_that_it_does_not_use():
    heavy = ("zipline", "matplotlib", "arch", "sympy")
    code = "import volplugin.report.evaluation, volplugin.risk.model; from volplugin import LSTMVolatility"
    ready = "model = LSTMVolatility.pretrained(); model.vintage_at(model.store.vintages()[0])"
    assert run_python(f"import sys; {code}; {ready}; print([m for m in {heavy!r} if m in sys.modules])") == "[]"


@pytest.mark.parametrize("name", volplugin.__all__)
def test_public_name_resolves(name):
    value = getattr(volplugin, name)
    assert value.__name__ == name
    assert value.__module__.startswith("volplugin.")
    assert value.__doc__


def test_dir_lists_exactly_the_public_names():
    assert dir(volplugin) == sorted([*volplugin.__all__, "__version__"])


def test_former_module_names_import_with_a_warning():
    with pytest.warns(DeprecationWarning, match="use volplugin.data.panel"):
        from volplugin.panel import PricePanel
    assert PricePanel is volplugin.PricePanel


def test_a_former_class_name_is_the_class_with_a_warning():
    with pytest.warns(DeprecationWarning, match="use VolatilityRegimeAdjustment"):
        assert volplugin.RegimeMultiplier is volplugin.VolatilityRegimeAdjustment
    with pytest.warns(DeprecationWarning, match="evaluate_volatility_forecasts"):
        from volplugin.evaluation import judge_forecasts
    assert judge_forecasts.__name__ == "evaluate_volatility_forecasts"


def test_a_module_that_never_existed_is_not_found():
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("volplugin.nonsense")


def test_version_is_the_installed_one():
    from importlib.metadata import version

    assert volplugin.__version__ == version("volplugin")


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="Nonsense"):
        volplugin.Nonsense  # noqa: B018


def test_bundle_and_gallery_are_subpackages():
    import volplugin._bundles
    import volplugin._gallery

    assert volplugin._bundles.__doc__
    assert volplugin._gallery.__doc__
