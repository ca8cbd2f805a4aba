"""What is asked every day, as tables for a terminal."""

from __future__ import annotations

import numpy as np
import pandas as pd

from volplugin.daily.book import BookToday
from volplugin.daily.health import Check

LARGE = 5
"""Changes that are named."""


def book_text(book: BookToday) -> str:
    """Volatility of a book, who makes it, the pairs that move together, and what changed since the session before."""
    known = book.forecast.diagnostics
    lines = [
        f"Annual volatility over the {book.forecast.horizon} sessions after {book.forecast.asof.date()}: "
        f"{book.volatility:.2%} ({book.volatility / np.sqrt(252):.3%} a day)",
        f"({', '.join(f'{key} {value}' for key, value in known['model'].items())})",
        *_changed(book),
        f"diversification ratio {book.diversification_ratio:.2f}",
        "",
        _percent(book.positions.drop(columns=["change", "volatility_change"])),
    ]
    if len(book.pairs):
        pairs = book.pairs.assign(pair=book.pairs["one"].astype(str) + " and " + book.pairs["other"].astype(str))
        shown = pairs.set_index("pair")[["correlation", "change"]].map("{:+.2f}".format)
        lines += ["", "Most correlated", shown.rename_axis(None).to_string(header=["correlation", "since before"])]
    lines += [f"no forecast for {asset}: {why}" for asset, why in known["excluded"].items()]
    lines += [f"{part}: {why}" for part, why in known["fallbacks"].items()]
    return "\n".join(lines)


def _changed(book: BookToday) -> list[str]:
    if not np.isfinite(book.before):
        return []
    moved = book.positions["change"]
    most = moved.reindex(moved.abs().sort_values(ascending=False).index)[:LARGE]
    vols = book.positions["volatility_change"]
    most_vols = vols.reindex(vols.abs().sort_values(ascending=False).index)[:LARGE]
    return [
        f"the session before: {book.before:.2%}, a change of {100 * (book.volatility - book.before):+.2f} points",
        f"  contributions: {_named(most)}",
        f"  volatilities: {_named(most_vols)}",
    ]


def _named(changes: pd.Series) -> str:
    return ", ".join(f"{asset} {100 * change:+.2f}" for asset, change in changes.items())


def health_text(checks: list[Check]) -> str:
    """One line a check, the state first."""
    wide = max(len(check.name) for check in checks)
    lines = [f"{check.state:<5}{check.name:<{wide + 2}}{check.found}" for check in checks]
    limits = [f" ({check.limit})" if check.limit else "" for check in checks]
    return "\n".join(line + limit for line, limit in zip(lines, limits, strict=True))


def _percent(table: pd.DataFrame) -> str:
    return table.map("{:.2%}".format).rename_axis(None).to_string()
