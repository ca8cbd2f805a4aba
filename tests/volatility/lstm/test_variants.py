import math

import numpy as np
import pytest
import torch

from volplugin.volatility.lstm import NETWORKS, BidirectionalNetwork, VolatilityNetwork

WINDOW, UNITS = 7, (5, 3)


def made(name: str) -> VolatilityNetwork:
    network = NETWORKS[name](4, 3, 2, UNITS, WINDOW)
    generator = torch.Generator().manual_seed(3)
    network.initialise(generator, torch.ones(2, 4), torch.zeros(2))
    with torch.no_grad():
        network.head.weight.uniform_(-1, 1, generator=generator)
    return network.eval()


def sequence(steps: int = 20) -> torch.Tensor:
    return torch.randn(2, steps, 4, generator=torch.Generator().manual_seed(1))


def run(network: VolatilityNetwork, x: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        return network(x)[0]


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_no_step_sees_a_later_one(name):
    network, x = made(name), sequence()
    changed = x.clone()
    changed[:, 12:] = 9.0
    torch.testing.assert_close(run(network, changed)[:, :12], run(network, x)[:, :12])
    assert not torch.allclose(run(network, changed)[:, 12:], run(network, x)[:, 12:])


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_untrained_it_is_the_regression(name):
    network = NETWORKS[name](4, 3, 2, UNITS, WINDOW)
    weight = torch.arange(8.0).reshape(2, 4)
    network.initialise(torch.Generator().manual_seed(0), weight, torch.tensor([1.0, 2.0]))
    x = sequence()
    torch.testing.assert_close(run(network, x), x @ weight.T + torch.tensor([1.0, 2.0]))
    assert all(torch.isfinite(parameter).all() for parameter in network.parameters())


def test_a_bidirectional_network_reads_its_window_and_nothing_else():
    network, x = made("bidirectional"), sequence()
    changed = x.clone()
    changed[:, :5] = 9.0
    torch.testing.assert_close(run(network, changed)[:, 5 + WINDOW - 1 :], run(network, x)[:, 5 + WINDOW - 1 :])
    alone = run(network, x[:, 13 - WINDOW : 13])[:, -1]
    torch.testing.assert_close(run(network, x)[:, 12], alone)


def test_a_short_sequence_gets_the_skip_output():
    network, x = made("bidirectional"), sequence(WINDOW - 1)
    torch.testing.assert_close(run(network, x), network.skip(x).detach())


def test_backwards_means_backwards():
    """Layer by layer, by hand: the second direction is the first's on the window turned round."""
    network = BidirectionalNetwork(4, 3, 2, (5,), WINDOW)
    network.initialise(torch.Generator().manual_seed(3), torch.zeros(2, 4), torch.zeros(2))
    layer, x = network.recurrent[0], sequence(WINDOW)
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            if name.endswith("_reverse"):
                parameter.copy_(getattr(layer, name.removesuffix("_reverse")))
        hidden = network.encode(x)[0][:, -1]
        turned = network.encode(x.flip(1))[0][:, -1]
    torch.testing.assert_close(hidden[:, :5], turned[:, 5:])


def test_attention_by_hand():
    network, x = made("attention"), sequence(12)
    with torch.inference_mode():
        hidden, _ = VolatilityNetwork.encode(network, x)
        pooled, _ = network.encode(x)
        step, units = 10, UNITS[-1]
        window = hidden[0, step - WINDOW + 1 : step + 1]
        scores = (network.key(window) @ network.query(hidden[0, step])).numpy() / math.sqrt(units)
    weights = np.exp(scores) / np.exp(scores).sum()
    np.testing.assert_allclose(pooled[0, step].numpy(), weights @ window.numpy(), rtol=1e-5)
