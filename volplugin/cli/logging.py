"""Logging of the commands to standard error, at the selected level."""

from __future__ import annotations

import logging
import os
import sys
import time

import click

QUIET, NORMAL, VERBOSE = logging.WARNING, logging.INFO, logging.DEBUG

logger = logging.getLogger("volplugin")


class OnStandardError(logging.Handler):
    """Writes records where click writes errors, which tests and pipes redirect."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        click.echo(f"[{clock}] {record.getMessage()}", err=True)


def configure_logging(level: int) -> None:
    """Write the package's log from a level on; progress bars, which terminals alone get, from `NORMAL` on."""
    if level > NORMAL:
        os.environ["TQDM_DISABLE"] = "1"
    for handler in [each for each in logger.handlers if isinstance(each, OnStandardError)]:
        logger.removeHandler(handler)
    logger.addHandler(OnStandardError())
    logger.setLevel(level)


def on_terminal() -> bool:
    """Return whether progress bars are shown: standard error is a terminal, and ``--quiet`` is not given."""
    return sys.stderr.isatty() and logger.isEnabledFor(NORMAL)


def log(what: str) -> None:
    """Log progress."""
    logger.info(what)
