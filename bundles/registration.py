"""Registering bundles once, and ingesting them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping

import pandas as pd
from zipline.data import bundles

from volplugin.errors import BundleNotFoundError

from .staged import StagedIngest, Tables

CALENDAR = "XNYS"


def register_tables(name: str, load: Callable[[], Tables], *, start: str | None = None, end: str | None = None) -> None:
    """Register a bundle of daily US stocks under a name; a bundle of that name is replaced.

    Registering again, from a notebook cell or a second import, is silent.

    Parameters
    ----------
    name : str
        Bundle name, for ``zipline ingest -b NAME``.
    load : callable
        Returns raw bars by symbol; called at ingest.
    start, end : str, optional
        First and last session, where known beforehand. The bundle's bounds are those of its data.
    """
    if name in bundles.bundles:
        bundles.unregister(name)
    bundles.register(
        name,
        StagedIngest(load),
        calendar_name=CALENDAR,
        start_session=None if start is None else pd.Timestamp(start),
        end_session=None if end is None else pd.Timestamp(end),
        create_writers=False,
    )


def ingest_bundle(name: str, *, environ: Mapping[str, str] | None = None, show_progress: bool = False) -> None:
    """Ingest a registered bundle. Ours are there afterwards whole, or not at all.

    Parameters
    ----------
    name : str
        A registered bundle.
    environ : mapping, optional
        Whose ``ZIPLINE_ROOT`` to use; the process's own by default.
    show_progress : bool, default False
        Show zipline's progress bar.

    Raises
    ------
    BundleNotFoundError
        If no bundle of this name is registered.
    PanelError, BundleError
        If the data cannot be used; nothing is written then.
    """
    if name not in bundles.bundles:
        raise BundleNotFoundError(
            f"no bundle {name!r} is registered (there are {', '.join(sorted(bundles.bundles))}); "
            "register it with register_csv_folder(name, folder) in extension.py"
        )
    bundles.ingest(name, os.environ if environ is None else environ, show_progress=show_progress)
