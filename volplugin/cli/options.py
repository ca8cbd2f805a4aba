"""What commands share: options, dates, and telling of progress."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pandas as pd

from volplugin.errors import ParameterError

if TYPE_CHECKING:
    from volplugin.data.panel import PricePanel

DEMO_START, DEMO_END = "2010-01-04", "2021-04-20"


class Session(click.ParamType):
    """A date without a timezone."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> pd.Timestamp:
        """Parse a date such as 2010-01-04."""
        try:
            moment = pd.Timestamp(value)
        except ValueError:
            self.fail(f"{value!r} is not a date; write it as 2010-01-04", param, ctx)
        if moment is pd.NaT or moment.tz is not None:
            self.fail(f"{value!r} is not a date without a timezone; write it as 2010-01-04", param, ctx)
        return moment


DATE = Session()

bundle_option = click.option("--bundle", default="dow30", show_default=True, help="An ingested zipline bundle.")
store_option = click.option(
    "--store",
    default="models",
    show_default=True,
    type=click.Path(file_okay=False),
    help="Folder of trained models.",
)
vintages_option = click.option(
    "--store",
    default="pretrained",
    show_default=True,
    type=click.Path(file_okay=False),
    help="Folder of models trained on your prices (volplugin train), or the pretrained ones.",
)
weights_option = click.option(
    "--weights",
    type=click.Path(dir_okay=False),
    help="CSV file with columns symbol, weight.  [default: equal]",
)
jobs_option = click.option(
    "--jobs", default=2, show_default=True, type=click.IntRange(min=1), help="Processes to work with."
)
backend_option = click.option(
    "--backend",
    type=click.Choice(["loky", "dask"]),
    default="loky",
    show_default=True,
    help="Where to work: in processes of this machine, or on a dask cluster, which decides on its own how many.",
)
address_option = click.option("--address", help="Scheduler of the dask cluster, such as tcp://10.0.0.1:8786.")
start_option = click.option("--start", type=DATE, default=DEMO_START, show_default=True, help="First session.")
end_option = click.option("--end", type=DATE, default=None, help="Last session.  [default: the bundle's last]")


def working(backend: str, address: str | None, *shared: Any) -> AbstractContextManager[Any]:
    """Return what sends the parallel work of a block where the options say; `shared` is what every task takes."""
    if (backend == "dask") != (address is not None):
        raise ParameterError("--backend dask and --address tcp://HOST:PORT come together; give both, or neither")
    if address is None:
        return nullcontext()
    from volplugin.parallel import on_cluster

    return on_cluster(address, *shared)


def end_of(bundle: str, start: pd.Timestamp, end: pd.Timestamp | None) -> pd.Timestamp:
    """Return the end of a range that the bundle holds, its last session by default."""
    from volplugin.adapters.zipline.bundles import bundle_sessions, check_range

    last = pd.Timestamp(bundle_sessions(bundle)[-1]) if end is None else end
    if last < start:
        raise ParameterError(f"--end {last.date()} is before --start {start.date()}")
    check_range(bundle, start, last)
    return last


def horizons_of(text: str) -> list[int]:
    """Parse whole numbers such as 1,5,21."""
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ParameterError(f"--horizons is {text!r}; write whole numbers such as 1,5,21") from None


def read_prices(name: str) -> PricePanel:
    """Read a file, a folder of CSV files, or an ingested bundle."""
    from volplugin.adapters.zipline.bundles import read_bundle
    from volplugin.data.panel import PricePanel

    if Path(name).suffix in (".parquet", ".pq"):
        return PricePanel.from_parquet(name)
    return PricePanel.from_csv(name) if Path(name).exists() else read_bundle(name)
