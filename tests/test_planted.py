"""A store with a model from the future planted in it: what was known answers as before, or a named error does."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from registry import tiny_lstm
from synthetic import ASOF, SESSIONS

from volplugin import EWMACorrelation, HARVolatility, ModelStore, PricePanel, RefitSchedule, RiskModel, WalkForward
from volplugin.errors import StoreConfigurationError, StoreCorruptError
from volplugin.storage import vintage_checksum
from volplugin.volatility import VolatilityForecaster
from volplugin.volatility.pretrained import PretrainedVolatility

START = SESSIONS[1030]
PLANTED = SESSIONS[1061]
"""The session after `ASOF`: nothing that was trained through it may answer before."""

QUARTERS = RefitSchedule("quarterly")
MAKERS = {
    "har": lambda: HARVolatility("market"),
    "lstm": lambda: tiny_lstm().set_params(seeds=(0,)),
    "lstm-fine-tuned": lambda: tiny_lstm().set_params(seeds=(0,), mode="fine-tuned"),
}


@pytest.fixture(scope="module", params=MAKERS)
def honest(request, synthetic, tmp_path_factory) -> tuple[VolatilityForecaster, Path]:
    """Return a forecaster, and a store of its vintages trained through `ASOF`. Not to be changed."""
    forecaster, folder = MAKERS[request.param](), tmp_path_factory.mktemp("honest")
    WalkForward(forecaster, QUARTERS, ModelStore(folder)).train(synthetic.asof(ASOF), START, ASOF, progress=False)
    return forecaster, folder


@pytest.fixture
def planted(honest, synthetic, tmp_path) -> tuple[VolatilityForecaster, Path, Path]:
    """Return forecaster, the honest store, and a copy with a vintage that knows the whole panel under `PLANTED`."""
    forecaster, folder = honest
    copy = Path(shutil.copytree(folder, tmp_path / "models"))
    walk_forward = WalkForward(forecaster, QUARTERS, ModelStore(copy))
    future = WalkForward(forecaster).train_through(synthetic, [SESSIONS[-1]], progress=False).vintage_at(SESSIONS[-1])
    absurd = {key: array * 2 if array.dtype.kind == "f" else array for key, array in future.get_state().items()}
    metadata = {"fingerprint": synthetic.fingerprint(), "assets": future.assets_, "universe": future.universe_}
    walk_forward.store.save(PLANTED, absurd, metadata)
    return forecaster, folder, copy


def walk_forward_of(forecaster: VolatilityForecaster, folder: Path) -> WalkForward:
    return WalkForward(forecaster, QUARTERS, ModelStore(folder))


def covariance(walk_forward: VolatilityForecaster, panel: PricePanel) -> tuple[pd.DataFrame, dict]:
    forecast = RiskModel(walk_forward, EWMACorrelation(12)).forecast(panel)
    return forecast.covariance, dict(forecast.diagnostics)


def test_it_never_answers_before_its_date(planted, synthetic):
    forecaster, before, after = planted
    clean, dirty = walk_forward_of(forecaster, before), walk_forward_of(forecaster, after)
    assert PLANTED in dirty.store.vintages()
    path = dirty.predict_path(synthetic, START, SESSIONS[1065])
    pd.testing.assert_frame_equal(
        path.loc[:ASOF], clean.predict_path(synthetic, START, SESSIONS[1065]).loc[:ASOF], check_exact=True
    )
    (sigma, metadata), (expected, output) = (
        covariance(dirty, synthetic.asof(ASOF)),
        covariance(clean, synthetic.asof(ASOF)),
    )
    pd.testing.assert_frame_equal(sigma, expected, check_exact=True)
    assert metadata == output
    # The control: from its own date on it does.
    assert dirty.vintage_at(PLANTED).trained_through_ == PLANTED
    assert not np.allclose(dirty.predict(synthetic.asof(PLANTED)), clean.predict(synthetic.asof(PLANTED)), rtol=1e-3)


def test_it_never_answers_as_a_pretrained_model(planted, synthetic):
    _, before, after = planted
    clean, dirty = PretrainedVolatility(before), PretrainedVolatility(after)
    pd.testing.assert_series_equal(
        dirty.predict(synthetic.asof(ASOF)), clean.predict(synthetic.asof(ASOF)), check_exact=True
    )
    assert dirty.vintage_at(ASOF).trained_through_ == clean.vintage_at(ASOF).trained_through_


def test_a_whole_walk_asked_for_the_later_dates_first_remembers_nothing(planted, synthetic):
    forecaster, before, after = planted
    dirty = walk_forward_of(forecaster, after)
    dirty.predict(synthetic.asof(PLANTED))
    expected = walk_forward_of(forecaster, before).predict(synthetic.asof(ASOF))
    pd.testing.assert_series_equal(dirty.predict(synthetic.asof(ASOF)), expected, check_exact=True)


@pytest.fixture
def moved(planted) -> tuple[VolatilityForecaster, Path, Path]:
    """Return forecaster, store, and the planted vintage's folder, renamed to the newest date that answers at `ASOF`."""
    forecaster, _, store = planted
    folder = store / "vintages" / str(ASOF.date())
    (store / "vintages" / str(PLANTED.date())).rename(folder)
    return forecaster, store, folder


def test_a_folder_that_lies_about_its_date(moved, synthetic):
    forecaster, store, _ = moved
    for walk_forward in (walk_forward_of(forecaster, store), PretrainedVolatility(store)):
        with pytest.raises(StoreCorruptError, match=f"says trained through {PLANTED.date()}.*says {ASOF.date()}"):
            walk_forward.predict(synthetic.asof(ASOF))


def test_a_manifest_that_lies_with_its_folder(moved, synthetic):
    """The date is among what the checksum is of."""
    forecaster, store, folder = moved
    metadata = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(metadata | {"trained_through": str(ASOF.date())}))
    with pytest.raises(StoreCorruptError, match="do not match"):
        walk_forward_of(forecaster, store).predict(synthetic.asof(ASOF))


def test_a_lie_with_a_checksum_of_its_own_is_told_by_its_prices(moved, synthetic):
    """A forger can make a folder that is whole; what it was trained on is not what was known at that date."""
    forecaster, store, folder = moved
    metadata = json.loads((folder / "manifest.json").read_text()) | {"trained_through": str(ASOF.date())}
    metadata["checksum"] = vintage_checksum((folder / "model.safetensors").read_bytes(), metadata)
    (folder / "manifest.json").write_text(json.dumps(metadata))
    with pytest.raises(StoreConfigurationError, match=f"through {ASOF.date()} .* was trained on other prices"):
        walk_forward_of(forecaster, store).train_through(synthetic, [ASOF], progress=False)


@pytest.mark.parametrize(
    "state",
    [
        {},
        {"pooled": np.ones(3)},
        {"0/copies/places": np.array([99])},
        {"linear": np.ones((1, 1)), "bounds": np.ones(1)},
    ],
    ids=["nothing", "a number", "places", "shapes"],
)
def test_whole_files_of_another_kind_of_model(honest, state, synthetic, tmp_path):
    forecaster, _ = honest
    walk_forward = walk_forward_of(forecaster, tmp_path)
    metadata = {"fingerprint": "", "assets": list(synthetic.assets), "universe": list(synthetic.assets)}
    walk_forward.store.configure(walk_forward.configuration)
    walk_forward.store.save(ASOF, state, metadata)
    with pytest.raises(StoreCorruptError, match="LSTM|not hold the parameters of HARVolatility"):
        walk_forward.predict(synthetic.asof(ASOF))
