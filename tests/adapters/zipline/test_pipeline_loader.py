"""Precomputed forecasts in Pipeline: shown the session after they were made, and never as silent gaps."""

import numpy as np
import pandas as pd
import pytest
from zipline import run_algorithm
from zipline.api import attach_pipeline, pipeline_output
from zipline.pipeline import Pipeline

import zipline_market
from adapters.zipline import strategies
from volplugin import RollingVolatility, read_bundle
from volplugin.adapters.zipline import PrecomputedForecasts
from volplugin.errors import AssetMismatchError, InsufficientHistoryError, PanelError, ParameterError

START, END = "2017-05-22", "2017-07-07"


@pytest.fixture(scope="module")
def path(small):
    """Forecasts of every session from a week before the run on."""
    return RollingVolatility(40).predict_path(read_bundle(small), "2017-05-15", END)


def shown(small, forecasts, *, attach=True, columns=("volatility",), start=START):
    """What Pipeline shows in the mornings, by session."""
    seen = {}

    def initialize(context):
        if attach:
            forecasts.attach(context)
        latest = {name: getattr(forecasts.dataset, name).latest for name in columns}
        attach_pipeline(Pipeline(latest), "risk")

    def before_trading_start(context, data):
        seen[data.current_session] = pipeline_output("risk").rename(index=lambda asset: asset.symbol)

    if attach:
        strategies.run(small, start, END, initialize, before_trading_start=before_trading_start)
    else:
        run_algorithm(
            start=pd.Timestamp(start),
            end=pd.Timestamp(END),
            initialize=initialize,
            before_trading_start=before_trading_start,
            capital_base=1e6,
            bundle=small,
            custom_loader=forecasts.custom_loader,
        )
    return seen


@pytest.mark.parametrize("attach", [True, False])
def test_a_forecast_is_shown_the_session_after_it_was_made(small, path, attach):
    seen = shown(small, PrecomputedForecasts(volatility=path), attach=attach)
    days = zipline_market.sessions("2017-05-19", END)
    assert len(seen) == len(days) - 1
    for yesterday, today in zip(days[:-1], days[1:], strict=True):
        pd.testing.assert_series_equal(
            seen[today]["volatility"], path.loc[yesterday], check_names=False, check_index_type=False
        )


def test_other_columns_of_pipeline_are_there_as_before(small, path):
    from zipline.pipeline.data import USEquityPricing

    forecasts, closes = PrecomputedForecasts(volatility=path), {}

    def initialize(context):
        forecasts.attach(context)
        columns = {"close": USEquityPricing.close.latest, "volatility": forecasts.dataset.volatility.latest}
        attach_pipeline(Pipeline(columns, screen=forecasts.dataset.volatility.latest.bottom(3)), "risk")

    def before_trading_start(context, data):
        closes[data.current_session] = pipeline_output("risk")

    strategies.run(small, START, END, initialize, before_trading_start=before_trading_start)
    assert all(len(output) == 3 and output["close"].gt(0).all() for output in closes.values())


def test_two_data_sets_stand_side_by_side(small, path):
    one, two = PrecomputedForecasts(volatility=path), PrecomputedForecasts(volatility=2 * path)
    seen = {}

    def initialize(context):
        one.attach(context)
        two.attach(context)
        attach_pipeline(Pipeline({"one": one.dataset.volatility.latest, "two": two.dataset.volatility.latest}), "risk")

    def before_trading_start(context, data):
        seen[data.current_session] = pipeline_output("risk")

    strategies.run(small, START, END, initialize, before_trading_start=before_trading_start)
    assert all(np.allclose(output["two"], 2 * output["one"]) for output in seen.values())


def test_a_monthly_table_stands_as_long_as_it_is_told(small, path):
    month_ends = path.loc[["2017-05-31", "2017-06-30"]]
    single, held = (shown(small, PrecomputedForecasts(max_age=age, volatility=month_ends)) for age in (0, 10))
    day = pd.Timestamp
    assert single[day("2017-06-01")]["volatility"].equals(held[day("2017-06-01")]["volatility"])
    assert single[day("2017-06-02")]["volatility"].isna().all()
    assert held[day("2017-06-15")]["volatility"].notna().all()
    assert held[day("2017-06-16")]["volatility"].isna().all()
    assert held[day("2017-05-31")]["volatility"].isna().all()
    assert held[day("2017-07-03")]["volatility"].to_numpy() == pytest.approx(month_ends.loc["2017-06-30"].to_numpy())


def test_a_long_file_gives_the_same(small, path, tmp_path):
    table = path.rename_axis(index="date", columns="symbol").stack().rename("volatility").reset_index()
    table.assign(twice=2 * table["volatility"]).to_csv(tmp_path / "forecasts.csv", index=False)
    read = PrecomputedForecasts.from_file(tmp_path / "forecasts.csv")
    seen = shown(small, read, columns=("volatility", "twice"))
    assert seen[pd.Timestamp("2017-06-01")]["volatility"].to_numpy() == pytest.approx(path.loc["2017-05-31"].to_numpy())
    assert seen[pd.Timestamp("2017-06-01")]["twice"].to_numpy() == pytest.approx(2 * path.loc["2017-05-31"].to_numpy())


# -- errors -------------------------------------------------------------------------------------


def test_forecasts_of_other_assets_are_no_silent_gaps(small, path):
    other = path.rename(columns=dict(zip(path.columns, "UVWXYZ", strict=True)))
    with pytest.raises(AssetMismatchError, match="volatility: the table's columns are U, V, W, X, Y, of which"):
        shown(small, PrecomputedForecasts(volatility=other))


def test_forecasts_of_other_years_are_named(small, path):
    for years in (-3, 3):
        other = path.set_axis(
            zipline_market.sessions("2014-01-02" if years < 0 else "2020-01-02", "2021-12-31")[: len(path)]
        )
        with pytest.raises(
            InsufficientHistoryError, match="do not cover any session of a run from 2017-05-22 to 2017-07-07"
        ):
            shown(small, PrecomputedForecasts(volatility=other))


def test_a_row_that_is_no_session_is_named(small, path):
    weekend = path.iloc[:1].set_axis(pd.DatetimeIndex(["2017-05-21"]))
    with pytest.raises(PanelError, match="volatility: 2017-05-21 is no session; label each row with the last"):
        shown(small, PrecomputedForecasts(volatility=weekend))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda table: table.tz_localize("UTC"), PanelError, "must be plain dates"),
        (lambda table: table.iloc[::-1], PanelError, "the dates must increase"),
        (lambda table: table.iloc[:0], PanelError, "there must be some"),
        (lambda table: table.reset_index(drop=True), PanelError, "must be plain dates"),
    ],
)
def test_tables_that_are_none_are_refused(path, change, error, message):
    with pytest.raises(error, match=message):
        PrecomputedForecasts(volatility=change(path))


def test_no_table_and_a_negative_age_are_refused(path):
    with pytest.raises(ParameterError, match="pass tables by name"):
        PrecomputedForecasts()
    with pytest.raises(ParameterError, match="max_age is -1"):
        PrecomputedForecasts(max_age=-1, volatility=path)


@pytest.mark.parametrize("names", [["NA", "AAPL"], ["TRUE", "F"], ["0005", "0700"], ["NULL", "NAN"]])
def test_symbols_of_a_file_are_text(tmp_path, names):
    (tmp_path / "f.csv").write_text("date,symbol,v\n" + "".join(f"2020-01-02,{name},0.01\n" for name in names))
    assert sorted(PrecomputedForecasts.from_file(tmp_path / "f.csv").tables["v"].columns) == sorted(names)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f.csv: not a readable CSV file"),
        ("date,symbol,v\n2017-01-03,AAA,high\n", "AAA on 2017-01-03: v is 'high', which is not a number"),
        ("date,symbol,v\n03/01/2017,AAA,0.1\n", "03/01/2017 is not a date"),
        ("date,volatility\n2017-01-03,0.1\n", "expected columns date, symbol and one or more of numbers"),
        ("date,symbol,v\n2017-01-03,AAA,0.1\n2017-01-03,AAA,0.2\n", "AAA on 2017-01-03 is there twice"),
    ],
)
def test_files_that_are_none_are_refused(tmp_path, text, message):
    (tmp_path / "f.csv").write_text(text)
    with pytest.raises(PanelError, match=message):
        PrecomputedForecasts.from_file(tmp_path / "f.csv")
