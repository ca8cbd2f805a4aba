"""The folder of a backtest: its numbers written, read again, and made into the page.

``scorecard.json`` holds every single number, ``history.npz`` everything that has a date; ``perf.pkl`` is zipline's
own frame, for the user. A page is always drawn from what was read, so that it can be drawn again from the files.
"""

from volplugin.report.folder.read import read_result
from volplugin.report.folder.write import forget_result, scorecard, write_result

__all__ = ["forget_result", "read_result", "scorecard", "write_result"]
