"""Several gateways on one store: programs of their own, which know nothing of each other."""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from gateway.rating.plan import Periods, Pool
from tests.conftest import SHARDS, Store
from tests.integration import crowd
from tests.integration.agi import asked
from tests.integration.books import Books, books, funded
from tests.integration.picture import differences
from tests.lab import processes
from tests.lab.gateway import ROOT, Gateway, Section
from tests.lab.ports import Ports
from tests.lab.processes import POLL_SECONDS, until

CALLERS = 64
GRANTED = 10_000
# Asked after the other crowd has gone on, or ended the call.
TOO_LATE = {"conflict", "closed"}
SLICE_MICROS = 11_500  # a minute to the United Kingdom

Answer = tuple[str, tuple[int | str, ...]]


async def started(at: Books, output: Path) -> asyncio.subprocess.Process:
    """Start a crowd, which waits for its account to be opened."""
    arguments = (at.store.url, at.account, output.name)
    return await processes.start(
        (sys.executable, "-m", "tests.integration.crowd", *arguments), folder=ROOT, output=output
    )


def answers(outputs: list[Path]) -> dict[tuple[str, str], Answer]:
    """Give the one answer to each operation, by call and operation, whoever asked."""
    told: dict[tuple[str, str], Answer] = {}
    for output in outputs:
        for call_id, operation, kind, fields in json.loads(output.read_text()):
            answer = (kind, tuple(fields))
            if kind == "Refused" and fields[0] in TOO_LATE:
                assert call_id in crowd.shared()
                assert operation != "grant"
            else:
                assert told.setdefault((call_id, operation), answer) == answer
    return told


async def test_two_gateways_with_64_callers_book_every_micro_unit_once(
    store: Store, tmp_path: Path
) -> None:
    at = books(store)
    outputs = [tmp_path / "one", tmp_path / "two"]
    crowds = [await started(at, output) for output in outputs]

    async def are_waiting() -> bool:
        clients = await store.redis.client_list()
        return {output.name for output in outputs} <= {client["name"] for client in clients}

    async def look() -> int:
        """See that nothing is below zero and all is somewhere, at whatever moment; give held."""
        seen = 0
        while any(one.returncode is None for one in crowds):
            seen = max(seen, (await at.statement()).held)
            await asyncio.sleep(POLL_SECONDS)
        return seen

    async def prove() -> None:
        while any(one.returncode is None for one in crowds):
            assert await differences(store) == []

    try:
        await until(are_waiting, "the crowds wait for the account")
        await at.open()
        await at.grant("a", GRANTED)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(prove())
            seen = await look()
    finally:
        for one in crowds:
            await processes.stop(one)
    assert [one.returncode for one in crowds] == [0, 0], [one.read_text() for one in outputs]
    assert seen > 0

    told = answers(outputs)
    held = {call for (call, _), (kind, _) in told.items() if kind == "Held"}
    ended = {call: fields for (call, operation), (_, fields) in told.items() if operation == "end"}
    assert ended.keys() == held
    charged = sum(int(fields[0]) for fields in ended.values())
    granted = GRANTED + crowd.SHARED * crowd.TOP_UP
    assert await at.sums() == (granted - charged, 0, charged, 0)
    assert await differences(store) == []
    # They were in each other's way, and there was not enough for all.
    assert all("conflict" in output.read_text() for output in outputs)
    assert sum("no_credit" in fields for _, fields in told.values()) > 10


@asynccontextmanager
async def gateways(store: Store, ports: Ports, folder: Path) -> AsyncIterator[list[Gateway]]:
    """Run two gateways, for calls that are only authorized: nobody answers at the AMI port."""
    async with AsyncExitStack() as stack:
        running = []
        for name in ("one", "two"):
            settings: dict[str, Section] = {
                "agi": {"port": ports.take()},
                "http": {"port": ports.take(), "token": "s3cret"},
                "pbx.pbx": {"port": ports.take()},
                "store": {"url": store.url, "shards": SHARDS},
            }
            gateway = Gateway(folder / name, settings)
            stack.push_async_callback(gateway.stop)
            await gateway.start(until="/healthz")
            running.append(gateway)
        yield running


async def asked_at_both(running: list[Gateway], at: Books, number: str) -> Counter[str]:
    """Let callers ask for a call each, at both gateways at once, which answer the same."""
    agi_ports = [one.agi_port for one in running]

    async def call(caller: int) -> str:
        words = (f"pbx-{caller}", "user_out", at.account, "alice", number)
        one, other = await asyncio.gather(*(asked(port, *words) for port in agi_ports))
        assert one == other
        return one

    return Counter(await asyncio.gather(*(call(caller) for caller in range(CALLERS))))


async def test_with_credit_for_ten_calls_ten_of_64_ring_whichever_gateway_they_ask(
    store: Store, ports: Ports, tmp_path: Path
) -> None:
    # D1, asked at both gateways at once.
    at = await funded(store, 10 * SLICE_MICROS)
    async with gateways(store, ports, tmp_path) as running:
        assert await asked_at_both(running, at, "+442071838750") == {
            f'SET VARIABLE COINBOX_ANSWER "ALLOW,60,+442071838750,{at.account}"\n': 10,
            'SET VARIABLE COINBOX_ANSWER "DENY,no_credit,"\n': CALLERS - 10,
        }
        assert await at.sums() == (0, 10 * SLICE_MICROS, 0, 0)
        assert await differences(store) == []


async def test_with_minutes_for_ten_calls_ten_of_64_ring_whichever_gateway_they_ask(
    store: Store, ports: Ports, tmp_path: Path
) -> None:
    # C8: the pool of one licence, of which all but ten minutes are held already.
    at = await funded(store)
    profile = {"country": "GB", "plans": "domestic-120"}
    await at.store.ledger.configure(at.account, "plans", profile=profile)
    seconds, _ = await store.redis.time()
    periods = Periods.of(seconds * 1000, "UTC")
    name = f"domestic-120:domestic:GB:{periods.month}"
    await at.hold("others", pool=Pool(name, 7200, 7200 - 600, periods.month_ends_ms))
    async with gateways(store, ports, tmp_path) as running:
        assert await asked_at_both(running, at, "02071838750") == {
            f'SET VARIABLE COINBOX_ANSWER "ALLOW,60,+442071838750,{at.account}"\n': 10,
            'SET VARIABLE COINBOX_ANSWER "DENY,no_licence,"\n': CALLERS - 10,
        }
        assert await store.statements.pools(at.account, [name]) == {name: 7200}
        assert await differences(store) == []
