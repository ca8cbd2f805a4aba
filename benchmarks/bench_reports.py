"""Reports of several libraries from the same returns: contents, file size, load time in headless Chromium.

    python benchmarks/bench_reports.py RESULTS [--out reports] [--loads 5]

RESULTS is a folder of ``volplugin backtest``. A library that is not installed is skipped. quantstats writes a page, as
volplugin does; pyfolio-reloaded makes none, so its returns tear sheet is saved as one PNG picture in a page; skfolio's
figures and summary of a portfolio are put into one page by plotly. Load time: median milliseconds from the start of the
navigation to the load event, in a fresh browser, the libraries in turn; without Chromium it is not measured.
"""

from __future__ import annotations

import argparse
import base64
import io
import re
import shutil
import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from volplugin.report import BacktestResult, read_result, write_report

SUBJECTS: Mapping[str, str] = {
    "growth or returns": r"cumulative return|value of 1 invested",
    "drawdown": r"drawdown",
    "Sharpe ratio": r"sharpe",
    "realised volatility over time": r"rolling volatility|realised volatility|volatility with and without",
    "forecast beside realised risk": r"forecast and realised",
    "bias of forecasts, with band": r"bias statistic",
    "value at risk": r"value[- ]at[- ]risk|\bvar\b",
    "tests of the losses beyond it": r"kupiec",
    "contributions to risk": r"risk contribution|contribution to|share of the forecast risk",
    "leverage and turnover": r"gross leverage",
    "stress periods": r"stress",
    "monthly returns": r"monthly returns",
    "comparison with a benchmark": r"\bbenchmark\b|\bbeta\b|untouched",
}
"""Subjects of a report, by a pattern in the words of its page or the titles of its plots."""


def volplugin_page(result: BacktestResult, folder: Path) -> tuple[Path, str]:
    """Write the page of volplugin."""
    file = write_report(result, folder)
    return file, file.read_text(encoding="utf-8")


def pyfolio_page(result: BacktestResult, folder: Path) -> tuple[Path, str]:
    """Write the returns tear sheet of pyfolio as a picture in a page."""
    import matplotlib

    matplotlib.use("Agg")
    import pyfolio
    from matplotlib import pyplot

    returns = _returns(result).tz_localize("UTC")
    figure = pyfolio.create_returns_tear_sheet(returns, return_fig=True) or pyplot.gcf()
    buffer, titles = io.BytesIO(), " ".join(ax.get_title() + ax.get_ylabel() for ax in figure.axes)
    figure.savefig(buffer, format="png", bbox_inches="tight")
    file = folder / "pyfolio.html"
    code = base64.b64encode(buffer.getvalue()).decode()
    file.write_text(f'<!doctype html><img src="data:image/png;base64,{code}">')
    # The tear sheet prints this table, whatever it draws.
    return file, titles + " ".join(map(str, pyfolio.timeseries.perf_stats(returns).index))


def quantstats_page(result: BacktestResult, folder: Path) -> tuple[Path, str]:
    """Write the page of quantstats."""
    import quantstats

    file = folder / "quantstats.html"
    quantstats.reports.html(_returns(result), output=str(file), title="quantstats")
    page = file.read_text(encoding="utf-8")
    # Texts of its pictures are comments in the SVG files that matplotlib wrote.
    pictures = [base64.b64decode(code).decode() for code in re.findall(r"svg\+xml;base64,([^\"']+)", page)]
    return file, page + " ".join(re.findall(r"<!-- (.*?) -->", " ".join([page, *pictures])))


def skfolio_page(result: BacktestResult, folder: Path) -> tuple[Path, str]:
    """Write the figures and the summary of a skfolio portfolio as one page."""
    from skfolio import Portfolio

    returns = _returns(result).to_frame("run")
    portfolio = Portfolio(X=returns, weights=[1.0], annualized_factor=252)
    figures = [
        portfolio.plot_cumulative_returns(),
        portfolio.plot_rolling_measure(),
        portfolio.plot_returns_distribution(),
    ]
    figures += [portfolio.plot_contribution(measure=portfolio_measure()), portfolio.plot_composition()]
    parts = [one.to_html(full_html=False, include_plotlyjs=place == 0) for place, one in enumerate(figures)]
    table = portfolio.summary().to_frame("run").to_html()
    file = folder / "skfolio.html"
    file.write_text(f"<!doctype html><meta charset=utf-8>{''.join(parts)}{table}", encoding="utf-8")
    return file, " ".join([table, *(str(one.layout.title.text) for one in figures)])


def portfolio_measure() -> object:
    """Return the measure of skfolio's contributions to risk."""
    from skfolio import RiskMeasure

    return RiskMeasure.STANDARD_DEVIATION


PAGES: Mapping[str, Callable[[BacktestResult, Path], tuple[Path, str]]] = {
    "volplugin": volplugin_page,
    "pyfolio": pyfolio_page,
    "quantstats": quantstats_page,
    "skfolio": skfolio_page,
}


def _returns(result: BacktestResult) -> pd.Series:
    return result.perf["returns"].dropna().rename("run")


def visible(page: str) -> str:
    """Return the text of a page, its pictures' alternative text included, without scripts and styles."""
    page = scriptless(page)
    alternatives = " ".join(re.findall(r'(?:aria-label|alt)="([^"]*)"', page))
    return re.sub(r"<[^>]*>", " ", page) + alternatives


def scriptless(page: str) -> str:
    """Return a page without the contents of its scripts and styles."""
    return re.sub(r"(<(script|style)\b[^>]*>).*?</\2>", r"\1", page, flags=re.S)


def load_time(page: Path) -> float:
    """Return the milliseconds until a page is loaded; NaN without Chromium."""
    browser = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)
    if browser is None:
        return float("nan")
    script = (
        "<script>addEventListener('load', () => { document.title = 'load ' + Math.round(performance.now()); })</script>"
    )
    timed = page.resolve().with_stem(f"{page.stem}-timed")
    timed.write_text(page.read_text(encoding="utf-8") + script, encoding="utf-8")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}", "--timeout=120000"]
        command = [browser, *flags, "--dump-dom", timed.as_uri()]
        dumped = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(re.findall(r"<title>load (\d+)", dumped.stdout)[-1])


def main() -> None:
    """Print a table of contents, sizes and times."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("results")
    parser.add_argument("--out", default="build/reports")
    parser.add_argument("--loads", type=int, default=5)
    given = parser.parse_args()
    result, columns, files = read_result(given.results), {}, {}
    for name, page in PAGES.items():
        folder = Path(given.out) / name
        folder.mkdir(parents=True, exist_ok=True)
        begin = time.process_time()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                file, words = page(result, folder)
        except ImportError as error:
            print(f"{name}: skipped ({error})")
            continue
        seconds = time.process_time() - begin
        shown = {
            subject: "yes" if re.search(pattern, visible(words), re.I) else "" for subject, pattern in SUBJECTS.items()
        }
        outside = re.findall(
            r"<(?:link|script|img)[^>]*(?:src|href)=.?(?:https?:)?//", scriptless(file.read_text("utf-8"))
        )
        columns[name] = shown | {
            "file size, kB": f"{file.stat().st_size / 1000:,.0f}",
            "needs the network": "yes" if outside else "no",
            "processor time to make, s": f"{seconds:.1f}",
        }
        files[name] = file
    times = pd.DataFrame([{name: load_time(file) for name, file in files.items()} for _ in range(given.loads)]).median()
    for name, milliseconds in times.items():
        columns[str(name)]["load time, ms"] = f"{milliseconds:,.0f}"
    print(pd.DataFrame(columns).to_markdown())


if __name__ == "__main__":
    main()
