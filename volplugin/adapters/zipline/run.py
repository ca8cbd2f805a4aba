"""Running a strategy: a file, a module or one of the gallery."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
from zipline import run_algorithm

import volplugin._gallery
from volplugin.adapters.zipline.bundles import Date, Environ, check_range, ensure_registered
from volplugin.adapters.zipline.metrics import NAME as METRICS
from volplugin.adapters.zipline.metrics import register_metrics
from volplugin.adapters.zipline.parameters import parameters_set
from volplugin.adapters.zipline.provider import provider_of
from volplugin.errors import ParameterError

HOOKS = ("initialize", "handle_data", "before_trading_start", "analyze")
MODEL = "model asked"
GALLERY = volplugin._gallery.__name__


def run_backtest(
    strategy: str | Path,
    bundle: str,
    start: Date,
    end: Date,
    capital: float = 1e6,
    parameters: Mapping[str, Any] | None = None,
    environ: Environ | None = None,
) -> pd.DataFrame:
    """Run a strategy in zipline's daily mode, with the metrics set ``volplugin`` and no benchmark.

    Parameters
    ----------
    strategy : str or Path
        A Python file, a gallery name (``vol_target``) or a dotted module name.
    bundle : str
        An ingested bundle.
    start, end : str or Timestamp
        First and last session, timezone-naive, within the bundle.
    capital : float, default 1e6
        Starting capital.
    parameters : mapping, optional
        Fields of `StrategyParameters`; the bundle is added.
    environ : mapping, optional
        Whose ``ZIPLINE_ROOT`` to use; the process's own by default.

    Returns
    -------
    DataFrame
        zipline's perf, one row a session. ``perf.attrs["risk_report"]`` holds the scorecard, and
        ``perf.attrs["risk_model"]`` names the model of the strategy's first provider, None without one.

    Raises
    ------
    ParameterError
        If the strategy cannot be loaded, or a parameter is unknown or out of its domain.
    BundleNotFoundError, BundleRangeError
        If the bundle is not there, or does not hold all the sessions.
    """
    if not 0 < capital < float("inf"):
        raise ParameterError(f"capital is {capital}; pass a finite amount above zero")
    register_metrics()
    hooks = load_strategy(strategy)
    with _kept_report(hooks) as report:
        perf = run_hooks(hooks, bundle, start, end, capital, parameters, environ, METRICS)
    perf.attrs["risk_model"] = report.pop(MODEL, None)
    perf.attrs["risk_report"] = dict(report)
    return perf


def run_hooks(
    hooks: Mapping[str, Callable[..., Any]],
    bundle: str,
    start: Date,
    end: Date,
    capital: float,
    parameters: Mapping[str, Any] | None,
    environ: Environ | None,
    metrics_set: str,
) -> pd.DataFrame:
    """Run the hooks of a strategy as `run_backtest` does, with any registered metrics set."""
    with (
        warnings.catch_warnings(),
        zipline_root(environ),
        parameters_set({**(parameters or {}), "bundle": bundle}),
    ):
        # zipline's own use of pandas in its weekly rules.
        warnings.filterwarnings("ignore", "Series.view is deprecated", FutureWarning, r"zipline\.utils\.events")
        ensure_registered(bundle)
        check_range(bundle, start, end)
        return run_algorithm(
            start=pd.Timestamp(start),
            end=pd.Timestamp(end),
            capital_base=capital,
            bundle=bundle,
            metrics_set=metrics_set,
            **hooks,
        )


def load_strategy(strategy: str | Path) -> dict[str, Callable[..., Any]]:
    """Load the hooks of a strategy: ``initialize`` and whichever of the others it defines.

    Raises
    ------
    ParameterError
        If there is no such file or module, it is not valid Python, or it lacks ``initialize``.
    """
    module = _module(strategy)
    hooks = {name: getattr(module, name) for name in HOOKS if callable(getattr(module, name, None))}
    if "initialize" not in hooks:
        raise ParameterError(f"{strategy}: no function `initialize(context)`; a zipline strategy begins there")
    return hooks


def _module(strategy: str | Path) -> ModuleType:
    path = Path(strategy)
    if path.suffix == ".py":
        return _execute(path)
    for name in (f"{GALLERY}.{strategy}", str(strategy)):
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
    """Execute a file as a module of its own, apart from what is imported already."""
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
        raise ParameterError(f"{path}, line {error.lineno}: {error.msg}") from error
    return module


@contextmanager
def zipline_root(environ: Environ | None) -> Iterator[None]:
    """Let zipline, and the strategy inside it, see the same ``ZIPLINE_ROOT``."""
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


@contextmanager
def _kept_report(hooks: dict[str, Callable[..., Any]]) -> Iterator[dict[str, Any]]:
    """Catch ``context.risk_report`` and the model that was asked, which zipline shows to ``analyze`` and then drops."""
    report: dict[str, Any] = {}
    own = hooks.get("analyze")

    def analyze(context: Any, perf: pd.DataFrame) -> None:
        report.update(context.risk_report or {})
        provider = provider_of(context)
        report[MODEL] = None if provider is None else provider.model.description
        if own is not None:
            own(context, perf)

    hooks["analyze"] = analyze
    yield report
