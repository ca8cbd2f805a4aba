"""The wheel works by itself: installed into an empty environment, used from an empty folder."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

CHECKOUT = Path(__file__).resolve().parent.parent
PACKAGE_FOLDERS = {
    "volplugin": "volplugin",
    "bundles": "volplugin/_bundles",
    "strategies": "volplugin/_gallery",
}
BUILD_INPUTS = ["pyproject.toml", "setup.py", "README.md", "LICENSE"]


def run(*command: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    """Run a command, show all it printed if it fails, and return its standard output."""
    finished = subprocess.run([str(part) for part in command], cwd=cwd, env=env, capture_output=True, text=True)
    assert finished.returncode == 0, f"{command} failed:\n{finished.stdout}\n{finished.stderr}"
    return finished.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Build the wheel from a copy, so that no earlier build can lend it a file."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in BUILD_INPUTS:
        shutil.copy(CHECKOUT / name, copy)
    for folder in PACKAGE_FOLDERS:
        shutil.copytree(CHECKOUT / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", ".", cwd=copy)
    return next((copy / "dist").glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """Install the wheel into a new environment and return the environment's folder of programs."""
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "venv", cwd=folder)
    same_torch = folder / "same-torch.txt"  # the build in use, "+cpu" included
    same_torch.write_text(f"torch=={version('torch')}\n", encoding="utf-8")
    constraints = ["-c", CHECKOUT / "constraints.txt", "-c", same_torch]
    run(folder / "venv/bin/python", "-m", "pip", "install", "--quiet", *constraints, wheel, cwd=folder)
    return folder / "venv/bin"


@pytest.fixture(scope="module")
def user(tmp_path_factory) -> tuple[Path, dict[str, str]]:
    """Return an empty working folder and an environment that knows neither the checkout nor a home."""
    folder, home = tmp_path_factory.mktemp("work"), tmp_path_factory.mktemp("home")
    hidden = {"PYTHONPATH", "MPLBACKEND", "VIRTUAL_ENV"}
    env = {name: value for name, value in os.environ.items() if name not in hidden}
    return folder, env | {"HOME": str(home), "ZIPLINE_ROOT": str(home / "zipline")}


def test_wheel_holds_every_file_of_the_package(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    expected = {
        f"{inside}/{path.relative_to(CHECKOUT / folder).as_posix()}"
        for folder, inside in PACKAGE_FOLDERS.items()
        for path in (CHECKOUT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert expected <= names
    assert {name.split("/")[0] for name in names} == {
        "volplugin",
        f"volplugin-{version('volplugin')}.dist-info",
    }


def test_no_top_level_module_but_volplugin(installed, user):
    folder, env = user
    names = ("volplugin", "bundles", "strategies")
    code = f"from importlib.util import find_spec; print([find_spec(name) is not None for name in {names}])"
    assert run(installed / "python", "-c", code, cwd=folder, env=env).strip() == "[True, False, False]"


def test_installed_package_is_not_the_checkout(installed, user):
    folder, env = user
    code = "import volplugin._bundles as b, volplugin._gallery as g; print(b.__file__); print(g.__file__)"
    for line in run(installed / "python", "-c", code, cwd=folder, env=env).splitlines():
        assert Path(line).is_relative_to(installed.parent)


def test_ingest_backtest_and_forecast_from_an_empty_folder(installed, user):
    folder, env = user
    volplugin = installed / "volplugin"

    run(volplugin, "ingest", "dow30", cwd=folder, env=env)
    assert list(Path(env["ZIPLINE_ROOT"]).glob("data/dow30/*"))

    period = ["--start", "2010-01-04", "--end", "2010-06-30"]
    options = ["--bundle", "dow30", "--target", "0.10", "--frequency", "monthly", "--out", "out"]
    run(volplugin, "backtest", "vol_target", *period, *options, cwd=folder, env=env)
    for name in ("perf.pkl", "report.html"):
        assert (folder / "out" / name).stat().st_size > 0
    scorecard = json.loads((folder / "out/scorecard.json").read_text(encoding="utf-8"))
    assert scorecard

    printed = run(volplugin, "forecast", "--bundle", "dow30", "--asof", "2010-06-30", cwd=folder, env=env)
    assert "AAPL" in printed
