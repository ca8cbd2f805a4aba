"""The LSTM forecaster: the only package that imports torch."""

from volplugin.volatility.lstm.forecaster import LSTMVolatility
from volplugin.volatility.pretrained import PretrainedVolatility

# An alias set here, because the shipped vintages contain LSTMs: `pretrained` is above `forecaster` in the imports.
LSTMVolatility.pretrained = PretrainedVolatility

__all__ = ["LSTMVolatility"]
