"""Facts about a result, of which some are worked out when they are first read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Later:
    """A fact that is worked out when it is first read."""

    find: Callable[[], Any]


class Facts(Mapping[str, Any]):
    """A mapping that cannot be changed, in which a `Later` stands for what it finds.

    Copies and pickles hold what was found.
    """

    def __init__(self, known: Mapping[str, Any]) -> None:
        self._known: dict[str, Any] = dict(known._known if isinstance(known, Facts) else known)

    def __getitem__(self, name: str) -> Any:
        if isinstance(self._known[name], Later):
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
        return Facts, (dict(self),)
