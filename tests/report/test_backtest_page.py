import dataclasses
import json
import re

import pytest
from webpage import check

from volplugin.report import plots, write_report
from volplugin.report.axes import LIGHT
from volplugin.report.backtest_page import render_page

WITH_ALL = ["money", "risk", "odds", "trading", "sources", "stress", "models", "believing", "again"]


@pytest.fixture(scope="module")
def page(report):
    return check(report.read_text(encoding="utf-8"))


def test_sections_have_ids_and_the_page_links_to_them(page):
    assert [element.attrs["id"] for element in page.all("h2")] == WITH_ALL
    links = [element.attrs["href"] for element in page.all("a")]
    assert links[: len(WITH_ALL)] == [f"#{name}" for name in WITH_ALL]


def test_the_benefit_and_five_verdicts_come_first(report, page):
    figures = [element.attrs["id"] for element in page.all("figure")]
    assert figures[:2] == ["figure-volatility", "figure-tenths"]
    verdicts = [one for one in page.all("dd") if one.attrs.get("class", "").startswith("verdict")]
    assert len(verdicts) == 5
    assert all(one.text and one.attrs["class"].split()[1] in ("good", "fair", "poor") for one in verdicts)
    assert page.all("h1")[0].text.startswith("Risk was forecast ")


def test_every_plot_is_drawn_once_with_alternative_text(report, page):
    drawings = page.all("svg")
    assert len(drawings) == len({drawing.attrs["aria-label"] for drawing in drawings}) == 15
    files = {file.stem for file in (report.parent / "plots").iterdir()}
    assert files == {name.removeprefix("plot_") for name in plots.__all__} - {"target"}
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in (report.parent / "plots").iterdir())


def test_pictures_use_the_colours_of_the_theme_which_the_dark_page_replaces(report):
    text = report.read_text(encoding="utf-8")
    used = set(re.findall(r"(?:fill|stroke): (#[0-9a-f]{6})", text[text.index("<body>") :]))
    assert used <= {color for _, color in LIGHT.slots()}
    assert all(f'[style*="fill: {color}"]' in text for color in used)
    styles = re.search(r"<style>(.*?)</style>", text, re.DOTALL)[1]
    assert set(re.findall(r"var\((--[a-z0-9-]+)\)", text)) <= set(re.findall(r"(--[a-z0-9-]+):", styles))
    assert all("screen" in query for query in re.findall(r"@media ([^{]+)", styles) if "dark" in query)


def test_plots_over_dates_hold_their_values(page, storm):
    data = {
        svg.attrs["aria-label"][6:20]: svg.attrs["data-values"] for svg in page.all("svg") if "data-values" in svg.attrs
    }
    assert len(data) == 11
    (growth,) = [json.loads(values) for label, values in data.items() if label.startswith("value of 1")]
    assert list(growth["lines"]) == ["same stocks, untouched", "this run"]
    assert len(growth["days"]) == len(growth["lines"]["this run"]) == len(storm.perf) - 1
    assert growth["lines"]["this run"][-1] == pytest.approx((1 + storm.perf["returns"].iloc[1:]).prod(), abs=0.006)
    assert growth["span"][0] == growth["days"][0]


def test_tables_scroll_in_focusable_boxes(page):
    boxes = [element for element in page.all("div") if element.attrs.get("class") == "scroll"]
    assert len(boxes) == len(page.all("table")) > 5
    assert all(box.attrs["tabindex"] == "0" for box in boxes)


def test_page_states_results_and_provenance(page, storm):
    text = page.words
    for part in ("Risk was", "target 10.0%", "late 2024", "studies that include", "0123abcd", "2009-12-31"):
        assert part in text
    assert re.search(r"2020: +to", text)


def test_parts_without_numbers_vanish(bare, tmp_path):
    text = write_report(bare, tmp_path).read_text(encoding="utf-8")
    page = check(text)
    assert "<b>mine" not in text
    assert "&lt;b&gt;mine" in text
    assert [element.attrs["id"] for element in page.all("h2")] == ["money", "risk", "odds", "believing", "again"]
    drawn = {"volatility", "tenths", "growth", "drawdown", "calibration", "predicted_realized", "exceedances", "pit"}
    assert {path.stem for path in (tmp_path / "plots").iterdir()} == drawn
    assert "untouched" not in " ".join(one.text for one in page.all("dd"))


def test_a_failure_leaves_the_old_page_and_no_temporary_files(bare, tmp_path, monkeypatch):
    (tmp_path / "report.html").write_text("old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("volplugin.storage.atomic.os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_report(bare, tmp_path)
    assert (tmp_path / "report.html").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plots", "report.html"]
    assert list((tmp_path / "plots").iterdir()) == []


def test_markup_in_names_is_escaped(bare, tmp_path):
    details = dataclasses.replace(bare.details, model='<i title="x">', parameters={"a<b": '"><svg>'})
    named = dataclasses.replace(bare, details=details)
    text = write_report(named, tmp_path).read_text(encoding="utf-8")
    assert render_page(named)[0] == text
    assert '<i title="x">' not in text
    assert '"><svg>' not in text
