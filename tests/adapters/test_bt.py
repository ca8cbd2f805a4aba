"""Our algos inside the real bt: `make test-peers` runs these."""

import pandas as pd
import pytest

from volplugin import RiskModel, RollingCorrelation, RollingVolatility, VolatilityTarget
from volplugin.errors import InsufficientHistoryError, LookAheadError, MissingForecastError, ParameterError

pytest.importorskip("bt", reason="bt is not installed; `make test-peers` runs these with it")

import bt

from volplugin.adapters.bt import ForecastRisk, NeedsRebalance, TargetVolatility

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
algos = bt.algos
EXACT = VolatilityTarget(0.10, band=0.0, drift=0.0)


@pytest.fixture(scope="module")
def model():
    return RiskModel(RollingVolatility(40), RollingCorrelation(60))


class Record(bt.Algo):
    """Stores weights and track record."""

    def __init__(self):
        super().__init__()
        self.weights, self.lengths = {}, {}

    def __call__(self, target):
        self.weights[target.now] = pd.Series(target.temp["weights"])
        self.lengths[target.now] = len(target.perm["targeting"].record)
        return True

    def __deepcopy__(self, memo):
        return self


def run(real, *stack, start="2010-01-04", end="2010-06-30"):
    close = real.close.loc[start:end]
    test = bt.Backtest(bt.Strategy("run", list(stack)), close, integer_positions=False, progress_bar=False)
    return bt.run(test)


def weighted(*more):
    return [algos.SelectAll(), algos.WeighEqually(), *more, algos.Rebalance()]


def test_the_first_weights_meet_the_target(real, model):
    record = Record()
    run(real, ForecastRisk(model, real), algos.RunOnce(), *weighted(TargetVolatility(EXACT), record))
    [(day, weights)] = record.weights.items()
    forecast = model.forecast(real.asof(day), 1, "targeting")
    assert forecast.portfolio_volatility(weights, periods=252) == pytest.approx(0.10)


def test_the_track_record_has_every_session_whatever_the_calendar(real, model):
    record = Record()
    calendar = algos.RunMonthly(run_on_first_date=True)
    run(real, calendar, ForecastRisk(model, real), *weighted(TargetVolatility(0.10), record))
    sessions = real.sessions[real.sessions.slice_indexer("2010-01-04", "2010-06-30")]
    for day, length in record.lengths.items():
        assert length == sessions.get_loc(day)


def test_leverage_passes_one_and_stops_at_the_cap(real, model):
    record = Record()
    run(real, ForecastRisk(model, real), *weighted(TargetVolatility(VolatilityTarget(0.9, band=0.0)), record))
    leverage = pd.Series({day: weights.sum() for day, weights in record.weights.items()})
    assert leverage.iloc[0] == pytest.approx(1.5)
    assert leverage.max() < 1.5 * 1.01


def test_the_guard_rebalances_between_months(real, model):
    rule, days = VolatilityTarget(0.10, guard=0.1), {}
    for name, calendar in {
        "months": algos.RunMonthly(run_on_first_date=True),
        "guarded": algos.Or([algos.RunMonthly(run_on_first_date=True), NeedsRebalance(rule)]),
    }.items():
        record = Record()
        run(real, ForecastRisk(model, real), calendar, *weighted(TargetVolatility(rule), record))
        days[name] = set(record.weights)
    assert days["months"] < days["guarded"]


def test_assets_without_a_forecast_are_an_error_or_left_out(real, model):
    span = {"start": "2008-03-24", "end": "2008-03-31"}
    with pytest.raises(MissingForecastError, match="V has weight 0.125 but no forecast at 2008-03-24"):
        run(real, ForecastRisk(model, real), *weighted(TargetVolatility(0.10)), **span)
    record = Record()
    run(real, ForecastRisk(model, real), *weighted(TargetVolatility(0.10, missing="drop"), record), **span)
    assert all("V" not in weights for weights in record.weights.values())


def test_before_the_first_forecast_it_is_an_error_or_nothing_is_traded(real, model):
    span = {"start": "2005-01-10", "end": "2005-01-20"}
    with pytest.raises(InsufficientHistoryError, match="start later"):
        run(real, ForecastRisk(model, real), *weighted(TargetVolatility(0.10)), **span)
    record = Record()
    run(real, ForecastRisk(model, real), *weighted(TargetVolatility(0.10, missing="drop"), record), **span)
    assert record.weights == {}
    run(real, ForecastRisk(model, real), NeedsRebalance(0.10), *weighted(TargetVolatility(0.10)), **span)


def test_wrong_uses_say_what_to_do(real, model):
    with pytest.raises(ParameterError, match="place ForecastRisk"):
        run(real, *weighted(TargetVolatility(0.10)))
    with pytest.raises(ParameterError, match="missing is 'fill'"):
        TargetVolatility(0.10, missing="fill")
    with pytest.raises(LookAheadError, match="the panel ends on 2010-03-31"):
        run(real, ForecastRisk(model, real.asof("2010-03-31")), *weighted(TargetVolatility(0.10)))


def test_without_weights_nothing_is_scaled(real, model):
    found = run(real, ForecastRisk(model, real), algos.WeighSpecified(), TargetVolatility(0.10), algos.Rebalance())
    assert found.prices["run"].eq(100.0).all()  # a value that never moved: no position was taken
