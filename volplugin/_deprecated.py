"""Former names of modules and classes, which work for one more release with a `DeprecationWarning`."""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

MODULES = {
    "volplugin.allocation": "volplugin.portfolio.allocation",
    "volplugin.archive": "volplugin.storage.forecast_cache",
    "volplugin.calibration": "volplugin.risk.adjustments",
    "volplugin.cluster": "volplugin.parallel",
    "volplugin.covariance": "volplugin.risk.covariance",
    "volplugin.daily": "volplugin.workflows",
    "volplugin.defaults": "volplugin.risk.defaults",
    "volplugin.diversification": "volplugin.risk.diversification",
    "volplugin.files": "volplugin.storage.atomic",
    "volplugin.panel": "volplugin.data.panel",
    "volplugin.pretrained": "volplugin.volatility.pretrained",
    "volplugin.report.evaluation_files": "volplugin.report.evaluation",
    "volplugin.report.evaluation_text": "volplugin.report.evaluation",
    "volplugin.report.html": "volplugin.report.backtest_page",
    "volplugin.report.theme": "volplugin.report.axes",
    "volplugin.report.today_page": "volplugin.report.today",
    "volplugin.research": "volplugin.risk.history",
    "volplugin.risk_model": "volplugin.risk.model",
    "volplugin.simulated": "volplugin.data.simulated",
    "volplugin.store": "volplugin.storage",
    "volplugin.targeting": "volplugin.portfolio",
    "volplugin.walkforward": "volplugin.volatility.walk_forward",
}
"""Former module names and where their contents are now."""

NAMES = {
    "Calibration": "CovarianceAdjustment",
    "EqualWeightBooks": "EqualWeightPortfolios",
    "ForecastArchive": "ForecastCache",
    "RegimeMultiplier": "VolatilityRegimeAdjustment",
    "VolatilityJudgement": "VolatilityEvaluation",
    "book_returns": "portfolio_returns",
    "book_scorecard": "compare_portfolio_forecasts",
    "book_today": "portfolio_today",
    "equal_weight_books": "equal_weight_portfolios",
    "judge_covariances": "evaluate_covariance_forecasts",
    "judge_forecasts": "evaluate_volatility_forecasts",
    "load_walk": "load_walk_forward",
    "standing_bias": "horizon_scores",
    "verdict_table": "calibration_table",
}
"""Former class and function names and the current ones."""


class _FormerModules(MetaPathFinder, Loader):
    """Finds modules by their former names, and reads their attributes from the current ones."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return a spec for a former module name, else None."""
        return ModuleSpec(fullname, self) if fullname in MODULES else None

    def exec_module(self, module: ModuleType) -> None:
        """Fill a module of a former name with the attributes of the current one, and warn."""
        current = MODULES[module.__name__]
        _warn(module.__name__, current)
        contents = importlib.import_module(current)
        module.__doc__ = contents.__doc__
        module.__dict__["__getattr__"] = lambda name: getattr(contents, NAMES.get(str(name), str(name)))


def install_module_aliases() -> None:
    """Make the former module names importable, once per process."""
    if not any(isinstance(finder, _FormerModules) for finder in sys.meta_path):
        sys.meta_path.append(_FormerModules())


def current_name(name: str) -> str:
    """Return the current name of a public class or function, with a warning if it was renamed."""
    if name in NAMES:
        _warn(f"volplugin.{name}", NAMES[name])
        return NAMES[name]
    return name


def former_names(module: str) -> Callable[[str], Any]:
    """Return a module-level ``__getattr__`` (PEP 562) that reads former names as the current ones.

    Parameters
    ----------
    module : str
        The module's ``__name__``.
    """

    def __getattr__(name: str) -> Any:
        current = NAMES.get(name)
        if current is None or current not in vars(sys.modules[module]):
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        _warn(f"{module}.{name}", f"{module}.{current}")
        return vars(sys.modules[module])[current]

    return __getattr__


def former_method(name: str, current: str) -> Callable[..., Any]:
    """Return a method that calls the current one, with a warning that names it."""

    def method(self: Any, *arguments: Any, **settings: Any) -> Any:
        _warn(f"{name}()", f"{current}()")
        return getattr(self, current)(*arguments, **settings)

    method.__name__, method.__doc__ = name, f"Call `{current}` (former name)."
    return method


def _warn(former: str, current: str) -> None:
    warnings.warn(f"{former} was renamed; use {current}", DeprecationWarning, stacklevel=3)
