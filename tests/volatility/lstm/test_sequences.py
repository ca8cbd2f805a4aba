import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from volplugin.volatility.lstm import block_days, block_numbers, blocks, pack, training_sequences, validation_split
from volplugin.volatility.lstm.sequences import STRIDE


def counted(rows: int, assets: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets that tell where they are from: the row, plus a thousand for each asset."""
    place = np.arange(rows)[:, None] + 1000.0 * np.arange(assets)
    return place[..., None], -place[..., None]


# -- for training ----------------------------------------------------------------------------------


def test_every_target_after_the_first_burn_in_is_used_once():
    x, y = counted(800, 2)
    sequences, targets = training_sequences(x, y, burn_in=60)
    assert sequences.shape == targets.shape == (6, 60 + STRIDE, 1)
    used = np.sort(-targets[np.isfinite(targets)])
    np.testing.assert_array_equal(used, [*range(60, 800), *range(1060, 1800)])


def test_targets_align_with_inputs_after_the_burn_in():
    sequences, targets = training_sequences(*counted(800), burn_in=60)
    assert np.isnan(targets[:, :60]).all()
    with_target = np.isfinite(targets)
    np.testing.assert_array_equal(sequences[with_target], -targets[with_target])
    assert (np.diff(sequences[0, :, 0]) == 1).all()
    assert sequences[1, 0, 0] == STRIDE


def test_the_end_is_padded():
    sequences, targets = training_sequences(*counted(400), burn_in=60)
    assert sequences[1, 149, 0] == 399
    assert (sequences[1, 150:] == 0).all()
    assert np.isnan(targets[1, 150:]).all()


def test_rows_without_inputs_are_left_out_and_the_bars_joined():
    x, y = counted(300)
    x[100:104] = np.nan
    sequences, targets = training_sequences(x, y, burn_in=20)
    assert sequences[0, 99, 0] == 99
    assert sequences[0, 100, 0] == 104
    assert np.isfinite(sequences).all()
    assert targets[0, 100, 0] == -104


def test_inputs_without_a_target_still_move_the_state():
    x, y = counted(300)
    y[100:104] = np.nan
    sequences, targets = training_sequences(x, y, burn_in=20)
    assert sequences[0, 102, 0] == 102
    assert np.isnan(targets[0, 100:104]).all()


def test_assets_with_too_little_history_give_none():
    x, y = counted(60)
    assert training_sequences(x, y, burn_in=60)[0].shape == (0, 310, 1)
    x, y = counted(200)
    y[:] = np.nan
    assert len(training_sequences(x, y, burn_in=60)[0]) == 0


def test_the_validation_tail_is_purged():
    x, y = counted(1000)
    y = np.repeat(y, 2, axis=-1)
    (head, head_targets), (tail, tail_targets) = validation_split(x, y, (1, 21))
    assert head.shape[0] == head_targets.shape[0] == 800
    # Nothing that the head is trained on is known later than its last row ...
    assert np.isfinite(head_targets[:799, :, 0]).all()
    assert np.isnan(head_targets[799:, :, 0]).all()
    assert np.isfinite(head_targets[:779, :, 1]).all()
    assert np.isnan(head_targets[779:, :, 1]).all()
    # ... and the tail begins the longest horizon after it.
    assert tail[0, 0, 0] == 821
    assert tail_targets[0, 0, 0] == -821
    assert np.isfinite(y).all()


# -- for forecasting -------------------------------------------------------------------------------

REAL_WEEKS = pd.bdate_range("2000-01-03", "2021-12-31")


@given(st.integers(0, 500), st.integers(1, 600), st.sampled_from([1, 5, 10, 60, 120]))
def test_blocks_cover_each_session_once(begin, length, window):
    sessions = REAL_WEEKS[begin : begin + length]
    first = length // 3
    answered = np.concatenate([np.arange(block.answer, block.stop) for block in blocks(sessions, window, first)])
    np.testing.assert_array_equal(answered, np.arange(first, length))


@pytest.mark.parametrize("window", [10, 60, 120])
def test_a_block_holds_its_window_of_sessions(window, real):
    """On the New York calendar, holidays and all; so an answer has seen that many sessions at least."""
    sizes = pd.Series(block_numbers(real.sessions, window)).value_counts(sort=False)
    assert sizes.iloc[1:-1].min() >= window
    for block in blocks(real.sessions, window, 500):
        assert block.answer - block.begin >= window
        assert block.stop - block.begin <= 2 * np.ceil(block_days(window) * 5 / 7 + 2)


def test_blocks_do_not_depend_on_the_ends_of_the_panel():
    """Sessions run through for an answer are the same from a long panel and from one cut on both sides."""

    def run_through(sessions: pd.DatetimeIndex, first: int) -> dict[pd.Timestamp, pd.Timestamp]:
        return {
            sessions[row]: sessions[block.begin]
            for block in blocks(sessions, 20, first)
            for row in range(block.answer, block.stop)
        }

    whole, cut = run_through(REAL_WEEKS[:600], 200), run_through(REAL_WEEKS[100:400], 120)
    assert cut.keys() < whole.keys()
    assert all(whole[session] == begin for session, begin in cut.items())


def test_pack_maps_steps_to_their_table_entries():
    x, _ = counted(200, 3)
    x[50:60, 1] = x[:90, 2] = np.nan
    spans = blocks(REAL_WEEKS[:200], 20, 70)
    packed = pack(x, spans)
    assert packed.x.shape[0] == 3 * len(spans)
    answers = packed.x[packed.sequence, packed.step, 0]
    np.testing.assert_array_equal(answers, packed.row + 1000 * packed.asset)
    answered = np.zeros((200, 3), dtype=int)
    np.add.at(answered, (packed.row, packed.asset), 1)
    expected = np.isfinite(x[..., 0])
    expected[:70] = False
    np.testing.assert_array_equal(answered, expected)


def test_packed_sequences_are_bars_without_gaps():
    x, _ = counted(60)
    x[30:35] = np.nan
    packed = pack(x, blocks(REAL_WEEKS[:60], 20, 0))
    for sequence in packed.x[..., 0]:
        bars = sequence[sequence > 0]
        assert set(np.diff(bars)) <= {1.0, 6.0}


def test_no_rows_give_no_sequences():
    packed = pack(np.full((30, 2, 1), np.nan), blocks(REAL_WEEKS[:30], 5, 10))
    assert packed.row.size == 0
    assert pack(np.empty((0, 2, 1)), []).row.size == 0
