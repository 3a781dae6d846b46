"""``coinbox accounts``: open them, set them, move their money, see them."""

import asyncio
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer

from gateway import config, names, published
from gateway.admin.accounts import Overview
from gateway.admin.settings import Changes, read_changes
from gateway.cli.terminal import (
    ConfigOption,
    SetOption,
    checked,
    fail,
    out,
    pairs,
)
from gateway.ledger.ledger import Ledger
from gateway.ledger.outcomes import Refused
from gateway.ledger.statements import Statements
from gateway.rating.number import read_number
from gateway.rating.plan import Plans
from gateway.stores import open_store

commands = typer.Typer(help="Open accounts, add money, see balances.", no_args_is_help=True)

_UserOption = Annotated[list[str] | None, typer.Option(help="Who may spend; repeatable.")]
_NumberOption = Annotated[
    list[str] | None, typer.Option(help="Number dialed in that it owns; repeatable.")
]


@commands.command("open")
def open_account(
    account: str,
    *,
    currency: Annotated[str, typer.Option(help="ISO 4217 code; it never changes.")],
    user: _UserOption = None,
    number: _NumberOption = None,
    changes: SetOption = None,
    config_file: ConfigOption = None,
) -> None:
    """Open an account; on one that is open already, do as `set` does."""
    checked("ACCOUNT", account, names.ACCOUNT)
    checked("--currency", currency, names.CURRENCY)
    _apply(account, currency, _Settings(user, number, changes), config_file)


@commands.command("set")
def set_account(
    account: str,
    *,
    user: _UserOption = None,
    number: _NumberOption = None,
    changes: SetOption = None,
    config_file: ConfigOption = None,
) -> None:
    """Change settings of an account, and add users and numbers; what is not named stays."""
    checked("ACCOUNT", account, names.ACCOUNT)
    _apply(account, None, _Settings(user, number, changes), config_file)


class _Settings:
    """Options of `open` and `set`, read before anything is done."""

    def __init__(
        self,
        users: list[str] | None,
        numbers: list[str] | None,
        changes: list[str] | None,
    ) -> None:
        self._users = [checked("--user", name, names.USER) for name in users or []]
        self._numbers = [_number(text) for text in numbers or []]
        self._changes = pairs(changes)

    def changes(self, account: str, plans: Plans) -> Changes:
        """Read what is to be set. Raises BadInputError."""
        return read_changes(f"account {account}", self._changes, plans)

    async def apply(self, ledger: Ledger, account: str, changes: Changes) -> Refused | None:
        return await ledger.configure(
            account,
            uuid4().hex,
            users=self._users,
            numbers=self._numbers,
            amounts=changes.amounts,
            limits=changes.limits,
            profile=changes.profile,
            **changes.words,
        )


def _apply(
    account: str, currency: str | None, options: _Settings, config_file: Path | None
) -> None:
    """Open an account, if a currency is given, and set it."""
    settings = config.load(config_file)
    changes = options.changes(account, published.load_plans(settings.rates.plans))

    async def run() -> Refused | None:
        async with open_store(settings) as store:
            ledger = Ledger(store)
            if currency is not None and (refused := await ledger.open_account(account, currency)):
                return refused
            return await options.apply(ledger, account, changes)

    if refused := asyncio.run(run()):
        fail(f"account {account}: {refused.reason}")
    out.print(f"{account}: open")


@commands.command()
def show(account: str, config_file: ConfigOption = None) -> None:
    """Show an account's balance and lots."""

    async def run() -> Overview | None:
        async with open_store(config.load(config_file)) as store:
            return await Overview.of(Statements(store), account)

    found = asyncio.run(run())
    if found is None:
        fail(f"account {account}: unknown_account")
    out.print_json(data=found.body())


def _number(text: str) -> str:
    number = read_number(text, "") if text.startswith("+") else None
    if number is None:
        raise typer.BadParameter(f"{text!r} is not a number as +18005550100", param_hint="--number")
    return number.text
