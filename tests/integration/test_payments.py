"""Payments as providers report them: other than was asked for, twice, taken back."""

from typing import Literal

import pytest

from gateway.ledger.outcomes import Flagged, Granted, Refused
from tests.conftest import Store
from tests.integration.books import Books, told
from tests.integration.claims import claimed, key, state, submit

Way = Literal["refunded", "disputed"]


async def back(
    at: Books, key: str, payment: str, micros: int, way: Way = "refunded", *, currency: str = "USD"
) -> object:
    """Report that so much of a payment of 200 was ever taken back."""
    return await at.store.ledger.take_back(
        at.account, key, payment, paid=200, micros=micros, currency=currency, way=way
    )


async def reasons(at: Books) -> list[str]:
    return [event["reason"] for event in await told(at, "payment_flagged")]


async def test_what_was_paid_is_credited_whatever_was_asked_for_and_told(store: Store) -> None:
    at, first = await claimed(store)
    assert isinstance(await at.pay(first, 150, "pay_1"), Granted)
    [flag] = await told(at, "payment_flagged")
    assert (flag["reason"], flag["micros"], flag["asked"]) == ("amount_differs", "150", "200")
    recharge = (await at.statement()).recharge
    assert ((await at.sums())[0], recharge.month_micros) == (200, 150)


async def test_a_payment_in_another_currency_is_kept_unbooked_and_no_more_is_charged(
    store: Store,
) -> None:
    at, first = await claimed(store)
    assert await at.pay(first, 200, "pay_1", "EUR") == Flagged("currency_differs")
    assert await at.pay(first, 200, "pay_1", "EUR") == Flagged("unbooked")
    assert await state(at) == ("suspended", "currency_differs")
    [unbooked] = await at.store.statements.unbooked(at.account)
    assert (unbooked.payment, unbooked.micros, unbooked.currency) == ("pay_1", 200, "EUR")
    await at.configure("card", methods="fresh")
    assert await state(at) == ("suspended", "currency_differs")  # until an admin has looked
    await at.grant("pay_1", 217)  # by hand, at the rate of the day
    assert await at.store.statements.unbooked(at.account) == []
    assert (await at.sums())[0] == 267
    assert await reasons(at) == ["currency_differs"]


async def test_a_payment_with_the_id_of_another_key_s_is_kept_by_its_own_key(store: Store) -> None:
    at, first = await claimed(store)
    await at.pay(first, 200, "pay_1")
    await at.hold("call", (60, 200))
    second = await key(at)
    assert await at.pay(second, 200, "pay_1") == Flagged("payment_id_reused")
    assert await at.pay(second, 200, "pay_1") == Flagged("unbooked")
    assert await state(at) == ("suspended", "payment_id_reused")
    [unbooked] = await at.store.statements.unbooked(at.account)
    assert (unbooked.payment, unbooked.key, unbooked.micros) == (second, second, 200)
    by_hand = await at.grant(second, 200)
    assert await at.pay(second, 200, "pay_1") == by_hand
    assert await at.store.statements.unbooked(at.account) == []
    assert (await at.sums())[0] == 250
    assert await reasons(at) == ["payment_id_reused"]
    assert await back(at, first, "pay_1", 200) == 50  # the first one's, of which a call holds 150


async def test_after_a_late_payment_that_cannot_be_booked_nobody_is_asked_for_the_next(
    store: Store,
) -> None:
    at, first = await claimed(store)
    await submit(at, first)
    await at.fail_recharge(first, pause_seconds=0)
    assert await state(at) == ("claimed", "")
    assert await at.pay(first, 200, "pay_1", "EUR") == Flagged("currency_differs")
    assert await state(at) == ("suspended", "currency_differs")


async def test_a_late_payment_ends_a_row_of_failures(store: Store) -> None:
    # R6: the first failure of a row is told.
    at, first = await claimed(store)
    await at.fail_recharge(first, pause_seconds=0)
    second = await key(at)
    await at.pay(first, 200, "pay_1")
    await at.fail_recharge(second, pause_seconds=0)
    assert [event["key"] for event in await told(at, "recharge_failed")] == [first, second]


async def test_another_payment_with_the_same_key_is_kept_unbooked_and_told_once(
    store: Store,
) -> None:
    at, first = await claimed(store)
    granted = await at.pay(first, 200, "pay_1")
    assert await at.pay(first, 200, "pay_2") == Flagged("paid_twice")
    assert await at.pay(first, 200, "pay_1") == granted
    assert (await at.sums())[0] == 250
    [unbooked] = await at.store.statements.unbooked(at.account)
    assert unbooked.payment == "pay_2"
    dismiss = at.store.ledger.dismiss_payment
    assert await dismiss(at.account, "pay_2") is None
    assert await dismiss(at.account, "pay_2") == Refused("unknown_payment")
    assert await at.pay(first, 200, "pay_2") == Flagged("paid_twice")  # delivered again
    assert await at.store.statements.unbooked(at.account) == []
    assert await reasons(at) == ["paid_twice"]


async def test_another_amount_of_a_payment_that_is_booked_is_told_and_can_be_booked_by_no_hand(
    store: Store,
) -> None:
    at, first = await claimed(store)
    await at.pay(first, 200, "pay_1")
    assert await at.pay(first, 210, "pay_1") == Flagged("amount_differs")
    assert await at.store.statements.unbooked(at.account) == []
    assert await at.grant("pay_1", 210) == Refused("conflict")
    assert (await at.sums())[0] == 250


@pytest.mark.parametrize("by", ["key", "payment"])
async def test_a_payment_that_was_booked_by_hand_first_is_still_one_lot(
    store: Store, by: str
) -> None:
    # R3.
    at, first = await claimed(store)
    await submit(at, first)
    by_hand = await at.grant(first if by == "key" else "pay_1", 200)
    assert await at.pay(first, 200, "pay_1") == by_hand
    assert await at.pay(first, 200, "pay_1") == by_hand
    assert (await at.sums())[0] == 250
    assert await key(at) == ""
    assert await back(at, first, "pay_1", 200) == 200


async def test_another_amount_than_was_booked_by_hand_is_told(store: Store) -> None:
    at, first = await claimed(store)
    by_hand = await at.grant("pay_1", 150)
    assert await at.pay(first, 200, "pay_1") == by_hand
    assert (await at.sums())[0] == 200
    [flag] = await told(at, "payment_flagged")
    assert (flag["reason"], flag["micros"], flag["payment"]) == ("amount_differs", "200", "pay_1")


async def test_refunds_take_back_what_all_of_them_say_in_any_order(store: Store) -> None:
    at, first = await claimed(store)
    await at.pay(first, 200, "pay_1")
    taken = [await back(at, first, "pay_1", in_all) for in_all in (150, 100, 150, 160)]
    assert taken == [150, 0, 0, 10]
    assert (await at.statement()).reversed == 160
    assert await reasons(at) == []


async def test_a_refund_and_a_dispute_take_back_no_more_than_was_paid(store: Store) -> None:
    at, first = await claimed(store)
    await at.pay(first, 200, "pay_1")
    assert await back(at, first, "pay_1", 50) == 50
    assert await back(at, first, "pay_1", 200, "disputed") == 150
    assert await reasons(at) == []


async def test_a_dispute_suspends_once_and_until_an_admin_resumes(store: Store) -> None:
    at, first = await claimed(store, "card")
    await at.pay(first, 200, "pay_1")
    assert await back(at, first, "pay_1", 200, "disputed") == 200
    await at.configure("card", methods="fresh")
    assert await state(at) == ("suspended", "disputed")
    await at.store.ledger.resume_recharge(at.account)
    assert await back(at, first, "pay_1", 200, "disputed") == 0  # delivered again
    assert await state(at) == ("claimed", "")
    assert [event["reason"] for event in await told(at, "suspended")] == ["disputed"]


async def test_what_a_refund_cannot_take_back_is_told(store: Store) -> None:
    at, first = await claimed(store)
    await at.pay(first, 200, "pay_1")
    await at.hold("call", (60, 190))  # 50 of the first lot, 140 of the recharge
    assert await back(at, first, "pay_1", 200) == 60
    [flag] = await told(at, "payment_flagged")
    assert (flag["reason"], flag["micros"], flag["payment"]) == (
        *("taken_back_short", "140"),
        "pay_1",
    )


async def test_the_refund_of_a_second_payment_takes_nothing_of_the_first(store: Store) -> None:
    at, first = await claimed(store)
    await at.pay(first, 200, "pay_1")
    await at.pay(first, 200, "pay_2")
    assert await back(at, first, "pay_2", 80) == 0
    [unbooked] = await at.store.statements.unbooked(at.account)
    assert (unbooked.payment, unbooked.micros) == ("pay_2", 120)
    assert await back(at, first, "pay_2", 200) == 0
    assert await at.store.statements.unbooked(at.account) == []
    assert (await at.sums())[0] == 250


async def test_of_what_was_booked_by_hand_for_another_currency_the_same_part_goes_back(
    store: Store,
) -> None:
    at, first = await claimed(store)
    await at.pay(first, 200, "pay_1", "JPY")
    await at.grant("pay_1", 31)
    taken = [await back(at, first, "pay_1", in_all, currency="JPY") for in_all in (100, 199, 200)]
    assert taken == [15, 15, 1]
    assert (await at.sums())[0] == 50
    assert await reasons(at) == ["currency_differs"]


async def test_what_cannot_be_taken_back_of_a_converted_payment_is_told_in_the_account_s_currency(
    store: Store,
) -> None:
    at, first = await claimed(store)
    await at.pay(first, 200, "pay_1", "EUR")
    await at.grant("pay_1", 210)
    await at.hold("call", (60, 160))  # 50 of the first lot, 110 of the payment
    assert await back(at, first, "pay_1", 200, currency="EUR") == 100
    _, flag = await told(at, "payment_flagged")
    assert (flag["reason"], flag["micros"], flag["currency"], flag["asked"]) == (
        *("taken_back_short", "110"),
        *("USD", "210"),
    )
