import math

import numpy as np
import pytest
import torch

from volplugin.volatility.lstm import VolatilityNetwork, as_tensor

INPUTS, RECURRENT, HEADS, UNITS = 5, 3, 2, (4, 3)


def made(seed: int = 0) -> VolatilityNetwork:
    """Return a network all of whose weights are drawn, its head too."""
    random = np.random.default_rng(seed)
    network = VolatilityNetwork(INPUTS, RECURRENT, HEADS, UNITS)
    weight, bias = (as_tensor(random.standard_normal(shape)) for shape in ((HEADS, INPUTS), (HEADS,)))
    network.initialise(torch.Generator().manual_seed(seed), weight, bias)
    with torch.no_grad():
        network.head.weight.copy_(as_tensor(random.standard_normal((HEADS, UNITS[-1]))))
    return network.eval()


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(9).standard_normal(shape).astype(np.float32)


def run(network: VolatilityNetwork, x: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return network(as_tensor(x))[0].numpy()


# -- against one written by hand -------------------------------------------------------------------


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def lstm_step(
    x: np.ndarray, hidden: np.ndarray, cell: np.ndarray, weights: dict[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """Return hidden and cell state after one input, by Hochreiter and Schmidhuber's gates with a forget gate."""
    gates = weights["ih"] @ x + weights["bias_ih"] + weights["hh"] @ hidden + weights["bias_hh"]
    enter, forget, new, leave = np.split(gates, 4)
    cell = sigmoid(forget) * cell + sigmoid(enter) * np.tanh(new)
    return sigmoid(leave) * np.tanh(cell), cell


def by_hand(network: VolatilityNetwork, sequence: np.ndarray) -> np.ndarray:
    """Return the outputs of one sequence in plain double-precision numpy."""
    state = {name: tensor.numpy().astype(float) for name, tensor in network.state_dict().items()}
    layers = []
    for depth in range(len(UNITS)):
        prefix = f"layers.{depth}."
        names = {"ih": "weight_ih_l0", "hh": "weight_hh_l0", "bias_ih": "bias_ih_l0", "bias_hh": "bias_hh_l0"}
        layers.append({short: state[prefix + long] for short, long in names.items()})
    carry = [(np.zeros(units), np.zeros(units)) for units in UNITS]
    outputs = []
    for x in sequence.astype(float):
        above = x[:RECURRENT]
        for depth, weights in enumerate(layers):
            carry[depth] = lstm_step(above, *carry[depth], weights)
            above = carry[depth][0]
        outputs.append(state["skip.weight"] @ x + state["skip.bias"] + state["head.weight"] @ above)
    return np.array(outputs)


def test_outputs_are_those_written_by_hand():
    network, x = made(), drawn(2, 30, INPUTS)
    expected = np.stack([by_hand(network, sequence) for sequence in x])
    np.testing.assert_allclose(run(network, x), expected, rtol=1e-4, atol=1e-5)


# -- shape and behaviour ---------------------------------------------------------------------------


def test_one_output_per_step_and_head():
    assert run(made(), drawn(7, 11, INPUTS)).shape == (7, 11, HEADS)


def test_sequences_of_a_batch_do_not_mix():
    network, x = made(), drawn(4, 20, INPUTS)
    np.testing.assert_allclose(run(network, x)[2:3], run(network, x[2:3]), atol=1e-6)


def test_an_output_depends_on_no_later_step():
    network, x = made(), drawn(1, 20, INPUTS)
    wild = x.copy()
    wild[:, 12:] = 50
    np.testing.assert_array_equal(run(network, wild)[:, :12], run(network, x)[:, :12])
    assert not np.array_equal(run(network, wild)[:, 12:], run(network, x)[:, 12:])


def test_stepping_with_the_state_equals_one_pass():
    network, x = made(), as_tensor(drawn(3, 20, INPUTS))
    with torch.inference_mode():
        whole, end = network(x)
        first, carry = network(x[:, :13])
        second, after = network(x[:, 13:], carry)
    np.testing.assert_allclose(torch.cat([first, second], dim=1), whole, atol=1e-6)
    for (hidden, cell), (expected_hidden, expected_cell) in zip(after, end, strict=True):
        np.testing.assert_allclose(hidden, expected_hidden, atol=1e-6)
        np.testing.assert_allclose(cell, expected_cell, atol=1e-6)
        assert hidden.shape == cell.shape == (1, 3, hidden.shape[-1])


def test_only_the_first_inputs_reach_the_recurrent_layers():
    """The others pass by the linear skip: with its weights at zero they do nothing."""
    network, x = made(), drawn(1, 20, INPUTS)
    with torch.no_grad():
        network.skip.weight.zero_()
    other = x.copy()
    other[..., RECURRENT:] = 100
    np.testing.assert_array_equal(run(network, other), run(network, x))


def test_untrained_it_is_the_regression_that_it_was_given():
    weight, bias, x = drawn(HEADS, INPUTS), drawn(HEADS), drawn(2, 9, INPUTS)
    network = VolatilityNetwork(INPUTS, RECURRENT, HEADS, UNITS)
    network.initialise(torch.Generator().manual_seed(1), as_tensor(weight), as_tensor(bias))
    np.testing.assert_allclose(run(network, x), x @ weight.T + bias, rtol=1e-4, atol=1e-5)


def test_weights_are_drawn_by_the_generator_alone():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one, two, other = made(5), made(5), made(6)
    assert torch.equal(torch.get_rng_state(), before)
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, two.state_dict()[name])
    assert not torch.equal(one.layers[0].weight_hh_l0, other.layers[0].weight_hh_l0)


@pytest.mark.parametrize("units", [(64, 32), (4,), (3, 3, 3)])
def test_units_per_layer(units):
    network = VolatilityNetwork(INPUTS, RECURRENT, HEADS, units)
    assert [layer.hidden_size for layer in network.recurrent] == list(units)
    network.initialise(torch.Generator().manual_seed(0), torch.zeros(HEADS, INPUTS), torch.zeros(HEADS))
    for layer in network.recurrent:
        for parameter in layer.parameters():
            assert parameter.abs().max() <= 1 / math.sqrt(layer.hidden_size)
            assert parameter.abs().max() > 0
    assert all(parameter.device.type == "cpu" for parameter in network.parameters())
