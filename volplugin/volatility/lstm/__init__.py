"""The LSTM forecaster: the only place that knows torch."""

from volplugin.volatility.lstm.forecaster import LSTMVolatility

__all__ = ["LSTMVolatility"]
