"""Tables for a terminal, and the one file a user writes by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pandas as pd

from volplugin.covariance import CovarianceForecast
from volplugin.errors import AssetMismatchError
from volplugin.evaluation import PortfolioForecasts, book_scorecard
from volplugin.units import TRADING_DAYS, annualize


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


def forecast_table(forecast: CovarianceForecast, weights: pd.Series, *, as_json: bool = False) -> str:
    """Portfolio volatility and what each asset contributes to it, annual."""
    total = forecast.portfolio_volatility(weights, periods=TRADING_DAYS)
    parts = forecast.risk_contributions(weights, periods=TRADING_DAYS)
    held = pd.DataFrame(
        {
            "weight": forecast.align(weights),
            "volatility": annualize(forecast.volatility),
            "contribution": parts,
            "share": parts / total if total > 0 else 0.0,
        },
        index=forecast.assets,
    )
    held = held[held["weight"] != 0].sort_values("contribution", ascending=False)
    facts = {
        "asof": str(forecast.asof.date()),
        "horizon": forecast.horizon,
        "portfolio_volatility": total,
        "model": dict(forecast.diagnostics["model"]),
        "excluded": {str(asset): why for asset, why in forecast.diagnostics["excluded"].items()},
        "assets": held.to_dict(orient="index"),
    }
    if as_json:
        return json.dumps(facts, indent=2)
    lines = [
        f"Annual volatility over the {forecast.horizon} sessions after {facts['asof']}: {total:.2%}",
        f"({', '.join(f'{key} {value}' for key, value in facts['model'].items())})",
        "",
        _plain(held.map("{:.2%}".format)),
    ]
    lines += [f"no forecast for {asset}: {why}" for asset, why in facts["excluded"].items()]
    return "\n".join(lines)


def read_weights(path: str) -> pd.Series:
    """Weights by symbol from a CSV file with columns ``symbol, weight``.

    Raises
    ------
    AssetMismatchError
        If the file cannot be read as that.
    """
    try:
        table = pd.read_csv(path)
        weights = table.set_index("symbol")["weight"].astype(float)
    except (KeyError, ValueError, pd.errors.ParserError, UnicodeDecodeError) as error:
        raise AssetMismatchError(f"{path}: expected columns symbol, weight with numbers ({error})") from error
    if weights.empty:
        raise AssetMismatchError(f"{path}: names no asset")
    return weights


def _plain(table: pd.DataFrame) -> str:
    return table.rename_axis(None).to_string()
