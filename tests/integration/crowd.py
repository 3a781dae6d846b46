"""The callers of one gateway on one account, as a program: each answer they got, as JSON.

What happens in a call follows from its id: two crowds that share ids ask for the same.
"""

import asyncio
import json
import random
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import astuple, dataclass, field
from functools import partial

from gateway.ledger.ledger import Ledger
from gateway.ledger.outcomes import Granted, Held, Refused, Settled
from gateway.rating.price import Slice
from tests.conftest import Store
from tests.integration.books import DAY, known
from tests.lab.processes import until

CALLERS = 32
OWN = 200
SHARED = 150
TOP_UP = 200

Answer = Granted | Held | Settled | Refused
Operation = Callable[[], Awaitable[Answer]]


def shared() -> list[str]:
    """Name the calls that every crowd knows."""
    return [f"shared-{number}" for number in range(SHARED)]


@dataclass
class Crowd:
    ledger: Ledger
    account: str
    told: list[tuple[str, str, str, tuple[int | str, ...]]] = field(default_factory=list)

    async def caller(self, calls: Iterator[str]) -> None:
        for call_id in calls:
            await self.call(call_id)

    async def call(self, call_id: str) -> None:
        chance = random.Random(call_id)  # noqa: S311 - no secret
        rate, extensions, used = chance.randint(1, 9), chance.randint(0, 3), chance.random()
        answered = chance.random() < 0.8
        if call_id in shared():
            await self.twice(call_id, "grant", partial(self.top_up, call_id))
        held = await self.twice(call_id, "hold", partial(self.hold, call_id, rate))
        if not isinstance(held, Held):
            return
        for number in range(1, extensions + 1):
            extend = partial(self.extend, call_id, number, rate)
            await self.twice(call_id, f"extend {number}", extend)
        seconds = int(used * held.granted_seconds) if answered else 0
        await self.twice(call_id, "end", partial(self.end, call_id, seconds, seconds * rate))

    async def top_up(self, reference: str) -> Answer:
        return await self.ledger.grant(self.account, reference, TOP_UP, "USD")

    async def hold(self, call_id: str, rate: int) -> Answer:
        return await self.ledger.hold(
            self.account,
            call_id,
            slices(0, rate),
            user="alice",
            call_type="user_out",
            number="+442071838750",
            prefix="44",
            rate=str(rate),
            currency="USD",
            day=DAY,
            month=DAY[:7],
            seconds_max=2.0,
        )

    async def extend(self, call_id: str, number: int, rate: int) -> Answer:
        return await self.ledger.extend(
            self.account,
            call_id,
            number,
            slices(number, rate),
            user="alice",
            day=DAY,
            month=DAY[:7],
        )

    async def end(self, call_id: str, seconds: int, charge: int) -> Answer:
        if not seconds:
            return await self.ledger.void(self.account, call_id, user="alice", cause=17)
        return await self.ledger.settle(
            self.account,
            call_id,
            charge,
            user="alice",
            seconds=seconds,
            answered_ms=1,
            ended_ms=1 + seconds * 1000,
            cause=16,
        )

    async def twice(self, call_id: str, name: str, operation: Operation) -> Answer:
        """Ask two times at once, as two reports of one thing do."""
        one, other = await asyncio.gather(known(operation), known(operation))
        self.told += [(call_id, name, type(told).__name__, astuple(told)) for told in (one, other)]
        return one


def slices(number: int, rate: int) -> list[Slice]:
    """Give up to a minute more than ``number`` minutes, the longest first."""
    longest = 60 * (number + 1)
    return [Slice(length, length * rate) for length in range(longest, longest - 60, -15)]


async def main(url: str, account: str, name: str) -> None:
    calls = shared() + [f"{name}-{number}" for number in range(OWN)]
    random.Random(name).shuffle(calls)  # noqa: S311 - no secret
    numbers = iter(calls)
    async with Store.at(f"{url}?client_name={name}") as store:
        crowd = Crowd(store.ledger, account)
        await until(lambda: store.statements.statement(account), "the account is open")
        async with asyncio.TaskGroup() as tasks:
            for _ in range(CALLERS):
                tasks.create_task(crowd.caller(numbers))
    print(json.dumps(crowd.told))  # noqa: T201 - what it is for


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
