"""Build the documentation, without network: ``python tools/build_docs.py SITE [DEMO]``.

DEMO is the result folder of ``volplugin demo``: its page is linked, and the gallery is drawn from its numbers.
"""

from __future__ import annotations

import base64
import importlib
import inspect
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat

CHECKOUT = Path(__file__).resolve().parent.parent
STAGED = CHECKOUT / "build" / "docs"
DIRECTIVE = re.compile(r"^::: (volplugin[\w.]*)$", re.M)
OUTSIDE = re.compile(
    r"\]\((?:\.\./)?((?:strategies|tests|benchmarks|volplugin|bundles|tools)[\w./-]*|LICENSE|CHANGELOG\.md|Makefile)\)"
)
NOT_IMPORTED = {"volplugin.adapters.bt", "volplugin.adapters.skfolio"}
"""Modules that need an optional library; their pages are built from the source."""
SIZE, ACROSS = (4.8, 3.1), 600
"""Inches of a picture of the gallery, and its pixels on a wide page; a phone shows it narrower and still legible."""
PANDAS = re.compile(r'<style scoped>.*?</style>| border="1" class="dataframe"', re.S)
"""What pandas adds to its tables, and the site's style replaces."""
OPTIONS = re.compile(r"^```(\w+) (?:check|slow|file=\S+|needs=\S+).*$", re.M)


def load(name: str) -> ModuleType:
    """Import a module, and load its lazy names."""
    module = importlib.import_module(name)
    for public in getattr(module, "__all__", ()):
        setattr(module, public, getattr(module, public))
    return module


def public(name: str) -> list[tuple[str, Any]]:
    """Return a public name and its object; of a module, all public names."""
    parent, _, last = name.rpartition(".")
    found = getattr(load(parent), last, None) if parent else None
    if found is not None and not isinstance(found, ModuleType):
        return [(name, found)]
    module = load(name)
    own = [each for each, value in vars(module).items() if getattr(value, "__module__", "") == name and each[0] != "_"]
    return [(f"{name}.{each}", getattr(module, each)) for each in getattr(module, "__all__", own)]


def directives(name: str) -> str:
    """Return mkdocstrings directives for a public name or module; the page shows the public path."""
    if name in NOT_IMPORTED:
        return f"::: {name}\n    options: {{show_root_toc_entry: false}}\n"
    lines = []
    for path, value in public(name):
        if inspect.isclass(value) or inspect.isfunction(value):
            lines.append(f"::: {_source(value.__module__)}.{value.__qualname__}")
            lines.append(f"    options: {{heading: {path}, toc_label: {value.__name__}}}\n")
    return "\n".join(lines)


def _source(module: str) -> str:
    """Return the path of a module in the checkout."""
    return module.replace("volplugin._bundles", "bundles").replace("volplugin._gallery", "strategies")


def staged(text: str) -> str:
    """Return a page as the site needs it: options of code blocks and links to files outside the site are removed."""
    text = DIRECTIVE.sub(lambda found: directives(found[1]), text)
    text = re.sub(r"\[([^]]+)" + OUTSIDE.pattern, r"\1", text)
    return OPTIONS.sub(r"```\1", text)


def stage(demo: Path | None) -> None:
    """Copy the pages into the staging folder; add the home page and the gallery."""
    shutil.rmtree(STAGED, ignore_errors=True)
    shutil.copytree(CHECKOUT / "docs", STAGED)
    for page in STAGED.rglob("*.md"):
        text = page.read_text(encoding="utf-8").replace("](../README.md", "](index.md")
        page.write_text(staged(text.replace("](../CONTRIBUTING.md", "](contributing.md")), encoding="utf-8")
    home = (CHECKOUT / "README.md").read_text(encoding="utf-8").replace("CONTRIBUTING.md", "contributing.md")
    home = re.sub(r"<picture>.*?</picture>", _themed, home, flags=re.S)
    home = re.sub(r'(\]\(|")docs/', r"\1", home).replace("](volplugin.ipynb)", "](notebook.md)")
    (STAGED / "index.md").write_text(staged(home), encoding="utf-8")
    cells = "\n\n".join(notebook(STAGED / "volplugin.ipynb", STAGED / "notebook"))
    text = cells.replace("\n\n", "\n\n[Download this notebook](volplugin.ipynb){download}\n\n", 1)
    (STAGED / "notebook.md").write_text(text, encoding="utf-8")
    contributing = (CHECKOUT / "CONTRIBUTING.md").read_text(encoding="utf-8").replace("README.md", "index.md")
    (STAGED / "contributing.md").write_text(staged(contributing.replace("](docs/", "](")), encoding="utf-8")
    page = STAGED / "gallery.md"
    text = page.read_text(encoding="utf-8")
    if demo is not None:
        text = text.replace("the page of the demo", "[the page of the demo](demo/report.html)")
    plots = "" if demo is None else "\n".join(gallery(demo))
    page.write_text(text.replace("<!-- plots -->", plots), encoding="utf-8")


def _themed(found: re.Match[str]) -> str:
    """Return a picture whose variant follows the theme of the site, not of the system."""
    dark, light = re.findall(r'(?:srcset|src)="([^"]+)"', found[0])
    alt = re.findall(r'alt="([^"]*)"', found[0])[0]
    return f"![{alt}]({light}){{.light}}![{alt}]({dark}){{.dark}}"


def notebook(path: Path, pictures: Path) -> Iterator[str]:
    """Yield the cells of a notebook and their outputs as Markdown; pictures become files of the folder `pictures`."""
    pictures.mkdir()
    for place, cell in enumerate(nbformat.read(path, as_version=4).cells):
        yield cell.source if cell.cell_type == "markdown" else f"```python\n{cell.source}\n```"
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if "image/png" in data:
                (pictures / f"{place}.png").write_bytes(base64.b64decode(data["image/png"]))
                yield f"![Plot that the cell above draws]({pictures.name}/{place}.png)"
            elif "text/html" in data:  # on one line, which Markdown leaves as it is
                yield " ".join(PANDAS.sub("", data["text/html"]).split())
            else:
                yield f"```text\n{(output.get('text') or data['text/plain']).rstrip()}\n```"


def gallery(demo: Path) -> Iterator[str]:
    """Yield the lines of the gallery: name, first sentence, call and picture of every plot of a backtest."""
    from volplugin.errors import VolpluginError
    from volplugin.report import plots, read_result
    from volplugin.report.axes import DARK, LIGHT
    from volplugin.report.page import draw

    shutil.copytree(demo, STAGED / "demo", ignore=shutil.ignore_patterns("models", "*.pkl", "*.npz", "plots"))
    result, folder = read_result(demo), STAGED / "gallery"
    folder.mkdir()
    for name in plots.__all__:
        plot = getattr(plots, name)
        title = name.removeprefix("plot_").replace("_", " ").capitalize()
        sentence = " ".join((inspect.getdoc(plot) or "").split("\n\n")[0].split())
        yield f"## {title}\n\n{sentence}\n\n```python\nplots.{name}(result)\n```\n"
        try:
            for theme in (LIGHT, DARK):
                (folder / f"{name}-{theme.name}.png").write_bytes(draw(partial(plot, result), theme, SIZE))
        except VolpluginError as error:
            yield f"Not drawn: {error}.\n"
        else:
            themes = (
                f"![{title}](gallery/{name}-{theme}.png){{.{theme} width={ACROSS}}}" for theme in ("light", "dark")
            )
            yield f"{''.join(themes)}\n"


def main(site: str, demo: str | None = None) -> None:
    """Stage the pages and build the site; a warning is an error."""
    stage(None if demo is None else Path(demo))
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(Path(site).resolve())]
    sys.exit(subprocess.run(command, cwd=CHECKOUT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}).returncode)


if __name__ == "__main__":
    main(*sys.argv[1:])
