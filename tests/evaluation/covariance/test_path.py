import numpy as np
import pandas as pd
import pytest

from volplugin import EWMAVolatility, RiskModel, RollingCorrelation
from volplugin.errors import AssetMismatchError, InsufficientHistoryError, ParameterError
from volplugin.evaluation import CovariancePath

DATES = pd.bdate_range("2020-01-01", periods=3)


def labelled(names, scale=1e-4):
    return pd.DataFrame(scale * (np.eye(len(names)) + 0.5), list(names), list(names))


def test_a_risk_models_forecasts_are_collected_as_they_are(panel):
    model = RiskModel(EWMAVolatility(), RollingCorrelation(window=60))
    sessions = panel.sessions[300:304]
    path = CovariancePath.collect(model.forecast_path(panel, sessions, 5))
    assert path.origins.equals(sessions)
    assert list(path.assets) == list("ABCDE")
    alone = model.forecast(panel.asof(sessions[2]), 5).covariance
    np.testing.assert_allclose(path.matrices[2], alone, rtol=1e-9)


def test_assets_may_come_and_go():
    path = CovariancePath.collect([(DATES[0], labelled("AB")), (DATES[2], labelled("BCA", 2e-4))])
    assert list(path.assets) == ["A", "B", "C"]
    assert np.isnan(path.matrices[0, 2]).all()
    assert np.isnan(path.matrices[0, :, 2]).all()
    np.testing.assert_allclose(path.matrices[1], labelled("ABC", 2e-4))
    known = path.known(DATES, pd.Index(["C", "A", "Z"]))
    np.testing.assert_array_equal(known, [[False, True, False], [False] * 3, [True, True, False]])
    aligned = path.aligned(DATES, pd.Index(["C", "A", "Z"]))
    np.testing.assert_allclose(aligned[2, :2, :2], labelled("CA", 2e-4))
    assert np.isnan(aligned[1]).all()
    assert np.isnan(aligned[:, 2]).all()


def test_an_order_of_assets_can_be_given():
    path = CovariancePath.collect([(DATES[0], labelled("AB"))], ["B", "A", "C"])
    assert list(path.assets) == ["B", "A", "C"]
    assert path.known(DATES[:1], path.assets).tolist() == [[True, True, False]]


def test_an_empty_stream_is_an_error():
    with pytest.raises(InsufficientHistoryError, match="empty"):
        CovariancePath.collect([])


def test_rows_and_columns_of_other_assets_are_refused():
    with pytest.raises(AssetMismatchError, match="2020-01-01"):
        CovariancePath.collect([(DATES[0], labelled("AB").rename(index={"A": "C"}))])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ((0, 1, np.nan), "2020-01-02 is missing"),
        ((1, 1, 0.0), "2020-01-02 has a variance that is not positive"),
        ((0, 1, 9e-5), "2020-01-02 is not symmetric"),
    ],
)
def test_what_is_no_covariance_is_refused(change, message):
    bad = labelled("AB")
    bad.iloc[change[0], change[1]] = change[2]
    with pytest.raises(ParameterError, match=message):
        CovariancePath.collect([(DATES[0], labelled("AB")), (DATES[1], bad)])


@pytest.mark.parametrize("order", [[1, 0], [0, 0]])
def test_origins_increase(order):
    with pytest.raises(ParameterError, match="do not increase"):
        CovariancePath.collect([(DATES[place], labelled("AB")) for place in order])


def test_a_matrix_of_another_shape_is_refused():
    with pytest.raises(ParameterError, match="shape"):
        CovariancePath(DATES, pd.Index(["A"]), np.ones((3, 2, 2)))
