"""``coinbox notices``: what could not be told yet, and what nobody wanted to hear."""

import asyncio
from typing import Annotated

import typer

from gateway import config
from gateway.admin.notices import State, drop, notice_bodies, send_again
from gateway.cli.terminal import ConfigOption, fail, out
from gateway.ledger.jobs import Job, Jobs
from gateway.notices.outbox import GROUP
from gateway.stores import open_store

commands = typer.Typer(help="See notices that are not sent, and send them.", no_args_is_help=True)


@commands.command("list")
def list_notices(
    state: Annotated[State | None, typer.Option(help="Only those that wait, or are dead.")] = None,
    config_file: ConfigOption = None,
) -> None:
    """List the notices that are not sent, the oldest first, as JSON."""

    async def run() -> list[Job]:
        async with open_store(config.load(config_file)) as store:
            return await Jobs(store, GROUP).every()

    out.print_json(data=notice_bodies(asyncio.run(run()), state))


@commands.command()
def send(
    notice: Annotated[str, typer.Argument(help="Its id, as `list` shows it.")],
    config_file: ConfigOption = None,
) -> None:
    """Let the gateway send a notice now, also one that is dead."""

    async def run() -> bool:
        async with open_store(config.load(config_file)) as store:
            return await send_again(Jobs(store, GROUP), notice)

    if not asyncio.run(run()):
        fail(f"no notice {notice!r}")
    out.print(f"{notice}: to be sent")


@commands.command("drop")
def drop_notice(
    notice: Annotated[str, typer.Argument(help="Its id, as `list` shows it.")],
    config_file: ConfigOption = None,
) -> None:
    """Let a notice never be sent."""

    async def run() -> bool:
        async with open_store(config.load(config_file)) as store:
            return await drop(Jobs(store, GROUP), notice)

    if not asyncio.run(run()):
        fail(f"no notice {notice!r}")
    out.print(f"{notice}: dropped")
