"""A short run of the kit that flips bits in files that the package writes; `make bitflip` is the long one."""

from kit.bitflip import campaign


def test_a_flipped_bit_is_computed_again_or_refused_by_name():
    outcomes, faults = campaign(300, 1)
    assert faults == []
    assert sum(outcomes.values()) == 300
    assert outcomes["forecast cache", "computed again"] > 10
    for file in ("history.npz", "scorecard.json", "perf.pkl", "evaluation.json"):
        assert outcomes[f"result {file}", "ResultFolderError"] == 20
    assert outcomes["result configuration.toml", "ConfigurationError"] == 20
    assert outcomes["store training", "StoreCorruptError"] == outcomes["store manifest.json", "StoreCorruptError"] == 20
    assert outcomes["study network", "computed again"] == outcomes["store part", "computed again"] == 20
