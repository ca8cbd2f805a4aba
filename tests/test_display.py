"""What a notebook shows for a forecast, a result and scorecards."""

import numpy as np
import pandas as pd
import pytest
from webpage import Page

from volplugin import CovarianceForecast
from volplugin.display import LABEL, ROOM, bars, card
from volplugin.evaluation import Scorecard, portfolio_scorecard


def widths(html):
    return [float(one.attrs["width"]) for one in Page(html).all("rect")]


def test_bars_have_the_lengths_of_the_numbers_on_one_scale():
    drawn = bars("title", {"a<b": [0.2, 0.1], "c": [0.05, 0.0]}, {"a<b": "20%", "c": "5%"}, ["one", "two"])
    assert widths(drawn)[2:] == pytest.approx([ROOM, ROOM / 2, ROOM / 4, 0])
    words = [one.text for one in Page(drawn).all("text")]
    assert words == ["title", "one", "two", "a<b", "20%", "c", "5%"]
    assert all(float(one.attrs["x"]) == LABEL for one in Page(drawn).all("rect")[2:])
    assert widths(bars("none", {}, {})) == []


def test_card_escapes_what_it_shows():
    page = Page(card("<b>", {"x": "<script>"}))
    assert page.all("script") == []
    assert [one.text for one in page.all("td")] == ["x", "<script>"]


def test_forecast_shows_its_largest_volatilities():
    names = [f"S{number}" for number in range(12)]
    sigma = pd.Series(np.linspace(0.01, 0.02, 12), names)
    rho = pd.DataFrame(0.3 + 0.7 * np.eye(12), names, names)
    shown = CovarianceForecast(pd.Timestamp("2015-06-30"), 21, sigma, rho)._repr_html_()
    texts = [one.text for one in Page(shown).all("text")]
    assert texts[:3] == ["Largest volatilities, 10 of 12", "S11", f"{0.02 * np.sqrt(252):.1%}"]
    cells = [one.text for one in Page(shown).all("td")]
    assert cells[cells.index("mean correlation") + 1] == "0.30"
    assert cells[cells.index("as of") + 1] == "2015-06-30"


def test_scorecard_is_a_dictionary_that_shows_its_years():
    sessions = pd.bdate_range("2020-01-01", periods=500)
    returns = pd.Series(0.01 * np.random.default_rng(0).standard_normal(500), sessions)
    scores = portfolio_scorecard(pd.Series(0.01, sessions), returns, target=0.16)
    assert isinstance(scores, dict)
    texts = [one.text for one in Page(scores._repr_html_()).all("text")]
    assert texts[3::2] == ["2020", "2021"]
    year = returns.loc["2020"].std() * np.sqrt(252)
    assert texts[4] == f"{0.01 * np.sqrt(252):.1%}, {year:.1%}"
    assert "too few" in Scorecard()._repr_html_()
