"""Options from a file, and the options that were in force."""

from __future__ import annotations

import datetime
import difflib
import json
import math
import tomllib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

import click
import pandas as pd

from volplugin.errors import ConfigurationError, VolpluginError
from volplugin.storage.atomic import SUMS, altered_files, write_files
from volplugin.storage.reading import read_regular_file

LARGEST = 2**20
"""Bytes of the largest configuration file."""

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
        If it cannot be read, is not TOML, or holds a value that no option takes.
    """
    file = Path(path)
    try:
        found = tomllib.loads(read_regular_file(file, LARGEST).decode("utf-8-sig"))
        if altered_files(file.parent, file.name):
            raise ConfigurationError(
                f"{file} is damaged or altered, {SUMS} has another checksum; edit a copy elsewhere"
            )
    except OSError as error:
        raise ConfigurationError(f"cannot read {file}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{file} is not TOML: {error}") from error
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
    """Select the options of one command from a configuration.

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
    known_options = {option for each in commands.values() for option in each}
    taken: dict[str, Any] = {}
    for name, value in configuration.items():
        if isinstance(value, dict):
            _check(name, commands, "command")
            for key in value:
                _check(_plain(key), commands[name], f"option of {name}")
        else:
            _check(_plain(name), known_options, "option of any command")
            if _plain(name) in options:
                taken[_plain(name)] = value
    return taken | {_plain(key): value for key, value in configuration.get(command, {}).items()}


def to_toml(options: Options) -> str:
    """Write options as a file that `read_configuration` reads; options that are None are left out."""
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
    return isinstance(value, str | int | datetime.date) or (isinstance(value, float) and math.isfinite(value))


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


RECORD = "configuration.toml"
HIDDEN = {"config", "help"}


def add_config_option(command: click.Command) -> None:
    """Add ``--config FILE`` to a command, whose values apply where no option is given."""
    command.params.append(
        click.Option(
            ["--config"],
            metavar="FILE",
            is_eager=True,
            expose_value=False,
            callback=_take,
            help="TOML file of options; options given here override it.",
        )
    )


def _take(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    if value is None:
        return
    group = ctx.parent.command if ctx.parent is not None else None
    commands = group.commands if isinstance(group, click.Group) else {str(ctx.info_name): ctx.command}
    names = {name: _options(command) for name, command in commands.items()}
    try:
        found = options_of(read_configuration(value), str(ctx.info_name), names[str(ctx.info_name)], names)
    except VolpluginError as error:
        raise click.ClickException(str(error) if value in str(error) else f"{value}: {error}") from error
    options = {option.name: option for option in ctx.command.params if isinstance(option, click.Option)}
    flags = {_flag(option): name for name, option in options.items()}
    default: dict[str, Any] = {}
    for key, each in found.items():
        name = flags[key]
        if isinstance(each, list) != bool(options[name].multiple):
            wanted = "a list" if options[name].multiple else "one value"
            raise click.ClickException(f"{value}: {key} is {each!r}; write {wanted}")
        if isinstance(each, bool) and not options[name].is_flag:
            raise click.ClickException(f"{value}: {key} is {str(each).lower()}; write a value, as the option takes one")
        default[str(name)] = each
    ctx.default_map = {**(ctx.default_map or {}), **default}


def settings(ctx: click.Context | None = None) -> dict[str, Any]:
    """Return the options in force of the running command, by the names that they have in a file."""
    context = ctx or click.get_current_context()
    found: dict[str, Any] = {}
    for option in context.command.params:
        if isinstance(option, click.Option) and option.name in context.params and option.name not in HIDDEN:
            value = context.params[option.name]
            found[_flag(option)] = str(value.date()) if isinstance(value, pd.Timestamp) else value
    return {name: value for name, value in found.items() if value is not None}


def record(folder: str | Path) -> None:
    """Write the options in force of the running command next to its results."""
    context = click.get_current_context()
    given = [context.params[str(each.name)] for each in context.command.params if isinstance(each, click.Argument)]
    command = " ".join(["volplugin", str(context.info_name), *map(str, given)])
    text = f"# {command}, with these options\n[{context.info_name}]\n{to_toml(settings(context))}"
    write_files(folder, {RECORD: text.encode()})


def _options(command: click.Command) -> set[str]:
    return {_flag(option) for option in command.params if isinstance(option, click.Option)} - HIDDEN


def _flag(option: click.Option) -> str:
    """Name of an option in a file: the name of its flag, which `name` may shadow."""
    longest = max(option.opts, key=len)
    return longest.lstrip("-").replace("-", "_")
