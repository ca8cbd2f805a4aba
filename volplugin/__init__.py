"""Volatility forecasts, correlation and forecast covariance for zipline strategies.

Units: a volatility is a daily standard deviation in decimals; only ``annualize`` and an explicit
``periods=`` change that. Timing: ``asof`` is the last completed session used; a forecast covers the
``horizon`` sessions after it.

The public names are listed in ``__init__.pyi`` and load on first use (SPEC 1), so importing the package loads
neither torch nor zipline.
"""

import logging

import lazy_loader

from volplugin import _deprecated

logging.getLogger(__name__).addHandler(logging.NullHandler())

_load, _dir, __all__ = lazy_loader.attach_stub(__name__, __file__)
_deprecated.install_module_aliases()


def __getattr__(name: str) -> object:
    """Load a public name on first use (PEP 562)."""
    if name == "__version__":
        from importlib.metadata import version

        return version(__name__)
    return _load(_deprecated.current_name(name))


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted([*__all__, "__version__"])
