"""Tables in blocks of sessions, so that a panel cut at a date shares the past of its source and no later row."""

from __future__ import annotations

import hashlib
from functools import cached_property
from itertools import pairwise
from typing import Self

import numpy as np
import pandas as pd


class _Block:
    """Consecutive rows of a table. Cuts share it, and so its digest: vintages of a run share most of their past."""

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    @cached_property
    def digest(self) -> bytes:
        return hashlib.sha256(self.values.data).digest()


class BlockTables:
    """Tables of the same sessions and assets, each stored as separate arrays of the sessions of a quarter.

    A slice or view of one large array would refer to all of its rows through ``ndarray.base``. Here a cut refers
    to whole earlier blocks and copies the part of its last block that it needs.

    Parameters
    ----------
    edges : list of int
        First row of each block, and the number of rows.
    """

    def __init__(self, edges: list[int]) -> None:
        self._edges = edges
        self._blocks: dict[str, list[_Block]] = {}
        self._late: frozenset[str] = frozenset()

    @classmethod
    def by_quarter(cls, sessions: pd.Index) -> Self:
        """Return a store for tables of these sessions; a block is a quarter, in a cut panel too."""
        quarter = sessions.to_numpy("datetime64[M]").astype(np.int64) // 3
        return cls([0, *(np.flatnonzero(np.diff(quarter)) + 1).tolist(), len(sessions)])

    def __contains__(self, name: object) -> bool:
        return name in self._blocks

    def begins_late(self, name: str) -> bool:
        """Whether a table's first rows were derived with rows that a cut has removed."""
        return name in self._late

    def put(self, name: str, values: np.ndarray) -> None:
        """Copy a table of shape (n_sessions, n_assets) into blocks."""
        self._blocks[name] = [_Block(np.array(values[begin:stop], order="C")) for begin, stop in pairwise(self._edges)]
        self._late -= {name}

    def cut(self, begin: int, stop: int) -> Self:
        """Return the rows from `begin` up to but excluding `stop`."""
        first, end = self._spanned(begin, stop)
        edges = self._edges
        cut = type(self)([0, *(edge - begin for edge in edges[first + 1 : end]), stop - begin])
        skipped, wanted = begin - edges[first], stop - edges[end - 1]
        partial = wanted < edges[end] - edges[end - 1]
        for name, blocks in self._blocks.items():
            chosen = blocks[first:end]
            if partial:
                chosen[-1] = _Block(chosen[-1].values[:wanted].copy())
            if skipped:
                chosen[0] = _Block(chosen[0].values[skipped:])
            cut._blocks[name] = chosen
        cut._late = frozenset(self._blocks) if begin > 0 else self._late
        return cut

    def rows(self, name: str, begin: int, columns: np.ndarray | None) -> np.ndarray:
        """Return a copy of the rows from `begin` on, in C order, of shape (n_rows, n_assets)."""
        first, _ = self._spanned(begin, self._edges[-1])
        blocks = [block.values for block in self._blocks[name][first:]]
        blocks[0] = blocks[0][begin - self._edges[first] :]
        joined = np.concatenate(blocks)
        return joined if columns is None else joined.take(columns, axis=1)

    def digest(self, name: str, columns: np.ndarray | None) -> bytes:
        """Digests of the blocks of a table, one after the other."""
        blocks = self._blocks[name]
        blocks = blocks if columns is None else [_Block(block.values.take(columns, axis=1)) for block in blocks]
        return b"".join(block.digest for block in blocks)

    def whole(self, name: str, columns: np.ndarray | None) -> np.ndarray:
        """Return a copy of all rows in the memory order of a DataFrame, of shape (n_rows, n_assets)."""
        blocks = [block.values for block in self._blocks[name]]
        assets = blocks[0].shape[1] if columns is None else len(columns)
        values = np.empty((assets, self._edges[-1])).T
        for (begin, stop), block in zip(pairwise(self._edges), blocks, strict=True):
            values[begin:stop] = block if columns is None else block.take(columns, axis=1)
        return values

    def _spanned(self, begin: int, stop: int) -> tuple[int, int]:
        """First block that holds a row of the range, and the one after the last."""
        return int(np.searchsorted(self._edges, begin, "right")) - 1, int(np.searchsorted(self._edges, stop, "left"))
