"""Change one expression of a package at a time with mutmut, on a random sample, and count what tests notice.

Tests that start another Python cannot notice any, since the process that they start lacks the changes: those of
`SKIPPED` are left out. Survivors are judged in `JUDGED`: equivalent (no result can differ), text only (a word of a
message, of a log line, of a name in a hashed description), or open.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import click

from kit.fast_first import LONGEST

ROOT = Path(__file__).parents[2]

TESTS = {
    "volplugin/storage": ["tests/storage"],
    "volplugin/data": ["tests/data"],
    "volplugin/risk": ["tests/risk"],
    "volplugin/adapters/zipline/audit": ["tests/adapters/zipline/audit"],
}
"""Of each package the tests that should notice a change; of the audit those without backtests, which take minutes."""

SKIPPED = (
    "two_processes_that_train",
    "a_process_of_its_own",
    "ends_with_the_process",
    "passes_in_processes",
)
"""Parts of the names of tests that start another Python."""

UNTOUCHED = {
    "volplugin/adapters/zipline/audit/run.py": ("def record(",),
    "volplugin/adapters/zipline/audit/models.py": ("def frames(", "def replaced("),
    "volplugin/adapters/zipline/audit/watch.py": (
        *("def _importing(", "def _loading(", "def _reading_variable(", "def notice(", "def _local_busy("),
    ),
}
"""Functions left as they are: the audit finds them by name or by depth in the call stack, which mutmut changes."""

SURVIVED = {0: "survived", 5: "no test", 33: "no test"}
"""Exit status of the tests, where they did not notice the change; any other is an error, a crash or a timeout."""


NONE = "no.such.mutant"

JUDGED = Path(__file__).with_name("survivors.json")
"""By function and changed line: why no test notices the change, or what is missing."""


@click.command()
@click.argument("package", type=click.Choice(sorted(TESTS)))
@click.option("--sample", default=300, show_default=True, type=click.IntRange(min=1), help="Mutants to try.")
@click.option("--seed", default=0, show_default=True, help="Of the sample.")
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(min=1), help="Processes at once.")
@click.option("--longest", default=2.0, show_default=True, help="Seconds of a test above which it is left out.")
@click.option(
    "--work", type=click.Path(path_type=Path), help="Folder to keep; a second run tries only survivors again."
)
def main(package: str, sample: int, seed: int, jobs: int, longest: float, work: Path | None) -> None:
    """Try a sample of the mutants of PACKAGE."""
    os.environ[LONGEST] = str(longest)
    with contextlib.nullcontext(work) if work else tempfile.TemporaryDirectory(prefix="volplugin-mutate-") as folder:
        place = Path(folder).resolve()
        python, checkout = environment(place), copy(place / "checkout", package)
        mutmut(python, checkout, jobs, NONE)
        for name, target in {"_bundles": "bundles", "_gallery": "strategies"}.items():  # as setup.py maps them
            (link := checkout / "mutants" / "volplugin" / name).unlink(missing_ok=True)
            link.symlink_to(checkout / "mutants" / target)
        status = codes(checkout, package)
        chosen = sorted(random.Random(seed).sample(sorted(status), min(sample, len(status))))
        left = [name for name in chosen if status[name] is None or status[name] in SURVIVED]
        click.echo(f"{len(status):,} mutants of {package}; {len(chosen)} chosen, {len(left)} to try")
        if left:
            mutmut(python, checkout, jobs, *left)
        status = codes(checkout, package)
        left = {name: difference(python, checkout, name) for name in chosen if status[name] in SURVIVED}
    judged = json.loads(JUDGED.read_text())
    judgements = {name: judgement(name, change, judged) for name, change in left.items()}
    for name, change in left.items():
        click.echo(f"\n{SURVIVED[status[name]]} {name}: {judgements[name]}\n{change}")
    noticed = len(chosen) - len(left)
    kinds = Counter(text.partition(":")[0] for text in judgements.values())
    click.echo(
        f"\n{package}: {noticed} of {len(chosen)} noticed ({noticed / len(chosen):.1%}); "
        f"survivors: {', '.join(f'{count} {kind}' for kind, count in kinds.most_common()) or 'none'}"
    )


def environment(place: Path) -> Path:
    """Return a Python with the packages of this one, but without its link to the checkout."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place / "venv"], check=True)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    # Links among the packages, such as the one to the checkout, are not followed from here.
    packages = place / "venv" / "lib" / version / "site-packages" / "packages.pth"
    found = [path for path in sys.path if path.endswith("site-packages")]
    packages.write_text("\n".join([str(place / "checkout" / "mutants"), *found]))
    return place / "venv" / "bin" / "python"


def copy(target: Path, package: str) -> Path:
    """Copy the files that git tracks or would track, and add mutmut's settings."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listing, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines():
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    for name, begins in UNTOUCHED.items():
        lines = (target / name).read_text().splitlines()
        marked = [f"{line}  # pragma: no mutate block" if line.strip().startswith(begins) else line for line in lines]
        (target / name).write_text("\n".join(marked) + "\n")
    others = [path.name for path in target.iterdir() if path.name not in ("volplugin", "tests")]
    settings = {
        "source_paths": ["volplugin"],
        "only_mutate": [f"{package}/*"],
        "also_copy": others,
        "process_isolation": ["forkserver"],
        "pytest_add_cli_args_test_selection": [path for path in TESTS[package] if (ROOT / path).exists()],
        "pytest_add_cli_args": [
            "-m",
            "not slow",
            "-p",
            "no:cacheprovider",
            "-p",
            "kit.fast_first",
            "-k",
            f"not ({' or '.join(SKIPPED)})",
        ],
    }
    lines = [f"{name}=\n" + "".join(f"    {value}\n" for value in values) for name, values in settings.items()]
    lines[3] = "process_isolation=forkserver\ntimeout_multiplier=4\ntimeout_constant=5\n"
    (target / "setup.cfg").write_text("[mutmut]\n" + "".join(lines))
    return target


def mutmut(python: Path, checkout: Path, jobs: int, *mutants: str) -> None:
    """Run mutmut on some mutants; with a name that none has it only writes them."""
    path = os.pathsep.join(map(str, (checkout / "mutants", checkout, checkout / "mutants" / "tests")))
    environ = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    command = [python, "-m", "mutmut", "run", "--max-children", str(jobs), *mutants]
    done = subprocess.run(command, cwd=checkout, env=environ, capture_output=True, text=True)
    if done.returncode and mutants != (NONE,):
        raise click.ClickException(f"mutmut ended with {done.returncode}:\n{(done.stdout + done.stderr)[-4000:]}")


def codes(checkout: Path, package: str) -> dict[str, int | None]:
    """Return the exit status of the tests by mutant; None where it was not tried."""
    files = sorted((checkout / "mutants" / package).rglob("*.meta"))
    return {name: code for file in files for name, code in json.loads(file.read_text())["exit_code_by_key"].items()}


def difference(python: Path, checkout: Path, mutant: str) -> str:
    """Return the changed lines of a mutant."""
    shown = subprocess.run(
        [python, "-m", "mutmut", "show", mutant], cwd=checkout, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    return "\n".join(line for line in shown if line.startswith(("-", "+")) and not line.startswith(("---", "+++")))


def judgement(mutant: str, change: str, judged: dict[str, dict[str, str]]) -> str:
    """Return what the file `JUDGED` says of a surviving change; a change of a text alone is found by its form."""
    removed, added = (
        " ".join(line[1:].strip() for line in change.splitlines() if line[0] == sign) for sign in ("-", "+")
    )
    found = judged.get(mutant.partition("__mutmut_")[0], {}).get(added)
    if found is not None:
        return found
    same = removed.lower() == added.replace("XX", "").lower()
    text = same or ("raise " in removed and re.sub(r"\(.*", "(None)", removed) == added)
    return "text only" if text else "not judged"


if __name__ == "__main__":
    main()
