"""The LSTM forecaster: the only package that imports torch."""

from volplugin.volatility.lstm.ensemble import Readout, with_one
from volplugin.volatility.lstm.fitting import fine_tune
from volplugin.volatility.lstm.forecaster import GPU_TOLERANCE, LSTMVolatility
from volplugin.volatility.lstm.network import VolatilityNetwork
from volplugin.volatility.lstm.sequences import (
    block_days,
    block_numbers,
    blocks,
    pack,
    training_sequences,
    validation_split,
)
from volplugin.volatility.lstm.training import (
    LOSSES,
    TrainingConfig,
    as_tensor,
    device_named,
    log_mse,
    mean_loss,
    one_thread,
    qlike,
    train,
)
from volplugin.volatility.lstm.variants import NETWORKS, BidirectionalNetwork
from volplugin.volatility.pretrained import PretrainedVolatility

# An alias set here, because the shipped vintages contain LSTMs: `pretrained` is above `forecaster` in the imports.
LSTMVolatility.pretrained = PretrainedVolatility

__all__ = [
    "GPU_TOLERANCE",
    "LOSSES",
    "NETWORKS",
    "BidirectionalNetwork",
    "LSTMVolatility",
    "Readout",
    "TrainingConfig",
    "VolatilityNetwork",
    "as_tensor",
    "block_days",
    "block_numbers",
    "blocks",
    "device_named",
    "fine_tune",
    "log_mse",
    "mean_loss",
    "one_thread",
    "pack",
    "qlike",
    "train",
    "training_sequences",
    "validation_split",
    "with_one",
]
