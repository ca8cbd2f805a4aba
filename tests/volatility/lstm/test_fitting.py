import numpy as np
import pytest
from synthetic import ASOF, TRAINED

from volplugin import LSTMVolatility
from volplugin.volatility import FITTED_HORIZONS
from volplugin.volatility.lstm import Readout, fine_tune, with_one
from volplugin.volatility.lstm.fitting import RIDGE

ASSETS = ["ODD", "SAME"]


@pytest.fixture(scope="module")
def table():
    """Features and log targets of one asset that is like no other, and one that is like all."""
    random = np.random.default_rng(4)
    hidden, x = random.standard_normal((3000, 2, 3)), random.standard_normal((3000, 2, 2))
    shared = random.standard_normal((6, 3))
    log_y = with_one(hidden, x) @ shared + 0.1 * random.standard_normal((3000, 2, 3))
    log_y[:, 0] += 0.8 * hidden[:, 0, :1]
    return hidden, x, log_y, Readout(shared)


def test_only_the_asset_with_a_lower_loss_gets_its_own_readout(table):
    hidden, x, log_y, shared = table
    tuned = fine_tune(shared, hidden, x, log_y, ASSETS, FITTED_HORIZONS)
    assert "ODD" in tuned.own
    gain = np.nanmean((log_y - tuned(hidden, x, ASSETS)) ** 2, axis=(0, 2))
    before = np.nanmean((log_y - shared(hidden, x, ASSETS)) ** 2, axis=(0, 2))
    assert gain[0] < 0.3 * before[0]
    assert gain[1] == pytest.approx(before[1], rel=0.02)


def test_the_ridge_by_hand(table):
    hidden, x, log_y, shared = table
    features = with_one(hidden, x)[:, 0]
    missing = log_y[:, 0] - features @ shared.table
    by_hand = np.linalg.inv(features.T @ features + RIDGE * np.eye(6)) @ features.T @ missing
    tuned = fine_tune(shared, hidden, x, log_y, ASSETS, FITTED_HORIZONS)
    np.testing.assert_allclose(tuned.own["ODD"] - shared.table, by_hand, rtol=1e-9)


def test_targets_of_the_tail_do_not_reach_the_trial(table):
    """What happens in the tail decides on acceptance alone: with a tail of noise nothing is accepted."""
    hidden, x, log_y, shared = table
    turned = log_y.copy()
    turned[2400:, 0] -= 1.6 * hidden[2400:, 0, :1]
    assert "ODD" not in fine_tune(shared, hidden, x, turned, ASSETS, FITTED_HORIZONS).own


def test_vintage_metadata_counts_the_tuned_assets(synthetic):
    settings = {"units": (8, 4), "window": 10, "seeds": (0, 1), "steps": 5}
    training, known = synthetic.asof(TRAINED), synthetic.asof(ASOF)
    tuned = LSTMVolatility(**settings, mode="fine-tuned").fit(training)
    shared = LSTMVolatility(**settings, mode="shared").fit(training)
    count, total = tuned.vintage["own"].removesuffix(" assets").split(" of ")
    assert int(count) == len(tuned.readout_.own) <= int(total) == len(training.assets)
    own = [asset for asset in tuned.readout_.own]
    other = [asset for asset in training.assets if asset not in own]
    left, right = tuned.predict(known), shared.predict(known)
    assert (left[own] != right[own]).all()
    np.testing.assert_allclose((left / right)[other].dropna().std(), 0, atol=1e-9)
