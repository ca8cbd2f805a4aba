"""What the strategies share: parameters from outside, the track record, and orders that do not pile up."""

import numpy as np
import pandas as pd
import pytest
import zipline
from zipline import run_algorithm
from zipline.extensions import Namespace

from volplugin import RiskModel, RiskProvider, RollingCorrelation, RollingVolatility, VolatilityTarget
from volplugin._gallery.shared import follow, read_gallery_parameters
from volplugin._gallery.vol_target import compose
from volplugin.adapters.zipline import load_strategy, register_metrics, run_backtest
from volplugin.errors import AssetMismatchError, ParameterError

YEAR = np.sqrt(252)


@pytest.fixture
def given(monkeypatch):
    """Set parameters as ``zipline -x volplugin.NAME=VALUE`` does."""

    def log(**values: object) -> None:
        namespace = Namespace()
        for name, value in values.items():
            setattr(namespace, name, str(value))
        monkeypatch.setattr(zipline.extension_args, "volplugin", namespace, raising=False)

    return log


def run(small: str, end: str, capital: float = 1e6, **hooks: object) -> pd.DataFrame:
    register_metrics()
    start = pd.Timestamp("2017-01-03")
    return run_algorithm(
        start=start, end=pd.Timestamp(end), capital_base=capital, bundle=small, metrics_set="volplugin", **hooks
    )


def followed(small: str, target: VolatilityTarget, end: str, frequency: str = "monthly", capital: float = 1e6):
    """Run the equal-weight book on a model that learns nothing; return perf and context."""
    seen = {}

    def initialize(context):
        risk = RiskProvider(RiskModel(RollingVolatility(40), RollingCorrelation(60)), bundle=small)
        follow(context, compose, risk, target, frequency)
        seen["context"] = context

    return run(small, end, capital, initialize=initialize), seen["context"]


# -- parameters ------------------------------------------------------------------------------------


def test_parameters_from_the_command_line(given):
    given(target="0.2", covariance="ewma", weights="book.csv")
    chosen = read_gallery_parameters()
    assert (chosen.target, chosen.covariance, chosen.weights) == (0.2, "ewma", "book.csv")
    assert chosen.frequency == "monthly"


def test_the_market_reaches_the_provider(given):
    given(market="AAA,BBB")
    assert read_gallery_parameters().provider().market == "AAA,BBB"


@pytest.mark.parametrize(
    ("values", "output"),
    [({"covariance": "garch"}, "covariance is 'garch'; pass one of default, ewma"), ({"speed": 3}, "speed")],
)
def test_unknown_parameters(given, values, output):
    given(**values)
    with pytest.raises(ParameterError, match=output):
        read_gallery_parameters()


def test_the_covariance_is_one_parameter_away(small, store):
    """The file ``vol_target_ewma`` is ``vol_target`` with that parameter."""
    span = "2017-01-03", "2017-02-28"
    by_parameter = run_backtest("vol_target", small, *span, 1e6, {"covariance": "ewma"})
    by_file = run_backtest("vol_target_ewma", small, *span, 1e6)
    with pytest.raises(ParameterError, match="vol_target_ewma does not read store="):
        run_backtest("vol_target_ewma", small, *span, 1e6, {"store": store})
    pd.testing.assert_series_equal(by_parameter["returns"], by_file["returns"])


def test_weights_of_a_file(small, store, given, tmp_path):
    (tmp_path / "book.csv").write_text("symbol,weight\nAAA,3\nCCC,1\n")
    given(bundle=small, store=store, weights=tmp_path / "book.csv")
    perf = run(small, "2017-01-31", **load_strategy("seed_book"))
    values = {p["sid"].symbol: p["amount"] * p["last_sale_price"] for p in perf["positions"].iloc[2]}
    assert set(values) == {"AAA", "CCC"}
    assert values["AAA"] / values["CCC"] == pytest.approx(3, rel=0.1)


def test_weights_of_stocks_that_the_bundle_lacks(small, store, given, tmp_path):
    (tmp_path / "book.csv").write_text("symbol,weight\nAAA,3\nXYZ,1\n")
    given(bundle=small, store=store, weights=tmp_path / "book.csv")
    with pytest.raises(AssetMismatchError, match="the run's bundle has no XYZ"):
        run(small, "2017-01-31", **load_strategy("seed_book"))


# -- the day of a strategy -------------------------------------------------------------------------


def test_the_track_record_is_what_the_perf_frame_says(small):
    """Row for row: forecast at the close before for the book held through the session, and what it returned."""
    target = VolatilityTarget(0.10, max_leverage=2)
    perf, context = followed(small, target, "2017-04-28")
    known = perf[perf["predicted_vol"] > 0]
    assert len(known) > 70
    record = context.risk.track_record(context).frame
    np.testing.assert_allclose(record["predicted"] * YEAR, known["predicted_vol"], rtol=1e-9)
    np.testing.assert_allclose(record["realized"], known["returns"], rtol=1e-9, atol=1e-12)


def test_feedback_brings_the_portfolio_nearer_to_its_target(small):
    """A model that looks back 40 sessions is late for a storm, and the record says so."""
    targets = [VolatilityTarget(0.10, max_leverage=9, feedback=strength) for strength in (0.0, 1.0)]
    perfs = [followed(small, target, "2017-04-28", "daily")[0] for target in targets]
    off, on = (abs(perf["returns"].iloc[5:].std() * YEAR - 0.10) for perf in perfs)
    assert on < off


def test_unfilled_orders_are_never_ordered_twice(small):
    """A book far larger than the market: orders fill over many sessions, and are asked for anew at each."""
    target = VolatilityTarget(0.05, max_leverage=1.0)
    perf, _ = followed(small, target, "2017-02-28", "daily", capital=5e9)
    amounts = [p["amount"] for day in perf["positions"] for p in day]
    assert min(amounts) >= 0
    assert 0.05 < perf["gross_leverage"].iloc[-1] < 0.5
    open_at_once = perf["orders"].map(lambda day: sum(order["status"] == 0 for order in day))
    assert open_at_once.max() <= 6


def test_a_guard_trades_between_rebalances(small):
    rules = [VolatilityTarget(0.10, max_leverage=9, feedback=0.0, guard=guard) for guard in (np.inf, 0.15)]
    (plain, _), (guarded, _) = (followed(small, rule, "2017-06-30") for rule in rules)
    orders = [int(perf["orders"].map(len).gt(0).sum()) for perf in (plain, guarded)]
    assert orders[1] > orders[0]
    strayed = [np.abs(np.log(perf["predicted_vol"].iloc[5:] / 0.10)).max() for perf in (plain, guarded)]
    assert strayed[1] < strayed[0]
