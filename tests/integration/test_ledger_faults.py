import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from gateway.ledger.outcomes import Held, LedgerUnavailableError, Settled
from gateway.rating.price import Slice
from tests.conftest import Store
from tests.integration.books import DAY, Books, funded, known
from tests.integration.cases import CASES, UNAVAILABLE, outcomes, prepared, wrong
from tests.integration.picture import Picture, differences, entries, picture
from tests.lab.processes import until

SLOW_SECONDS = 0.25
GRANTS = 300


async def test_a_hundred_calls_at_once_on_credit_for_one_ring_once(store: Store) -> None:
    # D1, M6.
    at = await funded(store, 15)
    answers = await asyncio.gather(*(at.hold(f"call-{n}", (60, 10)) for n in range(100)))
    assert [answer for answer in answers if isinstance(answer, Held)] == [Held(60, 10, 5)]
    assert await at.sums() == (5, 10, 0, 0)


async def test_reports_of_one_end_at_once_settle_it_once(store: Store) -> None:
    # D6.
    at = await funded(store, 100)
    await at.hold("call", (60, 30))
    answers = await asyncio.gather(*(at.settle("call", 25) for _ in range(50)))
    assert set(answers) == {Settled(25, 5, 75)}
    assert await at.sums() == (75, 0, 25, 0)


@pytest.mark.parametrize("steps", range(5))
async def test_a_question_that_is_given_up_takes_no_other_with_it(store: Store, steps: int) -> None:
    # Questions that come together are sent together.
    at = await funded(store, 200)
    async with asyncio.TaskGroup() as tasks:
        first, *others = [tasks.create_task(at.hold(f"call-{n}", (60, 10))) for n in range(20)]
        for _ in range(steps):
            await asyncio.sleep(0)
        first.cancel()
    assert all(isinstance(other.result(), Held) for other in others)
    assert isinstance(await at.hold("call-0", (60, 10)), Held)
    assert await at.sums() == (0, 200, 0, 0)


async def test_a_store_that_is_frozen_is_unavailable_to_readers(store: Store) -> None:
    at = await funded(store, 100)
    async with store.frozen():
        told = await asyncio.gather(
            store.statements.ping(),
            at.statement(),
            store.statements.live_holds(),
            store.statements.accounts(store.store.shards[0]),
            store.statements.owner_of("+18005550100"),
            return_exceptions=True,
        )
    assert [type(one) for one in told] == [LedgerUnavailableError] * len(told)
    assert await at.sums() == (100, 0, 0, 0)


async def test_what_is_asked_of_a_frozen_store_is_unknown_and_done_once_when_asked_again(
    store: Store, undisturbed: dict[str, Picture]
) -> None:
    ats = {name: await prepared(store, name) for name in CASES}
    async with AsyncExitStack() as stack:
        apart = {
            name: Books(await stack.enter_async_context(Store.at(store.url)), at.account)
            for name, at in ats.items()
        }
        for at in apart.values():
            await at.store.statements.ping()  # connected, so that what is asked is also sent
        async with store.frozen():
            told = await outcomes(apart)
    assert {name for name, said in told.items() if said.startswith(UNAVAILABLE)} == set(ats)
    # The store may by now have done what was asked of it then.
    assert wrong(await outcomes(ats), again=True) == {}
    assert {name: await picture(at) for name, at in ats.items()} == undisturbed
    assert await differences(store) == []


async def test_an_operation_ends_at_its_deadline_whatever_it_waits_for(store: Store) -> None:
    at = await funded(store, 1_000)
    ended: list[str] = []

    async def hold(name: str, seconds_max: float) -> None:
        with pytest.raises(LedgerUnavailableError):
            await store.ledger.hold(
                at.account,
                name,
                [Slice(60, 10)],
                user="alice",
                call_type="user_out",
                number="+442071838750",
                prefix="44",
                rate="the rate",
                currency="USD",
                day=DAY,
                month=DAY[:7],
                seconds_max=seconds_max,
            )
        ended.append(name)

    async with store.frozen(), asyncio.TaskGroup() as tasks:
        # Two batches are under way at most; the last call has neither, and the least time.
        for name, seconds_max in (("one", 1.2), ("other", 1.2), ("waiting", 0.2)):
            tasks.create_task(hold(name, seconds_max))
            await asyncio.sleep(0.05)
    assert ended[0] == "waiting"


@asynccontextmanager
async def slow(store: Store, socket: Path) -> AsyncIterator[Store]:
    """A way to the store whose replies come together, as from a disk that syncs slowly."""
    path = store.url.removeprefix("unix://")
    beat = asyncio.Condition()

    async def beats() -> None:
        while True:
            await asyncio.sleep(SLOW_SECONDS)
            async with beat:
                beat.notify_all()

    async def replies(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(65_536):
            async with beat:
                await beat.wait()
            writer.write(chunk)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, to_store = await asyncio.open_unix_connection(path)
        with suppress(OSError):
            async with asyncio.TaskGroup() as both:
                back = both.create_task(replies(there, writer))
                while chunk := await reader.read(65_536):
                    to_store.write(chunk)
                back.cancel()
        to_store.transport.abort()
        writer.transport.abort()

    async with (
        await asyncio.start_unix_server(serve, socket),
        Store.at(f"unix://{socket}") as behind,
        asyncio.TaskGroup() as tasks,
    ):
        beating = tasks.create_task(beats())
        yield behind
        beating.cancel()


async def test_a_store_that_is_slow_is_heard_by_all_who_wait(store: Store, tmp_path: Path) -> None:
    # Who began a batch gives up while others still have time: their batch must go on.
    at = await funded(store, 1_000)
    async with slow(store, tmp_path / "slow.sock") as behind:

        async def grant(number: int) -> bool:
            try:
                await behind.ledger.grant(at.account, f"payment-{number}", 1, "USD")
            except LedgerUnavailableError:
                return False
            return True

        async with asyncio.TaskGroup() as tasks:
            grants = []
            for number in range(GRANTS):
                grants.append(tasks.create_task(grant(number)))
                await asyncio.sleep(0.01)
    heard = [task.result() for task in grants]
    assert sum(heard[GRANTS // 2 :]) > GRANTS // 4


async def test_scripts_that_are_flushed_under_traffic_are_brought_again(store: Store) -> None:
    at = await funded(store, 1_000)
    await store.redis.config_resetstat()

    async def call(name: str) -> None:
        assert isinstance(await at.hold(name, (60, 20)), Held)
        assert isinstance(await at.settle(name, 15), Settled)

    async with asyncio.TaskGroup() as tasks:
        calls = [tasks.create_task(call(f"call-{number}")) for number in range(50)]
        while not all(one.done() for one in calls):
            await store.redis.script_flush()
    assert "errorstat_NOSCRIPT" in await store.redis.info("errorstats")
    assert await at.sums() == (250, 0, 750, 0)
    assert await differences(store) == []


async def replaced(store: Store, killed: int) -> None:
    """Wait for another server in the place of one that was killed."""

    async def another() -> bool:
        try:
            await store.statements.ping()
        except LedgerUnavailableError:
            return False
        return await store.pid() != killed

    await until(another, "the store is back")


@dataclass
class Stream:
    """Calls of one price, each of three operations, until it is told to end."""

    at: Books
    acknowledged: set[tuple[str, str]] = field(default_factory=set)
    unknown: int = 0
    ending: bool = False

    async def caller(self, names: Iterator[int]) -> None:
        while not self.ending:
            await self.call(f"call-{next(names)}")

    async def call(self, name: str) -> None:
        operations: dict[str, Callable[[], Awaitable[object]]] = {
            "hold": lambda: self.at.hold(name, (60, 10)),
            "extend": lambda: self.at.extend(name, 1, (120, 20)),
            "settle": lambda: self.at.settle(name, 15),
        }
        for operation, ask in operations.items():
            assert isinstance(await known(partial(self.counted, ask)), Held | Settled)
            self.acknowledged.add((operation, name))

    async def counted(self, ask: Callable[[], Awaitable[object]]) -> object:
        try:
            return await ask()
        except LedgerUnavailableError:
            self.unknown += 1
            raise

    async def goes_on(self) -> None:
        """Wait until more is acknowledged."""
        before = len(self.acknowledged)
        await until(lambda: len(self.acknowledged) > before + 50, "the calls go on")

    async def done(self) -> Counter[tuple[str, str]]:
        """Count the entries of each operation of each call in the journal."""
        journal = self.at.store.store.account(self.at.account).shard.journal
        found = await entries(self.at, journal)
        return Counter((entry["op"], entry["call"]) for entry in found if "call" in entry)

    async def outlives(self, killed: int) -> None:
        """Wait for another server, and find there what the one that is killed acknowledged."""
        acknowledged = set(self.acknowledged)
        os.kill(killed, signal.SIGKILL)
        await replaced(self.at.store, killed)
        assert acknowledged <= (await self.done()).keys()
        assert await differences(self.at.store) == []


async def test_a_store_that_is_killed_under_traffic_keeps_all_it_acknowledged(store: Store) -> None:
    credit = 1_000_000
    stream = Stream(await funded(store, credit))
    async with asyncio.TaskGroup() as tasks:
        names = count()
        for _ in range(16):
            tasks.create_task(stream.caller(names))
        for _ in range(3):
            await stream.goes_on()
            await stream.outlives(await store.pid())
        # Frozen, it leaves callers without an answer; then it dies with what they asked for.
        killed, unknown = await store.pid(), stream.unknown
        os.kill(killed, signal.SIGSTOP)
        try:
            await until(lambda: stream.unknown > unknown, "there are callers without an answer")
        finally:
            await stream.outlives(killed)
        stream.ending = True

    assert await stream.done() == dict.fromkeys(stream.acknowledged, 1)
    spent = 15 * len(stream.acknowledged) // 3
    assert await stream.at.sums() == (credit - spent, 0, spent, 0)
    assert await differences(store) == []
