"""The metrics set: the book that is held, judged by what was known before the session."""

import numpy as np
import pandas as pd
import pytest
from zipline.api import date_rules, order_target_percent, schedule_function
from zipline.finance import metrics

from adapters.zipline import strategies
from volplugin import (
    RiskModel,
    RiskProvider,
    RollingCorrelation,
    RollingVolatility,
    VolatilityTarget,
    read_bundle,
)
from volplugin.adapters.zipline import RiskMetrics, register_metrics
from volplugin.evaluation import tail_limits

START, END = "2016-11-01", "2017-09-15"  # over splits, dividends and the delisting of EEE


def held_at_close(row: pd.Series) -> pd.Series:
    """Weights by symbol out of zipline's own positions column."""
    value = row["portfolio_value"]
    return pd.Series(
        {p["sid"].symbol: p["amount"] * p["last_sale_price"] / value for p in row["positions"]}, dtype=float
    )


@pytest.fixture(scope="module")
def reports():
    return {}


@pytest.fixture(scope="module")
def perf(small, reports):
    model = RiskModel(RollingVolatility(40), RollingCorrelation(60))

    def initialize(context):
        strategies.buy_equal_weight_monthly(context)
        context.risk = RiskProvider(model, bundle=small, horizon=5)
        context.target = VolatilityTarget(0.10)

    def analyze(context, perf):
        reports["risk"] = context.risk_report

    perf = strategies.run(small, START, END, initialize, analyze=analyze)
    perf.attrs["model"] = model
    return perf


def test_prediction_is_of_the_portfolio_held_made_the_session_before(perf, small):
    panel, model = read_bundle(small), perf.attrs["model"]
    sessions = perf.index.normalize().tz_localize(None)
    for row in range(1, len(perf), 7):
        portfolio = held_at_close(perf.iloc[row - 1])
        forecast = model.forecast(panel.asof(sessions[row - 1]), horizon=5)
        expected = forecast.portfolio_volatility(portfolio, periods=252)
        assert perf["predicted_vol"].iloc[row] == pytest.approx(expected, rel=1e-9)
        assert perf["cash_weight"].iloc[row] == pytest.approx(1 - portfolio.sum())


def test_the_first_row_has_no_prediction(perf):
    assert np.isnan(perf["predicted_vol"].iloc[0])
    assert perf["predicted_vol"].iloc[1:].notna().all()


def test_an_order_counts_from_the_session_after_it_fills(perf):
    assert (perf["predicted_vol"].iloc[1], perf["gross_leverage"].iloc[0]) == (0.0, 0.0)
    filled = int(np.argmax(perf["gross_leverage"] > 0))
    assert perf["predicted_vol"].iloc[filled] == 0.0
    assert perf["predicted_vol"].iloc[filled + 1] > 0.02


def test_contributions_sum_to_the_prediction_by_symbol(perf):
    sums = perf["risk_contributions"].map(lambda parts: sum(parts.values()))
    assert sums.iloc[1:].to_numpy() == pytest.approx(perf["predicted_vol"].iloc[1:].to_numpy())
    assert set(perf["risk_contributions"].iloc[40]) == {"AAA", "BBB", "CCC", "DDD", "EEE", "FFF"}
    assert set(perf["risk_contributions"].iloc[-1]) == {"AAA", "BBB", "CCC", "DDD", "FFF"}


def test_realized_is_the_trailing_quarter(perf):
    expected = perf["returns"].rolling(63).std() * np.sqrt(252)
    np.testing.assert_allclose(perf["realized_vol"], expected, rtol=1e-9)
    assert perf["realized_vol"].isna().sum() == 62


def test_tail_columns_are_losses_of_the_portfolio_held(perf):
    daily = perf["predicted_vol"] / np.sqrt(252)
    limits = tail_limits(perf["returns"], daily, 0.01)
    np.testing.assert_allclose(perf["value_at_risk"], -limits["value_at_risk"], rtol=1e-9)
    np.testing.assert_allclose(
        perf["expected_shortfall"], -tail_limits(perf["returns"], daily, 0.025)["expected_shortfall"], rtol=1e-9
    )
    assert perf["tail_method"].iloc[0] is None
    assert (perf["tail_method"].iloc[1:] == "student").all()  # the run has fewer than 500 sessions
    assert (perf["expected_shortfall"].iloc[-1], perf["value_at_risk"].iloc[1]) > (0.0, -1e-9)


def test_the_provider_stores_the_history_of_value_at_risk(small):
    seen = {}

    def initialize(context):
        context.risk = RiskProvider(RiskModel(RollingVolatility(20), RollingCorrelation(60)), bundle=small)
        strategies.buy_equal_weight_monthly(context)

    def handle_data(context, data):
        seen["history"] = context.risk.history(context)
        seen["asof"] = pd.Timestamp(data.current_session).tz_localize(None)

    run = strategies.run(small, "2016-11-01", "2017-02-15", initialize, handle_data=handle_data)
    history = seen["history"]
    assert history.index[-1] < seen["asof"]
    own = run.set_index(run.index.normalize().tz_localize(None)).loc[history.index]
    np.testing.assert_allclose(history["returns"], own["returns"], rtol=1e-9)
    np.testing.assert_allclose(history["volatility"] * np.sqrt(252), own["predicted_vol"], rtol=1e-9)
    assert len(history) == int((run["predicted_vol"][:-1] > 0).sum())


def test_market_and_specific_parts_add_up_to_the_prediction(perf):
    known = perf[perf["predicted_vol"] > 0]
    squares = known["predicted_vol_market"].astype(float) ** 2 + known["predicted_vol_specific"].astype(float) ** 2
    np.testing.assert_allclose(squares, known["predicted_vol"].astype(float) ** 2, rtol=1e-9)
    assert (known["predicted_vol_market"] > 0).all()


def test_scorecard_is_the_risk_report(perf, reports):
    report = reports["risk"]
    predicted = perf["predicted_vol"] > 0
    assert report["sessions"] == predicted.sum()
    assert report["target"] == 0.10
    z = perf["returns"][predicted] / (perf["predicted_vol"][predicted] / np.sqrt(252))
    assert report["bias_statistic"]["value"] == pytest.approx(np.sqrt((z**2).mean()), rel=0.02)


def test_perf_survives_pickling_and_a_table_without_objects(perf, tmp_path):
    perf.to_pickle(tmp_path / "perf.pkl")
    again = pd.read_pickle(tmp_path / "perf.pkl")
    pd.testing.assert_series_equal(again["predicted_vol"], perf["predicted_vol"])
    assert all(isinstance(name, str) for parts in again["risk_contributions"] for name in parts)


def test_drift_is_the_turnover_back_to_the_weights_after_the_last_trade(perf):
    portfolios = [held_at_close(perf.iloc[row]) for row in range(len(perf))]
    fills = np.flatnonzero(perf["transactions"].map(len).to_numpy() > 0)
    assert len(fills) > 8
    for row in range(fills[0] + 1, len(perf) - 1):
        traded, held = portfolios[fills[fills <= row].max()], portfolios[row]
        moved = held.sub(traded, fill_value=0)
        expected = (moved.abs().sum() + abs(moved.sum())) / 2
        assert perf["weight_drift"].iloc[row + 1] == pytest.approx(expected, abs=1e-9)
    assert perf["weight_drift"].iloc[fills[1:] + 1].max() < 1e-12
    assert perf["weight_drift"].max() > 0.01


# -- other books --------------------------------------------------------------------------------


def test_without_a_provider_the_columns_are_missing_values(small):
    reports = []
    perf = strategies.run(
        small,
        "2017-01-03",
        "2017-06-30",
        strategies.buy_equal_weight_monthly,
        analyze=lambda context, perf: reports.append(context.risk_report),
    )
    for column in ("predicted_vol", "unmodelled_weight", "cash_weight", "weight_drift"):
        assert perf[column].isna().all()
    assert perf["risk_contributions"].eq({}).all()
    assert perf["realized_vol"].notna().sum() == len(perf) - 62
    assert reports == [{}]


def test_stocks_without_a_forecast_are_told_apart(small, model):
    def initialize(context):
        context.universe = strategies.universe(context)
        context.risk = RiskProvider(model, bundle=small)

    def buy_everything(context, data):
        for asset in context.universe:
            if data.can_trade(asset):
                order_target_percent(asset, 0.1)

    perf = strategies.run(small, "2016-01-06", "2016-02-29", initialize, handle_data=buy_everything)
    young = perf["unmodelled_weight"].iloc[2:]
    assert young.iloc[0] == pytest.approx(0.1, abs=0.01)  # DDD, two sessions old
    assert young.iloc[-1] == 0.0
    assert perf["unmodelled"].iloc[2] == ("DDD",)
    assert perf["unmodelled"].iloc[-1] == ()
    assert perf["predicted_vol"].iloc[2:].gt(0.02).all()


def test_a_portfolio_of_nothing_but_an_unknown_stock_predicts_nothing_of_it(small, model):
    def initialize(context):
        context.asset = next(a for a in strategies.universe(context) if a.symbol == "DDD")
        context.risk = RiskProvider(model, bundle=small)

    def buy(context, data):
        order_target_percent(context.asset, 0.5)

    perf = strategies.run(small, "2016-01-06", "2016-01-15", initialize, handle_data=buy)
    assert perf["unmodelled_weight"].iloc[-1] == pytest.approx(0.5, abs=0.05)
    assert perf["predicted_vol"].iloc[-1] == 0.0


def test_borrowing_and_shorting(small, model):
    def initialize(context):
        context.assets = {a.symbol: a for a in strategies.universe(context)}
        context.risk = RiskProvider(model, bundle=small)

    def trade(context, data):
        order_target_percent(context.assets["AAA"], 1.4)
        order_target_percent(context.assets["BBB"], -0.2)

    perf = strategies.run(small, "2016-03-01", "2016-03-15", initialize, handle_data=trade)
    last = perf.iloc[-1]
    assert last["cash_weight"] == pytest.approx(-0.2, abs=0.05)
    assert last["risk_contributions"]["AAA"] > last["predicted_vol"]


def test_one_object_serves_run_after_run(small, model):
    ours = RiskMetrics()
    metrics.register("volplugin-shared", lambda: {*metrics.load("default"), ours})
    try:
        runs = [_run_shared(small, model) for _ in range(2)]
    finally:
        metrics.unregister("volplugin-shared")
    pd.testing.assert_series_equal(runs[0]["predicted_vol"], runs[1]["predicted_vol"])
    assert np.isnan(runs[1]["predicted_vol"].iloc[0])


def _run_shared(small, model):
    from zipline import run_algorithm

    def initialize(context):
        strategies.buy_equal_weight_monthly(context)
        context.risk = RiskProvider(model, bundle=small)

    return run_algorithm(
        start=pd.Timestamp("2017-01-31"),
        end=pd.Timestamp("2017-02-15"),
        initialize=initialize,
        capital_base=1e6,
        bundle=small,
        metrics_set="volplugin-shared",
    )


class _Steep(RollingVolatility):
    """A volatility that grows with the horizon, so that no column can be taken for another."""

    def _predict_path(self, panel, horizon, first):
        return super()._predict_path(panel, horizon, first) * (1 + horizon / 100)


def _closes_under(small, *providers):
    """Run a monthly strategy with providers, and return perf with plain sessions."""

    def initialize(context):
        strategies.buy_equal_weight_monthly(context)
        context.risk = [RiskProvider(model, bundle=small, horizon=horizon) for model, horizon in providers]

    perf = strategies.run(small, "2017-01-25", "2017-03-10", initialize)
    return perf.set_axis(perf.index.normalize().tz_localize(None))


def test_columns_name_the_horizon_that_they_cover(small):
    model, panel = RiskModel(_Steep(40), RollingCorrelation(60)), read_bundle(small)
    perf = _closes_under(small, (model, 21))
    assert perf["forecast_horizon"].dropna().eq(21).all()
    for row in range(8, len(perf), 5):
        portfolio, known = held_at_close(perf.iloc[row - 1]), panel.asof(perf.index[row - 1])
        for column, horizon in (("predicted_vol", 1), ("predicted_vol_horizon", 21)):
            expected = model.forecast(known, horizon).portfolio_volatility(portfolio, periods=252)
            assert perf[column].iloc[row] == pytest.approx(expected, rel=1e-9)
    ratio = perf["predicted_vol_horizon"].iloc[8:] / perf["predicted_vol"].iloc[8:]
    np.testing.assert_allclose(ratio, 1.21 / 1.01)


def test_a_second_provider_has_columns_with_a_suffix(small):
    one, other = RiskModel(_Steep(40), RollingCorrelation(60)), RiskModel(RollingVolatility(20), RollingCorrelation(30))
    both, first, second = (
        _closes_under(small, *providers) for providers in (((one, 5), (other, 1)), ((one, 5),), ((other, 1),))
    )
    for column in ("predicted_vol", "predicted_vol_horizon", "forecast_horizon", "unmodelled_weight"):
        pd.testing.assert_series_equal(both[column], first[column])
        pd.testing.assert_series_equal(both[f"{column}_2"], second[column].rename(f"{column}_2"))
    assert both["forecast_horizon_2"].dropna().eq(1).all()
    assert both["risk_contributions_2"].iloc[20] == second["risk_contributions"].iloc[20]


def test_the_former_name_of_the_set_gives_the_same_columns(small, model):
    def run(metrics_set):
        def initialize(context):
            strategies.buy_equal_weight_monthly(context)
            context.risk = RiskProvider(model, bundle=small)

        return strategies.run(small, "2017-01-25", "2017-02-10", initialize, metrics_set=metrics_set)

    former, current = run("volplugin-at-rebalance"), run("volplugin")
    assert set(former) == set(current)
    for column in ("predicted_vol", "predicted_vol_horizon", "weight_drift", "risk_contributions"):
        pd.testing.assert_series_equal(former[column], current[column])


def test_registering_again_is_silent():
    register_metrics()
    register_metrics()
    assert metrics.metrics_sets["volplugin"] is not None
    assert len({type(metric) for metric in metrics.load("volplugin")} & {RiskMetrics}) == 1


def test_the_provider_without_a_bundle_gives_the_same_columns(small, model):
    def run(bundle):
        def initialize(context):
            strategies.buy_equal_weight_monthly(context)
            context.risk = RiskProvider(model, bundle=bundle)
            schedule_function(lambda context, data: None, date_rules.every_day())

        return strategies.run(small, "2017-01-25", "2017-03-10", initialize)

    exact, rounded = run(small), run(None)
    np.testing.assert_allclose(rounded["predicted_vol"], exact["predicted_vol"], rtol=1e-3)
