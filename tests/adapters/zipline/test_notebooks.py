"""What a notebook does to a package: cells run twice, modules loaded anew, one object in many runs."""

import importlib
import logging
import sys

import numpy as np
import pytest
from zipline.data import bundles
from zipline.finance import metrics

from adapters.zipline import strategies
from volplugin import RollingCorrelation, RollingVolatility
from volplugin._bundles import register_dow30
from volplugin.adapters.zipline import RiskMetrics, register_metrics

START, END = "2017-01-30", "2017-02-28"


def run(small, provider):
    def initialize(context):
        strategies.buy_equal_weight_monthly(context)
        context.risk = provider()

    return strategies.run(small, START, END, initialize)


@pytest.fixture
def untouched():
    """Put the modules back that a test loads anew."""
    names = [name for name in sys.modules if name.startswith("volplugin")]
    kept = {name: (sys.modules[name], dict(vars(sys.modules[name]))) for name in names}
    yield
    for name, (module, attributes) in kept.items():
        vars(module).update(attributes)
        sys.modules[name] = module


def test_registering_twice_leaves_one_of_each():
    for _ in range(2):
        register_dow30()
        register_metrics()
    assert [name for name in bundles.bundles if name == "dow30"] == ["dow30"]
    assert len([metric for metric in metrics.load("volplugin") if type(metric) is RiskMetrics]) == 1


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("module", ["provider", "metrics", "portfolio_risk"])
def test_a_module_loaded_anew_works_beside_the_old_ones(small, model, module):
    from volplugin import RiskProvider

    before = run(small, lambda: RiskProvider(model, bundle=small))["predicted_vol"]
    fresh = importlib.reload(sys.modules[f"volplugin.adapters.zipline.{module}"])
    kind = getattr(fresh, "RiskProvider", RiskProvider)
    again = run(small, lambda: kind(model, bundle=small))["predicted_vol"]
    np.testing.assert_array_equal(again, before)
    assert before.iloc[-1] > 0


def test_the_extension_loaded_over_and_over_is_silent(caplog):
    import volplugin.adapters.zipline.extension as extension

    with caplog.at_level(logging.DEBUG):
        for _ in range(3):
            importlib.reload(extension)
    assert caplog.records == []


def test_one_model_in_many_runs_says_the_same(small):
    from volplugin import RiskModel, RiskProvider

    model = RiskModel(RollingVolatility(40), RollingCorrelation(60))
    provider = RiskProvider(model, bundle=small)
    runs = [run(small, lambda: provider)["predicted_vol"] for _ in range(3)]
    for again in runs[1:]:
        np.testing.assert_array_equal(again, runs[0])
