import json
import re

import numpy as np
import pandas as pd
import pytest
from registry import tiny_lstm
from sklearn.base import clone
from synthetic import ASOF, SESSIONS

from volplugin import (
    EWMAVolatility,
    HARVolatility,
    LSTMVolatility,
    ModelStore,
    RefitSchedule,
    RiskModel,
    RollingCorrelation,
    TwoSpeedCorrelation,
    WalkForward,
    default_risk_model,
)
from volplugin.errors import MissingVintageError, ParameterError, StoreCorruptError
from volplugin.risk import defaults as recipe
from volplugin.volatility.pretrained import PretrainedVolatility

SPAN = (SESSIONS[950], SESSIONS[1100])


# -- the recipe ------------------------------------------------------------------------------------


def test_the_default_is_pretrained_volatilities_and_correlations_at_two_speeds():
    model = default_risk_model()
    assert isinstance(model, RiskModel)
    assert isinstance(model.volatility, PretrainedVolatility)
    assert isinstance(default_risk_model("pretrained").volatility, PretrainedVolatility)
    assert isinstance(model.correlation, TwoSpeedCorrelation)
    assert model.devolatilise
    assert recipe.default_correlation().get_params() == TwoSpeedCorrelation(fast_halflife=7, trust=0.5).get_params()
    assert recipe.ewma_covariance().devolatilise is False


def test_the_default_walk_is_yearly(tmp_path):
    walk_forward = recipe.default_walk_forward(tmp_path / "models")
    assert isinstance(walk_forward.forecaster, LSTMVolatility)
    assert walk_forward.schedule == RefitSchedule("yearly")
    assert walk_forward.store.path == tmp_path / "models"
    assert recipe.default_walk_forward().store is None


def test_every_call_makes_new_ones():
    assert default_risk_model().volatility is not default_risk_model().volatility
    assert recipe.default_correlation() is not recipe.default_correlation()
    assert recipe.volatility_named("HAR") is not recipe.volatility_named("HAR")


# -- names -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", recipe.VOLATILITIES)
def test_named_volatilities(name):
    model = recipe.volatility_named(name)
    assert isinstance(model, WalkForward) == model.requires_fit
    assert repr(model) == repr(recipe.VOLATILITIES[name]())
    assert model is not recipe.volatility_named(name)


@pytest.mark.parametrize("name", recipe.CORRELATIONS)
def test_named_correlations(name):
    assert type(recipe.correlation_named(name)) is recipe.CORRELATIONS[name]
    assert repr(recipe.correlation_named("default")) == repr(recipe.default_correlation())


def test_unknown_names():
    with pytest.raises(
        ParameterError,
        match="^model is 'LTSM'; pass one of LSTM, pretrained, log-linear, HAR-market, HAR, HAR-own, GJR, ",
    ):
        recipe.volatility_named("LTSM")
    with pytest.raises(ParameterError, match="^correlation is 'dcc2'; pass one of default, ewma, rolling, two-speed, "):
        recipe.correlation_named("dcc2")


def test_riskmetrics_covariance_is_one_decay_on_plain_returns(synthetic):
    """Sigma_t = 0.94 Sigma_{t-1} + 0.06 r r', up to what lies more than six half-lives back."""
    names = ["ALFA", "BRAV", "CHAR", "GOLF"]
    known = synthetic.asof(ASOF).select(names)
    returns = known.returns[names].iloc[1:]
    expected = pd.DataFrame(
        {a: {b: (returns[a] * returns[b]).ewm(alpha=0.06).mean().iloc[-1] for b in names} for a in names}
    )
    found = recipe.ewma_covariance(0.94).forecast(known).covariance
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    # A sixty-fourth of the weight lies beyond.
    assert (np.abs(found - expected) / scale).to_numpy().max() < 0.04
    np.testing.assert_allclose(np.diag(found), np.diag(expected), rtol=1e-6)
    assert repr(recipe.ewma_covariance()) == repr(recipe.ewma_covariance(0.94))
    assert recipe.ewma_covariance(0.5).correlation.halflife == pytest.approx(1.0)


# -- loading what a store holds --------------------------------------------------------------------


@pytest.mark.parametrize(
    "forecaster",
    [
        HARVolatility("market", pooled=False),
        EWMAVolatility(0.97, calibrated=True),
        tiny_lstm(),
    ],
    ids=["har", "ewma", "lstm"],
)
def test_a_store_knows_its_forecaster(forecaster, synthetic, tmp_path):
    walk_forward = WalkForward(clone(forecaster), RefitSchedule("quarterly"), ModelStore(tmp_path))
    walk_forward.train(synthetic, *SPAN, progress=False)
    loaded = recipe.load_walk_forward(tmp_path)
    assert type(loaded.forecaster) is type(forecaster)
    assert loaded.schedule == RefitSchedule("quarterly")
    assert loaded.configuration == json.loads(json.dumps(walk_forward.configuration))
    known = synthetic.asof(ASOF)
    pd.testing.assert_series_equal(loaded.predict(known), walk_forward.predict(known), check_exact=True)


def test_the_default_risk_model_of_a_store(synthetic, tmp_path):
    WalkForward(HARVolatility(), store=ModelStore(tmp_path)).train(synthetic, *SPAN, progress=False)
    model = default_risk_model(tmp_path)
    assert isinstance(model.volatility.forecaster, HARVolatility)
    forecast = RiskModel(model.volatility, RollingCorrelation(60)).forecast(synthetic.asof(ASOF))
    assert forecast.diagnostics["model"] == {"model": "HARVolatility", "trained_through": "2015-12-31"}


def test_a_loaded_walk_can_be_trained_further(synthetic, tmp_path):
    WalkForward(HARVolatility(), store=ModelStore(tmp_path)).train(synthetic, *SPAN, progress=False)
    before = len(ModelStore(tmp_path).vintages())
    recipe.load_walk_forward(tmp_path).train(synthetic, SPAN[0], SESSIONS[-1], progress=False)
    assert len(ModelStore(tmp_path).vintages()) == before + 1


def test_an_empty_store(tmp_path):
    folder = tmp_path / "models"
    command = re.escape(f"volplugin train --store {folder}")
    for ask in (recipe.load_walk_forward, default_risk_model):
        with pytest.raises(MissingVintageError, match=f"holds no trained models; train them: {command}"):
            ask(folder)


@pytest.mark.parametrize(
    "metadata",
    [
        {"forecaster": "Oracle", "parameters": {}},
        {"forecaster": "HARVolatility", "parameters": {"gamma": 1}},
        {"forecaster": "HARVolatility", "parameters": None},
        {"forecaster": ["HARVolatility"], "parameters": {}},
        {"parameters": {}},
        {},
        {"forecaster": "HARVolatility", "parameters": {}, "schedule": "sometimes"},
    ],
)
def test_a_store_that_describes_no_forecaster(metadata, tmp_path):
    (tmp_path / "store.json").write_text(json.dumps(metadata))
    with pytest.raises(StoreCorruptError, match="store.json"):
        recipe.load_walk_forward(tmp_path)
