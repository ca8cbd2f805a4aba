import pytest

from volplugin.report.format import Group, grid


def test_cells_stand_under_their_titles_and_groups():
    text = grid(
        ["LSTM", "EWMA94"],
        [Group("", {"QLIKE": ["0.1", "0.25"]}), Group("below", {"HAR": ["+1.0", ""], "GJR": ["", "-12.5"]})],
    )
    assert text.splitlines() == [
        "               -- below --",
        "        QLIKE   HAR    GJR",
        "LSTM      0.1  +1.0",
        "EWMA94   0.25        -12.5",
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


def test_groups_without_columns_leave_no_trace():
    assert grid(["a"], [Group("nothing", {}), Group("", {"x": ["1"]})]) == "   x\na  1"
