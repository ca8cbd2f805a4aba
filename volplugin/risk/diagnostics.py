"""Diagnostics of a forecast: an immutable mapping whose values are computed when they are first read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Deferred:
    """A value that is computed when it is first read."""

    find: Callable[[], Any]


class ForecastDiagnostics(Mapping[str, Any]):
    """An immutable mapping whose `Deferred` values are computed when they are first read.

    Copies and pickles contain the computed values.
    """

    def __init__(self, known: Mapping[str, Any]) -> None:
        self._known: dict[str, Any] = dict(known._known if isinstance(known, ForecastDiagnostics) else known)

    def __getitem__(self, name: str) -> Any:
        if isinstance(self._known[name], Deferred):
            self._known[name] = self._known[name].find()
        return self._known[name]

    def __contains__(self, name: object) -> bool:
        return name in self._known

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def __or__(self, other: Mapping[str, Any]) -> dict[str, Any]:
        return dict(self) | dict(other)

    def __repr__(self) -> str:
        return repr(dict(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return ForecastDiagnostics, (dict(self),)
