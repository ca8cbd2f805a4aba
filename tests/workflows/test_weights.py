import pytest

from volplugin.errors import WeightsError
from volplugin.workflows import read_weights


def test_weights_by_symbol(tmp_path):
    (tmp_path / "w.csv").write_text("symbol, weight\nAAPL,0.5\nNA,-0.25\n")
    weights = read_weights(tmp_path / "w.csv", ["AAPL", "NA", "JPM"])
    assert weights.to_dict() == {"AAPL": 0.5, "NA": -0.25}


@pytest.mark.parametrize(
    ("text", "output"),
    [
        ("", "expected columns symbol, weight"),
        ("ticker,weight\nA,1\n", "expected columns symbol, weight"),
        ("symbol,weight\nA,one\n", "expected columns symbol, weight"),
        ("symbol,weight\n", "names no asset"),
        ("symbol,weight\nA,1\nA,2\n", "A is there twice"),
        ("symbol,weight\nA,\n", "the weight of A is no number"),
        ("symbol,weight\nA,inf\n", "the weight of A is no number"),
        ("symbol,weight\nA,1\n,1\n", "line 3 has no symbol"),
        ("symbol,weight\nA,1\nXYZ,1\n", "no prices of XYZ; correct the symbol"),
        ("symbol,weight\nA,1,2,3\nB\n", "w.csv"),
    ],
)
def test_errors_name_the_problem(tmp_path, text, output):
    (tmp_path / "w.csv").write_text(text)
    with pytest.raises(WeightsError, match=output):
        read_weights(tmp_path / "w.csv", ["A", "B"])


def test_missing_and_binary_files_raise(tmp_path):
    with pytest.raises(WeightsError, match="No such file"):
        read_weights(tmp_path / "none.csv")
    (tmp_path / "w.csv").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(WeightsError, match="w.csv"):
        read_weights(tmp_path / "w.csv")
