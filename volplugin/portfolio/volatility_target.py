"""The leverage at which a portfolio has its target volatility, within limits and with few trades."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from volplugin.errors import AssetMismatchError, ParameterError, require_type
from volplugin.portfolio.stress import ShockLimit
from volplugin.portfolio.track_record import predicted_over_realized, standardized_record
from volplugin.risk.covariance import CovarianceForecast, Weights, as_weights
from volplugin.risk.tail_risk import loss_shortfall, tail_method
from volplugin.units import is_number

ROUNDING = 1e-9
"""Relative difference of two leverages below which they are equal."""


@dataclass(frozen=True)
class VolatilityTarget:
    """Scale a portfolio so that its forecast volatility is the target.

    The composition does not change, only the leverage does. The result is always finite: a portfolio whose forecast
    volatility is zero gets the largest leverage that its limits allow.

    The defaults are the recommended rule. They were chosen on 2005 to 2009 by the distance of the volatility of 63
    sessions from 10% a year (``benchmarks/bench_targeting.py``). `band`, `drift` and `max_turnover` need the
    portfolio held (``current=``), `feedback` needs a track record: `scale` without them returns the leverage at which
    the forecast meets the target. 0 switches `band`, `drift` and `feedback` off; inf switches the limits and the
    `guard` off.

    Where two limits conflict, `max_leverage`, `max_net` and `shock` go before `min_leverage`, and all of these go
    before `band`, `drift` and `max_turnover`, which save trades.

    Units: `target` is an *annual* volatility, or with ``measure="es"`` a loss over `horizon` sessions, not annual;
    forecasts and track records are daily.

    Parameters
    ----------
    target : float
        *Annual* volatility in decimals: 0.10 is ten percent a year. With ``measure="es"`` the expected shortfall over
        `horizon` sessions: 0.02 is a mean loss of two percent in the worst ``1 - level`` of cases.
    max_leverage : float, default 1.5
        Largest sum of absolute weights.
    min_leverage : float, default 0.0
        Smallest sum of absolute weights of a nonempty portfolio.
    band : float or "interval", default 0.10
        No-trade band around the wanted leverage, as a fraction of it: inside, the leverage held does not change;
        outside, it moves to the band's nearer edge [1]_, [2]_. With "interval" the band holds the leverages that
        meet the target at some volatility of `CovarianceForecast.volatility_interval`; each call then takes about a
        tenth of a second for the other seeds and vintages.
    feedback : float, default 1.0
        Strength, 0 to 1, of the correction by the track record: the target is divided by
        ``(realised / predicted) ** feedback``, a volatility regime adjustment [3]_.
    feedback_halflife : float, default 21
        Sessions after which a past session counts half in that ratio; [3]_ uses 42.
    periods : float, optional
        Sessions per year; by default of the forecast, which takes them from the prices' calendar.
    feedback_prior : float, default 5.0
        Number of sessions whose realised volatility equals the predicted one, added to the record. With 0 the first
        quiet session makes the ratio jump.
    max_net : float, default inf
        Largest absolute value of the sum of weights.
    max_turnover : float, default inf
        Largest sum of absolute changes of weight at one rebalance. Sales that the limits require are made
        nevertheless.
    drift : float, default 0.03
        Sum of absolute differences between the weights held and wanted, as a fraction of the leverage, up to
        which a portfolio inside the band is not traded at all.
    guard : float, default 0.15
        Between rebalances, largest distance of the leverage held from the wanted one, as a fraction of it: see
        `needs_rebalance`.
    shock : ShockLimit, optional
        Limit on the volatility of the portfolio in a shock.
    vol_of_vol : float, default 0.0
        Standard deviation of the *logarithm* of the forecast volatility about the true one. Leverage is one over the
        forecast, so that an unbiased but noisy variance overshoots the target by the factor
        ``exp(2 vol_of_vol ** 2)`` (Jensen; lognormal noise); the target is divided by it. A forecast that is
        an expectation given its inputs, such as a regression, does not overshoot: use 0.
    measure : {"volatility", "es"}, default "volatility"
        Measure of risk that `target` limits. Expected shortfall uses the standardised returns of the track record,
        if it has 500 sessions (filtered historical simulation), else Student-t with 6 degrees of freedom.
    level : float, default 0.975
        Confidence of the expected shortfall, between 0.5 and 1.
    horizon : int, default 1
        Sessions over which the expected shortfall is counted.

    Raises
    ------
    ParameterError
        If a parameter is outside its domain.

    Examples
    --------
    >>> import pandas as pd
    >>> from volplugin import CovarianceForecast, VolatilityTarget
    >>> volatility = pd.Series({"AAPL": 0.020, "JPM": 0.010})  # daily
    >>> correlation = pd.DataFrame(0.5, volatility.index, volatility.index)
    >>> correlation.loc["AAPL", "AAPL"] = correlation.loc["JPM", "JPM"] = 1.0
    >>> forecast = CovarianceForecast(pd.Timestamp("2020-01-31"), 1, volatility, correlation)
    >>> scaled = VolatilityTarget(0.10).scale({"AAPL": 0.5, "JPM": 0.5}, forecast)
    >>> scaled.round(3).to_dict()
    {'AAPL': 0.238, 'JPM': 0.238}
    >>> round(forecast.portfolio_volatility(scaled, periods=252), 3)
    0.1

    References
    ----------
    .. [1] Donohue and Yip (2003), Optimal Portfolio Rebalancing with Transaction Costs, Journal of Portfolio
       Management 29.
    .. [2] Leland (1999), Optimal Portfolio Management with Transactions Costs and Capital Gains Taxes: no trade
       inside a region, and trade to its edge from outside.
    .. [3] Menchero, Orr and Wang (2011), The Barra US Equity Model (USE4), Methodology Notes.
    """

    target: float
    max_leverage: float = 1.5
    min_leverage: float = 0.0
    band: float | Literal["interval"] = 0.10
    feedback: float = 1.0
    feedback_halflife: float = 21.0
    periods: float | None = None
    feedback_prior: float = 5.0
    max_net: float = math.inf
    max_turnover: float = math.inf
    drift: float = 0.03
    guard: float = 0.15
    shock: ShockLimit | None = None
    vol_of_vol: float = 0.0
    measure: Literal["volatility", "es"] = "volatility"
    level: float = 0.975
    horizon: int = 1

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            free = name == "measure" or (name == "band" and isinstance(value, str))
            free = free or (name in ("periods", "shock") and value is None)
            fits = isinstance(value, ShockLimit) if name == "shock" else is_number(value)
            self._require(name, free or fits, "a ShockLimit" if name == "shock" else "a number")
        self._require("target", 0 < self.target < math.inf, "a risk above zero, such as 0.10 a year")
        self._require("max_leverage", 0 < self.max_leverage < math.inf, "a finite number above zero")
        self._require("min_leverage", 0 <= self.min_leverage <= self.max_leverage, "a number from 0 to max_leverage")
        inside = self.band == "interval" or (not isinstance(self.band, str) and 0 <= self.band < 1)
        self._require("band", inside, "a fraction in [0, 1), such as 0.05, or 'interval'")
        self._require("feedback", 0 <= self.feedback <= 1, "a fraction in [0, 1], such as 0.5")
        self._require("feedback_halflife", self.feedback_halflife > 0, "a number of sessions above zero")
        self._require("periods", self.periods is None or 0 < self.periods < math.inf, "sessions per year, such as 252")
        self._require("feedback_prior", 0 <= self.feedback_prior < math.inf, "a number of sessions, such as 21")
        self._require("max_net", self.max_net > 0, "a number above zero, such as 1.0")
        self._require("max_turnover", self.max_turnover > 0, "a number above zero, such as 0.2")
        self._require("drift", 0 <= self.drift < 1, "a fraction in [0, 1), such as 0.03")
        self._require("guard", self.guard >= 0, "a fraction such as 0.3, or inf for none")
        self._require("vol_of_vol", 0 <= self.vol_of_vol < 1, "a number in [0, 1), such as 0.1")
        self._require(
            "measure", isinstance(self.measure, str) and self.measure in ("volatility", "es"), "'volatility' or 'es'"
        )
        self._require("level", 0.5 < self.level < 1, "a confidence between 0.5 and 1, such as 0.975")
        self._require("horizon", self.horizon >= 1, "a number of sessions, 1 or more")

    def scale(
        self,
        weights: Weights,
        forecast: CovarianceForecast,
        current: Weights | None = None,
        track_record: pd.DataFrame | None = None,
    ) -> pd.Series:
        """Return weights of the same composition at the leverage that meets the target.

        Parameters
        ----------
        weights : Series or mapping of asset to weight
            The portfolio wanted, at any leverage.
        forecast : CovarianceForecast
            Its assets must include every asset with a nonzero weight.
        current : Series or mapping, optional
            The portfolio held now, as shares of its value; `band`, `drift` and `max_turnover` depend on it.
        track_record : DataFrame with columns ``predicted`` and ``realized``, optional
            Past sessions, oldest first: *daily* volatility as forecast, and return; `feedback` depends on it. A
            `TrackRecord` stores them.

        Returns
        -------
        Series
            Scaled weight by asset, for every asset of `weights`; with `max_turnover`, for every asset held too.

        Raises
        ------
        MissingForecastError
            If an asset with a nonzero weight has no forecast.
        AssetMismatchError
            If an asset has two weights, or a weight that is not a finite number.
        """
        portfolio = as_weights(weights)
        require_type(forecast, CovarianceForecast, "forecast").align(portfolio)
        held = None if current is None else _held(current)
        composition = _composition(portfolio)
        if composition is None:
            return portfolio if held is None else self._within_turnover(portfolio, held, forecast)
        wanted = self._leverage(composition, forecast, track_record)
        if held is None:
            return pd.Series(composition.to_numpy() * wanted, composition.index, name=composition.name)
        gross = float(held.abs().sum())
        low, high = self._edges(composition, forecast)
        edge = float(np.clip(gross, wanted * low, wanted * high))
        scaled = composition * self._bounded(edge, composition, forecast)
        if self._is_close(scaled, held, forecast):
            return held.reindex(portfolio.index, fill_value=0.0)
        return self._within_turnover(scaled, held, forecast)

    def needs_rebalance(
        self,
        weights: Weights,
        forecast: CovarianceForecast,
        current: Weights,
        track_record: pd.DataFrame | None = None,
    ) -> bool:
        """Whether the leverage held differs from the wanted one by more than `guard`.

        For a portfolio that is rebalanced weekly or monthly: call it at every close, and rebalance early where it is
        true. Arguments and errors are as in `scale`; an empty portfolio, held or wanted, needs no rebalance.
        """
        if math.isinf(self.guard):
            return False
        portfolio, held = as_weights(weights), _held(current)
        require_type(forecast, CovarianceForecast, "forecast").align(portfolio)
        composition, gross = _composition(portfolio), float(held.abs().sum())
        if composition is None or gross == 0:
            return False
        wanted = self._leverage(composition, forecast, track_record)
        return not wanted * (1 - self.guard) <= gross <= wanted * (1 + self.guard)

    def _leverage(
        self, composition: pd.Series, forecast: CovarianceForecast, track_record: pd.DataFrame | None
    ) -> float:
        """Leverage that meets the target, within the limits."""
        risk = self._risk(composition, forecast, track_record)
        target = self.target * math.exp(-2 * self.vol_of_vol**2)
        if self.feedback > 0 and track_record is not None:
            ratio = predicted_over_realized(track_record, self.feedback_halflife, self.feedback_prior)
            target *= ratio**self.feedback
        return self._bounded(target / risk if risk > 0 else np.inf, composition, forecast)

    def _risk(self, composition: pd.Series, forecast: CovarianceForecast, track_record: pd.DataFrame | None) -> float:
        """Risk of the composition in the unit of the target."""
        if self.measure == "volatility":
            return forecast.portfolio_volatility(composition, self.periods or forecast.periods_per_year)
        past = None if track_record is None else standardized_record(track_record)
        factor = loss_shortfall(self.level, tail_method(past), horizon=self.horizon, standardized=past)
        return forecast.portfolio_volatility(composition) * factor

    def _edges(self, composition: pd.Series, forecast: CovarianceForecast) -> tuple[float, float]:
        """Edges of the no-trade band, as multiples of the wanted leverage."""
        if not isinstance(self.band, str):
            return 1 - self.band, 1 + self.band
        interval = forecast.volatility_interval(composition)
        if not interval.volatility > 0:
            return 1.0, 1.0
        return interval.volatility / interval.upper, interval.volatility / interval.lower

    def _bounded(self, leverage: float, composition: pd.Series, forecast: CovarianceForecast) -> float:
        largest = self._largest(composition, forecast)
        return float(np.clip(leverage, min(self.min_leverage, largest), largest))

    def _largest(self, composition: pd.Series, forecast: CovarianceForecast) -> float:
        """Largest leverage within every limit."""
        uses = [abs(float(composition.to_numpy().sum())) / self.max_net]
        if self.shock is not None:
            # An asset without a forecast, such as a delisted one, is being sold: it adds nothing to the shock.
            known = composition[composition.index.isin(forecast.assets)]
            uses.append(self.shock.volatility_of(known, forecast, self.periods) / self.shock.limit)
        return min(self.max_leverage, 1 / max(uses)) if max(uses) > 0 else self.max_leverage

    def _fraction_within(self, portfolio: pd.Series, forecast: CovarianceForecast) -> float:
        """Factor that brings a portfolio within every limit, 1 if it is within."""
        composition = _composition(portfolio)
        return (
            1.0
            if composition is None
            else min(1.0, self._largest(composition, forecast) / float(portfolio.abs().sum()))
        )

    def _is_close(self, scaled: pd.Series, held: pd.Series, forecast: CovarianceForecast) -> bool:
        """Whether the portfolio held is inside the band and the drift, and within the limits."""
        if self.drift == 0:
            return False
        leverage, gross = float(scaled.abs().sum()), float(held.abs().sum())
        wanted, own = scaled.align(held, fill_value=0.0)
        return (
            abs(leverage - gross) <= ROUNDING * leverage
            and float((own - wanted).abs().sum()) <= self.drift * leverage
            and bool((own * wanted >= 0).all())
            and self._fraction_within(held, forecast) >= 1 - ROUNDING
        )

    def _within_turnover(self, scaled: pd.Series, held: pd.Series, forecast: CovarianceForecast) -> pd.Series:
        """Move from the portfolio held towards the scaled one, as far as the turnover allows.

        The first step goes to the nearest portfolio within the limits, whatever the turnover. Every portfolio between
        it and the scaled one is within them too, because each limit is on a convex measure.
        """
        if math.isinf(self.max_turnover):
            return scaled
        wanted, own = scaled.align(held, fill_value=0.0)
        start = own * self._fraction_within(own, forecast)
        budget = max(0.0, self.max_turnover - float((own - start).abs().sum()))
        distance = float((wanted - start).abs().sum())
        return wanted if distance <= budget else start + (wanted - start) * (budget / distance)

    def _require(self, name: str, holds: bool, what: str) -> None:
        if not holds:
            raise ParameterError(f"{name} is {getattr(self, name)}; pass {what}")


def _composition(portfolio: pd.Series) -> pd.Series | None:
    """Weights of absolute sum one, or None for an empty portfolio."""
    values = portfolio.to_numpy()
    largest = float(np.abs(values).max(initial=0.0))
    if largest == 0:
        return None
    # In two steps, as the sum of very large weights is not a number to divide by.
    values = values / largest
    return pd.Series(values / np.abs(values).sum(), portfolio.index, name=portfolio.name)


def _held(current: Weights) -> pd.Series:
    held = as_weights(current)
    if held.index.has_duplicates:
        raise AssetMismatchError(f"{held.index[held.index.duplicated()][0]} is held twice; give one weight an asset")
    strange = held.index[~np.isfinite(held.to_numpy())]
    if len(strange):
        raise AssetMismatchError(
            f"the weight held of {strange[0]} is {held[strange[0]]}; pass the holdings as shares of the "
            "portfolio's value, which must be above zero"
        )
    return held
