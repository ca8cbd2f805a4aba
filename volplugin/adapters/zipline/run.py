"""Run a strategy: a file, a gallery name, a module or functions."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import math
import os
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pandas as pd
from exchange_calendars import ExchangeCalendar
from tqdm.auto import tqdm
from zipline import run_algorithm
from zipline.data import bundles
from zipline.finance import metrics

import volplugin._gallery
from volplugin.adapters.zipline.bundles import Date, Environ, bundle_sessions, check_range, ensure_registered
from volplugin.adapters.zipline.metrics import AT_REBALANCE, register_metrics
from volplugin.adapters.zipline.metrics import NAME as METRICS
from volplugin.adapters.zipline.parameters import check_all_read, parameters_set
from volplugin.adapters.zipline.provider import provider_of
from volplugin.adapters.zipline.sessions import run_calendar
from volplugin.data.checks import as_day
from volplugin.errors import MissingLibraryError, ParameterError, VolpluginError
from volplugin.units import as_number

if TYPE_CHECKING:
    from volplugin.risk.model import RiskModel

Hook = Callable[..., Any]
Strategy = str | Path | ModuleType | Mapping[str, Hook]

LOG = logging.getLogger(__name__)

HOOKS = ("initialize", "handle_data", "before_trading_start", "analyze")
GALLERY = volplugin._gallery.__name__


@dataclass
class StrategyRun:
    """Results of a run.

    Attributes
    ----------
    perf : DataFrame
        zipline's perf, one row per session.
    report : dict
        Scorecard of the run; empty if the run is too short.
    rule : dict
        Finite parameters of the strategy's `VolatilityTarget`; empty without one.
    model : RiskModel, optional
        Model of the strategy's first provider.
    """

    perf: pd.DataFrame = field(default_factory=pd.DataFrame)
    report: dict[str, Any] = field(default_factory=dict)
    rule: dict[str, Any] = field(default_factory=dict)
    model: RiskModel | None = None

    def read(self, context: Any) -> None:
        """Store what only ``context`` has at the end of the run."""
        provider, rule = provider_of(context), vars(context).get("target")
        from volplugin.evaluation.portfolio import Scorecard

        self.report = Scorecard(context.risk_report or {})
        self.model = None if provider is None else provider.model
        # By name: in a notebook the class may have been loaded anew since the strategy made its own.
        if rule is not None and type(rule).__name__ == "VolatilityTarget":
            self.rule = {name: value for name, value in asdict(rule).items() if _is_limit(value)}


def run_backtest(
    strategy: Strategy | None = None,
    bundle: str = "dow30",
    start: Date | None = None,
    end: Date | None = None,
    capital: float = 1e6,
    parameters: Mapping[str, Any] | None = None,
    environ: Environ | None = None,
    **functions: Hook,
) -> pd.DataFrame:
    """Run a strategy in zipline's daily mode, with the metrics set ``volplugin`` and no benchmark.

    Parameters
    ----------
    strategy : str, Path or module, optional
        A Python file, a gallery name (``vol_target``), or a module or its dotted name. Leave it out to pass functions.
    bundle : str, default "dow30"
        An ingested bundle; the run follows its calendar.
    start, end : str or Timestamp, optional
        First and last session, timezone-naive, within the bundle; the bundle's own by default.
    capital : float, default 1e6
        Starting capital.
    parameters : mapping, optional
        Parameters for `read_parameters`; the bundle is added.
    environ : mapping, optional
        Whose ``ZIPLINE_ROOT`` to use; the process's own by default.
    **functions : callable
        The strategy's ``initialize`` and, optionally, ``handle_data``, ``before_trading_start`` and ``analyze``.

    Returns
    -------
    DataFrame
        zipline's perf, one row per session. ``perf.attrs["risk_report"]`` holds the scorecard, empty if the run is
        too short, and ``perf.attrs["risk_model"]`` names the model of the strategy's first provider, None without one.

    Raises
    ------
    ParameterError
        If the strategy cannot be loaded, or a parameter is unknown, outside its domain or not read by ``initialize``.
    BundleNotFoundError, BundleRangeError
        If the bundle is not there, or does not hold all the sessions.
    """
    run = run_strategy(_given(strategy, functions), bundle, start, end, capital, parameters, environ)
    run.perf.attrs["risk_model"] = None if run.model is None else run.model.description
    run.perf.attrs["risk_report"] = run.report
    return run.perf


def run_strategy(
    strategy: Strategy,
    bundle: str,
    start: Date | None,
    end: Date | None,
    capital: float = 1e6,
    parameters: Mapping[str, Any] | None = None,
    environ: Environ | None = None,
    expected: int = 0,
) -> StrategyRun:
    """Run a strategy as `run_backtest` does, and return its model and rule too.

    On a terminal, a progress bar counts up to the number of sessions `expected`, if given.
    """
    if not 0 < as_number(capital) < float("inf"):
        raise ParameterError(f"capital is {capital}; pass a finite amount above zero")
    for name in (METRICS, AT_REBALANCE):  # a module loaded before this one may have registered its own classes
        metrics.metrics_sets.get(name) and metrics.unregister(name)
    register_metrics()
    hooks, run = load_strategy(strategy), StrategyRun()
    own = hooks.get("analyze")

    def analyze(context: Any, perf: pd.DataFrame) -> None:
        """Read the recorded risk from the context, then run the strategy's own ``analyze``."""
        run.read(context)  # zipline shows the context to `analyze` and drops it
        if own is not None:
            own(context, perf)

    named = strategy_name(strategy)
    with _Bar(desc="backtest", unit="session", total=expected, disable=None if expected else True) as bar:
        counted = {**hooks, "analyze": analyze} if bar.disable else {**_counted(hooks, bar), "analyze": analyze}
        try:
            run.perf = run_hooks(counted, bundle, start, end, capital, parameters, environ, METRICS, strategy=named)
        except OverflowError as error:  # zipline's, for an order of more than 1e11 shares
            raise ParameterError(f"capital is {capital:g}: {error}; use less capital") from error
        except ImportError as error:
            raise _import_error(error, getattr(hooks["initialize"], "__globals__", {}).get("__file__")) from error
    return run


class _Bar(tqdm):
    """A progress bar with a lock of this process alone: a worker ends with its task, and would leave tqdm's behind."""

    _lock = threading.RLock()


def _counted(hooks: Mapping[str, Hook], bar: tqdm) -> dict[str, Hook]:
    """Return hooks that advance a progress bar at each session."""
    own = hooks.get("handle_data")

    def handle_data(context: Any, data: Any) -> None:
        bar.update()
        if own is not None:
            own(context, data)

    return {**hooks, "handle_data": handle_data}


def _check_morning(hooks: Mapping[str, Hook], calendar: ExchangeCalendar, start: pd.Timestamp) -> None:
    """Log a warning if zipline does not call ``before_trading_start``: it is due at 8:45 in New York."""
    session = calendar.date_to_session(start, "next")
    morning = session.tz_localize("America/New_York") + pd.Timedelta(hours=8, minutes=45)
    if "before_trading_start" in hooks and calendar.session_close(session) < morning:
        LOG.warning(
            "zipline calls before_trading_start at 8:45 in New York, after %s closes, and so never: "
            "use handle_data or schedule_function",
            calendar.name,
        )


def run_hooks(
    hooks: Mapping[str, Hook],
    bundle: str,
    start: Date | None,
    end: Date | None,
    capital: float,
    parameters: Mapping[str, Any] | None,
    environ: Environ | None,
    metrics_set: str,
    *,
    strategy: str = "the strategy",
    optional: Collection[str] = (),
) -> pd.DataFrame:
    """Run the hooks of a strategy as `run_backtest` does, with any registered metrics set.

    The strategy need not read the parameters that `optional` names.
    """
    given = {**(parameters or {}), "bundle": bundle}

    def initialize(context: Any) -> None:
        hooks["initialize"](context)
        check_all_read({name: value for name, value in given.items() if name not in optional}, strategy)

    with warnings.catch_warnings(), zipline_root(environ), parameters_set(given):
        # zipline's own use of pandas in its weekly rules.
        warnings.filterwarnings("ignore", "Series.view is deprecated", FutureWarning, r"zipline\.utils\.events")
        ensure_registered(bundle)
        sessions = bundle_sessions(bundle) if start is None or end is None else []
        begin = as_day(sessions[0] if start is None else start)
        last = as_day(sessions[-1] if end is None else end)
        check_range(bundle, begin, last)
        calendar = run_calendar(bundles.bundles[bundle].calendar_name)
        _check_morning(hooks, calendar, begin)
        return run_algorithm(
            start=begin,
            end=last,
            capital_base=capital,
            bundle=bundle,
            metrics_set=metrics_set,
            trading_calendar=calendar,
            **{**hooks, "initialize": initialize},
        )


def strategy_name(strategy: Strategy) -> str:
    """Return the name of a strategy for messages and reports."""
    if isinstance(strategy, Mapping):
        return str(getattr(strategy.get("initialize"), "__name__", "the strategy"))
    return strategy.__name__ if isinstance(strategy, ModuleType) else str(strategy)


def _is_limit(value: Any) -> bool:
    return isinstance(value, float | int) and math.isfinite(value)


def _given(strategy: Strategy | None, functions: Mapping[str, Hook]) -> Strategy:
    unknown = [name for name in functions if name not in HOOKS]
    if unknown:
        raise ParameterError(f"{unknown[0]} is no function of a strategy; pass {', '.join(HOOKS)}")
    if (strategy is None) == (not functions):
        raise ParameterError("pass a strategy (file, gallery name or module) or its functions (initialize=...)")
    return functions if strategy is None else strategy


def load_strategy(strategy: Strategy) -> dict[str, Hook]:
    """Load the hooks of a strategy: ``initialize`` and whichever of the others it defines.

    Parameters
    ----------
    strategy : str, Path, module or mapping of name to function
        A Python file, a gallery name, a module or its dotted name, or the functions.

    Raises
    ------
    ParameterError
        If there is no such file or module, it is not valid Python, or it lacks ``initialize``.
    MissingLibraryError
        If it imports a module that cannot be imported.
    """
    try:
        functions: Mapping[str, Any] = strategy if isinstance(strategy, Mapping) else vars(_module(strategy))
    except ImportError as error:
        raise _import_error(error) from error
    hooks = {name: functions[name] for name in HOOKS if callable(functions.get(name))}
    if "initialize" not in hooks:
        name = strategy_name(strategy)
        raise ParameterError(f"{name}: no function `initialize(context)`; a zipline strategy begins there")
    return hooks


def _import_error(error: ImportError, file: str | None = None) -> ImportError:
    """Return an error that names the line of the strategy, of a file if given, whose import failed."""
    lines = [(line.filename, line.lineno) for line in traceback.extract_tb(error.__traceback__)]
    own = [line for line in lines if line[0] not in (__file__, importlib.__file__) and not line[0].startswith("<")]
    own = [line for line in own if line[0] == (file or own[0][0])]
    if isinstance(error, VolpluginError) or not own:
        return error
    text = f"{own[-1][0]}, line {own[-1][1]}: {error}; install it, or correct the import"
    return MissingLibraryError(text, name=error.name)


def _module(strategy: str | Path | ModuleType) -> ModuleType:
    if isinstance(strategy, ModuleType):
        return strategy
    path = Path(strategy)
    if path.suffix == ".py":
        return _execute(path)
    for name in (f"{GALLERY}.{strategy}", str(strategy)) if str(strategy) else ():
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            # Only the strategy's own absence: a library that it lacks is its error to report.
            if error.name is None or not (name == error.name or name.startswith(f"{error.name}.")):
                raise
    raise ParameterError(
        f"no strategy {str(strategy)!r}: pass a file such as my_strategy.py, a module, "
        f"or one of the gallery: {', '.join(gallery())}"
    )


def gallery() -> list[str]:
    """List the names of the strategies that come with the package."""
    folders = [Path(folder) for folder in volplugin._gallery.__path__]
    return sorted(file.stem for folder in folders for file in folder.glob("*.py") if file.stem != "__init__")


def _execute(path: Path) -> ModuleType:
    """Execute a file as a new module, apart from modules imported already."""
    if not path.is_file():
        hint = f"; the gallery has one: pass {path.stem}" if path.stem in gallery() else ""
        raise ParameterError(f"{path}: no such strategy file{hint}")
    name = f"volplugin_strategy_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ParameterError(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look their module up
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        line = f", line {error.lineno}" if error.lineno else ""
        raise ParameterError(f"{path}{line}: {error.msg}") from error
    except SystemExit as error:
        raise ParameterError(f"{path}: the file calls sys.exit() where it is loaded; remove the call") from error
    return module


@contextmanager
def zipline_root(environ: Environ | None) -> Iterator[None]:
    """Set ``ZIPLINE_ROOT`` for zipline and the strategy inside it."""
    before = os.environ.get("ZIPLINE_ROOT")
    given = before if environ is None else environ.get("ZIPLINE_ROOT")
    try:
        _set_root(given)
        yield
    finally:
        _set_root(before)


def _set_root(root: str | None) -> None:
    if root is None:
        os.environ.pop("ZIPLINE_ROOT", None)
    else:
        os.environ["ZIPLINE_ROOT"] = root
