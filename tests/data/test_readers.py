import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from volplugin import PricePanel
from volplugin.errors import PanelError

HEADER = "date,close\n"


def read(folder: Path, single: str | None = None, **files: str) -> PricePanel:
    """Read files written from text; a name is a symbol."""
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text)
    return PricePanel.from_csv(folder if single is None else folder / f"{single}.csv")


# -- what is read ----------------------------------------------------------------------------------


def test_one_long_file(tmp_path):
    text = (
        "symbol,date,open,high,low,close,volume\n"
        "JPM,2020-01-03,50,52,49,51,700\n"
        "AAPL,2020-01-02,10,12,9,11,500\n"
        "AAPL,2020-01-03,11,13,10,12,600\n"
    )
    panel = read(tmp_path, "prices", prices=text)
    assert list(panel.assets) == ["AAPL", "JPM"]
    assert list(panel.sessions) == [pd.Timestamp("2020-01-02"), pd.Timestamp("2020-01-03")]
    assert panel.close["AAPL"].tolist() == [11, 12]
    assert np.isnan(panel.close["JPM"].iloc[0])
    assert panel.high.loc["2020-01-03", "JPM"] == 52
    assert panel.volume.loc["2020-01-03", "JPM"] == 700


def test_a_folder_of_one_file_a_symbol(tmp_path):
    (tmp_path / "KO.csv.gz").write_bytes(gzip.compress(b"date,close\n2020-01-02,7\n"))
    panel = read(tmp_path, AAPL=HEADER + "2020-01-02,10\n2020-01-03,11\n", JPM=HEADER + "2020-01-03,50\n")
    assert list(panel.assets) == ["AAPL", "JPM", "KO"]
    assert panel.close["KO"].tolist()[0] == 7
    assert panel.open is None


def test_header_in_any_case_and_spacing(tmp_path):
    panel = read(tmp_path, "prices", prices="Symbol, Date ,CLOSE\n AAPL ,2020-01-02,10\n")
    assert panel.close.loc["2020-01-02", "AAPL"] == 10


def test_rows_in_any_order(tmp_path):
    panel = read(tmp_path, AAPL=HEADER + "2020-01-03,11\n2020-01-02,10\n")
    assert panel.close["AAPL"].tolist() == [10, 11]


@pytest.mark.parametrize("symbol", ["NA", "TRUE", "NULL", "nan", "600519", "000001", "1e5", "BRK.B"])
def test_symbols_are_text(symbol, tmp_path):
    panel = read(tmp_path, "prices", prices=f"symbol,date,close\n{symbol},2020-01-02,10\n")
    assert list(panel.assets) == [symbol]


def test_a_row_without_prices_is_a_missing_bar(tmp_path):
    panel = read(tmp_path, AAPL="date,open,high,low,close\n2020-01-02,10,11,9,10\n2020-01-03,,,,\n")
    assert panel.close["AAPL"].isna().tolist() == [False, True]


def test_the_shipped_file_comes_back(real):
    """Spot values as the file has them."""
    day = pd.Timestamp("2008-10-10")
    assert real.close.loc[day, "JPM"] == 41.64
    assert (real.low <= real.close).to_numpy()[real.close.notna()].all()


def test_round_trip(tmp_path, synthetic):
    table = pd.concat(
        {field: getattr(synthetic, field).stack() for field in ("open", "high", "low", "close", "volume")}, axis=1
    )
    table.rename_axis(["date", "symbol"]).to_csv(tmp_path / "prices.csv")
    panel = PricePanel.from_csv(tmp_path / "prices.csv")
    assert panel.fingerprint() == synthetic.fingerprint()


# -- what is refused -------------------------------------------------------------------------------


def test_nothing_there(tmp_path):
    with pytest.raises(PanelError, match="nowhere: no such file or folder"):
        PricePanel.from_csv(tmp_path / "nowhere")


def test_a_folder_without_csv_files(tmp_path):
    (tmp_path / "readme.txt").write_text("no prices")
    with pytest.raises(PanelError, match="holds no CSV files"):
        PricePanel.from_csv(tmp_path)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "AAPL.csv: not a readable CSV file"),
        (HEADER, "AAPL.csv: no rows"),
        ("day,close\n2020-01-02,1\n", "AAPL.csv: no column date; there are day, close"),
        ("date,price\n2020-01-02,1\n", "AAPL.csv: no column close"),
        ("date,close,Close\n2020-01-02,1,2\n", "AAPL.csv: two columns close"),
        (HEADER + "2020-01-02,1\n2020-01-03,1,5\n", "AAPL.csv: not a readable CSV file"),
        (HEADER + "2020-01-02,ten\n", "AAPL.csv: 2020-01-02: close is 'ten', which is not a number"),
        (HEADER + "2020-13-02,1\n", "AAPL.csv: 2020-13-02 is not a date"),
        (HEADER + "02/01/2020,1\n", "AAPL.csv: 02/01/2020 is not a date"),
        (HEADER + ",1\n", "AAPL.csv: nan is not a date"),
        (HEADER + "2020-01-02T00:00:00Z,1\n", "AAPL.csv: dates are timezone-aware"),
        (HEADER + "2020-01-02,1\n2020-01-03T00:00:00Z,1\n", "AAPL.csv: dates are timezone-aware"),
        (HEADER + "2020-01-02 16:00,1\n", "time of day, not a session"),
        (HEADER + "2020-01-02,1\n2020-01-02,2\n", "AAPL on 2020-01-02: duplicate date"),
        (HEADER + "2020-01-02,1\n2020-01-03,-2\n", "AAPL on 2020-01-03: close is not positive"),
        ("date,open,high,low,close\n2020-01-02,1,2,1,\n", "AAPL on 2020-01-02: close is missing .NaN. where open"),
        ("date,open,high,low,close\n2020-01-02,1,1,2,1\n", "AAPL on 2020-01-02: high is below low"),
    ],
)
def test_bad_files(text, complaint, tmp_path):
    with pytest.raises(PanelError, match=complaint):
        read(tmp_path, AAPL=text)


def test_one_file_with_aware_dates_among_others(tmp_path):
    with pytest.raises(PanelError, match="JPM.csv: dates are timezone-aware"):
        read(tmp_path, AAPL=HEADER + "2020-01-02,1\n", JPM=HEADER + "2020-01-02T00:00:00+01:00,1\n")


def test_a_text_price_in_a_long_file_names_the_asset(tmp_path):
    text = "symbol,date,close\nAAPL,2020-01-02,10\nJPM,2020-01-03,x\n"
    with pytest.raises(PanelError, match="JPM on 2020-01-03: close is 'x'"):
        read(tmp_path, "prices", prices=text)


def test_a_long_file_without_symbols(tmp_path):
    with pytest.raises(PanelError, match="no column 'symbol'"):
        read(tmp_path, "prices", prices=HEADER + "2020-01-02,1\n")
    with pytest.raises(PanelError, match="a row of 2020-01-02 has no symbol"):
        read(tmp_path, "gap", gap="symbol,date,close\nAAPL,2020-01-01,1\n,2020-01-02,1\n")


def test_a_truncated_archive(tmp_path):
    rows = "".join(f"{date.date()},10\n" for date in pd.bdate_range("2000-01-03", periods=4000))
    whole = gzip.compress((HEADER + rows).encode())
    (tmp_path / "AAPL.csv.gz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(PanelError, match="AAPL.csv.gz: not a readable CSV file"):
        PricePanel.from_csv(tmp_path)


def test_bytes_that_are_no_text(tmp_path):
    (tmp_path / "AAPL.csv").write_bytes(b"date,close\n\xff\xfe\x80,1\n")
    with pytest.raises(PanelError, match="AAPL.csv: not a readable CSV file"):
        PricePanel.from_csv(tmp_path)
