"""The API reference: every public name says what it is, and the pages build without a warning."""

import importlib.util
import inspect
import subprocess
import sys

import pytest

import pages

SCRIPT = pages.CHECKOUT / "tools" / "build_docs.py"


@pytest.fixture(scope="module")
def reference():
    spec = importlib.util.spec_from_file_location("build_docs", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def undocumented(module) -> list[str]:
    """Public names of ours in a module, and in its classes, that have no docstring."""
    missing = []
    for name in getattr(module, "__all__", [name for name in vars(module) if not name.startswith("_")]):
        value = getattr(module, name)
        if not getattr(value, "__module__", "").startswith(("volplugin", "bundles")) or not callable(value):
            continue
        missing += [name] if not inspect.getdoc(value) else []
        for method, member in inspect.getmembers(value) if inspect.isclass(value) else ():
            ours = getattr(inspect.unwrap(getattr(member, "fget", member)), "__module__", None) or ""
            if not method.startswith("_") and ours.startswith("volplugin") and not inspect.getdoc(member):
                missing.append(f"{name}.{method}")
    return missing


def test_every_public_name_has_a_docstring(reference):
    for name in reference.MODULES:
        module = reference.load(name)
        assert module.__doc__, name
        assert undocumented(module) == [], name


@pytest.mark.slow
def test_it_builds_without_a_warning(tmp_path, reference):
    done = subprocess.run([sys.executable, SCRIPT, tmp_path / "api"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stderr == ""
    assert 'id="PricePanel.asof"' in (tmp_path / "api" / "volplugin.html").read_text(encoding="utf-8")
    for name in reference.MODULES:
        assert (tmp_path / "api" / f"{name.replace('.', '/')}.html").is_file()
