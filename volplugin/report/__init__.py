"""The report of a backtest: measures, plots, tables, and the page.

``volplugin backtest`` writes the page; ``volplugin report DIR`` writes it again from the result folder. In Python::

    from volplugin.report import read_result

    result = read_result("results")
    result.plot.calibration().figure.savefig("calibration.png")   # or plots.plot_calibration(result)

The numbers behind each plot are functions of `volplugin.report.measures`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "axes": ["DARK", "LIGHT"],
        "backtest_page": ["write_report"],
        "measures": ["ReportData"],
        "plots": ["PlotAccessor"],
        "folder": ["read_result"],
        "today": ["write_today"],
        "result": ["BacktestResult", "Comparison", "RunDetails"],
    },
)
