"""The command line: every step of the job, and all of them at once."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import click
import pandas as pd

from volplugin.errors import ParameterError, VolpluginError

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is loaded: small steps lose by more threads

DEMO_START, DEMO_END = "2010-01-04", "2021-04-20"


class NamedErrors(click.Group):
    """Shows our errors as one line with their name, never as a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; what goes wrong on purpose becomes a message and exit status 1."""
        try:
            return super().invoke(ctx)
        except VolpluginError as error:
            raise click.ClickException(f"{type(error).__name__}: {error}") from error
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            raise click.ClickException(f"{where}{error.strerror or error}") from error


class Session(click.ParamType):
    """A date without a timezone."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> pd.Timestamp:
        """Parse a date such as 2010-01-04."""
        try:
            moment = pd.Timestamp(value)
        except ValueError:
            self.fail(f"{value!r} is not a date; write it as 2010-01-04", param, ctx)
        if moment is pd.NaT or moment.tz is not None:
            self.fail(f"{value!r} is not a date without a timezone; write it as 2010-01-04", param, ctx)
        return moment


DATE = Session()

bundle_option = click.option("--bundle", default="dow30", show_default=True, help="An ingested zipline bundle.")
store_option = click.option(
    "--store",
    default="models",
    show_default=True,
    type=click.Path(file_okay=False),
    help="Folder of trained models.",
)
jobs_option = click.option(
    "--jobs", default=2, show_default=True, type=click.IntRange(min=1), help="Processes to work with."
)
start_option = click.option("--start", type=DATE, default=DEMO_START, show_default=True, help="First session.")
end_option = click.option("--end", type=DATE, default=None, help="Last session.  [default: the bundle's last]")


@click.group(cls=NamedErrors, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="volplugin")
def main() -> None:
    """Forecast the risk of a portfolio inside a zipline backtest, and judge the forecast afterwards.

    \b
    A first round, on the prices that come with the package:
      volplugin ingest dow30
      volplugin backtest vol_target --target 0.10 --out results
      open results/report.html

    Volatilities are annual wherever this program takes or prints them. Bundles live under $ZIPLINE_ROOT
    (~/.zipline if it is not set).
    """  # noqa: D301 - click reads the backslash


@main.command()
@click.argument("bundle")
@click.option(
    "--csv",
    "folder",
    type=click.Path(exists=True, file_okay=False),
    help="Make the bundle from a folder of SYMBOL.csv files in zipline's csvdir columns.",
)
def ingest(bundle: str, folder: str | None) -> None:
    """Ingest the shipped bundle dow30, or a folder of CSV files under a name of your own."""
    from volplugin._bundles import ingest_bundle, register_csv_folder
    from volplugin.adapters.zipline.bundles import bundle_sessions, ensure_registered

    if folder is not None:
        register_csv_folder(bundle, folder)
    else:
        ensure_registered(bundle)
    ingest_bundle(bundle)
    sessions = bundle_sessions(bundle)
    click.echo(f"bundle {bundle}: {sessions[0].date()} to {sessions[-1].date()}, {len(sessions)} sessions")


@main.command()
@bundle_option
@start_option
@end_option
@store_option
@jobs_option
def train(bundle: str, start: pd.Timestamp, end: pd.Timestamp | None, store: str, jobs: int) -> None:
    """Train the yearly models that forecasts between two dates need.

    Each is trained on the prices up to a year's end and answers from there on. Those in the store already are
    left alone; training that was interrupted goes on where it stopped.
    """
    from volplugin import jobs as work
    from volplugin.adapters.zipline.bundles import read_bundle

    # Anchored at the first session: no later split or dividend touches a training price, to the last bit.
    panel = read_bundle(bundle)
    began = time.perf_counter()
    walk = work.train(panel, store, start, end or panel.last_session, jobs=jobs)
    used = work.vintages(walk, start, end or panel.last_session)
    click.echo(
        f"{len(used)} models in {store}, trained through {used[0]['trained_through']} to {used[-1]['trained_through']}"
        f" ({time.perf_counter() - began:.0f} s)"
        if used
        else f"nothing to train: the model in {store} learns nothing"
    )


@main.command()
@click.argument("strategy")
@bundle_option
@start_option
@end_option
@click.option("--target", type=float, default=0.10, show_default=True, help="Annual volatility to hold.")
@click.option(
    "--frequency",
    type=click.Choice(["daily", "weekly", "monthly"]),
    default="monthly",
    show_default=True,
    help="How often to rebalance.",
)
@click.option("--out", default="results", show_default=True, type=click.Path(file_okay=False), help="Folder to write.")
@store_option
@click.option("--train/--no-train", "training", default=True, show_default=True, help="Train what the store lacks.")
@click.option("--judge/--no-judge", "judging", default=True, show_default=True, help="Score the models in the report.")
@click.option("--max-leverage", type=float, default=1.5, show_default=True, help="Largest sum of absolute weights.")
@click.option("--band", type=float, default=0.0, show_default=True, help="No-trade band, a fraction of the leverage.")
@click.option(
    "--correlation",
    type=click.Choice(["default", "rolling"]),
    default="default",
    show_default=True,
    help="Correlation estimator.",
)
@click.option("--compare", is_flag=True, help="Run it with rolling correlation too, and show both.")
@click.option("--capital", type=float, default=1e6, show_default=True, help="Starting capital.")
@jobs_option
def backtest(
    strategy: str,
    bundle: str,
    start: pd.Timestamp,
    end: pd.Timestamp | None,
    out: str,
    store: str,
    training: bool,
    judging: bool,
    compare: bool,
    capital: float,
    jobs: int,
    **parameters: Any,
) -> None:
    """Run STRATEGY (a file, or a gallery name such as vol_target) and report how its risk was predicted.

    Writes perf.pkl, scorecard.json, report.html and the plots to the folder --out.
    """
    from volplugin import jobs as work

    job = work.Backtest(
        strategy=strategy,
        bundle=bundle,
        store=store,
        out=out,
        start=start,
        end=_end_of(bundle, start, end),
        parameters=parameters,
        compare=("rolling",) if compare else (),
        capital=capital,
        jobs=jobs,
    )
    click.echo(f"report: {work.backtest(job, training=training, judging=judging, say=_say)}")


@main.command()
@bundle_option
@start_option
@end_option
@store_option
@click.option("--models", default="LSTM,HAR,EWMA94", show_default=True, help="Volatility models, by name.")
@click.option("--horizons", default="1,5,21", show_default=True, help="Sessions that forecasts cover.")
@click.option("--out", type=click.Path(file_okay=False), help="Folder for the numbers as JSON.")
@click.option("--train/--no-train", "training", default=True, show_default=True, help="Train what the store lacks.")
@jobs_option
def evaluate(
    bundle: str,
    start: pd.Timestamp,
    end: pd.Timestamp | None,
    store: str,
    models: str,
    horizons: str,
    out: str | None,
    training: bool,
    jobs: int,
) -> None:
    """Judge forecasts of single stocks and of the equal-weight book, every session an origin.

    QLIKE against squared returns, lower is better; every model is refitted at each year's end.
    """
    from volplugin import jobs as work
    from volplugin.adapters.zipline.bundles import read_bundle
    from volplugin.evaluation import book_scorecard
    from volplugin.files import write_atomically
    from volplugin.report.text import book_table, volatility_table

    days = _horizons(horizons)
    panel = read_bundle(bundle)
    last = _end_of(bundle, start, end)
    walk = work.train(panel, store, start, last, jobs=jobs) if training else work.require_trained(store, start)
    names = [name.strip() for name in models.split(",")]
    scores = work.judge_volatility(panel, walk, start, last, models=names, horizons=days, jobs=jobs)
    click.echo(volatility_table(scores))
    books = work.judge_books(panel, walk, start, last, jobs=jobs)
    click.echo("\n" + book_table(books))
    if out is not None:
        numbers = {
            "volatility": scores.as_dict(),
            "book": json.loads(book_scorecard(books).to_json(orient="index")),
        }
        file = write_atomically(Path(out) / "evaluation.json", (json.dumps(numbers, indent=2) + "\n").encode())
        click.echo(f"\nwritten: {file}")


@main.command()
@bundle_option
@store_option
@click.option(
    "--weights",
    type=click.Path(dir_okay=False),
    help="CSV file with columns symbol, weight.  [default: equal]",
)
@click.option("--asof", type=DATE, default=None, help="Last session to know of.  [default: the bundle's last]")
@click.option("--horizon", type=click.IntRange(1, 252), default=21, show_default=True, help="Sessions ahead.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def forecast(
    bundle: str, store: str, weights: str | None, asof: pd.Timestamp | None, horizon: int, as_json: bool
) -> None:
    """Forecast the volatility of a portfolio, and what each stock contributes to it."""
    from volplugin import jobs as work
    from volplugin.adapters.zipline.bundles import read_bundle
    from volplugin.defaults import default_correlation
    from volplugin.report.text import forecast_table, read_weights
    from volplugin.risk_model import RiskModel

    panel = read_bundle(bundle)
    panel = panel.asof(_end_of(bundle, panel.sessions[0], asof))
    model = RiskModel(work.require_trained(store, panel.last_session), default_correlation())
    sigma = model.forecast(panel, horizon)
    book = pd.Series(1 / len(sigma.assets), index=sigma.assets) if weights is None else read_weights(weights)
    click.echo(forecast_table(sigma, book, as_json=as_json))


@main.command()
@bundle_option
@click.option("--closes", type=click.Path(exists=True), help="CSV file or folder of closes, instead of a bundle.")
@click.option(
    "--weights",
    type=click.Path(dir_okay=False),
    help="CSV file with columns symbol, weight: a book to judge besides equal weights.",
)
@click.option("--epochs", default=100, show_default=True, type=click.IntRange(min=1), help="Passes of training.")
@click.option("--seed", default=0, show_default=True, help="Of the random numbers.")
@click.option("--out", default="study", show_default=True, type=click.Path(file_okay=False), help="Folder to write.")
@click.option(
    "--store",
    type=click.Path(file_okay=False),
    help="Folder of trained models, for the causal one.  [default: models; OUT/models with --closes]",
)
@jobs_option
def study(
    bundle: str, closes: str | None, weights: str | None, epochs: int, seed: int, out: str, store: str | None, jobs: int
) -> None:
    """Run the seed design as it was described, and judge it beside the causal model.

    One LSTM a stock forecasts 20 sessions from its last 60 returns; with the correlation of the whole sample they
    make the volatility of a book. Each network is kept in OUT/stocks as it finishes: an interrupted study goes on
    where it stopped.
    """
    import volplugin
    from volplugin.report.study import study_text, write_study
    from volplugin.report.text import read_weights
    from volplugin.study import SeedSettings, causal_model, common_sample, run_study

    # Looked up when used: closes from files need no zipline.
    panel = volplugin.read_bundle(bundle) if closes is None else volplugin.PricePanel.from_csv(closes)
    books = {} if weights is None else {f"weights of {Path(weights).name}": read_weights(weights)}
    sample = common_sample(panel, SeedSettings(epochs=epochs, seed=seed), books)
    store = store or ("models" if closes is None else str(Path(out) / "models"))
    _say(f"training what {store} lacks of the causal model")
    causal = causal_model(sample, store, n_jobs=jobs)
    result = run_study(sample, causal, Path(out) / "stocks", n_jobs=jobs, say=_say)
    page = write_study(result, out)
    click.echo(f"{study_text(result)}\n\nreport: {page}")


@main.command()
@click.option(
    "--out",
    default="demo-output",
    show_default=True,
    type=click.Path(file_okay=False),
    help="Folder to write.",
)
@jobs_option
def demo(out: str, jobs: int) -> None:
    """Do the whole job on the shipped prices: ingest, train, backtest at 10% volatility, report.

    Models are kept in the folder, so that a second run has nothing to train.
    """
    from volplugin import jobs as work
    from volplugin._bundles import ingest_bundle, register_dow30

    began = time.perf_counter()
    _say("ingesting bundle dow30 (30 stocks, 1999 to 2021)")
    register_dow30()
    ingest_bundle("dow30")
    job = work.Backtest(
        strategy="vol_target",
        bundle="dow30",
        store=str(Path(out) / "models"),
        out=out,
        start=pd.Timestamp(DEMO_START),
        end=pd.Timestamp(DEMO_END),
        parameters={"target": 0.10, "frequency": "monthly", "max_leverage": 1.5, "band": 0.0},
        compare=("rolling",),
        jobs=jobs,
    )
    report = work.backtest(job, say=_say)
    click.echo(f"report: {report} ({time.perf_counter() - began:.0f} s in all)")


def _say(what: str) -> None:
    click.echo(f"[{time.strftime('%H:%M:%S')}] {what}", err=True)


def _end_of(bundle: str, start: pd.Timestamp, end: pd.Timestamp | None) -> pd.Timestamp:
    """Return the end of a range that the bundle holds, its last session by default."""
    from volplugin.adapters.zipline.bundles import bundle_sessions, check_range

    last = pd.Timestamp(bundle_sessions(bundle)[-1]) if end is None else end
    if last < start:
        raise ParameterError(f"--end {last.date()} is before --start {start.date()}")
    check_range(bundle, start, last)
    return last


def _horizons(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ParameterError(f"--horizons is {text!r}; write whole numbers such as 1,5,21") from None
