"""Keeping networks: resuming, fingerprints, damage."""

import shutil

import numpy as np
import pytest

from volplugin.workflows.study import networks
from volplugin.workflows.study.networks import find, fingerprint, keep, train_networks


@pytest.fixture(scope="module")
def trained(sample, result, folder):
    """Return what the study's folder holds, by stock."""
    return train_networks(sample, folder, n_jobs=1, progress=False)


def equal(one, other):
    assert one.keys() == other.keys()
    for name, state in one.items():
        for key, values in state.items():
            np.testing.assert_array_equal(other[name][key], values)


def test_resumed_equals_undisturbed(sample, folder, trained, tmp_path, monkeypatch):
    shutil.copy(folder / "BRAV.safetensors", tmp_path)
    fitted = []
    real = networks._fit
    monkeypatch.setattr(networks, "_fit", lambda name, *rest: fitted.append(name) or real(name, *rest))
    sentences = []
    resumed = train_networks(sample, tmp_path, n_jobs=1, progress=False, log=sentences.append)
    assert fitted == ["ALFA", "DELT"]
    assert sentences == [f"networks stored in {tmp_path}: 1 of 3; to train: 2"]
    equal(trained, resumed)


def test_parallel_equals_one_process(sample, trained, tmp_path):
    equal(trained, train_networks(sample, tmp_path, n_jobs=2, progress=False))


def test_killed_between_stocks_loses_only_the_unfinished(sample, tmp_path, monkeypatch):
    real = networks._fit

    def killed(name, *rest):
        if name == "DELT":
            raise KeyboardInterrupt
        return real(name, *rest)

    monkeypatch.setattr(networks, "_fit", killed)
    with pytest.raises(KeyboardInterrupt):
        train_networks(sample, tmp_path, n_jobs=1, progress=False)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["ALFA.safetensors", "BRAV.safetensors"]


def test_other_settings_returns_or_name_are_another_fingerprint(sample):
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


def test_damaged_or_foreign_files_are_not_used(tmp_path):
    state = {"forecast": np.arange(3.0)}
    keep(tmp_path, "BRK/B", "mark", state)
    assert [file.name for file in tmp_path.iterdir()] == ["BRK%2FB.safetensors"]
    np.testing.assert_array_equal(find(tmp_path, "BRK/B", "mark")["forecast"], state["forecast"])
    assert find(tmp_path, "BRK/B", "other") is None
    file = tmp_path / "BRK%2FB.safetensors"
    file.write_bytes(file.read_bytes()[:-5])
    assert find(tmp_path, "BRK/B", "mark") is None
    assert find(tmp_path, "absent", "mark") is None
