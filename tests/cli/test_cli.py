"""The commands, as a user runs them: what they write, and what they say of wrong input."""

import json
import pickle
import re
from concurrent.futures.process import BrokenProcessPool

import click
import pandas as pd
import pytest
from click.testing import CliRunner
from webpage import check

from volplugin import read_bundle
from volplugin.cli import Commands, main
from volplugin.risk.defaults import CORRELATIONS

BUNDLE = "market-by-command"
SPAN = ["--bundle", BUNDLE, "--start", "2017-04-03", "--end", "2017-09-29"]


@pytest.fixture(scope="module")
def trained(home):
    result = home.run("train", *SPAN, "--store", home.store, "--jobs", "1")
    assert result.exit_code == 0, result.output
    assert "2 models" in result.output
    return home


@pytest.fixture(scope="module")
def results(trained):
    out = trained.folder / "results"
    options = ["--store", trained.store, "--out", out, "--jobs", "1", "--compare", "--max-leverage", "2"]
    result = trained.run("backtest", "vol_target", *SPAN, "--target", "0.12", *options)
    assert result.exit_code == 0, result.output
    return out


def test_backtest_writes_perf_scorecard_and_report(results):
    perf = pickle.loads((results / "perf.pkl").read_bytes())
    assert perf["predicted_vol"].iloc[-1] == pytest.approx(0.12, abs=0.06)
    card = json.loads((results / "scorecard.json").read_text())
    assert card["portfolio"]["target"] == 0.12
    assert card["details"]["parameters"]["max_leverage"] == 2
    assert [v["trained_through"] for v in card["details"]["vintages"]] == ["2017-03-31", "2017-06-30"]
    assert set(card["volatility"]["scores"]["21"]) == {"LSTM", "HAR", "EWMA94"}
    assert set(card["book"]) == {"LSTM", "LSTM + rolling correlation", "EWMA94"}
    assert list(card["comparisons"]) == ["rolling correlation"]
    page = check((results / "report.html").read_text())
    assert {"money", "risk", "odds", "trading", "sources", "models"} <= set(page.ids)
    assert "QLIKE by stock" in page.words


def test_forecast_as_json_adds_up(trained):
    (trained.folder / "w.csv").write_text("symbol,weight\nAAA,0.5\nBBB,0.7\nCCC,-0.2\n")
    options = ["--bundle", BUNDLE, "--store", trained.store, "--weights", trained.folder / "w.csv"]
    result = trained.run("forecast", *options, "--asof", "2017-06-30", "--horizon", "5", "--json")
    assert result.exit_code == 0, result.output
    metadata = json.loads(result.output)
    total = sum(asset["contribution"] for asset in metadata["assets"].values())
    assert total == pytest.approx(metadata["portfolio_volatility"], rel=1e-12)
    assert metadata["asof"] == "2017-06-30"
    assert metadata["model"]["trained_through"] == "2017-06-30"
    assert {name: asset["weight"] for name, asset in metadata["assets"].items()} == {
        "AAA": 0.5,
        "BBB": 0.7,
        "CCC": -0.2,
    }


def test_a_market_by_symbols_and_by_file(trained, tmp_path):
    """Two of the six names trained on are less than half of them: their means are the market-wide inputs."""

    def volatility(command: list[object], *options: object) -> float:
        result = trained.run(*command, "--bundle", BUNDLE, "--store", trained.store, "--asof", "2017-06-30", *options)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)["portfolio_volatility"]

    panel = read_bundle(BUNDLE)
    for name in ("AAA", "BBB"):
        pd.DataFrame({field: getattr(panel, field)[name] for field in panel.fields}).to_csv(tmp_path / f"{name}.csv")
    command = ["forecast", "--json"]
    named = volatility(command, "--market", "AAA,BBB")
    assert volatility(command, "--market", tmp_path) == pytest.approx(named, rel=1e-3)
    assert volatility(command) != pytest.approx(named, rel=1e-3)


def test_forecast_prints_the_same_in_words(trained):
    options = ["--bundle", BUNDLE, "--store", trained.store, "--asof", "2017-06-30"]
    words, metadata = trained.run("forecast", *options), trained.run("forecast", *options, "--json")
    assert f"{json.loads(metadata.output)['portfolio_volatility']:.1%}" in words.output
    assert words.output.count("%") > 4 * 5


def test_forecast_writes_a_page_with_groups_and_money(trained, tmp_path):
    weights, groups, page = (tmp_path / name for name in ("book.csv", "groups.csv", "today.html"))
    weights.write_text("symbol,weight\nAAA,0.5\nBBB,0.7\n")
    groups.write_text("Ticker,Sector\nAAA,one\nBBB,two\nZZZ,none\n")
    options = ["--bundle", BUNDLE, "--store", trained.store, "--asof", "2017-06-30", "--weights", weights]
    result = trained.run("forecast", *options, "--groups", groups, "--value", "1e6", "--html", page, "--json")
    assert result.exit_code == 0, result.output
    numbers = json.loads(result.stdout)
    assert set(numbers["groups"]) == {"one", "two"}
    loss = 1e6 * numbers["losses"]["VaR 99%"]["next session"]
    assert f"{loss:,.0f}" in check(page.read_text(encoding="utf-8")).words
    groups.write_text("symbol,group\nAAA,one\n")
    assert "BBB has a weight but no group" in trained.fails("forecast", *options, "--groups", groups)


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        (
            ["backtest", "vol_target", "--bundle", BUNDLE, "--start", "2017-04-03", "--end", "2018-06-01"],
            "is after the last session",
        ),
        (["backtest", "vol_target", *SPAN, "--target", "-1"], "target is -1.0"),
        (["backtest", "nothing_of_the_kind", *SPAN], "vol_target"),
        (["backtest", "vol_target", "--bundle", "nope"], "volplugin ingest"),
        (["evaluate", *SPAN, "--models", "LSTM,FOO"], "model is 'FOO'"),
        (["evaluate", *SPAN, "--market", "AAA,NONE"], "the panel has no NONE"),
        (["train", *SPAN, "--market", "nowhere"], "nowhere"),
        (["evaluate", *SPAN, "--horizons", "1,x"], "--horizons is '1,x'"),
        (["evaluate", "--bundle", BUNDLE, "--start", "2017-09-01", "--end", "2017-04-03"], "is before --start"),
        (["forecast", "--bundle", BUNDLE, "--asof", "2016-01-29"], "volplugin train"),
        (["train", "--bundle", BUNDLE, "--start", "2014-06-02", "--end", "2014-12-31"], "prices begin on 2015-01-02"),
    ],
)
def test_wrong_input_gets_one_line_that_says_what_to_do(trained, arguments, output):
    options = [] if "--bundle" in arguments and arguments[-1] == "nope" else ["--store", trained.store]
    assert output in trained.fails(*arguments, *options)


def test_no_train_refuses_an_empty_store(home):
    output = home.fails("backtest", "vol_target", *SPAN, "--store", home.folder / "empty", "--no-train")
    assert "holds no trained models" in output
    assert "volplugin train" in output


def test_a_store_of_another_configuration_is_refused(trained, tmp_path):
    from volplugin import ModelStore
    from volplugin.errors import StoreConfigurationError

    with pytest.raises(StoreConfigurationError, match="forecaster"):
        ModelStore(trained.store).configure({"forecaster": "HARVolatility", "parameters": {}})


def test_weights_that_are_none(trained):
    (trained.folder / "none.csv").write_text("")
    (trained.folder / "other.csv").write_text("symbol,weight\nXYZ,1\n")
    options = ["forecast", "--bundle", BUNDLE, "--store", trained.store, "--asof", "2017-06-30", "--weights"]
    assert "expected columns symbol, weight" in trained.fails(*options, trained.folder / "none.csv")
    assert "there are no prices of XYZ" in trained.fails(*options, trained.folder / "other.csv")


def test_a_folder_that_cannot_be_made_is_told_before_the_run(trained):
    (trained.folder / "file").write_text("in the way")
    output = trained.fails(
        "backtest", "vol_target", *SPAN, "--store", trained.store, "--out", trained.folder / "file" / "x"
    )
    assert "file/x" in output


def test_a_run_too_short_for_a_report_is_not_lost(trained):
    span = ["--bundle", BUNDLE, "--start", "2017-04-03", "--end", "2017-05-05"]
    out = trained.folder / "short"
    out.mkdir()
    (out / "report.html").write_text("of an earlier run")
    result = trained.run("-q", "backtest", "vol_target", *span, "--store", trained.store, "--out", out, "--jobs", "1")
    assert result.exit_code == 0, result.output
    missing = "only 22 of 24 sessions have a predicted volatility; a scorecard needs 63"
    assert f"warning: no report: {missing}" in result.stderr
    assert len(pickle.loads((out / "perf.pkl").read_bytes())) == 24
    card = json.loads((out / "scorecard.json").read_text())
    assert (card["sessions"], card["sessions_with_forecast"], card["missing"]) == (24, 22, missing)


@pytest.fixture
def strategy(trained):
    """Write a strategy file, and return the arguments that run it."""

    def write(text: str, *options: object) -> list[object]:
        file = trained.folder / "strategy.py"
        file.write_text(text)
        return ["backtest", file, *SPAN, "--no-judge", "--jobs", "1", "--out", trained.folder / "own", *options]

    return write


IDLE = "def initialize(context):\n    pass\n"
OWN = """
from volplugin import RiskProvider, VolatilityTarget
from volplugin.adapters.zipline import read_parameters

def initialize(context):
    context.frequency = read_parameters().frequency
    context.risk = RiskProvider.from_store({store!r}, bundle={bundle!r})
    context.target = VolatilityTarget(0.15, max_leverage=1.2)

def handle_data(context, data):
    weights = {{asset: 1.0 for asset in context.asset_finder.retrieve_all(context.asset_finder.equities_sids)}}
    context.risk.target(context, data, weights, frequency=context.frequency, missing="drop")
"""


def test_a_strategy_that_holds_nothing_is_a_warning(trained, strategy):
    result = trained.run("-q", *strategy(IDLE))
    assert result.exit_code == 0, result.output
    assert "warning: no report: the strategy made no RiskProvider" in result.stderr
    assert "RiskProvider" in json.loads((trained.folder / "own" / "scorecard.json").read_text())["missing"]


@pytest.mark.parametrize(
    ("options", "output"),
    [
        (["--target", "0.2"], "strategy.py does not read target=0.2: leave it out, or use read_parameters().target"),
        (["--frequency", "daily", "--band", "0"], "does not read frequency=daily, band=0.0: "),
        (["--market", "AAA"], "does not read market=AAA: "),
        (["-x", "speed=3"], "does not read speed=3: "),
        (["-x", "speed"], "-x speed: write it as NAME=VALUE"),
        (["--target", "0.2", "-x", "target=0.1"], "target is given twice"),
        (["--correlation", "best"], "correlation is 'best'; pass one of default, ewma, rolling, two-speed"),
        (["--max-leverage", "0"], "max_leverage is 0.0"),
    ],
)
def test_an_option_that_a_strategy_does_not_read_gets_one_line(trained, strategy, options, output):
    assert output in trained.fails(*strategy(IDLE, *options))


def test_the_report_describes_the_run_and_not_the_options(trained, strategy):
    """A strategy with its own store, target and cap, on vintages that the command was not given."""
    own = OWN.format(store=str(trained.store), bundle=BUNDLE)
    result = trained.run(*strategy(own, "--frequency", "weekly"))
    assert result.exit_code == 0, result.output
    details = json.loads((trained.folder / "own" / "scorecard.json").read_text())["details"]
    assert details["parameters"]["store"] == str(trained.store)
    assert (details["parameters"]["target"], details["parameters"]["max_leverage"]) == (0.15, 1.2)
    assert [v["trained_through"] for v in details["vintages"]] == ["2017-03-31", "2017-06-30"]
    perf = pickle.loads((trained.folder / "own" / "perf.pkl").read_bytes())
    orders = perf["orders"].map(lambda day: any(order["created"] == order["dt"] for order in day)).sum()
    assert details["frequency"] == f"on {orders} of {len(perf)} sessions"
    assert 10 < orders < 40


def test_weights_of_a_gallery_strategy_come_by_x(trained):
    (trained.folder / "two.csv").write_text("symbol,weight\nAAA,1\nBBB,1\n")
    out = trained.folder / "two"
    options = ["--store", trained.store, "-x", f"weights={trained.folder / 'two.csv'}", "--no-judge", "--out", out]
    result = trained.run("backtest", "seed_book", *SPAN, *options, "--jobs", "1")
    assert result.exit_code == 0, result.output
    perf = pickle.loads((out / "perf.pkl").read_bytes())
    assert {p["sid"].symbol for day in perf["positions"] for p in day} == {"AAA", "BBB"}


def test_every_correlation_is_named_in_the_help(home):
    shown = home.run("backtest", "--help").output
    assert all(name in shown for name in CORRELATIONS)


def test_ingest_of_bad_prices_names_stock_and_date(home):
    folder = home.folder / "bad"
    folder.mkdir()
    (folder / "ABC.csv").write_text(
        "date,open,high,low,close,volume\n2017-01-03,1,2,0.5,,100\n2017-01-04,1,2,0.5,1,9\n"
    )
    output = home.fails("ingest", "bad", "--csv", folder)
    assert "ABC on 2017-01-03" in output


def test_the_help_lists_every_command_in_whole_sentences(home):
    shown = home.run("--help").output
    assert max(map(len, shown.splitlines())) <= 80
    for name, command in main.commands.items():
        assert re.search(rf"^  {name} +[A-Z].*[^.]\.$", shown, re.M)
        assert home.run(name, "--help").exit_code == 0
        for option in (each for each in command.params if isinstance(each, click.Option)):
            assert re.match(r"[A-Z].*?([.]|[.]  \[default: .*\])$", option.help), f"{name} {option.name}: {option.help}"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (MemoryError(), "Error: out of memory (?); use fewer assets, sessions or --jobs"),
        (MemoryError("Unable to allocate 8. TiB"), "Error: out of memory (Unable to allocate 8. TiB)"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: 8 bytes"), "Error: out of memory (DefaultCPU"),
        (BrokenProcessPool("a worker was killed\nmore"), "Error: a worker process ended, probably for lack of memory"),
    ],
)
def test_too_little_memory_is_one_line(error, line):
    group = Commands()

    @group.command()
    def fails():
        raise error

    result = CliRunner().invoke(group, ["fails"])
    assert result.exit_code == 1
    assert result.stderr.startswith(line)
    assert result.stderr.count("\n") == 1


def test_other_runtime_errors_stay():
    group = Commands()

    @group.command()
    def fails():
        raise RuntimeError("a fault of the program")

    assert isinstance(CliRunner().invoke(group, ["fails"]).exception, RuntimeError)
