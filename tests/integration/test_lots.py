from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.ledger.outcomes import Held, Refused, Settled
from gateway.ledger.scripts import GRANT
from tests.conftest import Store
from tests.integration.books import FAR_MS, PAST_MS, Books, funded

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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


def twelve_months_after(bought: datetime) -> datetime:
    leap_day = (bought.month, bought.day) == (2, 29)
    return bought.replace(year=bought.year + 1, day=28 if leap_day else bought.day)


def milliseconds(at: datetime) -> int:
    return (at - EPOCH) // timedelta(milliseconds=1)


async def test_a_lot_expires_twelve_months_after_its_purchase(store: Store) -> None:
    # M2.
    lot = (await (await funded(store, 10)).lots())["a"]
    bought = EPOCH + timedelta(milliseconds=lot.purchased_ms)
    assert lot.expires_ms == milliseconds(twelve_months_after(bought))


@settings(deadline=None)
@given(
    bought=st.datetimes(
        datetime(1970, 1, 1),  # noqa: DTZ001 - the strategy wants its bounds without a zone
        datetime(2120, 12, 31),  # noqa: DTZ001 - as above
        timezones=st.just(UTC),
    )
)
@example(bought=datetime(2024, 2, 28, 23, 59, 59, tzinfo=UTC))
@example(bought=datetime(2024, 2, 29, tzinfo=UTC))
@example(bought=datetime(2024, 3, 1, tzinfo=UTC))
@example(bought=datetime(2023, 2, 28, tzinfo=UTC))
@example(bought=datetime(2023, 3, 1, tzinfo=UTC))
@example(bought=datetime(2000, 2, 29, 12, tzinfo=UTC))
@example(bought=datetime(2100, 2, 28, tzinfo=UTC))
@example(bought=datetime(2099, 12, 31, 23, 59, 59, tzinfo=UTC))
async def test_the_store_reckons_twelve_calendar_months_as_the_calendar_does(
    store: Store, bought: datetime
) -> None:
    # The operation takes the store's own time; its calendar is run here at any time.
    _, found, rest = GRANT.text.partition("local function days_of")
    calendar = found + rest.partition("local print")[0]
    asked = "return string.format('%.0f', twelve_months_after(tonumber(ARGV[1])))"
    answer = await store.redis.eval(calendar + asked, 0, str(milliseconds(bought)))
    assert int(answer) == milliseconds(twelve_months_after(bought))


@pytest.mark.parametrize("order", ["abc", "cba"])
async def test_lots_lapse_whole_in_any_order(store: Store, order: str) -> None:
    at = await funded(store, 1, 2, 4)
    for lapsed, name in enumerate(order, start=1):
        await at.move_expiry(name, PAST_MS)
        await at.hold(f"dear-{lapsed}", (60, 100))
        assert set(await at.lots()) == set(order[lapsed:])
