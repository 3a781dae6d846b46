import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.ledger.outcomes import Held, LedgerUnavailableError, Settled
from tests.conftest import Store
from tests.integration.books import FAR_MS, PAST_MS, funded
from tests.lab.processes import until


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


async def test_a_store_that_is_frozen_is_unavailable_and_nothing_is_lost(store: Store) -> None:
    at = await funded(store, 100)
    async with store.frozen():
        for asked in (
            store.statements.ping(),
            at.statement(),
            at.hold("call", (60, 10)),
            store.statements.live_holds(),
            store.statements.owner_of("+18005550100"),
        ):
            with pytest.raises(LedgerUnavailableError):
                await asked
    # Whether the hold was done is unknown: asked again, it is done once.
    assert await at.hold("call", (60, 10)) == Held(60, 10, 90)


async def test_a_store_that_is_killed_keeps_all_it_acknowledged(store: Store) -> None:
    at = await funded(store, 100)
    acknowledged = [await at.hold(f"call-{n}", (60, 2)) for n in range(20)]
    before, killed = await at.statement(), await store.pid()
    await store.kill()

    async def another() -> bool:
        try:
            await store.statements.ping()
        except LedgerUnavailableError:
            return False
        return await store.pid() != killed

    await until(another, "the store is back")
    assert await at.statement() == before
    assert [await at.hold(f"call-{n}", (60, 2)) for n in range(20)] == acknowledged
    assert await at.statement() == before


AMOUNTS = st.integers(0, 60)
CALLS = st.sampled_from(["one", "two", "three"])
OPERATIONS = st.one_of(
    st.tuples(st.just("grant"), st.sampled_from(["a", "b", "c"]), st.integers(1, 300)),
    st.tuples(
        st.just("expire"),
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from([PAST_MS, FAR_MS, FAR_MS + 1]),
    ),
    st.tuples(st.sampled_from(["hold", "settle", "void"]), CALLS, AMOUNTS),
    st.tuples(st.just("extend"), CALLS, AMOUNTS, st.integers(1, 4)),
)


@settings(max_examples=60, deadline=None)
@given(operations=st.lists(OPERATIONS, max_size=30))
async def test_whatever_happens_the_sums_agree_and_nothing_is_below_zero(
    store: Store, operations: list[tuple[str, str, int] | tuple[str, str, int, int]]
) -> None:
    # M5, M6: `Books` looks after each step, and each step is repeated.
    await store.redis.flushall()  # the calls of the example before
    at = await funded(store)
    for operation in operations + operations:
        match operation:
            case "grant", reference, amount:
                await at.grant(reference, amount)
            case "expire", reference, at_ms if reference in await at.lots():
                await at.move_expiry(reference, at_ms)
            case "hold", call, amount:
                await at.hold(call, (60, amount), (30, amount // 2))
            case "extend", call, amount, number:
                # A longer call never costs less, so neither does a later extension.
                whole, half = (60 * number + part for part in (amount, amount // 2))
                await at.extend(call, number, (120 * number, whole), (90 * number, half))
            case "settle", call, charge:
                await at.settle(call, charge)
            case "void", call, _:
                await at.void(call)
