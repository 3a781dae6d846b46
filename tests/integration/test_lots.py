import pytest

from gateway.ledger.outcomes import Held, Refused, Settled
from tests.conftest import Store
from tests.integration.books import FAR_MS, PAST_MS, Books, funded


async def spent_and_held(at: Books) -> dict[str, tuple[int, int]]:
    return {name: (lot.spent, lot.held) for name, lot in (await at.lots()).items()}


async def three_lots(store: Store) -> Books:
    """Open 30 in three lots: b expires first, then c, then a."""
    at = await funded(store, 10, 10, 10)
    for later, name in enumerate("bca"):
        await at.move_expiry(name, FAR_MS + later)
    return at


async def test_lots_are_held_and_spent_by_their_expiry(store: Store) -> None:
    # M3.
    at = await three_lots(store)
    await at.hold("call", (60, 15))
    assert await spent_and_held(at) == {"a": (0, 0), "b": (0, 10), "c": (0, 5)}
    await at.extend("call", 1, (120, 25))
    assert await spent_and_held(at) == {"a": (0, 5), "b": (0, 10), "c": (0, 10)}
    await at.settle("call", 12)
    assert await spent_and_held(at) == {"a": (0, 0), "c": (2, 0)}
    await at.hold("next", (60, 9))
    assert await spent_and_held(at) == {"a": (0, 1), "c": (2, 8)}


async def test_of_lots_that_expire_together_the_oldest_is_spent_first(store: Store) -> None:
    at = await funded(store, 10, 10, 10)
    for name in "abc":
        await at.move_expiry(name, FAR_MS)
    await at.hold("call", (60, 15))
    await at.settle("call", 15)
    assert await spent_and_held(at) == {"b": (5, 0), "c": (0, 0)}


async def test_a_lot_that_has_expired_can_neither_be_held_nor_seen_as_available(
    store: Store,
) -> None:
    # M2: expired when now >= expires_at, with or without an operation that notices.
    at = await three_lots(store)
    await at.move_expiry("b", PAST_MS)
    assert await at.sums() == (20, 0, 0, 10)
    assert await at.hold("dear", (60, 21)) == Refused("no_credit", 20)
    assert await at.hold("call", (60, 20)) == Held(60, 20, 0)
    assert await at.sums() == (0, 20, 0, 10)


async def test_a_hold_outlives_the_expiry_of_its_lot_and_only_its_rest_expires(
    store: Store,
) -> None:
    # M4.
    at = await three_lots(store)
    await at.hold("call", (60, 15))
    await at.move_expiry("b", PAST_MS)
    await at.move_expiry("c", PAST_MS + 1)
    assert await at.sums() == (10, 15, 0, 5)
    assert await at.extend("call", 1, (120, 17)) == Held(120, 17, 8)
    # Of 10 + 5 + 2 pinned, 12 are spent, 3 go back to a lot that has expired, 2 to one that lives.
    assert await at.settle("call", 12) == Settled(12, 2, 10)
    assert await at.sums() == (10, 0, 12, 8)


async def test_a_call_never_answered_gives_nothing_back_to_a_lot_that_has_expired(
    store: Store,
) -> None:
    at = await funded(store, 10)
    await at.hold("call", (60, 10))
    await at.move_expiry("a", PAST_MS)
    assert await at.void("call") == Settled(0, 0, 0)
    assert await at.sums() == (0, 0, 0, 10)


@pytest.mark.parametrize("order", ["abc", "cba"])
async def test_lots_lapse_whole_in_any_order(store: Store, order: str) -> None:
    at = await funded(store, 1, 2, 4)
    for lapsed, name in enumerate(order, start=1):
        await at.move_expiry(name, PAST_MS)
        await at.hold(f"dear-{lapsed}", (60, 100))
        assert set(await at.lots()) == set(order[lapsed:])
