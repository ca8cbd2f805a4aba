import gc
import pickle
import types

import numpy as np
import pandas as pd
import pytest
from six_days import BARS, DAYS, bars
from synthetic import ASOF, ASSETS, DELISTED, HALTED, LISTED, SESSIONS

from volplugin import PricePanel
from volplugin.data import MAX_GAP_SESSIONS, VARIANCE_FLOOR, price_digest
from volplugin.errors import AssetMismatchError, InsufficientHistoryError, PanelError

# -- what it holds ---------------------------------------------------------------------------------


def test_holds_what_was_given():
    given = bars()
    panel = PricePanel(**given)
    for field, frame in given.items():
        pd.testing.assert_frame_equal(getattr(panel, field), frame, check_names=False, check_freq=False)
    assert list(panel.assets) == ["AAPL", "JPM"]
    assert list(panel.sessions) == list(DAYS)
    assert panel.last_session == DAYS[-1]
    assert panel.has_ranges
    assert panel.market is panel
    assert repr(panel) == "PricePanel(2 assets, 6 sessions, 2020-01-06 to 2020-01-13)"


def test_close_alone_is_enough():
    panel = PricePanel(close=bars()["close"])
    assert panel.open is panel.high is panel.low is panel.volume is None
    assert not panel.has_ranges


def test_fields_are_aligned_by_asset_name():
    given = bars()
    swapped = given | {"high": given["high"][["JPM", "AAPL"]], "volume": given["volume"][["JPM", "AAPL"]]}
    panel = PricePanel(**swapped)
    pd.testing.assert_frame_equal(panel.high, PricePanel(**given).high)
    pd.testing.assert_frame_equal(panel.volume, PricePanel(**given).volume)


def test_later_changes_of_the_caller_do_not_reach_it():
    given = bars()
    panel = PricePanel(**given)
    before = panel.fingerprint()
    for frame in given.values():
        frame.iloc[:, :] = 1.0
    assert panel.fingerprint() == before


def test_integers_become_floats():
    panel = PricePanel(close=pd.DataFrame({"AAPL": [10, 11]}, index=DAYS[:2]))
    assert panel.close.dtypes.tolist() == [np.dtype(float)]


# -- returns and gaps ------------------------------------------------------------------------------


def test_returns_are_log_returns():
    panel = PricePanel(**bars())
    expected = np.log(np.array([11 / 10, 12 / 11, 11 / 12, 10 / 11, 12 / 10]))
    np.testing.assert_allclose(panel.returns["AAPL"].to_numpy()[1:], expected, rtol=1e-14)
    assert panel.returns.iloc[0].isna().all()


def test_gaps_are_never_filled(synthetic):
    returns, variance = synthetic.returns, synthetic.variance
    for frame in (returns, variance):
        assert frame.loc[:LISTED, "DELT"].isna().all()
        assert frame.loc[HALTED, "ECHO"].isna().all()
        assert frame.loc[DELISTED:, "FOXT"].iloc[1:].isna().all()
        assert frame.drop(columns=["DELT", "ECHO", "FOXT"]).iloc[1:].notna().all().all()
    assert not (returns == 0).any().any()


def test_a_return_spans_a_halt(synthetic):
    before, after = SESSIONS[1019], SESSIONS[1024]
    expected = np.log(synthetic.close.loc[after, "ECHO"] / synthetic.close.loc[before, "ECHO"])
    assert synthetic.returns.loc[after, "ECHO"] == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize(("missing", "spans"), [(1, True), (MAX_GAP_SESSIONS, True), (MAX_GAP_SESSIONS + 1, False)])
def test_a_long_halt_ends_an_asset(missing, spans):
    close = pd.DataFrame({"AAPL": [10.0, *[np.nan] * missing, 20.0, 21.0]})
    close.index = pd.bdate_range("2020-01-06", periods=len(close))
    returns = PricePanel(close=close).returns["AAPL"]
    assert np.isfinite(returns.iloc[-2]) == spans
    assert returns.iloc[-1] == pytest.approx(np.log(21 / 20))


# -- the gate, and cuts ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "date", ["2020-01-08", pd.Timestamp("2020-01-08"), "2020-01-08 16:00", DAYS[2].to_pydatetime()]
)
def test_asof_keeps_the_session_and_nothing_later(date):
    panel = PricePanel(**bars()).asof(date)
    assert panel.last_session == DAYS[2]
    assert list(panel.sessions) == list(DAYS[:3])


def test_asof_between_sessions_is_the_one_before():
    assert PricePanel(**bars()).asof("2020-01-12").last_session == DAYS[4]


def test_asof_beyond_the_end_is_everything():
    panel = PricePanel(**bars())
    assert panel.asof("2030-01-01").fingerprint() == panel.fingerprint()


@pytest.mark.parametrize("date", ["2019-12-31", "2019-12-31 10:30:00"])
def test_asof_before_the_beginning(date):
    with pytest.raises(InsufficientHistoryError, match=f"at or before {date}: the panel begins on 2020-01-06$"):
        PricePanel(**bars()).asof(date)


@pytest.mark.parametrize("date", ["2020-01-08 00:00+00:00", pd.Timestamp("2020-01-08", tz="America/New_York")])
def test_asof_an_aware_date(date):
    with pytest.raises(PanelError, match="naive.*2020-01-08"):
        PricePanel(**bars()).asof(date)


@pytest.mark.parametrize("date", ["someday", None, pd.NaT, "2020-13-45", ["2020-01-08"]])
def test_asof_what_is_no_date(date):
    with pytest.raises(PanelError, match="not a date"):
        PricePanel(**bars()).asof(date)


def test_tail():
    panel = PricePanel(**bars())
    assert list(panel.tail(2).sessions) == list(DAYS[-2:])
    assert panel.tail(100).fingerprint() == panel.fingerprint()


@pytest.mark.parametrize("begin", [1020, 1021, 1023, 1024, 1030, 1033, 1040])
def test_a_cut_panel_is_that_of_its_own_prices(begin, synthetic):
    """Whether returns were asked of the longer panel before or not; here around ECHO's halt."""
    again = PricePanel(**{field: getattr(synthetic, field) for field in (*BARS, "volume")})
    synthetic.returns, synthetic.variance, synthetic.overnight  # noqa: B018 - derived, and handed on
    cut, fresh = (panel.tail(len(SESSIONS) - begin) for panel in (synthetic, again))
    own = PricePanel(**{field: getattr(cut, field) for field in (*BARS, "volume")})
    for derived in ("returns", "variance", "overnight"):
        pd.testing.assert_frame_equal(getattr(cut, derived), getattr(own, derived), check_exact=True)
        pd.testing.assert_frame_equal(getattr(fresh, derived), getattr(own, derived), check_exact=True)
    assert cut.fingerprint() == fresh.fingerprint() == own.fingerprint()
    assert cut.asof(ASOF).fingerprint() == own.asof(ASOF).fingerprint()


def test_overnight_returns():
    panel = PricePanel(**bars())
    np.testing.assert_allclose(
        panel.overnight["AAPL"].iloc[1:], np.log(panel.open["AAPL"] / panel.close["AAPL"].shift())[1:]
    )
    with pytest.raises(PanelError, match="closes only"):
        PricePanel(close=bars()["close"]).overnight  # noqa: B018


def test_select_keeps_the_market(synthetic):
    few = synthetic.select(["HOTE", "ALFA"])
    assert list(few.assets) == ["HOTE", "ALFA"]
    assert list(few.market.assets) == ASSETS
    assert list(few.select(["ALFA"]).market.assets) == ASSETS
    assert list(few.asof(ASOF).market.assets) == ASSETS
    pd.testing.assert_frame_equal(few.with_market_assets().close, synthetic.close)


def test_select_what_is_not_there(synthetic):
    with pytest.raises(AssetMismatchError, match=r"^the panel has no TSLA, XOM; it holds ALFA, BRAV, .*HOTE$"):
        synthetic.select(["ALFA", "TSLA", "XOM"])


@pytest.mark.parametrize(("names", "complaint"), [([], "no asset"), (["ALFA", "BRAV", "ALFA"], "ALFA, BRAV, ALFA")])
def test_select_nothing_or_twice(names, complaint, synthetic):
    with pytest.raises(AssetMismatchError, match=f"requested {complaint}; name one or more assets, each once"):
        synthetic.select(names)


def test_with_market_cuts_the_market_at_the_panels_end(synthetic):
    few = PricePanel(close=synthetic.close[["ALFA"]].loc[:ASOF]).with_market(synthetic)
    assert few.market.last_session == ASOF
    assert list(few.market.assets) == ASSETS


def test_whole_adds_assets_that_the_market_lacks(synthetic):
    panel = PricePanel(close=synthetic.close[["ALFA", "BRAV"]]).with_market(
        PricePanel(close=synthetic.close[["GOLF", "ALFA"]].iloc[5:])
    )
    whole = panel.with_market_assets()
    assert list(whole.assets) == ["GOLF", "ALFA", "BRAV"]
    assert list(whole.sessions) == list(synthetic.sessions)
    pd.testing.assert_series_equal(whole.close["BRAV"], synthetic.close["BRAV"])


def test_tables_derived_from_some_assets_leave_the_others_alone(synthetic):
    whole = PricePanel(**{field: getattr(synthetic, field) for field in (*BARS, "volume")}).asof(ASOF)
    some = whole.select(["HOTE", "ALFA"])
    returns = some.returns.copy()
    pd.testing.assert_frame_equal(some.asof(SESSIONS[900]).returns, returns.loc[: SESSIONS[900]], check_exact=True)
    earlier = whole.asof(SESSIONS[900]).returns
    pd.testing.assert_frame_equal(earlier, synthetic.returns.loc[: SESSIONS[900]], check_exact=True)


def test_closes_alone_have_the_same_returns(synthetic):
    few = synthetic.select(["HOTE", "ECHO"])
    for panel in (few, synthetic):
        returns = panel.returns
        closes = panel.close_only()
        assert closes.fields == closes.market.fields == ("close",)
        assert list(closes.market.assets) == ASSETS
        pd.testing.assert_frame_equal(closes.returns, returns, check_exact=True)
        pd.testing.assert_frame_equal(closes.variance, (returns**2).clip(lower=VARIANCE_FLOOR), rtol=1e-12)


def test_panels_side_by_side():
    given = bars()
    first, second = (PricePanel(close=given["close"][[name]], calendar="XNYS") for name in ("JPM", "AAPL"))
    both = PricePanel.concat(iter([first, second.asof(DAYS[2])]))
    expected = given["close"][["JPM", "AAPL"]].copy()
    expected.loc[DAYS[3] :, "AAPL"] = np.nan
    pd.testing.assert_frame_equal(both.close, expected, check_names=False, check_freq=False)
    assert both.has_calendar
    other = PricePanel(close=given["close"][["AAPL"]], volume=given["volume"][["AAPL"]], calendar="XLON")
    assert not PricePanel.concat([first, other]).has_calendar
    assert PricePanel.concat([first, other]).fields == ("close",)
    with pytest.raises(AssetMismatchError, match="^JPM is in two of the panels; leave it out of one$"):
        PricePanel.concat([first, PricePanel(**given)])
    with pytest.raises(PanelError, match="^some panels have open, high and low, and some have not; use close_only"):
        PricePanel.concat([first, PricePanel(**given).select(["AAPL"])])
    with pytest.warns(DeprecationWarning, match="use PricePanel.concat"):
        assert list(PricePanel.beside([first, second]).assets) == ["JPM", "AAPL"]


# -- fingerprint -----------------------------------------------------------------------------------


def test_fingerprint_is_the_same_for_equal_prices(synthetic):
    again = PricePanel(**{field: getattr(synthetic, field) for field in (*BARS, "volume")})
    assert again.fingerprint() == synthetic.fingerprint()


def test_fingerprint_of_the_past_survives_a_later_split(synthetic):
    halved = {field: getattr(synthetic, field) / 2 for field in BARS}
    assert PricePanel(**halved, volume=synthetic.volume).fingerprint() == synthetic.fingerprint()


def test_fingerprint_notices_every_change(synthetic):
    def changed(**fields: pd.DataFrame) -> str:
        kept = {field: getattr(synthetic, field) for field in (*BARS, "volume")}
        return PricePanel(**(kept | fields)).fingerprint()

    close = synthetic.close.copy()
    close.iloc[700, 2] *= 1.0001
    high = synthetic.high.copy()
    high.iloc[700, 2] *= 1.01
    found = {
        synthetic.fingerprint(),
        synthetic.asof(ASOF).fingerprint(),
        synthetic.select(ASSETS[:3]).fingerprint(),
        synthetic.select(ASSETS[::-1]).fingerprint(),
        changed(close=close, high=np.maximum(close, synthetic.high)),
        changed(high=high),
    }
    assert len(found) == 6


# -- real prices -----------------------------------------------------------------------------------


def test_the_shipped_prices(real):
    assert list(real.assets) == ["AXP", "CVX", "GS", "IBM", "JPM", "MCD", "PG", "V"]
    assert real.close["V"].first_valid_index() == pd.Timestamp("2008-03-19")
    annual = np.sqrt(252 * (real.returns**2).mean())
    assert annual.between(0.15, 0.6).all()
    # The bar proxy sees the overnight move and the range: of the same size as squared returns.
    assert 0.7 < (real.variance.mean() / (real.returns**2).mean()).median() < 1.3
    assert real.returns["GS"].abs().idxmax().date().isoformat()[:7] in {"2008-10", "2008-11", "2008-09"}


def test_digests_stay():
    """Stored vintages hold fingerprints, and caches of forecasts are keyed by digests."""
    panel = PricePanel(**bars())
    assert panel.fingerprint() == "e913ae5107495975511b68a339e67ce84534cb0c5cd444da8adf86719a685ce4"
    assert price_digest(panel) == "8652b52d40ae8387919503a1262df69f8bb26930b277e7576d44c7f6b583bc11"
    one = panel.select(["JPM"])
    assert one.fingerprint() == "5aa786744a1f5b9d52378f45722c506c09c7254ccdf3e38b2757611f4e324048"
    assert price_digest(one) == "3b7184a99b92b908b6a996de12879c7592d73065a24639f289bb8478f084da20"


def test_a_digest_does_not_depend_on_where_the_panel_was_cut_from(synthetic):
    cut = synthetic.asof(ASOF).tail(150).select(["BRAV", "ALFA"]).with_market(synthetic.asof(ASOF))
    digest = price_digest(cut)
    anew = PricePanel(**{field: getattr(cut, field).copy() for field in cut.fields}, market=synthetic.asof(ASOF))
    assert price_digest(anew) == digest
    cut.returns, cut.asof(ASOF)  # noqa: B018 - derived tables join the prices
    assert price_digest(cut) == digest


# -- cuts are copied late --------------------------------------------------------------------------


FIELDS = ("open", "high", "low", "close", "volume")


@pytest.mark.parametrize("name", ["close", "volume", "returns", "variance", "overnight"])
@pytest.mark.parametrize("asked_before", [False, True])
@pytest.mark.parametrize("assets", [None, ["BRAV", "ALFA"]])
def test_the_last_rows_are_those_of_the_whole(synthetic, name, asked_before, assets):
    again = PricePanel(**{field: getattr(synthetic, field) for field in FIELDS})
    if asked_before:
        getattr(again, name)
    cut = again.asof(ASOF).tail(300)
    cut = cut if assets is None else cut.select(assets)
    expected = getattr(PricePanel(**{field: getattr(cut, field) for field in FIELDS}), name)
    for count in (1, 40, 289, 295, 300, 400):
        found = cut.tail_values(name, count)
        np.testing.assert_array_equal(found, expected.iloc[-count:].to_numpy())
        assert found.flags.c_contiguous
        assert found.base is None


def test_the_last_rows_are_a_copy(synthetic):
    for panel in (synthetic, synthetic.asof(ASOF), synthetic.asof(ASOF).tail(30)):
        before = panel.close.copy()
        panel.tail_values("close", 5)[:] = 0.0
        pd.testing.assert_frame_equal(panel.close, before)


def test_a_cut_of_a_cut_of_some_assets(synthetic):
    cut = synthetic.select(["BRAV", "ALFA"]).asof(ASOF).tail(50)
    pd.testing.assert_frame_equal(cut.close, synthetic.close.loc[:ASOF, ["BRAV", "ALFA"]].iloc[-50:])
    assert list(cut.assets) == ["BRAV", "ALFA"]
    assert list(cut.market.sessions) == list(cut.sessions)


def test_what_is_sent_to_another_process_leaves_the_rest_behind(synthetic):
    cut = synthetic.asof(ASOF).tail(20)
    fields = {field: getattr(cut, field) for field in ("open", "high", "low", "close", "volume")}
    sent = pickle.dumps(cut)
    assert len(sent) < 1.1 * len(pickle.dumps(PricePanel(**fields)))
    again = pickle.loads(sent)
    assert again.fingerprint() == cut.fingerprint()
    assert again.sessions.equals(cut.sessions)
    pd.testing.assert_frame_equal(again.high, cut.high)


# -- no later row behind a cut ---------------------------------------------------------------------


def reachable(panel: PricePanel) -> list[object]:
    """Return every array, frame and index that a panel refers to, through attributes and bases."""
    seen, found, waiting = set(), [], [panel]
    while waiting:
        item = waiting.pop()
        if id(item) in seen or isinstance(item, (type, str, types.ModuleType, types.FunctionType)):
            continue
        seen.add(id(item))
        found.append(item)
        waiting += gc.get_referents(item)
        if isinstance(item, np.ndarray) and item.base is not None:
            waiting.append(item.base)
        if isinstance(item, pd.Index):
            waiting.append(item.to_numpy())
    return found


@pytest.mark.parametrize("select", [False, True])
def test_no_later_row_can_be_reached_from_a_cut(select, synthetic):
    later = 123456.789
    frames = {field: getattr(synthetic, field).copy() for field in FIELDS}
    for frame in frames.values():
        frame.loc[frame.index > ASOF] = later
    whole = PricePanel(**frames)
    whole = whole.select(["BRAV", "ALFA"]) if select else whole
    whole.returns, whole.variance, whole.overnight  # noqa: B018 - derived before the cut
    cut = whole.asof(ASOF)
    cut.close, cut.returns  # noqa: B018 - built from the source
    arrays = [item for item in reachable(cut) if isinstance(item, np.ndarray)]
    assert len(arrays) > 5
    for array in arrays:
        if array.dtype.kind == "f":
            assert not (array == later).any()
        if array.dtype.kind == "M":
            assert (array <= ASOF.to_datetime64()).all()
