"""Options and dates that commands share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import click
import pandas as pd

from volplugin.data.checks import as_day
from volplugin.errors import PanelError, ParameterError

DEMO_START, DEMO_END = "2010-01-04", "2021-04-20"


class Session(click.ParamType):
    """A date without a timezone."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> pd.Timestamp:
        """Parse a date such as 2010-01-04."""
        try:
            return as_day(value)
        except PanelError:
            self.fail(f"{value!r} is not a date without a timezone or a time; write it as 2010-01-04", param, ctx)


class Number(click.FloatRange):
    """A finite number within a range; Python would read ``1_0`` as ten."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Parse a number without underscores, which is neither infinite nor NaN."""
        if "_" in str(value):
            self.fail(f"{value!r} is not a number", param, ctx)
        number = float(super().convert(value, param, ctx))
        if not math.isfinite(number):
            self.fail(f"{value!r} is no finite number", param, ctx)
        return number


class NamedPath(click.Path):
    """The path of a file or folder; Python would read an empty one as the current folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Refuse an empty path."""
        if not value:
            self.fail("an empty text is no path", param, ctx)
        return super().convert(value, param, ctx)


DATE = Session()


bundle_option = click.option("--bundle", default="dow30", show_default=True, help="An ingested zipline bundle.")
store_option = click.option(
    "--store",
    required=True,
    type=NamedPath(file_okay=False),
    help="Folder of trained models to write, such as models.",
)
vintages_option = click.option(
    "--store",
    default="pretrained",
    show_default=True,
    type=NamedPath(file_okay=False),
    help="Folder of models trained on your prices (volplugin train), or the pretrained ones.",
)
weights_option = click.option(
    "--weights",
    type=NamedPath(dir_okay=False),
    help="CSV file with columns symbol, weight.  [default: equal]",
)
market_option = click.option(
    "--market",
    metavar="SYMBOLS|FILE",
    help="Reference universe of the market-wide inputs: symbols of the prices, such as AAPL,MSFT, or other prices that "
    "do not end before them, as a Parquet or CSV file, a folder of CSV files or a bundle.  [default: the model's, or "
    "the 30 largest; in training all assets]",
)
anchor_option = click.option(
    "--anchor",
    metavar="vix|CSV",
    help="Adjust the risk of the market by implied volatility: vix, or a CSV file with columns date, close.",
)
jobs_option = click.option(
    "--jobs", default=2, show_default=True, type=click.IntRange(min=1), help="Number of processes."
)
backend_option = click.option(
    "--backend",
    type=click.Choice(["loky", "dask"]),
    default="loky",
    show_default=True,
    help="Where to compute: in processes of this machine, or on a dask cluster, with its own number of workers.",
)
address_option = click.option("--address", help="Scheduler of the dask cluster, such as tcp://10.0.0.1:8786.")
start_option = click.option(
    "--start", type=DATE, help=f"First session.  [default: {DEMO_START}, or the bundle's first if that is later]"
)
end_option = click.option("--end", type=DATE, default=None, help="Last session.  [default: the bundle's last]")


def working(backend: str, address: str | None, *shared: Any) -> AbstractContextManager[Any]:
    """Return a context in which parallel work runs where the options say; every task uses `shared`."""
    if (backend == "dask") != (address is not None):
        raise ParameterError("--backend dask and --address tcp://HOST:PORT come together; give both, or neither")
    if address is None:
        return nullcontext()
    from volplugin.parallel import on_cluster

    return on_cluster(address, *shared)


def strategy_parameters(given: tuple[str, ...], options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a strategy that the command line gives: options by name, and ``-x NAME=VALUE``.

    Options at their default are left out: the strategy must read only the options that were given.

    Raises
    ------
    ParameterError
        For ``-x`` without a value, or a parameter that is given twice.
    """
    found = {name: value for name, value in options.items() if value is not None and _is_given(name, value)}
    for text in given:
        # zipline writes "volplugin.target=0.1".
        name, is_pair, value = text.removeprefix("volplugin.").partition("=")
        if not is_pair:
            raise ParameterError(f"-x {text}: write it as NAME=VALUE")
        if name in found:
            raise ParameterError(f"{name} is given twice; give it once, as an option or as -x {name}=VALUE")
        found[name] = value
    return found


def _is_given(name: str, value: Any) -> bool:
    """Whether an option was given; a configuration file also has options at their default."""
    context = click.get_current_context()
    source, kinds = context.get_parameter_source(name), click.core.ParameterSource
    defaults = {param.name: param.default for param in context.command.params}
    return source is not kinds.DEFAULT and not (source is kinds.DEFAULT_MAP and value == defaults[name])


def range_of(bundle: str, start: pd.Timestamp | None, end: pd.Timestamp | None) -> tuple[pd.Timestamp, pd.Timestamp]:
    """Return the ends of a range that the bundle holds, by default from `DEMO_START` or its first session on."""
    from volplugin.adapters.zipline.bundles import bundle_sessions

    first = max(pd.Timestamp(DEMO_START), bundle_sessions(bundle)[0]) if start is None else start
    return first, end_of(bundle, first, end)


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
