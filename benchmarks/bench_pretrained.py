"""The pretrained vintages against models fitted on one's own prices, on the shipped Dow 30.

    python benchmarks/bench_pretrained.py --panel WIDE.parquet --zero-shot STORE
    python benchmarks/bench_pretrained.py --prices LATER.parquet --zero-shot STORE --beside NAME STORE
    python benchmarks/bench_pretrained.py --prices LATER.parquet --zero-shot STORE --only pretrained --only ...

Needs the bundle dow30. WIDE is the vintages' training panel, without the Dow 30: the pooled log-HAR for
comparison is fitted on both. STORE holds vintages trained without the Dow 30, by
`volplugin pretrain --panel WIDE.parquet --market dow30 --first 2009 --no-closes --store STORE`. Either may be left
out. LATER holds the Dow 30 to 2024, which the bundle does not: with it the bundle is not needed, the windows are 2010
to 2021-03 and 2021-04 to 2024-11, and printed are the tables of both, the reversion of long horizons, and what vintages
cost that are years old; with `--only` NAME, once for each model wanted, only the tables of QLIKE by model and year.
`--beside NAME STORE` adds other vintages to the tables. Prints Markdown tables: mean QLIKE against squared returns by
horizon, every session an origin; by year and by stress period; the seeds and their spread; and the seconds to a first
forecast after installation.
"""

import itertools
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent))

import click
import numpy as np
import pandas as pd
from machine import describe_machine

from volplugin import (
    EWMAVolatility,
    HARVolatility,
    LSTMVolatility,
    ModelStore,
    PricePanel,
    RefitSchedule,
    WalkForward,
    read_bundle,
)
from volplugin.evaluation import VolatilityScores, forecast_table, volatility_scorecard
from volplugin.volatility.features import FEATURE_LOOKBACK
from volplugin.volatility.pretrained import PretrainedVolatility

HORIZONS = (1, 5, 21)
WINDOWS = (("2010-01-04", "2021-03-15"), ("2021-04-22", "2024-11-05"))
LONG = (42, 63, 126, 252)
AGES = (1, 3, 5)
OWN_HAR, HAR, MARKET_HAR = "log-HAR, a regression per stock", "log-HAR", "log-HAR with market terms"
ALONE = "LSTM trained on the Dow 30"
LOG_LINEAR, WITHOUT_SEASON = "log-linear, the same inputs", "log-linear without the season"
ZERO_SHOT = "pretrained without the Dow 30"
SHIPPED, CLOSES, TUNED = "pretrained", "pretrained, closes only", "pretrained, tuned to each stock"
WIDE_HAR = "log-HAR fitted on the same panel"
LEVELLED = f"{ZERO_SHOT}, at the level of {SHIPPED}"

ROLLING_SESSIONS = 1000
GAINS = {
    "pooling": (OWN_HAR, HAR),
    "inputs: market, leverage, volume": (HAR, WITHOUT_SEASON),
    "inputs: overnight moves and earnings season": (WITHOUT_SEASON, LOG_LINEAR),
    "recurrence": (LOG_LINEAR, ALONE),
    "more stocks": (ALONE, SHIPPED),
}
"""Parts of the gain over a regression per stock: the models before and after each."""


class RollingHAR(HARVolatility):
    """The regression on the last `ROLLING_SESSIONS` sessions of the training data, after those that inputs need."""

    def _fit(self, panel: PricePanel) -> None:
        super()._fit(panel.tail(ROLLING_SESSIONS + FEATURE_LOOKBACK))


class OnCloses:
    """A forecaster restricted to closes."""

    def __init__(self, model: WalkForward) -> None:
        self.model = model

    def predict_path(self, panel: PricePanel, start: str, end: str, horizon: int) -> pd.DataFrame:
        """Forecast as the model does of closes."""
        return self.model.predict_path(panel.close_only(), start, end, horizon)


def table(scores: VolatilityScores, rows: list[str]) -> str:
    """QLIKE by horizon, and how far below the HAR of the same panel it is."""
    benchmark = scores.benchmarks[0]
    heads = [*(f"h={h}" for h in HORIZONS), *(f"below it, h={h}" for h in HORIZONS)]
    lines = [f"| model | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for name in rows:
        found = [scores.table.loc[(h, name)] for h in HORIZONS]
        below = ["" if name == benchmark else f"{row[f'below_{benchmark}']:.1f}%" for row in found]
        lines.append(f"| {name} | {' | '.join([f'{row.qlike:.4f}' for row in found] + below)} |")
    return "\n".join(lines)


def periods(by_period: pd.DataFrame, rows: list[str], horizon: int) -> str:
    """QLIKE of each year, or stress period, and in how many of them the first row is below the second."""
    found = by_period.loc[horizon].loc[rows]
    lines = [f"| h={horizon} | {' | '.join(map(str, found.columns))} |", "|---" * (found.shape[1] + 1) + "|"]
    lines += [f"| {name} | {' | '.join(f'{value:.3f}' for value in row)} |" for name, row in found.iterrows()]
    lower = found.iloc[0] < found.iloc[1]
    lost = f", not in {', '.join(map(str, lower.index[~lower]))}" if not lower.all() else ""
    return "\n".join([*lines, f"\n{rows[0]} is below {rows[1]} in {lower.sum()} of {len(lower)}{lost}."])


def tuned(panel: PricePanel, start: str, end: str) -> tuple[PretrainedVolatility, list[str]]:
    """Tune each year's vintage to the stocks of a panel, and describe how many have a readout of their own."""
    model, kept = PretrainedVolatility(), []
    for date in RefitSchedule().dates(panel.sessions, start, end):
        ranges = model.fit(panel.asof(date)).vintage_at(date).answering(panel)
        kept.append(f"{ranges.vintage['own']} from {date.date()} on")
    return model, kept


def steps_chosen(model: PretrainedVolatility) -> str:
    """Gradient steps that a validation tail chose for each network, by vintage."""
    metadata = {date: model.vintage_at(date).vintage for date in model.store.vintages()}
    return "; ".join(f"{fact.get('steps', 'as given')} in {date.date()}" for date, fact in metadata.items())


def first_forecast() -> str:
    """Return what the first forecast after installation takes: to ingest the bundle, and to print the forecast."""
    program = str(Path(sys.executable).with_name("volplugin"))
    with tempfile.TemporaryDirectory() as folder:
        settings = os.environ | {"ZIPLINE_ROOT": folder}
        said = []
        for command in (["ingest", "dow30"], ["forecast"]):
            began, before = time.perf_counter(), os.times()
            subprocess.run([program, *command], check=True, capture_output=True, env=settings, cwd=folder)
            after, wall = os.times(), time.perf_counter() - began
            busy = after.children_user + after.children_system - before.children_user - before.children_system
            said.append(f"volplugin {' '.join(command)} {wall:.1f} s ({busy:.1f} s of a processor)")
    return ", ".join(said)


class AtLevel:
    """A model's forecasts, times one factor per path that sets their mean log volatility to another model's.

    The factor depends on the whole path: it shows how much of a difference is level, and is no forecast.
    """

    def __init__(self, model: PretrainedVolatility, other: PretrainedVolatility) -> None:
        self.model, self.other = model, other

    def predict_path(self, panel: PricePanel, start: str, end: str, horizon: int) -> pd.DataFrame:
        """Forecast as the model does, with the other's mean log volatility over all stocks and sessions."""
        own, other = (model.predict_path(panel, start, end, horizon) for model in (self.model, self.other))
        return own * np.exp(np.nanmean(np.log(other / own)))


class Older:
    """Vintages used a number of years after the end of their training, rather than within the next year."""

    def __init__(self, model: PretrainedVolatility, years: int) -> None:
        self.model, self.years = model, pd.DateOffset(years=years)

    def predict_path(self, panel: PricePanel, start: str, end: str, horizon: int) -> pd.DataFrame:
        """Forecast as the vintages of so many years before do; sessions that are too early for it are missing."""
        sessions = panel.sessions[panel.sessions.slice_indexer(pd.Timestamp(start), pd.Timestamp(end))]
        ends = [date for date in self.model.store.vintages() if date.month == 12 and date.day > 28]
        parts = []
        for date in ends:
            there = sessions[(sessions >= date + self.years) & (sessions < date + self.years + pd.DateOffset(years=1))]
            if len(there):
                vintage = self.model.vintage_at(date)
                parts.append(vintage.predict_in_sample(panel, there[0], there[-1], (horizon,))[horizon])
        whole = pd.concat(parts)
        return whole[~whole.index.duplicated()].reindex(sessions)


def reversion(models: dict[str, object], panel: PricePanel, start: str, end: str) -> str:
    """Mean realised over forecast variance: of all origins, the stormiest 5%, and the calm quarter, by the forecast."""
    lines = ["| model | h | all | stormiest 5% | calm quarter |", "|---|---|---|---|---|"]
    squared = panel.returns**2
    for name, model in models.items():
        level = (model.predict_path(panel, start, end, 21) ** 2).mean(axis=1)
        storm, calm = level >= level.quantile(0.95), level <= level.quantile(0.25)
        for horizon in (21, *LONG):
            forecast = model.predict_path(panel, start, end, horizon) ** 2
            realised = squared.rolling(horizon).mean().shift(-horizon).reindex(forecast.index)
            ratio = (realised / forecast).stack()
            of = ratio.index.get_level_values(0)
            found = [float(ratio[chosen.reindex(of).to_numpy()].mean()) for chosen in (level > 0, storm, calm)]
            lines.append(f"| {name} | {horizon} | {' | '.join(f'{value:.2f}' for value in found)} |")
    return "\n".join(lines)


def gains(scores: VolatilityScores) -> str:
    """Percent of QLIKE that each part of the gain over a regression per stock removes, of the model before it."""
    lines = [f"| part | {' | '.join(f'h={h}' for h in HORIZONS)} |", "|---" * (len(HORIZONS) + 1) + "|"]
    for part, (before, after) in GAINS.items():
        if {before, after} <= set(scores.models):
            pairs = [[scores.table.loc[(h, name), "qlike"] for name in (before, after)] for h in HORIZONS]
            lines.append(f"| {part} | {' | '.join(f'{100 * (1 - after / before):.1f}%' for before, after in pairs)} |")
    return "\n".join(lines)


def ages(shipped: PretrainedVolatility, panel: PricePanel, start: str, end: str) -> str:
    """QLIKE of vintages so many years older than the vintage in force."""
    models = {"of the date": shipped} | {
        f"{years} year{'s' * (years > 1)} older": Older(shipped, years) for years in AGES
    }
    scores = volatility_scorecard(
        forecast_table(models, panel, start, end, HORIZONS), panel, HORIZONS, benchmarks=("of the date",)
    )
    lines = [f"| vintage | {' | '.join(f'h={h}' for h in HORIZONS)} |", "|---" * (len(HORIZONS) + 1) + "|"]
    for name in models:
        lines.append(f"| {name} | {' | '.join(f'{scores.table.loc[(h, name)].qlike:.4f}' for h in HORIZONS)} |")
    return "\n".join(lines)


def judge_later(
    prices: str, zero_shot: str | None, beside: tuple[tuple[str, str], ...], store: str | None, only: tuple[str, ...]
) -> None:
    """Judge on the reference universe of the vintages, in both windows, and print the tables."""
    shipped = PretrainedVolatility()
    whole = PricePanel.from_parquet(prices)
    names = shipped.vintage_at(whole.last_session).universe_
    panel = PricePanel(**{field: getattr(whole, field)[names] for field in whole.fields})
    (start, _), (_, end) = WINDOWS
    models: dict[str, object] = {SHIPPED: shipped, CLOSES: OnCloses(shipped)}
    if zero_shot is not None:
        unseen = PretrainedVolatility(zero_shot)
        models |= {ZERO_SHOT: unseen, LEVELLED: AtLevel(unseen, shipped)}
    others = {name: PretrainedVolatility(folder) for name, folder in beside}
    models |= others
    if store is not None:
        models[ALONE] = WalkForward(LSTMVolatility(), store=ModelStore(store)).train(panel, start, end, n_jobs=1)
    yearly, monthly = RefitSchedule(), RefitSchedule("monthly")
    fitted = {
        LOG_LINEAR: (HARVolatility("season"), yearly),
        WITHOUT_SEASON: (HARVolatility("lstm"), yearly),
        MARKET_HAR: (HARVolatility("market"), yearly),
        HAR: (HARVolatility(), yearly),
        OWN_HAR: (HARVolatility(pooled=False), yearly),
        "log-linear, the same inputs, a regression per stock": (HARVolatility("season", pooled=False), yearly),
    }
    for name, terms in {LOG_LINEAR: "season", WITHOUT_SEASON: "lstm", HAR: "har"}.items():
        fitted[f"{name}, monthly on {ROLLING_SESSIONS:,} sessions"] = RollingHAR(terms), monthly
    models |= {
        name: WalkForward(each, schedule).train(panel, start, end, progress=False)
        for name, (each, schedule) in fitted.items()
        if not only or name in (*only, LOG_LINEAR)
    }
    models["EWMA94"] = EWMAVolatility()
    models = {name: model for name, model in models.items() if not only or name in (*only, SHIPPED, LOG_LINEAR)}
    print(describe_machine())
    for first, last in WINDOWS:
        scores = volatility_scorecard(
            forecast_table(models, panel, first, last, HORIZONS),
            panel,
            HORIZONS,
            benchmarks=(LOG_LINEAR, SHIPPED),
            calibrated_through=pd.Timestamp(start) - pd.Timedelta(days=1),
        )
        print(f"\n{first} to {last}; it: {LOG_LINEAR}\n\n{table(scores, list(models))}\n")
        print(f"{gains(scores)}\n")
        for name in models:
            found = [scores.table.loc[(h, name), f"dm_{LOG_LINEAR}"] for h in HORIZONS]
            if name != LOG_LINEAR:
                print(f"DM t of {name}: {', '.join(f'{value:.1f}' for value in found)}")
        for name in [name for name in (ZERO_SHOT, LEVELLED) if name in models]:
            found = [scores.table.loc[(h, name)] for h in HORIZONS]
            pairs = [f"{-row[f'below_{SHIPPED}']:+.2f}% (t {row[f'dm_{SHIPPED}']:.1f})" for row in found]
            print(f"{name}, above {SHIPPED}: {', '.join(pairs)}")
        rows = [SHIPPED, *(name for name in models if name != SHIPPED)]
        for horizon in HORIZONS:
            print(f"\n{periods(scores.by_year, rows, horizon)}")
            for name in others.keys() & models.keys():
                found = scores.by_year.loc[horizon]
                lower = (found.loc[SHIPPED] < found.loc[name]).sum()
                print(f"{SHIPPED} is below {name} in {lower} of {found.shape[1]} years")
        if only:
            continue
        print(f"\n{reversion({SHIPPED: shipped} | others, panel, first, last)}")
        print(f"\n{ages(shipped, panel, first, last)}")


@click.command()
@click.option("--prices", type=click.Path(exists=True), help="Parquet file that holds the Dow 30 to 2024.")
@click.option("--panel", "wide", type=click.Path(exists=True), help="Parquet file of the other stocks.")
@click.option("--zero-shot", type=click.Path(exists=True), help="Store of vintages trained without the Dow 30.")
@click.option("--beside", nargs=2, multiple=True, metavar="NAME STORE", help="Other vintages, and what to call them.")
@click.option("--store", type=click.Path(), help="Store for vintages trained on the Dow 30 alone.")
@click.option("--only", multiple=True, metavar="NAME", help="A model to judge with --prices; all if not given.")
@click.option("--start", default="2010-01-04", show_default=True)
@click.option("--end", default="2021-03-15", show_default=True)
def main(
    prices: str | None,
    wide: str | None,
    zero_shot: str | None,
    beside: tuple[tuple[str, str], ...],
    store: str | None,
    only: tuple[str, ...],
    start: str,
    end: str,
) -> None:
    """Judge, and print the tables."""
    if prices is not None:
        judge_later(prices, zero_shot, beside, store, only)
        return
    panel, shipped = read_bundle("dow30"), PretrainedVolatility()
    own_har, market_har = (
        WalkForward(HARVolatility(terms)).train(panel, start, end, progress=False) for terms in ("har", "market")
    )
    own, kept = tuned(panel, start, end)
    models = {SHIPPED: shipped, TUNED: own, CLOSES: OnCloses(shipped), "log-HAR fitted on the Dow 30": own_har}
    models["the same with market terms"] = market_har
    if wide is not None:
        all_assets = PricePanel.concat([panel, PricePanel.from_parquet(wide)])
        models[WIDE_HAR] = WalkForward(HARVolatility()).train(all_assets, start, end, n_jobs=2, progress=False)
    if zero_shot is not None:
        models[ZERO_SHOT] = PretrainedVolatility(zero_shot)
    others = {name: PretrainedVolatility(folder) for name, folder in beside}
    models |= others
    if store is not None:
        models[ALONE] = WalkForward(LSTMVolatility(), store=ModelStore(store)).train(panel, start, end, n_jobs=2)
    closes_har = WalkForward(HARVolatility()).train(panel.close_only(), start, end, progress=False)
    models |= {"log-HAR on closes only": OnCloses(closes_har), "EWMA94": EWMAVolatility()}
    seeds = {
        f"{name} {part}": walk_forward
        for name, model in ({SHIPPED: shipped} | others).items()
        for part, walk_forward in model.ensemble_members().items()
        if part != "ensemble" or len(model.ensemble_members()) > 2  # which is one seed's network itself otherwise
    }
    benchmark = WIDE_HAR if wide is not None else "log-HAR fitted on the Dow 30"
    scores = volatility_scorecard(
        forecast_table(models | seeds, panel, start, end, HORIZONS),
        panel,
        HORIZONS,
        benchmarks=(benchmark,),
        calibrated_through=pd.Timestamp(start) - pd.Timedelta(days=1),
    )
    print(describe_machine())
    stock_days = int(scores.table["stock_days"].max())
    print(f"\n{start} to {end}, {stock_days:,} stock-days at one session; it: {benchmark}\n")
    print(table(scores, list(models)), "\n")
    rest = [name for name in models if name not in (SHIPPED, benchmark)]
    for by_period, horizon in itertools.product((scores.by_year, scores.by_stress), HORIZONS):
        print(periods(by_period, [SHIPPED, benchmark, *rest], horizon), "\n")
    print(table(scores, list(seeds)), "\n")
    for horizon in HORIZONS:
        single = [scores.table.loc[(horizon, name), "qlike"] for name in seeds if name.startswith(f"{SHIPPED} seed ")]
        print(f"spread of the seeds at h={horizon}: {max(single) - min(single):.4f}")
    for name, model in others.items():
        print(f"\nsteps of {name}: {steps_chosen(model)}")
    print(f"\nreadouts of their own are kept by {', '.join(kept)}")
    print(f"\nto a first forecast of {len(panel.assets)} stocks: {first_forecast()}")


if __name__ == "__main__":
    main()
