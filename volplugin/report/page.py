"""What a page is made of, and the way from its parts to a file: one template for all pages."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from volplugin.files import write_atomically
from volplugin.report.drawing import Picture, png
from volplugin.report.tables.table import Table
from volplugin.report.theme import DARK, LIGHT

DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True)
class Pair:
    """Two parts side by side, one under the other on a narrow page."""

    parts: Sequence[Picture | Table]


@dataclass(frozen=True)
class Points:
    """A list of sentences."""

    sentences: Sequence[str]


Part: TypeAlias = Picture | Table | Pair | Points


@dataclass(frozen=True)
class Section:
    """A chapter of a page.

    Attributes
    ----------
    id : str
        What links to it are made of.
    title : str
    said : sequence of str
        Sentences under the title.
    parts : sequence of Part
    missing : sequence of str
        What had to be left out, and why.
    """

    id: str
    title: str
    said: Sequence[str] = ()
    parts: Sequence[Part] = ()
    missing: Sequence[str] = ()

    @property
    def pictures(self) -> Iterator[Picture]:
        """Every picture of the section."""
        for part in self.parts:
            yield from (one for one in (part.parts if isinstance(part, Pair) else [part]) if isinstance(one, Picture))


def render(**values: Any) -> str:
    """Return a page as text.

    Parameters
    ----------
    title, eyebrow, headline : str
        Of the window, and of the page's head.
    lede : sequence of str
        Sentences at its head.
    answers, tiles
        Questions with their answers, and leading numbers; may be empty.
    sections : sequence of Section
    """
    environment = Environment(
        loader=PackageLoader("volplugin.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["dates"] = _unbroken_dates
    return environment.get_template("page.html.j2").render(light=LIGHT, dark=DARK, **values)


def write_page(page: str, sections: Sequence[Section], path: str | os.PathLike[str]) -> Path:
    """Write a page, and the pictures of its sections as ``plots/*.png`` beside it, each file whole or not at all.

    Returns
    -------
    Path
        Of the page, which needs no other file and no network.
    """
    file = Path(path)
    for picture in (picture for section in sections for picture in section.pictures):
        write_atomically(file.parent / "plots" / f"{picture.name}.png", png(picture))
    return write_atomically(file, page.encode())


def _unbroken_dates(text: str) -> Markup:
    """Escape a text, and keep lines from breaking inside its dates."""
    return Markup(DATE.sub(r'<span class="date">\g<0></span>', str(escape(text))))
