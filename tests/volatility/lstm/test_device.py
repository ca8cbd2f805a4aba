"""Where networks are trained: named, chosen by itself, and no part of what a model is."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from registry import tiny_lstm
from synthetic import TRAINED

from volplugin import LSTMVolatility, ModelStore, WalkForward
from volplugin.errors import ParameterError
from volplugin.volatility.lstm import GPU_TOLERANCE, device_named

GPU = device_named("auto").type
without_gpu = pytest.mark.skipif(GPU != "cpu", reason="there is a GPU")
with_gpu = pytest.mark.skipif(GPU == "cpu", reason="there is no GPU")


@pytest.fixture(scope="module")
def known(synthetic):
    return synthetic.asof(TRAINED)


def bytes_of(model: LSTMVolatility) -> dict[str, bytes]:
    return {name: np.asarray(array).tobytes() for name, array in model.get_state().items()}


@without_gpu
def test_without_a_gpu_auto_is_the_cpu_to_the_last_bit(known):
    assert tiny_lstm().device == "auto"
    assert bytes_of(tiny_lstm().fit(known)) == bytes_of(tiny_lstm().set_params(device="cpu").fit(known))


@with_gpu
@pytest.mark.parametrize("tuned", ["readout", "network"])
def test_a_gpu_gives_what_the_cpu_gives(known, tuned):
    models = [LSTMVolatility(seeds=(0,), tuned=tuned, device=name).fit(known) for name in (GPU, "cpu")]
    ours, theirs = (model.predict(known) for model in models)
    np.testing.assert_allclose(ours, theirs, rtol=GPU_TOLERANCE)
    assert all(tensor.device.type == "cpu" for tensor in models[0].ensemble_.networks[0].state_dict().values())


def test_auto_takes_cuda_before_metal_before_the_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert device_named("auto") == torch.device("mps")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert device_named("auto") == torch.device("cuda")
    assert device_named("cuda:1") == torch.device("cuda:1")
    with pytest.raises(ParameterError, match="device is 'cuda:2', which this machine does not have"):
        device_named("cuda:2")


@pytest.mark.parametrize("name", ["gpu", "meta", "xpu", "", "cuda:x"])
def test_an_unknown_device_raises(known, name):
    with pytest.raises(ParameterError, match="pass auto, cpu, cuda, mps"):
        tiny_lstm().set_params(device=name).fit(known)


@without_gpu
def test_a_missing_device_raises(known):
    with pytest.raises(ParameterError, match="device is 'cuda', which this machine does not have; pass auto, or cpu"):
        tiny_lstm().set_params(device="cuda").fit(known)


def test_vintages_of_any_device_share_a_store(synthetic, tmp_path):
    first, last = "2015-01-02", "2015-03-02"
    walk_forwards = [
        WalkForward(tiny_lstm().set_params(device=name), store=ModelStore(tmp_path)) for name in ("cpu", "auto")
    ]
    walk_forwards[0].train(synthetic, first, last, progress=False)
    assert "device" not in (tmp_path / "store.json").read_text()
    assert walk_forwards[1].train(synthetic, first, last, progress=False).vintage_at(synthetic.sessions[-1]).assets_
    assert walk_forwards[0].configuration == walk_forwards[1].configuration
