from datetime import timedelta
from uuid import uuid4

import pytest

from gateway.ledger.outcomes import (
    NEVER_MS,
    Expired,
    Granted,
    Held,
    Refused,
    Reversed,
    Settled,
)
from gateway.money import AMOUNT_MICROS_MAX
from gateway.rating.plan import Pool
from tests.conftest import Store
from tests.integration.books import FAR_MS, PAST_MS, Books, books, funded, now_ms, told

DAY_MS = timedelta(days=1) // timedelta(milliseconds=1)
MONTH = Pool("domestic-2026-11", size_seconds=100, slice_seconds=60, ends_ms=FAR_MS)


async def spent(at: Books) -> dict[str, int]:
    return {name: lot.spent for name, lot in (await at.lots()).items()}


# Lots of other kinds: M2, M3.


async def test_promotional_credit_is_spent_before_paid_credit_that_expires_with_it(
    store: Store,
) -> None:
    at = await funded(store)
    await at.grant("paid", 10, expires_ms=FAR_MS)
    await at.grant("gift", 10, kind="bonus", expires_ms=FAR_MS)
    await at.grant("lasting", 10, kind="bonus", expires_ms=NEVER_MS)
    await at.hold("call", (60, 15))
    await at.settle("call", 5)
    assert await spent(at) == {"gift": 5, "paid": 0, "lasting": 0}
    await at.hold("next", (60, 25))
    await at.settle("next", 16)
    assert await spent(at) == {"lasting": 1}


async def test_credit_cannot_be_given_for_a_time_that_is_over(store: Store) -> None:
    at = await funded(store, 10)
    for expires_ms in (PAST_MS, -1, NEVER_MS + 1):
        assert await at.grant("late", 5, expires_ms=expires_ms) == Refused("expired")
    assert isinstance(await at.grant("late", 5, expires_ms=NEVER_MS), Granted)


# Taking back: M7.


async def test_only_what_is_left_of_a_payment_can_be_taken_back(store: Store) -> None:
    at = await funded(store, 100, 50)
    await at.hold("call", (60, 30))
    assert await at.reverse("back", "a", 71) == Refused("exceeds_lot", 70)
    assert await at.reverse("back-2", "a", 40) == Reversed((await at.lots())["a"].lot, 40, 80)
    assert await at.sums() == (80, 30, 0, 0)
    assert (await at.statement()).reversed == 40
    await at.settle("call", 30)
    assert (await at.lots())["a"].available == 30


async def test_a_charge_back_takes_what_is_left_and_says_how_much(store: Store) -> None:
    at = await funded(store, 100)
    lot = (await at.lots())["a"].lot
    await at.hold("call", (60, 30))
    await at.settle("call", 30)
    assert await at.reverse("dispute", "a", 100, at_most=True) == Reversed(lot, 70, 0)
    assert await at.reverse("dispute", "a", 100, at_most=True) == Reversed(lot, 70, 0)
    assert await at.reverse("another", "a", 100, at_most=True) == Reversed(lot, 0, 0)
    assert await at.reverse("another", "a", 99, at_most=True) == Refused("conflict")


async def test_a_refused_reversal_stays_refused_whatever_comes_back(store: Store) -> None:
    at = await funded(store, 100)
    await at.hold("call", (60, 30))
    assert await at.reverse("back", "a", 100) == Refused("exceeds_lot", 70)
    await at.void("call")
    assert await at.reverse("back", "a", 100) == Refused("exceeds_lot", 70)
    assert isinstance(await at.reverse("again", "a", 100), Reversed)


async def test_what_nobody_paid_cannot_be_taken_back(store: Store) -> None:
    at = await funded(store, 100)
    assert await at.reverse("back", "b", 1) == Refused("unknown_payment")
    nobody = books(store).account
    assert await store.ledger.reverse(nobody, "back", "a", 1, "error") == Refused("unknown_account")


# Overdraft: M6.


async def test_calls_go_below_zero_as_far_as_the_overdraft_and_no_further(store: Store) -> None:
    at = await funded(store, 10)
    await at.configure("debt", overdraft=20)
    assert await at.hold("call", (60, 25)) == Held(60, 25, -15)
    assert await at.extend("call", 1, (120, 31)) == Refused("no_credit", -15)
    assert await at.hold("other", (60, 6), (30, 5)) == Held(30, 5, -20)
    assert await at.hold("free", (60, 0)) == Refused("no_credit", -20)


async def test_what_is_owed_is_paid_by_the_next_credit(store: Store) -> None:
    at = await funded(store, 10)
    await at.configure("debt", overdraft=20)
    await at.hold("ended", (60, 16))
    await at.settle("ended", 15)
    await at.hold("live", (60, 4))
    assert await at.sums() == (-9, 4, 15, 0)
    granted = await at.grant("b", 30)
    assert isinstance(granted, Granted)
    assert granted.available == 21
    # What the ended call owed is spent of the new lot; what the live one holds is still owed.
    statement = await at.statement()
    assert (await at.lots())["b"].spent == 5
    assert (statement.overdrawn.available, statement.overdrawn.held) == (-4, 4)
    assert await at.settle("live", 3) == Settled(3, 1, 22)
    statement = await at.statement()
    assert (await at.lots())["b"].spent == 8
    assert (statement.overdrawn.available, statement.overdrawn.spent) == (0, 0)


async def test_an_overdraft_that_is_taken_away_is_still_paid_back(store: Store) -> None:
    at = await funded(store, 10)
    await at.configure("debt", overdraft=20)
    await at.hold("call", (60, 25))
    await store.ledger.configure(at.account, "no-debt", amounts={"overdraft": 0})
    assert await store.ledger.settle(
        at.account, "call", 25, user="alice", seconds=60, answered_ms=1, ended_ms=60_001, cause=16
    ) == Settled(25, 0, -15)
    assert await at.grant("b", 15) == await at.grant("b", 15)
    assert await at.sums() == (0, 0, 25, 0)
    assert await at.hold("next", (60, 1)) == Refused("no_credit")


# Settings under an operation id.


async def test_a_setting_that_arrives_late_and_twice_does_not_undo_a_newer_one(
    store: Store,
) -> None:
    at = await funded(store, 10)
    assert await at.configure("first", low_below=5) is None
    assert await at.configure("second", low_below=7) is None
    assert await at.configure("first", low_below=5) is None
    assert (await at.statement()).low_below == 7
    assert await at.configure("second", low_below=8) == Refused("conflict")
    nobody = books(store).account
    assert await store.ledger.configure(nobody, "x") == Refused("unknown_account")


# What readers are told: R6.


async def test_an_account_is_told_to_be_exhausted_once_an_episode(store: Store) -> None:
    at = await funded(store, 10)
    await at.hold("last", (60, 10))
    assert await told(at, "exhausted") == []  # it is held, not gone
    await at.settle("last", 10)
    for call in range(3):
        await at.hold(f"refused-{call}", (60, 10))
    gone = {
        "event": "exhausted",
        "available": "0",
        "held": "0",
        "left": "nothing",
        "needed": "0",
        "recharge": "off",
    }
    assert await told(at, "exhausted") == [gone]
    await at.grant("more", 10)
    await at.hold("next", (60, 4))
    assert await told(at, "exhausted") == [gone]
    assert await at.extend("next", 1, (120, 12)) == Refused("no_credit", 6)
    rest = {
        "event": "exhausted",
        "available": "6",
        "held": "4",
        "left": "too_little",
        "needed": "12",
        "recharge": "off",
    }
    assert await told(at, "exhausted") == [gone, rest]


async def test_a_refusal_while_other_calls_hold_the_money_tells_nobody(store: Store) -> None:
    at = await funded(store, 10)
    await at.hold("live", (60, 8))
    assert await at.hold("other", (60, 8)) == Refused("no_credit", 2)
    assert await told(at, "exhausted") == []


async def test_an_account_that_never_had_credit_is_not_told_of_its_end(store: Store) -> None:
    at = await funded(store)
    await at.configure("low", low_below=100)
    await at.hold("call", (60, 10))
    assert await told(at, "exhausted", "low") == []


async def test_a_low_balance_is_told_once_until_it_is_lifted(store: Store) -> None:
    at = await funded(store, 100)
    await at.configure("low", low_below=50)
    await at.hold("call", (60, 60))
    assert await told(at, "low") == []
    await at.settle("call", 51)
    await at.hold("next", (60, 10))
    low = {"event": "low", "available": "49", "held": "0", "below": "50"}
    assert await told(at, "low") == [low]
    await at.grant("more", 11)
    await at.settle("next", 10)
    assert await told(at, "low") == [low]
    await at.hold("last", (60, 20))
    await at.settle("last", 20)
    assert await told(at, "low") == [low, low | {"available": "30"}]


async def test_credit_that_will_lapse_is_told_at_thirty_seven_and_one_days(store: Store) -> None:
    at = await funded(store, 100)
    now = await now_ms(at)
    for days, expected in ((31, ""), (29, "30"), (28, ""), (6, "7"), (2, ""), (0.5, "1")):
        await at.move_expiry("a", now + int(days * DAY_MS))
        before = len(await told(at, "lot_expiring"))
        for _ in range(2):
            assert await at.expire() == Expired(0, 100)
        new = (await told(at, "lot_expiring"))[before:]
        assert [event["days"] for event in new] == ([expected] if expected else [])
    await at.move_expiry("a", PAST_MS)
    assert await at.expire() == Expired(100, 0)
    assert await at.expire() == Expired(0, 0)
    assert len(await told(at, "lot_expiring")) == 3


async def test_what_one_call_gives_back_is_told_to_another_in_its_last_slice(store: Store) -> None:
    # D4: what is left of the credit is used.
    at = await funded(store, 20)
    await at.hold("ends", (60, 10))
    await at.hold("goes-on", (60, 10))
    before = len(await told(at, "credit"))
    assert await at.extend("goes-on", 1, (120, 17)) == Refused("no_credit", 0)
    await at.settle("ends", 3)
    assert len(await told(at, "credit")) == before + 1
    assert await at.extend("goes-on", 2, (120, 17)) == Held(120, 17, 0)
    await at.settle("goes-on", 11)
    assert len(await told(at, "credit")) == before + 1  # nobody waits


# Pools of included seconds: C7, and a slice has one source.


async def test_a_slice_takes_included_seconds_or_money_and_never_both(store: Store) -> None:
    at = await funded(store, 100)
    assert await at.hold("call", (60, 30), pool=MONTH) == Held(60, 0, 100, 60)
    # 40 s are left: the slice is that short, and the next one is money.
    assert await at.extend("call", 1, (60, 30), pool=MONTH) == Held(100, 0, 100, 100)
    assert await at.extend("call", 2, (60, 30), pool=MONTH) == Held(160, 30, 70, 100)
    assert await at.settle("call", 5, pool=MONTH.name, pool_seconds=100) == Settled(5, 25, 95)
    assert await at.hold("next", (60, 30), pool=MONTH) == Held(60, 30, 65)


async def test_once_money_pays_for_a_call_it_goes_on_paying(store: Store) -> None:
    # C7: the call splits once.
    at = await funded(store, 100)
    await at.hold("other", (60, 30), pool=MONTH)
    await at.hold("call", (60, 30), pool=MONTH)
    assert await at.extend("call", 1, (60, 30), pool=MONTH) == Held(100, 30, 70, 40)
    await at.void("other", pool=MONTH.name)
    assert await at.extend("call", 2, (120, 60), pool=MONTH) == Held(160, 60, 40, 40)


async def test_included_seconds_are_there_for_an_account_without_credit(store: Store) -> None:
    # C9.
    at = await funded(store)
    assert await at.hold("call", (60, 30), pool=MONTH) == Held(60, 0, 0, 60)
    assert await at.hold("other", (60, 30), pool=MONTH) == Held(40, 0, 0, 40)
    assert await at.hold("third", (60, 30), pool=MONTH) == Refused("no_credit")
    assert await at.void("other", pool=MONTH.name) == Settled(0, 0, 0)
    assert await at.hold("fourth", (60, 30), pool=MONTH) == Held(40, 0, 0, 40)


async def test_a_call_keeps_to_its_pool_and_to_what_it_holds_of_it(store: Store) -> None:
    at = await funded(store, 100)
    other = Pool("domestic-2026-12", size_seconds=100, slice_seconds=60, ends_ms=FAR_MS)
    await at.hold("call", (60, 30), pool=MONTH)
    assert await at.extend("call", 1, (60, 30), pool=other) == Refused("conflict")
    assert await at.extend("call", 1, (60, 30)) == Refused("conflict")
    assert await at.settle("call", 0, pool=other.name) == Refused("conflict")
    assert await at.void("call") == Refused("conflict")
    over = await at.settle("call", 0, pool=MONTH.name, pool_seconds=61)
    assert over == Refused("over_hold")
    assert await at.settle("call", 0, pool=MONTH.name, pool_seconds=1) == Settled(0, 0, 100)


async def test_a_pool_is_forgotten_some_days_after_its_end(store: Store) -> None:
    at = await funded(store, 100)
    ends_ms = await now_ms(at) + 10 * DAY_MS
    month = Pool(uuid4().hex, size_seconds=100, slice_seconds=60, ends_ms=ends_ms)
    await at.hold("call", (60, 30), pool=month)
    key = store.store.account(at.account).pool(month.name)
    assert await store.redis.pexpiretime(key) == ends_ms + 3 * DAY_MS


# Memory does not grow with history.


@pytest.mark.parametrize("end", ["settled", "voided", "refused"])
async def test_a_call_that_is_over_is_forgotten_within_a_day(store: Store, end: str) -> None:
    at = await funded(store, 100)
    await at.hold("call", (60, 1000 if end == "refused" else 10))
    if end == "settled":
        await at.settle("call", 10)
    elif end == "voided":
        await at.void("call")
    key = store.store.account(at.account).call("call")
    assert 0 < await store.redis.ttl(key) <= 86_400


async def test_lots_that_are_spent_leave_only_their_sum(store: Store) -> None:
    at = await funded(store)
    for number in range(5):
        await at.grant(f"payment-{number}", 10)
        await at.hold(f"call-{number}", (60, 10))
        await at.settle(f"call-{number}", 10)
    statement = await at.statement()
    assert statement.lots == ()
    assert (statement.retired.granted, statement.retired.spent) == (50, 50)
    assert await store.redis.hlen(store.store.account(at.account).lots) == 1


async def test_an_amount_that_is_none_is_not_asked_for(store: Store) -> None:
    at = await funded(store, 100)
    await at.hold("call", (60, 10))
    for micros in (-1, AMOUNT_MICROS_MAX + 1):
        for operation in (
            at.grant("more", micros),
            at.settle("call", micros),
            at.reverse("back", "a", micros),
            at.configure("low", low_below=micros),
        ):
            with pytest.raises(ValueError, match="is not an amount"):
                await operation


@pytest.mark.parametrize("word", ["", "two words", "a;b", "a/b", "{s00}", "x" * 65, "\u00e9"])
async def test_a_word_that_would_take_keys_apart_is_no_id(store: Store, word: str) -> None:
    at = await funded(store, 100)
    with pytest.raises(ValueError, match="does not match"):
        await store.ledger.open_account(word, "USD")
    if word:
        with pytest.raises(ValueError, match="does not match"):
            await at.hold("call", (60, 1), user=word)
    if len(word) < 65:
        for operation in (at.hold(word, (60, 1)), at.grant(word, 1), at.configure(word)):
            with pytest.raises(ValueError, match="does not match"):
                await operation
