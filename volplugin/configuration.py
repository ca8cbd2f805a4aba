"""Options of the commands from one small TOML file, and back.

A key at the top of the file stands for every command that has such an option, one in a table for that command alone::

    bundle = "dow30"
    store = "models"

    [backtest]
    target = 0.10
    frequency = "weekly"
"""

from __future__ import annotations

import datetime
import difflib
import json
import tomllib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from volplugin.errors import ConfigurationError

LARGEST = 2**20
"""Bytes above which a file is no configuration."""

Scalar = str | int | float | bool | datetime.date
Options = Mapping[str, Any]


def read_configuration(path: str | Path) -> dict[str, Any]:
    """Read a file of options.

    Returns
    -------
    dict
        Values, and lists of values, by option; tables of these by command.

    Raises
    ------
    ConfigurationError
        If it cannot be read, is no TOML, or holds what no option takes.
    """
    file = Path(path)
    try:
        if file.stat().st_size > LARGEST:
            raise ConfigurationError(f"{file} is larger than {LARGEST // 1024} KiB: no configuration")
        found = tomllib.loads(file.read_bytes().decode("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"cannot read {file}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, ValueError, RecursionError) as error:
        if isinstance(error, ConfigurationError):
            raise
        raise ConfigurationError(f"{file} is no TOML: {error}") from error
    for name, value in found.items():
        inner = value.items() if isinstance(value, dict) else [(name, value)]
        for key, each in inner:
            where = f"[{name}] {key}" if isinstance(value, dict) else key
            if not all(_is_scalar(item) for item in (each if isinstance(each, list) else [each])):
                raise ConfigurationError(
                    f"{file}: {where} is {each!r}; write a number, a text, a date or a list of them"
                )
    return found


def options_of(
    configuration: Options, command: str, options: Collection[str], commands: Mapping[str, Collection[str]]
) -> dict[str, Any]:
    """Take from a configuration what is meant for one command.

    Parameters
    ----------
    configuration : mapping
        From `read_configuration`.
    command : str
        Its name.
    options : collection of str
        Names of its options.
    commands : mapping of str to collection of str
        Options of every command, for telling a key that is none.

    Raises
    ------
    ConfigurationError
        For a key that no command has, with the nearest one.
    """
    everyone = {option for each in commands.values() for option in each}
    taken: dict[str, Any] = {}
    for name, value in configuration.items():
        if isinstance(value, dict):
            _check(name, commands, "command")
            for key in value:
                _check(_plain(key), commands[name], f"option of {name}")
        else:
            _check(_plain(name), everyone, "option of any command")
            if _plain(name) in options:
                taken[_plain(name)] = value
    return taken | {_plain(key): value for key, value in configuration.get(command, {}).items()}


def to_toml(options: Options) -> str:
    """Write options as a file that `read_configuration` reads; those that are None are left out."""
    lines = [f"{name} = {_value(value)}" for name, value in options.items() if value is not None]
    return "\n".join(lines) + "\n"


def _plain(name: str) -> str:
    return name.replace("-", "_")


def _check(name: str, known: Iterable[str], what: str) -> None:
    names = sorted(known)
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"; is it {near[0]}?" if near else f"; there are {', '.join(names)}"
        raise ConfigurationError(f"{name} is no {what}{hint}")


def _is_scalar(value: Any) -> bool:
    return isinstance(value, str | int | float | datetime.date) and value == value


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, int | float):
        return repr(value)
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
