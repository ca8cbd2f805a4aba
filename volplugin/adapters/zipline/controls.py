"""A limit on the predicted volatility of the portfolio, as one of zipline's account controls."""

from __future__ import annotations

import logging
from typing import Any

import pandas as pd
from zipline.errors import AccountControlViolation
from zipline.finance.controls import AccountControl

from volplugin.adapters.zipline.portfolio_risk import (
    Holdings,
    PortfolioRisk,
    portfolio_risks,
)
from volplugin.adapters.zipline.provider import provider_of
from volplugin.adapters.zipline.sessions import closed_session, run_periods, running_algorithm
from volplugin.errors import ParameterError, VolpluginError
from volplugin.units import as_number

LOG = logging.getLogger(__name__)
ACTIONS = ("raise", "log")


class PredictedVolatilityError(VolpluginError, AccountControlViolation):
    """The predicted volatility of the portfolio held is above the strategy's limit."""

    def __init__(self, message: str) -> None:
        AccountControlViolation.__init__(self, constraint=message)

    def __str__(self) -> str:
        return str(self.kwargs["constraint"])


class MaxPredictedVolatility(AccountControl):
    """Checks, at every close, the predicted volatility of the portfolio held into the next session.

    zipline's own ``set_max_leverage`` limits how much is held; this limits the predicted risk. Like it,
    this control does not trade; it raises or logs.

    Parameters
    ----------
    limit : float
        Annual volatility.
    action : {"raise", "log"}, default "raise"
        End the run with `PredictedVolatilityError`, or write a warning to the log and go on.

    Notes
    -----
    Stocks held without a forecast are left out of the number, and named in the message.
    """

    def __init__(self, limit: float, action: str = "raise") -> None:
        if not 0 < as_number(limit) < float("inf"):
            raise ParameterError(f"limit is {limit}; pass an annual volatility above zero, such as 0.15")
        if action not in ACTIONS:
            raise ParameterError(f"action is {action!r}; pass one of {', '.join(ACTIONS)}")
        super().__init__(limit=limit, action=action)
        self.limit = limit
        self.action = action

    def validate(self, portfolio: Any, account: Any, algo_datetime: pd.Timestamp, algo_current_data: Any) -> None:
        """Check the portfolio at a close, with the arguments that zipline passes to every account control."""
        algorithm = running_algorithm()
        provider = provider_of(algorithm)
        if provider is None:
            raise ParameterError(
                "a limit on the predicted volatility takes a forecast: make a RiskProvider in initialize"
            )
        session = closed_session(algorithm.trading_calendar, algo_datetime)
        held = Holdings.of_portfolio(portfolio)
        covariances = provider.arrays_at(algorithm, session, held.assets, 1)
        [risk] = portfolio_risks(covariances, held=[held], periods=run_periods(algorithm))
        if not risk.predicted_vol > self.limit:
            return
        message = self._message(risk, session)
        if self.action == "raise":
            raise PredictedVolatilityError(message)
        LOG.warning(message)

    def _message(self, risk: PortfolioRisk, session: pd.Timestamp) -> str:
        largest = sorted(risk.risk_contributions, key=lambda symbol: -risk.risk_contributions[symbol])[:3]
        shares = ", ".join(f"{symbol} {risk.risk_contributions[symbol] / risk.predicted_vol:.0%}" for symbol in largest)
        unknown = f"; without a forecast: {', '.join(risk.unmodelled)}" if risk.unmodelled else ""
        return (
            f"at the close of {session.date()} the portfolio's predicted volatility is {risk.predicted_vol:.2%} a "
            f"year, above the limit of {self.limit:.2%} (most of it from {shares}{unknown}); hold less, or target it "
            "with VolatilityTarget"
        )


def set_max_predicted_volatility(limit: float, action: str = "raise") -> None:
    """Limit the predicted volatility of the portfolio held; call it in ``initialize``.

    Parameters
    ----------
    limit : float
        *Annual* volatility in decimals.
    action : {"raise", "log"}, default "raise"
        What to do at a close where the portfolio's predicted volatility is higher.

    Raises
    ------
    ParameterError
        For a limit that is no volatility, an unknown action, or outside a run.
    """
    running_algorithm().register_account_control(MaxPredictedVolatility(limit, action))
