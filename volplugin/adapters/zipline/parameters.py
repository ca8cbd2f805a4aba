"""Strategy parameters: ``zipline -x volplugin.target=0.1 run``, or options of ``volplugin backtest`` and ``audit``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any, Self, TypeVar

import zipline
from zipline.extensions import Namespace

from volplugin.adapters.targeting import FREQUENCIES
from volplugin.errors import ParameterError

UNREAD = "bundle"
"""Parameter that the run sets by itself, and that a strategy need not read."""

READ = "volplugin_read"
"""Attribute of ``zipline.extension_args`` with the names that the running strategy has read: it survives a reload of
this module."""


@dataclass(frozen=True)
class StrategyParameters:
    """Parameters of a strategy that are set from outside.

    `read_parameters` returns them. Subclasses add a strategy's own parameters, each with a default.

    Parameters
    ----------
    target : float, default 0.10
        *Annual* volatility to hold, in decimals.
    frequency : {"daily", "weekly", "monthly"}, default "monthly"
        How often to rebalance.
    bundle : str, default "dow30"
        The bundle of the run, whose raw bars the risk model reads.
    store : str, default "pretrained"
        Folder of vintages trained on your own prices, or the pretrained ones.
    max_leverage : float, default 1.5
        Largest sum of absolute weights. zipline charges nothing for borrowing.
    band : float, default 0.10
        No-trade band around the wanted leverage, as a fraction of it; 0 for none.
    correlation : str, default "default"
        The recommended correlation estimator, or one of `volplugin.risk.defaults.CORRELATIONS`.
    anchor : str, default ""
        "vix", or a CSV file of an implied-volatility index, for an `ImpliedVolatilityAnchor`; none by default.
    market : str, default ""
        Reference universe of the market-wide inputs: symbols joined by commas, or the name of other prices.

    Raises
    ------
    ParameterError
        If a parameter is outside its domain.
    """

    target: float = 0.10
    frequency: str = "monthly"
    bundle: str = "dow30"
    store: str = "pretrained"
    max_leverage: float = 1.5
    band: float = 0.10
    correlation: str = "default"
    anchor: str = ""
    market: str = ""

    def __post_init__(self) -> None:
        self._check_choice("frequency", FREQUENCIES)
        if vars(self)["correlation"] != "default":
            from volplugin.risk.defaults import CORRELATIONS

            self._check_choice("correlation", ("default", *CORRELATIONS))

    def __getattribute__(self, name: str) -> Any:
        """Return an attribute, and record that the strategy has read this parameter."""
        value = object.__getattribute__(self, name)
        if not name.startswith("_"):
            _names_read().add(name)
        return value

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> Self:
        """Build from values that may be strings, as from a command line.

        Raises
        ------
        ParameterError
            For an unknown name, or a value that is not of the parameter's type.
        """
        known = {field.name: type(field.default) for field in fields(cls)}
        for name in given:
            if name not in known:
                raise ParameterError(f"no parameter {name!r}; there are {', '.join(known)}")
        return cls(**{name: _convert(name, known[name], value) for name, value in given.items()})

    def _check_choice(self, name: str, choices: Any) -> None:
        value = vars(self)[name]
        if value not in choices:
            raise ParameterError(f"{name} is {value!r}; pass one of {', '.join(choices)}")


Kind = TypeVar("Kind", bound=StrategyParameters)


def read_parameters(kind: type[Kind] = StrategyParameters) -> Kind:  # type: ignore[assignment]
    """Return the parameters of this run, from any hook of a strategy.

    They come from ``zipline -x volplugin.NAME=VALUE run``, from the options and ``-x NAME=VALUE`` of
    ``volplugin backtest``, or from ``run_backtest(parameters=...)``. The last two end with an error if ``initialize``
    does not read a parameter that was given.

    Parameters
    ----------
    kind : type, default StrategyParameters
        `StrategyParameters`, or a frozen dataclass that adds a strategy's own parameters to it.

    Returns
    -------
    StrategyParameters
        Of that kind.

    Raises
    ------
    ParameterError
        For an unknown name or a bad value.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> from volplugin.adapters.zipline import StrategyParameters, read_parameters
    >>> @dataclass(frozen=True)
    ... class Momentum(StrategyParameters):
    ...     months: int = 12
    >>> read_parameters(Momentum).months
    12
    """
    return kind.parse(vars(getattr(zipline.extension_args, "volplugin", Namespace())))


@contextmanager
def parameters_set(values: Mapping[str, Any]) -> Iterator[StrategyParameters]:
    """Make `read_parameters` return these values inside the block.

    Names that `StrategyParameters` lacks may be a strategy's own: `read_parameters` refuses the unknown ones.

    Raises
    ------
    ParameterError
        For a bad value, before anything is set.
    """
    shared = {field.name for field in fields(StrategyParameters)}
    parsed = StrategyParameters.parse({name: value for name, value in values.items() if name in shared})
    before = getattr(zipline.extension_args, "volplugin", None)
    namespace = Namespace()
    for name, value in values.items():
        setattr(namespace, name, value)
    zipline.extension_args.volplugin = namespace
    _names_read().clear()
    try:
        yield parsed
    finally:
        if before is None:
            del zipline.extension_args.volplugin
        else:
            zipline.extension_args.volplugin = before


def check_all_read(values: Mapping[str, Any], strategy: str) -> None:
    """Raise if the strategy that just ran ``initialize`` has not read one of the values given.

    Raises
    ------
    ParameterError
        Naming the parameters.
    """
    unread = [name for name in values if name not in _names_read() and name != UNREAD]
    if unread:
        options = ", ".join(f"{name}={values[name]}" for name in unread)
        raise ParameterError(
            f"{strategy} does not read {options}: leave it out, or use read_parameters().{unread[0]} in initialize"
        )


def _names_read() -> set[str]:
    names: set[str] = vars(zipline.extension_args).setdefault(READ, set())
    return names


def _convert(name: str, kind: type, value: Any) -> Any:
    if kind is str:
        return str(value)
    try:
        return kind(value)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"{name} is {value!r}; pass a number") from error
