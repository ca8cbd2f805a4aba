"""The documentation: every public name has a docstring and a place in the API; the site builds and loads nothing."""

import importlib.util
import inspect
import re
import subprocess
import sys
from importlib.util import find_spec

import nbformat
import pytest

import pages
import volplugin

SCRIPT = pages.CHECKOUT / "tools" / "build_docs.py"
LOADED = re.compile(
    r"<(?:script|img|iframe)[^>]+src=\"?https?:|<link[^>]+rel=\"?stylesheet[^>]+https?:|url\(\"?https?:"
)


@pytest.fixture(scope="module")
def reference():
    spec = importlib.util.spec_from_file_location("build_docs", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def directives(reference) -> list[str]:
    """Public names and modules that the API pages list."""
    text = "".join(page.read_text(encoding="utf-8") for page in (pages.CHECKOUT / "docs" / "api").glob("*.md"))
    return [name for name in reference.DIRECTIVE.findall(text) if name not in reference.NOT_IMPORTED]


def undocumented(path: str, value) -> list[str]:
    """A public name of ours, and the members of a class, that have no docstring."""
    missing = [] if inspect.getdoc(value) else [path]
    for method, member in inspect.getmembers(value) if inspect.isclass(value) else ():
        ours = getattr(inspect.unwrap(getattr(member, "fget", member)), "__module__", None) or ""
        if not method.startswith("_") and ours.startswith("volplugin") and not inspect.getdoc(member):
            missing.append(f"{path}.{method}")
    return missing


def test_every_public_name_has_a_docstring(reference):
    found = {path: value for name in directives(reference) for path, value in reference.public(name)}
    ours = {path: value for path, value in found.items() if getattr(value, "__module__", "").startswith("volplugin")}
    assert len(ours) > 150
    assert [line for path, value in ours.items() if callable(value) for line in undocumented(path, value)] == []


def test_every_name_of_the_package_is_in_the_api(reference):
    listed = {value for name in directives(reference) for _, value in reference.public(name) if callable(value)}
    assert [name for name in volplugin.__all__ if getattr(volplugin, name) not in listed] == []


def test_the_notebook_becomes_a_page_with_its_outputs(reference, tmp_path):
    path = pages.CHECKOUT / "docs" / "volplugin.ipynb"
    text = "\n\n".join(reference.notebook(path, tmp_path / "notebook"))
    drawn = re.findall(r"\]\(notebook/(\d+\.png)\)", text)
    assert sorted(drawn) == sorted(file.name for file in (tmp_path / "notebook").iterdir())
    assert len(drawn) == 2
    for cell in nbformat.read(path, as_version=4).cells:
        assert cell.source in text
    assert text.count("<table>") >= 5
    assert "<style" not in text
    assert all(line.count("<div") == line.count("</div>") for line in text.splitlines())


@pytest.mark.slow
@pytest.mark.skipif(find_spec("mkdocstrings") is None, reason="needs the extra `docs`")
def test_the_site_builds_and_loads_nothing_from_the_network(tmp_path):
    done = subprocess.run([sys.executable, SCRIPT, tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "volplugin.PricePanel" in (tmp_path / "api" / "prices.html").read_text(encoding="utf-8")
    assert len(list((tmp_path / "notebook").glob("*.png"))) == 2
    for file in [*tmp_path.rglob("*.html"), *tmp_path.rglob("*.css")]:
        assert not LOADED.search(file.read_text(encoding="utf-8")), file.name
