"""Very many calls of all shapes at random, while the parts of the gateway are broken at random.

Each call has a number of its own, by which what its other end saw is found in the journal.
"""

import asyncio
import os
import random
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from gateway.ledger.statements import Statements
from gateway.ledger.store import Store
from gateway.rating.columns import Direction
from gateway.rating.price import Tariff, price
from gateway.rating.ratecard import read_cards
from tests.lab import processes, sipp
from tests.lab.books import Booked, booked_calls, open_account, store_of
from tests.lab.lab import Lab
from tests.lab.scenes import CARDS
from tests.lab.sipp import Caller, Calls, Hold, Refer, Resume, Step, Wait

CARD = read_cards(*((file.name, file.read_text()) for file in CARDS.glob("*.csv")))
GERMANY, BRITAIN, ZIMBABWE = "+49301", "+44207", "+26341"
TOLL_FREE = "+1800"
PLENTY = 100 * 10**6
TOLERANCE = 0.5  # seconds between what the PBX and the other end of a call see

HUNG_UP_BY_CALLER = "hung up by the caller"
LONG_RING_SECONDS = 4.0
CALLS_AN_ACCOUNT = 8  # of those that share little credit
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


@dataclass
class Wallet:
    """An account, and what it gets before the calls begin."""

    name: str
    micros: int
    numbers: list[str] = field(default_factory=list)


@dataclass
class Planned:
    """A call that is to be made: whom, by whom, and how."""

    shape: str
    wallet: Wallet
    number: str
    make: Callable[[Lab], Awaitable[Calls | None]]


class Planner:
    """Draws calls from a seed."""

    def __init__(self, chance: random.Random, extent: Extent) -> None:
        self._chance = chance
        self._longest = extent.longest_seconds
        self._fresh = iter(chance.sample(range(10_000, 100_000), 3 * extent.calls))
        self._rich = [Wallet(f"rich{place}", PLENTY) for place in range(4)]
        self._none = Wallet("none", 0)
        self._shared: list[Wallet] = []
        self.wallets = [*self._rich, self._none]
        self.shapes = {
            self._hung_up_by_caller: 8,
            self._hung_up_by_far_end: 3,
            self._never_answered: 2,
            self._busy: 1,
            self._cancelled: 2,
            self._early_media: 2,
            self._held: 2,
            self._dialed_in: 2,
            self._dialed_out: 2,
            self._transferred: 3,
            self._forked: 2,
        }

    def calls(self, count: int) -> list[Planned]:
        """Draw calls; the first are one of each shape."""
        shapes = list(self.shapes)
        more = self._chance.choices(shapes, list(self.shapes.values()), k=count - len(shapes))
        self._chance.shuffle(shapes)
        return [draw() for draw in [*shapes, *more]]

    def _wallet(self, number: str) -> Wallet:
        """Choose who pays: much credit, little that is shared, a few seconds' worth, or none."""
        match self._chance.choices(["rich", "shared", "poor", "none"], [55, 20, 17, 8])[0]:
            case "rich":
                return self._chance.choice(self._rich)
            case "shared":
                if not self._shared:
                    credit = worth(GERMANY, self._chance.randint(5, 25))
                    wallet = self._opened(f"shared{len(self.wallets)}", credit)
                    self._shared = [wallet] * CALLS_AN_ACCOUNT
                return self._shared.pop()
            case "poor":
                credit = worth(number, self._chance.randint(1, 10))
                return self._opened(f"poor{len(self.wallets)}", credit)
        return self._none

    def _opened(self, name: str, micros: int) -> Wallet:
        wallet = Wallet(name, micros)
        self.wallets.append(wallet)
        return wallet

    def _number(self, ending: str) -> str:
        prefix = self._chance.choices([GERMANY, BRITAIN, ZIMBABWE], [4, 5, 1])[0]
        return f"{prefix}{next(self._fresh)}{ending}"

    def _seconds(self, least: float = 0.5, most: float | None = None) -> float:
        return self._chance.uniform(least, most or self._longest)

    def _call(
        self,
        shape: str,
        ending: str,
        *steps: Step,
        talk_seconds: float = 0.0,
        patience_seconds: float = 90.0,
    ) -> Planned:
        number = self._number(ending)
        wallet = self._wallet(number)
        caller = Caller(
            wallet.name,
            steps=steps,
            talk_seconds=talk_seconds or self._seconds(),
            patience_seconds=patience_seconds,
        )
        return Planned(shape, wallet, number, lambda lab: lab.call(number, caller))

    def _hung_up_by_caller(self) -> Planned:
        return self._call(HUNG_UP_BY_CALLER, sipp.ANSWERS)

    def _hung_up_by_far_end(self) -> Planned:
        return self._call("hung up by the far end", sipp.HANGS_UP, talk_seconds=2 * self._longest)

    def _never_answered(self) -> Planned:
        patience = self._seconds(1, 5)
        return self._call("never answered", sipp.NEVER_ANSWERS, patience_seconds=patience)

    def _busy(self) -> Planned:
        return self._call("busy", sipp.BUSY)

    def _cancelled(self) -> Planned:
        patience = self._seconds(0.3, LONG_RING_SECONDS - 1)
        return self._call("cancelled", sipp.RINGS_LONG, patience_seconds=patience)

    def _early_media(self) -> Planned:
        return self._call("early media", sipp.EARLY_MEDIA)

    def _held(self) -> Planned:
        if self._chance.random() < 0.5:
            return self._call("held by the far end", sipp.HOLDS)
        steps = Wait(self._seconds(0.2, 3)), Hold(), Wait(self._seconds(0.2, 4)), Resume()
        return self._call("held by the caller", sipp.ANSWERS, *steps)

    def _dialed_in(self) -> Planned:
        number = f"{TOLL_FREE}55{next(self._fresh)}"
        wallet = self._wallet(number)
        wallet.numbers.append(number)
        room = f"room{self._chance.randrange(3)}"
        talk_seconds = self._seconds()
        if self._chance.random() < 0.5:
            caller = Caller("", "", endpoint="pstn", conference=room, talk_seconds=talk_seconds)
        else:
            names = (wallet.name, "alice")
            caller = Caller(*names, endpoint="pstn", phone="answers", talk_seconds=talk_seconds)
        return Planned("dialed in", wallet, number, lambda lab: lab.call(number, caller))

    def _dialed_out(self) -> Planned:
        number = self._number(sipp.HANGS_UP)
        wallet = self._wallet(number)
        if wallet not in self._rich and self._chance.random() < 0.5:
            # Until its credit is used up.
            number = number.removesuffix(sipp.HANGS_UP) + sipp.ANSWERS
        room = f"room{self._chance.randrange(3)}"

        async def make(lab: Lab) -> None:
            await lab.dial_out(number, room=room, account=wallet.name, user="alice")

        return Planned("dialed out", wallet, number, make)

    def _transferred(self) -> Planned:
        to = self._number(sipp.HANGS_UP if self._chance.random() < 0.8 else sipp.BUSY)
        steps = Wait(self._seconds(0.2, 5)), Refer(to)
        return self._call("transferred", sipp.ANSWERS, *steps, talk_seconds=1)

    def _forked(self) -> Planned:
        first, second = self._number(sipp.ANSWERS), self._number(sipp.NEVER_ANSWERS)
        ways = [first, second]
        self._chance.shuffle(ways)
        wallet = self._wallet(first)
        caller = Caller(wallet.name, talk_seconds=self._seconds())
        dialed = f"*9{'*'.join(way.replace('+', '00') for way in ways)}"
        return Planned("forked", wallet, first, lambda lab: lab.call(dialed, caller))


def tariff_of(number: str) -> Tariff:
    direction = Direction.INBOUND if number.startswith(TOLL_FREE) else Direction.OUTBOUND
    tariff = CARD.tariff(direction, "USD", number, time.time_ns() // 10**6)
    assert tariff
    return tariff


def worth(number: str, seconds: int) -> int:
    """Give what so many seconds cost."""
    return price(tariff_of(number), int(time.time()), seconds)


class Soak:
    """A soak on a lab of its own: the calls, the faults, and what is to be found at the end."""

    def __init__(self, seed: int, extent: Extent) -> None:
        self._chance = random.Random(seed)  # noqa: S311 - it is to be the same again
        self._extent = extent
        planner = Planner(self._chance, extent)
        self._planned = planner.calls(extent.calls)
        self._wallets = planner.wallets
        self._talk_seconds = self._chance.uniform(1, 6)
        self._made: list[tuple[Planned, Calls]] = []
        self.faults: list[Fault] = []
        self.summary: dict[str, int] = {}

    async def run(self) -> list[str]:
        """Make the calls, break things, and give what is wrong in the end."""
        async with self._lab() as lab:
            async with store_of(lab) as store:
                for wallet in self._wallets:
                    await open_account(store, wallet.name, wallet.micros, numbers=wallet.numbers)
            async with asyncio.TaskGroup() as tasks:
                breaking = tasks.create_task(self._break(lab))
                await self._make_calls(lab)
                await breaking
            await lab.asterisk.until_idle(self._extent.longest_seconds + 60)
            async with store_of(lab) as store:
                wrong = await self._wrong(lab, store)
            return [*wrong, *await audited(lab)]

    def _lab(self) -> Lab:
        return Lab(
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
            self.faults.append(Fault(fault.__name__, began, time.time()))

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
            *wrong_talks(talks, booked),
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
        if any(fault.began <= seen.ended and fault.ended >= since for fault in self.faults):
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


def wrong_talks(talks: list[Talk], booked: list[Booked]) -> list[str]:
    """Compare what was talked with what was charged."""
    settled = {call.number: call for call in booked if call.is_settled}
    talked = {talk.number: talk for talk in talks}
    found = [f"answered, not charged: {talked[number]}" for number in talked.keys() - settled]
    found += [f"charged, not answered: {settled[number]}" for number in settled.keys() - talked]
    if len(talks) != len(talked):
        found.append(f"answered more than once: {talks}")
    for number in settled.keys() & talked:
        talk, call = talked[number], settled[number]
        if abs(call.ended - call.answered - talk.seconds) > TOLERANCE:
            found.append(f"{call.ended - call.answered:.3f} s for {talk.seconds:.3f} s: {call}")
        if talk.seconds > call.seconds + TOLERANCE:
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
