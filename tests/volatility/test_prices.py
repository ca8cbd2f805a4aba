import numpy as np
import pandas as pd
import pytest
from registry import tiny_lstm
from sklearn.base import clone
from synthetic import ASOF, ASSETS, SESSIONS, TRAINED

from volplugin import EWMAVolatility, HARVolatility, PricePanel, RollingVolatility
from volplugin.volatility import RangesOrCloses


@pytest.fixture(scope="module")
def model(synthetic) -> RangesOrCloses:
    """Not to be changed."""
    members = tiny_lstm().set_params(seeds=(0,)), tiny_lstm().set_params(seeds=(0,), inputs="closes")
    return RangesOrCloses(*members).fit(synthetic.asof(TRAINED))


def closes_of(panel: PricePanel) -> PricePanel:
    return PricePanel(close=panel.close)


def test_the_panel_decides_which_member_forecasts(synthetic):
    known = synthetic.asof(ASOF)
    model = RangesOrCloses(HARVolatility(), EWMAVolatility()).fit(synthetic.asof(TRAINED))
    har = HARVolatility().fit(synthetic.asof(TRAINED))
    pd.testing.assert_series_equal(model.predict(known), har.predict(known))
    pd.testing.assert_series_equal(model.predict(closes_of(known)), EWMAVolatility().predict(closes_of(known)))
    assert model.fallbacks(known) == {}
    assert "closes only" in model.fallbacks(closes_of(known))["open, high and low"]


def test_fitting_by_members_equals_fit(model, synthetic):
    training = synthetic.asof(TRAINED)
    states = [clone(part).fit_member(training) for part in model.members()]
    assert len(states) == 2
    joined = clone(model).combine(states, training)
    for name, array in model.get_state().items():
        np.testing.assert_array_equal(joined.get_state()[name], array)


def test_streaming_equals_recomputing_with_either_member(model, synthetic):
    for panel in (synthetic, closes_of(synthetic)):
        online_predictor = model.online_predictor()
        for session in SESSIONS[1018:1030]:
            carried = online_predictor.predict_in_sample(panel, session, session, (21,))[21]
            pd.testing.assert_frame_equal(
                carried, model.predict_in_sample(panel, session, session, (21,))[21], rtol=1e-5
            )


def test_ensemble_members_are_of_the_member_for_ranges(model):
    assert list(model.ensemble_members()) == ["seed 0", "ensemble"]
    assert RangesOrCloses(RollingVolatility(), EWMAVolatility()).ensemble_members() == {}


def test_tuned_to_a_panel(model, synthetic):
    """The member that answers is tuned, the other is left; the model itself stays as it was."""
    few, asof = synthetic.select(ASSETS[:4]).asof(SESSIONS[1000]), synthetic.asof(ASOF)
    few = PricePanel(**{field: getattr(few, field) for field in ("open", "high", "low", "close", "volume")})
    before = model.predict(asof)
    tuned = model.fine_tuned(few)
    assert tuned.trained_through_ == SESSIONS[1000]
    assert (tuned.assets_, tuned.universe_) == (ASSETS[:4], ASSETS[:4])
    ranges, closes = tuned.forecasters_
    assert closes is model.forecasters_[1]
    own = list(ranges.readout_.own)
    assert set(own) <= set(ASSETS[:4])
    assert tuned.predict(asof).notna().all()
    for asset in own:
        assert tuned.predict(asof)[asset] != before[asset]
    pd.testing.assert_series_equal(model.predict(asof), before)
