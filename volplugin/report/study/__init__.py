"""The report of a seed study: its numbers, tables, plots and page."""

from volplugin.report.study.page import write_study
from volplugin.report.study.result import BookStudy, StudyResult
from volplugin.report.study.words import study_text

__all__ = ["BookStudy", "StudyResult", "study_text", "write_study"]
