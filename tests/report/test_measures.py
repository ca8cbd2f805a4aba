import dataclasses

import numpy as np
import pandas as pd
import pytest

from volplugin.errors import InsufficientHistoryError, ParameterError
from volplugin.report import BacktestResult, Comparison
from volplugin.report.measures import band_shares, bias_path, contributions, quarters, reductions, worst_quarter


def test_perf_of_zipline_gets_plain_sessions(result):
    assert result.perf.index.tz is None
    assert result.perf.index[0] == pd.Timestamp("2010-01-04")


def test_perf_without_predictions_raises(bare):
    with pytest.raises(ParameterError, match="no column 'predicted_vol'.*metrics set"):
        BacktestResult(bare.details, bare.perf[["returns"]], bare.scorecard)


def test_a_run_too_short_for_a_scorecard_raises(bare):
    with pytest.raises(InsufficientHistoryError, match="choose a longer span"):
        BacktestResult(bare.details, bare.perf, {})
    with pytest.raises(InsufficientHistoryError, match="63 sessions"):
        Comparison(bare.perf, {})


def test_quarters_compare_the_same_sessions(result):
    windows, perf = quarters(result.perf), result.perf.iloc[100:163]
    row = windows.loc[perf.index[-1]]
    assert row["realized"] == pytest.approx(perf["returns"].std() * np.sqrt(252))
    assert row["predicted"] == pytest.approx(np.sqrt((perf["predicted_vol"] ** 2).mean()))
    assert row["lower"] < row["predicted"] < row["upper"]


def test_quarters_skip_sessions_without_a_portfolio(result):
    perf = result.perf.copy()
    perf.iloc[:30, perf.columns.get_loc("predicted_vol")] = np.nan
    assert quarters(perf).index[0] == perf.index[92]


def test_worst_quarter_is_the_one_with_inflated_returns(result):
    perf = result.perf.copy()
    perf.iloc[300:363, perf.columns.get_loc("returns")] *= 4
    worst = worst_quarter(perf)
    assert abs(perf.index.get_loc(worst.last) - 362) <= 5
    assert worst.realized > 3 * worst.predicted
    assert perf.index.get_loc(worst.last) - perf.index.get_loc(worst.first) == 62


def test_a_short_run_has_no_worst_quarter(result):
    assert worst_quarter(result.perf.iloc[:50]) is None


def test_shares_of_quarters_below_inside_and_above_the_band(result):
    shares = band_shares(result.perf)
    assert shares.inside > 0.8
    assert shares.below + shares.inside + shares.above == pytest.approx(1)
    assert band_shares(result.perf.assign(returns=3 * result.perf["returns"])).above == 1
    assert band_shares(result.perf.assign(returns=result.perf["returns"] / 3)).below == 1
    assert band_shares(result.perf.iloc[:50]) is None


def test_rolling_bias_uses_a_quarter_in_a_short_run(result, bare):
    assert bias_path(result.perf)[1] == 252
    path, window = bias_path(bare.perf)
    z = bare.perf["returns"] / bare.perf["predicted_vol"] * np.sqrt(252)
    assert window == 63
    assert path.iloc[-1] == pytest.approx(z.iloc[-63:].std())


def test_contributions_add_up_to_the_total(result):
    frame = contributions(result, top=4)
    assert list(frame.columns[-1:]) == ["8 others"]
    np.testing.assert_allclose(frame.sum(axis=1), result.perf["predicted_vol"])


def test_contributions_of_assets_not_held_are_zero(result):
    perf = result.perf.iloc[:3].copy()
    perf["risk_contributions"] = [{"A": 0.1}, {}, {"B": 0.2}]
    frame = contributions(dataclasses.replace(result, perf=perf))
    assert frame.to_dict("list") == {"B": [0.0, 0.2], "A": [0.1, 0.0]}


def test_reductions_default_to_the_first_model_as_benchmark(result):
    scores = dataclasses.replace(result.volatility, benchmarks=())
    table, base = reductions(dataclasses.replace(result, volatility=scores))
    assert base == "LSTM"
    assert (table.loc["LSTM"] == 0).all()
