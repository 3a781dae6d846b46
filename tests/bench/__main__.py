"""``make bench``: what calls cost, each beside its limit in the same run.

Authorizations a second beside a bare server that speaks the same dialogue; then decisions and the
ledger, each alone; last whole calls on a real Asterisk.
"""

import asyncio
import shutil
import sys
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from tests.bench import calls, ledger, rating
from tests.bench.load import CALLERS, Run, load
from tests.lab import processes
from tests.lab.gateway import Gateway
from tests.lab.ports import Ports

CALLS = 5000
ROUNDS = 5

out = Console(highlight=False, width=None if sys.stdout.isatty() else 110)


async def main() -> int:
    ports = Ports.claim()
    shutil.rmtree(ports.folder, ignore_errors=True)
    ports.folder.mkdir(parents=True)
    bare_port, agi_port, http_port, ami_port = (ports.take() for _ in range(4))
    # Nobody answers at the AMI port: here calls are only authorized.
    gateway = Gateway(
        ports.folder,
        {
            "agi": {"port": agi_port},
            "http": {"port": http_port, "token": "bench"},
            "pbx.bench": {"port": ami_port},
        },
    )
    bare = await processes.start(
        (sys.executable, "-m", "tests.bench.bare", str(bare_port)),
        folder=Path(__file__).parents[2],
        output=ports.folder / "bare",
    )
    try:
        await gateway.start(until="/healthz")
        await gateway.open_account("bench", "--user", "ana")
        await gateway.grant("bench", "1000000", "bench")
        refused = _report(await _rounds(bare_port, agi_port))
    finally:
        await processes.stop(bare)
        await gateway.stop()
        ports.release()
    rating.report(out)
    await ledger.report(out)
    return max(refused, await calls.report(out))


async def _rounds(bare_port: int, agi_port: int) -> list[tuple[Run, Run]]:
    """Load the one and the other in turn, after a round that does not count."""
    rounds = []
    for number in range(ROUNDS + 1):
        out.print(f"round {number} of {ROUNDS}{' (does not count)' if number == 0 else ''}")
        bare = await load(bare_port, f"bare{number}", CALLS)
        coinbox = await load(agi_port, f"coinbox{number}", CALLS)
        rounds.append((bare, coinbox))
    return rounds[1:]


def _report(rounds: list[tuple[Run, Run]]) -> int:
    table = Table("authorizations by FastAGI", "calls/s", "median ms", "p99 ms", "not allowed")
    for name, runs in zip(
        ("bare server, same dialogue", "coinbox, held in the store, synced to disk"),
        zip(*rounds, strict=True),
        strict=True,
    ):
        table.add_row(
            name,
            f"{median(run.rate for run in runs):.0f}",
            f"{median(run.median_ms for run in runs):.1f}",
            f"{median(run.p99_ms for run in runs):.1f}",
            str(sum(run.refused for run in runs)),
        )
    ratios = sorted(coinbox.rate / bare.rate for bare, coinbox in rounds)
    out.print(table)
    out.print(f"{CALLERS} callers at once, medians of {ROUNDS} rounds of {CALLS} calls")
    out.print(
        f"bench: ratio {median(ratios):.2f} (from {ratios[0]:.2f} to {ratios[-1]:.2f}), aim 0.60"
    )
    return 1 if any(run.refused for pair in rounds for run in pair) else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
