"""volplugin study: compare the seed design with the causal model."""

from __future__ import annotations

from pathlib import Path

import click

from volplugin.cli.config import record
from volplugin.cli.logging import log
from volplugin.cli.options import NamedPath, address_option, backend_option, bundle_option, jobs_option, working


@click.command(short_help="Compare the original design with the causal model.")
@bundle_option
@click.option("--closes", type=NamedPath(exists=True), help="CSV file or folder of closes; replaces the bundle.")
@click.option(
    "--weights",
    type=NamedPath(dir_okay=False),
    help="CSV file with columns symbol, weight: a portfolio to evaluate in addition to equal weights.",
)
@click.option(
    "--epochs", default=100, show_default=True, type=click.IntRange(min=1), help="Passes over the training part."
)
@click.option("--seed", default=0, show_default=True, help="Seed of the random numbers.")
@click.option(
    "--out", default="study", show_default=True, type=NamedPath(file_okay=False), help="Folder of the results."
)
@click.option(
    "--store",
    type=NamedPath(file_okay=False),
    help="Folder of the causal model's vintages.  [default: OUT/models]",
)
@jobs_option
@backend_option
@address_option
def study(
    bundle: str,
    closes: str | None,
    weights: str | None,
    epochs: int,
    seed: int,
    out: str,
    store: str | None,
    jobs: int,
    backend: str,
    address: str | None,
) -> None:
    """Run the seed design as originally described, and compare it with the causal model.

    The seed trains one LSTM per stock, which forecasts 20 sessions from the last 60 returns, and uses the correlation
    of the whole sample. Each network is stored in OUT/stocks when it is finished, so an interrupted study resumes
    there.
    """
    import volplugin
    from volplugin.workflows import read_weights
    from volplugin.workflows.study import SeedSettings, causal_model, common_sample, run_study
    from volplugin.workflows.study.page import study_text, write_study

    # Public names are loaded on first use: closes from files need no zipline.
    panel = volplugin.read_bundle(bundle) if closes is None else volplugin.PricePanel.from_csv(closes)
    portfolios = {} if weights is None else {f"weights of {Path(weights).name}": read_weights(weights)}
    sample = common_sample(panel, SeedSettings(epochs=epochs, seed=seed), portfolios)
    store = store or str(Path(out) / "models")
    with working(backend, address, sample.panel):
        log(f"training the causal model's missing vintages in {store}")
        causal = causal_model(sample, store, n_jobs=jobs)
        result = run_study(sample, causal, Path(out) / "stocks", n_jobs=jobs, log=log)
    page = write_study(result, out)
    record(out)
    click.echo(f"{study_text(result)}\n\nreport: {page}")
