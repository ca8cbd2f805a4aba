"""`volplugin audit`: planted leaks are caught, clean strategies pass, and what cannot be seen is named."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
import pytest
import synthetic
from audit_evasions import EVASIONS, attempt, contents, futures
from zipline.utils.paths import zipline_path

import zipline_market
from pages import CHECKOUT
from volplugin import HARVolatility, ModelStore, PricePanel, RefitSchedule, WalkForward, read_bundle
from volplugin.adapters.zipline.audit import Audit, audit_strategy, audit_text
from volplugin.adapters.zipline.audit import audit as audit_module
from volplugin.adapters.zipline.audit.copies import PREFIX, scrambled_root
from volplugin.adapters.zipline.audit.models import ModelLoad, shipped, unproved
from volplugin.adapters.zipline.audit.run import Job, record, spawn
from volplugin.adapters.zipline.run import gallery, run_backtest
from volplugin.storage.atomic import is_running, owner
from volplugin.volatility.pretrained import SHIPPED

STRATEGIES = Path(__file__).with_name("audited")
START, END = pd.Timestamp("2017-06-01"), pd.Timestamp("2017-07-14")


@pytest.fixture(scope="module")
def store(home, bundle, tmp_path_factory):
    """Vintages through 2017-03-31 and 2017-06-30, trained on the bundle."""
    folder = ModelStore(tmp_path_factory.mktemp("audited-models"))
    walk_forward = WalkForward(HARVolatility(), schedule=RefitSchedule("quarterly"), store=folder)
    walk_forward.train(read_bundle(bundle), START, END, progress=False)
    return folder.path


@pytest.fixture(scope="module")
def bundle(home):
    return "market-by-command"


@pytest.fixture
def audited(bundle, store):
    """Audit a strategy in this process."""

    def audit(name, **settings):
        file = STRATEGIES / f"{name}.py" if isinstance(name, str) else name
        parameters = {"store": str(store)} | settings.pop("parameters", {})
        panels = settings.pop("trained_on", ())
        wanted = Audit(str(file), bundle, START, END, parameters=parameters, **({"cuts": 1} | settings))
        return audit_strategy(wanted, trained_on=panels, run=record, log=lambda what: None)

    return audit


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("leak_scaler", "recorded value"),
        ("leak_correlation", "order"),
        ("leak_morning", "kept value"),
        ("leak_morning_value", "recorded value"),
        ("leak_tomorrow", "order"),
        ("leak_survivors", "order"),
        ("leak_price_level", "order"),
        ("leak_slippage", "fill"),
        ("leak_fit", "order"),
    ],
)
def test_planted_leaks_are_caught(audited, name, kind):
    report = audited(name)
    assert report.exit_code == 1
    assert report.leak.kind == kind
    assert report.leak.session <= report.leak.cut
    assert "verdict: it uses the future" in audit_text(report)


# -- models -------------------------------------------------------------------------------------


def test_a_model_from_the_future_is_caught_though_no_price_tells(audited):
    report = audited("model_from_the_future")
    assert report.leak is None
    assert report.exit_code == 1
    (output,) = report.models_from_the_future
    assert output.startswith("HARVolatility: a model trained through 2017-06-30 was used when the last completed")
    assert output.endswith("session was 2017-06-05")


def test_a_model_loaded_before_its_time_is_no_proof_of_anything(audited):
    report = audited("model_loaded_early")
    assert report.exit_code == 2
    assert (
        "vintage 2017-06-30: loaded in initialize, before the session it was trained through" in report.not_auditable[0]
    )


def test_a_model_trained_on_other_prices_is_not_auditable(audited, bundle, tmp_path):
    tables = zipline_market.market(poisoned=True)
    close = pd.DataFrame({symbol: zipline_market.adjusted_close(bars) for symbol, bars in tables.items()})
    walk_forward = WalkForward(HARVolatility(), schedule=RefitSchedule("quarterly"), store=ModelStore(tmp_path))
    walk_forward.train(PricePanel(close), START, END, progress=False)
    report = audited("clean_path", parameters={"store": str(tmp_path)})
    assert report.exit_code == 2
    assert "trained on other prices than the bundle's up to 2017-03-31" in report.not_auditable[0]


def test_prices_that_models_were_trained_on_may_be_named(audited, bundle, tmp_path):
    tables = zipline_market.market(poisoned=True)
    panel = PricePanel(pd.DataFrame({symbol: zipline_market.adjusted_close(bars) for symbol, bars in tables.items()}))
    walk_forward = WalkForward(HARVolatility(), schedule=RefitSchedule("quarterly"), store=ModelStore(tmp_path))
    walk_forward.train(panel, START, END, progress=False)
    report = audited("clean_path", parameters={"store": str(tmp_path)}, trained_on=[panel])
    assert report.exit_code == 0


def test_models_that_come_with_the_package_are_taken_at_their_word():
    metadata = ("2009-12-31", "0" * 64, ("AAA", "ZZZ"), ("AAA", "ZZZ"))
    loads = [ModelLoad(str(SHIPPED), *metadata, False), ModelLoad("elsewhere", *metadata, False)]
    panel = synthetic.market()
    assert [what.split(",")[0] for what in unproved(loads, [panel], START)] == ["elsewhere"]
    (note,) = shipped(loads, [panel])
    assert note.startswith("models that come with the package (1, the last trained through 2009-12-31) are taken")


# -- what cannot be seen ------------------------------------------------------------------------


READERS = {
    "pandas": "csv",
    "numpy": "npy",
    "pickle": "pkl",
    "panel": "csv.gz",
    "sqlite": "db",
    "h5py": "h5",
    "archive": "npz",
    "safetensors": "safetensors",
    "program": "txt",
}


def test_what_is_read_besides_the_bundle_is_named(audited, tmp_path):
    contents(tmp_path)
    text = (STRATEGIES / "foreign_reads.py").read_text()
    strategy = tmp_path / "foreign_reads.py"
    strategy.write_text(text)
    report = audited(strategy)
    assert report.exit_code == 2
    assert "no verdict" in audit_text(report)
    lines = {
        reader: 1 + row for reader in READERS for row, line in enumerate(text.splitlines()) if f"# {reader}" in line
    }
    named = [
        f"reads {tmp_path / reader}.{ending} ({strategy}, line {lines[reader]})"
        for reader, ending in READERS.items()
        if reader != "program"
    ]
    assert set(named) <= set(report.not_auditable)
    started = f"starts another program (subprocess.Popen), which the audit cannot see into ({strategy}, line "
    assert any(what.startswith(f"{started}{lines['program']})") for what in report.not_auditable)
    assert any(what.startswith("imports h5py, whose reading of files") for what in report.not_auditable)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a file of every kind that could hold prices of the future."""
    return futures(tmp_path_factory.mktemp("future"))


@pytest.mark.parametrize("name", EVASIONS)
def test_a_read_that_new_prices_cannot_change_is_reported(bundle, place, name):
    error, found, expected = attempt(name, place, bundle)
    assert error is None
    assert any(expected in what for what in found), found


def test_the_table_of_the_documentation_lists_them_all():
    lines = (CHECKOUT / "docs" / "audit.md").read_text(encoding="utf-8").splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")][1:]
    assert [name for name, *_ in rows] == list(EVASIONS)
    for (_, verdict, reported), (_, expected) in zip(rows, EVASIONS.values(), strict=True):
        assert verdict == "not auditable"
        assert expected.format(place="PLACE", real="ROOT") in reported


def test_a_module_that_the_user_trusts_is_no_obstacle(audited, tmp_path):
    (tmp_path / "one.py").write_text(
        "import joblib\nfrom zipline.api import order, symbol\n\n"
        "def initialize(context):\n    pass\n\ndef handle_data(context, data):\n    order(symbol('AAA'), 1)\n"
    )
    report = audited(tmp_path / "one.py")
    assert report.exit_code == 2
    assert "imports joblib, whose reading of files the audit cannot see" in report.not_auditable[0]
    assert audited(tmp_path / "one.py", trusted=("joblib",)).exit_code == 0


def test_a_file_that_the_first_run_writes_for_the_others_is_reported(audited, tmp_path):
    (tmp_path / "one.py").write_text(
        "from pathlib import Path\nfrom zipline.api import order, symbol\n\n"
        f"FILE = Path({str(tmp_path / 'left.txt')!r})\n\n"
        "def initialize(context):\n    FILE.write_text(FILE.read_text() + '1' if FILE.exists() else '1')\n\n"
        "def handle_data(context, data):\n    order(symbol('AAA'), 1)\n"
    )
    report = audited(tmp_path / "one.py")
    assert report.exit_code == 2
    kinds = {what.split()[0] for what in report.not_auditable}
    assert {"reads", "writes", "looks"} <= kinds


def test_another_bundle_that_the_strategy_reads_is_copied_too(audited, bundle, tmp_path, home):
    home.run("ingest", "second-market", "--csv", str(home.folder / "prices"))
    strategy = tmp_path / "two.py"
    text = (STRATEGIES / "leak_tomorrow.py").read_text()
    strategy.write_text(text.replace("read_bundle(read_parameters().bundle)", "read_bundle('second-market')"))
    report = audited(strategy)
    assert report.exit_code == 1
    assert report.leak.kind == "order"


def test_the_network_is_named(audited):
    report = audited("foreign_network")
    assert report.exit_code == 2
    assert report.not_auditable[0].startswith("uses the network")


def test_chance_is_told_from_look_ahead(audited):
    report = audited("chance")
    assert report.exit_code == 2
    assert "two runs on the same prices differ" in report.not_auditable[0]
    assert "order of AAA" in report.not_auditable[0]


def test_a_strategy_that_fails_has_no_verdict(audited, tmp_path):
    (tmp_path / "fails.py").write_text("def initialize(context):\n    1 / 0\n")
    report = audited(tmp_path / "fails.py")
    assert report.exit_code == 2
    assert report.not_auditable == (f"it fails: ZeroDivisionError: division by zero ({tmp_path / 'fails.py'}, line 2)",)


# -- the command --------------------------------------------------------------------------------


@pytest.fixture
def command(home, bundle, store, monkeypatch):
    """Run the command with its runs made in this process."""
    monkeypatch.setattr(audit_module, "spawn", record)
    span = ["--bundle", bundle, "--start", "2017-06-01", "--end", "2017-07-14", "--store", store, "--jobs", "1"]
    return lambda *arguments: home.run("audit", *arguments, *span)


def test_exit_status_tells_the_verdict(command):
    clean = command(STRATEGIES / "clean_momentum.py", "--cut", "2017-06-20")
    leak = command(STRATEGIES / "leak_tomorrow.py", "--cuts", "1")
    not_auditable = command(STRATEGIES / "foreign_network.py", "--cuts", "1")
    assert [result.exit_code for result in (clean, leak, not_auditable)] == [0, 1, 2]
    assert "prices replaced from 2017-06-20 on" in clean.stdout
    assert "LEAK: at the close of 2017-06-30, order of BBB: shares " in leak.stdout
    assert "with other prices from 2017-07-03 on: shares " in leak.stdout
    assert "NOT AUDITABLE: uses the network" in not_auditable.stdout


@pytest.mark.parametrize(
    ("arguments", "output"),
    [
        (["no_such_strategy"], "no strategy 'no_such_strategy'"),
        ([STRATEGIES / "clean_momentum.py", "--cut", "2017-06-18"], "2017-06-18 is no session after the first"),
        (["vol_target", "-x", "target"], "-x target: write it as NAME=VALUE"),
        (["vol_target", "-x", "volplugin.speed=3"], "no parameter 'speed'"),
    ],
)
def test_what_could_not_be_audited_is_no_leak(command, arguments, output):
    result = command(*arguments)
    assert result.exit_code == 2
    assert output in result.output


def test_no_copy_is_left_behind(command, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    command(STRATEGIES / "leak_tomorrow.py", "--cuts", "1")
    assert list(tmp_path.iterdir()) == []


def test_a_process_of_its_own_records_the_same(bundle, store):
    file = STRATEGIES / "clean_path.py"
    parameters = {"store": str(store)}
    with scrambled_root([bundle], os.environ, None, 0) as root:
        job = Job(str(file), bundle, "2017-05-30", "2017-06-05", root, parameters=parameters)
        here = record(job)
        assert spawn(job) == here
    assert len(here.decisions) > 6
    assert here.foreign == {}


def test_a_run_ends_with_the_process_that_started_it(bundle, tmp_path):
    strategy = tmp_path / "waits.py"
    strategy.write_text(
        "import os, time\n\ndef initialize(context):\n"
        "    open('number', 'w').write(str(os.getpid()))\n    time.sleep(600)\n"
    )
    with scrambled_root([bundle], os.environ, None, 0) as root:
        job = Job(str(strategy), bundle, "2017-06-01", "2017-06-02", root)
        code = f"from volplugin.adapters.zipline.audit.run import Job, spawn\nspawn({job!r})\n"
        with subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"TMPDIR": str(tmp_path)}) as parent:
            number = Path(root, "work", "number")
            wait_for(lambda: number.exists() and number.read_text())
            child = int(number.read_text())
            parent.kill()
        wait_for(lambda: not is_running(child))


def test_the_next_audit_removes_the_folders_of_a_killed_one(command, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", "pass"]) as ended:
        pass
    (tmp_path / f"{PREFIX}-root-{owner().rpartition('-')[0]}-{ended.pid}-abcd").mkdir()
    command(STRATEGIES / "leak_tomorrow.py", "--cuts", "1")
    assert list(tmp_path.iterdir()) == []


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.slow
@pytest.mark.parametrize("name", gallery())
def test_every_strategy_of_the_gallery_passes_in_processes(bundle, store, name):
    wanted = Audit(name, bundle, START, END, parameters={"store": str(store)}, jobs=2)
    report = audit_strategy(wanted, log=lambda what: None)
    assert audit_text(report).endswith("clean: no decision used a price of its future")


# -- clean strategies ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["clean_momentum", "clean_pipeline", "clean_path", "clean_factor"])
def test_clean_strategies_pass(audited, name):
    report = audited(name)
    assert audit_text(report).endswith("clean: no decision used a price of its future")
    assert report.exit_code == 0
    assert report.orders > 3


def test_what_a_backtest_kept_before_is_left_aside(audited, bundle, store, home):
    run_backtest("vol_target", bundle, START, END, parameters={"store": str(store), "frequency": "weekly"})
    assert any(Path(zipline_path(["volplugin", "forecasts"])).iterdir())
    report = audited(Path("vol_target"), parameters={"frequency": "weekly"})
    assert audit_text(report).endswith("clean: no decision used a price of its future")


def test_the_gallery_passes(audited):
    report = audited(Path("vol_target"), parameters={"frequency": "weekly"})
    assert audit_text(report).endswith("clean: no decision used a price of its future")
    assert report.orders > 15
