"""Parameters reach a strategy alike from zipline's command line and from ours."""

from dataclasses import dataclass

import pytest
import zipline
from zipline.extensions import create_args

from volplugin.adapters.zipline import StrategyParameters, read_parameters
from volplugin.adapters.zipline.parameters import check_all_read, parameters_set
from volplugin.errors import ParameterError
from volplugin.risk.defaults import CORRELATIONS


@pytest.fixture
def no_arguments(monkeypatch):
    monkeypatch.delattr(zipline.extension_args, "volplugin", raising=False)


@pytest.mark.usefixtures("no_arguments")
def test_defaults_stand_without_arguments():
    assert read_parameters() == StrategyParameters()


@pytest.mark.usefixtures("no_arguments")
def test_zipline_arguments_arrive_as_numbers_and_names():
    try:
        create_args(["volplugin.target=0.12", "volplugin.frequency=weekly"], zipline.extension_args)
        assert read_parameters() == StrategyParameters(target=0.12, frequency="weekly")
    finally:
        del zipline.extension_args.volplugin


@pytest.mark.usefixtures("no_arguments")
def test_set_parameters_hold_inside_the_block_only():
    with parameters_set({"band": "0.05"}) as outer:
        assert outer.band == 0.05
        with parameters_set({"band": 0.2, "correlation": "rolling"}):
            assert read_parameters() == StrategyParameters(band=0.2, correlation="rolling")
        assert read_parameters() == outer
    assert read_parameters() == StrategyParameters()


@pytest.mark.usefixtures("no_arguments")
def test_a_name_that_is_nobody_s_is_refused_by_whoever_reads():
    with parameters_set({"frequencies": "daily"}), pytest.raises(ParameterError) as raised:
        read_parameters()
    assert str(raised.value).startswith("no parameter 'frequencies'; there are target, frequency")


@pytest.mark.usefixtures("no_arguments")
def test_parameters_that_a_strategy_did_not_read_are_named():
    with parameters_set({"band": 0.2, "target": 0.2, "bundle": "own"}) as given:
        with pytest.raises(ParameterError, match="s.py does not read band=0.2, target=0.2: leave it out, or use read_"):
            check_all_read({"band": 0.2, "target": 0.2, "bundle": "own"}, "s.py")
        assert given.target == read_parameters().target == 0.2
        check_all_read({"target": 0.2}, "s.py")
        with pytest.raises(ParameterError, match="does not read band=0.2:"):
            check_all_read({"band": 0.2, "target": 0.2}, "s.py")


@pytest.mark.usefixtures("no_arguments")
@pytest.mark.parametrize("name", ["default", *CORRELATIONS])
def test_every_correlation_can_be_named(name):
    with parameters_set({"correlation": name}):
        assert read_parameters().correlation == name


@dataclass(frozen=True)
class OwnParameters(StrategyParameters):
    """A strategy's own, beside the shared ones."""

    count: int = 10


@pytest.mark.usefixtures("no_arguments")
def test_a_strategy_may_have_parameters_of_its_own():
    with parameters_set({"count": "20", "target": 0.2}):
        assert read_parameters(OwnParameters) == OwnParameters(target=0.2, count=20)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"target": "ten"}, "target is 'ten'; pass a number"),
        ({"target": None}, "target is None; pass a number"),
        ({"frequency": "hourly"}, "frequency is 'hourly'; pass one of daily, weekly, monthly"),
        ({"correlation": "best"}, "correlation is 'best'; pass one of default, ewma, rolling, two-speed"),
    ],
)
@pytest.mark.usefixtures("no_arguments")
def test_bad_parameter_is_named_and_nothing_is_set(given, message):
    with pytest.raises(ParameterError, match=message), parameters_set(given):
        pass
    assert not hasattr(zipline.extension_args, "volplugin")
