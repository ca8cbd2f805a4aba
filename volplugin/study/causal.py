"""The model that stands beside the seed: the recommended one, on vintages trained before each date."""

from __future__ import annotations

from volplugin.defaults import default_correlation, default_walk, load_walk
from volplugin.risk_model import RiskModel
from volplugin.store import ModelStore
from volplugin.study.sample import Sample


def causal_model(sample: Sample, store: str, *, n_jobs: int | None = None, progress: bool = True) -> RiskModel:
    """Return the risk model that answers over the test part, training the vintages that the store lacks.

    A store that holds another forecaster than the default keeps it. Vintages are trained on the whole panel, each
    through its own date.

    Parameters
    ----------
    sample : Sample
    store : str
        Folder of trained models.
    n_jobs : int, optional
        Processes, as joblib counts them.
    progress : bool, default True
        Show a bar, on a terminal.

    Raises
    ------
    StoreConfigurationError
        If the store's vintages were trained on other prices.
    InsufficientHistoryError
        If too little lies before the test part to learn from.
    """
    walk = default_walk(store) if ModelStore(store).configuration is None else load_walk(store)
    walk.train(sample.panel, sample.test[0], sample.test[-1], n_jobs=n_jobs, progress=progress)
    return RiskModel(walk, default_correlation())
