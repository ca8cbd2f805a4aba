import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad

from volplugin.correlation import NonlinearShrinkageCorrelation, RollingCorrelation
from volplugin.correlation.nonlinear import epanechnikov, epanechnikov_hilbert, shrink_eigenvalues

ROOT5 = np.sqrt(5.0)


def sample(n_sessions: int, n_assets: int, seed: int = 5) -> np.ndarray:
    random = np.random.default_rng(seed)
    own = random.standard_normal((n_sessions, n_assets)) * np.linspace(0.5, 2, n_assets)
    return own + random.standard_normal((n_sessions, 1))


def kernel_hilbert(x: np.longdouble) -> np.longdouble:
    """Equation 4.8 of the paper, in extended precision."""
    root = np.sqrt(np.longdouble(5))
    edge = 3 / (4 * root) * (1 - x * x / 5) * np.log(np.abs((root - x) / (root + x)))
    return (edge - 3 * x / np.longdouble(10)) / np.longdouble(np.pi)


def by_the_paper(values: np.ndarray, n: int) -> np.ndarray:
    """Equations 4.3, 4.7 and 4.9, and C.4, C.5 and C.8 for more assets than sessions, one eigenvalue at a time."""
    p, h = len(values), np.longdouble(n) ** (-1 / np.longdouble(3))
    known, shrunk = [np.longdouble(value) for value in values[max(0, p - n) :]], []
    for x in known:
        widths = [h * y for y in known]
        scaled = [(x - y) / width for y, width in zip(known, widths, strict=True)]
        inside = [max(1 - u * u / 5, 0) * 3 / (4 * ROOT5) for u in scaled]
        f = np.mean([k / width for k, width in zip(inside, widths, strict=True)])
        g = np.mean([kernel_hilbert(u) / width for u, width in zip(scaled, widths, strict=True)])
        c = p / n
        alone = x / ((np.pi * c * x * f) ** 2 + (1 - c - np.pi * c * x * g) ** 2)
        shrunk.append(alone if p <= n else 1 / (np.pi**2 * x * (f**2 + g**2)))
    if p > n:
        g = kernel_hilbert(-1 / h) / h * np.mean([1 / y for y in known])
        shrunk = [1 / (np.pi * (p - n) / n * g)] * (p - n) + shrunk
    return np.array(shrunk, dtype=float)


@pytest.mark.parametrize("x", [-3.0, -0.7, 0.0, 1.1, 2.0, 4.0, 20.0])
def test_the_hilbert_transform_is_that_principal_value(x):
    if abs(x) < ROOT5:
        value = quad(epanechnikov, -ROOT5, ROOT5, weight="cauchy", wvar=x)[0]
    else:
        value = quad(lambda t: epanechnikov(t) / (t - x), -ROOT5, ROOT5)[0]
    assert float(epanechnikov_hilbert(np.array(x))) == pytest.approx(value / np.pi, abs=1e-9)


def test_the_density_has_mass_and_variance_one():
    assert quad(epanechnikov, -3, 3, points=[-ROOT5, ROOT5])[0] == pytest.approx(1)
    second = quad(lambda t: t * t * epanechnikov(t), -3, 3, points=[-ROOT5, ROOT5])[0]
    assert second == pytest.approx(1)


def test_far_from_the_density_nothing_cancels():
    x = np.array([-1e9, -70.0, 49.9, 50.1, 100.0, 1e4, 1e12])
    exact = np.array([float(kernel_hilbert(np.longdouble(value))) for value in x[1:-2]])
    np.testing.assert_allclose(epanechnikov_hilbert(x)[1:-2], exact, rtol=1e-11)
    np.testing.assert_allclose(epanechnikov_hilbert(x)[[0, -2, -1]], -1 / (np.pi * x[[0, -2, -1]]), rtol=1e-7)
    assert np.isfinite(epanechnikov_hilbert(np.array([-ROOT5, ROOT5]))).all()


@pytest.mark.parametrize(("n", "p"), [(200, 10), (120, 40), (40, 60)])
def test_eigenvalues_are_those_of_the_paper(n, p):
    x = sample(n, p)
    values = np.maximum(np.linalg.eigvalsh(x.T @ x / n), 0)
    np.testing.assert_allclose(shrink_eigenvalues(values, n), by_the_paper(values, n), rtol=1e-9)


def test_published_code_gives_the_same():
    """The matrix that nonlinshrink 0.7, a translation of the authors' code, gives for these returns."""
    x = np.round(sample(24, 3, seed=1), 1)
    values, vectors = np.linalg.eigh(x.T @ x / 24)
    found = (vectors * shrink_eigenvalues(values, 24)) @ vectors.T
    expected = [
        [0.742705512838, 0.366259969992, 0.594169959572],
        [0.366259969992, 1.73756532862, 0.56678046451],
        [0.594169959572, 0.56678046451, 2.29076075614],
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_identity_is_found_again():
    """Sample eigenvalues spread from 0.4 to 1.9 around a truth of ones; the shrunk ones do not."""
    x = np.random.default_rng(0).standard_normal((600, 80))
    rough = np.linalg.eigvalsh(RollingCorrelation(600).estimate(pd.DataFrame(x)))
    smooth = np.linalg.eigvalsh(NonlinearShrinkageCorrelation(600).estimate(pd.DataFrame(x)))
    assert rough[0] < 0.5
    assert rough[-1] > 1.7
    assert 0.85 < smooth[0] < smooth[-1] < 1.15


def test_it_is_nearer_to_the_truth_than_the_sample():
    random = np.random.default_rng(1)
    load = random.standard_normal((60, 3))
    truth = load @ load.T + 3 * np.eye(60)
    truth /= np.sqrt(np.outer(np.diagonal(truth), np.diagonal(truth)))
    z = pd.DataFrame(random.standard_normal((150, 60)) @ np.linalg.cholesky(truth).T)
    rough, smooth = (kind(150).estimate(z).to_numpy() for kind in (RollingCorrelation, NonlinearShrinkageCorrelation))
    loss = [np.trace(np.linalg.solve(found, truth)) + np.linalg.slogdet(found)[1] for found in (rough, smooth)]
    assert loss[1] < loss[0] - 10


def test_more_assets_than_sessions_and_twins():
    wide = NonlinearShrinkageCorrelation(50).diagnose(pd.DataFrame(sample(50, 120)))[1]
    assert wide["psd_repair"] == 0
    assert wide["condition_number"] < 1e4
    twins = pd.DataFrame(sample(200, 5)).assign(twin=lambda z: z[0])
    rho = NonlinearShrinkageCorrelation(200).estimate(twins)
    assert rho.loc[0, "twin"] > 0.999
    assert np.isfinite(rho).all().all()


def test_a_half_life_shrinks_as_a_shorter_sample_does():
    z = pd.DataFrame(sample(600, 40))
    spread = [
        np.ptp(np.linalg.eigvalsh(NonlinearShrinkageCorrelation(600, halflife).estimate(z))[:-1])
        for halflife in (None, 1e6)
    ]
    assert spread[0] == pytest.approx(spread[1], rel=1e-3)
    metadata = NonlinearShrinkageCorrelation(600, 60).diagnose(z)[1]
    assert 150 < metadata["observations"] < 200


def test_too_few_sessions_are_left_unshrunk_and_said():
    z = pd.DataFrame(sample(11, 4))
    rho, metadata = NonlinearShrinkageCorrelation(504).diagnose(z)
    assert metadata["fallbacks"] == {"nonlinear shrinkage": "11 effective sessions are too few: correlations unshrunk"}
    pd.testing.assert_frame_equal(rho, RollingCorrelation(504).estimate(z))
