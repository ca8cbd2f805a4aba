import pandas as pd
import pytest

from volplugin import EWMAVolatility, HARVolatility, ModelStore, PricePanel, WalkForward
from volplugin.errors import InsufficientHistoryError, ParameterError
from volplugin.evaluation import forecast_table, volatility_scorecard
from volplugin.risk.defaults import VOLATILITIES
from volplugin.workflows.evaluate_volatility import evaluate_volatility, forecast_volatility, known_before, model_names

MODELS = ["LSTM", "HAR", "EWMA94"]


@pytest.fixture
def made(synthetic, walk_forward, span, cache):
    """Forecast with the archive: the forecasts, what was said, and which files were written."""

    def run(panel=synthetic, walk_forward=walk_forward, horizons=(1, 5), models=MODELS):
        before = {file.name: file.stat().st_mtime_ns for file in cache.path.glob("*")}
        output = []
        found = forecast_volatility(
            panel, walk_forward, *span, models=models, horizons=horizons, jobs=1, cache=cache, log=output.append
        )
        written = {f.name for f in cache.path.glob("*") if f.stat().st_mtime_ns != before.get(f.name)}
        return found, output, written

    return run


def test_forecasts_are_those_of_the_models_and_of_their_components(synthetic, walk_forward, span, made):
    found, output, _ = made()
    har = WalkForward(HARVolatility()).train(synthetic, *span, progress=False)
    zoo = {"LSTM": walk_forward, "HAR": har, "EWMA94": EWMAVolatility()}
    expected = forecast_table(zoo, synthetic, *span, (1, 5))
    pd.testing.assert_frame_equal(found.table[expected.columns], expected, check_freq=False)
    assert found.parents == dict.fromkeys(["LSTM seed 0", "LSTM seed 1", "LSTM ensemble"], "LSTM")
    expected = EWMAVolatility(0.96).predict_path(synthetic, *span, 5)
    pd.testing.assert_frame_equal(found.components["LSTM seed 1"][5], expected, check_names=False)
    assert output == []


def test_a_second_run_finds_everything_to_the_last_bit_and_says_so(made, idle):
    first = made()[0]
    idle()
    again, output, written = made()
    pd.testing.assert_frame_equal(again.table, first.table, check_exact=True, check_freq=False)
    pd.testing.assert_frame_equal(again.components, first.components, check_exact=True, check_freq=False)
    assert again.parents == first.parents
    assert written == set()
    assert len(output) == 1
    assert output[0].endswith("forecasts of LSTM, HAR, EWMA94")


def test_an_interrupted_run_makes_what_it_lacks(made, cache):
    first = made()[0]
    for name in ("HAR_5", "LSTM_seed_1_1"):
        (cache.path / f"{name}.npz").unlink()
    file = cache.path / "EWMA94_1.npz"
    file.write_bytes(file.read_bytes()[:-500])
    again, output, written = made()
    pd.testing.assert_frame_equal(again.table, first.table, check_exact=True, check_freq=False)
    pd.testing.assert_frame_equal(again.components, first.components, check_exact=True, check_freq=False)
    assert written == {"HAR_5.npz", "LSTM_seed_1_1.npz", "EWMA94_1.npz"}
    assert output == []


def test_another_horizon_or_model_leaves_the_others(made):
    made()
    _, output, written = made(horizons=(1, 5, 10), models=[*MODELS, "rolling60"])
    assert {name for name in written if not name.endswith("_10.npz")} == {
        "rolling60_1.npz", "rolling60_5.npz", "rolling60_components.npz",
    }  # fmt: skip
    assert output == []


def test_prices_up_to_the_last_origin_make_forecasts_stale_and_later_ones_do_not(made, synthetic, span):
    made()
    fields = {name: getattr(synthetic, name).copy() for name in ("open", "high", "low", "close", "volume")}
    fields["volume"].loc[span[1] + pd.Timedelta(days=1) :] *= 2
    assert made(PricePanel(**fields))[2] == set()
    fields["volume"].loc[span[1], "ALFA"] += 1
    assert "HAR_5.npz" in made(PricePanel(**fields))[2]


def test_another_model_under_the_same_name_is_not_taken_for_it(made, synthetic, span, walk_forward, monkeypatch):
    made()
    monkeypatch.setitem(VOLATILITIES, "EWMA94", lambda: EWMAVolatility(0.9))
    other = type(walk_forward)(HARVolatility()).train(synthetic, *span, progress=False)
    found, _, written = made(walk_forward=other)
    assert {"EWMA94_1.npz", "LSTM_1.npz", "LSTM_seed_0_5.npz"} <= written
    assert "HAR_1.npz" not in written
    pd.testing.assert_frame_equal(
        found.table["EWMA94"][1], EWMAVolatility(0.9).predict_path(synthetic, *span, 1), check_names=False
    )


def test_a_changed_program_makes_its_forecasts_anew(made, monkeypatch):
    made()
    monkeypatch.setattr("volplugin.storage.forecast_cache.code_digest", lambda: "other code")
    assert len(made()[2]) == 2 * 6 + 3


def test_stored_vintages_are_part_of_what_a_walk_is(synthetic, span, tmp_path):
    walk_forward = WalkForward(HARVolatility(), store=ModelStore(tmp_path / "models"))
    empty = walk_forward.identity(span[1])
    walk_forward.train(synthetic, *span, progress=False)
    metadata = walk_forward.identity(span[1])
    assert metadata != empty
    assert walk_forward.identity(span[0]) != metadata
    assert set(metadata["vintages"]) == {"2014-12-31", "2015-12-31"}
    assert WalkForward(HARVolatility()).identity(span[1]) == WalkForward(HARVolatility()).configuration


def test_without_a_folder_nothing_is_kept_or_said(synthetic, walk_forward, span):
    output = []
    found = forecast_volatility(
        synthetic, walk_forward, *span, models=["EWMA94"], horizons=[1, 1], jobs=1, progress=False, log=output.append
    )
    assert found.table.shape == (201, 8)
    assert found.components.empty
    assert (found.parents, output) == ({}, [])


def test_the_quick_judge_scores_the_same_forecasts(synthetic, walk_forward, span):
    scores = evaluate_volatility(synthetic, walk_forward, *span, models=["LSTM", "EWMA94"], horizons=[5], jobs=1)
    table = forecast_table({"LSTM": walk_forward, "EWMA94": EWMAVolatility()}, synthetic, *span, [5])
    expected = volatility_scorecard(table, synthetic, calibrated_through=known_before(span[0]))
    pd.testing.assert_frame_equal(scores.table, expected.table)
    assert known_before(span[0]) < span[0]


def test_names_of_models():
    assert model_names(" HAR, EWMA94,HAR") == ["HAR", "EWMA94"]
    assert model_names("all") == list(VOLATILITIES)
    with pytest.raises(ParameterError, match="model is 'FOO'; pass all, or some of LSTM"):
        model_names("HAR,FOO")


def test_a_span_without_sessions_is_an_error(synthetic, walk_forward):
    with pytest.raises(InsufficientHistoryError, match="no session between"):
        forecast_volatility(
            synthetic, walk_forward, pd.Timestamp("2030-01-01"), pd.Timestamp("2030-02-01"), models=["EWMA94"]
        )


def test_a_bar_is_shown_on_a_terminal_alone(synthetic, walk_forward, span, capsys):
    forecast_volatility(synthetic, walk_forward, *span, models=["EWMA94"], horizons=[1], jobs=1)
    assert capsys.readouterr().err == ""
