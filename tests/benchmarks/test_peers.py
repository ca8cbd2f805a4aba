"""Covariances of other libraries, as the benchmark asks for them: `make test-peers` runs all of these."""

from importlib import import_module
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest
from sklearn.covariance import ledoit_wolf

NAMES = [
    "EWMA94",
    "Ledoit-Wolf 252 (scikit-learn)",
    "EWCovariance (skfolio)",
    "RegimeAdjustedEW 21/63 (skfolio)",
    "IEWMA 21/63 (cvxcovariance)",
    "CM-IEWMA (cvxcovariance)",
    "CM-IEWMA, 5 experts (cvxcovariance)",
    "DCC (precise)",
    "DCC 21/63 (precise)",
    "GJR-t + constant correlation (arch)",
]
pytestmark = pytest.mark.filterwarnings("ignore:Solution may be inaccurate")  # cvxcovariance mutes it too

START, END = "2010-12-20", "2011-01-14"


@pytest.fixture(scope="module")
def peers():
    return import_module("peers")


@pytest.fixture(scope="module")
def returns(real):
    return np.expm1(real.returns.iloc[1:])


@pytest.fixture(scope="module")
def origins(returns):
    return returns.index[returns.index.slice_indexer(START, END)]


@pytest.fixture
def peer(peers, request):
    found = peers.PEERS[request.param]
    if find_spec(found.module) is None:
        pytest.skip(f"{found.library} is not installed; `make test-peers` runs these with it")
    return found


def test_every_peer_is_tested(peers):
    assert list(peers.PEERS) == NAMES


@pytest.mark.parametrize("peer", NAMES, indirect=True)
def test_a_peer_answers_from_every_origin_with_a_daily_covariance(peer, returns, origins):
    """Of the size of the returns around it: decimals, a session, not percent and not a year."""
    found = list(peer.forecasts(returns, origins, 21))
    assert [origin for origin, _ in found] == list(origins)
    recent = returns.loc["2010-07-01":END].std()
    for _, sigma in found:
        assert list(sigma.index) == list(sigma.columns) == list(returns.columns)
        assert np.linalg.eigvalsh(sigma)[0] > 0
        ratio = np.sqrt(np.diagonal(sigma)) / recent
        assert ((ratio > 0.4) & (ratio < 2.5)).all()


@pytest.mark.parametrize("peer", NAMES, indirect=True)
def test_a_peer_sees_nothing_after_its_origin(peer, returns, origins):
    poisoned = returns.copy()
    poisoned.loc[poisoned.index > origins[9]] *= -3.0
    clean, dirty = (list(peer.forecasts(rows, origins, 21)) for rows in (returns, poisoned))
    for (origin, before), (_, after) in zip(clean[:10], dirty[:10], strict=True):
        np.testing.assert_allclose(after, before, rtol=1e-9, err_msg=str(origin))
    assert np.abs(dirty[-1][1] / clean[-1][1] - 1).to_numpy().max() > 0.01


def test_late_listings_are_waited_for_not_filled(peers, returns):
    first = returns["V"].first_valid_index()
    assert returns.index[0] < first
    rows = peers.complete(returns)
    assert rows.index[0] == first
    assert rows.notna().all(axis=None)


def test_ewma_is_the_recursion_that_pandas_weighs(peers, returns, origins):
    rows = peers.complete(returns).loc[: origins[-1]]
    weights = 0.94 ** np.arange(len(rows))[::-1]
    expected = (rows.to_numpy().T * (weights / weights.sum())) @ rows.to_numpy()
    *_, (_, last) = peers.ewma(returns, origins)
    np.testing.assert_allclose(last, expected, rtol=1e-9)


def test_ledoit_wolf_is_of_the_last_year(peers, returns, origins):
    expected, _ = ledoit_wolf(returns.loc[: origins[-1]].tail(252), assume_centered=True)
    *_, (_, last) = peers.ledoit_wolf(returns, origins)
    np.testing.assert_allclose(last, expected, rtol=1e-9)


def test_garch_variances_revert_over_the_horizon(peers, returns, origins):
    """One session ahead it is arch's own filter; further ahead it moves to the unconditional variance."""
    own = returns["IBM"].dropna().loc[:END]
    ahead = {h: peers._gjr(own, origins[0], h)[0] for h in (1, 21)}
    level = (100 * own.loc[:START]).var()
    near, far = ((variance - level).abs().mean() for variance in ahead.values())
    assert far < near
    rho = peers._correlation(pd.DataFrame({"a": [1.0, -1, 1, -1], "b": [1.0, -1, -1, 1], "c": [1.0, -1, 1, np.nan]}))
    np.testing.assert_allclose(np.diagonal(rho), 1)
    assert np.linalg.eigvalsh(rho)[0] > 0


def test_a_kept_path_is_found_again_and_another_is_not(peers, real, origins, tmp_path, monkeypatch):
    bench = import_module("bench_covariance")
    cache = bench.ForecastCache(tmp_path)
    panel = real.asof(END)
    made, milliseconds = bench.peer_path("EWMA94", panel, origins, 21, cache)

    def refuse(returns, origins):
        raise AssertionError("made again")

    monkeypatch.setitem(bench.PEERS, "EWMA94", peers.Peer(refuse, "numpy", "numpy"))
    found, same = bench.peer_path("EWMA94", panel, origins, 21, cache)
    assert same == milliseconds
    np.testing.assert_array_equal(found.matrices, made.matrices)
    with pytest.raises(AssertionError, match="made again"):
        bench.peer_path("EWMA94", panel, origins[:-1], 21, cache)
