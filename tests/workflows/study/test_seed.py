"""The seed's equations, each against numbers worked out by hand."""

import numpy as np
import pytest
import torch

from volplugin.volatility.lstm.seed import SeedNetwork, fit_seed, forward_volatility
from volplugin.workflows.study import SeedSettings


@pytest.fixture(scope="module")
def returns():
    return 0.01 * np.random.default_rng(3).standard_normal(400)


@pytest.fixture(scope="module")
def fitted(returns):
    return fit_seed(returns, SeedSettings(epochs=2), "ALFA")


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def by_hand(state, window):
    """Run the two layers and the output over one window, gate by gate."""
    sequence = window
    for layer in (0, 1):
        part = {key.split(".")[-1]: np.asarray(v, float) for key, v in state.items() if f"layers.{layer}." in key}
        units = part["weight_hh_l0"].shape[1]
        h, c, outputs = np.zeros(units), np.zeros(units), []
        for x in sequence:
            gates = part["weight_ih_l0"] @ x + part["bias_ih_l0"] + part["weight_hh_l0"] @ h + part["bias_hh_l0"]
            i, f, g, o = np.split(gates, 4)
            c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
            outputs.append(h)
        sequence = np.array(outputs)
    return float(np.asarray(state["network/output.weight"])[0] @ sequence[-1] + state["network/output.bias"][0])


def test_network_equals_the_gate_equations(returns, fitted):
    low, high = fitted["range"]
    scaled = (returns - low) / (high - low)
    for row in (0, 150, len(fitted["forecast"]) - 1):
        window = scaled[row : row + 60, None]
        assert fitted["forecast"][row] == pytest.approx(by_hand(fitted, window), abs=1e-6)


def test_layers_are_as_described():
    shapes = {name: tuple(parameter.shape) for name, parameter in SeedNetwork().named_parameters()}
    assert shapes["layers.0.weight_ih_l0"] == (4 * 64, 1)
    assert shapes["layers.1.weight_ih_l0"] == (4 * 32, 64)
    assert shapes["output.weight"] == (1, 32)


def test_range_comes_from_the_training_part(returns, fitted):
    training, test = SeedSettings().split(len(returns))
    assert (training.start, test.stop) == (59, 380)
    known = returns[: training.stop]
    assert fitted["range"].tolist() == [known.min(), known.max()]


def test_weights_do_not_depend_on_data_after_the_training_targets(returns, fitted):
    later = returns.copy()
    first_test = SeedSettings().split(len(returns))[1].start
    later[first_test + 20 :] *= 5
    other = fit_seed(later, SeedSettings(epochs=2), "ALFA")
    for key in fitted.keys() - {"forecast"}:
        np.testing.assert_array_equal(other[key], fitted[key])


def test_target_is_the_sample_deviation_of_the_next_returns(returns):
    target = forward_volatility(returns, 20)
    ahead = returns[101:121]
    assert target[100] == pytest.approx(np.sqrt(((ahead - ahead.mean()) ** 2).sum() / 19))
    assert np.isnan(target[-20:]).all()
    assert np.isfinite(target[:-20]).all()


def test_losses_are_per_pass_and_decrease(fitted):
    assert fitted["losses"].shape == (2,)
    assert fitted["losses"][1] < fitted["losses"][0]


def test_one_gradient_step_equals_adam(returns):
    """With one batch a pass, the first step of Adam moves every weight by the learning rate against its gradient."""
    settings = SeedSettings(epochs=1, batch=10_000)
    after = fit_seed(returns, settings, "ALFA")
    before = fit_seed(returns, SeedSettings(epochs=1, batch=10_000, learning_rate=1e-12), "ALFA")
    name = "network/layers.1.weight_hh_l0"
    steps = np.abs(after[name] - before[name])
    assert np.median(steps) == pytest.approx(1e-3, rel=0.02)
    training, _ = settings.split(len(returns))
    errors = before["forecast"][: training.stop - training.start] - forward_volatility(returns, 20)[training]
    assert before["losses"][0] == pytest.approx((errors**2).mean(), rel=1e-4)


def test_training_is_deterministic_and_leaves_the_global_state_alone(returns, fitted):
    torch.manual_seed(5)
    random, threads = torch.get_rng_state(), torch.get_num_threads()
    again = fit_seed(returns, SeedSettings(epochs=2), "ALFA")
    assert torch.equal(torch.get_rng_state(), random)
    assert torch.get_num_threads() == threads
    for key, values in fitted.items():
        np.testing.assert_array_equal(again[key], values)


@pytest.mark.parametrize(("seed", "name"), [(1, "ALFA"), (0, "BRAV")])
def test_initial_weights_depend_on_seed_and_name(returns, fitted, seed, name):
    other = fit_seed(returns, SeedSettings(epochs=2, seed=seed), name)
    assert not np.allclose(other["forecast"], fitted["forecast"])
