import datetime

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from volplugin.cli import main
from volplugin.cli.config import options_of, read_configuration, to_toml
from volplugin.errors import ConfigurationError

COMMANDS = {"backtest": {"bundle", "target", "max_leverage"}, "forecast": {"bundle", "horizon"}}


def read(tmp_path, text):
    file = tmp_path / "volplugin.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_configuration(file)


def test_tables_are_of_commands_and_what_is_above_them_of_all(tmp_path):
    found = read(tmp_path, 'bundle = "b"\nhorizon = 5\n[backtest]\ntarget = 0.1\nmax-leverage = 2\nbundle = "own"\n')
    assert options_of(found, "backtest", COMMANDS["backtest"], COMMANDS) == {
        "bundle": "own", "target": 0.1, "max_leverage": 2,
    }  # fmt: skip
    assert options_of(found, "forecast", COMMANDS["forecast"], COMMANDS) == {"bundle": "b", "horizon": 5}


@pytest.mark.parametrize(
    ("text", "output"),
    [
        ("targt = 1\n", "targt is no option of any command; is it target?"),
        ("[backtst]\ntarget = 1\n", "backtst is no command; is it backtest?"),
        ("[backtest]\nhorizon = 1\n", "horizon is no option of backtest; there are bundle, max_leverage, target"),
    ],
)
def test_what_there_is_not_is_named_with_what_there_is(tmp_path, text, output):
    with pytest.raises(ConfigurationError, match="^" + output.replace("?", r"\?")):
        options_of(read(tmp_path, text), "backtest", COMMANDS["backtest"], COMMANDS)


@pytest.mark.parametrize(
    ("text", "output"),
    [
        ("bundle = ", "is not TOML"),
        (b"\xff\xfe", "is not TOML"),
        ("a.b.c = 1", r"\[a\] b is"),
        ("bundle = nan", "bundle is nan"),
        ("bundle = [[1]]", "bundle is"),
        ("x = '" + "y" * 2**20 + "'", "more than the 1048576"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path, text, output):
    with pytest.raises(ConfigurationError, match=output):
        read(tmp_path, text)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigurationError, match="cannot read"):
        read_configuration(tmp_path / "none.toml")
    with pytest.raises(ConfigurationError, match="cannot read"):
        read_configuration(tmp_path)


SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(2**62), 2**62),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"])),
    st.dates(datetime.date(1970, 1, 1)),
)


@given(st.dictionaries(st.from_regex(r"[a-z][a-z_]{0,8}", fullmatch=True), SCALARS | st.lists(SCALARS, max_size=3)))
def test_what_is_written_reads_the_same(tmp_path_factory, options):
    assert read(tmp_path_factory.getbasetemp(), to_toml(options)) == options


@given(st.binary(max_size=60))
def test_any_bytes_are_options_or_the_named_error(tmp_path_factory, content):
    try:
        found = read(tmp_path_factory.getbasetemp(), content)
    except ConfigurationError as error:
        found, output = None, str(error)
        assert "volplugin.toml" in output
    assert found is None or isinstance(found, dict)


@pytest.mark.parametrize("options", [["backtest", "inverse_vol", "--capital", "1_0"], ["forecast", "--value", "1_0"]])
def test_underscores_are_no_part_of_a_number(options):
    result = CliRunner().invoke(main, options)
    assert result.exit_code == 2
    assert "'1_0' is not a number" in result.output
