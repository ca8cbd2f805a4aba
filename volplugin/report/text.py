"""Tables for a terminal."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from volplugin.evaluation import PortfolioForecasts, book_scorecard


def book_table(books: Mapping[str, PortfolioForecasts]) -> str:
    """Risk models side by side on the equal-weight book."""
    table, horizon = book_scorecard(books), next(iter(books.values())).horizon
    shown = pd.DataFrame({"QLIKE": table["qlike"].map("{:.4f}".format)})
    for column in [name for name in table if name.startswith("below_")]:
        shown[column.replace("_", " ")] = table[column].map("{:.1f}%".format)
    shown["bias"] = table["bias"].map("{:.3f}".format)
    shown["95% band"] = [f"{a:.3f} to {b:.3f}" for a, b in zip(table["bias_lower"], table["bias_upper"], strict=True)]
    shown["forecast vol"] = table["mean_predicted_vol"].map("{:.1%}".format)
    shown["realised vol"] = table["realized_vol"].map("{:.1%}".format)
    origins = int(table["origins"].iloc[0])
    return (
        f"Equal-weight book, {horizon} sessions ahead, {origins:,} origins; bias of daily returns over the "
        f"standing forecast\n{_plain(shown)}"
    )


def _plain(table: pd.DataFrame) -> str:
    return table.rename_axis(None).to_string()
