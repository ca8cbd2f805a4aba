"""Files of any numbers by date and symbol, such as weights and forecasts."""

import numpy as np
import pandas as pd
import pytest

from volplugin.data.tables import named_columns, read_long, read_symbols
from volplugin.errors import PanelError


def test_numbers_by_date_and_symbol(tmp_path):
    (tmp_path / "p.csv").write_text("Ticker,Date,Own weight ,other\n NA ,2020-01-02,0.5,\nB,20200103,-1,2\n")
    table = read_long(tmp_path / "p.csv")
    assert list(table.columns) == ["symbol", "date", "Own weight", "other"]
    assert table["symbol"].tolist() == ["NA", "B"]
    assert table["date"].tolist() == [pd.Timestamp("2020-01-02"), pd.Timestamp("2020-01-03")]
    np.testing.assert_array_equal(table[["Own weight", "other"]], [[0.5, np.nan], [-1.0, 2.0]])


def test_numbers_by_symbol_alone(tmp_path):
    (tmp_path / "p.csv").write_text("symbol,weight\nA,0.5\n")
    assert read_long(tmp_path / "p.csv", ["symbol"]).to_dict("records") == [{"symbol": "A", "weight": 0.5}]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("symbol,date,weight,Weight\nA,2020-01-02,1,1\n", "two columns weight; keep one"),
        ("symbol,weight\nA,1\n", "expected columns date, symbol and one or more of numbers, found symbol, weight"),
        ("symbol,date\nA,2020-01-02\n", "expected columns date, symbol and one or more of numbers, found symbol, date"),
        ("symbol,date,weight\n", "no rows"),
        ("symbol,date,weight\nA,2020-01-02,1\n,2020-01-02,1\n", "row 2 has no symbol; write one in each row"),
        ("symbol,date,weight\nA,2.1.2020,1\n", "2.1.2020 is not a date; write one such as 2015-06-30"),
        ("symbol,date,weight\nA,2020-01-02,x\n", "A on 2020-01-02: weight is 'x', which is not a number"),
    ],
)
def test_what_is_refused(text, complaint, tmp_path):
    (tmp_path / "p.csv").write_text(text)
    with pytest.raises(PanelError) as raised:
        read_long(tmp_path / "p.csv")
    assert str(raised.value) == f"{tmp_path / 'p.csv'}: {complaint}"


def test_ignored_columns_are_logged_by_file(tmp_path, caplog):
    file = tmp_path / "p.csv"
    file.write_text("symbol,Weight,note,other\nA,0.5,x,y\n")
    table = read_long(file, ["symbol"], only="weight")
    assert table.to_dict("records") == [{"symbol": "A", "weight": 0.5}]
    assert caplog.messages == [f"{file}: columns that are ignored: note, other"]


def test_a_symbol_that_is_no_text():
    with pytest.raises(PanelError, match=r"^p: the column of symbols holds \('B',\); write symbols as text$"):
        read_symbols(pd.Series(["A", ("B",), "C"]), "p")


def test_two_columns_of_one_meaning_are_named():
    table = pd.DataFrame([["2020-01-02", 1.0, 2.0]], columns=["Date", "Close", "close "])
    with pytest.raises(PanelError, match=r"^p: two columns close \(Close, close \); keep one$"):
        named_columns(table, "p", ["date"])
