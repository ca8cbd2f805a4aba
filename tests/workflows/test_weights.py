import pandas as pd
import pytest

from volplugin.errors import WeightsError
from volplugin.workflows import read_groups, read_weights


def test_weights_by_symbol(tmp_path):
    (tmp_path / "w.csv").write_text("symbol, weight\nAAPL,0.5\nNA,-0.25\n")
    weights = read_weights(tmp_path / "w.csv", ["AAPL", "NA", "JPM"])
    assert weights.to_dict() == {"AAPL": 0.5, "NA": -0.25}


def test_columns_in_any_case_and_cash(tmp_path):
    (tmp_path / "w.csv").write_text("Weight,TICKER\n0.5,A\n0.3,0700\n0.2,Cash\n")
    assert read_weights(tmp_path / "w.csv", ["A", "0700"]).to_dict() == {"A": 0.5, "0700": 0.3}
    assert read_weights(tmp_path / "w.csv", ["A", "0700", "Cash"])["Cash"] == 0.2


def test_labels_are_those_of_the_panel(tmp_path):
    (tmp_path / "w.csv").write_text("symbol,weight\n10107,1\n")
    assert read_weights(tmp_path / "w.csv", pd.Index([10107])).index.tolist() == [10107]


@pytest.mark.parametrize(
    ("text", "output"),
    [
        ("", "expected columns symbol, weight"),
        ("name,weight\nA,1\n", "expected columns symbol, weight"),
        ("symbol,share\nA,1\n", "expected columns symbol, weight"),
        ("symbol,weight,weight\nA,1,2\n", "two columns weight"),
        ("symbol,weight,Weight\nA,1,2\n", "two columns weight"),
        ("symbol,weight\nCASH,1\n", "names no asset"),
        ("symbol,weight\nA,one\n", "expected columns symbol, weight"),
        ("symbol,weight\n", "no rows"),
        ("symbol,weight\nA,1\nA,2\n", "A is there twice"),
        ("symbol,weight\nA,1\nCASH,1\nCash,2\n", "Cash is there twice"),
        ("symbol,weight\nA,\n", "the weight of A is no number"),
        ("symbol,weight\nA,inf\n", "the weight of A is no number"),
        ("symbol,weight\nA,1\n,1\n", "row 2 has no symbol"),
        ("symbol,weight\nA,1\nXYZ,1\n", "no prices of XYZ; correct the symbol"),
        ("symbol,weight\nA,1,2,3\nB\n", "w.csv"),
    ],
)
def test_errors_name_the_problem(tmp_path, text, output):
    (tmp_path / "w.csv").write_text(text)
    with pytest.raises(WeightsError, match=output):
        read_weights(tmp_path / "w.csv", ["A", "B"])


def test_missing_and_binary_files_raise(tmp_path):
    with pytest.raises(WeightsError, match="no such file"):
        read_weights(tmp_path / "none.csv")
    (tmp_path / "w.csv").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(WeightsError, match="w.csv"):
        read_weights(tmp_path / "w.csv")


def test_groups_by_symbol(tmp_path):
    (tmp_path / "g.csv").write_text("Sector,Ticker\nbanks,JPM\noil, 10107\n")
    assert read_groups(tmp_path / "g.csv").to_dict() == {"JPM": "banks", "10107": "oil"}
    assert read_groups(tmp_path / "g.csv", [10107]).to_dict() == {"JPM": "banks", 10107: "oil"}


@pytest.mark.parametrize(
    ("text", "output"),
    [
        ("symbol,group\nA,x\nA,y\n", "A is there twice"),
        ("symbol,group\nA,\n", "A has no group"),
        ("symbol,group,other\nA,x,y\n", "expected columns symbol, group, found symbol, group, other"),
        ("group\nx\n", "expected columns symbol, group"),
    ],
)
def test_wrong_groups_raise(tmp_path, text, output):
    (tmp_path / "g.csv").write_text(text)
    with pytest.raises(WeightsError, match=output):
        read_groups(tmp_path / "g.csv")
    with pytest.raises(WeightsError, match="no such file"):
        read_groups(tmp_path / "none.csv")


def test_sectors_of_dow30_are_complete():
    from volplugin._bundles.dow30 import SECTORS, load_dow30

    assert set(read_groups(SECTORS).index) == set(load_dow30())


def test_other_columns_are_ignored_and_named(tmp_path, caplog):
    (tmp_path / "w.csv").write_text("Name,Symbol,WEIGHT,Shares\nFirst,A,0.5,10\nSecond,B,0.25,20\n,Cash,0.25,\n")
    assert read_weights(tmp_path / "w.csv", ["A", "B"]).to_dict() == {"A": 0.5, "B": 0.25}
    assert "ignored: Name, Shares" in caplog.text
