"""The import graph of the package has no cycle, whatever way a module is imported."""

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

import volplugin

ROOT = Path(volplugin.__file__).parent
DOTTED = re.compile(r"volplugin(\.\w+)+")


def module_name(file: Path) -> str:
    parts = ("volplugin", *file.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts).removesuffix(".__init__")


def imports_of(file: Path, modules: set[str]) -> set[str]:
    """Modules that a file imports: at its top, inside functions, under TYPE_CHECKING, or by a string."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            found |= {match[0] for match in map(DOTTED.search, map(ast.unparse, node.args)) if match}
    return found & modules


def import_graph() -> dict[str, set[str]]:
    files = {module_name(file): file for file in sorted(ROOT.rglob("*.py"))}
    graph = {name: imports_of(file, set(files)) - {name, "volplugin"} for name, file in files.items()}
    # A name that a package re-exports is an import of the submodule, not of the package that re-exports it.
    return {name: {other for other in others if not name.startswith(f"{other}.")} for name, others in graph.items()}


def test_no_import_cycle():
    TopologicalSorter(import_graph()).prepare()


def test_every_kind_of_import_counts(tmp_path):
    file = tmp_path / "module.py"
    file.write_text(
        "from typing import TYPE_CHECKING\n"
        "import importlib\n"
        "if TYPE_CHECKING:\n    from volplugin.a import A\n"
        "def f():\n    import volplugin.b\n    importlib.import_module('volplugin.c')\n"
    )
    known = {"volplugin.a", "volplugin.b", "volplugin.c", "volplugin.d"}
    assert imports_of(file, known) == known - {"volplugin.d"}


def test_the_top_of_the_package_is_small():
    assert len(list(ROOT.glob("*.py"))) <= 6
    assert len([folder for folder in ROOT.iterdir() if (folder / "__init__.py").exists()]) <= 11
