"""Pretraining, and the vintages that come of it: chosen by date, tuned to a panel, never from the future."""

import json

import numpy as np
import pandas as pd
import pytest
from registry import tiny_lstm
from sklearn.base import clone
from synthetic import ASOF, ASSETS, SESSIONS, poisoned

from volplugin import (
    LSTMVolatility,
    ModelStore,
    PricePanel,
    RefitSchedule,
    RiskModel,
    RollingCorrelation,
    WalkForward,
    default_risk_model,
)
from volplugin.errors import InsufficientHistoryError, LookAheadError, MissingVintageError
from volplugin.storage import FORMAT
from volplugin.volatility import PretrainedVolatility, RangesOrCloses, backbone
from volplugin.workflows.pretrain import pretrain, vintage_dates

FIELDS = ("open", "high", "low", "close", "volume")


def tiny_backbone() -> RangesOrCloses:
    return RangesOrCloses(
        tiny_lstm().set_params(seeds=(0,)), tiny_lstm().set_params(seeds=(0,), inputs="closes", units=(4,))
    )


@pytest.fixture(scope="module")
def store(synthetic, tmp_path_factory) -> ModelStore:
    """Vintages of 2014, 2015 and the panel's end. Not to be changed."""
    folder = tmp_path_factory.mktemp("pretrained")
    return pretrain(synthetic, folder, 2014, forecaster=tiny_backbone(), progress=False).store


@pytest.fixture
def model(store) -> PretrainedVolatility:
    return PretrainedVolatility(store.path)


def foreign(panel: PricePanel) -> PricePanel:
    """The same prices under names that no vintage knows."""
    return PricePanel(**{field: getattr(panel, field).rename(columns=lambda name: f"X{name}") for field in FIELDS})


# -- pretraining -----------------------------------------------------------------------------------


def test_vintages_end_with_the_years_and_with_the_panel(store, synthetic):
    assert store.vintages() == vintage_dates(synthetic.sessions, 2014)
    assert store.vintages()[-1] == synthetic.last_session
    assert [date.year for date in store.vintages()[:2]] == [2014, 2015]


def test_a_first_year_after_the_prices(synthetic, tmp_path):
    with pytest.raises(InsufficientHistoryError, match="before 2030; choose an earlier first year"):
        pretrain(synthetic, tmp_path, 2030, forecaster=tiny_backbone(), progress=False)


def test_the_same_prices_and_seeds_give_the_same_files(store, synthetic, tmp_path):
    again = pretrain(synthetic, tmp_path, 2014, forecaster=tiny_backbone(), progress=False).store
    for date in store.vintages():
        assert store.load(date)[1].checksum == again.load(date)[1].checksum


def test_a_vintage_does_not_depend_on_later_prices(store, synthetic, tmp_path):
    """Trained on a panel whose prices are corrupt from 2015 on: the vintage of 2014 is the same, bit for bit."""
    date = store.vintages()[0]
    pretrain(poisoned(synthetic, date), tmp_path, 2014, forecaster=tiny_backbone(), progress=False)
    assert ModelStore(tmp_path).load(date)[1].checksum == store.load(date)[1].checksum


# -- answering -------------------------------------------------------------------------------------


def test_it_predicts_without_training_from_the_vintage_of_the_date(model, store, synthetic):
    known = synthetic.asof("2016-02-01")
    assert model.predict(known).notna().all()
    assert model.vintage_at(pd.Timestamp("2016-02-01")).trained_through_ == store.vintages()[1]
    forecast = RiskModel(model, RollingCorrelation(60)).forecast(synthetic.asof(ASOF))
    assert forecast.diagnostics["model"]["trained_through"] == str(store.vintages()[1].date())


def test_a_later_vintage_is_never_used(model, store, synthetic):
    """All vintages lie in the store, those of later years among them."""
    path = model.predict_path(synthetic, "2015-06-01", "2015-06-30")
    planted = clone(tiny_backbone()).restore(
        *(lambda state, metadata: (state, metadata.trained_through, metadata.assets, metadata.universe))(
            *store.load(store.vintages()[0])
        )
    )
    pd.testing.assert_frame_equal(path, planted.predict_path(synthetic, "2015-06-01", "2015-06-30"))
    with pytest.raises(LookAheadError):
        model._vintage(store.vintages()[1]).predict(synthetic.asof("2015-06-01"))


def test_a_date_before_the_first_vintage_raises(model, synthetic):
    with pytest.raises(MissingVintageError, match="begin with the one trained through 2014-12-31, and 2014-10-01"):
        model.predict(synthetic.asof("2014-10-01"))


def test_assets_outside_the_training_data_and_closes_are_forecast(model, synthetic):
    strangers = foreign(synthetic.asof(ASOF))
    assert model.predict(strangers).notna().all()
    few = PricePanel(**{field: getattr(strangers, field).iloc[:, :3] for field in strangers.fields})
    assert "market-wide inputs" in model.vintage_at(ASOF).fallbacks(few)
    assert "market-wide inputs" not in model.vintage_at(ASOF).fallbacks(strangers)
    given = few.with_market(strangers)
    assert "market-wide inputs" not in model.vintage_at(ASOF).fallbacks(given)
    closes = PricePanel(close=strangers.close)
    assert model.predict(closes).notna().all()
    assert "open, high and low" in model.vintage_at(ASOF).fallbacks(closes)


# -- tuning ----------------------------------------------------------------------------------------


def test_fit_tunes_to_a_panel_from_its_last_session_on(model, synthetic):
    strangers, cut = foreign(synthetic), SESSIONS[1000]
    before = model.predict(strangers.asof(SESSIONS[999]))
    model.fit(strangers.asof(cut))
    tuned = model.vintage_at(cut)
    assert tuned.universe_ == [f"X{name}" for name in ASSETS]
    assert tuned.fallbacks(strangers) == {}
    pd.testing.assert_series_equal(model.predict(strangers.asof(SESSIONS[999])), before)
    assert not model.predict(strangers.asof(cut)).equals(before)
    assert clone(model).vintage_at(cut).trained_through_ < cut


def test_tuning_does_not_depend_on_later_prices(store, synthetic):
    cut = SESSIONS[1000]
    known, corrupt = foreign(synthetic), foreign(poisoned(synthetic, cut))
    one, other = (PretrainedVolatility(store.path).fit(panel.asof(cut)) for panel in (known, corrupt))
    for name, array in one.vintage_at(cut).forecasters_[0].get_state().items():
        np.testing.assert_array_equal(other.vintage_at(cut).forecasters_[0].get_state()[name], array)


# -- what is shipped -------------------------------------------------------------------------------


def test_the_shipped_vintages():
    model = LSTMVolatility.pretrained()
    dates = model.store.vintages()
    assert [date.year for date in dates] == list(range(2004, 2025))
    assert dates[-1] == pd.Timestamp("2024-12-06")
    assert sum(file.stat().st_size for file in model.store.path.rglob("*") if file.is_file()) < 12e6
    for date in (dates[0], dates[-1]):
        metadata = model.store.load(date)[1]
        assert metadata.trained_through == str(date.date())
        assert (len(metadata.universe), len(metadata.assets)) == (30, 535)
        assert 380 < metadata.assets_with_data <= 535
    assert model.vintage_at(dates[-1]).event_aware
    for member in model.vintage_at(dates[-1]).forecasters_:
        assert member.all_horizons == (1, 5, 21, 42, 63, 126, 252)


def test_the_shipped_vintages_are_those_of_the_backbone():
    """The same store could be trained further: its description is that of what `volplugin pretrain` trains."""
    shipped = LSTMVolatility.pretrained()
    assert shipped.configuration == WalkForward(backbone(), RefitSchedule("yearly")).configuration
    assert shipped.store.configuration == json.loads(json.dumps({"format": FORMAT, **shipped.configuration}))


def test_the_default_model_needs_no_training(synthetic):
    forecast = default_risk_model().forecast(foreign(synthetic).asof(ASOF))
    assert forecast.diagnostics["model"]["trained_through"] == "2015-12-31"
    assert (forecast.volatility * np.sqrt(252)).between(0.05, 1).all()
