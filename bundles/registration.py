"""Registering bundles once, and ingesting them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
from zipline.data import bundles

from volplugin.errors import BundleError, BundleNotFoundError, VolpluginError

from .staged import Market, Prepare, StagedIngest, Tables

CALENDAR = "XNYS"
COUNTRIES = {
    "XNYS": "US", "XNAS": "US", "XLON": "GB", "XSHG": "CN", "XSHE": "CN", "XHKG": "HK", "XTKS": "JP", "XBOM": "IN",
    "XNSE": "IN", "XFRA": "DE", "XETR": "DE", "XPAR": "FR", "XAMS": "NL", "XSWX": "CH", "XTSE": "CA", "XASX": "AU",
    "XKRX": "KR", "XTAI": "TW", "XSES": "SG", "BVMF": "BR", "XMEX": "MX", "XJSE": "ZA", "XMAD": "ES", "XMIL": "IT",
    "XSTO": "SE", "XOSL": "NO", "XCSE": "DK", "XHEL": "FI", "XBRU": "BE", "XLIS": "PT", "XDUB": "IE", "XWBO": "AT",
}  # fmt: skip
"""Country codes by calendar, for Pipeline's domains; US for other calendars unless given."""


def register_tables(
    name: str,
    load: Callable[[], Tables],
    *,
    start: str | None = None,
    end: str | None = None,
    market: Market | None = None,
    prepare: Prepare | None = None,
) -> None:
    """Register a bundle of daily bars under a name; a bundle of that name is replaced.

    Registering again, from a notebook cell or a second import, is silent.

    Parameters
    ----------
    name : str
        Bundle name, for ``zipline ingest -b NAME``.
    load : callable
        Returns raw bars by symbol; called at ingest.
    start, end : str, optional
        First and last session, if known beforehand. The bundle begins and ends with its data.
    market : Market, optional
        Calendar, country and currency; New York by default.
    prepare : callable, optional
        Turns the loaded bars into bars on the calendar's sessions, and adds remarks.
    """
    market = market or Market()
    if name in bundles.bundles:
        bundles.unregister(name)
    bundles.register(
        name,
        StagedIngest(load, market, prepare),
        calendar_name=market.calendar,
        start_session=None if start is None else pd.Timestamp(start),
        end_session=None if end is None else pd.Timestamp(end),
        create_writers=False,
    )


def ingest_bundle(name: str, *, environ: Mapping[str, str] | None = None, show_progress: bool = False) -> None:
    """Ingest a registered bundle. A bundle of this package is written whole, or not at all.

    Parameters
    ----------
    name : str
        A registered bundle.
    environ : mapping, optional
        Environment whose ``ZIPLINE_ROOT`` is used; the process's by default.
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
            "register it with register_prices(name, source) in extension.py"
        )
    try:
        bundles.ingest(name, os.environ if environ is None else environ, show_progress=show_progress)
    except FileNotFoundError as error:  # at the end zipline removes a folder that all ingestions of a bundle share
        if Path(str(error.filename)).name != ".cache":
            raise
    except VolpluginError:
        raise
    except (ValueError, TypeError, LookupError) as error:  # of zipline's own bundles, such as csvdir, and others
        raise BundleError(
            f"bundle {name!r} cannot be ingested: {' '.join(str(error).split()).rstrip('.')}; correct its source, or "
            f"read CSV files with `volplugin ingest {name} --csv FOLDER`"
        ) from error
