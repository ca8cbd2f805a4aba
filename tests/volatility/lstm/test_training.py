import numpy as np
import pytest
import torch

from volplugin.volatility.lstm import (
    LOSSES,
    TrainingConfig,
    VolatilityNetwork,
    as_tensor,
    log_mse,
    mean_loss,
    one_thread,
    qlike,
    train,
)


def network(seed: int = 0) -> VolatilityNetwork:
    made = VolatilityNetwork(2, 2, 1, (6,))
    made.initialise(torch.Generator().manual_seed(seed), torch.zeros(1, 2), torch.zeros(1))
    return made


def task(count: int = 40, steps: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Inputs, and a target that needs memory: the first input of the step before."""
    x = np.random.default_rng(2).standard_normal((count, steps, 2))
    y = np.full((count, steps, 1), np.nan)
    y[:, 5:, 0] = x[:, 4:-1, 0]
    return x, y


def trained(x: np.ndarray, y: np.ndarray, seed: int = 0, **recipe: float) -> VolatilityNetwork:
    generator = torch.Generator().manual_seed(seed)
    return train(network(), x, y, log_mse, TrainingConfig(**({"steps": 20, "learning_rate": 0.02} | recipe)), generator)


def weights(made: VolatilityNetwork) -> np.ndarray:
    return torch.nn.utils.parameters_to_vector(made.parameters()).detach().numpy()


# -- losses ----------------------------------------------------------------------------------------


def test_losses_by_hand():
    """Log variances of 1 and 0.5: half squared, and exp(-0.5) + 0.5 - 1."""
    output, target = torch.tensor([1.0]), torch.tensor([0.5])
    assert log_mse(output, target).item() == pytest.approx(0.25)
    assert qlike(output, target).item() == pytest.approx(np.exp(-0.5) - 0.5)
    assert qlike(target, target).item() == 0
    assert LOSSES["gaussian_nll"](output, target).item() == pytest.approx(0.5 * (1 + np.exp(-0.5)))
    assert LOSSES["volatility_mse"](output, target).item() == pytest.approx((np.exp(0.5) - np.exp(0.25)) ** 2)
    assert list(LOSSES) == ["log_mse", "qlike", "gaussian_nll", "volatility_mse"]


def test_qlike_is_that_of_variances():
    forecast, realized = np.array([2e-4, 1e-4]), np.array([1e-4, 3e-4])
    quotient = realized / forecast
    found = qlike(as_tensor(np.log(forecast)), as_tensor(np.log(realized)))
    np.testing.assert_allclose(found, quotient - np.log(quotient) - 1, rtol=1e-4)


def test_mean_loss_is_over_targets_alone():
    x, y = task()
    made = trained(x, y)
    with torch.inference_mode():
        output = made(as_tensor(x))[0].numpy()
    assert mean_loss(made, x, y, log_mse) == pytest.approx(np.nanmean((output - y) ** 2), rel=1e-4)


# -- training --------------------------------------------------------------------------------------


def test_it_learns_what_needs_memory():
    x, y = task()
    assert mean_loss(trained(x, y, steps=300), x, y, log_mse) < 0.15 * mean_loss(network(), x, y, log_mse)


def test_the_burn_in_warms_up_the_state():
    x, y = task()
    assert mean_loss(trained(x, y, steps=300, burn_in=5), x, y, log_mse) < 0.15 * mean_loss(network(), x, y, log_mse)
    others = x.copy()
    others[:, :4] += 1.0  # in no target
    assert not np.allclose(weights(trained(x, y, burn_in=5)), weights(trained(others, y, burn_in=5)))


def test_the_same_generator_gives_the_same_network():
    x, y = task()
    np.testing.assert_array_equal(weights(trained(x, y, 1)), weights(trained(x, y, 1)))
    assert not np.array_equal(weights(trained(x, y, 1)), weights(trained(x, y, 2)))


def test_the_global_generator_is_not_used():
    before = torch.get_rng_state()
    trained(*task())
    assert torch.equal(torch.get_rng_state(), before)


def test_inputs_after_the_last_target_do_not_change_the_weights():
    """Inputs after a sequence's last target: padding, say."""
    x, y = task()
    y[:, 20:] = np.nan
    wild = x.copy()
    wild[:, 20:] = 100
    np.testing.assert_array_equal(weights(trained(x, y)), weights(trained(wild, y)))


def test_a_batch_without_any_target_does_not_spoil_the_weights():
    x, y = task()
    y[3:] = np.nan
    assert np.isfinite(weights(trained(x, y, batch=4))).all()


def test_one_step_is_a_step_of_adamw():
    """With one batch of everything: against torch's optimiser driven by hand."""
    x, y = task(8)
    made, recipe = trained(x, y, steps=1, batch=8), TrainingConfig(steps=1, learning_rate=0.02, batch=8)
    expected = network()
    first = torch.optim.lr_scheduler.OneCycleLR(
        torch.optim.AdamW(expected.parameters(), lr=0.02), max_lr=recipe.learning_rate, total_steps=2
    ).get_last_lr()[0]
    optimizer = torch.optim.AdamW(expected.parameters(), lr=first, betas=(0.95, 0.999), weight_decay=1e-4)
    output, _ = expected(as_tensor(x))
    mask = torch.isfinite(as_tensor(y))
    ((output - as_tensor(y))[mask] ** 2).mean().backward()
    torch.nn.utils.clip_grad_norm_(expected.parameters(), 1.0)
    optimizer.step()
    np.testing.assert_allclose(weights(made), weights(expected), rtol=1e-4, atol=1e-6)


def test_steps_are_counted_whatever_the_data(monkeypatch):
    counted, step = [], torch.optim.AdamW.step
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda *given, **named: counted.append(1) or step(*given, **named))
    for count in (3, 16, 40):
        counted.clear()
        trained(*task(count), steps=7)
        assert len(counted) == 7


def test_one_thread_restores_the_number_of_threads():
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before
    with pytest.raises(RuntimeError, match="oops"), one_thread():
        raise RuntimeError("oops")
    assert torch.get_num_threads() == before
