"""Pooled LSTM volatility: one network for all assets, tuned to each; an ensemble of seeds and a linear model."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import ClassVar

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
    level_bounds,
    without_market,
    without_season,
)
from volplugin.volatility.long_horizons import TermStructure, all_horizons
from volplugin.volatility.lstm.ensemble import Ensemble, Readout
from volplugin.volatility.lstm.fitting import STEPS, Trainer, fine_tune
from volplugin.volatility.lstm.inference import FittedLSTM, panel_features, recurrent_names
from volplugin.volatility.lstm.network import VolatilityNetwork
from volplugin.volatility.lstm.sequences import block_days, blocks
from volplugin.volatility.lstm.streaming import LSTMOnlinePredictor
from volplugin.volatility.lstm.training import AUTO, LOSSES, device_named, one_thread
from volplugin.volatility.lstm.variants import NETWORKS
from volplugin.volatility.regression import regress_logs
from volplugin.volatility.season import SEASON
from volplugin.volatility.term_structure import FITTED_HORIZONS

CHOICES = {
    "inputs": tuple(INPUT_SETS),
    "network": tuple(NETWORKS),
    "loss": tuple(LOSSES),
    "mode": ("shared", "fine-tuned", "independent"),
    "tuned": ("readout", "network"),
}

CHUNK = 16
"""Assets that the ensemble processes at once when a vintage is combined, which bounds memory."""

ENOUGH = 128
"""Least number of assets from which an ensemble of mode "shared" is combined, if the panel has twice as many."""

GPU_TOLERANCE = 0.01
"""Largest accepted relative difference between forecasts of models trained on a GPU and on the CPU."""


class LSTMVolatility(VolatilityForecaster):
    """Volatility of each asset from a recurrent network trained on all assets together.

    A network of stacked LSTMs with a linear skip reads scale-free inputs (range-based variance over a day, a week and
    a month relative to the asset's slow level, returns, volume, and means over the reference universe) and gives the
    log variance of the next 1, 5 and 21 sessions relative to that level. An ensemble of seeds is averaged in logs,
    blended with the pooled linear model on the same inputs, and rescaled so that realised over forecast variance
    averages one on the training data; the out-of-sample part of the rescale comes from the linear model. Other
    horizons are interpolated in total variance.

    Units: a volatility is a daily standard deviation in decimals; only `annualize` and ``periods=`` change that.
    Timing: `asof` is the last completed session used; the forecast covers the `horizon` sessions after it.

    Parameters
    ----------
    units : sequence of int, default (64, 32)
        Units of each recurrent layer.
    window : int, default 60
        Least number of sessions that warm up the network's state before a forecast.
    seeds : sequence of int, default (0, 1, 2)
        One network per seed.
    steps : int, sequence of int or None, default 300
        Gradient steps. From several numbers each seed selects the one with the least loss on a purged validation tail,
        the last fifth of the training span, and then trains on the whole span. None means 75, 150 and 300.
    loss : {"log_mse", "qlike", "gaussian_nll", "volatility_mse"}, default "log_mse"
        Squared error of log variance, QLIKE, Gaussian likelihood, or squared error of volatility.
    linear_share : float or sequence of float, default 0.25
        Weight of the pooled linear model in the geometric blend: one for all horizons, or one per horizon.
    mode : {"shared", "fine-tuned", "independent"}, default "fine-tuned"
        One model for all assets; one model tuned to each asset, where tuning improves the loss on a purged validation
        tail; or one network per asset, which share the linear skip. Assets outside the training data get the shared
        model, which in the last mode is the linear one.
    tuned : {"readout", "network"}, default "readout"
        Weights tuned per asset in mode "fine-tuned": head and skip, or all.
    inputs : {"season", "season-closes", "all", "closes", "own"}, default "season"
        All inputs; all inputs computed from closes, whatever else the panel holds; the same two without the earnings
        season ("all", "closes"); or no market-wide inputs. If the panel has no open, high and low, train with
        "season-closes".
    horizons : sequence of int, default (1, 5, 21)
        Horizons in sessions with a head of their own.
    network : {"lstm", "gru", "bidirectional", "attention"}, default "lstm"
        Network type; see `volplugin.volatility.lstm.variants`.
    device : str, default "auto"
        Device for training: a GPU if there is one, else the CPU; or ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
        Weights are stored, and forecasts computed, on the CPU. Training on a GPU rounds sums in another order and
        changes forecasts by about `GPU_TOLERANCE`; only training on the CPU is reproducible to the last bit.

    Attributes
    ----------
    trained_through_ : Timestamp
        Last training session.
    assets_, universe_ : list of str
        Assets trained on, and assets of the reference universe.

    Raises
    ------
    ParameterError
        From `fit`, for a parameter outside its domain.
    InsufficientHistoryError
        From `fit`, if the panel is too short to train on.

    Notes
    -----
    Training is deterministic given the seeds, and does not touch the global random state.

    References
    ----------
    Hochreiter and Schmidhuber (1997), Long Short-Term Memory; Bollerslev, Hood, Huss and Pedersen
    (2018), Risk Everywhere, on pooling; Patton (2011), Volatility Forecast Comparison Using Imperfect
    Volatility Proxies, on the losses that rank forecasts under noise.

    Examples
    --------
    >>> from volplugin import LSTMVolatility, simulated_panel
    >>> panel = simulated_panel(4, "2012-01-02", "2014-06-30")
    >>> model = LSTMVolatility(units=(4,), window=10, seeds=(0,), steps=5)  # tiny, for a fast example
    >>> model = model.fit(panel.asof("2013-12-31"))
    >>> model.predict(panel.asof("2014-01-31"), horizon=21).shape
    (4,)
    >>> model.predict_path(panel, "2014-01-02", "2014-01-10", horizon=5).shape
    (7, 4)
    """

    pretrained: ClassVar[Callable[[], VolatilityForecaster]]
    """Return the shipped vintages (`PretrainedVolatility`); set in `volplugin.volatility.lstm`."""

    def __init__(
        self,
        units: Sequence[int] = (64, 32),
        window: int = 60,
        seeds: Sequence[int] = (0, 1, 2),
        steps: int | Sequence[int] | None = 300,
        loss: str = "log_mse",
        linear_share: float | Sequence[float] = 0.25,
        mode: str = "fine-tuned",
        tuned: str = "readout",
        inputs: str = "season",
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
        """Number of sessions up to `asof` that a forecast depends on: two blocks of the network, and the inputs'."""
        # At most five of seven calendar days are sessions, so this is an upper bound for a block.
        return 2 * math.ceil(block_days(self.window) * 5 / 7 + 2) + FEATURE_LOOKBACK

    @property
    def fitted_horizons(self) -> tuple[int, ...]:
        """Horizons in sessions that have a head; other horizons are interpolated."""
        return tuple(self.horizons)

    @property
    def all_horizons(self) -> tuple[int, ...]:
        """Horizons in sessions that forecasts are interpolated between: the heads' and longer ones."""
        return all_horizons(self.fitted_horizons, getattr(self, "term_", None))

    @property
    def names(self) -> tuple[str, ...]:
        """Inputs of the linear skip; the recurrent layers read all of them but levels and market-wide inputs."""
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
        shares = np.asarray(self.linear_share, dtype=float)
        if shares.shape not in ((), (len(self.horizons),)) or not ((shares >= 0) & (shares <= 1)).all():
            raise ParameterError(
                f"linear_share is {self.linear_share!r}; pass a share between 0 and 1, or one for each horizon"
            )
        ordered = sorted(set(self.horizons)) == list(self.horizons)
        if len(self.horizons) == 0 or min(self.horizons) < 1 or not ordered:
            raise ParameterError(f"horizons is {self.horizons!r}; pass increasing numbers of sessions")

    @property
    def _step_choices(self) -> tuple[int, ...]:
        return tuple(np.atleast_1d(STEPS if self.steps is None else self.steps).tolist())

    # -- training ---------------------------------------------------------------------------

    def members(self) -> list[VolatilityForecaster]:
        """Return one unfitted model per seed, which can be trained in parallel."""
        return [clone(self).set_params(seeds=(seed,)) for seed in self.seeds]

    def fit_member(self, panel: PricePanel) -> State:
        """Train the network of the first seed, and its copies for single assets, from the regression's coefficients."""
        self._check_parameters()
        panel = _by_name(panel)
        x, y, _ = self._training_data(panel)
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
        """Train the first seed's network and copies; None if there is too little data."""
        trainer = Trainer(
            self._empty_network,
            LOSSES[self.loss],
            self.fitted_horizons,
            int(self.seeds[0]),
            device_named(self.device),
            tuple(place for place, name in enumerate(self.names) if name in SEASON),
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
        self._combine(Parallel()(delayed(LSTMVolatility.fit_member)(part, panel) for part in self.members()), panel)

    def _combine(self, states: list[State], panel: PricePanel) -> None:
        panel = _by_name(panel)
        self.ensemble_ = Ensemble.of([self._ensemble(state, panel.assets, 1) for state in states])
        self.linear_, self.bounds_ = states[0]["linear"], states[0]["bounds"]
        self.steps_ = np.concatenate([state["steps"] for state in states])
        x, y, base = self._training_data(panel)
        self.readout_, total, count, last = self._read_out(x, y, panel)
        factors = total.sum(axis=1) / count.sum(axis=0)
        n = max(len(panel.assets) // ENOUGH, 1) if self.mode == "shared" else 1
        if n > 1:  # few assets with extreme moves shift a mean: the median over the assets of each one's mean quotient
            factors = np.nanmedian(total / np.where(count, count, np.nan), axis=1)
        # Rescale by horizon: the in-sample factor times the out-of-sample factor of the linear model.
        missing = out_of_sample_ratio(x, y, self.names, self.fitted_horizons)
        self.factor_, self.factors_ = factors[0] * missing, factors[1:] * missing
        panel = panel.select(panel.assets[::n])  # enough for the few remaining coefficients
        x, y, base, last, total, count = x[:, ::n], y[:, ::n], base[:, ::n], last[:, ::n], total[:, ::n], count[::n]
        self.no_market_coef_, free = self._without_season(x, y, panel)
        for table in (self.no_market_coef_, free):
            table[-1] *= missing * factors[0] / (total[0].sum(axis=0) / count.sum(axis=0))
        self.free_ = None if set(self.names).isdisjoint(SEASON) else free
        level = x[..., self.names.index("level")]
        variance = np.exp(last) * self.factor_[-1] * base
        self.term_ = TermStructure.fit(panel, variance, base, level, self.fitted_horizons[-1])

    def _read_out(
        self, x: np.ndarray, y: np.ndarray, panel: PricePanel
    ) -> tuple[Readout, np.ndarray, np.ndarray, np.ndarray]:
        """Run the ensemble over the training data, `CHUNK` assets at a time.

        Returns
        -------
        readout : Readout
            With the tuned tables of single assets.
        total, count : ndarray of shape (1 + n_members, n_assets, n_horizons), and without the first axis
            Sums of realised over forecast variance, for the readout and each ensemble member; numbers of terms.
        last : ndarray of shape (n_sessions, n_assets)
            Forecast log variance relative to the slow level at the last horizon, before the rescale.
        """
        readout = self.ensemble_.readout(self.linear_, self.linear_share)
        parts = [(part.readout(self.linear_, 0.0), units) for part, units in self._component_parts().values()]
        total, count = np.zeros((1 + len(parts), *y.shape[1:])), np.zeros(y.shape[1:])
        last = np.empty(y.shape[:2])
        for begin in range(0, y.shape[1], CHUNK):
            few = slice(begin, begin + CHUNK)
            assets, known, realised = panel.assets[few], x[:, few].astype(float), y[:, few]
            hidden = self.ensemble_.encode(known, assets, panel.sessions, self.window, 0)
            if self.mode == "fine-tuned" and self.tuned == "readout":
                tuned = fine_tune(readout, hidden, known, np.log(realised), assets, self.fitted_horizons)
                readout = Readout(readout.table, {**readout.own, **tuned.own})
            said = [readout(hidden, known, assets), *(part(hidden[..., units], known, assets) for part, units in parts)]
            total[:, few] = [np.nansum(realised / np.exp(log_ratio), axis=0) for log_ratio in said]
            count[few] = np.isfinite(realised / said[0]).sum(axis=0)
            last[:, few] = said[0][..., -1]
        return readout, total, count, last

    def _without_season(self, x: np.ndarray, y: np.ndarray, panel: PricePanel) -> tuple[np.ndarray, np.ndarray]:
        """Regress on the networks' output with the earnings season's inputs at zero, and on the other inputs.

        Returns
        -------
        alone, free : ndarray of shape (1 + n_horizons + n_inputs + 1, n_horizons)
            Tables of `regress_logs`, without market-wide inputs and with them.
        """
        assets, others = panel.assets, without_season(self.names)
        season = [place for place, name in enumerate(self.names) if name in SEASON]
        recurrent_contribution = np.empty(y.shape, x.dtype)
        for begin in range(0, y.shape[1], CHUNK):
            few = slice(begin, begin + CHUNK)
            known = x[:, few].astype(float)
            known[..., season] *= 0.0  # a row without inputs stays one
            hidden = self.ensemble_.encode(known, assets[few], panel.sessions, self.window, 0)
            recurrent_contribution[:, few] = self.ensemble_.recurrent_contribution(hidden, assets[few])
        tables = []
        for names in (without_market(others), others):
            places = [self.names.index(name) for name in names]
            table = regress_logs(np.concatenate([recurrent_contribution, x[..., places]], axis=-1), y)
            assert table is not None, "there are as many rows as the networks' own regression had"
            tables.append(table)
        return tables[0], tables[1]

    def fine_tuned(self, panel: PricePanel) -> LSTMVolatility:
        """Return a copy of this fitted model with head and skip tuned to the assets of a panel.

        No network is trained. An asset gets its own readout only where it improves the loss on the purged tail of the
        panel; other assets use the shared readout. The panel's market becomes the reference universe.

        Parameters
        ----------
        panel : PricePanel
            Prices through the first session that the result may be used at.
        """
        model = clone(self).set_params(mode="fine-tuned", tuned="readout")
        model.__dict__ |= {key: value for key, value in self.__dict__.items() if key.endswith("_")}
        model._describe(panel)
        model.trained_through_ = panel.last_session
        panel = _by_name(panel)
        x, y, _ = model._training_data(panel)
        model.readout_, *_ = model._read_out(x, y, panel)
        return model

    def _training_data(self, panel: PricePanel) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        inputs = panel_features(self.inputs, panel, panel.market, names=self.names, dtype=np.float32)
        y = forward_variance(panel, self.fitted_horizons, close_to_close_ratio(panel)) / inputs.base[..., None]
        return inputs.values, y, inputs.base

    # -- forecasting ------------------------------------------------------------------------

    @property
    def _fitted(self) -> FittedLSTM:
        """The learned parameters, as the forecast functions take them."""
        return FittedLSTM(
            ensemble=self.ensemble_,
            readout=self.readout_,
            factor=self.factor_,
            no_market_coef=self.no_market_coef_,
            no_season_coef=self.free_,
            reversion=self.term_,
            bounds=self.bounds_,
            inputs=self.inputs,
            window=self.window,
            fitted_horizons=self.fitted_horizons,
            universe=self.universe_,
            tuned_readout=self.mode == "fine-tuned" and self.tuned != "network",
        )

    @property
    def event_aware(self) -> bool:
        """Whether the model also has an event-free forecast, without expected company events."""
        return getattr(self, "free_", None) is not None

    def _predict_paths(self, panel: PricePanel, horizons: tuple[int, ...], first: int) -> dict[int, pd.DataFrame]:
        fitted = self._fitted
        # In a halt the forecast at the last bar is used, which may lie before the first row wanted.
        answered = max(0, first - MAX_GAP_SESSIONS)
        begin = blocks(panel.sessions, self.window, answered)[0].begin
        inputs, used = fitted.features(panel, fitted.reference(panel), begin), panel.tail(len(panel.sessions) - begin)
        paths = self._from_fitted_horizons(
            lambda quiet: fitted.fitted_variance(inputs, used, answered - begin, quiet), used, horizons
        )
        return {days: path.reindex(panel.sessions) for days, path in paths.items()}

    def online_predictor(self) -> OnlinePredictor:
        """Return a predictor that updates the networks' state by one step per session, for networks with a state."""
        return LSTMOnlinePredictor(self, self._fitted) if self.ensemble_.carries else super().online_predictor()

    @property
    def uses_market(self) -> bool:
        """Whether the inputs include market-wide ones."""
        return without_market(self.names) != self.names

    def ensemble_members(self) -> dict[str, VolatilityForecaster]:
        """Return each seed alone and the ensemble of all, without the linear model, each with its own rescale."""
        found: dict[str, VolatilityForecaster] = {}
        for row, (name, (part, _)) in enumerate(self._component_parts().items()):
            model = clone(self).set_params(linear_share=0.0)
            model.__dict__ |= {key: value for key, value in self.__dict__.items() if key.endswith("_")}
            model.ensemble_, model.readout_ = part, part.readout(self.linear_, 0.0)
            model.factor_ = self.factors_[row]
            found[name] = model
        return found

    def _component_parts(self) -> dict[str, tuple[Ensemble, slice]]:
        """Each seed's network and its slice of the hidden units; last, the whole ensemble."""
        width = self.ensemble_.networks[0].width
        parts = {
            f"seed {seed}": (self.ensemble_.part([place]), slice(place * width, (place + 1) * width))
            for place, seed in enumerate(self.seeds)
        }
        return parts | {"ensemble": (self.ensemble_, slice(None))}

    # -- state ------------------------------------------------------------------------------

    def get_state(self) -> State:
        """Return the weights of each network, the linear coefficients and the rescale factors."""
        learned = {"linear": self.linear_, "alone": self.no_market_coef_, "bounds": self.bounds_}
        learned |= {"factor": self.factor_, "factors": self.factors_}
        if self.free_ is not None:
            learned["free"] = self.free_
        if self.term_ is not None:
            learned |= {"term": self.term_.table, "term_bounds": self.term_.bounds}
        if len(self._step_choices) > 1:
            learned["steps"] = self.steps_
        tuned = {} if self.tuned == "network" else self.readout_.own
        own = {f"own/{asset}": table for asset, table in tuned.items()} if self.mode == "fine-tuned" else {}
        return self.ensemble_.to_arrays(self.assets_) | learned | own

    def set_state(self, state: State) -> None:
        """Set them."""
        self.ensemble_ = self._ensemble(state, self.assets_, len(self.seeds))
        self.linear_, self.no_market_coef_, self.bounds_ = state["linear"], state["alone"], state["bounds"]
        self.factor_, self.factors_ = state["factor"], state["factors"]
        self.free_ = state.get("free")
        self.term_ = TermStructure(state["term"], state["term_bounds"]) if "term" in state else None
        self.steps_ = state.get("steps", np.repeat(self._step_choices[:1], len(self.seeds)))
        shared = self.ensemble_.readout(self.linear_, self.linear_share)
        own = {name.removeprefix("own/"): table for name, table in state.items() if name.startswith("own/")}
        expected = self._shapes() | {f"own/{asset}": shared.table.shape for asset in own}
        for name, shape in expected.items():
            if name in state and state[name].shape != shape:
                raise ValueError(f"{name} has shape {state[name].shape}, not {shape}")
        self.readout_ = Readout(shared.table, {**shared.own, **own})

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of the arrays of `get_state` that no network has."""
        count = len(self.fitted_horizons)
        inputs = {"alone": without_market(self.names), "free": without_season(self.names)}
        tables = {name: (1 + count + len(names) + 1, count) for name, names in inputs.items()}
        return tables | {"bounds": (2, 2), "factor": (count,), "factors": (len(self.seeds) + 1, count)}

    @property
    def vintage(self) -> dict[str, str]:
        """Metadata of the fitted model, with the selected steps and the number of assets with their own weights."""
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
        kind, n_recurrent = NETWORKS[self.network], len(recurrent_names(self.names))
        return kind(len(self.names), n_recurrent, len(self.fitted_horizons), self.units, self.window)


def _by_name(panel: PricePanel) -> PricePanel:
    """Sort the assets, so that the order of columns does not change which sequences share a batch."""
    return panel.select(sorted(panel.assets, key=str))
