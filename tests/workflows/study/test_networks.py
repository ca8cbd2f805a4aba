"""Storing networks: resuming, digests, damage."""

import shutil

import numpy as np
import pytest

from volplugin.workflows.study import networks
from volplugin.workflows.study.networks import fingerprint, load_network, save_network, train_networks


@pytest.fixture(scope="module")
def trained(sample, result, folder):
    """Return the networks in the study's folder, by stock."""
    return train_networks(sample, folder, n_jobs=1, progress=False)


def equal(one, other):
    assert one.keys() == other.keys()
    for name, state in one.items():
        for key, values in state.items():
            np.testing.assert_array_equal(other[name][key], values)


def test_resumed_training_equals_uninterrupted_training(sample, folder, trained, tmp_path, monkeypatch):
    shutil.copy(folder / "BRAV.safetensors", tmp_path)
    fitted = []
    real = networks._fit
    monkeypatch.setattr(networks, "_fit", lambda name, *rest: fitted.append(name) or real(name, *rest))
    logged = []
    resumed = train_networks(sample, tmp_path, n_jobs=1, progress=False, log=logged.append)
    assert fitted == ["ALFA", "DELT"]
    assert logged == [f"networks stored in {tmp_path}: 1 of 3; to train: 2"]
    equal(trained, resumed)


def test_parallel_training_equals_one_process(sample, trained, tmp_path):
    equal(trained, train_networks(sample, tmp_path, n_jobs=2, progress=False))


def test_interrupted_training_stores_the_finished_networks(sample, tmp_path, monkeypatch):
    real = networks._fit

    def killed(name, *rest):
        if name == "DELT":
            raise KeyboardInterrupt
        return real(name, *rest)

    monkeypatch.setattr(networks, "_fit", killed)
    with pytest.raises(KeyboardInterrupt):
        train_networks(sample, tmp_path, n_jobs=1, progress=False)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["ALFA.safetensors", "BRAV.safetensors"]


def test_fingerprint_depends_on_settings_returns_and_name(sample):
    returns = sample.returns["ALFA"].to_numpy()
    own = fingerprint(returns, sample.settings, "ALFA")
    assert own == fingerprint(returns.copy(), sample.settings, "ALFA")
    longer = type(sample.settings)(epochs=2)
    others = {
        fingerprint(returns, longer, "ALFA"),
        fingerprint(returns[1:], sample.settings, "ALFA"),
        fingerprint(returns, sample.settings, "BRAV"),
    }
    assert len(others | {own}) == 4


def test_damaged_files_and_files_with_another_digest_are_ignored(tmp_path):
    state = {"forecast": np.arange(3.0)}
    save_network(tmp_path, "BRK/B", "mark", state)
    assert [file.name for file in tmp_path.iterdir()] == ["BRK%2FB.safetensors"]
    np.testing.assert_array_equal(load_network(tmp_path, "BRK/B", "mark")["forecast"], state["forecast"])
    assert load_network(tmp_path, "BRK/B", "other") is None
    file = tmp_path / "BRK%2FB.safetensors"
    file.write_bytes(file.read_bytes()[:-5])
    assert load_network(tmp_path, "BRK/B", "mark") is None
    assert load_network(tmp_path, "absent", "mark") is None
