import numpy as np
import pandas as pd
import pytest
from synthetic import ASOF, ASSETS, SESSIONS, TRAINED

from volplugin import EWMAVolatility, HARVolatility, PricePanel, RollingVolatility
from volplugin.errors import InsufficientHistoryError, LookAheadError, NotFittedError, ParameterError
from volplugin.volatility import CONTEXT_SESSIONS, State, VolatilityForecaster, describe


class LastReturn(VolatilityForecaster):
    """The least a forecaster can be: `_predict` alone, with one learned number."""

    @property
    def lookback(self) -> int:
        return 2

    def _fit(self, panel: PricePanel) -> None:
        self.factor_ = np.array([float(panel.returns.abs().mean().mean())])

    def _predict(self, panel: PricePanel, horizon: int) -> pd.Series:
        assert len(panel.sessions) <= 2
        # In an order of its own, as a contributor's may be.
        return panel.returns.iloc[-1, ::-1].abs() * 0 + self.factor_[0] * np.arange(1, len(panel.assets) + 1) * horizon

    def get_state(self) -> State:
        return {"factor": self.factor_}

    def set_state(self, state: State) -> None:
        self.factor_ = state["factor"]


def test_pointwise_forecasts_make_a_path(synthetic):
    """What a contributor does not write, the base does: paths, replays, spans, parts, followers."""
    model = LastReturn().fit(synthetic.asof(TRAINED))
    path = model.predict_path(synthetic, SESSIONS[1018], SESSIONS[1026], horizon=3)
    assert list(path.index) == list(SESSIONS[1018:1027])
    for session in path.index:
        expected = model.predict(synthetic.asof(session), 3)
        pd.testing.assert_series_equal(path.loc[session], expected, check_names=False)
    assert path["ECHO"].isna().tolist() == [False, False, *[True] * 5, False, False]
    state = model.members()[0].fit_member(synthetic.asof(TRAINED))
    joined = LastReturn().combine([state], synthetic.asof(TRAINED))
    assert joined.get_state() == model.get_state()
    assert joined.vintage == {"model": "LastReturn", "trained_through": str(TRAINED.date())}
    pd.testing.assert_frame_equal(
        model.online_predictor().predict_in_sample(synthetic, ASOF, ASOF, (2,))[2],
        model.predict_in_sample(synthetic, ASOF, ASOF, (2,))[2],
    )


def test_forecasts_come_back_under_the_panels_names(synthetic):
    forecast = LastReturn().fit(synthetic.asof(TRAINED)).predict(synthetic.asof(ASOF))
    assert list(forecast.index) == ASSETS
    assert forecast.name == "volatility"
    assert forecast.is_monotonic_decreasing


def test_an_unfitted_model_raises_not_fitted():
    panel = PricePanel(close=pd.DataFrame({"AAPL": [1.0, 2.0]}, index=pd.bdate_range("2020-01-01", periods=2)))
    with pytest.raises(NotFittedError, match=r"LastReturn is not fitted; call fit\(panel.asof\(date\)\) first"):
        LastReturn().predict(panel)


def test_a_model_from_the_future_names_both_dates(synthetic):
    model = LastReturn().fit(synthetic)
    expected = f"LastReturn was trained through {SESSIONS[-1].date()}; a forecast at {ASOF.date()} would use the future"
    for ask in (
        lambda: model.predict(synthetic.asof(ASOF)),
        lambda: model.predict_path(synthetic, ASOF, SESSIONS[-1]),
        lambda: model.vintage_at(ASOF),
        lambda: list(model.iter_vintages(synthetic, ASOF, SESSIONS[-1])),
    ):
        with pytest.raises(LookAheadError, match=expected):
            ask()


def test_a_path_without_sessions_raises(synthetic):
    model = RollingVolatility(40)
    for start, end in (("2016-07-02", "2016-07-03"), ("2016-07-05", "2016-07-01"), ("2030-01-01", "2031-01-01")):
        with pytest.raises(InsufficientHistoryError, match=f"no session between {start} and {end}"):
            model.predict_path(synthetic, start, end)


def test_a_path_from_before_the_beginning_begins_with_it(synthetic):
    path = RollingVolatility(40).predict_path(synthetic, "1990-01-01", SESSIONS[50])
    assert list(path.index) == list(SESSIONS[:51])


def test_one_model_is_one_vintage_for_all_sessions(synthetic):
    model = RollingVolatility(40)
    [(answering, sessions)] = model.iter_vintages(synthetic, SESSIONS[10], SESSIONS[20])
    assert answering is model
    assert list(sessions) == list(SESSIONS[10:21])
    assert list(model.iter_vintages(synthetic, "2016-07-02", "2016-07-03")) == []


def test_a_plain_model_is_the_source_of_one_vintage(synthetic):
    model = LastReturn()
    assert model.vintage_dates() == []
    model.fit(synthetic.asof(TRAINED))
    assert model.vintage_dates() == [TRAINED]
    assert model.vintage_at(ASOF) is model
    assert model.identity(ASOF) == describe(model)
    with pytest.raises(ParameterError, match=r"LastReturn holds one vintage; .* train WalkForward\(LastReturn\(\)\)"):
        model.train(synthetic, SESSIONS[900], ASOF)


def test_a_model_without_training_has_no_vintage_dates(synthetic):
    model = RollingVolatility(40)
    assert model.train(synthetic, SESSIONS[900], ASOF) is model
    assert model.fit(synthetic).vintage_dates() == []
    assert model.vintage_at(SESSIONS[100]) is model


def test_refitting_replaces_all_learned_parameters(synthetic):
    model = HARVolatility("market").fit(synthetic)
    model.fit(synthetic.select(ASSETS[:3]).asof(TRAINED))
    assert model.trained_through_ == TRAINED
    assert model.assets_ == ASSETS[:3]
    assert model.universe_ == ASSETS
    fresh = HARVolatility("market").fit(synthetic.select(ASSETS[:3]).asof(TRAINED))
    np.testing.assert_array_equal(model.pooled_, fresh.pooled_)


def test_a_restored_model_has_its_training_metadata(synthetic):
    model = EWMAVolatility(calibrated=True).fit(synthetic.asof(TRAINED))
    fresh = EWMAVolatility(calibrated=True).restore(model.get_state(), "2015-08-31", ["A"], ["A", "B"])
    assert fresh.trained_through_ == pd.Timestamp("2015-08-31")
    assert (fresh.assets_, fresh.universe_) == (["A"], ["A", "B"])


def test_context_sessions_cover_a_return_and_a_forecast_across_halts(synthetic):
    """A bar, ten sessions of halt, a bar, ten of halt: the window plus the reach holds all that counts."""
    close = synthetic.close[["ALFA"]].copy()
    close.iloc[-21:-11] = np.nan
    close.iloc[-10:] = np.nan
    panel, model = PricePanel(close=close), RollingVolatility(40)
    assert CONTEXT_SESSIONS == 21
    assert model.lookback == 40 + CONTEXT_SESSIONS
    expected = model.predict(panel)
    assert expected.notna().all()
    pd.testing.assert_series_equal(model.predict(panel.tail(model.lookback)), expected)
    squared = (np.log(close["ALFA"].dropna()).diff() ** 2).reindex(close.index)
    # The window of 40 ends at the last bar, the eleventh session from the end.
    assert expected["ALFA"] == pytest.approx(np.sqrt(squared.iloc[-50:-10].mean()), rel=1e-9)
