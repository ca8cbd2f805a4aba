import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from volplugin import PricePanel
from volplugin.data import read_frames, read_prices
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


@pytest.mark.parametrize("name", ["B.csv.bz2", "B.CSV.xz", "B.csv.zip", "B.tsv", "B.xlsx", "B.feather", "B.parquet.gz"])
def test_price_files_of_another_form_are_not_left_out(name, tmp_path):
    (tmp_path / "A.csv").write_text(HEADER + "2020-01-02,1\n")
    (tmp_path / name).write_bytes(b"x")
    with pytest.raises(PanelError, match=f"{name} cannot be read"):
        PricePanel.from_csv(tmp_path)


@pytest.mark.parametrize(
    ("column", "values", "complaint"),
    [
        ("close", pd.to_timedelta([1, 2], "D"), "close holds timedelta"),
        ("close", [True, False], "close holds bool"),
        ("symbol", [b"A", b"A"], "symbols holds b'A'"),
        ("symbol", [["A"], ["A"]], "symbols holds"),
    ],
)
def test_parquet_columns_of_another_kind(column, values, complaint, tmp_path):
    table = pd.DataFrame({"symbol": "A", "date": pd.to_datetime(["2020-01-02", "2020-01-03"]), "close": [1.0, 2.0]})
    table.assign(**{column: values}).to_parquet(tmp_path / "p.parquet")
    with pytest.raises(PanelError, match=complaint):
        PricePanel.from_parquet(tmp_path / "p.parquet")


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
        (HEADER + ",1\n", "AAPL.csv: an empty cell is not a date"),
        (HEADER + "2020-01-02T14:30:00Z,1\n", "AAPL.csv: 2020-01-02 14:30:00 is a time in UTC, whose session"),
        (HEADER + "2020-01-02 10:00,1\n2020-01-02 16:00,1\n", "AAPL on 2020-01-02: duplicate date"),
        (HEADER + "2020-01-02 25:00,1\n", "AAPL.csv: 2020-01-02 25:00 is not a date"),
        (HEADER + "1435622400,1\n", "AAPL.csv: 1435622400 is not a date"),
        (HEADER + "42185,1\n", "AAPL.csv: 42185 is not a date"),
        (HEADER + "30-06-2015,1\n", "AAPL.csv: 30-06-2015 is not a date"),
        (HEADER + "Jun 30 2015,1\n", "AAPL.csv: Jun 30 2015 is not a date"),
        (HEADER + "2020-01-02,1\n2020-01-02,2\n", "AAPL on 2020-01-02: duplicate date"),
        (HEADER + "2020-01-02,1\n2020-01-03,-2\n", "AAPL on 2020-01-03: close is not positive"),
        (
            "date,open,high,low,close\n2020-01-02,1,2,1,\n2020-01-03,1,2,1,1\n",
            "2020-01-02: close is missing .NaN. where open",
        ),
        ("date,open,high,low,close\n2020-01-02,1,1,2,1\n", "AAPL on 2020-01-02: high is below low"),
        (HEADER + "2020-01-02,1\0\n", "AAPL.csv: holds NUL bytes"),
        (HEADER + "2020-01-02,\n2020-01-03,\n", "AAPL.csv: no close in any row"),
    ],
)
def test_bad_files(text, complaint, tmp_path):
    with pytest.raises(PanelError, match=complaint):
        read(tmp_path, AAPL=text)


@pytest.mark.parametrize(
    "text",
    [
        "2020-01-02",
        "20200102",
        "2020/01/02",
        "2020-01-02 16:00:00",
        "2020-01-02 00:00:00-05:00",
        "2020-01-02T00:00:00Z",
    ],
)
def test_dates_are_the_local_day_as_written(text, tmp_path):
    assert read(tmp_path, AAPL=HEADER + f"{text},1\n").last_session == pd.Timestamp("2020-01-02")


def test_times_in_utc_are_the_day_at_the_exchange(tmp_path):
    (tmp_path / "7203.csv").write_text(HEADER + "2020-01-05T15:00:00Z,1\n2020-01-06T15:00:00Z,2\n")
    days = read_prices(tmp_path, "Asia/Tokyo").bars["7203"].index
    assert list(days) == [pd.Timestamp("2020-01-06"), pd.Timestamp("2020-01-07")]


YAHOO = "Date,Open,High,Low,Close,Adj Close,Volume\n2020-01-02 00:00:00-05:00,10,11,9,10,5,100\n"
STOOQ = (
    "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>\n"
    "A.US,D,20200102,000000,5,5.5,4.5,5,100,0\n"
)
ALPHA_VANTAGE = (
    "timestamp,open,high,low,close,adjusted_close,volume,dividend_amount,split_coefficient\n"
    "2020-01-02,10,11,9,10,5,100,0.0,1.0\n"
)
CSVDIR = "date,open,high,low,close,volume,dividend,split\n2020-01-02,5,5.5,4.5,5,100,0.0,1.0\n"
YFINANCE = "Price,Close,High,Low,Open,Volume\nTicker,A,A,A,A,A\nDate,,,,,\n2020-01-02,5,5.5,4.5,5,100\n"


@pytest.mark.parametrize("text", [YAHOO, STOOQ, ALPHA_VANTAGE, CSVDIR, YFINANCE])
def test_columns_of_vendors(text, tmp_path):
    panel = read(tmp_path, A=text)
    bar = {field: getattr(panel, field)["A"].iloc[0] for field in ("open", "high", "low", "close", "volume")}
    assert bar == {"open": 5, "high": 5.5, "low": 4.5, "close": 5, "volume": 100}
    assert panel.last_session == pd.Timestamp("2020-01-02")


def test_ignored_columns_and_files_are_named(tmp_path, caplog):
    (tmp_path / "notes.txt").write_text("prices of Monday")
    read(tmp_path, A="date,close,change,dividend\n2020-01-02,5,0.1,0\n2020-01-03,5,0.1,2\n")
    assert "column 'change' is ignored (A)" in caplog.text
    assert "notes.txt: not price files, ignored" in caplog.text
    assert "dividends are not applied (A)" in caplog.text


@pytest.mark.parametrize(("second", "close"), [(5.0, [5, 5]), (10.0, [10, 10])])
def test_splits_are_applied_to_raw_prices_alone(tmp_path, second, close):
    panel = read(tmp_path, A=f"date,close,volume,split\n2020-01-02,10,100,1\n2020-01-03,{second},200,2\n")
    assert panel.close["A"].tolist() == close
    assert panel.volume["A"].tolist() == [200 if second == 5.0 else 100, 200]


@pytest.mark.parametrize("mark", [";", "\t"])
def test_other_separators_and_a_byte_order_mark(mark, tmp_path):
    text = "\ufeffdate,close,NA\n2020-01-02,5,1\n2020-01-03,,1\n".replace(",", mark)
    (tmp_path / "A.csv").write_text(text, encoding="utf-8")
    tables = read_prices(tmp_path)
    assert tables.notes == ["column 'NA' is ignored (A)"]
    np.testing.assert_array_equal(tables.bars["A"]["close"], [5.0, np.nan])


def test_adjusted_closes_alone_are_closes(tmp_path):
    panel = read(tmp_path, A="date,Adj Close\n2020-01-02,5\n", B="date,close\n2020-01-02,7\n")
    assert panel.close.iloc[0].to_dict() == {"A": 5.0, "B": 7.0}


def test_hidden_files_are_left_out(tmp_path):
    (tmp_path / ".A.csv").write_text("no prices")
    assert list(read(tmp_path, B=HEADER + "2020-01-02,1\n").assets) == ["B"]


def test_volumes_of_some_assets(tmp_path):
    panel = read(tmp_path, A="date,close,volume\n2020-01-03,5,100\n", B=HEADER + "2020-01-02,7\n")
    np.testing.assert_array_equal(panel.volume, [[np.nan, np.nan], [100.0, np.nan]])


def test_parquet_with_and_without_an_index(tmp_path):
    table = pd.DataFrame({"date": ["2020-01-02"], "symbol": "A", "close": [2.0]})
    table.to_parquet(tmp_path / "plain.parquet")
    table.set_index("date").to_parquet(tmp_path / "indexed.parquet")
    for name in ("plain", "indexed"):
        tables = read_prices(tmp_path / f"{name}.parquet")
        assert tables.notes == []
        assert tables.bars["A"]["close"].to_dict() == {pd.Timestamp("2020-01-02"): 2.0}


def test_extensions_in_any_case(tmp_path):
    (tmp_path / "B.CSV").write_text(HEADER + "2020-01-02,1\n")
    (tmp_path / "C.Csv.Gz").write_bytes(gzip.compress(b"date,close\n2020-01-02,7\n"))
    pd.DataFrame({"date": ["2020-01-02"], "close": [2.0]}).to_parquet(tmp_path / "D.PARQUET")
    assert list(read(tmp_path, A=HEADER + "2020-01-02,1\n").assets) == ["A", "B", "C", "D"]


def test_all_problems_of_a_folder_are_reported_at_once(tmp_path):
    with pytest.raises(PanelError) as raised:
        read(tmp_path, A=HEADER, B="day,close\n2020-01-02,1\n", C=HEADER + "2020-01-02,1\n", D=HEADER + "1.2.2020,1\n")
    first, *lines = str(raised.value).splitlines()
    assert first.endswith(": 3 problems")
    assert [Path(line.split(": ")[0].strip()).name for line in lines] == ["A.csv", "B.csv", "D.csv"]


@pytest.mark.parametrize(
    ("date", "complaint"),
    [
        ([20150630], None),
        (["2015-06-30"], None),
        (pd.to_datetime(["2015-06-30"]), None),
        (pd.to_datetime(["2015-06-30"]).date, None),
        (pd.to_datetime(["2015-06-30"]).tz_localize("Europe/Berlin"), None),
        (pd.to_datetime(["2015-06-30"]).as_unit("s"), None),
        ([16616], "16616 is not a date"),
        ([1435622400000000000], "is not a date"),
        (["30/06/2015"], "30/06/2015 is not a date"),
        ([True], "holds bool"),
        (pd.to_datetime(["2015-06-30 13:30"]).tz_localize("UTC"), "is a time in UTC"),
        ([None], "is not a date"),
        ([20150630.0], None),
        ([20150630.5], "20150630.5 is not a date"),
        ([np.nan], "p.parquet: nan is not a date"),
        (np.array(["2300-01-01"], "datetime64[s]"), "p.parquet: 2300-01-01 is no session"),
    ],
)
def test_dates_of_parquet_files(date, complaint, tmp_path):
    pd.DataFrame({"symbol": "A", "date": date, "close": [1.0]}).to_parquet(tmp_path / "p.parquet")
    if complaint is None:
        assert PricePanel.from_parquet(tmp_path / "p.parquet").last_session == pd.Timestamp("2015-06-30")
    else:
        with pytest.raises(PanelError, match=complaint):
            PricePanel.from_parquet(tmp_path / "p.parquet")


@pytest.mark.parametrize("shape", ["symbols", "fields", "yfinance", "yfinance by ticker", "long"])
def test_frames_of_every_shape(shape, synthetic):
    symbols = ["ALFA", "DELT"]
    fields = {field: getattr(synthetic, field)[symbols] for field in ("open", "high", "low", "close", "volume")}
    by_ticker = pd.concat(fields, axis=1).swaplevel(axis=1).sort_index(axis=1)
    frames = {
        "symbols": {symbol: by_ticker[symbol].dropna(how="all") for symbol in symbols},
        "fields": fields,
        "yfinance": pd.concat({name.title(): frame for name, frame in fields.items()}, axis=1),
        "yfinance by ticker": by_ticker,
        "long": pd.DataFrame({name: frame.rename_axis(columns="symbol").stack() for name, frame in fields.items()}),
    }[shape]
    assert PricePanel.from_frames(frames).fingerprint() == PricePanel(**fields).fingerprint()


def test_columns_of_yfinance_that_are_no_fields_are_ignored(synthetic, caplog):
    fields = {field.title(): getattr(synthetic, field)[["ALFA", "DELT"]] for field in synthetic.fields}
    nothing = fields["Close"] * 0
    extra = {"Dividends": nothing + 1, "Stock Splits": nothing, "Capital Gains": nothing}
    panel = PricePanel.from_frames(pd.concat(fields | extra, axis=1))
    assert panel.fingerprint() == PricePanel.from_frames(pd.concat(fields, axis=1)).fingerprint()
    assert "column 'Capital Gains' is ignored (ALFA, DELT)" in caplog.text
    assert "dividends are not applied" not in caplog.text


DEEP = pd.DataFrame({("x", "y"): [1.0]})


@pytest.mark.parametrize(
    ("frames", "complaint"),
    [
        (3, "a int; pass DataFrames by symbol, wide DataFrames by field, "),
        ({}, "a dict; pass DataFrames by symbol"),
        ({"A": [1]}, "a dict; pass DataFrames by symbol"),
        (DEEP, "neither level of the columns holds a close: x; y$"),
        ({"close": DEEP}, "the columns have 3 levels; keep field and symbol$"),
        (pd.DataFrame({"date": "2020-01-02", "symbol": ["A", None], "close": 1.0}), "row 2 has no symbol"),
        (pd.DataFrame({"date": "2020-01-02", "symbol": [1.5], "close": 1.0}), "the column of symbols holds numbers"),
        (pd.DataFrame({"date": "2020-01-02", "symbol": "A", "close": [True]}), "the column close holds bool, not num"),
    ],
)
def test_frames_of_no_known_shape(frames, complaint):
    with pytest.raises(PanelError, match=f"^frames: {complaint}"):
        PricePanel.from_frames(frames)


@pytest.mark.parametrize("zone", ["UTC", "Etc/UTC", "GMT", "+00:00"])
def test_moments_of_greenwich_need_the_time_zone_of_the_exchange(zone):
    day = pd.to_datetime(["2020-01-05 15:00"]).tz_localize(zone)
    frame = pd.DataFrame({"date": day, "symbol": "A", "close": 1.0})
    with pytest.raises(PanelError, match="^frames: 2020-01-05 15:00:00 is a time in UTC, whose session depends"):
        read_frames(frame)
    assert list(read_frames(frame, time_zone="Asia/Tokyo").bars["A"].index) == [pd.Timestamp("2020-01-06")]


def test_rows_without_any_value_are_left_out_of_frames():
    dates = ["2020-01-02", "2020-01-03", "2020-01-06", "2020-01-07"]
    frame = pd.DataFrame({"Date": dates, "close": [np.nan, 2.0, 3.0, np.nan]})
    panel = PricePanel.from_frames({"A": frame}, calendar="XLON")
    assert panel.close["A"].to_dict() == {pd.Timestamp(dates[1]): 2.0, pd.Timestamp(dates[2]): 3.0}
    assert panel.calendar == "XLON"


def test_a_text_price_in_a_long_file_names_the_asset(tmp_path):
    text = "symbol,date,close\nAAPL,2020-01-02,10\nJPM,2020-01-03,x\n"
    with pytest.raises(PanelError, match="JPM on 2020-01-03: close is 'x'"):
        read(tmp_path, "prices", prices=text)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("symbol,date,close\n", "p.csv: no rows$"),
        ("symbol,date,close\nA,2020-13-02,1\n", "p.csv: 2020-13-02 is not a date"),
        ("symbol,date,close\nA,2020-01-02,1\nA,2020-01-02,1\n", "^A on 2020-01-02: duplicate date in .*p.csv; keep"),
        ("symbol,date,price\nA,2020-01-02,1\n", "p.csv: no column close; there are symbol, date, price$"),
    ],
)
def test_bad_long_files(text, complaint, tmp_path):
    with pytest.raises(PanelError, match=complaint):
        read(tmp_path, "p", p=text)


def test_a_yahoo_file_of_several_tickers(tmp_path):
    text = YFINANCE.replace("A,A,A,A,A", "A,B,B,B,B")
    with pytest.raises(PanelError, match=r"^a file of yfinance with several tickers; write it with data.stack"):
        read(tmp_path, A=text)


def test_a_long_file_without_symbols(tmp_path):
    with pytest.raises(PanelError, match="no column 'symbol'"):
        read(tmp_path, "prices", prices=HEADER + "2020-01-02,1\n")
    with pytest.raises(PanelError, match="gap.csv: row 2 has no symbol"):
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


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("B.zip", "PK"),
        ("B.txt", "date,close\n2020-01-02,10\n"),
        ("B.json", '[{"date": "2020-01-02", "close": 10}]'),
        ("B", "date,close\n2020-01-02,10\n"),
        ("B.ods", ""),
        ("older/B.csv", "date,close\n2020-01-02,10\n"),
    ],
)
def test_prices_in_a_form_that_is_not_read(name, text, tmp_path):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(text)
    with pytest.raises(PanelError, match="cannot be read; write .csv or .parquet"):
        read(tmp_path, A=HEADER + "2020-01-02,10\n")


def test_prices_beside_a_folder_of_daily_prices(tmp_path):
    (tmp_path / "daily").mkdir()
    (tmp_path / "daily" / "A.csv").write_text(HEADER + "2020-01-02,10\n")
    assert list(PricePanel.from_csv(tmp_path).assets) == ["A"]
    with pytest.raises(PanelError, match="prices are in daily/, and B.csv beside it"):
        read(tmp_path, B=HEADER + "2020-01-02,10\n")


@pytest.mark.parametrize("ratio", [2, 0.1, 1.5])
def test_splits_of_raw_closes_are_applied(ratio, tmp_path):
    rows = "".join(
        f"2020-01-0{day},{100 / (ratio if day > 6 else 1)},{ratio if day == 7 else 0},{day}\n"
        for day in (2, 3, 6, 7, 8)
    )
    panel = read(tmp_path, A="Date,Close,Stock Splits,Volume\n" + rows)
    assert panel.returns["A"].abs().max() < 1e-12
    assert panel.volume["A"].tolist() == [2 * ratio, 3 * ratio, 6 * ratio, 7, 8]


def test_symbols_of_nullable_kinds(tmp_path):
    table = pd.DataFrame({"symbol": pd.array([1, None], "Int64"), "date": "2020-01-02", "close": 1.0})
    for symbols in (table["symbol"], pd.Categorical(["A", None])):
        table.assign(symbol=symbols).to_parquet(tmp_path / "p.parquet")
        with pytest.raises(PanelError, match="row 2 has no symbol"):
            PricePanel.from_parquet(tmp_path / "p.parquet")
    table.assign(symbol="A", close=[True, None], date=["2020-01-02", "2020-01-03"]).to_parquet(tmp_path / "p.parquet")
    with pytest.raises(PanelError, match="close is True, which is not a number"):
        PricePanel.from_parquet(tmp_path / "p.parquet")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("Date;Close\n2020-01-02;1.5\n", None),
        ("Date|Close\n2020-01-02|1.5\n", None),
        ("\n\nDate,Close\n2020-01-02,1.5\n\n\n", None),
        ("Date;Open;Close\n2020-01-02;1,5;1,5\n", "2020-01-02: open is '1,5', which is not a number; write 1234.5"),
        ('Date,Close\n2020-01-02,"1,234.5"\n', "close is '1,234.5', which is not a number; write 1234.5"),
        ("Date,Close\n43832,1.5\n", "43832 is not a date"),
        ("# a vendor\nDate,Close\n2020-01-02,1.5\n", "the first line is the header, and no row is longer"),
        ("Date,Price\n2020-01-02,1.5\n", "no column close; there are Date, Price$"),
        ("Date,Close\n2020-01-02,1.5\n".encode("utf-16"), "A.csv: in UTF-16; save it as UTF-8$"),
        (b"Date,Close,W\xe4hrung\n2020-01-02,1.5,EUR\n", "save it as UTF-8"),
        pytest.param(gzip.compress(b""), "A.csv: compressed by gzip; call it SYMBOL.csv.gz$", id="gzip"),
        (b"PK\x03\x04", "A.csv: a zip archive or an Excel workbook; unpack it, or save it as CSV$"),
    ],
)
def test_files_of_other_programs_are_read_or_refused_in_one_line(text, complaint, tmp_path):
    (tmp_path / "A.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    if complaint is None:
        assert PricePanel.from_csv(tmp_path).close["A"].tolist() == [1.5]
    else:
        with pytest.raises(PanelError, match=complaint) as raised:
            PricePanel.from_csv(tmp_path)
        assert "\n" not in str(raised.value)


def test_symbols_that_differ_in_case_alone(tmp_path):
    rows = HEADER + "2020-01-02,10\n"
    with pytest.raises(PanelError, match="AAPL and aapl differ in case alone"):
        read(tmp_path, AAPL=rows, aapl=rows)
    with pytest.raises(PanelError, match="AAPL and aapl differ in case alone"):
        read(tmp_path, "p", p="symbol,date,close\naapl,2020-01-02,1\nAAPL,2020-01-02,1\n")


def test_only_compressed_files_of_other_kinds(tmp_path):
    (tmp_path / "A.csv.bz2").write_bytes(b"BZh9")
    with pytest.raises(PanelError, match="A.csv.bz2 cannot be read; write .csv or .parquet"):
        PricePanel.from_csv(tmp_path)


@pytest.mark.parametrize(("count", "last"), [(40, "S39"), (41, "  and 1 more")])
def test_forty_problems_are_shown(tmp_path, count, last):
    with pytest.raises(PanelError) as raised:
        read(tmp_path, **{f"S{number:02}": "date,price\n2020-01-02,1\n" for number in range(count)})
    assert last in str(raised.value).splitlines()[-1]


def test_a_long_file_in_universal_time(tmp_path):
    (tmp_path / "p.csv").write_text("symbol,date,close\nA,2020-01-01T15:00:00Z,1\n")
    found = read_prices(tmp_path / "p.csv", "Asia/Tokyo")
    assert found.bars["A"].index.tolist() == [pd.Timestamp("2020-01-02")]
