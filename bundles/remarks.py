"""Remarks on what a reader or an ingestion did to prices, one line per kind with the symbols it concerns."""

from __future__ import annotations

from volplugin.data.checks import listed


class Remarks:
    """Collects lines and the symbols each applies to."""

    def __init__(self, lines: list[str] | None = None) -> None:
        self._plain = list(lines or ())
        self._symbols: dict[str, list[str]] = {}

    def add(self, line: str, symbol: str) -> None:
        """Add a symbol, with details in brackets if any, to a line."""
        self._symbols.setdefault(line, []).append(symbol)

    def lines(self) -> list[str]:
        """Return one line per kind: the remark and its symbols."""
        return [*self._plain, *(f"{line}: {listed(symbols)}" for line, symbols in self._symbols.items())]
