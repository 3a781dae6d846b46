"""What the commands share: the configuration, and the ways to say something."""

import re
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from gateway.admin.settings import NAMES
from gateway.money import parse_positive
from gateway.rating.columns import moment_ms

# What is shown comes from files and from callers: a bracket in it is no markup.
out = Console(highlight=False, soft_wrap=True, markup=False)
err = Console(highlight=False, stderr=True, markup=False)

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", envvar="COINBOX_CONFIG", help="TOML file of settings; all are optional."
    ),
]


SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help=f"Repeatable; an empty value takes it back. Names: {', '.join(NAMES)}.",
    ),
]


def pairs(options: list[str] | None) -> dict[str, str]:
    """Take NAME=VALUE apart."""
    found = {}
    for option in options or []:
        name, equals, value = option.partition("=")
        if not equals:
            raise typer.BadParameter(f"{option!r} is not NAME=VALUE", param_hint="--set")
        found[name] = value
    return found


def fail(message: str, code: int = 1) -> NoReturn:
    """Say what is wrong, and end."""
    typer.echo(f"coinbox: {message}", err=True)
    raise SystemExit(code)


def checked(name: str, text: str, pattern: re.Pattern[str]) -> str:
    """Give an argument that has the right form, or say which one has not."""
    if not pattern.fullmatch(text):
        raise typer.BadParameter(f"{text!r} does not match {pattern.pattern}", param_hint=name)
    return text


def amount(name: str, text: str) -> int:
    """Read an amount of money that is more than 0, or say which argument is wrong."""
    try:
        return parse_positive(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=name) from error


def moment(name: str, text: str) -> int:
    """Read a time, in UTC if it names no zone, as epoch milliseconds, or say what is wrong."""
    try:
        return moment_ms(text, "UTC", 0)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} {error}", param_hint=name) from error
