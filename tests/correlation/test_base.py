import numpy as np
import pandas as pd
import pytest

from volplugin.correlation import RollingCorrelation
from volplugin.errors import ParameterError


def drawn(rows: int = 300, assets: int = 4, rho: float = 0.5, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    common, own = random.standard_normal((rows, 1)), random.standard_normal((rows, assets))
    return np.sqrt(rho) * common + np.sqrt(1 - rho) * own


def test_a_repair_is_reported():
    """Three assets seen in pairs only, each pair telling another story."""
    z = np.full((90, 3), np.nan)
    one = np.random.default_rng(0).standard_normal(30)
    z[:30, 0], z[:30, 1] = one, one
    z[30:60, 1], z[30:60, 2] = one, one
    z[60:, 0], z[60:, 2] = one, -one
    rho, metadata = RollingCorrelation(90).diagnose(pd.DataFrame(z, columns=list("ABC")))
    assert metadata["psd_repair"] > 0.1
    assert np.linalg.eigvalsh(rho)[0] > -1e-12


def test_one_asset():
    rho, metadata = RollingCorrelation(60).diagnose(pd.DataFrame(drawn(100, 1), columns=["A"]))
    assert rho.to_numpy().tolist() == [[1.0]]
    assert metadata["condition_number"] == 1
    assert metadata["average_correlation"] == 0


def test_no_rows_are_no_correlation():
    rho, metadata = RollingCorrelation(60).diagnose(pd.DataFrame(np.empty((0, 2)), columns=["A", "B"]))
    np.testing.assert_array_equal(rho, np.eye(2))
    assert metadata["observations"] == 0


def test_unknown_view():
    with pytest.raises(ParameterError, match="view is 'total'; pass one of risk, structure"):
        RollingCorrelation(60).estimate(pd.DataFrame(drawn()), view="total")


def test_assets_seen_less_than_half_as_much_are_named():
    z = drawn(100, 3)
    z[:60, 2] = z[:40, 1] = np.nan
    metadata = RollingCorrelation(100).diagnose(pd.DataFrame(z, columns=list("ABC")))[1]
    assert metadata["scarce"] == {"C": 40}
    assert metadata["observations"] == 40
