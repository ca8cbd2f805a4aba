import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from volplugin.errors import InsufficientHistoryError, ParameterError
from volplugin.evaluation import (
    diebold_mariano,
    pooled_mincer_zarnowitz,
    qlike,
    range_variance,
    realized_variance,
    volatility_scorecard,
)
from volplugin.evaluation import stress_periods as periods

CALIBRATED = "2010-12-31"


@pytest.fixture(scope="module")
def forecasts(panel):
    """EWMA, its calibrated-looking copy and a rolling window over the last 400 sessions, two horizons."""
    squared = panel.returns**2
    variance = {
        "EWMA94": squared.ewm(alpha=0.06, adjust=False).mean(),
        "scaled": squared.ewm(alpha=0.06, adjust=False).mean() * 1.5,
        "window": squared.rolling(60).mean(),
    }
    columns = {(name, h): np.sqrt(v).iloc[200:] for name, v in variance.items() for h in (1, 5)}
    return pd.concat(columns, axis=1, names=["model", "horizon", "asset"])


def test_scores_are_means_over_all_stock_days(panel, forecasts):
    scores = volatility_scorecard(forecasts, panel, calibrated_through=CALIBRATED)
    outcome = realized_variance(panel.returns, 5).iloc[200:-5]
    f = forecasts["window"][5].iloc[:-5] ** 2
    row = scores.table.loc[(5, "window")]
    assert row["qlike"] == pytest.approx(qlike(outcome, f).to_numpy().mean())
    assert row["mse"] == pytest.approx(((outcome - f) ** 2).to_numpy().mean())
    assert (row["origins"], row["stock_days"]) == (395, 395 * 5)
    assert row["qlike_range"] == pytest.approx(np.nanmean(qlike(range_variance(panel, 5, CALIBRATED).loc[f.index], f)))
    ahead = np.stack([panel.returns.shift(-k).loc[f.index] for k in range(1, 6)])
    density = stats.norm.logpdf(ahead, scale=np.sqrt(f.to_numpy()))
    assert row["log_likelihood"] == pytest.approx(density.mean(), rel=1e-12)
    base = scores.table.loc[(5, "EWMA94"), "qlike"]
    assert row["below_EWMA94"] == pytest.approx(100 * (1 - row["qlike"] / base))


def test_comparison_is_on_the_cross_sectional_mean_loss(panel, forecasts):
    scores = volatility_scorecard(forecasts, panel, calibrated_through=CALIBRATED)
    outcome = realized_variance(panel.returns, 5).iloc[200:]
    loss = {m: qlike(outcome, forecasts[m][5] ** 2).mean(axis=1) for m in ("EWMA94", "scaled")}
    expected = diebold_mariano(loss["scaled"], loss["EWMA94"], 5).statistic
    assert scores.table.loc[(5, "scaled"), "dm_EWMA94"] == pytest.approx(expected)
    assert np.isnan(scores.table.loc[(5, "EWMA94"), "dm_EWMA94"])
    assert scores.benchmarks == ("EWMA94",)


def test_all_four_benchmarks_are_compared_with_where_they_are_there(panel, forecasts):
    named = forecasts.rename(columns={"scaled": "HAR-own", "window": "GJR"}, level="model")
    scores = volatility_scorecard(named, panel, [5], calibrated_through=CALIBRATED)
    assert scores.benchmarks == ("EWMA94", "GJR", "HAR-own")
    row = scores.table.loc[(5, "HAR-own")]
    expected = diebold_mariano(scores.losses["HAR-own"][5], scores.losses["GJR"][5], 5).statistic
    assert row["dm_GJR"] == pytest.approx(expected)


def test_regression_and_level_are_of_the_scored_stock_days(panel, forecasts):
    scores = volatility_scorecard(forecasts, panel, [5], calibrated_through=CALIBRATED)
    y, f = realized_variance(panel.returns, 5).loc[forecasts.index], forecasts["scaled"][5] ** 2
    row, fit = scores.table.loc[(5, "scaled")], pooled_mincer_zarnowitz(y, f, 5)
    assert row[["mz_intercept", "mz_slope", "mz_pvalue"]].tolist() == [fit.intercept, fit.slope, fit.pvalue]
    assert row["level_ratio"] == pytest.approx(np.nanmean((y / f).mean(axis=1)))
    assert row["mean_forecast"] == pytest.approx(f[y.notna()].stack().mean())


def test_stress_periods_are_those_within_the_span(panel, forecasts, monkeypatch):
    spans = {"calm": ("2011-03-01", "2011-05-31"), "before": ("2010-01-04", "2010-12-01")}
    monkeypatch.setattr(periods, "STRESS", spans)
    scores = volatility_scorecard(forecasts, panel, [1], calibrated_through=CALIBRATED)
    assert list(scores.by_stress.columns) == ["calm"]
    loss = qlike(realized_variance(panel.returns, 1), forecasts["window"][1] ** 2).loc["2011-03-01":"2011-05-31"]
    assert scores.by_stress.loc[(1, "window"), "calm"] == pytest.approx(loss.to_numpy().mean())
    assert scores.as_dict()["stress_periods"] == {"calm": ("2011-03-01", "2011-05-31")}


def test_every_model_is_scored_on_the_same_stock_days(panel, forecasts):
    holed = forecasts.copy()
    holed.loc[holed.index[:50], ("window", 1, "A")] = np.nan
    scores = volatility_scorecard(holed, panel, calibrated_through=CALIBRATED)
    assert scores.left_out.to_dict() == {1: 50, 5: 0}
    assert set(scores.table.loc[1, "stock_days"]) == {399 * 5 - 50}
    outcome = realized_variance(panel.returns, 1).iloc[200:]
    loss = qlike(outcome, forecasts["EWMA94"][1] ** 2)
    loss.iloc[:50, 0] = np.nan
    assert scores.table.loc[(1, "EWMA94"), "qlike"] == pytest.approx(np.nanmean(loss))


def test_years_average_to_the_whole(panel, forecasts):
    scores = volatility_scorecard(forecasts, panel, [1], calibrated_through=CALIBRATED)
    days = scores.losses["EWMA94"][1].dropna().groupby(lambda t: t.year).size()
    years = scores.by_year.loc[(1, "EWMA94")]
    assert (years * days).sum() / days.sum() == pytest.approx(scores.table.loc[(1, "EWMA94"), "qlike"])


def test_assets_are_matched_by_name(panel, forecasts):
    shuffled = forecasts[forecasts.columns[::-1]]
    straight = volatility_scorecard(forecasts, panel, [5], calibrated_through=CALIBRATED).table
    found = volatility_scorecard(shuffled, panel, [5], calibrated_through=CALIBRATED).table
    pd.testing.assert_frame_equal(found.sort_index(), straight.sort_index())


def test_scores_survive_json(panel, forecasts):
    scores = volatility_scorecard(forecasts, panel, calibrated_through=CALIBRATED)
    found = json.loads(json.dumps(scores.as_dict(), allow_nan=False))
    assert found["scores"]["5"]["window"]["qlike"] == scores.table.loc[(5, "window"), "qlike"]
    assert found["scores"]["1"]["EWMA94"]["dm_EWMA94"] is None
    assert set(found["scores"]["1"]["window"]["qlike_by_year"]) == {"2010", "2011", "2012"}
    assert scores.models == ["EWMA94", "scaled", "window"]
    assert scores.horizons == [1, 5]


def test_the_worst_model_leaves_the_confidence_set(panel, forecasts):
    bad = forecasts["EWMA94"] * 3
    table = pd.concat([forecasts, pd.concat({"bad": bad}, axis=1)], axis=1).rename_axis(
        columns=["model", "horizon", "asset"]
    )
    scores = volatility_scorecard(table, panel, [5], calibrated_through=CALIBRATED)
    pvalues = scores.table.loc[5, "mcs_pvalue"]
    assert pvalues["bad"] < 0.10
    assert pvalues.max() == 1


def test_what_cannot_be_scored_says_why(panel, forecasts):
    with pytest.raises(ParameterError, match="no forecasts of horizon 21"):
        volatility_scorecard(forecasts, panel, [21])
    empty = forecasts.copy()
    empty["window"] = np.nan
    with pytest.raises(InsufficientHistoryError, match="horizon 1: no stock-day"):
        volatility_scorecard(empty, panel, calibrated_through=CALIBRATED)
