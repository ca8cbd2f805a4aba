"""Named errors: each message names the asset, the date, the problem and the remedy."""

from __future__ import annotations

from typing import Any, TypeVar

Value = TypeVar("Value")


class VolpluginError(Exception):
    """Base of every error that volplugin raises on purpose."""


class ParameterError(VolpluginError, ValueError):
    """A parameter has a value outside its domain."""


class PanelError(VolpluginError, ValueError):
    """Prices that cannot be used: non-positive, non-finite, high below low, unordered dates."""


class AssetMismatchError(VolpluginError, KeyError):
    """The data, weights or forecast do not have the requested assets."""

    def __str__(self) -> str:
        # KeyError shows the repr of its argument; these messages are sentences.
        return str(self.args[0]) if self.args else ""


class MissingForecastError(AssetMismatchError):
    """An asset with a nonzero weight has no forecast."""


class AllocationError(VolpluginError, ArithmeticError):
    """No portfolio of the requested kind could be found for a forecast covariance."""


class MissingLibraryError(VolpluginError, ImportError):
    """A library that an optional feature takes is not installed."""


class ClusterError(VolpluginError, OSError):
    """A cluster cannot be reached, or cannot be worked with."""


class InsufficientHistoryError(VolpluginError, ValueError):
    """An asset, or the panel, has fewer sessions than a model needs."""


class NotFittedError(VolpluginError, ValueError):
    """A forecaster that requires fitting was used before it was fitted."""


class LookAheadError(VolpluginError, ValueError):
    """A model trained past the forecast's date was used: a model from the future."""


class MissingVintageError(VolpluginError, LookupError):
    """No stored vintage may be used at this date."""


class StoreError(VolpluginError, OSError):
    """A model store cannot be used."""


class StoreConfigurationError(StoreError):
    """The store was written by another configuration, or from other data."""


class StoreCorruptError(StoreError):
    """A stored file is truncated, altered or does not match its manifest."""


class BundleError(VolpluginError, ValueError):
    """A zipline bundle, or the files that one is made from, cannot be used."""


class BundleNotFoundError(BundleError, LookupError):
    """The bundle is not registered, or not ingested."""


class BundleRangeError(BundleError):
    """Dates reach beyond the sessions that the bundle holds."""


class DataFrequencyError(VolpluginError, ValueError):
    """Forecasts were requested in minute mode; they are made of daily bars."""


class ResultFolderError(VolpluginError, OSError):
    """A folder holds no results of a backtest, or damaged ones."""


class ConfigurationError(VolpluginError, ValueError):
    """A configuration file cannot be read, or names what there is not."""


class WeightsError(AssetMismatchError):
    """Weights, of a file or passed, cannot be read as that."""


def require_type(value: Value, kind: Any, name: str) -> Value:
    """Return a value of a type.

    Raises
    ------
    ParameterError
        Naming the parameter, for a value of another type.
    """
    if not isinstance(value, kind):
        raise ParameterError(f"{name} is a {type(value).__name__}; pass a {getattr(kind, '__name__', kind)}")
    return value
