"""Parameters of the gallery's strategies, and the risk model that they name."""

from __future__ import annotations

from dataclasses import dataclass

from volplugin import RiskProvider
from volplugin.adapters.zipline import StrategyParameters, read_parameters
from volplugin.risk.defaults import correlation_named, ewma_covariance

COVARIANCES = ("default", "ewma")


@dataclass(frozen=True)
class GalleryParameters(StrategyParameters):
    """`StrategyParameters`, and parameters of single strategies.

    Parameters
    ----------
    covariance : {"default", "ewma"}, default "default"
        The recommended risk model with the correlation that `correlation` names, or RiskMetrics' EWMA covariance.
    weights : str, default ""
        CSV file with columns ``symbol, weight``: the portfolio of `seed_book`. Equal weights without one.
    """

    covariance: str = "default"
    weights: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_choice("covariance", COVARIANCES)

    def provider(self, covariance: str | None = None) -> RiskProvider:
        """Return the risk provider of the run.

        Parameters
        ----------
        covariance : str, optional
            One of `COVARIANCES`, in place of the parameter.
        """
        if (self.covariance if covariance is None else covariance) == "ewma":
            return RiskProvider(ewma_covariance(), bundle=self.bundle)
        correlation = correlation_named(self.correlation)
        return RiskProvider.from_store(
            self.store, bundle=self.bundle, correlation=correlation, market=self.market or None, anchor=self.anchor
        )


def read_gallery_parameters() -> GalleryParameters:
    """Return the parameters of this run, as `read_parameters` does.

    Raises
    ------
    ParameterError
        For an unknown name or a bad value.
    """
    return read_parameters(GalleryParameters)
