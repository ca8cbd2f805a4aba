"""Feed all readers, print a table, and exit with 1 after a crash."""

from __future__ import annotations

import sys

import click
from joblib import Parallel, delayed

from kit.fuzz.run import Tally, feed
from kit.fuzz.targets import targets

ROUND = 2_000
"""Inputs under one seed."""


@click.command()
@click.option("--inputs", default=100_000, show_default=True, help="In all.")
@click.option("--seed", default=0, show_default=True)
@click.option("--jobs", default=2, show_default=True)
@click.option("--only", default="", help="Part of a reader's name.")
def main(inputs: int, seed: int, jobs: int, only: str) -> None:
    """Feed the readers."""
    wanted = {name: target for name, target in targets().items() if only in name}
    share = sum(target.weight for target in wanted.values())
    tasks = []
    for name, target in wanted.items():
        number = -int(-inputs * target.weight // share)
        tasks += [(name, min(ROUND, number - begun), seed + begun) for begun in range(0, number, ROUND)]
    found = {name: Tally() for name in wanted}
    made = Parallel(n_jobs=jobs, return_as="generator")(delayed(feed)(*task) for task in tasks)
    for (name, *_), tally in zip(tasks, made, strict=True):
        found[name] += tally
    click.echo(
        "| reader | inputs | valid, changed | accepted | refused by | crashes | s |\n|---|---|---|---|---|---|---|"
    )
    for name, tally in found.items():
        named = ", ".join(f"{error} {count:,}" for error, count in tally.refused.most_common())
        click.echo(
            f"| {name} | {tally.inputs:,} | {tally.mutated / max(tally.inputs, 1):.0%} | {tally.accepted:,} "
            f"| {named} | {len(tally.crashes)} | {tally.seconds:.0f} |"
        )
    total = sum(found.values(), Tally())
    crashes = len(total.crashes)
    click.echo(
        f"\n{total.inputs:,} inputs, {total.mutated / total.inputs:.0%} of them valid ones changed; {crashes} crashes"
    )
    for name, tally in found.items():
        for crash in dict.fromkeys(tally.crashes):
            click.echo(f"\n{name}:\n{crash}")
    sys.exit(1 if crashes else 0)


if __name__ == "__main__":
    main()
