"""Options from a file, and the options that were in force."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pandas as pd

from volplugin.configuration import options_of, read_configuration, to_toml
from volplugin.errors import VolpluginError
from volplugin.files import write_atomically

RECORD = "configuration.toml"
HIDDEN = {"config", "help"}


def add_config_option(command: click.Command) -> None:
    """Give a command ``--config FILE``, whose values stand where no option is given."""
    command.params.append(
        click.Option(
            ["--config"],
            metavar="FILE",
            is_eager=True,
            expose_value=False,
            callback=_take,
            help="TOML file of options; those given here win.",
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
        raise click.ClickException(f"{type(error).__name__}: {value}: {error}") from error
    options = {option.name: option for option in ctx.command.params if isinstance(option, click.Option)}
    flags = {_flag(option): name for name, option in options.items()}
    default: dict[str, Any] = {}
    for key, each in found.items():
        name = flags[key]
        if isinstance(each, list) != bool(options[name].multiple):
            wanted = "a list" if options[name].multiple else "one value"
            raise click.ClickException(f"ConfigurationError: {value}: {key} is {each!r}; write {wanted}")
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
    """Write the options in force of the running command beside its results."""
    context = click.get_current_context()
    arguments = {
        param.name: context.params[str(param.name)]
        for param in context.command.params
        if isinstance(param, click.Argument)
    }
    said = " ".join(["volplugin", str(context.info_name), *map(str, arguments.values())])
    text = f"# {said}, with these options\n[{context.info_name}]\n{to_toml(settings(context))}"
    write_atomically(Path(folder) / RECORD, text.encode())


def _options(command: click.Command) -> set[str]:
    return {_flag(option) for option in command.params if isinstance(option, click.Option)} - HIDDEN


def _flag(option: click.Option) -> str:
    """Name of an option in a file: that of its flag, which `name` may shadow."""
    longest = max(option.opts, key=len)
    return longest.lstrip("-").replace("-", "_")
