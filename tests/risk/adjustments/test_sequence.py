import pytest
from synthetic import ASOF

from volplugin import AssetBias, RiskModel, RollingCorrelation, RollingVolatility, VolatilityRegimeAdjustment
from volplugin.errors import ParameterError


def model(calibration) -> RiskModel:
    return RiskModel(RollingVolatility(20), RollingCorrelation(60), calibration=calibration)


def test_factors_multiply(synthetic):
    """Each is measured on the forecasts of the model without calibration."""
    known = synthetic.asof(ASOF)
    plain, bias, regime, both, reverse = (
        model(given).forecast(known).volatility
        for given in (
            None,
            AssetBias(20),
            VolatilityRegimeAdjustment(6),
            [AssetBias(20), VolatilityRegimeAdjustment(6)],
            (VolatilityRegimeAdjustment(6), AssetBias(20)),
        )
    )
    assert (both / plain).to_dict() == pytest.approx((bias / plain * regime / plain).to_dict())
    assert reverse.to_dict() == pytest.approx(both.to_dict())


def test_none_at_all(synthetic):
    for given in (None, [], ()):
        assert model(given).forecast(synthetic.asof(ASOF)).diagnostics["calibration"] == {}


def test_parameters_of_one_are_reached_by_name():
    chosen = model(VolatilityRegimeAdjustment()).set_params(calibration__halflife=10, calibration__over="assets")
    assert (chosen.calibration.halflife, chosen.calibration.over) == (10, "assets")


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (0.5, "calibration is 0.5"),
        ("regime", r"^calibration is 'regime'; pass one such as VolatilityRegimeAdjustment\(\), or a list of them$"),
        ([AssetBias, VolatilityRegimeAdjustment()], "calibration is <class"),
        (
            [VolatilityRegimeAdjustment(10), VolatilityRegimeAdjustment(42)],
            "VolatilityRegimeAdjustment, VolatilityRegimeAdjustment; pass one of a kind",
        ),
    ],
)
def test_what_is_no_calibration(given, complaint, synthetic):
    with pytest.raises(ParameterError, match=complaint):
        model(given).forecast(synthetic.asof(ASOF))
