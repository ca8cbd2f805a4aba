"""What the strategies of the gallery can be told from outside, and the risk model that this asks for."""

from __future__ import annotations

from dataclasses import dataclass

import zipline
from zipline.extensions import Namespace

from volplugin import RiskProvider
from volplugin.adapters.zipline import StrategyParameters
from volplugin.errors import ParameterError
from volplugin.portfolio.defaults import TARGETING_HORIZON, targeting_risk_model
from volplugin.risk.defaults import correlation_named, ewma_covariance

COVARIANCES = ("default", "targeting", "ewma")


@dataclass(frozen=True)
class GalleryParameters(StrategyParameters):
    """`StrategyParameters`, and what only some strategies listen to.

    Parameters
    ----------
    covariance : {"default", "targeting", "ewma"}, default "default"
        The recommended risk model with the correlation that `correlation` names, the one recommended for volatility
        targeting, or RiskMetrics' EWMA covariance.
    weights : str, default ""
        CSV file with columns ``symbol, weight``: the book of `seed_book`. Equal weights without one.
    """

    covariance: str = "default"
    weights: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.covariance not in COVARIANCES:
            raise ParameterError(f"covariance is {self.covariance!r}; pass one of {', '.join(COVARIANCES)}")

    def provider(self) -> RiskProvider:
        """Return the risk model asked for, inside the run."""
        if self.covariance == "ewma":
            return RiskProvider(ewma_covariance(), bundle=self.bundle)
        if self.covariance == "targeting":
            return RiskProvider(targeting_risk_model(self.store), bundle=self.bundle, horizon=TARGETING_HORIZON)
        correlation = correlation_named(self.correlation)
        return RiskProvider.from_store(self.store, bundle=self.bundle, correlation=correlation)


def read_gallery_parameters() -> GalleryParameters:
    """Parameters of this run: ``-x volplugin.NAME=VALUE`` of zipline, or options of ``volplugin backtest``.

    Raises
    ------
    ParameterError
        For an unknown name or a bad value.
    """
    given = vars(getattr(zipline.extension_args, "volplugin", Namespace()))
    parsed = GalleryParameters.parse(given)
    assert isinstance(parsed, GalleryParameters)
    return parsed
