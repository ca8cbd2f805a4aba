import importlib
import os

import numpy as np
import pandas as pd
import pytest

from volplugin import EWMAVolatility, PricePanel
from volplugin.data.panel import price_digest
from volplugin.storage import forecast_cache as module
from volplugin.storage.forecast_cache import (
    ForecastCache,
    UncacheableError,
    code_digest,
    described,
    forecast_key,
    frame_arrays,
    frame_of,
)


@pytest.fixture
def cache(tmp_path):
    return ForecastCache(tmp_path / "forecasts")


@pytest.fixture(scope="module")
def panel(synthetic):
    return PricePanel(**{field: getattr(synthetic, field).iloc[:600] for field in ("open", "high", "low", "close")})


@pytest.fixture
def frame(panel):
    table = panel.returns.abs() / 3
    table.iloc[4, 2] = np.nan
    return table


def test_a_frame_comes_back_to_the_last_bit(cache, frame):
    cache.save("HAR-own 5", "key", frame_arrays(frame))
    found = frame_of(cache.load("HAR-own 5", "key"), frame.index, frame.columns)
    pd.testing.assert_frame_equal(found, frame, check_exact=True, check_names=False, check_freq=False)
    assert [file.name for file in cache.path.iterdir()] == ["HAR-own_5.npz"]


def test_another_key_is_as_good_as_none(cache, frame):
    cache.save("a", "key", frame_arrays(frame))
    assert cache.load("a", "other") is None
    assert cache.load("b", "key") is None


def test_a_truncated_file_is_as_good_as_none_wherever_it_ends(cache, frame):
    cache.save("a", "key", frame_arrays(frame))
    file = cache.path / "a.npz"
    whole = file.read_bytes()
    for size in (0, 1, 100, len(whole) // 2, len(whole) - 1):
        file.write_bytes(whole[:size])
        assert cache.load("a", "key") is None


def test_an_altered_file_is_as_good_as_none(cache, frame):
    arrays = frame_arrays(frame)
    cache.save("a", "key", arrays)
    file = cache.path / "a.npz"
    whole = file.read_bytes()
    for place in range(200, len(whole), len(whole) // 7):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        found = cache.load("a", "key")
        assert found is None or all(
            np.array_equal(found[name], arrays[name], equal_nan=name == "values") for name in arrays
        )
    # Rewritten with checksums of its own, but by another hand.
    np.savez(file, key=np.array("key"), checksum=np.array("0" * 64), **{**arrays, "values": arrays["values"] * 2})
    assert cache.load("a", "key") is None
    cache.save("a", "key", arrays)
    with np.load(file) as members:
        np.savez(file, **{**members, "values": members["values"] * 2})
    assert cache.load("a", "key") is None


def test_pickles_are_never_read(cache):
    cache.path.mkdir(parents=True)
    np.savez(cache.path / "a.npz", key=np.array("key"), values=np.array([{"a": 1}], dtype=object))
    assert cache.load("a", "key") is None


def test_frames_of_other_sessions_or_assets_are_refused(cache, frame):
    arrays = frame_arrays(frame)
    assert frame_of(arrays, frame.index[1:], frame.columns) is None
    assert frame_of(arrays, frame.index, frame.columns[::-1]) is None


def test_without_a_folder_nothing_is_kept(frame):
    nowhere = ForecastCache()
    nowhere.save("a", "key", frame_arrays(frame))
    assert nowhere.load("a", "key") is None


def test_prices_differ_by_their_last_bit_and_by_what_the_fingerprint_leaves_out(panel):
    fields = {name: getattr(panel, name).copy() for name in ("open", "high", "low", "close")}
    assert price_digest(PricePanel(**fields)) == price_digest(panel)
    volume = pd.DataFrame(1e6, panel.sessions, panel.assets)
    assert price_digest(PricePanel(**fields, volume=volume)) != price_digest(panel)
    fields["close"].iloc[3, 1] = np.nextafter(fields["close"].iloc[3, 1], 0)
    assert price_digest(PricePanel(**fields)) != price_digest(panel)
    assert price_digest(panel.select(panel.assets[:2])) != price_digest(
        panel.select(panel.assets[:2]).with_market(panel.select(panel.assets[:2]))
    )


def test_prices_after_the_last_origin_do_not_matter(panel):
    early = panel.asof(panel.sessions[300])
    assert price_digest(panel.asof(panel.sessions[400]).asof(panel.sessions[300])) == price_digest(early)


def test_key_changes_with_facts_prices_code_and_libraries(monkeypatch):
    key = forecast_key({"horizon": 1}, "prices")
    assert key == forecast_key({"horizon": 1}, "prices")
    assert key != forecast_key({"horizon": 5}, "prices")
    assert key != forecast_key({"horizon": 1}, "others")
    assert forecast_key({"b": 1, "a": pd.Timestamp(0)}, "") == forecast_key({"a": pd.Timestamp(0), "b": 1}, "")
    assert forecast_key({"a": pd.Timestamp(0)}, "") != forecast_key({"a": pd.Timestamp(1)}, "")
    with monkeypatch.context() as patch:
        patch.setattr(module, "package_versions", lambda: {"numpy": "0"})
        assert key != forecast_key({"horizon": 1}, "prices")
    with monkeypatch.context() as patch:
        patch.setattr(module, "APART", (*module.APART, "volatility"))
        assert code_digest.__wrapped__() != code_digest()
    assert len(code_digest()) == 64


class _Half(EWMAVolatility):
    """A user's forecaster."""

    def __init__(self, decay=0.94, table=None):
        super().__init__(decay)
        self.table = table


def test_a_class_of_another_module_or_source_is_another_model(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    texts = [f"from volplugin import EWMAVolatility\nclass Mine(EWMAVolatility):\n    factor = {n}\n" for n in (1, 2)]
    found, helper = [], texts[0] + "def helper():\n    return 1\n"
    for name, text in (("mine_a", texts[0]), ("mine_b", texts[0]), ("mine_c", texts[1]), ("mine_d", helper)):
        (tmp_path / f"{name}.py").write_text(text)
        found.append(described(importlib.import_module(name).Mine()))
    assert len({repr(one) for one in found}) == 4
    sources = [next(iter(one[0][2].values())) for one in found]
    assert sources[0] == sources[1]
    assert len(set(sources)) == 3
    assert not described(EWMAVolatility())[0][2]


def test_arrays_and_frames_are_described_by_every_number(frame):
    changed = frame.copy()
    changed.iloc[300, 1] += 1e-15
    long = np.zeros(5000)
    other = long.copy()
    other[2500] = 1.0
    for one, two in ((frame, changed), (long, other), (frame.iloc[:, 1], changed.iloc[:, 1])):
        assert described(_Half(table=one)) != described(_Half(table=two))
        assert described(_Half(table=one)) == described(_Half(table=one.copy()))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1}, {"a": 2}),
        ({"a": 1}, {"b": 1}),
        ([1, 2], [2, 1]),
        ({1, 2}, {1, 3}),
        (1, 1.0),
        (np.float32(1), np.float64(1)),
        (np.zeros(4), np.zeros((2, 2))),
        (np.zeros(2), np.zeros(2, dtype=np.float32)),
        (pd.Series([1.0], ["a"]), pd.Series([1.0], ["b"])),
        (pd.Series([1.0], name="a"), pd.Series([1.0], name="b")),
        (pd.Series([1.0]), pd.Series([1.0]).to_frame()),
        (pd.Series(["a"]), pd.Series(["b"])),
        (EWMAVolatility, _Half),
        (_Half(0.9), _Half(0.8)),
    ],
)
def test_values_that_differ_have_other_descriptions(one, other):
    assert described(one) != described(other)
    assert described(one) == described(one)


def test_the_order_of_a_set_does_not_matter():
    many = [str(number) for number in range(50)]
    assert described(set(many)) == described(frozenset(reversed(many))) == sorted(described(many))
    assert described({1, ("a",)}) == described({("a",), 1})


def test_an_attribute_that_is_no_parameter_is_described():
    one, other = _Half(), _Half()
    other.extra = 1
    assert described(one) != described(other)
    one.learned_ = 1
    assert described(one) == described(_Half())


def test_what_cannot_be_described_is_not_cacheable():
    with pytest.raises(UncacheableError, match="no complete description"):
        described(_Half(table=lambda: 1))
    with pytest.raises(UncacheableError, match="no complete description"):
        described(_Half(table=np.array([object()])))
    scope = {"EWMAVolatility": EWMAVolatility, "__name__": "nowhere"}
    exec("class Typed(EWMAVolatility): pass", scope)
    with pytest.raises(UncacheableError, match="source of Typed"):
        described(scope["Typed"]())


def test_the_oldest_files_are_dropped_above_the_limit(tmp_path, frame):
    arrays = frame_arrays(frame)
    ForecastCache(tmp_path).save("c", "key", arrays)
    size = (tmp_path / "c.npz").stat().st_size
    os.utime(tmp_path / "c.npz", (1, 1))
    small = ForecastCache(tmp_path, limit=2 * size + 1)
    small.save("b", "key", arrays)
    assert size + (tmp_path / "b.npz").stat().st_size == small.limit - 1
    small = ForecastCache(tmp_path, limit=2 * size)
    small.save("b", "key", arrays)
    assert small.load("c", "key") is not None
    small.save("a", "key", arrays)
    assert sorted(file.stem for file in tmp_path.iterdir()) == ["a", "b"]


def test_to_keep_is_to_try(tmp_path, frame, caplog):
    (tmp_path / "file").write_text("in the way")
    with caplog.at_level("INFO"):
        ForecastCache(tmp_path / "file").keep("a", "key", frame_arrays(frame))
    assert "forecasts are not cached in" in caplog.text
    whole = ForecastCache(tmp_path / "folder")
    whole.keep("a", "key", frame_arrays(frame))
    np.testing.assert_array_equal(whole.load("a", "key")["values"], frame)
