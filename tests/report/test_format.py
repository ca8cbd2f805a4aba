import numpy as np
import pandas as pd
import pytest

from volplugin.evaluation.constants import measured_size
from volplugin.report.format import Section, Table, ahead, count, percent, pvalue, show, sized, tabulate
from volplugin.report.page import _typographic


def test_missing_values_are_a_hyphen():
    assert [show(-1.25, ".1f"), show(2.0), show(None), show(float("nan"))] == ["-1.2", "2.00", "-", "-"]
    assert [percent(-0.123), percent(0.5, 0), percent(None), percent(float("inf"))] == ["-12.3%", "50%", "-", "-"]
    assert [count(3.21), count(12.3), pvalue(0.0004), pvalue(0.25)] == ["3.2", "12", "<.001", ".250"]
    assert pvalue(0.25, 0.08) == ".250 [8]"


def test_heads_name_the_measured_size_of_a_test_that_is_off():
    size = measured_size("Mincer-Zarnowitz", 20)
    assert size == measured_size("Mincer-Zarnowitz", 21) != 0.05
    assert sized("MZ", "Mincer-Zarnowitz", 20) == f"MZ [{100 * size:.0f}]"
    assert sized("MZ", "a test without a size", 21) == "MZ"


def test_pages_have_typographic_minus_signs_and_dashes():
    pages = [_typographic(text) for text in ("-1.2%", "-", "by -3 <1", "EWMA-94", 4)]
    assert pages == ["−1.2%", "–", "by −3 &lt;1", "EWMA-94", 4]
    assert _typographic("to 2020-01-31") == 'to <span class="date">2020-01-31</span>'


def test_horizons_are_described():
    assert [ahead(1), ahead(21)] == ["1 session ahead", "21 sessions ahead"]


def test_cells_are_aligned_below_titles_and_groups():
    frame = pd.DataFrame({"qlike": [0.1, 0.25], "har": [1.0, np.nan]}, index=["LSTM", "EWMA94"])
    columns = {
        "QLIKE": ("qlike", ".2f"),
        ("below", "HAR"): ("har", "+.1f"),
        ("below", "GJR"): ([np.nan, -12.5], "+.1f"),
    }
    table = tabulate(frame, columns)
    assert table.text().splitlines() == [
        "             below",
        "       QLIKE   HAR    GJR",
        "LSTM    0.10  +1.0      -",
        "EWMA94  0.25     -  -12.5",
    ]


@pytest.mark.parametrize("width", [30, 40, 60, 110])
def test_no_line_is_wider_than_the_page_and_no_cell_is_lost(width):
    heads = [*(("years", str(year)) for year in range(2003, 2021)), ("a rather long title", "x"), ("", "end")]
    rows = [[*(f"{year}.{row}" for year in range(2003, 2021)), f"x{row}", f"e{row}"] for row in (1, 2)]
    text = Table(pd.DataFrame(rows, ["first", "second"], pd.MultiIndex.from_tuples(heads))).text(width)
    assert max(map(len, text.splitlines())) <= width
    for cell in [cell for row in rows for cell in row]:
        assert text.count(cell) == 1
    # Each block names its rows.
    assert text.count("second") == text.count("\n\n") + 1


def test_a_table_without_groups_has_one_line_of_titles():
    assert Table(pd.DataFrame({"x": ["1"]}, ["a"])).text() == "   x\na  1"


def test_sections_without_content_are_empty():
    empty = Table(pd.DataFrame())
    assert not Section("Title", [empty, None], "a note", folds=[Section("Folded", [empty])])
    assert Section("Title", [empty], words=["word"]).text() == "Title\n=====\n\nword"
