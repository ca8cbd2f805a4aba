"""What is shown of a judgement of volatility forecasts: text for a terminal, and a folder of numbers and plots."""

from volplugin.report.judgement.files import write_evaluation
from volplugin.report.judgement.text import judgement_text

__all__ = ["judgement_text", "write_evaluation"]
