import warnings

import joblib
import numpy as np
import pandas as pd
import pytest
from arch import arch_model
from arch.utility.exceptions import ConvergenceWarning
from sklearn.base import clone

from volplugin import EWMACorrelation, GARCHVolatility, PricePanel, RiskModel, WalkForward
from volplugin.errors import ParameterError
from volplugin.volatility import garch
from volplugin.volatility.garch import CONSTANT, DEGENERATE, EWMA, NO_CONVERGENCE, TOO_FEW, UNKNOWN, WINDOW

TRAINED = "2009-12-31"
MODELS = {"garch-t": (False, "t"), "gjr-t": (True, "t"), "garch-normal": (False, "normal")}
every_model = pytest.mark.parametrize("name", MODELS)


@pytest.fixture(scope="module")
def fitted(real) -> dict[str, GARCHVolatility]:
    return {name: GARCHVolatility(*options).fit(real.asof(TRAINED)) for name, options in MODELS.items()}


def percent(panel: PricePanel, asset: str) -> pd.Series:
    return 100 * panel.returns[asset].dropna()


def arch_of(returns: pd.Series, asymmetric: bool, distribution: str):
    return arch_model(returns, mean="Zero", vol="GARCH", p=1, o=int(asymmetric), q=1, dist=distribution, rescale=False)


def arch_with(parameters: pd.Series, returns: pd.Series, asymmetric: bool, distribution: str):
    """Return arch's own result at parameters of ours."""
    omega, alpha, gamma, beta, *rest = parameters
    ours = [omega * 1e4, alpha, *([gamma] if asymmetric else []), beta, *rest]
    return arch_of(returns, asymmetric, distribution).fix(ours)


def closes(returns: np.ndarray, names: list[str] | None = None) -> PricePanel:
    """Return a panel of closes with these log returns after its first session."""
    sessions = pd.bdate_range("2001-01-01", periods=len(returns) + 1)
    prices = 100 * np.exp(np.vstack([np.zeros(returns.shape[1]), returns.cumsum(axis=0)]))
    return PricePanel(pd.DataFrame(prices, sessions, names or [f"A{i}" for i in range(returns.shape[1])]))


def simulated(count: int, alpha: float = 0.08, beta: float = 0.9, seed: int = 3) -> np.ndarray:
    """Log returns of a GARCH(1,1) with an unconditional volatility of one percent."""
    random, variance = np.random.default_rng(seed), 1e-4
    returns = np.empty(count)
    for t in range(count):
        returns[t] = np.sqrt(variance) * random.standard_normal()
        variance = 1e-4 * (1 - alpha - beta) + alpha * returns[t] ** 2 + beta * variance
    return returns


# -- against arch ----------------------------------------------------------------------------------


@every_model
def test_parameters_are_those_of_arch(name, fitted, real):
    found = fitted[name].parameters_
    for asset in ("CVX", "IBM", "MCD"):
        returns = percent(real.asof(TRAINED), asset)
        expected = arch_of(returns, *MODELS[name]).fit(disp="off").params
        expected["omega"] /= 1e4
        if not MODELS[name][0]:
            expected = pd.concat([expected[:2], pd.Series({"gamma": 0.0}), expected[2:]])
        np.testing.assert_allclose(found.loc[asset], expected, rtol=1e-8)


@every_model
def test_variance_of_the_next_session_is_that_of_arch(name, fitted, real):
    path = fitted[name].predict_in_sample(real, "2008-06-02", real.last_session)[1] ** 2
    for asset in fitted[name].parameters_.index:
        theirs = arch_with(fitted[name].parameters_.loc[asset], percent(real, asset), *MODELS[name])
        # arch's volatility of a session is made at the close before it.
        expected = (theirs.conditional_volatility / 100) ** 2
        ours = path[asset].shift(1).dropna()
        assert len(ours) > 500
        np.testing.assert_allclose(ours, expected[ours.index], rtol=1e-6)


@every_model
@pytest.mark.parametrize("horizon", [1, 5, 10, 21, 63, 252])
def test_mean_variance_over_a_horizon_is_that_of_arch(name, horizon, fitted, real):
    ours = fitted[name].predict(real, horizon) ** 2
    for asset in ("CVX", "JPM"):
        theirs = arch_with(fitted[name].parameters_.loc[asset], percent(real, asset), *MODELS[name])
        expected = theirs.forecast(horizon=horizon).variance.iloc[-1].mean() / 1e4
        assert ours[asset] == pytest.approx(expected, rel=1e-6)


def test_losses_weigh_more_in_the_asymmetric_model(fitted):
    assert (fitted["gjr-t"].parameters_["gamma"] > 0).all()
    assert (fitted["garch-t"].parameters_["gamma"] == 0).all()


# -- the recursion ---------------------------------------------------------------------------------


def test_recursion_written_out_across_a_halt():
    """A halted session holds the variance; what lies before the window does not count."""
    returns = np.column_stack([simulated(1000, seed=5), simulated(1000, seed=6)])
    panel = closes(returns)
    table = panel.close.copy()
    table.iloc[700:704, 0] = np.nan
    table.iloc[:950, 1] = np.nan
    panel = PricePanel(table)
    model = GARCHVolatility(asymmetric=True).fit(closes(returns))
    for asset in panel.assets:
        omega, alpha, gamma, beta, _ = model.parameters_.loc[asset]
        window = panel.returns[asset].iloc[-WINDOW:].dropna()
        variance = (window**2).mean()
        for r in window:
            variance = omega + (alpha + gamma * (r < 0)) * r**2 + beta * variance
        total = sum(_ahead(variance, omega, alpha + gamma / 2 + beta, 10))
        assert model.predict(panel, horizon=10)[asset] == pytest.approx(np.sqrt(total / 10), rel=1e-12)


def _ahead(variance: float, omega: float, persistence: float, horizon: int):
    for _ in range(horizon):
        yield variance
        variance = omega + persistence * variance


def test_fewer_than_twenty_returns_have_no_forecast(synthetic):
    model = GARCHVolatility().fit(synthetic.asof("2015-08-31"))
    listed = synthetic.close["DELT"].first_valid_index()
    path = model.predict_in_sample(synthetic, listed, synthetic.sessions[430])[1]["DELT"]
    assert path.iloc[:20].isna().all()
    assert path.iloc[20:].notna().all()


def test_prices_that_never_moved():
    forecast = GARCHVolatility().fit(closes(np.zeros((600, 1)))).predict(closes(np.zeros((600, 1))))
    assert forecast["A0"] == pytest.approx(1e-5)


# -- fits that fail --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def troubled() -> tuple[PricePanel, GARCHVolatility]:
    """Three good assets, one listed late, one that never moves."""
    returns = np.column_stack([simulated(1200, seed=seed) for seed in range(5)])
    returns[:, 4] = 0
    panel = closes(returns, ["GOOD", "FINE", "SOUND", "LATE", "STILL"])
    table = panel.close.copy()
    table.iloc[:900, 3] = np.nan
    panel = PricePanel(table)
    return panel, GARCHVolatility(asymmetric=True).fit(panel)


def test_failed_fits_are_reported_and_forecast_with_pooled_parameters(troubled):
    panel, model = troubled
    assert model.failed_ == {"LATE": TOO_FEW, "STILL": CONSTANT}
    assert model.fallbacks(panel) == {name: f"pooled parameters: {why}" for name, why in model.failed_.items()}
    assert model.predict(panel).notna().all()
    assert list(model.parameters_.index) == ["GOOD", "FINE", "SOUND"]


def test_pooled_parameters_are_medians_about_the_assets_own_level(troubled):
    panel, model = troubled
    _, alpha, gamma, beta = model.pooled_
    own = model.parameters_
    persistence = own["alpha"] + own["gamma"] / 2 + own["beta"]
    assert alpha == own["alpha"].median()
    assert gamma == own["gamma"].median()
    assert alpha + gamma / 2 + beta == pytest.approx(persistence.median())
    # At a long horizon the forecast nears the asset's own mean squared return.
    level = np.sqrt((panel.returns["LATE"].dropna() ** 2).mean())
    assert model.predict(panel, 252)["LATE"] == pytest.approx(level, rel=0.05)


def test_an_asset_outside_the_training_data_is_forecast_around_its_own_level(troubled):
    panel, model = troubled
    base = simulated(1300, seed=9)[:, None]
    strangers = closes(np.hstack([base, 3 * base]), ["CALM", "WILD"])
    forecast = model.predict(strangers)
    assert forecast["WILD"] == pytest.approx(3 * forecast["CALM"])
    assert model.fallbacks(strangers) == dict.fromkeys(["CALM", "WILD"], f"pooled parameters: {UNKNOWN}")


def test_without_any_fit_the_pooled_parameters_are_riskmetrics():
    panel = closes(simulated(300)[:, None])
    model = GARCHVolatility().fit(panel)
    np.testing.assert_array_equal(model.pooled_, EWMA)
    assert model.failed_ == {"A0": TOO_FEW}
    variance = (panel.returns["A0"] ** 2).mean()
    for r in panel.returns["A0"].dropna():
        variance = 0.94 * variance + 0.06 * r**2
    for horizon in (1, 21):
        assert model.predict(panel, horizon)["A0"] == pytest.approx(np.sqrt(variance))


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (None, NO_CONVERGENCE),
        (np.array([0.02, np.nan, 0.9, 5.0]), NO_CONVERGENCE),
        (np.array([0.02, 0.2, 0.9, 5.0]), DEGENERATE),
        (np.array([0.0, 0.0, 1.0, 5.0]), DEGENERATE),
    ],
    ids=["not-converged", "not-finite", "explosive", "frozen"],
)
def test_degenerate_estimates(found, reason, monkeypatch):
    monkeypatch.setattr(garch, "_maximise", lambda *_: found)
    panel = closes(simulated(600)[:, None])
    model = GARCHVolatility().fit(panel)
    assert model.failed_ == {"A0": reason}
    assert np.isfinite(model.predict(panel)["A0"])


def test_an_integrated_fit_is_used(monkeypatch):
    """A persistence of one, where the optimiser often ends, has no mean to return to and needs none."""
    monkeypatch.setattr(garch, "_maximise", lambda *_: np.array([0.01, 0.06, 0.94, 5.0]))
    panel = closes(simulated(600)[:, None])
    model = GARCHVolatility().fit(panel)
    assert model.fallbacks(panel) == {}
    variance = {horizon: model.predict(panel, horizon)["A0"] ** 2 for horizon in (1, 21)}
    # One percent squared a day, on the way: 0, 1, .. 20 days of it, 10 on average.
    assert variance[21] == pytest.approx(variance[1] + 10 * 1e-6)


@pytest.mark.parametrize("error", [ValueError, np.linalg.LinAlgError, ZeroDivisionError, RuntimeError])
def test_errors_inside_arch_are_failures_to_converge(error, monkeypatch):
    def refuse(*_, **__):
        raise error("from within")

    monkeypatch.setattr("arch.univariate.base.ARCHModel.fit", refuse)
    model = GARCHVolatility().fit(closes(simulated(600)[:, None]))
    assert model.failed_ == {"A0": NO_CONVERGENCE}


def test_an_optimiser_that_gives_up_is_reported(monkeypatch):
    import scipy.optimize

    # arch stops after one step, and says so.
    monkeypatch.setattr(
        "arch.univariate.base.minimize",
        lambda *a, **k: scipy.optimize.minimize(*a, **(k | {"options": {"maxiter": 1}})),
    )
    panel = closes(simulated(600)[:, None])
    with pytest.warns(ConvergenceWarning):
        arch_of(percent(panel, "A0"), False, "t").fit(disp="off")
    assert GARCHVolatility().fit(panel).failed_ == {"A0": NO_CONVERGENCE}


def test_arch_is_silent_and_leaves_warnings_as_they_were(capfd):
    jumps = np.zeros(600)
    jumps[[100, 300]] = 2.0, -1.9
    odd = np.column_stack([jumps, 1e-9 * simulated(600), np.tile([0.1, -0.1], 300), 50 * simulated(600)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = list(warnings.filters)
        for options in MODELS.values():
            model = GARCHVolatility(*options).fit(closes(odd))
            assert model.predict(closes(odd)).notna().all()
        assert warnings.filters == before
    assert capfd.readouterr() == ("", "")


# -- the rest of the interface ---------------------------------------------------------------------


def test_parallel_fits_are_the_same(real, fitted):
    with joblib.parallel_config(backend="loky", n_jobs=2):
        parallel = GARCHVolatility().fit(real.asof(TRAINED))
    for name, array in fitted["garch-t"].get_state().items():
        np.testing.assert_array_equal(parallel.get_state()[name], array)


def test_state_holds_the_reasons_of_failed_fits(troubled):
    panel, model = troubled
    state = model.get_state()
    assert all(np.issubdtype(array.dtype, np.number) and np.isfinite(array).all() for array in state.values())
    fresh = clone(model).restore(state, model.trained_through_, model.assets_, model.universe_)
    assert fresh.failed_ == model.failed_
    assert fresh.fallbacks(panel) == model.fallbacks(panel)
    pd.testing.assert_frame_equal(fresh.parameters_, model.parameters_)


def test_walk_forward_over_failing_assets_does_not_raise(troubled):
    panel, _ = troubled
    walk_forward = WalkForward(GARCHVolatility()).train(panel, "2003-01-01", panel.last_session, progress=False)
    assert len(walk_forward.vintage_dates()) == 3
    path = walk_forward.predict_path(panel, "2003-01-02", panel.last_session)
    assert path[["GOOD", "FINE", "SOUND", "STILL"]].notna().all().all()
    forecast = RiskModel(walk_forward, EWMACorrelation(60)).forecast(panel)
    assert set(forecast.diagnostics["fallbacks"]) == {"LATE", "STILL"}


def test_parameters_are_checked(real):
    with pytest.raises(ParameterError, match="distribution is 'cauchy'; pass one of t, normal"):
        GARCHVolatility(distribution="cauchy").fit(real)
