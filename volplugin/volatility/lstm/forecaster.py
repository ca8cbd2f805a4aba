"""Pooled LSTM volatility: one backbone for all assets, an ensemble of seeds, blended with a linear model."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from joblib import Parallel, delayed
from sklearn.base import clone

from volplugin.errors import InsufficientHistoryError, ParameterError, StoreCorruptError
from volplugin.panel import LONGEST_HALT, PricePanel
from volplugin.volatility.base import State, VolatilityForecaster
from volplugin.volatility.horizons import KNOTS
from volplugin.volatility.inputs import (
    ALONE,
    BASE_MINIMUM,
    INPUT_LOOKBACK,
    INPUTS,
    NO_REFERENCE,
    RECURRENT,
    Inputs,
    build_inputs,
    level_bounds,
    reference,
)
from volplugin.volatility.linear import forecast_ratio, regress_logs
from volplugin.volatility.lstm.carry import LSTMFollower
from volplugin.volatility.lstm.inference import encode
from volplugin.volatility.lstm.network import VolatilityNetwork
from volplugin.volatility.lstm.readout import Readout
from volplugin.volatility.lstm.sequences import block_days, training_sequences, validation_split
from volplugin.volatility.lstm.training import LOSSES, Recipe, as_tensor, mean_loss, one_thread, train
from volplugin.volatility.lstm.tuning import fine_tune
from volplugin.volatility.rescale import out_of_sample_ratio
from volplugin.volatility.targets import close_to_close_ratio, forward_variance, rescale

MODES = ("shared", "fine-tuned")

STEPS = (75, 150, 300)
"""Numbers of gradient steps among which a validation tail chooses."""


class LSTMVolatility(VolatilityForecaster):
    """Volatility of each asset from a recurrent network trained on all of them together.

    A network of stacked LSTMs with a linear skip reads scale-free inputs (range-based variance over a day,
    a week and a month relative to the asset's slow level, returns, volume, and means over the reference
    universe) and gives the log variance of the next 1, 5 and 21 sessions relative to that level. An
    ensemble of seeds is averaged in logs, blended with the pooled linear model on the same inputs, and
    rescaled once so that realised over forecast variance averages one on the training data, out of sample
    as far as its linear part tells. Other horizons are interpolated in total variance.

    Parameters
    ----------
    units : sequence of int, default (64, 32)
        Units of each LSTM layer.
    window : int, default 60
        Look-back of the network: least number of sessions that its state is warmed up by.
    seeds : sequence of int, default (0, 1, 2)
        One network each.
    steps : int or None, default 150
        Gradient steps of training; None to choose them on a purged validation tail of the training span.
    loss : {"log_mse", "qlike"}, default "log_mse"
        Of log variance.
    linear_share : float, default 0.25
        Share of the pooled linear model in the geometric blend.
    mode : {"shared", "fine-tuned"}, default "shared"
        One model for all assets; or head and skip tuned for each asset, its own kept only where it improves
        the loss on a purged validation tail. Assets never trained on get the shared one.

    Notes
    -----
    Training is deterministic under its seeds, and leaves the global random state alone.

    References
    ----------
    Hochreiter and Schmidhuber (1997), Long Short-Term Memory; Bollerslev, Hood, Huss and Pedersen
    (2018), Risk Everywhere, on pooling; Patton (2011), Volatility Forecast Comparison Using Imperfect
    Volatility Proxies, on the losses that rank forecasts under noise.
    """

    def __init__(
        self,
        units: Sequence[int] = (64, 32),
        window: int = 60,
        seeds: Sequence[int] = (0, 1, 2),
        steps: int | None = 150,
        loss: str = "log_mse",
        linear_share: float = 0.25,
        mode: str = "shared",
    ) -> None:
        self.units = units
        self.window = window
        self.seeds = seeds
        self.steps = steps
        self.loss = loss
        self.linear_share = linear_share
        self.mode = mode

    @property
    def lookback(self) -> int:
        """Sessions up to `asof` that a forecast depends on: two blocks of the network, and the inputs'."""
        # A block's calendar days hold fewer sessions than five in seven.
        return 2 * math.ceil(block_days(self.window) * 5 / 7 + 2) + INPUT_LOOKBACK

    def _check_parameters(self) -> None:
        if self.loss not in LOSSES:
            raise ParameterError(f"loss is {self.loss!r}; pass one of {', '.join(LOSSES)}")
        if len(self.seeds) == 0 or len(set(self.seeds)) < len(self.seeds):
            raise ParameterError(f"seeds is {self.seeds!r}; pass one or more different whole numbers")
        if len(self.units) == 0 or min(self.units) < 1 or self.window < 1:
            raise ParameterError(f"units is {self.units!r}, window {self.window!r}; pass positive whole numbers")
        if self.steps is not None and self.steps < 1:
            raise ParameterError(f"steps is {self.steps!r}; pass a positive whole number, or None to choose it")
        if self.mode not in MODES:
            raise ParameterError(f"mode is {self.mode!r}; pass one of {', '.join(MODES)}")
        if not 0 <= self.linear_share <= 1:
            raise ParameterError(f"linear_share is {self.linear_share!r}; pass a share between 0 and 1")

    # -- training ---------------------------------------------------------------------------

    def parts(self) -> list[VolatilityForecaster]:
        """Return one model a seed: what can be trained in parallel."""
        return [clone(self).set_params(seeds=(seed,)) for seed in self.seeds]

    def fit_part(self, panel: PricePanel) -> State:
        """Train the network of one seed, its linear start and the linear model without a market."""
        self._check_parameters()
        x, y = self._training_data(_by_name(panel))
        alone = regress_logs(x[..., : len(ALONE)], y)
        with one_thread():
            self.steps_ = self.steps or self._chosen_steps(x, y)
            fitted = self._trained(x, y, self.steps_)
        if fitted is None or alone is None:
            raise InsufficientHistoryError(
                f"{panel!r} is too short to train on: an asset needs about {BASE_MINIMUM + 2 * self.window} sessions"
            )
        network, linear = fitted
        return _weights([network]) | {"linear": linear, "alone": alone, "bounds": level_bounds(x, INPUTS)}

    def _fit(self, panel: PricePanel) -> None:
        parts = self.parts()
        self._join(Parallel()(delayed(_fit_part)(part, panel) for part in parts), panel)

    def _trained(self, x: np.ndarray, y: np.ndarray, steps: int) -> tuple[VolatilityNetwork, np.ndarray] | None:
        """Train the first seed's network from its linear start, or return None for too little data."""
        linear = regress_logs(x, y)
        sequences, targets = training_sequences(x, np.log(y), self.window)
        if linear is None or len(sequences) == 0:
            return None
        generator = torch.Generator().manual_seed(int(self.seeds[0]))
        network = VolatilityNetwork(len(INPUTS), len(RECURRENT), len(KNOTS), self.units)
        network.initialise(generator, weight=as_tensor(linear[1:-1].T), bias=as_tensor(linear[0]))
        return train(network, sequences, targets, LOSSES[self.loss], Recipe(steps), generator), linear

    def _chosen_steps(self, x: np.ndarray, y: np.ndarray) -> int:
        """Return the number of steps with the least loss on the purged tail of the training span."""
        (head, head_targets), (tail, tail_targets) = validation_split(x, y, KNOTS)
        held_out = training_sequences(tail, np.log(tail_targets), self.window)
        losses = {}
        for steps in STEPS:
            fitted = self._trained(head, head_targets, steps)
            if fitted is not None and len(held_out[0]):
                losses[steps] = mean_loss(fitted[0], *held_out, LOSSES[self.loss])
        return min(losses, key=losses.__getitem__, default=STEPS[0])

    def _join(self, states: list[State], panel: PricePanel) -> None:
        self.networks_ = [self._network(state, 0) for state in states]
        self.linear_, self.bounds_ = states[0]["linear"], states[0]["bounds"]
        self.readout_ = Readout.of(self.networks_, self.linear_, self.linear_share)
        panel = _by_name(panel)
        x, y = self._training_data(panel)
        with one_thread():
            hidden = encode(self.networks_, x, panel.sessions, self.window, 0)
        if self.mode == "fine-tuned":
            self.readout_ = fine_tune(self.readout_, hidden, x, np.log(y), list(panel.assets))
        # The factor by horizon: of the forecasts in sample, and of their linear part out of sample.
        missing = out_of_sample_ratio(x, y, INPUTS, KNOTS)
        self.factor_ = rescale(y, np.exp(self.readout_(hidden, x, panel.assets))) * missing
        self.alone_ = states[0]["alone"].copy()
        self.alone_[-1] *= missing

    def _training_data(self, panel: PricePanel) -> tuple[np.ndarray, np.ndarray]:
        inputs = build_inputs(panel, panel.market)
        y = forward_variance(panel, KNOTS, close_to_close_ratio(panel)) / inputs.base[..., None]
        return inputs.take(INPUTS), y

    # -- forecasting ------------------------------------------------------------------------

    def _predict_paths(self, panel: PricePanel, horizons: tuple[int, ...], first: int) -> dict[int, pd.DataFrame]:
        market = reference(panel, self.universe_)
        inputs = build_inputs(panel, market)
        if market is None:
            ratio = forecast_ratio(self.alone_, inputs.take(ALONE, self.bounds_))
            return self._from_knots(ratio * inputs.base[..., None], panel, horizons)
        # In a halt the forecast of the last bar stands, which may lie before the first row asked for.
        answered = max(0, first - LONGEST_HALT)
        return self._from_knots(self.knot_variance(inputs, panel, answered), panel, horizons)

    def knot_variance(self, inputs: Inputs, panel: PricePanel, first: int) -> np.ndarray:
        """Mean daily variance at the fitted horizons, sessions x assets x horizons, from row `first` on."""
        hidden = encode(self.networks_, inputs.take(INPUTS, self.bounds_), panel.sessions, self.window, first)
        return self.variance(hidden, inputs, panel.assets)

    def variance(self, hidden: np.ndarray, inputs: Inputs, assets: pd.Index) -> np.ndarray:
        """Mean daily variance at the fitted horizons, from the networks' hidden units."""
        ratio = np.exp(self.readout_(hidden, inputs.take(INPUTS, self.bounds_), assets)) * self.factor_
        return ratio * inputs.base[..., None]

    def follower(self) -> LSTMFollower:
        """Return what carries the networks' state from session to session."""
        return LSTMFollower(self)

    def fallbacks(self, panel: PricePanel) -> dict[str, str]:
        """Name the linear model without market terms, where the panel lacks the reference universe."""
        return {} if reference(panel, self.universe_) is not None else {"market-wide inputs": NO_REFERENCE}

    # -- state ------------------------------------------------------------------------------

    def get_state(self) -> State:
        """Return the weights of each network, the linear model and the rescale."""
        own = {f"own/{asset}": table for asset, table in self.readout_.own.items()}
        learned = {"linear": self.linear_, "alone": self.alone_, "factor": self.factor_, "bounds": self.bounds_}
        return _weights(self.networks_) | learned | own

    def set_state(self, state: State) -> None:
        """Take them back."""
        self.networks_ = [self._network(state, number) for number in range(len(self.seeds))]
        self.linear_, self.alone_ = state["linear"], state["alone"]
        self.factor_, self.bounds_ = state["factor"], state["bounds"]
        shared = Readout.of(self.networks_, self.linear_, self.linear_share)
        own = {name.removeprefix("own/"): table for name, table in state.items() if name.startswith("own/")}
        self.readout_ = Readout(shared.table, own)

    @property
    def vintage(self) -> dict[str, str]:
        """What the learned numbers are, with the number of assets that keep a readout of their own."""
        named = super().vintage
        if self.mode == "fine-tuned" and hasattr(self, "readout_"):
            named["fine_tuned"] = f"{len(self.readout_.own)} of {len(self.assets_)} assets"
        return named

    def _network(self, state: State, number: int) -> VolatilityNetwork:
        network = VolatilityNetwork(len(INPUTS), len(RECURRENT), len(KNOTS), self.units)
        prefix = f"{number}/"
        weights = {
            name.removeprefix(prefix): torch.from_numpy(array.copy())
            for name, array in state.items()
            if name.startswith(prefix)
        }
        try:
            network.load_state_dict(weights)
        except RuntimeError as error:
            raise StoreCorruptError(
                f"stored weights do not fit LSTMVolatility(units={self.units!r}): {error}"
            ) from error
        return network.eval()


def _by_name(panel: PricePanel) -> PricePanel:
    """Order the assets, so that the order of columns does not decide which sequences share a batch."""
    return panel.select(sorted(panel.assets, key=str))


def _fit_part(part: LSTMVolatility, panel: PricePanel) -> State:
    return part.fit_part(panel)


def _weights(networks: Sequence[VolatilityNetwork]) -> State:
    return {
        f"{number}/{name}": tensor.numpy()
        for number, network in enumerate(networks)
        for name, tensor in network.state_dict().items()
    }
