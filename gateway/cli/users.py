"""``coinbox users``: who may spend, with which plans, policy and limits."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer
from rich.progress import track

from gateway import config, names, published
from gateway.admin.accounts import party_body
from gateway.admin.settings import USER_NAMES, Changes, read_changes
from gateway.cli.terminal import ConfigOption, SetOption, checked, err, fail, out, pairs
from gateway.config import Settings
from gateway.csvrows import csv_rows, wrong_columns
from gateway.errors import BadInputError, Fault
from gateway.ledger.ledger import Ledger
from gateway.ledger.outcomes import Party, Refused
from gateway.ledger.statements import Statements
from gateway.rating.plan import Plans
from gateway.stores import open_store

commands = typer.Typer(help="Set up those who call.", no_args_is_help=True)


@commands.command("set")
def set_user(
    account: str, user: str, changes: SetOption = None, config_file: ConfigOption = None
) -> None:
    """Add a user, or change one; what is not named stays as it is."""
    checked("ACCOUNT", account, names.ACCOUNT)
    checked("USER", user, names.USER)
    settings = config.load(config_file)
    plans = published.load_plans(settings.rates.plans)
    read = read_changes(f"user {user}", pairs(changes), plans, of_user=True)
    added = _set(account, {user: read}, settings)
    out.print(f"{account}: user {user} is {'added' if added else 'set'}")


@commands.command("import")
def import_users(
    account: str,
    file: Annotated[Path, typer.Argument(help="CSV: a column user, and columns of names.")],
    config_file: ConfigOption = None,
) -> None:
    """Add or change all users of a CSV file, or none if a row is wrong."""
    checked("ACCOUNT", account, names.ACCOUNT)
    settings = config.load(config_file)
    plans = published.load_plans(settings.rates.plans)
    users = read_users(str(file), published.read_text(file), plans)
    added = _set(account, users, settings)
    out.print(f"{account}: {len(users)} users set, {added} of them added")


def read_users(source: str, text: str, plans: Plans) -> dict[str, Changes]:
    """Read users from CSV; an empty cell takes a setting back.

    Raises BadInputError that names every wrong row, column and value.
    """
    faults: list[Fault] = []
    users: dict[str, Changes] = {}
    for row, cells in csv_rows(source, text, _wrong_header, faults):
        where, user = f"{source}: row {row}", cells.pop("user")
        if not names.USER.fullmatch(user):
            faults.append(Fault(where, "user", user, f"must match {names.USER.pattern}"))
        elif user in users:
            faults.append(Fault(where, "user", user, "stands in a row before already"))
        try:
            users[user] = read_changes(where, cells, plans, of_user=True)
        except BadInputError as error:
            faults += error.faults
    if faults:
        raise BadInputError(faults)
    return users


def _wrong_header(header: list[str]) -> str:
    return wrong_columns(header, ["user"], ["user", *USER_NAMES])


def _set(account: str, users: Mapping[str, Changes], settings: Settings) -> int:
    """Set users one after the other; each by itself is done once. Give how many are new."""

    async def run() -> Refused | int:
        async with open_store(settings) as store:
            ledger = Ledger(store)
            known = await Statements(store).users(account)
            # On a terminal only: elsewhere it would write an empty line.
            shown = track(users.items(), "users", console=err, disable=not err.is_terminal)
            for user, changes in shown:
                refused = await ledger.set_user(
                    account, uuid4().hex, user, profile=changes.profile, limits=changes.limits
                )
                if refused:
                    return refused
            return len(users.keys() - known.keys())

    outcome = asyncio.run(run())
    if isinstance(outcome, Refused):
        fail(f"account {account}: {outcome.reason}")
    return outcome


@commands.command("list")
def list_users(account: str, config_file: ConfigOption = None) -> None:
    """List an account's users with what is set for each, as JSON."""
    checked("ACCOUNT", account, names.ACCOUNT)

    async def run() -> dict[str, Party] | None:
        async with open_store(config.load(config_file)) as store:
            statements = Statements(store)
            if await statements.statement(account) is None:
                return None
            return await statements.users(account)

    users = asyncio.run(run())
    if users is None:
        fail(f"account {account}: unknown_account")
    out.print_json(data={user: party_body(party) for user, party in sorted(users.items())})
