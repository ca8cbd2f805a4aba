"""A short run of the kit that flips bits in files that the package writes; `make bitflip` is the long one."""

from kit.bitflip import campaign


def test_a_flipped_bit_is_computed_again_or_refused_by_name():
    outcomes, faults = campaign(260, 1)
    assert faults == []
    assert sum(outcomes.values()) == 260
    assert outcomes["forecast cache", "computed again"] > 10
    assert outcomes["result history.npz", "ResultFolderError"] == outcomes["result scorecard.json", "ResultFolderError"]
    assert outcomes["result history.npz", "ResultFolderError"] == 32
