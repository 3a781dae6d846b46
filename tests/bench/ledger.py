"""What the ledger costs: operations a second, time in the store, and memory.

Beside it runs Debian's redis-benchmark, on the same server in the same run: what the cheapest
script gives, and the cheapest that writes, is the limit.
"""

import asyncio
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from rich.console import Console
from rich.table import Table

from gateway.ledger import embedded
from gateway.ledger.connection import Server, connect
from gateway.ledger.ledger import Ledger
from gateway.ledger.outcomes import Granted, Held, Settled
from gateway.ledger.store import Store
from gateway.rating.price import Slice
from tests.unit.cases import BERLIN, World

CALLERS = 64
CALLS = 10_000
LIMIT_REQUESTS = 50_000
SAMPLES = 3_000
LOTS = (1, 10, 1_000)
SPANNING = 5  # holds that take many lots
HOLDS = (1, 100, 10_000)
FAR_LIMITS = {"calls": 10**6, "per_minute": 10**6, "day": 10**12, "month": 10**12}
LIMITS = {
    "cheapest script": "return 1",
    "cheapest that writes": "return redis.call('INCR', KEYS[1])",
}

SLICE = Slice(60, 10_000)
TERMS = World().case(BERLIN).terms(None, money=True)  # what a call really keeps
Operation = Callable[[int], Awaitable[object]]


class Bench:
    """An account of a store of its own."""

    def __init__(self, redis: Redis, socket: Path) -> None:
        self.redis = redis
        self.store = Store(Server(redis), 16)
        self.ledger = Ledger(self.store)
        self._socket = socket

    async def open(self, account: str, *lots: int) -> None:
        await self.ledger.open_account(account, "USD")
        await self.ledger.configure(account, "open", users=["ana"])
        for number, micros in enumerate(lots):
            granted = await self.ledger.grant(account, f"payment-{number}", micros, "USD")
            assert isinstance(granted, Granted)

    async def hold(self, account: str, call_id: str, micros: int = SLICE.micros) -> Held:
        held = await self.ledger.hold(
            account,
            call_id,
            [Slice(60, micros)],
            user="ana",
            call_type="user_out",
            number="+4930123456",
            prefix="49",
            rate=TERMS.pin(),
            currency="USD",
            day="2026-11-24",
            month="2026-11",
            seconds_max=30,
        )
        assert isinstance(held, Held), held
        return held

    async def settle(self, account: str, call_id: str, charge: int) -> None:
        settled = await self.ledger.settle(
            account,
            call_id,
            charge,
            user="ana",
            seconds=42,
            answered_ms=1,
            ended_ms=42_001,
            cause=16,
        )
        assert isinstance(settled, Settled), settled

    async def rate(self, operation: Operation, calls: int = CALLS) -> float:
        """Run an operation for each call, some at a time; give how many a second."""
        numbers = iter(range(calls))

        async def caller() -> None:
            for number in numbers:
                await operation(number)

        started = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(CALLERS):
                tasks.create_task(caller())
        return calls / (time.perf_counter() - started)

    async def micros_of(self, operation: Operation, count: int = SAMPLES) -> float:
        """Give the microseconds that the server itself needs for one operation."""
        calls, micros = await self._evaluated()
        await self.rate(operation, count)
        calls_after, micros_after = await self._evaluated()
        return (micros_after - micros) / (calls_after - calls)

    async def _evaluated(self) -> tuple[int, int]:
        stats: Any = (await self.redis.info("commandstats"))["cmdstat_evalsha"]
        return stats["calls"], stats["usec"]

    async def limit(self, script: str) -> float:
        digest = await self.redis.script_load(script)
        options = ("-n", str(LIMIT_REQUESTS), "-c", str(CALLERS), "--csv")
        command = ("redis-benchmark", "-s", str(self._socket), *options)
        run = await asyncio.to_thread(
            subprocess.run,
            (*command, "evalsha", str(digest), "1", "bench"),
            capture_output=True,
            text=True,
            check=True,
        )
        return float(run.stdout.splitlines()[-1].split(",")[1].strip('"'))

    async def bytes_of(self, *keys: str) -> int:
        sizes = [await self.redis.memory_usage(key, samples=0) for key in keys]
        return sum(size or 0 for size in sizes)


@asynccontextmanager
async def benching() -> AsyncIterator[Bench]:
    with tempfile.TemporaryDirectory(prefix="coinbox-bench-") as name:
        folder = Path(name)
        async with embedded.running(folder), connect(embedded.url(folder)) as redis:
            yield Bench(redis, folder / "store.sock")


async def report(out: Console) -> None:
    async with benching() as bench:
        await _report_rates(bench, out)
        await _report_growth(bench, out)
        await _report_memory(bench, out)


async def _report_rates(bench: Bench, out: Console) -> None:
    await bench.open("rates", 10**12)
    rates = {name: await bench.limit(script) for name, script in LIMITS.items()}
    rates["hold"] = await bench.rate(lambda n: bench.hold("rates", f"call-{n}"))
    rates["settle"] = await bench.rate(lambda n: bench.settle("rates", f"call-{n}", 7_000))
    table = Table("ledger, synced to disk", "a second", *(f"against the {name}" for name in LIMITS))
    for name, rate in rates.items():
        table.add_row(name, f"{rate:.0f}", *(f"{rate / rates[limit]:.2f}" for limit in LIMITS))
    out.print(table)


async def _report_growth(bench: Bench, out: Console) -> None:
    """Say what a hold costs the server as an account grows."""
    table = Table("time of a hold in the server", "microseconds", "against 1")
    for lots in LOTS:
        await bench.open(f"lots-{lots}", *[10**8] * lots)
    for name, counts in (("lots", LOTS), ("live holds", HOLDS)):
        first = 0.0
        for count in counts:
            account = f"lots-{count}" if name == "lots" else f"holds-{count}"
            if name != "lots":
                await bench.open(account, 10**12)
                for number in range(count):
                    await bench.hold(account, f"live-{number}")
            micros = await bench.micros_of(
                lambda n, account=account: bench.hold(account, f"call-{n}")  # type: ignore[misc]
            )
            first = first or micros
            table.add_row(f"{count} {name}", f"{micros:.1f}", f"{micros / first:.2f}")
    await bench.open("limited", 10**12)
    await bench.ledger.configure("limited", "limits", limits=FAR_LIMITS)
    await bench.ledger.set_user("limited", "limits", "ana", limits=FAR_LIMITS)
    limited = await bench.micros_of(lambda n: bench.hold("limited", f"call-{n}"))
    table.add_row("under every limit of account and user", f"{limited:.1f}", "")
    for number in range(SPANNING):
        await bench.open(f"small-{number}", *[SLICE.micros // LOTS[-1]] * LOTS[-1])
    spanning = await bench.micros_of(lambda n: bench.hold(f"small-{n}", "call"), SPANNING)
    table.add_row(f"one hold that takes {LOTS[-1]} lots", f"{spanning:.1f}", "")
    out.print(table)


async def _report_memory(bench: Bench, out: Console) -> None:
    await bench.open("memory", 10**9)
    await bench.hold("memory", "live")
    await bench.hold("memory", "closed")
    await bench.settle("memory", "closed", 7_000)
    at = bench.store.account("memory")
    account = await bench.bytes_of(*at.books[:3], at.users, at.licences, at.payments)
    many = bench.store.account(f"lots-{LOTS[-1]}")
    lots = await bench.bytes_of(many.lots, many.books[2])
    payments = await bench.bytes_of(many.payments)
    # A hold and a settlement of each call.
    journal = bench.store.account("rates").shard.journal
    entry = await bench.bytes_of(journal) / await bench.redis.xlen(journal)
    listed = bench.store.account(f"holds-{HOLDS[-1]}").shard.live
    live = await bench.bytes_of(listed) / await bench.redis.scard(listed)
    table = Table("memory", "bytes")
    for name, size in {
        "account with one lot": account,
        "each user who has called": await bench.bytes_of(at.user("ana")),
        "each further lot": lots / LOTS[-1],
        "each payment, kept for ever": payments / LOTS[-1],
        "live call": await bench.bytes_of(at.call("live")) + live,
        "closed call, for a day": await bench.bytes_of(at.call("closed")),
        "entry of the journal": entry,
    }.items():
        table.add_row(name, f"{size:.0f}")
    out.print(table)
