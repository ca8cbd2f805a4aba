import pandas as pd
import pytest

from volplugin import EWMACorrelation, RiskModel, RiskProvider, RollingVolatility, simulated_panel
from volplugin.adapters.zipline.implied_volatility import anchored, read_implied_volatility
from volplugin.errors import BundleError, PanelError


def test_the_shipped_series_is_daily_and_positive():
    vix = read_implied_volatility("vix")
    assert vix["2008-11-20"] == 80.86  # its highest close of 2008
    assert vix.index.is_monotonic_increasing
    assert (vix > 5).all()
    assert (vix.index.to_series().diff().dropna() <= pd.Timedelta(days=7)).all()


def test_a_file_of_ones_own(tmp_path):
    file = tmp_path / "index.csv"
    file.write_text("date,close\n2015-01-02,20.5\n2015-01-05,21\n")
    assert read_implied_volatility(str(file)).to_list() == [20.5, 21]
    file.write_text("day,close\n2015-01-02,20.5\n")
    for name in (str(file), str(tmp_path / "none.csv")):
        with pytest.raises(PanelError, match="columns date, close"):
            read_implied_volatility(name)


def test_the_adjusted_model_is_a_copy():
    panel = simulated_panel(3, "2004-12-01", "2010-02-26")
    model = RiskModel(RollingVolatility(20), EWMACorrelation(halflife=20))
    found = anchored(model, panel, "vix")
    assert model.calibration is None
    assert found.description.endswith("+ ImpliedVolatilityAnchor")
    forecast = found.forecast(panel)
    assert forecast.diagnostics["calibration"]["ImpliedVolatilityAnchor"]["factor"] > 0
    assert forecast.diagnostics["fallbacks"] == {}


def test_a_provider_without_a_bundle_has_nothing_to_learn_on():
    with pytest.raises(BundleError, match="bundle=NAME"):
        RiskProvider.from_store(anchor="vix")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("date,close\n01/06/2015,15\n", "01/06/2015 is not a date"),
        ("date,close\n2015-06-01,15\n2015-06-01,16\n", "duplicate date"),
        ("date,close\n2015-06-01,high\n", "which is not a number"),
        ("", "pass vix, or a CSV file"),
    ],
)
def test_a_file_of_implied_volatility_follows_the_rules_of_price_files(text, complaint, tmp_path):
    (tmp_path / "v.csv").write_text(text)
    with pytest.raises(PanelError, match=complaint):
        read_implied_volatility(str(tmp_path / "v.csv"))


def test_a_file_of_implied_volatility_as_yahoo_writes_it(tmp_path):
    (tmp_path / "v.csv").write_text(
        "Date,Open,High,Low,Close,Adj Close\n2015-06-02,1,1,1,16,16\n2015-06-01,1,1,1,15,15\n"
    )
    assert read_implied_volatility(str(tmp_path / "v.csv")).tolist() == [15.0, 16.0]
