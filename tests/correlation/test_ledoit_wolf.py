import numpy as np
import pandas as pd
import pytest

from volplugin.correlation import LedoitWolfCorrelation, RollingCorrelation
from volplugin.correlation.ledoit_wolf import shrinkage_intensity
from volplugin.correlation.moments import weighted_moments
from volplugin.correlation.repair import shrink_to_constant


@pytest.fixture(scope="module")
def z() -> pd.DataFrame:
    """Six assets of two groups, fat-tailed: some truth in the sample, some noise."""
    random = np.random.default_rng(3)
    values = 0.5 * random.standard_normal((250, 1)) + random.standard_t(8, (250, 6))
    values[:, :3] += 1.2 * random.standard_normal((250, 1))
    return pd.DataFrame(values, columns=list("ABCDEF"))


def by_the_paper(x: np.ndarray) -> float:
    """Appendix B for returns of known mean zero, one entry at a time."""
    n, p = x.shape
    s = [[np.mean(x[:, i] * x[:, j]) for j in range(p)] for i in range(p)]
    off = [(i, j) for i in range(p) for j in range(p) if i != j]
    mean = np.mean([s[i][j] / np.sqrt(s[i][i] * s[j][j]) for i, j in off])

    def about(i, j, k, m):
        return np.mean((x[:, i] * x[:, j] - s[i][j]) * (x[:, k] * x[:, m] - s[k][m]))

    pi = sum(about(i, j, i, j) for i in range(p) for j in range(p))
    rho = sum(about(i, i, i, i) for i in range(p)) + sum(
        mean / 2 * (np.sqrt(s[j][j] / s[i][i]) * about(i, i, i, j) + np.sqrt(s[i][i] / s[j][j]) * about(j, j, i, j))
        for i, j in off
    )
    gamma = sum((mean * np.sqrt(s[i][i] * s[j][j]) - s[i][j]) ** 2 for i, j in off)
    return min(max((pi - rho) / gamma / n, 0.0), 1.0)


def test_the_intensity_is_that_of_the_paper(z):
    x = z.to_numpy() / np.sqrt((z.to_numpy() ** 2).mean(axis=0))
    expected = by_the_paper(x)
    assert 0.05 < expected < 0.95
    rho, metadata = LedoitWolfCorrelation(250).diagnose(z)
    assert metadata["chosen"]["shrinkage"] == pytest.approx(expected, rel=1e-10)
    sample = RollingCorrelation(250).estimate(z).to_numpy()
    np.testing.assert_allclose(rho, shrink_to_constant(sample, expected), rtol=1e-10)


def test_more_sessions_ask_for_less():
    random = np.random.default_rng(0)
    values = random.standard_normal((4000, 6))
    values[:, :3] += random.standard_normal((4000, 1))
    shares = [
        LedoitWolfCorrelation(n).diagnose(pd.DataFrame(values))[1]["chosen"]["shrinkage"] for n in (60, 500, 4000)
    ]
    assert shares[0] > shares[1] > shares[2]
    assert shares[2] < 0.02


def test_equal_correlations_are_shrunk_all_the_way():
    random = np.random.default_rng(0)
    values = random.standard_normal((400, 1)) + random.standard_normal((400, 5))
    assert LedoitWolfCorrelation(400).diagnose(pd.DataFrame(values))[1]["chosen"]["shrinkage"] > 0.7


def test_sessions_of_weight_zero_are_as_if_absent(z):
    x = z.to_numpy()
    weights = np.r_[np.zeros(100), np.ones(150)]
    late = shrinkage_intensity(x[100:], np.ones(150), weighted_moments(x[100:], np.ones(150)))
    assert shrinkage_intensity(x, weights, weighted_moments(x, weights)) == pytest.approx(late, rel=1e-10)


def test_a_half_life_leaves_fewer_sessions_and_asks_for_more(z):
    even, fading = (
        LedoitWolfCorrelation(250, halflife).diagnose(z)[1]["chosen"]["shrinkage"] for halflife in (None, 30)
    )
    assert fading > even


def test_assets_hardly_seen_have_no_say(z):
    alone = LedoitWolfCorrelation(250).diagnose(z)[1]["chosen"]["shrinkage"]
    more = z.assign(NEW=np.where(np.arange(250) < 230, np.nan, z["A"]))
    share = LedoitWolfCorrelation(250).diagnose(more)[1]["chosen"]["shrinkage"]
    assert share == pytest.approx(alone, rel=1e-10)
