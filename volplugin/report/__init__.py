"""Numbers, then plots, then a page: the report of a backtest.

``volplugin backtest`` writes the page; ``volplugin report DIR`` draws it again from the files. Its parts, one by one::

    from volplugin.report import plots, read_result

    result = read_result("results")
    plots.plot_calibration(result).figure.savefig("calibration.png")

The numbers behind each plot are functions of `volplugin.report.measures`.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "backtest_page": ["write_report"],
        "folder": ["read_result"],
        "result": ["BacktestResult", "Comparison", "RunDetails", "package_versions"],
    },
)
