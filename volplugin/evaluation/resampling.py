"""How sure a mean over origins is, when forecasts overlap and volatility clusters: resampling in blocks."""

from __future__ import annotations

import numpy as np

from volplugin.errors import ParameterError


def block_weights(count: int, block: int, reps: int = 1000, seed: int = 0) -> np.ndarray:
    """Weights of `count` observations in bootstrap samples: any mean of a sample is a product with its row.

    Parameters
    ----------
    count : int
        Observations, in order of time.
    block : int
        Mean length of the blocks, which are of random length and wrap around the end.
    reps : int, default 1000
        Samples.
    seed : int, default 0

    Returns
    -------
    ndarray of shape (reps, count)
        Rows that sum to one.

    References
    ----------
    Politis and Romano (1994), The Stationary Bootstrap, Journal of the American Statistical Association 89;
    drawn by `arch.bootstrap.StationaryBootstrap`.
    """
    from arch.bootstrap import StationaryBootstrap

    if not 1 <= block <= count or reps < 1:
        raise ParameterError(f"no samples of {count} observations in blocks of {block}, {reps} times")
    draws = StationaryBootstrap(block, np.arange(count), seed=seed).bootstrap(reps)
    return np.stack([np.bincount(data[0], minlength=count) for data, _ in draws]) / count
