"""Run the kit and print its counts; exit status 1 if anything differs."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import click

from kit.crash.campaign import Campaign, Counts
from kit.crash.process import forked
from kit.crash.scenes import make_scenes

SHARES = {"ingest": 0.4, "train": 0.45, "evaluate": 0.15}
"""Of the kills, by command; an evaluation is the longest."""


@click.command()
@click.option("--kills", default=120, show_default=True, help="Kills in all.")
@click.option("--seed", default=0, show_default=True, help="Of their moments.")
@click.option("--only", type=click.Choice(list(SHARES)), multiple=True, help="Commands to kill.  [default: all]")
def main(kills: int, seed: int, only: tuple[str, ...]) -> None:
    """Kill ingest, train and evaluate, restart them, and compare with undisturbed runs."""
    shares = {name: SHARES[name] for name in only or SHARES}
    began = time.monotonic()
    counts = Counts()
    with tempfile.TemporaryDirectory(prefix="crash-kit-") as name:
        _kill(Path(name).resolve(), shares, kills, seed, counts)
    killed, inside, restarts = (sum(part.values()) for part in (counts.kills, counts.inside, counts.restarts))
    click.echo(
        f"{killed} kills (seed {seed}), {inside} inside a write ({inside / max(killed, 1):.0%}), {restarts} restarts "
        f"to the end, {len(counts.differences)} differences, {time.monotonic() - began:.0f} s"
    )
    for difference in dict.fromkeys(counts.differences):
        click.echo(f"  {difference}")
    raise SystemExit(bool(counts.differences))


def _kill(folder: Path, shares: dict[str, float], kills: int, seed: int, counts: Counts) -> None:
    *scenes, older = make_scenes(folder)
    by_name = {scene.name: scene for scene in scenes}
    for scene, place in ((older, folder / "ingest"), (by_name["ingest"], folder)):
        run = forked(scene.run, place, folder / "setup.log")
        if run.status:
            raise RuntimeError((folder / "setup.log").read_text())
    for name, share in shares.items():
        campaign = Campaign(by_name[name], folder, seed, counts)
        run = campaign.undisturbed()
        campaign.kill(round(kills * share / sum(shares.values())))
        click.echo(
            f"{name:9} {counts.kills[name]:4} kills, {counts.inside[name]:4} inside a write, {counts.restarts[name]:4} "
            f"restarts to the end; undisturbed {run.steps} writing steps, {campaign.seconds:.1f} s"
        )


if __name__ == "__main__":
    main()
