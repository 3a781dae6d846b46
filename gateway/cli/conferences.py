"""``coinbox conferences``: which there are, who organizes each, and who may join."""

import asyncio
from typing import Annotated

import typer

from gateway import config, names
from gateway.admin.conferences import conference_body
from gateway.cli.terminal import ConfigOption, checked, fail, out
from gateway.ledger.ledger import Ledger
from gateway.ledger.outcomes import Conference, Refused
from gateway.ledger.statements import Statements
from gateway.stores import open_store

commands = typer.Typer(help="Set up conferences.", no_args_is_help=True)


@commands.command("set")
def set_conference(
    account: str,
    conference: str,
    *,
    organizer: Annotated[str, typer.Option(help="The user whose licence and policy hold.")],
    pin: Annotated[str, typer.Option(help="What callers enter; without: nothing.")] = "",
    leader_pin: Annotated[
        str, typer.Option(help="What those enter who may add others; without: nobody may.")
    ] = "",
    config_file: ConfigOption = None,
) -> None:
    """Set up a conference, or change it whole."""
    checked("--organizer", organizer, names.USER)
    for option, word in (("--pin", pin), ("--leader-pin", leader_pin)):
        if word:
            checked(option, word, names.PIN)
    if pin and pin == leader_pin:
        fail(f"--leader-pin = {leader_pin!r}: must differ from --pin")
    _set(account, conference, Conference(organizer, pin, leader_pin), config_file)
    out.print(f"{account}: conference {conference} is set")


@commands.command("remove")
def remove(account: str, conference: str, config_file: ConfigOption = None) -> None:
    """Take a conference away; callers who are in it stay."""
    _set(account, conference, Conference("", "", ""), config_file)
    out.print(f"{account}: conference {conference} is removed")


def _set(account: str, conference: str, to: Conference, config_file: ConfigOption) -> None:
    checked("ACCOUNT", account, names.ACCOUNT)
    checked("CONFERENCE", conference, names.CONFERENCE)

    async def run() -> Refused | None:
        async with open_store(config.load(config_file)) as store:
            return await Ledger(store).set_conference(
                account, conference, to.organizer, pin=to.pin, leader_pin=to.leader_pin
            )

    refused = asyncio.run(run())
    if refused:
        fail(f"account {account}: {refused.reason}")


@commands.command("list")
def list_conferences(account: str, config_file: ConfigOption = None) -> None:
    """List an account's conferences, as JSON."""
    checked("ACCOUNT", account, names.ACCOUNT)

    async def run() -> dict[str, Conference]:
        async with open_store(config.load(config_file)) as store:
            return await Statements(store).conferences(account)

    found = asyncio.run(run())
    out.print_json(data={name: conference_body(one) for name, one in found.items()})
