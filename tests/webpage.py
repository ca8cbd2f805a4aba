"""Parse a page of the package, and check the rules of all its pages."""

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = frozenset({"meta"})
FORBIDDEN = frozenset({"link", "iframe", "object", "embed", "img"})


@dataclass
class Element:
    tag: str
    attrs: dict
    text: str = ""


@dataclass
class Page(HTMLParser):
    """Elements in order, each with the text directly within it."""

    source: str
    elements: list = field(default_factory=list)
    open: list = field(default_factory=list)

    def __post_init__(self):
        super().__init__()
        self.feed(self.source)
        assert self.open == [], "elements are left open"

    def handle_starttag(self, tag, attrs):
        element = Element(tag, dict(attrs))
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_startendtag(self, tag, attrs):
        self.elements.append(Element(tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop().tag == tag, f"</{tag}> closes another element"

    def handle_data(self, data):
        if self.open:
            self.open[-1].text += data

    def all(self, tag):
        return [element for element in self.elements if element.tag == tag]

    @property
    def ids(self):
        return [element.attrs["id"] for element in self.elements if "id" in element.attrs]

    @property
    def words(self):
        return " ".join(element.text for element in self.elements if element.tag not in ("style", "title", "script"))


def check(source: str) -> Page:
    """Parse a page; assert that it is self-contained, well formed, and free of NaN."""
    page = Page(source)
    assert not FORBIDDEN & {element.tag for element in page.elements}
    assert all(element.attrs == {} for element in page.all("script")), "a script from elsewhere"
    assert "://" not in source
    assert "@import" not in source
    assert len(set(page.ids)) == len(page.ids), "duplicate id"
    links = [value for element in page.elements for name, value in element.attrs.items() if name.endswith("href")]
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in links)
    targets = [link[1:] for link in links if link.startswith("#")] + re.findall(r"url\(#([^)]+)\)", source)
    assert set(targets) <= set(page.ids), "broken link"
    assert not re.search(r"\b(nan|NaN|None|inf|Infinity|NaT)\b", page.words)
    for drawing in page.all("svg"):
        assert drawing.attrs["role"] == "img"
        assert len(drawing.attrs["aria-label"]) > 20
    return page
