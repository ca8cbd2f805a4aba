"""Pooled LSTM volatility: one backbone for all assets, tuned to each, an ensemble of seeds and a linear model."""

from __future__ import annotations

import importlib
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.base import clone

from volplugin.data.panel import MAX_GAP_SESSIONS, PricePanel
from volplugin.errors import InsufficientHistoryError, ParameterError, StoreCorruptError
from volplugin.volatility.base import OnlinePredictor, State, VolatilityForecaster
from volplugin.volatility.bias_correction import close_to_close_ratio, forward_variance, out_of_sample_ratio
from volplugin.volatility.features import (
    BASE_MINIMUM,
    FEATURE_LOOKBACK,
    INPUT_SETS,
    MARKET,
    NO_REFERENCE,
    RECURRENT,
    Features,
    build_features,
    level_bounds,
    reference,
    without_market,
)
from volplugin.volatility.lstm.ensemble import Ensemble, Readout
from volplugin.volatility.lstm.fitting import STEPS, Trainer, fine_tune
from volplugin.volatility.lstm.network import VolatilityNetwork
from volplugin.volatility.lstm.sequences import block_days
from volplugin.volatility.lstm.streaming import LSTMOnlinePredictor
from volplugin.volatility.lstm.training import AUTO, LOSSES, device_named, one_thread
from volplugin.volatility.lstm.variants import NETWORKS
from volplugin.volatility.regression import regress_logs
from volplugin.volatility.term_structure import FITTED_HORIZONS

CHOICES = {
    "inputs": tuple(INPUT_SETS),
    "network": tuple(NETWORKS),
    "loss": tuple(LOSSES),
    "mode": ("shared", "fine-tuned", "independent"),
    "tuned": ("readout", "network"),
}

CHUNK = 16
"""Assets that are run through at once when a vintage is put together."""


GPU_TOLERANCE = 0.01
"""Largest relative difference of a forecast that is put up with between training on a GPU and on the CPU."""


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
        Units of each recurrent layer.
    window : int, default 60
        Look-back of the network: least number of sessions that its state is warmed up by.
    seeds : sequence of int, default (0, 1, 2)
        One network each.
    steps : int, sequence of int or None, default 150
        Gradient steps of training. From several, the number is chosen, seed by seed, that has the least loss on a
        purged validation tail of the training span, the last fifth; all of it is then trained on. None stands for
        75, 150 and 300.
    loss : {"log_mse", "qlike", "gaussian_nll", "volatility_mse"}, default "log_mse"
        Squared error of log variance, QLIKE, Gaussian likelihood, or squared error of volatility.
    linear_share : float, default 0.25
        Share of the pooled linear model in the geometric blend.
    mode : {"shared", "fine-tuned", "independent"}, default "fine-tuned"
        One model for all assets; the same tuned for each asset, its own kept only where it improves the loss on
        a purged validation tail; or one network an asset, which shares the linear skip alone. Assets never
        trained on get the shared model, which in the last mode is the linear one.
    tuned : {"readout", "network"}, default "readout"
        What is tuned for each asset in mode "fine-tuned": head and skip, or all weights.
    inputs : {"all", "own", "closes"}, default "all"
        Everything; nothing market-wide; or what closes alone give, whatever else the panel holds. Without
        open, high and low in the panel the first two have no ranges to read, and were better trained as "closes".
    horizons : sequence of int, default (1, 5, 21)
        Sessions that there is a head for.
    network : {"lstm", "gru", "bidirectional", "attention"}, default "lstm"
        What reads the sequence; see `volplugin.volatility.lstm.variants`.
    device : str, default "auto"
        Where networks are trained: a GPU where there is one, else the CPU; or ``"cpu"``, ``"cuda"``, ``"cuda:1"``,
        ``"mps"``. Weights are kept, and forecasts made, on the CPU, and a store does not ask which it was: forecasts
        of a model trained on a GPU differ from those of one trained on the CPU, as sums are rounded in another
        order, by about `GPU_TOLERANCE`. Only the CPU repeats itself to the last bit.

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
        steps: int | Sequence[int] | None = 150,
        loss: str = "log_mse",
        linear_share: float = 0.25,
        mode: str = "fine-tuned",
        tuned: str = "readout",
        inputs: str = "all",
        horizons: Sequence[int] = FITTED_HORIZONS,
        network: str = "lstm",
        device: str = AUTO,
    ) -> None:
        self.units = units
        self.window = window
        self.seeds = seeds
        self.steps = steps
        self.loss = loss
        self.linear_share = linear_share
        self.mode = mode
        self.tuned = tuned
        self.inputs = inputs
        self.horizons = horizons
        self.network = network
        self.device = device

    runtime_params = ("device",)

    @property
    def lookback(self) -> int:
        """Sessions up to `asof` that a forecast depends on: two blocks of the network, and the inputs'."""
        # A block's calendar days hold fewer sessions than five in seven.
        return 2 * math.ceil(block_days(self.window) * 5 / 7 + 2) + FEATURE_LOOKBACK

    @property
    def fitted_horizons(self) -> tuple[int, ...]:
        """Horizons in sessions that there is a head for; others are interpolated."""
        return tuple(self.horizons)

    @property
    def names(self) -> tuple[str, ...]:
        """Inputs of the linear skip; those among them that move from day to day are the recurrent layers'."""
        return INPUT_SETS[self.inputs]

    def _check_parameters(self) -> None:
        for parameter, choices in CHOICES.items():
            if getattr(self, parameter) not in choices:
                raise ParameterError(f"{parameter} is {getattr(self, parameter)!r}; pass one of {', '.join(choices)}")
        device_named(self.device)
        if len(self.seeds) == 0 or len(set(self.seeds)) < len(self.seeds):
            raise ParameterError(f"seeds is {self.seeds!r}; pass one or more different whole numbers")
        if len(self.units) == 0 or min(self.units) < 1 or self.window < 1:
            raise ParameterError(f"units is {self.units!r}, window {self.window!r}; pass positive whole numbers")
        if len(self._step_choices) == 0 or min(self._step_choices) < 1:
            raise ParameterError(f"steps is {self.steps!r}; pass a positive whole number, or several to choose from")
        if not 0 <= self.linear_share <= 1:
            raise ParameterError(f"linear_share is {self.linear_share!r}; pass a share between 0 and 1")
        ordered = sorted(set(self.horizons)) == list(self.horizons)
        if len(self.horizons) == 0 or min(self.horizons) < 1 or not ordered:
            raise ParameterError(f"horizons is {self.horizons!r}; pass increasing numbers of sessions")

    @property
    def _step_choices(self) -> tuple[int, ...]:
        return tuple(np.atleast_1d(STEPS if self.steps is None else self.steps).tolist())

    # -- training ---------------------------------------------------------------------------

    def members(self) -> list[VolatilityForecaster]:
        """Return one model a seed: what can be trained in parallel."""
        return [clone(self).set_params(seeds=(seed,)) for seed in self.seeds]

    def fit_member(self, panel: PricePanel) -> State:
        """Train the network of one seed and its copies, from the regression that they start from."""
        self._check_parameters()
        panel = _by_name(panel)
        x, y = self._training_data(panel)
        linear = regress_logs(x, y)
        with one_thread():
            ensemble = None if linear is None else self._trained(x, y, linear, panel)
        if linear is None or ensemble is None:
            raise InsufficientHistoryError(
                f"{panel!r} is too short to train on: an asset needs about {BASE_MINIMUM + 2 * self.window} sessions"
            )
        learned = {"linear": linear, "bounds": level_bounds(x, self.names), "steps": self.steps_}
        return ensemble.to_arrays(panel.assets) | learned

    def _trained(self, x: np.ndarray, y: np.ndarray, linear: np.ndarray, panel: PricePanel) -> Ensemble | None:
        """Train what the first seed brings to the ensemble; None for too little data."""
        trainer = Trainer(
            self._empty_network, LOSSES[self.loss], self.fitted_horizons, int(self.seeds[0]), device_named(self.device)
        )
        choices = self._step_choices
        steps = choices[0] if len(choices) == 1 else trainer.chosen_steps(x, y, regress_logs, choices)
        self.steps_ = np.array([steps])
        if self.mode == "independent":
            copies = trainer.independent(x, y, linear, steps, panel.assets)
            return Ensemble([trainer.start(linear)[0]], [copies]) if copies else None
        network = trainer.pooled(x, y, linear, steps)
        if network is None:
            return None
        tuning = self.mode == "fine-tuned" and self.tuned == "network"
        return Ensemble([network], [trainer.fine_tuned(network, x, y, panel.assets) if tuning else {}])

    def _fit(self, panel: PricePanel) -> None:
        parts = self.members()
        self._combine(Parallel()(delayed(_fit_member)(part, panel) for part in parts), panel)

    def _combine(self, states: list[State], panel: PricePanel) -> None:
        panel = _by_name(panel)
        self.ensemble_ = Ensemble.of([self._ensemble(state, panel.assets, 1) for state in states])
        self.linear_, self.bounds_ = states[0]["linear"], states[0]["bounds"]
        self.steps_ = np.concatenate([state["steps"] for state in states])
        x, y = self._training_data(panel)
        self.readout_, factors, recurrent_contribution = self._read_out(x, y, panel)
        # The factor by horizon: of the forecasts in sample, and of their linear part out of sample.
        missing = out_of_sample_ratio(x, y, self.names, self.fitted_horizons)
        self.factor_, self.factors_ = factors[0] * missing, factors[1:] * missing
        own = [name not in MARKET for name in self.names]
        alone = regress_logs(np.concatenate([recurrent_contribution, x[..., own]], axis=-1), y)
        assert alone is not None, "there are as many rows as the networks' own regression had"
        self.no_market_coef_ = alone
        self.no_market_coef_[-1] *= missing

    def _read_out(self, x: np.ndarray, y: np.ndarray, panel: PricePanel) -> tuple[Readout, np.ndarray, np.ndarray]:
        """Run the ensemble over the training data, a few assets at a time so that memory stays bounded.

        Returns
        -------
        readout : Readout
            With those that assets keep of their own.
        factors : ndarray of shape (1 + n_components, n_horizons)
            Mean of realised over forecast variance, of the readout's forecasts and of each component's.
        spoken : ndarray of shape (n_sessions, n_assets, n_horizons)
            What the recurrent layers add.
        """
        readout = self.ensemble_.readout(self.linear_, self.linear_share)
        parts = [(part.readout(self.linear_, 0.0), units) for part, units in self._component_parts().values()]
        total, count = np.zeros((1 + len(parts), len(self.fitted_horizons))), np.zeros(len(self.fitted_horizons))
        recurrent_contribution = np.empty(y.shape, x.dtype)
        for begin in range(0, y.shape[1], CHUNK):
            few = slice(begin, begin + CHUNK)
            assets, known, realised = panel.assets[few], x[:, few].astype(float), y[:, few]
            hidden = self.ensemble_.encode(known, assets, panel.sessions, self.window, 0)
            if self.mode == "fine-tuned" and self.tuned == "readout":
                tuned = fine_tune(readout, hidden, known, np.log(realised), assets, self.fitted_horizons)
                readout = Readout(readout.table, {**readout.own, **tuned.own})
            said = [readout(hidden, known, assets), *(part(hidden[..., units], known, assets) for part, units in parts)]
            total += [np.nansum(realised / np.exp(log_ratio), axis=(0, 1)) for log_ratio in said]
            count += np.isfinite(realised / said[0]).sum(axis=(0, 1))
            recurrent_contribution[:, few] = self.ensemble_.recurrent_contribution(hidden, assets)
        return readout, total / count, recurrent_contribution

    def fine_tuned(self, panel: PricePanel) -> LSTMVolatility:
        """Return this fitted model with head and skip tuned to the assets of a panel, no network trained.

        An asset keeps a readout of its own only where it improves the loss on the purged tail of the panel; the
        others, and assets that the panel does not have, get the shared one. The panel's market becomes the
        reference universe.

        Parameters
        ----------
        panel : PricePanel
            Prices through the session that the result may answer from.
        """
        model = clone(self).set_params(mode="fine-tuned", tuned="readout")
        model.__dict__ |= {key: value for key, value in self.__dict__.items() if key.endswith("_")}
        model._describe(panel)
        model.trained_through_ = panel.last_session
        panel = _by_name(panel)
        model.readout_, *_ = model._read_out(*model._training_data(panel), panel)
        return model

    @classmethod
    def pretrained(cls) -> VolatilityForecaster:
        """Return the vintages that come with the package, each used from the day that its training ended.

        Nothing is to be trained: `predict` at once, or `fit` to tune head and skip to the assets of a panel.
        """
        # By name, for the vintages stand above the forecasters: they know of stores.
        return importlib.import_module("volplugin.volatility.pretrained").PretrainedVolatility()

    def _training_data(self, panel: PricePanel) -> tuple[np.ndarray, np.ndarray]:
        inputs = self.features_of(panel, panel.market, names=self.names, dtype=np.float32)
        y = forward_variance(panel, self.fitted_horizons, close_to_close_ratio(panel)) / inputs.base[..., None]
        return inputs.values, y

    # -- forecasting ------------------------------------------------------------------------

    def features_of(self, panel: PricePanel, market: PricePanel | None, first: int = 0, **table: Any) -> Features:
        """Return the inputs from row `first` on, those of closes alone if that is what this model reads.

        `table` says which names and data type, as to `build_features`.
        """
        if self.inputs != "closes":
            return build_features(panel, market, first, **table)
        closes = panel.close_only()
        return build_features(closes, closes if market is panel else market and market.close_only(), first, **table)

    def reference(self, panel: PricePanel) -> PricePanel | None:
        """Return the assets whose means are the market-wide inputs; None to do without."""
        return None if set(self.names).isdisjoint(MARKET) else reference(panel, self.universe_)

    def _predict_paths(self, panel: PricePanel, horizons: tuple[int, ...], first: int) -> dict[int, pd.DataFrame]:
        inputs = self.features_of(panel, self.reference(panel))
        # In a halt the forecast of the last bar stands, which may lie before the first row asked for.
        answered = max(0, first - MAX_GAP_SESSIONS)
        return self._from_fitted_horizons(self.fitted_variance(inputs, panel, answered), panel, horizons)

    def fitted_variance(self, inputs: Features, panel: PricePanel, first: int) -> np.ndarray:
        """Mean daily variance at the fitted horizons, sessions x assets x horizons, from row `first` on."""
        hidden = self.ensemble_.encode(self.recurrent(inputs), panel.assets, panel.sessions, self.window, first)
        return self.variance(hidden, inputs, panel.assets)

    def recurrent(self, inputs: Features) -> np.ndarray:
        """Return the inputs of the recurrent layers, of shape (n_sessions, n_assets, n_recurrent)."""
        return inputs.take(_recurrent(self.names))

    def variance(self, hidden: np.ndarray, inputs: Features, assets: pd.Index) -> np.ndarray:
        """Mean daily variance at the fitted horizons, from the networks' hidden units."""
        if set(self.names) <= set(inputs.names):
            names, readout, factor = self.names, self.readout_, self.factor_
        else:
            names, readout, factor = (
                without_market(self.names),
                self.ensemble_.alone(self.no_market_coef_),
                self.no_market_coef_[-1],
            )
        ratio = np.exp(readout(hidden, inputs.take(names, self.bounds_), assets)) * factor
        return ratio * inputs.base[..., None]

    def online_predictor(self) -> OnlinePredictor:
        """Return what carries the networks' state from session to session, where they have one to carry."""
        return LSTMOnlinePredictor(self) if self.ensemble_.carries else super().online_predictor()

    def fallbacks(self, panel: PricePanel) -> dict[str, str]:
        """Name the coefficients without market terms, where the panel lacks the reference universe."""
        lacking = without_market(self.names) != self.names and self.reference(panel) is None
        return {"market-wide inputs": NO_REFERENCE} if lacking else {}

    def ensemble_members(self) -> dict[str, VolatilityForecaster]:
        """Return each seed alone and the pure ensemble, without the linear share and each rescaled for itself."""
        found: dict[str, VolatilityForecaster] = {}
        for row, (name, (part, _)) in enumerate(self._component_parts().items()):
            model = clone(self).set_params(linear_share=0.0)
            model.__dict__ |= {key: value for key, value in self.__dict__.items() if key.endswith("_")}
            model.ensemble_, model.readout_ = part, part.readout(self.linear_, 0.0)
            model.factor_ = self.factors_[row]
            found[name] = model
        return found

    def _component_parts(self) -> dict[str, tuple[Ensemble, slice]]:
        """Each seed's part of the ensemble and of the hidden units, then the whole."""
        width = self.ensemble_.networks[0].width
        parts = {
            f"seed {seed}": (self.ensemble_.part([place]), slice(place * width, (place + 1) * width))
            for place, seed in enumerate(self.seeds)
        }
        return parts | {"ensemble": (self.ensemble_, slice(None))}

    # -- state ------------------------------------------------------------------------------

    def get_state(self) -> State:
        """Return the weights of each network, the linear model and the rescales."""
        learned = {"linear": self.linear_, "alone": self.no_market_coef_, "bounds": self.bounds_}
        learned |= {"factor": self.factor_, "factors": self.factors_}
        if len(self._step_choices) > 1:
            learned["steps"] = self.steps_
        tuned = {} if self.tuned == "network" else self.readout_.own
        own = {f"own/{asset}": table for asset, table in tuned.items()} if self.mode == "fine-tuned" else {}
        return self.ensemble_.to_arrays(self.assets_) | learned | own

    def set_state(self, state: State) -> None:
        """Take them back."""
        self.ensemble_ = self._ensemble(state, self.assets_, len(self.seeds))
        self.linear_, self.no_market_coef_, self.bounds_ = state["linear"], state["alone"], state["bounds"]
        self.factor_, self.factors_ = state["factor"], state["factors"]
        self.steps_ = state.get("steps", np.repeat(self._step_choices[:1], len(self.seeds)))
        shared = self.ensemble_.readout(self.linear_, self.linear_share)
        own = {name.removeprefix("own/"): table for name, table in state.items() if name.startswith("own/")}
        self.readout_ = Readout(shared.table, {**shared.own, **own})

    @property
    def vintage(self) -> dict[str, str]:
        """What the learned numbers are, with the steps that were chosen, and how many assets have their own."""
        named = super().vintage
        if len(self._step_choices) > 1 and hasattr(self, "steps_"):
            named["steps"] = ", ".join(map(str, self.steps_))
        if self.mode != "shared" and hasattr(self, "readout_"):
            named["own"] = f"{len(self.readout_.own)} of {len(self.assets_)} assets"
        return named

    def _ensemble(self, state: State, assets: Sequence[str], count: int) -> Ensemble:
        try:
            return Ensemble.from_arrays(state, count, assets, self._empty_network)
        except (RuntimeError, IndexError) as error:
            raise StoreCorruptError(
                f"stored weights do not fit LSTMVolatility(units={self.units!r}): {error}"
            ) from error

    def _empty_network(self) -> VolatilityNetwork:
        kind, n_recurrent = NETWORKS[self.network], len(_recurrent(self.names))
        return kind(len(self.names), n_recurrent, len(self.fitted_horizons), self.units, self.window)


def _recurrent(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if name in RECURRENT)


def _by_name(panel: PricePanel) -> PricePanel:
    """Order the assets, so that the order of columns does not decide which sequences share a batch."""
    return panel.select(sorted(panel.assets, key=str))


def _fit_member(part: LSTMVolatility, panel: PricePanel) -> State:
    return part.fit_member(panel)
