"""The command line."""

import asyncio
import re
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from gateway import app, config, logs
from gateway.admin.accounts import account_body
from gateway.config import Settings
from gateway.errors import BadInputError
from gateway.ledger.embedded import EmbeddedStoreError
from gateway.ledger.outcomes import Granted, LedgerUnavailableError, Refused
from gateway.money import format_amount, parse_amount
from gateway.rating.number import e164

_NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")
_REFERENCE = re.compile(r"[A-Za-z0-9._:-]{1,100}")
_CURRENCY = re.compile(r"[A-Z]{3}")

_HELP = """Coinbox decides for Asterisk, before every call that costs money, whether it may be made.

It holds prepaid money for each minute before it is talked, and ends the call when the money ends.
"""

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", envvar="COINBOX_CONFIG", help="TOML file of settings; all are optional."
    ),
]

cli = typer.Typer(
    help=_HELP, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)
accounts = typer.Typer(help="Open accounts, add money, see balances.", no_args_is_help=True)
cli.add_typer(accounts, name="accounts")
_out = Console(highlight=False, soft_wrap=True)

# What a person can mend; anything else is a fault of the program, and shows where.
_SAID = (BadInputError, EmbeddedStoreError, LedgerUnavailableError, OSError)


def main() -> None:
    """Run the command line; what is wrong with its input is said in a line each."""
    try:
        cli()
    except _SAID as error:
        _fail(str(error))
    except BaseExceptionGroup as group:
        # What ended a part of the gateway, such as a port that is taken.
        said, broken = group.split(_SAID)
        if broken or said is None:
            raise
        _fail("\n".join(str(error) for error in _leaves(said)))


def _leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    return [
        leaf
        for error in group.exceptions
        for leaf in (_leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]


def _fail(message: str) -> NoReturn:
    typer.echo(f"coinbox: {message}", err=True)
    raise SystemExit(1)


@cli.command()
def serve(config_file: ConfigOption = None) -> None:
    """Run the gateway. Without any setting it brings its own store and listens on 127.0.0.1."""
    settings = config.load(config_file)
    logs.configure(settings.log.format, settings.log.level)
    _out.print(_greeting(settings))
    asyncio.run(app.serve(settings))


def _greeting(settings: Settings) -> str:
    agi, ami, http = settings.agi, settings.ami, settings.http
    store = settings.store.url or f"embedded, in {settings.data_dir / 'store'}"
    config.ami_secret(settings)
    lines = [
        f"FastAGI   agi://{agi.host}:{agi.port}/authorize",
        f"HTTP      http://{http.host}:{http.port}/v1/calls  (Bearer token: "
        + ("as set)" if http.token else f"in {settings.data_dir / 'http-token'})"),
        f"Payments  http://{http.host}:{http.port}/webhooks/payments  (signed with: "
        + (
            "payments.webhook_secret)"
            if settings.payments.webhook_secret
            else f"{settings.data_dir / 'webhook-secret'})"
        ),
        f"AMI       {ami.username}@{ami.host}:{ami.port}",
        f"Store     {store}",
        "",
        f"Asterisk needs the files of {config.share('dialplan')}:",
        "  extensions.conf:  #include extensions-coinbox.conf",
        "  manager.conf:     #include manager-coinbox.conf, with the secret "
        + ("ami.secret" if ami.secret else f"in {settings.data_dir / 'ami-secret'}"),
    ]
    return "\n".join(lines)


@accounts.command("open")
def open_account(
    account: str,
    *,
    currency: Annotated[
        str | None, typer.Option(help="ISO 4217 code; a new account needs it, and keeps it.")
    ] = None,
    user: Annotated[list[str] | None, typer.Option(help="Who may spend; repeatable.")] = None,
    number: Annotated[
        list[str] | None, typer.Option(help="Toll-free number that it pays for; repeatable.")
    ] = None,
    recharge_below: Annotated[
        str | None, typer.Option(help="Recharge when available falls below.")
    ] = None,
    recharge_amount: Annotated[
        str | None, typer.Option(help="How much to recharge; 0: never.")
    ] = None,
    config_file: ConfigOption = None,
) -> None:
    """Open an account, or add to one that is open and change its recharge."""
    _checked("ACCOUNT", account, _NAME)
    if currency is not None:
        _checked("--currency", currency, _CURRENCY)
    users = [_checked("--user", name, _NAME) for name in user or []]
    numbers = [_number(text) for text in number or []]
    below, amount = (
        None if text is None else _amount(name, text)
        for name, text in (
            ("--recharge-below", recharge_below),
            ("--recharge-amount", recharge_amount),
        )
    )

    async def run() -> Refused | None:
        async with app.open_ledger(config.load(config_file)) as ledger:
            return await ledger.open_account(
                account,
                currency,
                users,
                numbers,
                recharge_below=below,
                recharge_amount=amount,
            )

    refused = asyncio.run(run())
    if refused:
        _fail(f"account {account}: {refused.reason}")
    _out.print(f"{account}: open")


@accounts.command()
def grant(
    account: str,
    amount: str,
    reference: Annotated[
        str, typer.Option(help="Names the payment; the same one is booked once, for ever.")
    ],
    config_file: ConfigOption = None,
) -> None:
    """Add money that was paid for. It expires 12 months from now."""
    micros = _amount("AMOUNT", amount)
    if micros == 0:
        raise typer.BadParameter("must be more than 0", param_hint="AMOUNT")
    _checked("--reference", reference, _REFERENCE)

    async def run() -> Granted | Refused:
        async with app.open_ledger(config.load(config_file)) as ledger:
            statement = await ledger.statement(account)
            if statement is None:
                return Refused("unknown_account")
            return await ledger.grant(account, reference, micros, statement.currency)

    outcome = asyncio.run(run())
    if isinstance(outcome, Refused):
        _fail(f"account {account}: {outcome.reason}")
    _out.print(f"{account}: lot {outcome.lot}, available {format_amount(outcome.available)}")


@accounts.command()
def show(account: str, config_file: ConfigOption = None) -> None:
    """Show an account's balance and lots."""

    async def run() -> None:
        async with app.open_ledger(config.load(config_file)) as ledger:
            statement = await ledger.statement(account)
        if statement is None:
            _fail(f"account {account}: unknown_account")
        _out.print_json(data=account_body(statement))

    asyncio.run(run())


def _checked(name: str, text: str, pattern: re.Pattern[str]) -> str:
    if not pattern.fullmatch(text):
        raise typer.BadParameter(f"{text!r} does not match {pattern.pattern}", param_hint=name)
    return text


def _amount(name: str, text: str) -> int:
    """Read an amount of money, or say which argument is wrong."""
    try:
        return parse_amount(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=name) from error


def _number(text: str) -> str:
    number = e164(text)
    if number is None:
        raise typer.BadParameter(f"{text!r} is not a number as +18005550100", param_hint="--number")
    return number
