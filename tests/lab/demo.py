"""``make demo``: every promise on real SIP calls, expected beside what happened."""

import asyncio
import sys
import time
from collections.abc import Sequence

import aiohttp
from rich.console import Console
from rich.live import Live
from rich.table import Table

from tests.lab.lab import Lab
from tests.lab.scenes import SCENES, SETTINGS, Check, Outcome, Scene, overspend
from tests.lab.world import World

REFRESH_SECONDS = 0.25

# A log has no width of its own: one that holds the widest row.
out = Console(highlight=False, width=None if sys.stdout.isatty() else 120)


async def main() -> int:
    out.print("Starting Asterisk, SIPp, the payment provider and the gateway ...")
    async with Lab(settings=SETTINGS) as lab:
        return await show(lab)


async def show(lab: World) -> int:
    """Play all scenes, print what happened, and give the exit code."""
    version = (await lab.asterisk.cli("core show version")).split(" built")[0]
    out.print(f"{version.strip()} takes calls; the gateway decides them.\n")
    outcomes: dict[str, Outcome] = {}
    together = [scene for scene in SCENES if not scene.alone]
    await _play(lab, together, outcomes)
    for scene in SCENES:
        if scene.alone:
            await _play(lab, [scene], outcomes)
    over = 0
    for outcome in outcomes.values():
        if outcome.account:
            over += overspend(await lab.gateway.account(outcome.account), outcome.talks)
    return _report(outcomes, over)


async def _play(lab: World, scenes: Sequence[Scene], outcomes: dict[str, Outcome]) -> None:
    """Play scenes side by side, and show the live calls meanwhile."""

    async def play(scene: Scene) -> None:
        try:
            outcomes[scene.name] = await scene.play(lab)
        except Exception as error:  # noqa: BLE001 - it is what happened
            failed = Check("the scene", "plays to its end", repr(error), holds=False)
            outcomes[scene.name] = Outcome("", [failed], [])

    for scene in scenes:
        out.print(f"[bold]{scene.title}[/bold]")
    with Live(console=out, auto_refresh=False, transient=not out.is_terminal) as live:
        async with asyncio.TaskGroup() as tasks:
            playing = [tasks.create_task(play(scene)) for scene in scenes]
            while not all(task.done() for task in playing):
                live.update(await _calls_now(lab), refresh=True)
                await asyncio.sleep(REFRESH_SECONDS)
    out.print()


async def _calls_now(lab: World) -> Table:
    """Show the live calls with their deadlines, and their accounts' money."""
    table = Table("account", "number", "state", "paid for", "time left", "held", "available")
    try:
        calls = await lab.gateway.calls()
        balances = {
            account: await lab.gateway.account(account)
            for account in sorted({str(call["account"]) for call in calls})
        }
    except aiohttp.ClientError:
        table.caption = "the gateway is down; Asterisk carries the deadlines"
        return table
    for call in calls:
        until = call["paid_until_ms"]
        left = f"{float(str(until)) / 1000 - time.time():.1f} s" if until else "not answered"
        table.add_row(
            str(call["account"]),
            str(call["number"]),
            str(call["state"]),
            f"{call['granted_seconds']} s",
            left,
            str(call["held"]),
            str(balances[str(call["account"])]["available"]),
        )
    return table


def _report(outcomes: dict[str, Outcome], over: int) -> int:
    """Print what was expected beside what happened; give the exit code."""
    table = Table("", "expected", "happened", "")
    kept = 0
    for scene in SCENES:
        checks = outcomes[scene.name].checks
        kept += all(check.holds for check in checks)
        table.add_section()
        table.add_row(f"[bold]{scene.title}[/bold]")
        for check in checks:
            verdict = "[green]as expected[/green]" if check.holds else "[bold red]NO[/bold red]"
            table.add_row(f"  {check.what}", check.expected, check.happened, verdict)
    out.print(table)
    out.print(f"demo: {kept} of {len(SCENES)} as expected, overspend {over}")
    return 0 if kept == len(SCENES) and over == 0 else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
