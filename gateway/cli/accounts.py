"""``coinbox accounts``: open them, set them, move their money, see them."""

import asyncio
import re
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer

from gateway import app, config, names, published
from gateway.admin.accounts import account_body
from gateway.admin.settings import Changes, read_changes
from gateway.cli.terminal import (
    ConfigOption,
    SetOption,
    amount,
    checked,
    fail,
    moment,
    out,
    pairs,
)
from gateway.ledger.ledger import Ledger
from gateway.ledger.outcomes import NEVER_MS, Granted, Refused, Reversed
from gateway.ledger.statements import Statements
from gateway.money import format_amount
from gateway.rating.number import read_number
from gateway.rating.plan import Plans

# One line; what is no UTF-8 comes as surrogates.
_REASON = re.compile(r"[^\x00-\x1f\ud800-\udfff]{1,200}")

commands = typer.Typer(help="Open accounts, add money, see balances.", no_args_is_help=True)

_UserOption = Annotated[list[str] | None, typer.Option(help="Who may spend; repeatable.")]
_NumberOption = Annotated[
    list[str] | None, typer.Option(help="Number dialed in that it owns; repeatable.")
]
_ReferenceOption = Annotated[
    str, typer.Option(help="Names the payment; the same one is booked once, for ever.")
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
        async with app.open_store(settings) as store:
            ledger = Ledger(store)
            if currency is not None and (refused := await ledger.open_account(account, currency)):
                return refused
            return await options.apply(ledger, account, changes)

    if refused := asyncio.run(run()):
        fail(f"account {account}: {refused.reason}")
    out.print(f"{account}: open")


@commands.command()
def grant(
    account: str,
    amount_text: Annotated[str, typer.Argument(metavar="AMOUNT")],
    reference: _ReferenceOption,
    *,
    bonus: Annotated[bool, typer.Option("--bonus", help="Promotional: nobody paid it.")] = False,
    expires: Annotated[
        str | None, typer.Option(help="'never', or a time as 2027-01-31 or 2027-01-31T12:00Z.")
    ] = None,
    config_file: ConfigOption = None,
) -> None:
    """Add money. It expires 12 months from now, if no other time is given."""
    checked("ACCOUNT", account, names.ACCOUNT)
    micros = _more_than_zero(amount_text)
    checked("--reference", reference, names.REFERENCE)
    expires_ms = None if expires is None else _expiry(expires)

    async def run() -> Granted | Refused:
        async with app.open_store(config.load(config_file)) as store:
            statement = await Statements(store).statement(account)
            if statement is None:
                return Refused("unknown_account")
            return await Ledger(store).grant(
                account,
                reference,
                micros,
                statement.currency,
                kind="bonus" if bonus else "paid",
                expires_ms=expires_ms,
            )

    outcome = asyncio.run(run())
    if isinstance(outcome, Refused):
        fail(f"account {account}: {outcome.reason}")
    out.print(f"{account}: lot {outcome.lot}, available {format_amount(outcome.available)}")


@commands.command()
def reverse(
    account: str,
    amount_text: Annotated[str, typer.Argument(metavar="AMOUNT")],
    *,
    payment: Annotated[str, typer.Option(help="Reference of the payment that is taken back.")],
    reference: Annotated[
        str, typer.Option(help="Names this reversal; the same one is done once, for ever.")
    ],
    reason: Annotated[str, typer.Option(help="Why, for the journal.")],
    at_most: Annotated[
        bool, typer.Option("--at-most", help="Take what is left, if that is less.")
    ] = False,
    config_file: ConfigOption = None,
) -> None:
    """Take back money of a payment that is not used: a refund, or a charge-back."""
    checked("ACCOUNT", account, names.ACCOUNT)
    micros = _more_than_zero(amount_text)
    checked("--payment", payment, names.REFERENCE)
    checked("--reference", reference, names.REFERENCE)
    checked("--reason", reason, _REASON)

    async def run() -> Reversed | Refused:
        async with app.open_store(config.load(config_file)) as store:
            return await Ledger(store).reverse(
                account,
                reference,
                payment,
                micros,
                reason,
                how="at_most" if at_most else "exact",
            )

    outcome = asyncio.run(run())
    if isinstance(outcome, Refused):
        left = f", {format_amount(outcome.available)} is left of it"
        fail(
            f"account {account}: {outcome.reason}{left if outcome.reason == 'exceeds_lot' else ''}"
        )
    out.print(
        f"{account}: lot {outcome.lot}, {format_amount(outcome.micros)} taken back,"
        f" available {format_amount(outcome.available)}"
    )


@commands.command()
def show(account: str, config_file: ConfigOption = None) -> None:
    """Show an account's balance and lots."""

    async def run() -> None:
        async with app.open_store(config.load(config_file)) as store:
            statement = await Statements(store).statement(account)
        if statement is None:
            fail(f"account {account}: unknown_account")
        out.print_json(data=account_body(statement))

    asyncio.run(run())


def _more_than_zero(text: str) -> int:
    micros = amount("AMOUNT", text)
    if micros == 0:
        raise typer.BadParameter("must be more than 0", param_hint="AMOUNT")
    return micros


def _number(text: str) -> str:
    number = read_number(text, "") if text.startswith("+") else None
    if number is None:
        raise typer.BadParameter(f"{text!r} is not a number as +18005550100", param_hint="--number")
    return number.text


def _expiry(text: str) -> int:
    return NEVER_MS if text == "never" else moment("--expires", text)
