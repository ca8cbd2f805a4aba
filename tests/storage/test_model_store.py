import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from volplugin import ModelStore
from volplugin.errors import MissingVintageError, StoreConfigurationError, StoreCorruptError, StoreError
from volplugin.storage import vintage_checksum
from volplugin.storage.atomic import temporary_name

DATE = pd.Timestamp("2009-12-31")
STATE = {
    "0/weight": np.arange(6, dtype=np.float32).reshape(2, 3),
    "factor": np.array([1.0, 1 / 3, np.pi]),
    "own/BRK.B": np.ones((2, 1)),
}
FACTS = {"fingerprint": "abc", "assets": ["AAPL", "JPM"], "universe": ["AAPL", "JPM", "V"]}
CONFIGURATION = {"forecaster": "HARVolatility", "parameters": {"terms": "har", "pooled": True}, "schedule": "yearly"}


@pytest.fixture
def store(tmp_path) -> ModelStore:
    """Return a store of one vintage."""
    found = ModelStore(tmp_path / "models")
    found.configure(CONFIGURATION)
    found.save(DATE, STATE, FACTS)
    return found


def files(store: ModelStore) -> list[str]:
    return sorted(str(file.relative_to(store.path)) for file in store.path.rglob("*") if file.is_file())


# -- round trip ------------------------------------------------------------------------------------


def test_what_is_saved_comes_back(store):
    state, manifest = ModelStore(store.path).load(DATE)
    assert state.keys() == STATE.keys()
    for name, array in STATE.items():
        np.testing.assert_array_equal(state[name], array, strict=True)
    assert manifest.trained_through == "2009-12-31"
    assert (manifest.fingerprint, manifest.assets, manifest.universe) == tuple(FACTS.values())


def test_layout(store):
    assert files(store) == [
        "store.json",
        "vintages/2009-12-31/manifest.json",
        "vintages/2009-12-31/model.safetensors",
    ]
    assert repr(store).endswith("models')")


def test_everybody_may_read_it(store):
    for path in [*store.path.rglob("*")]:
        assert path.stat().st_mode & 0o444 == 0o444


def test_an_empty_store_makes_no_folder(tmp_path):
    empty = ModelStore(tmp_path / "models")
    assert empty.vintages() == []
    assert empty.configuration is None
    assert not empty.path.exists()


def test_vintages_in_order(store):
    for date in ("2011-12-30", "2008-12-31", "2010-12-31"):
        store.save(pd.Timestamp(date), STATE, FACTS)
    assert [str(date.date()) for date in store.vintages()] == ["2008-12-31", "2009-12-31", "2010-12-31", "2011-12-30"]


def test_a_vintage_is_never_overwritten(store):
    store.save(DATE, {"factor": np.zeros(3)}, FACTS)
    assert store.load(DATE)[0].keys() == STATE.keys()
    assert len(files(store)) == 3


def test_arrays_in_any_memory_order(store):
    array = np.asfortranarray(np.arange(12.0).reshape(3, 4))[:, ::2]
    store.save(pd.Timestamp("2010-12-31"), {"array": array}, FACTS)
    np.testing.assert_array_equal(store.load(pd.Timestamp("2010-12-31"))[0]["array"], array)


def test_missing_vintage(store):
    with pytest.raises(MissingVintageError, match="models holds no vintage trained through 2010-12-31"):
        store.load(pd.Timestamp("2010-12-31"))


# -- configuration ---------------------------------------------------------------------------------


def test_the_same_configuration_is_welcome(store):
    store.configure(CONFIGURATION)
    assert ModelStore(store.path).configuration == {"format": store.configuration["format"], **CONFIGURATION}


def test_tuples_and_lists_are_the_same(tmp_path):
    store = ModelStore(tmp_path)
    store.configure({"parameters": {"seeds": (0, 1)}})
    store.configure({"parameters": {"seeds": [0, 1]}})
    assert store.configuration["parameters"]["seeds"] == [0, 1]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"forecaster": "EWMAVolatility"}, "forecaster is 'HARVolatility' there and 'EWMAVolatility' here"),
        ({"parameters": {"terms": "market", "pooled": True}}, "terms is 'har' there and 'market' here"),
        ({"parameters": {"terms": "har"}}, "pooled is True there and None here"),
        ({"schedule": "monthly"}, "schedule is 'yearly' there and 'monthly' here"),
        ({"format": 0}, "format is 2 there and 0 here"),
    ],
)
def test_another_configuration_is_refused(store, change, complaint):
    with pytest.raises(StoreConfigurationError, match=f"models was written by another configuration: {complaint}; use"):
        store.configure(CONFIGURATION | change)


# -- atomic writing --------------------------------------------------------------------------------


@pytest.mark.parametrize("fatal", [RuntimeError, KeyboardInterrupt, OSError])
@pytest.mark.parametrize("write", [1, 2, 3])
def test_an_exception_in_the_middle_leaves_nothing(store, fatal, write, monkeypatch):
    """At the first file, at the second, and at the rename of the folder."""
    before, replace, calls = files(store), os.replace, []

    def failing(source, target) -> None:
        calls.append(target)
        if len(calls) == write:
            raise fatal("disk full")
        replace(source, target)

    monkeypatch.setattr(os, "replace", failing)
    with pytest.raises(StoreError if fatal is OSError else fatal):
        store.save(pd.Timestamp("2010-12-31"), STATE, FACTS)
    monkeypatch.undo()
    assert len(calls) == write
    assert files(store) == before
    assert store.vintages() == [DATE]
    store.save(pd.Timestamp("2010-12-31"), STATE, FACTS)
    assert len(store.vintages()) == 2


@pytest.mark.parametrize("moment", [1, 2, 3])
def test_a_kill_in_the_middle_leaves_no_vintage(store, moment):
    """SIGKILL right before the first file, the second, or the folder gets its name."""
    script = f"""
        import os, signal, numpy as np, pandas as pd
        from volplugin.storage import ModelStore
        replace, calls = os.replace, []
        def killing(source, target):
            calls.append(target)
            if len(calls) == {moment}:
                os.kill(os.getpid(), signal.SIGKILL)
            replace(source, target)
        os.replace = killing
        ModelStore({str(store.path)!r}).save(
            pd.Timestamp("2010-12-31"), {{"a": np.ones(3)}}, dict(fingerprint="", assets=[], universe=[])
        )
    """
    finished = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False, capture_output=True)
    assert finished.returncode == -signal.SIGKILL
    assert store.vintages() == [DATE]
    with pytest.raises(MissingVintageError):
        store.load(pd.Timestamp("2010-12-31"))
    store.save(pd.Timestamp("2010-12-31"), STATE, FACTS)
    np.testing.assert_array_equal(store.load(pd.Timestamp("2010-12-31"))[0]["factor"], STATE["factor"])


def test_saving_a_vintage_removes_what_killed_writers_left(store):
    left = store.path / "vintages" / temporary_name("2010-12-31").replace(f"-{os.getpid()}-", "-4194305-")
    left.mkdir()
    store.save(pd.Timestamp("2011-12-30"), STATE, FACTS)
    assert not left.exists()


def test_saving_a_vintage_drops_its_parts(store):
    later = pd.Timestamp("2010-12-31")
    for part in (0, 1):
        store.save_part(later, part, STATE, "abc")
    store.save_part(pd.Timestamp("2011-12-30"), 0, STATE, "abc")
    store.save(later, STATE, FACTS)
    assert [name for name in files(store) if name.startswith("parts")] == ["parts/2011-12-30/0.safetensors"]


# -- damage ----------------------------------------------------------------------------------------


def tensors(store: ModelStore) -> Path:
    return store.path / "vintages" / "2009-12-31" / "model.safetensors"


def manifest(store: ModelStore) -> Path:
    return store.path / "vintages" / "2009-12-31" / "manifest.json"


@pytest.mark.parametrize("length", [0, 5, 100, -1])
def test_truncated_tensors(store, length):
    content = tensors(store).read_bytes()
    tensors(store).write_bytes(content[:length])
    with pytest.raises(StoreCorruptError, match=r"truncated or altered\).*delete the vintage's folder and train again"):
        store.load(DATE)


@pytest.mark.parametrize("place", [10, -1])
def test_one_altered_byte(store, place):
    content = bytearray(tensors(store).read_bytes())
    content[place] ^= 1
    tensors(store).write_bytes(bytes(content))
    with pytest.raises(StoreCorruptError, match="truncated or altered"):
        store.load(DATE)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("assets", ["AAPL"]),
        ("universe", ["AAPL", "JPM"]),
        ("universe", "AAPL"),
        ("fingerprint", "other"),
        ("trained_through", "2008-12-31"),
        ("checksum", "0" * 64),
        ("format", 99),
    ],
)
def test_an_altered_manifest(store, field, value):
    metadata = json.loads(manifest(store).read_text())
    manifest(store).write_text(json.dumps(metadata | {field: value}))
    with pytest.raises(StoreCorruptError, match="2009-12-31"):
        store.load(DATE)


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", '{"trained_through": "2009-12-31"}', '{"surprise": 1}'])
def test_a_manifest_that_is_none(store, text):
    manifest(store).write_text(text)
    with pytest.raises(StoreCorruptError, match="manifest.json"):
        store.load(DATE)


@pytest.mark.parametrize("name", [tensors, manifest])
def test_a_missing_file(store, name):
    name(store).unlink()
    with pytest.raises(StoreCorruptError, match=f"cannot read .*{name(store).name}"):
        store.load(DATE)


def test_a_vintage_moved_to_another_date(store):
    """A model from the future under an old name is the look-ahead that a folder of files invites."""
    shutil.copytree(manifest(store).parent, store.path / "vintages" / "2005-12-30")
    with pytest.raises(StoreCorruptError, match="says trained through 2009-12-31.*folder says 2005-12-30"):
        store.load(pd.Timestamp("2005-12-30"))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_none(store, bad):
    store.save(pd.Timestamp("2010-12-31"), {"factor": np.array([1.0, bad])}, FACTS)
    with pytest.raises(StoreCorruptError, match="tensor factor holds a number that is not finite"):
        store.load(pd.Timestamp("2010-12-31"))


@pytest.mark.parametrize("text", ["", "{", "null", "[]"])
def test_a_description_that_is_none(store, text):
    (store.path / "store.json").write_text(text)
    with pytest.raises(StoreCorruptError, match="store.json"):
        store.configure(CONFIGURATION)


def test_a_stray_folder(store):
    (store.path / "vintages" / "backup").mkdir()
    with pytest.raises(StoreCorruptError, match="backup: a vintage's folder is named by its date"):
        store.vintages()


def test_a_stray_file_is_left_alone(store):
    (store.path / "vintages" / ".DS_Store").write_bytes(b"")
    assert store.vintages() == [DATE]


# -- parts -----------------------------------------------------------------------------------------


def test_parts_come_back(store):
    later = pd.Timestamp("2010-12-31")
    store.save_part(later, 2, STATE, "abc")
    found = store.load_part(later, 2, "abc")
    assert found.keys() == STATE.keys()
    np.testing.assert_array_equal(found["0/weight"], STATE["0/weight"], strict=True)
    assert store.load_part(later, 0, "abc") is None
    assert store.vintages() == [DATE]


def test_parts_of_other_prices_are_none(store):
    store.save_part(DATE, 0, STATE, "abc")
    assert store.load_part(DATE, 0, "other") is None


@pytest.mark.parametrize("content", [b"", b"12345678", b"\xff" * 100])
def test_damaged_parts_are_none(store, content):
    """They are only trained again."""
    store.save_part(DATE, 0, STATE, "abc")
    (store.path / "parts" / "2009-12-31" / "0.safetensors").write_bytes(content)
    assert store.load_part(DATE, 0, "abc") is None


# -- training data ---------------------------------------------------------------------------------

TRAINING = "2009-12-31-0123456789abcdef"


def test_training_data_come_back_and_go_with_the_last_vintage(store):
    later = pd.Timestamp("2010-12-31")
    store.save(later, STATE, FACTS | {"training": TRAINING, "assets_with_data": 0})
    assert not store.has_training(TRAINING)
    assert store.load_training(TRAINING) is None
    store.save_training(TRAINING, STATE, {"asof": "2009-12-31"})
    assert files(store)[1] == f"training/{TRAINING}.safetensors"
    state, metadata = store.load_training(TRAINING)
    np.testing.assert_array_equal(state["factor"], STATE["factor"], strict=True)
    assert metadata == {"asof": "2009-12-31"}
    store.set_training(DATE, TRAINING)
    for date in (DATE, later):
        assert store.manifest(date).training == store.load(date)[1].training == TRAINING
    assert store.manifest(later).assets_with_data == 0
    store.remove(DATE)
    assert (store.vintages(), store.has_training(TRAINING)) == ([later], True)
    store.remove(later)
    assert files(store) == ["store.json"]
    with pytest.raises(MissingVintageError):
        store.remove(later)


def test_damaged_training_data_are_named(store):
    store.save_training(TRAINING, STATE, {"asof": "2009-12-31"})
    file = store.path / "training" / f"{TRAINING}.safetensors"
    file.write_bytes(file.read_bytes().replace(b"2009", b"2008"))
    with pytest.raises(StoreCorruptError, match=f"^{file} does not match its checksum .truncated or altered.; delete"):
        store.load_training(TRAINING)
    file.unlink()
    file.symlink_to(tensors(store))
    with pytest.raises(StoreCorruptError, match=r"safetensors does not match its checksum"):
        store.load_training(TRAINING)


def test_a_signature_changes_with_vintages(tmp_path):
    store = ModelStore(tmp_path / "models")
    store.configure(CONFIGURATION)
    assert store.signature() == store.signature(DATE) == ()
    store.save(DATE, STATE, FACTS)
    saved, vintage = store.signature(), store.signature(DATE)
    assert len(saved) == len(vintage) == 3
    store.set_training(DATE, TRAINING)
    assert store.signature() == saved
    assert store.signature(DATE) != vintage
    store.remove(DATE)
    assert store.signature() != saved
    assert store.signature(DATE) == ()


# -- folders that refuse ---------------------------------------------------------------------------


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """Return a folder of ours while being somebody whom read-only folders refuse: not root, that is."""
    folder = Path(tempfile.mkdtemp())
    if os.geteuid() == 0:
        folder.chmod(0o755)
        os.chown(folder, 65534, 65534)
        os.seteuid(65534)
        try:
            yield folder
        finally:
            os.seteuid(0)
    else:
        yield folder
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755)
    shutil.rmtree(folder)


def test_a_read_only_folder(unprivileged):
    store = ModelStore(unprivileged / "models")
    store.configure(CONFIGURATION)
    store.save(DATE, STATE, FACTS)
    for folder in (store.path, store.path / "vintages"):
        folder.chmod(0o555)
    assert store.load(DATE)[1].trained_through == "2009-12-31"
    with pytest.raises(StoreError, match="cannot write to the store .*models: Permission denied"):
        store.save(pd.Timestamp("2010-12-31"), STATE, FACTS)
    with pytest.raises(StoreError, match="cannot write to the store .*models: Permission denied"):
        store.check_writable()
    with pytest.raises(StoreError, match="cannot write"):
        store.save_part(pd.Timestamp("2010-12-31"), 0, STATE, "abc")
    assert store.vintages() == [DATE]


def test_a_folder_that_may_not_be_read(unprivileged):
    store = ModelStore(unprivileged / "models")
    store.configure(CONFIGURATION)
    store.save(DATE, STATE, FACTS)
    store.path.chmod(0o000)
    for ask in (lambda: store.configuration, store.vintages, lambda: store.load(DATE)):
        with pytest.raises(StoreError, match="cannot read"):
            ask()


def test_a_folder_that_can_be_written_is_made_and_left_empty(tmp_path):
    store = ModelStore(tmp_path / "a" / "models")
    store.check_writable()
    assert list(store.path.iterdir()) == []


def test_a_file_where_the_folder_should_be(tmp_path):
    (tmp_path / "models").write_text("not a folder")
    store = ModelStore(tmp_path / "models")
    with pytest.raises(StoreError, match="cannot write to the store"):
        store.configure(CONFIGURATION)
    with pytest.raises(StoreError, match="cannot write to the store"):
        store.save(DATE, STATE, FACTS)


# -- files that nobody vouches for -----------------------------------------------------------------


def rewrite(store: ModelStore, **changes) -> None:
    """Alter a manifest as somebody would who knows how its checksum is made."""
    metadata = json.loads(manifest(store).read_text()) | changes
    metadata = {name: fact for name, fact in metadata.items() if fact is not ...}
    if "checksum" not in changes:
        metadata["checksum"] = vintage_checksum(tensors(store).read_bytes(), metadata)
    manifest(store).write_text(json.dumps(metadata))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"assets": "AAPL"}, "manifest.json: assets is not a list of different names"),
        ({"assets": ["AAPL", "AAPL"]}, "assets is not a list of different names"),
        ({"universe": [["V"]]}, "universe is not a list of different names"),
        ({"universe": [1.5]}, "universe is not a list of different names"),
        ({"fingerprint": 7}, "fingerprint is not text"),
        ({"fingerprint": None}, "fingerprint is not text"),
        ({"checksum": "xyz"}, "checksum is not 64 hexadecimal digits"),
        ({"checksum": None}, "checksum is not 64 hexadecimal digits"),
        ({"trained_through": "31 December 2009"}, "trained_through is not a date such as 2009-12-31"),
        ({"trained_through": "../../2009-12-31"}, "trained_through is not a date"),
        ({"trained_through": ["2009-12-31"]}, "trained_through is not a date"),
        ({"universe": ...}, "manifest.json lacks universe"),
        ({"universe": ..., "assets": ...}, "manifest.json lacks assets, lacks universe; delete the vintage's folder"),
        ({"surprise": 1}, "manifest.json adds surprise"),
        ({"training": "2009-12-31-0123456789abcde"}, "training is not a date and 16 hexadecimal digits; delete the"),
        ({"training": "2009-12-31-0123456789ABCDEF"}, "training is not a date and 16 hexadecimal digits"),
        ({"assets_with_data": -1}, "assets_with_data is not a number of assets"),
        ({"assets_with_data": "two"}, "manifest.json: assets_with_data is not a number of assets"),
        (
            {"format": 1},
            "is of format 1, and this version of volplugin reads format 2; train again into another folder, or use",
        ),
        ({"format": 99}, "is of format 99, and"),
        ({"format": "2"}, "is of format '2', and"),
        ({"format": True}, "is of format True, and"),
        ({"format": ...}, "is of format None, and"),
    ],
)
def test_every_field_of_a_manifest_is_looked_at(store, changes, complaint):
    rewrite(store, **changes)
    with pytest.raises(StoreCorruptError, match=re.escape(complaint)):
        store.load(DATE)


@pytest.mark.parametrize(
    "text",
    ['{"format": 2, "format": 2}', '{"format": NaN}', "[" * 100_000, '{"a":' * 100_000, "9" * 5000, "\xff"],
    ids=["twice", "nan", "deep list", "deep object", "long number", "no utf-8"],
)
def test_json_that_is_none(store, text):
    for file in (manifest(store), store.path / "store.json"):
        file.write_bytes(text.encode("latin-1"))
    for read in (lambda: store.load(DATE), lambda: store.configuration):
        with pytest.raises(StoreCorruptError, match="json"):
            read()


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"format": 1}, "store.json is of format 1"),
        ({"forecaster": 3}, "forecaster is 3"),
        ({"parameters": [1]}, r"parameters is \[1\]"),
        ({"schedule": None}, "schedule is None"),
    ],
)
def test_every_field_of_a_description_is_looked_at(store, changes, complaint):
    (store.path / "store.json").write_text(json.dumps(store.configuration | changes))
    with pytest.raises(StoreCorruptError, match=complaint):
        store.configure(CONFIGURATION)


def put(store: ModelStore, content: bytes) -> None:
    """Plant tensors under a checksum that is right."""
    tensors(store).write_bytes(content)
    rewrite(store)


def safetensors(header: object, body: bytes = b"", length: int | None = None) -> bytes:
    text = json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + body


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is not a safetensors file"),
        (safetensors({}, length=2**63), "has a header of 9223372036854775808 bytes"),
        (safetensors([]), "is not a safetensors file"),
        (safetensors({"a": 1}), "is not a safetensors file"),
        (safetensors({"a": {"dtype": "BF16", "shape": [1], "data_offsets": [0, 2]}}, b"ab"), "is of type 'BF16'"),
        (safetensors({"a": {"dtype": ["F32"], "shape": [], "data_offsets": [0, 4]}}, b"abcd"), "is of type"),
        (safetensors({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}, b"abcd"), "not a safetensors file"),
        (safetensors({"a": {"dtype": "F32", "shape": [2**62, 8], "data_offsets": [0, 4]}}, b"abcd"), "not a safetens"),
        (safetensors({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}, b"abcd"), "not a safetensors file"),
        (safetensors({"__metadata__": {"a": 1}}), "its metadata are not text"),
        (b"\x80\x04\x95\x10\x00\x00\x00\x00" + b"cos\nsystem\n(S'true'\ntR.", "model.safetensors"),
    ],
)
def test_tensors_that_are_none_under_a_right_checksum(store, content, complaint):
    put(store, content)
    with pytest.raises(StoreCorruptError, match=complaint):
        store.load(DATE)


@pytest.mark.parametrize("name", [tensors, manifest])
def test_what_is_too_large_is_not_read(store, name):
    file = name(store)
    os.truncate(file, 2**31)  # sparse: nothing is written
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(StoreCorruptError, match=f"{file.name}: 2147483648 bytes, more than"):
        store.load(DATE)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < peak + 2**19  # KiB: nothing like the file's size


@pytest.mark.parametrize("name", [tensors, manifest, lambda store: manifest(store).parent])
def test_a_link_out_of_the_store(store, name, tmp_path):
    place = name(store)
    place.rename(tmp_path / "elsewhere")
    place.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreCorruptError, match=r"is a link to .*, outside the store"):
        store.load(DATE)


def test_a_store_that_is_itself_a_link(store, tmp_path):
    (tmp_path / "link").symlink_to(store.path)
    assert ModelStore(tmp_path / "link").load(DATE)[1].trained_through == "2009-12-31"


def test_a_link_to_itself_and_a_pipe(store):
    tensors(store).unlink()
    tensors(store).symlink_to(tensors(store))
    with pytest.raises(StoreCorruptError, match="cannot read"):
        store.load(DATE)
    tensors(store).unlink()
    os.mkfifo(tensors(store))
    with pytest.raises(StoreCorruptError, match="not a regular file"):
        store.load(DATE)


@pytest.mark.parametrize("name", ["20091231", "2009-W53-4", "2009-12-32", "9999999-01-01"])
def test_folders_named_almost_by_a_date(store, name):
    (store.path / "vintages" / name).mkdir()
    with pytest.raises(StoreCorruptError, match=f"{name}: a vintage's folder is named by its date"):
        store.vintages()


@pytest.mark.parametrize("place", [-1, 200])
def test_a_part_with_one_altered_byte_is_not_loaded(store, place):
    later = pd.Timestamp("2010-12-31")
    store.save_part(later, 0, STATE, "abc")
    file = store.path / "parts/2010-12-31/0.safetensors"
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)
    assert store.load_part(later, 0, "abc") is None


def test_a_store_with_a_folder_of_streaming_state_loads(store):
    """Earlier versions wrote ``carried/``; it is ignored."""
    (store.path / "carried").mkdir()
    (store.path / "carried" / "2009-12-31.safetensors").write_bytes(b"of an earlier version")
    assert store.vintages() == [DATE]
    np.testing.assert_array_equal(store.load(DATE)[0]["factor"], STATE["factor"])
    size = store.size(DATE)
    assert size == sum(file.stat().st_size for file in (store.path / "vintages" / "2009-12-31").iterdir())
    store.remove(DATE)
    assert store.vintages() == []


def test_parts_moved_to_other_prices_are_none(store):
    """The fingerprint is among what the checksum is of."""
    later = pd.Timestamp("2010-12-31")
    store.save_part(later, 0, STATE, "abc")
    file = store.path / "parts/2010-12-31/0.safetensors"
    file.write_bytes(file.read_bytes().replace(b"abc", b"xyz"))
    assert store.load_part(later, 0, "xyz") is None


def test_parts_are_the_same_bytes_each_time(store):
    later, file = pd.Timestamp("2010-12-31"), store.path / "parts/2010-12-31/0.safetensors"
    written = set()
    for _ in range(10):
        store.save_part(later, 0, STATE, "abc")
        written.add(file.read_bytes())
    assert len(written) == 1
