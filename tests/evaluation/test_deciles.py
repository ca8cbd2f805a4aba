import numpy as np
import pandas as pd
import pytest

from volplugin import PricePanel
from volplugin.evaluation import by_forecast_decile, scored_samples


@pytest.fixture(scope="module")
def sample(panel: PricePanel):
    squared = panel.returns**2
    models = {"fast": squared.ewm(halflife=8).mean().iloc[200:], "slow": squared.ewm(halflife=60).mean().iloc[200:]}
    columns = {(name, 5): variance**0.5 for name, variance in models.items()}
    table = pd.concat(columns, axis=1, names=["model", "horizon", "asset"])
    table.iloc[:20, 0] = np.nan
    return scored_samples(table, panel, calibrated_through="2010-12-31")[5]


def test_deciles_are_those_of_qcut(sample, panel):
    periods = panel.periods_per_year
    found = by_forecast_decile(sample).loc["fast"]
    f, y = (frame.stack() for frame in (sample.variance["fast"], sample.outcome))
    groups = pd.qcut(f, 10, labels=range(1, 11))
    predicted = np.sqrt(periods * f.groupby(groups, observed=True).mean())
    realized = np.sqrt(periods * y.groupby(groups, observed=True).mean())
    np.testing.assert_allclose(found["predicted"], predicted, rtol=0.01)
    np.testing.assert_allclose(found["ratio"], realized / predicted, rtol=0.02)
    assert found["stock_days"].sum() == sample.stock_days == len(f)
    assert found["stock_days"].max() - found["stock_days"].min() <= 1
    assert found["predicted"].is_monotonic_increasing


def test_ties_do_not_make_groups_unequal(sample, panel):
    flat = sample.variance["fast"] * 0 + 1e-4
    sample.variance["flat"] = flat
    found = by_forecast_decile(sample).loc["flat"]
    del sample.variance["flat"]
    assert list(found.index) == list(range(1, 11))
    np.testing.assert_allclose(found["predicted"], np.sqrt(1e-4 * panel.periods_per_year))


def test_a_forecast_scaled_up_has_its_ratios_scaled_down(sample):
    sample.variance["double"] = 4 * sample.variance["slow"]
    found = by_forecast_decile(sample)["ratio"]
    del sample.variance["double"]
    np.testing.assert_allclose(found["double"], found["slow"] / 2, rtol=1e-12)
