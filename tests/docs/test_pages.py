"""Every code block of README and docs does what the page says, and prints what it shows."""

import pydoc
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import click
import pytest
import zipline

import pages
from volplugin.adapters.zipline import run_backtest
from volplugin.cli import main

every_page = pytest.mark.parametrize("page", pages.PAGES, ids=lambda page: page.name)
PROGRAMS = {"make", "volplugin"}
YOUR_DATA = pages.CHECKOUT / "docs" / "your-data.md"


def run_and_compare(page: Path, folder: Path, slow: bool) -> None:
    for block, printed in pages.run(page, folder, slow=slow):
        if block.expected is not None:
            where = f"{page.name}, line {block.line}"
            assert pages.is_same(printed, block.expected), f"{where} prints\n{printed}\nand shows\n{block.expected}"


@every_page
def test_python_blocks_run(page, tmp_path, dow30_root, monkeypatch):
    monkeypatch.setenv("ZIPLINE_ROOT", str(dow30_root))
    run_and_compare(page, tmp_path, slow=False)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@every_page
def test_all_blocks_run(page, tmp_path, dow30_root, monkeypatch):
    monkeypatch.setenv("ZIPLINE_ROOT", str(dow30_root))
    run_and_compare(page, tmp_path, slow=True)


@every_page
def test_commands_and_options_exist(page):
    for program, *arguments in commands(page):
        if program == "make":
            done = subprocess.run(["make", "-n", *arguments], cwd=pages.CHECKOUT, capture_output=True, text=True)
            assert done.returncode == 0, f"{page.name}: make {shlex.join(arguments)}: {done.stderr}"
        else:
            check_options(page, arguments)


def check_options(page: Path, arguments: list[str]) -> None:
    """Parse the arguments of a ``volplugin`` command without running it."""
    try:
        name, command, rest = main.resolve_command(click.Context(main), arguments)
        parser = command.make_parser(click.Context(command))
        parser.parse_args(list(rest))
    except click.UsageError as error:
        pytest.fail(f"{page.name}: volplugin {shlex.join(arguments)}: {error.format_message()}")


def commands(page: Path) -> list[list[str]]:
    """Return the calls of our programs in the shell blocks of a page, a list of words each."""
    found = []
    for block in pages.blocks(page):
        if block.is_shell:
            for line in block.code.replace("\\\n", " ").splitlines():
                words = shlex.split(re.split(r"\s[|>&]", line)[0], comments=True)
                while words and re.match(r"\w+=", words[0]):
                    words = words[1:]
                if words and words[0] in PROGRAMS and not {"-h", "--help", "--version"} & set(words):
                    found.append(words)
    return found


DIFFS = {block.code.split()[1]: block.code for block in pages.blocks(YOUR_DATA) if block.language == "diff"}
RUNS = {
    "buyapple": ("2014-01-02", "2014-04-30"),
    "momentum_pipeline": ("2014-01-02", "2014-04-30"),
    "olmar": ("2014-01-02", "2014-04-30"),
    "dual_moving_average": ("2012-12-03", "2014-08-29"),
}
"""First and last session; the moving averages need 300 sessions."""


def patched(diff: str, source: str) -> str:
    """Apply the hunks of a diff, each of which has one place in a source."""
    for hunk in re.split(r"^(?:--- .*|@@)\n", diff, flags=re.M)[1:]:
        lines = hunk.splitlines(keepends=True)
        old, new = ("".join(line[1:] or "\n" for line in lines if line[0] in marks) for marks in (" -", " +"))
        assert source.count(old) == 1, f"not once in the example:\n{old}"
        source = source.replace(old, new)
    return source


def test_diffs_of_zipline_examples_apply():
    assert len(DIFFS) == len(RUNS) == 4
    for name, diff in DIFFS.items():
        compile(patched(diff, example(name)), name, "exec")


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", RUNS)
def test_zipline_examples_run_with_predicted_risk(name, dow30_root, monkeypatch):
    monkeypatch.setenv("ZIPLINE_ROOT", str(dow30_root))
    script: dict[str, Any] = {"__name__": name}
    exec(patched(DIFFS[f"zipline/examples/{name}.py"], example(f"zipline/examples/{name}.py")), script)
    hooks = {hook: script[hook] for hook in ("initialize", "handle_data", "before_trading_start") if hook in script}
    start, end = RUNS[name]
    perf = run_backtest(bundle="dow30", start=start, end=end, **hooks)
    assert perf["predicted_vol"].iloc[-1] > 0.05
    assert perf.attrs["risk_report"]["sessions"] >= 63


def example(name: str) -> str:
    """Return the source of one of zipline's examples."""
    return (Path(zipline.__file__).parents[1] / name).read_text(encoding="utf-8")


def test_every_page_is_linked_from_another():
    texts = {page.name: page.read_text(encoding="utf-8") for page in pages.PAGES}
    for page in pages.PAGES[1:]:
        others = "".join(text for name, text in texts.items() if name != page.name)
        assert page.name in others, f"no page links to {page.name}"


@every_page
def test_links_lead_to_files_and_headings(page):
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text(encoding="utf-8")):
        file, _, heading = target.partition("#")
        aim = page.parent / file if file else page
        assert aim.exists(), f"{page.name} links to {target}"
        if heading:
            assert heading in slugs(aim), f"{page.name} links to {target}; there are {slugs(aim)}"


@every_page
def test_names_of_the_package_resolve(page):
    for name in re.findall(r"`(volplugin(?:\.\w+)+)(?:\(.*?\))?`", page.read_text(encoding="utf-8")):
        if not name.startswith(("volplugin.adapters.skfolio", "volplugin.adapters.bt")):  # need the engine
            assert pydoc.locate(name) is not None, f"{page.name} names {name}"


def slugs(page: Path) -> set[str]:
    """Anchors of the headings of a page, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize(
    ("printed", "expected", "same"),
    [
        ("vol 0.101\n", "vol 0.102\n", True),
        ("vol 0.101\n", "vol 0.103\n", False),
        ("2010-01-04  30\n", "2010-01-04 30\n", True),
        ("2010-01-04\n", "2010-01-05\n", False),
        ("a\nb\n", "a\n", False),
    ],
)
def test_outputs_are_compared(printed, expected, same):
    assert pages.is_same(printed, expected) is same


def test_commands_in_indented_blocks_are_refused(tmp_path):
    (tmp_path / "page.md").write_text("text\n\n    volplugin ingest dow30\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 3: commands must be in a ```sh block"):
        pages.blocks(tmp_path / "page.md")
