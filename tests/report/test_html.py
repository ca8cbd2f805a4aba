import base64
import re
from html.parser import HTMLParser

import pytest

from volplugin.report import html, write_report


class Tags(HTMLParser):
    """Collects tags with their attributes, and complains of tags that do not close in order."""

    VOID = frozenset({"meta", "img"})

    def __init__(self):
        super().__init__()
        self.found, self.open = [], []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def report(result, tmp_path_factory):
    return write_report(result, tmp_path_factory.mktemp("out") / "new")


@pytest.fixture(scope="module")
def tags(report):
    parser = Tags()
    parser.feed(report.read_text(encoding="utf-8"))
    assert parser.open == []
    return parser.found


def test_page_needs_no_other_file_and_no_network(report, tags):
    text = report.read_text(encoding="utf-8")
    assert "://" not in text
    assert "@import" not in text
    assert "<script" not in text
    links = [value for _, attrs in tags for key, value in attrs.items() if key in ("src", "srcset", "href")]
    assert links
    assert all(link.startswith("data:image/svg+xml;base64,") for link in links)


def test_every_picture_comes_for_both_widths_and_both_themes(tags):
    images = [attrs for tag, attrs in tags if tag == "img"]
    variants = [image["class"] for image in images]
    for variant in ("wide light", "wide dark", "narrow light", "narrow dark"):
        assert variants.count(variant) == len(html.PICTURES)
    assert all(image["alt"] and image["width"] and image["height"] for image in images)
    assert len({image["src"] for image in images}) == len(images)


def test_dark_is_for_screens_alone(report):
    styles = re.search(r"<style>(.*?)</style>", report.read_text(encoding="utf-8"), re.DOTALL)[1]
    queries = re.findall(r"@media ([^{]+)", styles)
    assert any("prefers-color-scheme: dark" in query for query in queries)
    assert all("screen" in query for query in queries if "dark" in query)


def test_embedded_pictures_are_drawings(tags):
    source = next(attrs["src"] for tag, attrs in tags if tag == "img")
    svg = base64.b64decode(source.split(",", 1)[1]).decode()
    assert svg.lstrip().startswith("<?xml")
    assert svg.count("<path") > 10


def test_each_picture_is_a_png_beside_the_page(report):
    files = sorted(path.name for path in (report.parent / "plots").iterdir())
    assert files == sorted(f"{picture.name}.png" for picture in html.PICTURES)
    assert all((report.parent / "plots" / name).read_bytes().startswith(b"\x89PNG") for name in files)


def test_page_states_what_was_found_and_where_it_comes_from(report, result):
    text = re.sub(r"<[^>]+>", "", report.read_text(encoding="utf-8"))
    for said in (
        "Risk was",
        "The target of 10.0%",
        "late 2024",
        "studies that include",
        "0123abcd",
        "2009-12-31",
    ):
        assert said in text
    assert f"{result.scorecard['bias_statistic']['value']:.2f}" in text


def test_same_result_gives_the_same_page(bare, monkeypatch):
    pictures = [picture for picture in html.PICTURES if picture.name == "calibration"]
    assert html.render_page(bare, pictures) == html.render_page(bare, pictures)


def test_a_bare_result_makes_a_page_and_its_names_are_escaped(bare, tmp_path):
    text = write_report(bare, tmp_path).read_text(encoding="utf-8")
    assert "<b>mine" not in text
    assert "&lt;b&gt;mine" in text
    assert "Which model forecasts best?" not in text
    assert sorted(path.stem for path in (tmp_path / "plots").iterdir()) == [
        "calibration",
        "predicted_realized",
    ]


def test_a_failure_leaves_the_old_page_and_no_scraps(bare, tmp_path, monkeypatch):
    (tmp_path / "report.html").write_text("old")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("volplugin.files.os.replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_report(bare, tmp_path)
    assert (tmp_path / "report.html").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["plots", "report.html"]
    assert list((tmp_path / "plots").iterdir()) == []
