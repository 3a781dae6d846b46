"""Very many calls at random, while the parts of the gateway are broken at random.

What the other end of each call saw is compared with the journal, once all is over.
"""

import asyncio
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.ledger.statements import Statements
from gateway.ledger.store import Store
from gateway.rating.price import price
from tests.lab import processes
from tests.lab.books import Booked, booked_calls, open_account, store_of
from tests.lab.lab import Lab
from tests.lab.sipp import Calls
from tests.lab.soak_calls import (
    HUNG_UP_BY_CALLER,
    LONG_RING_SECONDS,
    PLENTY,
    TOLL_FREE,
    Planned,
    Planner,
    tariff_of,
)

TOLERANCE = 0.5  # seconds between what the PBX and the other end of a call see
FLUSH_SECONDS = 0.2  # from one look at the disk to the next
FAULT_SECONDS = (0.3, 4.0)
PAUSE_SECONDS = (2.0, 6.0)
# What broke so long before the end of a slice may have kept it from being renewed.
RENEWAL_SECONDS = 5.0


@dataclass(frozen=True)
class Extent:
    """How much there is to a soak."""

    calls: int
    per_second: float
    longest_seconds: float
    slice_seconds: int
    faults: int


@dataclass(frozen=True)
class Fault:
    """Something that was broken, until it worked again."""

    name: str
    began: float
    ended: float

    def __str__(self) -> str:
        return f"{self.name} {self.began:.1f} to {self.ended:.1f}"


@dataclass(frozen=True)
class Talk:
    """An answered call, as its other end saw it."""

    number: str
    answered: float
    ended: float

    @property
    def seconds(self) -> float:
        return self.ended - self.answered


class Disk:
    """When the disk was slow: the PBX keeps how a leg ended, and only then lets its far end go."""

    def __init__(self) -> None:
        self._flushes: list[tuple[float, float]] = []

    async def watch(self, file: Path) -> None:
        """Keep something now and then, until cancelled."""
        while True:
            began = time.time()
            await asyncio.to_thread(_flush, file)
            self._flushes.append((began, time.time()))
            await asyncio.sleep(FLUSH_SECONDS)

    def seconds(self, since: float, until: float) -> float:
        """Give how much of a time it spent on what was to be kept."""
        return sum(
            max(0.0, min(ended, until) - max(began, since)) for began, ended in self._flushes
        )


def _flush(file: Path) -> None:
    with file.open("w") as written:
        written.write("x")
        written.flush()
        os.fsync(written.fileno())


class Soak:
    """A soak on a lab of its own: the calls, the faults, and what is to be found at the end."""

    def __init__(self, seed: int, extent: Extent) -> None:
        self._seed = seed
        self._chance = random.Random(seed)  # noqa: S311 - it is to be the same again
        self._extent = extent
        planner = Planner(self._chance, extent.longest_seconds)
        self._planned = planner.calls(extent.calls)
        self._wallets = planner.wallets
        self._talk_seconds = self._chance.uniform(1, 6)
        self._made: list[tuple[Planned, Calls]] = []
        self._faults: list[Fault] = []
        self._disk = Disk()
        self.summary: dict[str, int] = {}

    async def run(self) -> None:
        """Make the calls, break things, and assert that nothing is wrong in the end."""
        async with self._lab() as lab:
            async with store_of(lab) as store:
                for wallet in self._wallets:
                    await open_account(store, wallet.name, wallet.micros, numbers=wallet.numbers)
            async with asyncio.TaskGroup() as tasks:
                watching = tasks.create_task(self._disk.watch(lab.folder / "flushed"))
                breaking = tasks.create_task(self._break(lab))
                await self._make_calls(lab)
                await breaking
                await lab.asterisk.until_idle(self._extent.longest_seconds + 60)
                watching.cancel()
            async with store_of(lab) as store:
                wrong = await self._wrong(lab, store)
            wrong += await audited(lab)
            # Within the lab, which keeps its folder then.
            assert not wrong, "\n".join([str(self), *wrong])
            assert self.summary["settled"] > self._extent.calls / 3, str(self)

    def __str__(self) -> str:
        return (
            f"SOAK_SEED={self._seed}: {self.summary}, broken: {', '.join(map(str, self._faults))}"
        )

    def _lab(self) -> Lab:
        return Lab(
            port_blocks=2,
            settings={
                "calls": {
                    "slice_seconds": self._extent.slice_seconds,
                    "renew_before_seconds": self._extent.slice_seconds // 2,
                    "warn_seconds": list(range(1, self._extent.slice_seconds // 2)),
                }
            },
            talk_seconds=self._talk_seconds,
            long_ring_seconds=LONG_RING_SECONDS,
        )

    async def _make_calls(self, lab: Lab) -> None:
        for planned in self._planned:
            await asyncio.sleep(self._chance.expovariate(self._extent.per_second))
            calls = await planned.make(lab)
            if calls:
                self._made.append((planned, calls))

    async def _break(self, lab: Lab) -> None:
        """Break one thing after the other."""
        kinds: list[Callable[[Lab, float], Awaitable[None]]] = []
        while len(kinds) < self._extent.faults:
            kinds += self._chance.sample(FAULTS, len(FAULTS))
        # Drawn by its own chance, so that the calls are the same however long a fault takes.
        chance = random.Random(self._chance.random())  # noqa: S311
        for fault in kinds[: self._extent.faults]:
            await asyncio.sleep(chance.uniform(*PAUSE_SECONDS))
            seconds = chance.uniform(*FAULT_SECONDS)
            began = time.time()
            await fault(lab, seconds)
            self._faults.append(Fault(fault.__name__, began, time.time()))

    async def _wrong(self, lab: Lab, store: Store) -> list[str]:
        statements = Statements(store)

        async def settled() -> bool:
            return not await statements.live_holds() and not await lab.asterisk.records()

        try:
            await processes.until(settled, "all is settled", 60)
        except TimeoutError:
            holds = [hold.call_id for hold in await statements.live_holds()]
            return [f"still held: {holds}, records: {await lab.asterisk.records()}"]
        talks, booked = self._talks(lab), await booked_calls(store)
        settled_calls = [call for call in booked if call.is_settled]
        used_up = [call for call in settled_calls if call.seconds in call.grants]
        self.summary = {
            "held for": len(booked),
            "answered": len(talks),
            "settled": len(settled_calls),
            "cut": len(used_up),
        }
        return [
            *await self._wrong_accounts(statements),
            *(wrong for call in booked for wrong in wrong_booking(call)),
            *wrong_talks(talks, booked, self._disk),
            *(wrong for planned, calls in self._made for wrong in self._wrong_call(planned, calls)),
        ]

    def _wrong_call(self, planned: Planned, calls: Calls) -> list[str]:
        """Say which call with enough credit was refused or cut while nothing was broken."""
        if planned.shape != HUNG_UP_BY_CALLER or planned.wallet.micros != PLENTY:
            return []
        [seen] = calls.results()
        if (seen.code, seen.ended_by) == (200, "caller"):
            return []
        since = seen.ended - RENEWAL_SECONDS
        if any(fault.began <= seen.ended and fault.ended >= since for fault in self._faults):
            return []
        return [f"refused or cut: {planned.number} {seen}"]

    async def _wrong_accounts(self, statements: Statements) -> list[str]:
        found = []
        for wallet in self._wallets:
            statement = await statements.statement(wallet.name)
            assert statement
            if statement.held or statement.available < 0 or statement.party.usage.calls:
                found.append(f"{statement}")
            if statement.granted != statement.available + statement.spent:
                found.append(f"{statement}")
        return found

    def _talks(self, lab: Lab) -> list[Talk]:
        """Give what the other ends saw: the far end, and who dialed in to a conference."""
        seen = [Talk(far.number, far.answered, far.ended) for far in lab.far_end.calls()]
        for planned, calls in self._made:
            if planned.number.startswith(TOLL_FREE):
                seen += [
                    Talk(planned.number, caller.answered, caller.ended)
                    for caller in calls.results()
                ]
        return [talk for talk in seen if talk.answered]


def wrong_booking(call: Booked) -> list[str]:
    """Say what of a call cannot be as the journal has it."""
    if len(call.closings) != 1:
        return [f"{call.call_id} was closed {len(call.closings)} times: {call.closings}"]
    if not call.is_settled:
        return []
    found = []
    milliseconds = round((call.ended - call.answered) * 1000)
    # The last grant may be one whose answer the gateway did not get.
    talked = -(-milliseconds // 1000)
    if call.seconds not in [min(talked, granted) for granted in call.grants]:
        found.append(f"{call.call_id}: {call.seconds} s for {milliseconds} ms: {call}")
    if call.charge != price(tariff_of(call.number), int(call.answered), call.seconds):
        found.append(f"{call.call_id}: {call.charge} for {call.seconds} s of {call.number}")
    return found


def wrong_talks(talks: list[Talk], booked: list[Booked], disk: Disk) -> list[str]:
    """Compare what was talked with what was charged."""
    settled = {call.number: call for call in booked if call.is_settled}
    talked = {talk.number: talk for talk in talks}
    found = [f"answered, not charged: {talked[number]}" for number in talked.keys() - settled]
    found += [f"charged, not answered: {settled[number]}" for number in settled.keys() - talked]
    if len(talks) != len(talked):
        found.append(f"answered more than once: {talks}")
    for number in settled.keys() & talked:
        talk, call = talked[number], settled[number]
        tolerance = TOLERANCE + disk.seconds(call.ended, talk.ended)
        if abs(call.ended - call.answered - talk.seconds) > tolerance:
            found.append(f"{call.ended - call.answered:.3f} s for {talk.seconds:.3f} s: {call}")
        if talk.seconds > call.seconds + tolerance:
            found.append(f"{talk.seconds:.3f} s, and {call.seconds} s are paid: {call}")
    return found


async def audited(lab: Lab) -> list[str]:
    """Give what the audit prints, if that is not what it should be."""
    said = await lab.gateway.command("audit")
    return [] if " 0 live holds" in said and " 0 differences" in said else [said]


async def gateway_killed(lab: Lab, seconds: float) -> None:
    await lab.gateway.kill()
    await asyncio.sleep(seconds)
    await lab.gateway.start()


async def gateway_stopped(lab: Lab, seconds: float) -> None:
    await lab.gateway.stop()
    await asyncio.sleep(seconds)
    await lab.gateway.start()


async def gateway_frozen(lab: Lab, seconds: float) -> None:
    lab.gateway.send(signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        lab.gateway.send(signal.SIGCONT)


async def store_killed(lab: Lab, seconds: float) -> None:
    os.kill(await store_pid(lab), signal.SIGKILL)
    await asyncio.sleep(seconds)


async def store_frozen(lab: Lab, seconds: float) -> None:
    pid = await store_pid(lab)
    os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        os.kill(pid, signal.SIGCONT)


async def ami_cut(lab: Lab, seconds: float) -> None:
    await lab.ami.cut()
    try:
        await asyncio.sleep(seconds)
    finally:
        await lab.ami.restore()


async def store_pid(lab: Lab) -> int:
    async with store_of(lab) as store:
        [redis] = (await store.servers.primaries()).values()
        return int((await redis.info("server"))["process_id"])


FAULTS = [gateway_killed, gateway_stopped, gateway_frozen, store_killed, store_frozen, ami_cut]
