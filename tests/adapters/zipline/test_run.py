"""Loading strategies, and running them with clear errors."""

import os
import sys

import pandas as pd
import pytest
from zipline.api import order_target_percent, symbol

from volplugin.adapters.zipline import load_strategy, read_parameters, run_backtest
from volplugin.adapters.zipline.run import gallery
from volplugin.errors import BundleNotFoundError, BundleRangeError, MissingLibraryError, ParameterError

STRATEGY = """
import os
from dataclasses import dataclass
from zipline.api import order_target_percent, symbol
from volplugin.adapters.zipline import read_parameters

@dataclass
class Seen:
    parameters: object = None
    root: str = ""
    report: object = None

SEEN = Seen()

def initialize(context):
    SEEN.parameters, SEEN.root = read_parameters(), os.environ["ZIPLINE_ROOT"]
    SEEN.target, SEEN.bundle = SEEN.parameters.target, SEEN.parameters.bundle

def handle_data(context, data):
    order_target_percent(symbol("AAA"), 0.5)

def analyze(context, perf):
    SEEN.report = context.risk_report
    SEEN.rows = len(perf)
"""


@pytest.fixture
def strategy(tmp_path):
    file = tmp_path / "my_strategy.py"
    file.write_text(STRATEGY)
    return file


def test_file_runs_with_all_its_hooks(small, strategy):
    root = os.environ["ZIPLINE_ROOT"]
    perf = run_backtest(strategy, small, "2016-03-01", "2016-03-31", 5e5, {"target": 0.2})
    assert len(perf) == 22
    assert perf["starting_cash"].iloc[0] == 5e5
    assert perf["gross_leverage"].iloc[-1] == pytest.approx(0.5, abs=0.02)
    assert perf["benchmark_period_return"].eq(0).all()
    seen = load_strategy_globals(strategy)
    assert seen.parameters.target == 0.2
    assert seen.parameters.bundle == small
    assert seen.rows == 22
    assert seen.root == root
    assert read_parameters().target == 0.1


def load_strategy_globals(strategy):
    return sys.modules[f"volplugin_strategy_{strategy.stem}"].SEEN


def test_environ_is_what_the_strategy_sees_too(small, strategy, tmp_path, monkeypatch):
    root = os.environ["ZIPLINE_ROOT"]
    monkeypatch.setenv("ZIPLINE_ROOT", str(tmp_path))
    run_backtest(strategy, small, "2016-03-01", "2016-03-04", environ={"ZIPLINE_ROOT": root})
    assert load_strategy_globals(strategy).root == root
    assert os.environ["ZIPLINE_ROOT"] == str(tmp_path)


def test_dates_off_the_calendar_are_taken_inwards(small, strategy):
    perf = run_backtest(strategy, small, "2016-03-05", "2016-03-12")  # two Saturdays
    assert perf.index[[0, -1]].normalize().tz_localize(None).tolist() == [
        pd.Timestamp("2016-03-07"),
        pd.Timestamp("2016-03-11"),
    ]


@pytest.mark.parametrize(
    ("dates", "message"),
    [
        (("2017-12-01", "2018-01-05"), "2018-01-05 is after the last session"),
        (("2014-12-01", "2015-02-05"), "2014-12-01 is before the first session"),
    ],
)
def test_run_beyond_the_bundle_is_refused(small, strategy, dates, message):
    with pytest.raises(BundleRangeError, match=message):
        run_backtest(strategy, small, *dates)


def test_missing_bundle_is_named(strategy):
    with pytest.raises(BundleNotFoundError, match="no bundle 'absent'"):
        run_backtest(strategy, "absent", "2016-03-01", "2016-03-31")


def test_capital_beyond_what_zipline_orders_is_named(small, strategy):
    with pytest.raises(ParameterError, match=r"capital is 1e\+300: Can't order more than .* shares; use less capital"):
        run_backtest(strategy, small, "2016-03-01", "2016-03-31", 1e300)


@pytest.mark.parametrize("capital", [0, -5.0, float("nan")])
def test_capital_must_be_positive(small, strategy, capital):
    with pytest.raises(ParameterError, match="capital is"):
        run_backtest(strategy, small, "2016-03-01", "2016-03-31", capital)


def test_unknown_parameter_is_named(small, strategy):
    with pytest.raises(ParameterError, match="no parameter 'speed'"):
        run_backtest(strategy, small, "2016-03-01", "2016-03-31", parameters={"speed": 3})


def test_a_parameter_that_is_not_read_is_named(small, strategy):
    with pytest.raises(ParameterError, match=r"my_strategy.py does not read band=0.2: leave it out, or use read_"):
        run_backtest(strategy, small, "2016-03-01", "2016-03-31", parameters={"target": 0.2, "band": 0.2})


def buy(context, data):
    order_target_percent(symbol("AAA"), 0.5)


def test_functions_and_modules_run_as_files_do(small, strategy):
    span = small, "2016-03-01", "2016-03-31"
    by_file = run_backtest(strategy, *span)
    module = sys.modules[f"volplugin_strategy_{strategy.stem}"]
    functions = {"initialize": lambda context: None, "handle_data": buy}
    for perf in (run_backtest(module, *span), run_backtest(None, *span, **functions)):
        pd.testing.assert_series_equal(perf["returns"], by_file["returns"])


def test_the_bundle_s_own_range_is_the_default(small):
    perf = run_backtest(bundle=small, end="2015-01-30", initialize=lambda context: None)
    assert perf.index[0].date() == pd.Timestamp("2015-01-02").date()
    assert perf.attrs["risk_model"] is None
    assert perf.attrs["risk_report"] == {}


@pytest.mark.parametrize(
    ("given", "functions", "message"),
    [
        (None, {}, "pass a strategy"),
        ("vol_target", {"initialize": buy}, "pass a strategy"),
        (None, {"init": buy}, "init is no function of a strategy; pass initialize, handle_data"),
        (None, {"handle_data": buy}, "no function `initialize"),
    ],
)
def test_a_strategy_is_given_once(small, given, functions, message):
    with pytest.raises(ParameterError, match=message):
        run_backtest(given, small, "2016-03-01", "2016-03-31", **functions)


def test_gallery_is_found_by_name_and_by_module():
    assert "vol_target" in gallery()
    for name in ("vol_target", "volplugin._gallery.vol_target"):
        assert "initialize" in load_strategy(name)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("absent.py", None, "absent.py: no such strategy file"),
        ("vol_target.py", None, "no such strategy file; the gallery has one: pass vol_target"),
        ("broken.py", "def initialize(context:\n", "broken.py, line 1: "),
        ("empty.py", "handle_data = print\n", "no function `initialize"),
    ],
)
def test_unusable_file_is_named(tmp_path, name, text, message):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(ParameterError, match=message):
        load_strategy(tmp_path / name)


def test_unknown_name_lists_the_gallery():
    with pytest.raises(ParameterError, match=r"no strategy 'no\.such\.module': .* vol_target"):
        load_strategy("no.such.module")


def test_a_library_the_strategy_lacks_is_its_own_error(tmp_path):
    (tmp_path / "needy.py").write_text("import a_library_nobody_has\n")
    with pytest.raises(MissingLibraryError, match="a_library_nobody_has"):
        load_strategy(tmp_path / "needy.py")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("import numpy\nimport no_such_library\ndef initialize(context): ...\n", 2),
        ("from numpy import no_such_name\ndef initialize(context): ...\n", 1),
        ("def initialize(context):\n    find()\n\ndef find():\n    from no_such_library import name\n", 5),
    ],
)
def test_a_failed_import_names_the_line_of_the_strategy(small, tmp_path, text, line):
    file = tmp_path / "importing.py"
    file.write_text(text)
    with pytest.raises(MissingLibraryError, match=rf"importing\.py, line {line}: .*no_such") as caught:
        run_backtest(file, small, "2016-03-01", "2016-03-04")
    assert caught.value.name in ("no_such_library", "numpy")


def test_a_failed_import_of_a_module_beside_the_strategy_names_the_strategy(small, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "helper_of_importing.py").write_text("import no_such_library\n")
    (tmp_path / "importing.py").write_text("import helper_of_importing\n")
    for strategy in (tmp_path / "importing.py", "importing"):
        with pytest.raises(MissingLibraryError, match=r"importing\.py, line 1: No module named 'no_such_library'"):
            run_backtest(strategy, small, "2016-03-01", "2016-03-04")
