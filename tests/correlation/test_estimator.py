import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, clone
from sklearn.covariance import OAS, EmpiricalCovariance, GraphicalLasso, LedoitWolf

from volplugin.correlation import EstimatorCorrelation, RollingCorrelation
from volplugin.correlation.estimator import common_sample
from volplugin.errors import ParameterError

CENTRED = EmpiricalCovariance(assume_centered=True)


@pytest.fixture(scope="module")
def z() -> pd.DataFrame:
    random = np.random.default_rng(3)
    values = 0.7 * random.standard_normal((400, 1)) + 0.7 * random.standard_normal((400, 5))
    return pd.DataFrame(values * [1, 2, 3, 4, 5], columns=list("ABCDE"))


class Stubborn(BaseEstimator):
    """Gives up the way scikit-learn's graphical lasso does."""

    def fit(self, x):
        raise FloatingPointError("the system is too ill-conditioned for this solver")


def test_the_plain_estimator_is_the_rolling_correlation(z):
    expected = RollingCorrelation(300).estimate(z)
    pd.testing.assert_frame_equal(EstimatorCorrelation(CENTRED, 300).estimate(z), expected, rtol=1e-10)


@pytest.mark.parametrize("estimator", [LedoitWolf(assume_centered=True), OAS(), GraphicalLasso(alpha=0.1)])
def test_it_is_what_the_estimator_says_of_scaled_returns(estimator, z):
    last = z.tail(300)
    covariance = clone(estimator).fit(last.to_numpy() / np.sqrt((last.to_numpy() ** 2).mean(axis=0))).covariance_
    scale = np.sqrt(np.diagonal(covariance))
    rho, metadata = EstimatorCorrelation(estimator, 300).diagnose(z)
    np.testing.assert_allclose(rho, covariance / np.outer(scale, scale), rtol=1e-9)
    assert metadata["fallbacks"] == {}


def test_the_estimator_given_is_left_unfitted(z):
    estimator = LedoitWolf()
    model = EstimatorCorrelation(estimator, 300)
    model.estimate(z)
    assert not hasattr(estimator, "covariance_")
    assert model.get_params()["estimator__assume_centered"] is False


def test_the_common_sample(z):
    """An asset may miss one session in ten, which is then nobody's; a session without any trade is none."""
    x = z.tail(100).to_numpy(copy=True)
    x[50] = np.nan
    x[:10, 1] = np.nan
    x[:9, 2] = np.nan
    full, sample = common_sample(x)
    assert full.tolist() == [True, False, True, True, True]
    np.testing.assert_array_equal(sample, np.delete(x, [*range(9), 50], axis=0)[:, full])


def test_assets_of_shorter_history_are_completed_pairwise(z):
    short = z.copy()
    short.iloc[:300, 4] = np.nan
    rho, metadata = EstimatorCorrelation(LedoitWolf(), 400).diagnose(short)
    assert metadata["fallbacks"] == {"LedoitWolf": "1 of 5 assets of shorter history: pairwise correlations"}
    assert metadata["scarce"] == {"E": 100}
    full = EstimatorCorrelation(LedoitWolf(), 400).estimate(z[list("ABCD")])
    pd.testing.assert_frame_equal(rho.loc[list("ABCD"), list("ABCD")], full, rtol=1e-10)
    pairwise = RollingCorrelation(400).estimate(short)
    assert (rho["E"] - pairwise["E"]).abs().max() < 0.02
    assert np.linalg.eigvalsh(rho)[0] > 0


@pytest.mark.parametrize("rows", [0, 1])
def test_no_sample_in_common(rows, z):
    rho, metadata = EstimatorCorrelation(LedoitWolf(), 300).diagnose(z.head(rows))
    assert metadata["fallbacks"] == {"LedoitWolf": "no sample in common: pairwise correlations"}
    assert np.isfinite(rho).all().all()


def test_an_estimator_that_gives_up_is_named(z):
    rho, metadata = EstimatorCorrelation(Stubborn(), 300).diagnose(z)
    assert metadata["fallbacks"] == {
        "Stubborn": "the system is too ill-conditioned for this solver: pairwise correlations"
    }
    pd.testing.assert_frame_equal(rho, RollingCorrelation(300).estimate(z))


def test_an_estimator_with_a_bad_parameter_is_not_covered_up(z):
    with pytest.raises(ValueError, match="block_size"):
        EstimatorCorrelation(LedoitWolf(block_size=-1), 300).estimate(z)


def test_impossible_window(z):
    with pytest.raises(ParameterError, match="window is 0"):
        EstimatorCorrelation(OAS(), 0).estimate(z)


def test_those_of_skfolio(z):
    moments = pytest.importorskip("skfolio.moments")
    rho = EstimatorCorrelation(moments.LedoitWolf(assume_centered=True), 300).estimate(z)
    expected = EstimatorCorrelation(LedoitWolf(assume_centered=True), 300).estimate(z)
    pd.testing.assert_frame_equal(rho, expected, rtol=1e-9)
