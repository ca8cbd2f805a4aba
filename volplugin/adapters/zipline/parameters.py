"""Strategy parameters, given alike by ``zipline -x volplugin.target=0.1 run`` and ``volplugin backtest``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any

import zipline
from zipline.extensions import Namespace

from volplugin.errors import ParameterError

FREQUENCIES = ("daily", "weekly", "monthly")
CORRELATIONS = ("default", "rolling")


@dataclass(frozen=True)
class StrategyParameters:
    """What the strategies of the gallery can be told from outside.

    Parameters
    ----------
    target : float, default 0.10
        Annual volatility to hold.
    frequency : {"daily", "weekly", "monthly"}, default "monthly"
        How often to rebalance.
    bundle : str, default "dow30"
        The bundle the run is made on, whose raw bars the risk model reads.
    store : str, default "pretrained"
        Folder of vintages trained on one's own prices, or the pretrained ones.
    max_leverage : float, default 1.5
        Largest sum of absolute weights. zipline charges nothing for borrowing.
    band : float, default 0.0
        No-trade band around the wanted leverage, as a fraction of it.
    correlation : {"default", "rolling"}, default "default"
        The recommended correlation estimator, or the plain rolling one.

    Raises
    ------
    ParameterError
        Naming a parameter outside its domain.
    """

    target: float = 0.10
    frequency: str = "monthly"
    bundle: str = "dow30"
    store: str = "pretrained"
    max_leverage: float = 1.5
    band: float = 0.0
    correlation: str = "default"

    def __post_init__(self) -> None:
        for name, choices in (("frequency", FREQUENCIES), ("correlation", CORRELATIONS)):
            if getattr(self, name) not in choices:
                raise ParameterError(f"{name} is {getattr(self, name)!r}; pass one of {', '.join(choices)}")

    @classmethod
    def parse(cls, given: Mapping[str, Any]) -> StrategyParameters:
        """Build from values that may be strings, as the command line hands them over.

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


def read_parameters() -> StrategyParameters:
    """Parameters of this run: ``-x volplugin.NAME=VALUE`` of zipline, or options of ``volplugin backtest``.

    Raises
    ------
    ParameterError
        For an unknown name or a bad value.
    """
    return StrategyParameters.parse(vars(getattr(zipline.extension_args, "volplugin", Namespace())))


@contextmanager
def parameters_set(values: Mapping[str, Any]) -> Iterator[StrategyParameters]:
    """Let `read_parameters` return these values inside the block.

    Names that `StrategyParameters` lacks may be a strategy's own: whoever reads the parameters refuses those
    that are nobody's.

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
    try:
        yield parsed
    finally:
        if before is None:
            del zipline.extension_args.volplugin
        else:
            zipline.extension_args.volplugin = before


def _convert(name: str, kind: type, value: Any) -> Any:
    if kind is str:
        return str(value)
    try:
        return kind(value)
    except (TypeError, ValueError) as error:
        raise ParameterError(f"{name} is {value!r}; pass a number") from error
