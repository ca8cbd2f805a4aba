"""A folder of one's own, the small market ingested by command, and a store that a tiny network has claimed."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import zipline_market
from volplugin import LSTMVolatility, ModelStore, RefitSchedule, WalkForward
from volplugin.cli import main

BUNDLE = "market-by-command"


class Home:
    """A user's folder, and the program run in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = folder / "models"

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, [str(argument) for argument in arguments])

    def fails(self, *arguments: str) -> str:
        """Run, and return the one line of an error that is no traceback."""
        result = self.run(*arguments)
        assert result.exit_code == 1, result.output
        assert isinstance(result.exception, SystemExit)
        return result.stderr.splitlines()[-1]


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory, isolated_environment: Path) -> Home:
    made = Home(tmp_path_factory.mktemp("home"))
    zipline_market.write_csv(made.folder / "prices", zipline_market.market())
    result = made.run("ingest", BUNDLE, "--csv", str(made.folder / "prices"))
    assert result.exit_code == 0, result.output
    tiny = LSTMVolatility(units=(4,), window=10, seeds=(0,), steps=5)
    walk_forward = WalkForward(tiny, schedule=RefitSchedule("quarterly"), store=ModelStore(made.store))
    ModelStore(made.store).configure(walk_forward.configuration)
    return made
