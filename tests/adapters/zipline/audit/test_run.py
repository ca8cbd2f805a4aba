"""One run of a strategy, in this process, and the start of runs in processes of their own."""

import json
import os
import sys
import tempfile
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from volplugin.adapters.zipline.audit.copies import PREFIX, scrambled_root
from volplugin.adapters.zipline.audit.decisions import CLOSE, MORNING
from volplugin.adapters.zipline.audit.run import Job, Record, end_runs, main, read_record, record, spawn
from volplugin.storage.atomic import owner

STRATEGY = """
from dataclasses import dataclass
from pathlib import Path
import os, tempfile
from zipline.api import order, record, symbol


@dataclass
class Signal:
    value: int


def initialize(context):
    context.signal = None
    Path("mine.txt").write_text(tempfile.gettempdir())
    assert os.getcwd() == tempfile.gettempdir() == os.environ["TMPDIR"]


def before_trading_start(context, data):
    context.signal = Signal(data.current_session.day)


def handle_data(context, data):
    if not FAILS:
        order(symbol("AAA"), 2)
        record(sigma=0.5)
    else:
        raise KeyError("AAA")
"""


@pytest.fixture
def job(small, tmp_path):
    with scrambled_root([small], os.environ, None, 0) as root:
        strategy = tmp_path / "mine.py"
        strategy.write_text(STRATEGY.replace("FAILS", "False"))
        yield Job(str(strategy), small, "2017-06-01", "2017-06-05", root, watched=("2017-06-02",))


def test_a_run_is_recorded(job, small, tmp_path, monkeypatch):
    before = os.getcwd(), tempfile.tempdir, os.environ.get("TMPDIR"), os.environ["ZIPLINE_ROOT"]
    made = record(job)
    assert (made.error, made.mornings, made.bundles, made.foreign, made.loads) == (None, True, [small], {}, [])
    kinds = [(one.session, one.hook, one.kind, one.name) for one in made.decisions]
    assert kinds[:4] == [
        ("2017-06-01", CLOSE, "order", "AAA"),
        ("2017-06-01", CLOSE, "recorded value", "sigma"),
        ("2017-06-01", CLOSE, "portfolio value", ""),
        ("2017-06-02", MORNING, "kept value", "context.signal"),
    ]
    assert ("2017-06-02", CLOSE, "fill", "AAA") in kinds
    assert [one.value for one in made.decisions if one.kind == "order"] == [{"shares": 2}] * 3
    assert Path(job.root, "work", "mine.txt").read_text() == str(Path(job.root, "work"))
    assert before == (os.getcwd(), tempfile.tempdir, os.environ.get("TMPDIR"), os.environ["ZIPLINE_ROOT"])
    # The same by way of files, as a process of its own does it; it ends once it has another parent.
    ended, parents, threads = [], [7], set(threading.enumerate())
    monkeypatch.setattr(os, "_exit", ended.append)
    monkeypatch.setattr(os, "getppid", lambda: parents[-1])
    (tmp_path / "job.json").write_text(json.dumps(asdict(job)))
    main(str(tmp_path / "job.json"), str(tmp_path / "record.json"), "7")
    assert read_record((tmp_path / "record.json").read_text()) == made
    (watching,) = set(threading.enumerate()) - threads
    assert watching.daemon
    assert ended == []
    parents.append(1)
    watching.join(timeout=10)
    assert ended == [1]


def test_a_strategy_may_be_a_module_and_read_itself(job, tmp_path, monkeypatch):
    (tmp_path / "package_of_mine").mkdir()
    (tmp_path / "package_of_mine" / "mine.py").write_text("def initialize(context):\n    open(__file__).close()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    made = record(replace(job, strategy="package_of_mine.mine", stop="2017-06-01"))
    assert (made.error, made.foreign, made.decisions) == (None, {}, [])


def test_a_run_that_fails_names_the_line(job):
    strategy = Path(job.strategy)
    strategy.write_text(STRATEGY.replace("FAILS", "True"))
    line = 1 + [text.strip() for text in strategy.read_text().splitlines()].index('raise KeyError("AAA")')
    where = f"{strategy}, line {line}"
    assert record(job).error == {"type": "KeyError", "message": "'AAA'", "session": "2017-06-01", "line": where}
    strategy.write_text("def initialize(context):\n    raise SystemExit(3)\n")
    where = f"{strategy}, line 2"
    assert record(job).error == {"type": "SystemExit", "message": "3", "session": "", "line": where}
    strategy.unlink()
    assert record(job).error["line"] == ""


# -- processes -----------------------------------------------------------------------------------

JOB = Job("mine.py", "dow30", "2017-06-01", "2017-06-05", "/root-of-the-run", parameters={"n": 1})


@pytest.fixture
def python(tmp_path, monkeypatch):
    """Let a shell script stand in for Python: it is called with ``-m``, the module, the files and this process."""

    def standing_in(*lines):
        script = tmp_path / "python"
        script.write_text("#!/bin/sh\n" + "\n".join(lines) + "\n")
        script.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(script))

    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    return standing_in


def test_a_process_gets_the_job_and_leaves_its_record(python, tmp_path):
    made = json.dumps(asdict(Record(bundles=["dow30"], future=["a model"])))
    names = "$ZIPLINE_ROOT $PYTHONHASHSEED $OMP_NUM_THREADS $MPLCONFIGDIR"
    python(
        f"echo $1 $2 $5 {names} > {tmp_path}/called; cp $3 {tmp_path}/job; dirname $3 > {tmp_path}/folder",
        f"echo '{made}' > $4; echo shown; echo warned >&2; sleep 60 & echo $! > {tmp_path}/child",
    )
    assert spawn(JOB) == Record(bundles=["dow30"], future=["a model"])
    root = JOB.root
    module = "volplugin.adapters.zipline.audit.run"
    assert (tmp_path / "called").read_text().split() == ["-m", module, str(os.getpid()), root, "0", "1", root]
    assert json.loads((tmp_path / "job").read_text()) == json.loads(json.dumps(asdict(JOB)))
    assert f"{PREFIX}-run-{owner()}-" in (tmp_path / "folder").read_text()
    assert list((tmp_path / "tmp").iterdir()) == []
    child = int((tmp_path / "child").read_text())
    assert ended(child)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["echo one >&2; echo two >&2; exit 3"], "two"),
        (["exit 3"], "exit status 3"),
        (["true"], "exit status 0"),
        (["echo '{}' > $4; exit 1"], "exit status 1"),
    ],
)
def test_a_process_that_ends_without_a_record(python, lines, message):
    python(*lines)
    assert spawn(JOB).error == {"type": "ProcessEnded", "message": message, "session": "", "line": ""}


def test_all_runs_can_be_ended(python, tmp_path):
    python(f"echo $$ > {tmp_path}/number.new; mv {tmp_path}/number.new {tmp_path}/number; exec sleep 60")
    found = []
    thread = threading.Thread(target=lambda: found.append(spawn(JOB)))
    thread.start()
    while not (tmp_path / "number").exists():
        time.sleep(0.01)
    while thread.is_alive():
        end_runs()
        thread.join(0.05)
    assert found[0].error["message"] == "exit status -9"
    end_runs()


def ended(process: int) -> bool:
    """Wait at most ten seconds for the end of a process."""
    for _ in range(1000):
        try:
            if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.01)
    return False
