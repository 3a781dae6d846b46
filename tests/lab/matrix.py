"""One fault that hits seven calls at once, each of them at another moment of a call."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum

from gateway.calls.session import Pace
from gateway.ledger import embedded, journal
from gateway.ledger.connection import Server, connect
from gateway.ledger.journal import Entry
from gateway.ledger.ledger import Ledger
from gateway.ledger.store import Store
from gateway.money import parse_amount
from tests.lab import sipp
from tests.lab.gateway import Section
from tests.lab.lab import Lab
from tests.lab.processes import until
from tests.lab.sipp import Caller, CallResult, Calls, FarCall

PACE = Pace(slice_seconds=6, renew_before_seconds=3)
SETTINGS: dict[str, Section] = {
    "calls": {
        "slice_seconds": PACE.slice_seconds,
        "renew_before_seconds": PACE.renew_before_seconds,
        "warn_seconds": [],
    },
}
SHARDS = 16
RING_SECONDS = 0.3
LONG_RING_SECONDS = 3.0
SETUP_SECONDS = 0.05  # from a caller's start to the first ring
ASKING_SECONDS = 0.4  # before the fault somebody calls whose question nobody answers
SETTLED_SECONDS = 75.0  # two looks at the PBX, half a minute apart at most, and then some
FINISHED_SECONDS = 60.0


class Moment(StrEnum):
    """Where a call stands when the fault comes."""

    ASKED = "asked"
    RINGING = "ringing"
    ANSWERED = "answered"
    RENEWING = "renewing"  # a second before its third slice is held
    LAST_SLICE = "last-slice"
    HANGING_UP = "hanging-up"  # at the end of what is paid
    LEAVING = "leaving"  # the caller hangs up half a second after the fault


# Seconds from the fault to the answer.
ANSWERED_AFTER = {
    Moment.RINGING: 1.0,
    Moment.ANSWERED: -0.9,
    Moment.LAST_SLICE: -4.5,
    Moment.LEAVING: -1.2,
}
TALK_SECONDS = {
    Moment.ASKED: 10.0,
    Moment.RINGING: 10.0,
    Moment.ANSWERED: 10.0,
    Moment.RENEWING: 16.0,
    Moment.LAST_SLICE: 30.0,
    Moment.HANGING_UP: 30.0,
    Moment.LEAVING: 1.7,
}
ONE_SLICE = "0.011250"  # 0.01 and 6/60 of 0.0125
GRANTED = dict.fromkeys(Moment, "1.000000") | {
    Moment.LAST_SLICE: ONE_SLICE,
    Moment.HANGING_UP: ONE_SLICE,
}
# What the gateway says of the calls that it knows for seconds already.
STATES = {
    Moment.RINGING: ("authorized", 6),
    Moment.RENEWING: ("answered", 12),
    Moment.LAST_SLICE: ("last_slice", 6),
    Moment.HANGING_UP: ("last_slice", 6),
}

Come = Callable[[], Awaitable[None]]
"""Lets somebody ask, and returns when the moment has come."""

Strike = Callable[[Lab, Come], Awaitable[None]]
"""Breaks a lab and repairs it. Before the moment comes it may keep the question from an answer."""


@dataclass(frozen=True)
class Seen:
    """What became of one call, as its caller, the far end, the API and the journal have it."""

    caller: CallResult
    far: FarCall | None
    account: Mapping[str, object]
    entries: list[Entry]

    def entries_of(self, *operations: str) -> list[Entry]:
        return [entry for entry in self.entries if entry.operation in operations]

    @property
    def granted_seconds(self) -> int:
        """The longest that was ever held for it."""
        holds = self.entries_of("hold", "extend")
        return max((int(entry.fields["seconds"]) for entry in holds), default=0)


@dataclass(frozen=True)
class Play:
    """What a fault did to the calls of a lab."""

    struck: float  # epoch seconds
    seen: Mapping[Moment, Seen]
    prompts: list[str]
    audit: str


def number_of(moment: Moment) -> str:
    ending = sipp.RINGS_LONG if moment is Moment.RINGING else sipp.ANSWERS
    return f"+4930987654{list(Moment).index(moment)}{ending}"


async def play(strike: Strike, *, before_end_seconds: float) -> Play:
    """Let a fault strike a lab of its own, so long before the end of what the one call has paid."""
    async with Lab(
        ring_seconds=RING_SECONDS, long_ring_seconds=LONG_RING_SECONDS, settings=SETTINGS
    ) as lab:
        await _open_accounts(lab)
        stage = _Stage(lab)
        at = await stage.set_up(before_end_seconds)
        await _until(at - ASKING_SECONDS)
        await stage.check()

        async def moment() -> None:
            await stage.start(Moment.ASKED)
            await until(lambda: _is_asking(lab), "the question is sent")
            await _until(at)

        await strike(lab, moment)
        return await stage.seen(at)


async def store_pid(lab: Lab) -> int:
    async with connect(embedded.url(lab.gateway.data / "store")) as redis:
        return int((await redis.info("server"))["process_id"])


class _Stage:
    """The calls of a lab."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._calls: dict[Moment, Calls] = {}

    async def start(self, moment: Moment) -> None:
        caller = Caller(moment, talk_seconds=TALK_SECONDS[moment], patience_seconds=30)
        self._calls[moment] = await self._lab.call(number_of(moment), caller)

    async def set_up(self, before_end_seconds: float) -> float:
        """Start all calls but the one that asks, and give the time of the fault."""
        await self.start(Moment.RENEWING)
        call_id = await until(lambda: self._call_id(Moment.RENEWING), "the first call is known")
        far = await self._answered(Moment.RENEWING)
        renewed_at = far.answered + 2 * PACE.slice_seconds - PACE.renew_before_ms(call_id) / 1000
        ending_at = renewed_at - 1 + before_end_seconds
        await _until(ending_at - PACE.slice_seconds - RING_SECONDS - SETUP_SECONDS)
        await self.start(Moment.HANGING_UP)
        far = await self._answered(Moment.HANGING_UP)
        at = far.answered + PACE.slice_seconds - before_end_seconds
        starts = {
            moment: at + after - (LONG_RING_SECONDS if moment is Moment.RINGING else RING_SECONDS)
            for moment, after in ANSWERED_AFTER.items()
        }
        for moment in sorted(starts, key=lambda moment: starts[moment]):
            await _until(starts[moment] - SETUP_SECONDS)
            await self.start(moment)
        await self._answered(Moment.ANSWERED)
        return at

    async def check(self) -> None:
        """Make sure that each call is at its moment."""
        calls = {call["account"]: call for call in await self._lab.gateway.calls()}
        found = {
            moment: (calls[moment]["state"], calls[moment]["granted_seconds"]) for moment in STATES
        }
        assert found == STATES
        up = [moment for moment in self._calls if (far := self._far(moment)) and not far.ended]
        assert up == list(self._calls)

    async def seen(self, at: float) -> Play:
        """Wait until nothing is held any more, and give what became of the calls."""
        lab = self._lab
        callers = {
            moment: (await calls.finished(FINISHED_SECONDS))[0]
            for moment, calls in self._calls.items()
        }
        await until(self._is_settled, "nothing is held", SETTLED_SECONDS)
        await lab.asterisk.until_records_are_gone()
        seen = {
            moment: Seen(
                callers[moment],
                self._far(moment),
                await lab.gateway.account(moment),
                await _entries(lab, moment),
            )
            for moment in Moment
        }
        prompts = [prompt for _, prompt in lab.asterisk.prompts()]
        return Play(at, seen, prompts, await lab.gateway.command("audit"))

    async def _answered(self, moment: Moment) -> FarCall:
        def answered() -> FarCall | None:
            far = self._far(moment)
            return far if far and far.answered else None

        found = await until(answered, f"{moment} is answered")
        assert found is not None
        return found

    async def _call_id(self, account: str) -> str:
        calls = [call for call in await self._lab.gateway.calls() if call["account"] == account]
        return str(calls[0]["id"]) if calls else ""

    def _far(self, moment: Moment) -> FarCall | None:
        calls = self._lab.far_end.calls(number_of(moment))
        assert len(calls) <= 1
        return calls[0] if calls else None

    async def _is_settled(self) -> bool:
        accounts = [await self._lab.gateway.account(moment) for moment in Moment]
        # No account at all, while the store is just back.
        return all(account.get("held") == "0.000000" for account in accounts)


@asynccontextmanager
async def _store(lab: Lab) -> AsyncIterator[Store]:
    async with connect(embedded.url(lab.gateway.data / "store")) as redis:
        yield Store(Server(redis), SHARDS)


async def _open_accounts(lab: Lab) -> None:
    async with _store(lab) as store:
        books = Ledger(store)
        for moment in Moment:
            await books.open_account(moment, "USD")
            await books.configure(moment, "opened", users=["alice"])
            await books.grant(moment, "p1", parse_amount(GRANTED[moment]), "USD")


async def _entries(lab: Lab, account: str) -> list[Entry]:
    async with _store(lab) as store:
        entries = journal.entries(store, store.shard_of(account), (0, 0))
        return [entry async for entry in entries if entry.account == account]


async def _is_asking(lab: Lab) -> bool:
    return "!AGI!" in await lab.asterisk.cli("core show channels concise")


async def _until(at: float) -> None:
    await asyncio.sleep(max(0.0, at - time.time()))
