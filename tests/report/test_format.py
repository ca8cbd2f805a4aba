import pytest

from volplugin.report.format import Group, ahead, count, grid, may_be_chance, number, percent, pvalue, signed


def test_page_formats_have_typographic_minus_and_a_dash_for_missing_values():
    assert [number(-1.25, 1), number(2.0, 2), number(None, 1), number(float("nan"), 1)] == ["−1.2", "2.00", "–", "–"]
    assert [percent(-0.123), percent(0.5, 0), percent(None), percent(float("inf"))] == ["−12.3%", "50%", "–", "–"]
    assert [signed(3.25), signed(-0.04), signed(float("nan"))] == ["+3.2%", "−0.0%", "–"]
    assert [count(3.21), count(12.3), pvalue(0.0004), pvalue(0.25)] == ["3.2", "12", "< 0.001", "0.250"]


def test_horizons_and_insignificant_statistics_are_described():
    assert [ahead(1), ahead(21)] == ["1 session ahead", "21 sessions ahead"]
    assert [may_be_chance(-2.5), may_be_chance(1.9)] == ["", ", which may be chance"]


def test_cells_are_aligned_below_titles_and_groups():
    text = grid(
        ["LSTM", "EWMA94"],
        [Group("", {"QLIKE": ["0.1", "0.25"]}), Group("below", {"HAR": ["+1.0", ""], "GJR": ["", "-12.5"]})],
    )
    assert text.splitlines() == [
        "             below",
        "       QLIKE   HAR    GJR",
        "LSTM     0.1  +1.0",
        "EWMA94  0.25        -12.5",
    ]


@pytest.mark.parametrize("width", [30, 40, 60, 110])
def test_no_line_is_wider_than_the_page_and_no_cell_is_lost(width):
    groups = [
        Group("years", {str(year): [f"{year}.1", f"{year}.2"] for year in range(2003, 2021)}),
        Group("a rather long title", {"x": ["x1", "x2"]}),
        Group("", {"end": ["e1", "e2"]}),
    ]
    text = grid(["first", "second"], groups, width)
    assert max(map(len, text.splitlines())) <= width
    for cell in [*(f"{year}.{row}" for year in range(2003, 2021) for row in (1, 2)), "x1", "x2", "e1", "e2"]:
        assert text.count(cell) == 1
    # Each block names its rows.
    assert text.count("second") == text.count("\n\n") + 1


def test_groups_without_columns_are_skipped():
    assert grid(["a"], [Group("nothing", {}), Group("", {"x": ["1"]})]) == "   x\na  1"
