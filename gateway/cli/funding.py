"""``coinbox accounts``: give them money, take it back, let them be recharged."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer

from gateway import config, names
from gateway.admin.funding import give_up
from gateway.cli import accounts
from gateway.cli.terminal import ConfigOption, amount, checked, fail, moment, out
from gateway.ledger.ledger import Ledger
from gateway.ledger.outcomes import NEVER_MS, Granted, Refused, Reversed
from gateway.ledger.statements import Statements
from gateway.money import format_amount
from gateway.stores import open_store

# Beside those that open and set accounts.
commands = accounts.commands

# One line; what is no UTF-8 comes as surrogates.
_REASON = re.compile(r"[^\x00-\x1f\ud800-\udfff]{1,200}")

_ReferenceOption = Annotated[
    str, typer.Option(help="Names the payment; the same one is booked once, for ever.")
]


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
    micros = amount("AMOUNT", amount_text)
    checked("--reference", reference, names.REFERENCE)
    expires_ms = None if expires is None else _expiry(expires)

    async def run() -> Granted | Refused:
        async with open_store(config.load(config_file)) as store:
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
    micros = amount("AMOUNT", amount_text)
    checked("--payment", payment, names.REFERENCE)
    checked("--reference", reference, names.REFERENCE)
    checked("--reason", reason, _REASON)

    async def run() -> Reversed | Refused:
        async with open_store(config.load(config_file)) as store:
            return await Ledger(store).reverse(
                account,
                reference,
                payment,
                micros,
                reason,
                at_most=at_most,
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
def recharge(
    account: str,
    amount_text: Annotated[str | None, typer.Argument(metavar="AMOUNT")] = None,
    *,
    reference: Annotated[
        str | None, typer.Option(help="Names this request; the same one is done once a day.")
    ] = None,
    config_file: ConfigOption = None,
) -> None:
    """Let a gateway that runs ask for money now; without AMOUNT, for what is set."""
    checked("ACCOUNT", account, names.ACCOUNT)
    given = None if amount_text is None else amount("AMOUNT", amount_text)
    operation = checked("--reference", reference or uuid4().hex, names.REFERENCE)

    async def run() -> str | Refused:
        async with open_store(config.load(config_file)) as store:
            statement = await Statements(store).statement(account)
            if statement is None:
                return Refused("unknown_account")
            micros = given or statement.recharge.amount
            if micros == 0:
                return Refused("recharge_amount is not set: say how much")
            return await Ledger(store).request_recharge(account, operation, micros)

    claimed = asyncio.run(run())
    if isinstance(claimed, Refused):
        fail(f"account {account}: {claimed.reason}")
    out.print(f"{account}: asked for, as {claimed}")


@commands.command()
def suspend(account: str, config_file: ConfigOption = None) -> None:
    """Let no recharge begin until `resume`; one that the provider knows of already goes on."""
    _ask(account, lambda ledger: ledger.suspend_recharge(account), config_file)
    out.print(f"{account}: recharges are suspended")


@commands.command()
def resume(account: str, config_file: ConfigOption = None) -> None:
    """Let recharges begin again: at once, if one is due."""
    _ask(account, lambda ledger: ledger.resume_recharge(account), config_file)
    out.print(f"{account}: recharges may begin")


@commands.command("give-up")
def give_up_recharge(account: str, config_file: ConfigOption = None) -> None:
    """Give up a recharge that gets no answer: another may begin, and it counts if it is paid."""
    checked("ACCOUNT", account, names.ACCOUNT)

    async def run() -> str | Refused:
        async with open_store(config.load(config_file)) as store:
            return await give_up(Ledger(store), Statements(store), account)

    key = asyncio.run(run())
    if isinstance(key, Refused):
        fail(f"account {account}: {key.reason}")
    out.print(f"{account}: {key} is given up")


@commands.command()
def dismiss(account: str, payment: str, config_file: ConfigOption = None) -> None:
    """Be done with a payment that could not be booked, such as one that was paid back."""
    checked("PAYMENT", payment, names.REFERENCE)
    _ask(account, lambda ledger: ledger.dismiss_payment(account, payment), config_file)
    out.print(f"{account}: payment {payment} is dismissed")


def _ask(
    account: str,
    ask: Callable[[Ledger], Awaitable[Refused | None]],
    config_file: Path | None,
) -> None:
    """Do something that has no outcome but that it was refused."""
    checked("ACCOUNT", account, names.ACCOUNT)

    async def run() -> Refused | None:
        async with open_store(config.load(config_file)) as store:
            return await ask(Ledger(store))

    if refused := asyncio.run(run()):
        fail(f"account {account}: {refused.reason}")


def _expiry(text: str) -> int:
    return NEVER_MS if text == "never" else moment("--expires", text)
