import numpy as np
import pandas as pd
import pytest

from volplugin.correlation import DCCCorrelation, EWMACorrelation, NonlinearShrinkageCorrelation, RollingCorrelation
from volplugin.correlation.dcc import HALF_LIVES, SHARES, most_likely
from volplugin.correlation.moments import to_unit_variance
from volplugin.errors import ParameterError

TARGET = np.array([[1, 0.6, 0.4], [0.6, 1, 0.3], [0.4, 0.3, 1]])


def simulated(a: float, b: float, n_sessions: int = 1500, seed: int = 0) -> pd.DataFrame:
    """Returns whose correlation follows the model."""
    random, q, rows = np.random.default_rng(seed), TARGET.copy(), []
    for _ in range(n_sessions):
        scale = np.sqrt(np.diagonal(q))
        z = np.linalg.cholesky(q / np.outer(scale, scale)) @ random.standard_normal(3)
        rows.append(z)
        q = (1 - a - b) * TARGET + a * np.outer(z, z) + b * q
    return pd.DataFrame(rows, columns=list("ABC"))


def by_recursion(z: np.ndarray, target: np.ndarray, a: float, b: float) -> np.ndarray:
    """Q session by session, the target standing in for products that are missing; the last is of tomorrow."""
    q, path = target.copy(), []
    for row in z:
        path.append(q)
        product = np.outer(row, row)
        product = np.where(np.isfinite(product), product, target)
        q = (1 - a - b) * target + a * product + b * q
    return np.array([*path, q])


def to_correlation(q: np.ndarray) -> np.ndarray:
    scale = np.sqrt(np.diagonal(q))
    return q / np.outer(scale, scale)


@pytest.mark.parametrize(("a", "b"), [(0.05, 0.9), (0.3, 0.2), (0.005, 0.99), (0.0, 0.5)])
def test_it_is_the_recursion(a, b):
    z = simulated(0.05, 0.9, 300)
    found = DCCCorrelation(a=a, b=b, window=250).estimate(z)
    known = to_unit_variance(z.tail(250).to_numpy())
    target = RollingCorrelation(250).estimate(z).to_numpy()
    np.testing.assert_allclose(found, to_correlation(by_recursion(known, target, a, b)[-1]), rtol=1e-10)


def test_a_missing_return_leaves_the_pair_to_its_target():
    z = simulated(0.05, 0.9, 300)
    z.iloc[200:220, 0] = z.iloc[290:, 1] = np.nan
    # A target that does not shrink scarce pairs: each has as many sessions as its matrix says.
    found = DCCCorrelation(a=0.1, b=0.8, window=300)._estimate(z.to_numpy())
    target = RollingCorrelation(300)._estimate(z.to_numpy()).correlation
    expected = to_correlation(by_recursion(to_unit_variance(z.to_numpy()), target, 0.1, 0.8)[-1])
    np.testing.assert_allclose(found.correlation, expected, rtol=1e-10)


def test_without_news_it_is_its_target():
    z = simulated(0.05, 0.9, 600)
    for target in (EWMACorrelation(60, 0.2), NonlinearShrinkageCorrelation(400)):
        found = DCCCorrelation(target, a=0.0, b=0.9, window=100)
        pd.testing.assert_frame_equal(found.estimate(z), target.estimate(z), rtol=1e-10)
        assert found.lookback == target.lookback


def test_what_is_chosen_is_near_what_the_returns_follow():
    """One memory of the grid off at most, and the persistence near."""
    a, b = 0.04, 0.5 ** (1 / 13)
    estimated_params = DCCCorrelation(a=None, b=None, window=1500).diagnose(simulated(a, b))[1]["chosen"]
    halflife = np.log(0.5) / np.log(estimated_params["b"])
    assert 8 <= round(halflife) <= 21
    assert estimated_params["a"] == pytest.approx(a, abs=0.03)
    calm = DCCCorrelation(a=None, b=None, window=1500).diagnose(simulated(0.0, 0.9))[1]["chosen"]
    assert calm["a"] / (1 - calm["b"]) <= 0.1


def test_the_choice_maximises_the_likelihood_of_pairs():
    """Every point of the grid, session by session and pair by pair."""
    z = to_unit_variance(simulated(0.08, 0.85, 200).to_numpy())
    z[50:60, 2] = np.nan
    target = np.corrcoef(simulated(0.08, 0.85, 200).T)

    def likelihood(a, b):
        path = by_recursion(z, target, a, b)[:-1]
        total = 0.0
        for q, row in zip(path, z, strict=True):
            rho = to_correlation(q)
            for i, j in ((0, 1), (1, 2), (0, 2)):
                if np.isfinite(row[[i, j]]).all():
                    left = 1 - rho[i, j] ** 2
                    total -= np.log(left) + (row[i] ** 2 + row[j] ** 2 - 2 * rho[i, j] * row[i] * row[j]) / left
        return total

    decays = [0.5 ** (1 / halflife) for halflife in HALF_LIVES]
    a, b = most_likely(z, target)
    best = likelihood(a, b)
    others = [likelihood(share * (1 - decay), decay) for decay in decays[::2] for share in SHARES[::3]]
    assert best >= max(others) - 1e-9
    assert 0 < a < 0.3


def test_correlations_that_jumped_are_followed():
    random = np.random.default_rng(0)
    common = np.where(np.arange(1000) < 950, 0.2, 0.9)[:, None]
    z = common * random.standard_normal((1000, 1)) + np.sqrt(1 - common**2) * random.standard_normal((1000, 5))
    slow, fast = (
        kind.diagnose(pd.DataFrame(z))[1]["average_correlation"]
        for kind in (RollingCorrelation(1000), DCCCorrelation(a=0.04, b=0.94, window=1000))
    )
    assert slow < 0.15
    assert fast > 0.35


def test_views_are_the_same():
    z, model = simulated(0.05, 0.9, 300), DCCCorrelation(window=250)
    pd.testing.assert_frame_equal(model.estimate(z, "structure"), model.estimate(z, "risk"))


def test_one_asset_chooses_nothing():
    rho, metadata = DCCCorrelation(a=None, b=None, window=60).diagnose(simulated(0.05, 0.9, 100)[["A"]])
    assert rho.to_numpy().tolist() == [[1.0]]
    assert metadata["chosen"] == {"a": 0.0, "b": 0.0}


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"window": 1}, "window is 1"),
        ({"a": None}, "a is None and b is 0.99; pass both"),
        ({"b": None}, "a is 0.005 and b is None; pass both"),
        ({"a": 0.1, "b": 0.9}, "a is 0.1 and b is 0.9; pass two"),
        ({"a": -0.1, "b": 0.9}, "a is -0.1 and b is 0.9; pass two"),
        ({"a": float("nan")}, "a is nan"),
    ],
)
def test_impossible_parameters(parameters, named):
    with pytest.raises(ParameterError, match=named):
        DCCCorrelation(**parameters).estimate(simulated(0.05, 0.9, 60))
