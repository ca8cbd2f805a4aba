import dataclasses
import re

import pytest
from markupsafe import Markup
from webpage import check

from volplugin.report import figures, tables, write_report
from volplugin.report.backtest_page import Section, picture, render_page, sections, write_page

WITH_ALL = ["risk", "odds", "target", "sources", "stress", "stocks", "models", "believing", "again"]


@pytest.fixture(scope="module")
def report(storm, tmp_path_factory):
    return write_report(storm, tmp_path_factory.mktemp("out") / "new")


@pytest.fixture(scope="module")
def page(report):
    return check(report.read_text(encoding="utf-8"))


def test_sections_have_ids_and_the_page_links_to_them(page):
    assert [element.attrs["id"] for element in page.all("h2")] == WITH_ALL
    links = [element.attrs["href"] for element in page.all("a")]
    assert links[: len(WITH_ALL)] == [f"#{name}" for name in WITH_ALL]


def test_every_picture_has_both_widths_and_alternative_text(page, storm):
    pictures = [picture for section in sections(storm) for picture in section.pictures]
    assert len(pictures) == 15
    drawings = page.all("svg")
    assert [drawing.attrs["class"] for drawing in drawings] == ["wide", "narrow"] * len(pictures)
    assert len({drawing.attrs["aria-label"] for drawing in drawings}) == len(pictures)
    assert not any("missing" in element.attrs.get("class", "") for element in page.all("p"))


def test_a_picture_is_drawn_once_for_each_width(bare, monkeypatch):
    drawn = []
    monkeypatch.setattr(figures, "inline", lambda picture, width, size: drawn.append(width) or Markup("<svg/>"))
    render_page(bare, [Section("odds", "Odds", parts=[picture(bare, "pit")])])
    assert drawn == ["wide", "narrow"]


def test_pictures_use_the_colours_of_the_page(report):
    text = report.read_text(encoding="utf-8")
    body = text[text.index("<body>") :]
    assert re.findall(r"(?:fill|stroke|color): #[0-9a-f]{6}", body) == []
    defined = set(re.findall(r"(--[a-z0-9-]+):", text))
    assert set(re.findall(r"var\((--[a-z0-9-]+)\)", text)) <= defined


def test_dark_theme_is_for_screens_only(report):
    styles = re.search(r"<style>(.*?)</style>", report.read_text(encoding="utf-8"), re.DOTALL)[1]
    queries = re.findall(r"@media ([^{]+)", styles)
    assert any("prefers-color-scheme: dark" in query for query in queries)
    assert all("screen" in query for query in queries if "dark" in query)


def test_tables_scroll_in_focusable_boxes(page):
    boxes = [element for element in page.all("div") if element.attrs.get("class") == "scroll"]
    assert len(boxes) == len(page.all("table"))
    assert all(box.attrs["tabindex"] == "0" and box.attrs["aria-label"] for box in boxes)


def test_each_picture_is_also_a_png(report, storm):
    files = sorted((report.parent / "plots").iterdir())
    assert [file.stem for file in files] == sorted(p.name for section in sections(storm) for p in section.pictures)
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in files)


def test_page_states_results_and_provenance(page, storm):
    text = page.words
    for part in ("Risk was", "The target of 10.0%", "late 2024", "studies that include", "0123abcd", "2009-12-31"):
        assert part in text
    assert f"{storm.scorecard['bias_statistic']['value']:.2f}" in text
    assert re.search(r"\b2020\s+2020-02-20\s+2020-06-30", text)


def test_page_of_a_minimal_result_lists_missing_parts(bare, tmp_path):
    text = write_report(bare, tmp_path).read_text(encoding="utf-8")
    page = check(text)
    assert "<b>mine" not in text
    assert "&lt;b&gt;mine" in text
    missing = " ".join(element.text for element in page.all("p") if "missing" in element.attrs.get("class", ""))
    for part in (
        "Turnover: left out, as the perf frame holds no transactions.",
        "Gross leverage: left out, as the run recorded no gross_leverage.",
        "Realised volatility against the target: left out, as the run had no volatility target.",
        "Risk contributions over time: left out, as the run recorded no risk contributions.",
        "Stress periods: left out, as none of the stress periods lies within the run.",
        "Forecast errors by stock: left out, as the result has no scores by stock",
    ):
        assert part in missing
    drawn = {"calibration", "predicted_realized", "exceedances", "pit"}
    assert {path.stem for path in (tmp_path / "plots").iterdir()} == drawn


def test_a_failure_leaves_the_old_page_and_no_temporary_files(bare, tmp_path, monkeypatch):
    (tmp_path / "report.html").write_text("old")
    section = Section("odds", "Odds", parts=[picture(bare, "pit")])

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("volplugin.storage.atomic.os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_page("new", [section], tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plots", "report.html"]
    assert list((tmp_path / "plots").iterdir()) == []


def test_markup_in_names_is_escaped(bare):
    details = dataclasses.replace(bare.details, model='<i title="x">', parameters={"a<b": '"><svg>'})
    text = render_page(
        dataclasses.replace(bare, details=details),
        [Section("again", "<u>", parts=[tables.details(dataclasses.replace(bare, details=details))])],
    )
    assert '<i title="x">' not in text
    assert '"><svg>' not in text
    assert "<u>" not in text
