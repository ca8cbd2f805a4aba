"""The page "risk today": what it shows comes from the numbers, and it stands alone."""

import dataclasses
import re

import numpy as np
import pandas as pd
import pytest
from synthetic import ASOF
from webpage import check

from volplugin import RiskModel, RollingCorrelation, RollingVolatility
from volplugin.report.today import amount, headline, sentences, stocks, write_today
from volplugin.workflows import portfolio_today

WEIGHTS = pd.Series({"ALFA": 0.5, "BRAV": 0.7, "CHAR": -0.2})


@pytest.fixture(scope="module")
def portfolio(synthetic):
    model = RiskModel(RollingVolatility(40), RollingCorrelation(60))
    groups = {"ALFA": "north", "BRAV": "south & east", "CHAR": "north"}
    return portfolio_today(model, synthetic.asof(ASOF), WEIGHTS, 5, groups=groups, history=80)


def test_page_stands_alone_and_shows_the_numbers(portfolio, tmp_path):
    path = write_today(portfolio, tmp_path / "today.html", "my <book>", value=2e6)
    page = check(path.read_text(encoding="utf-8"))
    words = " ".join(page.words.split())
    assert "my <book>, close of " in words
    loss = 2e6 * portfolio.losses.loc["VaR 99%", "next session"]
    assert f"({amount(loss)})" in words
    for cause, part in portfolio.change.items():
        assert f"{cause} {100 * part:+.2f}".replace("-", "−") in words
    for group, row in portfolio.groups.iterrows():
        assert group in words
        assert f"{100 * row['share']:.1f}%".replace("-", "−") in words
    for tile in ("Beta", "Effective bets", "Average correlation", "VaR 99%, next session"):
        assert tile in words
    assert len(page.source) < 40_000


def test_headline_and_sentences_fit_the_numbers(portfolio):
    lower = dataclasses.replace(portfolio, volatility=0.156, before=0.1649)
    assert headline(lower) == "Volatility 15.6% a year, 0.89 points down since the close before"
    assert headline(dataclasses.replace(lower, before=0.156)).endswith("as at the close before")
    assert headline(dataclasses.replace(lower, before=np.nan)) == "Volatility 15.6% a year"
    *_, trim = sentences(portfolio, 1000.0)
    best = portfolio.positions["trim"].idxmin()
    assert f"ing {best} worth 1.00% (10) of the portfolio lowers" in trim.replace("Buying back", "Buying")
    assert f"{-100 * portfolio.positions['trim'].min():.2f} points" in trim


def test_bars_have_one_scale_and_hedges_are_negative(portfolio):
    positions = pd.DataFrame({"weight": [0.5, -0.2], "share": [1.0, -0.1]}, ["a", "b"])
    table = stocks(dataclasses.replace(portfolio, positions=positions)).tables[0]
    assert table.bars == [pytest.approx([50, 100]), pytest.approx([-20, -10])]
    assert [*table.frame.loc["b"]] == ["-20.0%", "-10.0%"]


def test_further_stocks_are_folded(portfolio):
    positions = pd.DataFrame({"weight": 0.05, "share": 0.05}, [f"S{place}" for place in range(20)])
    part = stocks(dataclasses.replace(portfolio, positions=positions))
    for table, count in ((part.tables[0], 15), (part.folds[0].tables[0], 5)):
        assert len(table.frame) == len(table.bars) == count


def test_parts_without_numbers_are_absent(synthetic, tmp_path):
    model = RiskModel(RollingVolatility(40), RollingCorrelation(60))
    alone = portfolio_today(model, synthetic.asof(ASOF), pd.Series({"ALFA": 1.0}), 1, history=1)
    alone = dataclasses.replace(alone, before=np.nan, history=alone.history.iloc[-1:])
    page = write_today(alone, tmp_path / "today.html").read_text(encoding="utf-8")
    titles = re.findall(r"<h2[^>]*>(.*?) <a", page)
    assert titles == [
        "Loss to expect",
        "What one trim does",
        "Risk by factor",
        "Weight and share of risk by stock",
        "Model and limits",
    ]
    assert "nan" not in page.lower().replace("financ", "")
