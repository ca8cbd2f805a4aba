import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import mahalanobis
from scipy.stats import multivariate_normal

from volplugin.data.panel import PricePanel
from volplugin.errors import AssetMismatchError, InsufficientHistoryError, ParameterError
from volplugin.evaluation import CovariancePath, bias_statistic, horizon_scores, mrad, portfolio_returns, qlike
from volplugin.evaluation.covariance import evaluation_sample, outcomes
from volplugin.evaluation.covariance.test_portfolios import (
    EQUAL,
    MINIMUM,
    RANDOM_SHORT,
    TestPortfolios,
    minimum_variances,
)

HORIZON = 5


@pytest.fixture(scope="module")
def path(panel):
    """Trailing covariances from 300 consecutive sessions."""
    returns = np.expm1(panel.returns)
    sessions = panel.sessions[200:500]
    return CovariancePath.collect([(day, returns.loc[:day].tail(60).cov()) for day in sessions])


@pytest.fixture(scope="module")
def sample(path, panel):
    return evaluation_sample({"trailing": path}, panel, HORIZON)


@pytest.fixture(scope="module")
def found(path, sample):
    return outcomes(path.matrices, sample, TestPortfolios(5, random=4))


@pytest.fixture(scope="module")
def whole(found):
    return found.measures(np.full((1, 300), 1 / 300)).iloc[0]


@pytest.fixture(scope="module")
def after(panel):
    """Simple returns of the sessions after an origin."""
    simple = np.expm1(panel.returns)
    return lambda origin: simple.loc[origin:].iloc[1 : HORIZON + 1]


def test_log_likelihood_is_scipys_density_of_the_returns_that_followed(path, whole, after):
    density = [
        multivariate_normal(np.zeros(5), sigma).logpdf(after(origin))
        for origin, sigma in zip(path.origins, path.matrices, strict=True)
    ]
    assert whole["log_likelihood", ""] == pytest.approx(np.mean(density), rel=1e-12)
    assert whole["log_likelihood_asset", ""] == pytest.approx(np.mean(density) / 5, rel=1e-12)


def test_mahalanobis_is_scipys_distance_over_the_number_of_assets(path, whole, after):
    squared = np.array([
        [mahalanobis(r, np.zeros(5), np.linalg.inv(sigma)) ** 2 / 5 for r in after(origin).to_numpy()]
        for origin, sigma in zip(path.origins, path.matrices, strict=True)
    ])  # fmt: skip
    assert whole["mahalanobis", ""] == pytest.approx(squared.mean(), rel=1e-9)
    assert whole["mahalanobis_std", ""] == pytest.approx(squared.std(), rel=1e-9)


def test_a_portfolio_of_fixed_weights_is_judged_as_the_scorecard_of_portfolios_does(path, panel, whole):
    predicted = pd.Series(np.sqrt(path.matrices.sum(axis=(1, 2))) / 5, path.origins)
    portfolios = pd.DataFrame(0.2, path.origins, path.assets)
    card = horizon_scores(predicted, portfolio_returns(panel.returns, portfolios), HORIZON, panel.periods_per_year)
    assert whole["qlike", EQUAL] == pytest.approx(card["qlike"], rel=1e-9)
    assert whole["bias", EQUAL] == pytest.approx(card["bias_statistic"]["value"], rel=1e-3)
    assert whole["predicted", EQUAL] == pytest.approx(card["mean_predicted_vol"], rel=1e-9)


def test_a_portfolio_made_of_the_forecast_earns_from_the_next_session_on(path, panel, whole, after):
    w = minimum_variances(path.matrices, np.ones((300, 5), dtype=bool))
    earned = np.array([after(origin).to_numpy() @ own for origin, own in zip(path.origins, w, strict=True)])
    variance = np.einsum("ti,tij,tj->t", w, path.matrices, w)
    assert whole["volatility", MINIMUM] == pytest.approx(earned.std() * np.sqrt(panel.periods_per_year), rel=1e-9)
    assert whole["bias", MINIMUM] == pytest.approx((earned / np.sqrt(variance)[:, None]).std(), rel=1e-9)
    assert whole["qlike", MINIMUM] == pytest.approx(qlike((earned**2).mean(axis=1), variance).mean(), rel=1e-9)
    scores = [pd.Series((earned / np.sqrt(variance)[:, None])[phase::HORIZON].ravel()) for phase in range(HORIZON)]
    assert whole["mrad", MINIMUM] == pytest.approx(np.mean([mrad(phase) for phase in scores]), rel=1e-3)


def test_measures_of_a_family_are_means_over_its_portfolios(found):
    biases = found.biases()
    assert len(biases[RANDOM_SHORT]) == 4
    assert found.measures(np.full((1, 300), 1 / 300)).loc[0, ("bias", RANDOM_SHORT)] == pytest.approx(
        biases[RANDOM_SHORT].mean()
    )


def test_measures_of_some_origins_are_those_of_a_judgement_of_them_alone(path, panel, found):
    rows = np.arange(300) < 100
    part = found.measures((rows / rows.sum())[None]).iloc[0].drop("mrad", level="measure")
    alone = CovariancePath(path.origins[:100], path.assets, path.matrices[:100])
    sample = evaluation_sample({"alone": alone}, panel, HORIZON)
    own = outcomes(alone.matrices, sample, TestPortfolios(5, random=4)).measures(np.full((1, 100), 0.01)).iloc[0]
    pd.testing.assert_series_equal(part, own.drop("mrad", level="measure"), check_names=False, rtol=1e-9)


def test_assets_without_a_forecast_or_an_outcome_take_no_part(path, panel, after):
    holed = path.matrices.copy()
    holed[:150, 4, :] = holed[:150, :, 4] = np.nan
    fields = {name: getattr(panel, name).copy() for name in ("open", "high", "low", "close")}
    for frame in fields.values():
        frame.loc[path.origins[203] : path.origins[205], "B"] = np.nan
    sample = evaluation_sample(
        {"holed": CovariancePath(path.origins, path.assets, holed)}, PricePanel(**fields), HORIZON
    )
    assert sample.here[:150].sum() == 150 * 4
    # A halt of sessions 203 to 205 spoils the outcomes of origins 198 to 204.
    assert np.flatnonzero(~sample.here[:, 1]).tolist() == list(range(198, 205))
    own = outcomes(holed, sample, TestPortfolios(5, random=2))
    origin = path.origins[10]
    density = multivariate_normal(np.zeros(4), path.matrices[10, :4, :4]).logpdf(after(origin)[list("ABCD")])
    assert own.columns["log_likelihood"][10, 0] == pytest.approx(density.mean(), rel=1e-12)
    assert own.columns["return"][10, 0] == pytest.approx(after(origin)[list("ABCD")].to_numpy().mean())


def test_only_the_horizon_after_an_origin_counts(path, panel, found):
    fields = {name: getattr(panel, name).copy() for name in ("open", "high", "low", "close")}
    for frame in fields.values():
        frame.iloc[330:] *= 1.7
    poisoned = outcomes(
        path.matrices, evaluation_sample({"": path}, PricePanel(**fields), HORIZON), TestPortfolios(5, random=4)
    )
    last = 330 - HORIZON - 200  # the origin whose horizon ends before the poison
    for name, values in poisoned.columns.items():
        if name not in ("deviation", "windows"):
            np.testing.assert_array_equal(values[:last], found.columns[name][:last])
            assert not (name == "return" and np.array_equal(values[last], found.columns[name][last]))


def test_right_forecasts_have_the_known_figures():
    random = np.random.default_rng(8)
    rho = 0.4 + 0.6 * np.eye(10)
    returns = 0.01 * random.multivariate_normal(np.zeros(10), rho, 12_000)
    sessions = pd.bdate_range("1960-01-01", periods=12_000)
    panel = PricePanel(close=pd.DataFrame(np.exp(returns.cumsum(axis=0)), sessions, [f"A{i}" for i in range(10)]))
    origins = sessions[:-1:21]
    path = CovariancePath(origins, panel.assets, np.broadcast_to(1e-4 * rho, (len(origins), 10, 10)))
    sample = evaluation_sample({"truth": path}, panel, 21, kind="log")
    found = outcomes(path.matrices[: len(sample.origins)], sample, TestPortfolios(10, random=20))
    row = found.measures(np.full((1, len(sample.origins)), 1 / len(sample.origins))).iloc[0]
    entropy = multivariate_normal(np.zeros(10), 1e-4 * rho).entropy()
    assert row["log_likelihood", ""] == pytest.approx(-entropy, abs=0.06)
    assert row["mahalanobis", ""] == pytest.approx(1, abs=0.015)
    assert row["mahalanobis_std", ""] == pytest.approx(np.sqrt(2 / 10), abs=0.02)
    np.testing.assert_allclose(row["bias"], 1, atol=0.03)
    np.testing.assert_allclose(row["mrad"], 0.126, atol=0.006)


def test_a_singular_covariance_names_its_origin(path, panel):
    singular = path.matrices.copy()
    singular[7] = singular[7, 0, 0]
    sample = evaluation_sample({"": path}, panel, HORIZON)
    with pytest.raises(ParameterError, match=f"{path.origins[7].date()} is not positive definite"):
        outcomes(singular, sample, TestPortfolios(5, random=1))


def test_samples_need_something_in_common(path, panel):
    other = CovariancePath(path.origins, pd.Index(list("AVWXY")), path.matrices)
    with pytest.raises(AssetMismatchError, match="1 assets in common"):
        evaluation_sample({"a": path, "b": other}, panel, HORIZON)
    late = CovariancePath(path.origins[100:], path.assets, path.matrices[100:])
    early = CovariancePath(path.origins[:100], path.assets, path.matrices[:100])
    with pytest.raises(InsufficientHistoryError, match="no origin has forecasts of late, early"):
        evaluation_sample({"late": late, "early": early}, panel, HORIZON)
    with pytest.raises(ParameterError, match="at least one path"):
        evaluation_sample({}, panel, HORIZON)
    with pytest.raises(ParameterError, match="horizon is 0"):
        evaluation_sample({"a": path}, panel, 0)


def test_a_bias_of_one_series_is_the_statistic_of_its_returns(path, found, after):
    z = np.array([
        after(origin).to_numpy().mean(axis=1) / np.sqrt(sigma.mean())
        for origin, sigma in zip(path.origins, path.matrices, strict=True)
    ])  # fmt: skip
    assert found.biases()[EQUAL] == pytest.approx(bias_statistic(z.ravel()).value, rel=1e-3)
