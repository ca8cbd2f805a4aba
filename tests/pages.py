"""Run the code of a Markdown page, and write its output below it: ``python tests/pages.py README.md docs/*.md``.

A page is a script. Its ```python blocks share a namespace, its ```sh blocks are run by bash, all in one folder and in
order. A ```text block directly below is the output. Options after the language:

``file=NAME``  write the block to a file instead of running it (a strategy, say)
``slow``       takes more than a second or two: run with the slow tests alone
``check``      takes many minutes or needs missing programs: only its commands and options are checked
``needs=NAME`` run only if that library is installed
"""

from __future__ import annotations

import contextlib
import io
import linecache
import os
import re
import subprocess
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from markdown_it import MarkdownIt

CHECKOUT = Path(__file__).resolve().parent.parent
PAGES = [CHECKOUT / "README.md", CHECKOUT / "CONTRIBUTING.md", *sorted((CHECKOUT / "docs").rglob("*.md"))]
SHELLS = {"sh", "bash", "console"}
NUMBER = re.compile(r"-?\d+\.\d+")


@dataclass
class Block:
    """Code of a page, and the output shown below it."""

    language: str
    words: tuple[str, ...]
    code: str
    line: int
    expected: str | None = None
    shown: tuple[int, int] = (0, 0)

    @property
    def is_shell(self) -> bool:
        return self.language in SHELLS

    @property
    def file(self) -> str | None:
        return self._value("file")

    def _value(self, name: str) -> str | None:
        return next((word.removeprefix(f"{name}=") for word in self.words if word.startswith(f"{name}=")), None)

    def runs(self, slow: bool) -> bool:
        """Return whether it is run; shell commands, which start processes, are slow."""
        if self.file or self.language not in SHELLS | {"python"} or "check" in self.words:
            return False
        needed = self._value("needs")
        if needed is not None and find_spec(needed) is None:
            return False
        return slow or not (self.is_shell or "slow" in self.words)


def blocks(page: Path) -> list[Block]:
    """Return the fenced blocks of a page; indented ones may hold no commands."""
    found: list[Block] = []
    end = -1
    for token in MarkdownIt().parse(page.read_text(encoding="utf-8")):
        if token.type == "code_block" and re.search(r"^(make|pip|python|volplugin|zipline) ", token.content, re.M):
            raise ValueError(f"{page.name}, line {token.map[0] + 1}: commands must be in a ```sh block")
        if token.type != "fence":
            continue
        language, *words = token.info.split() or [""]
        if language == "text" and found and token.map[0] <= end + 1:
            found[-1].expected, found[-1].shown = token.content, (token.map[0] + 1, token.map[1] - 1)
        else:
            found.append(Block(language, tuple(words), token.content, token.map[0] + 1))
        end = token.map[1]
    return found


def run(page: Path, folder: Path, *, slow: bool) -> Iterator[tuple[Block, str]]:
    """Run a page in a folder, and yield each block with its output."""
    if not (folder / "strategies").exists():
        (folder / "strategies").symlink_to(CHECKOUT / "strategies")
    module = types.ModuleType(f"page_{page.stem}")
    sys.modules[module.__name__] = module
    with contextlib.chdir(folder):
        for block in blocks(page):
            if block.file:
                Path(block.file).write_text(block.code, encoding="utf-8")
            elif block.runs(slow):
                yield block, _shell(block, page) if block.is_shell else _python(block, page, module)


def _python(block: Block, page: Path, module: types.ModuleType) -> str:
    name = f"{page.name}, block at line {block.line}"
    linecache.cache[name] = (len(block.code), None, block.code.splitlines(keepends=True), name)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(block.code, name, "exec"), vars(module))
    return printed.getvalue()


def _shell(block: Block, page: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.code], capture_output=True, text=True, env=os.environ | {"PATH": path}
    )
    if done.returncode:
        raise RuntimeError(f"{page.name}, block at line {block.line}:\n{block.code}{done.stdout}{done.stderr}")
    return done.stdout


def is_same(printed: str, expected: str) -> bool:
    """Return whether two outputs agree: decimal numbers to one in the last digit, other text exactly."""
    one, other = ([line.rstrip() for line in text.strip("\n").splitlines()] for text in (printed, expected))
    if [NUMBER.sub("#", re.sub(" +", " ", line)) for line in one] != [
        NUMBER.sub("#", re.sub(" +", " ", line)) for line in other
    ]:
        return False
    numbers = zip(NUMBER.findall("\n".join(one)), NUMBER.findall("\n".join(other)), strict=True)
    return all(abs(float(a) - float(b)) <= 1.001 * 10.0 ** -len(b.partition(".")[2]) for a, b in numbers)


def refresh(page: Path, folder: Path) -> None:
    """Run a page, and write the output of its blocks into the ```text blocks below them."""
    outputs = [(block, printed) for block, printed in run(page, folder, slow=True) if block.expected is not None]
    lines = page.read_text(encoding="utf-8").splitlines()
    for block, printed in reversed(outputs):
        lines[slice(*block.shown)] = [line.rstrip() for line in printed.strip("\n").splitlines()]
    page.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main(arguments: list[str]) -> None:
    """Refresh pages, in temporary folders and on the bundles under ``ZIPLINE_ROOT``."""
    import tempfile

    for name in arguments:
        with tempfile.TemporaryDirectory() as folder:
            refresh(Path(name).resolve(), Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
