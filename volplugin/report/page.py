"""Render pages: one self-contained HTML file each, and its plots as PNG files in the same folder."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from volplugin.errors import VolpluginError
from volplugin.report.figures import SIZE, Picture, png
from volplugin.report.theme import DARK, LIGHT
from volplugin.storage.atomic import write_files

DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
MINUS = re.compile(r"(?<![\w.])-(?=\d)")


def render(template: str, plots: ModuleType, subject: Any, **values: Any) -> tuple[str, list[Picture]]:
    """Render a page; return HTML and the pictures that the template draws.

    Parameters
    ----------
    template : str
        Extends ``page.html.j2``; draws a plot by ``figure(name, title, caption, options)``, where the options are
        ``file`` (its name, if not the plot's), ``size``, ``given`` (arguments, if not the subject), and keywords.
    plots : module
        Has a function ``plot_NAME`` for each plot.
    subject : object
        First argument of the plots.
    **values
        ``title`` of the browser window; ``eyebrow`` and ``headline``, the line above the headline and the headline;
        ``lede``, sentences below it; ``answers``, the tiles; and what the template needs further.
    """
    pictures = list[Picture]()

    def figure(
        name: str, title: str, caption: str, options: Mapping[str, Any] = MappingProxyType({})
    ) -> Picture | None:
        """Draw a plot by name; None if the subject lacks its numbers."""
        keywords = {"file": name, "size": SIZE, "given": (subject,), **options}
        file, size, given = (keywords.pop(key) for key in ("file", "size", "given"))
        plot = partial(getattr(plots, f"plot_{name}"), *given, **keywords)
        picture = Picture(file, plot, caption, f"Plot, {title[0].lower()}{title[1:]}. {caption}", size)
        try:
            _ = picture.svg
        except VolpluginError:
            return None
        pictures.append(picture)
        return picture

    loader = PackageLoader("volplugin.report")
    environment = Environment(
        loader=loader,
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_typographic,
    )
    environment.filters["dates"] = _unbroken_dates
    environment.globals |= {"figure": figure, "links": []}
    script = Markup(loader.get_source(environment, "page.js")[0])
    page = environment.get_template(template).render(light=LIGHT, dark=DARK, script=script, **values)
    return page, pictures


def write_page(page: str, pictures: Iterable[Picture], path: str | os.PathLike[str]) -> Path:
    """Write a page, and its pictures as ``plots/*.png`` in the same folder; each write is atomic.

    Returns
    -------
    Path
        The page. It refers to no other file and no network address.
    """
    file = Path(path)
    plots = {f"plots/{picture.name}.png": png(picture) for picture in pictures}
    write_files(file.parent, plots | {file.name: page.encode()})
    return file


def _typographic(value: Any) -> Any:
    """Replace a hyphen before a digit by a minus sign, and a single hyphen by a dash."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return "–" if value == "-" else MINUS.sub("−", value)


def _unbroken_dates(text: str) -> Markup:
    """Escape a text, and forbid line breaks inside dates."""
    return Markup(DATE.sub(r'<span class="date">\g<0></span>', str(escape(_typographic(text)))))
