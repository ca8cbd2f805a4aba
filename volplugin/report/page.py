"""Render pages: one self-contained HTML file each, and its plots as PNG files in the same folder."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from volplugin.report.figures import Picture, png
from volplugin.report.format import Table
from volplugin.report.theme import DARK, LIGHT
from volplugin.storage.atomic import write_atomically

DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class Pair:
    """Parts shown side by side; on a narrow page, one below the other."""

    parts: Sequence[Picture | Table]


@dataclass(frozen=True)
class Points:
    """A bulleted list of sentences."""

    sentences: Sequence[str]


Part: TypeAlias = Picture | Table | Pair | Points


@dataclass(frozen=True)
class Section:
    """A section of a page: anchor, title, sentences below the title, and parts."""

    id: str
    title: str
    sentences: Sequence[str] = ()
    parts: Sequence[Part] = ()

    @property
    def pictures(self) -> Iterator[Picture]:
        """The pictures of the section, including the pictures of each pair."""
        for part in self.parts:
            yield from (one for one in (part.parts if isinstance(part, Pair) else [part]) if isinstance(one, Picture))


def render(template: str = "page.html.j2", **values: Any) -> str:
    """Render a page; return HTML.

    Parameters
    ----------
    template : str, default "page.html.j2"
    title : str
        Title of the browser window.
    eyebrow, headline : str
        Line above the headline, and the headline.
    lede : sequence of str
        Sentences below the headline.
    answers : sequence of Answer
    sections : sequence of Section
    """
    loader = PackageLoader("volplugin.report")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["dates"] = _unbroken_dates
    script = Markup(loader.get_source(environment, "page.js")[0])
    return environment.get_template(template).render(light=LIGHT, dark=DARK, script=script, links=[], **values)


def write_page(page: str, pictures: Iterable[Picture | Section], path: str | os.PathLike[str]) -> Path:
    """Write a page, and its pictures (or of its sections) as ``plots/*.png`` in the same folder; each write is atomic.

    Returns
    -------
    Path
        The page. It refers to no other file and no network address.
    """
    file = Path(path)
    for one in pictures:
        for picture in one.pictures if isinstance(one, Section) else [one]:
            write_atomically(file.parent / "plots" / f"{picture.name}.png", png(picture))
    return write_atomically(file, page.encode())


def _unbroken_dates(text: str) -> Markup:
    """Escape a text, and forbid line breaks inside dates."""
    return Markup(DATE.sub(r'<span class="date">\g<0></span>', str(escape(text))))
