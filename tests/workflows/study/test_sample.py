"""The common sample of unequal histories, and panels that are refused."""

import numpy as np
import pandas as pd
import pytest
import synthetic as market

from volplugin import PricePanel
from volplugin.errors import AssetMismatchError, InsufficientHistoryError, PanelError, ParameterError
from volplugin.workflows.study import SeedSettings, common_sample


def test_unequal_histories_use_the_common_sample_and_mention_it(closes, sample):
    assert sample.closes.index[0] == market.LISTED
    assert len(sample.closes) == 900
    assert sample.returns.notna().all(axis=None)
    summary = " ".join(sample.summary())
    assert "the common sample is used, and 400 of 1300 sessions" in summary
    assert f"DELT begins last, on {market.LISTED.date()}" in summary
    assert "ends first" not in summary


def test_equal_histories_are_not_mentioned(closes):
    sample = common_sample(closes.select(["ALFA", "BRAV"]))
    assert len(sample.closes) == 1300
    assert "unequal" not in " ".join(sample.summary())


def test_origins_are_split_in_time_eighty_to_twenty(sample):
    returns = sample.returns.index
    assert list(sample.origins) == list(returns[59:-20])
    assert len(sample.training) == int(0.8 * len(sample.origins))
    assert sample.training[-1] < sample.test[0]


def test_a_halt_is_skipped_and_the_next_return_spans_it():
    panel = PricePanel(close=market.market().close[["ALFA", "ECHO"]])
    sample = common_sample(panel)
    after = panel.sessions[panel.sessions.get_loc(market.HALTED[-1]) + 1]
    before = panel.sessions[panel.sessions.get_loc(market.HALTED[0]) - 1]
    assert not sample.closes.index.isin(market.HALTED).any()
    expected = np.log(panel.close.loc[after] / panel.close.loc[before])
    pd.testing.assert_series_equal(sample.returns.loc[after], expected, check_names=False)
    assert "4 sessions in between have gaps" in " ".join(sample.summary())


def test_portfolios_earn_simple_returns_at_weights_restored_daily(sample):
    simple = sample.closes.pct_change().iloc[1:]
    expected = simple @ sample.portfolios["mine"]
    np.testing.assert_allclose(sample.portfolio_returns("mine"), expected, atol=1e-14)
    np.testing.assert_allclose(sample.portfolio_returns("equal weights"), simple.mean(axis=1), atol=1e-14)


def test_one_stock_is_refused(closes):
    with pytest.raises(PanelError, match="two stocks or more, for their correlation; the only one is ALFA"):
        common_sample(closes.select(["ALFA"]))


def test_error_of_a_short_sample_names_the_limiting_stock(closes):
    short = closes.asof(closes.sessions[700])
    with pytest.raises(
        InsufficientHistoryError, match="301 sessions in common, .* requires 476 or more .DELT begins last"
    ):
        common_sample(short)


def test_the_required_length_in_the_error_suffices(closes):
    pair = closes.select(["ALFA", "BRAV"])
    assert len(common_sample(pair.tail(476)).test) == 80
    with pytest.raises(InsufficientHistoryError, match="requires 476 or more"):
        common_sample(pair.tail(390))


def test_histories_without_overlap_are_too_short(closes):
    close = closes.close.copy()
    close.loc[close.index >= market.LISTED, "ALFA"] = np.nan
    with pytest.raises(InsufficientHistoryError, match="0 sessions in common"):
        common_sample(PricePanel(close=close))


def test_a_long_gap_is_refused(closes):
    close = closes.close.copy()
    close.iloc[600:640, 1] = np.nan
    with pytest.raises(PanelError, match=f"BRAV has no close on {close.index[600].date()}"):
        common_sample(PricePanel(close=close))


def test_a_stock_without_closes_is_refused(closes):
    with pytest.raises(PanelError, match="VOID has no close at all"):
        common_sample(PricePanel(close=closes.close.assign(VOID=np.nan)))


def test_a_constant_price_is_refused(closes):
    close = closes.close.assign(FLAT=10.0)
    with pytest.raises(PanelError, match="FLAT has a constant price"):
        common_sample(PricePanel(close=close))


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"ALFA": 0.5, "ZULU": 0.5}, "mine: there are no closes of ZULU; the stocks are ALFA, BRAV, DELT"),
        ({"ALFA": float("nan")}, "mine: weights must be finite numbers"),
        ({"ALFA": 0.0}, "mine: weights must be finite numbers, not all of them zero"),
    ],
)
def test_errors_name_unusable_weights(closes, weights, message):
    with pytest.raises(AssetMismatchError, match=message):
        common_sample(closes, weights={"mine": pd.Series(weights)})


def test_two_weights_of_one_stock_are_refused(closes):
    twice = pd.Series([0.5, 0.5], index=["ALFA", "ALFA"])
    with pytest.raises(AssetMismatchError, match="ALFA has two weights"):
        common_sample(closes, weights={"mine": twice})


@pytest.mark.parametrize(
    "wrong",
    [{"epochs": 0}, {"horizon": 1}, {"units": ()}, {"learning_rate": 0.0}, {"training_share": 1.0}],
)
def test_errors_name_settings_outside_their_domain(wrong):
    with pytest.raises(ParameterError, match=next(iter(wrong))):
        SeedSettings(**wrong)
