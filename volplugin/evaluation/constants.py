"""Constants that several evaluation modules share."""

MONTH_SESSIONS = 21
"""Sessions in a window of MRAD."""

TAILS = (0.01, 0.05)
"""Tail probabilities of value at risk and expected shortfall."""

SIZE = 0.05
"""P-value below which a test rejects."""
