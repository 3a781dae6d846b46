import asyncio
from collections.abc import Awaitable, Callable
from uuid import uuid4

import pytest

from gateway.ledger.outcomes import Expired, Granted, Held, Refused, Settled
from gateway.money import AMOUNT_MICROS_MAX
from tests.conftest import Store
from tests.integration.books import Books, books, funded

Operation = Callable[[Books], Awaitable[object]]


async def two_calls(store: Store) -> Books:
    """Open 100, with 30 held for `first`, which was extended once, and 20 for `second`."""
    opened = await funded(store, 100)
    await opened.hold("first", (60, 10))
    await opened.extend("first", 1, (120, 30))
    await opened.hold("second", (60, 20))
    return opened


@pytest.mark.parametrize(
    ("operation", "answer"),
    [
        pytest.param(lambda at: at.reopen(), None, id="open"),
        pytest.param(lambda at: at.configure("op", overdraft=9), None, id="configure"),
        pytest.param(lambda at: at.expire(), Expired(0, 50), id="expire"),
        pytest.param(lambda at: at.hold("third", (60, 50)), Held(60, 50, 0), id="hold"),
        pytest.param(lambda at: at.extend("first", 2, (180, 80)), Held(180, 80, 0), id="extend"),
        pytest.param(lambda at: at.settle("first", 25), Settled(25, 5, 55), id="settle"),
        pytest.param(lambda at: at.void("second"), Settled(0, 20, 70), id="void"),
        pytest.param(
            lambda at: at.extend("first", 2, (180, 81)), Refused("no_credit", 50), id="refusal"
        ),
    ],
)
async def test_an_operation_that_is_repeated_is_done_once(
    store: Store, operation: Operation, answer: object
) -> None:
    at = await two_calls(store)
    assert await operation(at) == answer
    after = await at.statement()
    assert await operation(at) == answer
    await store.redis.script_flush()
    assert await operation(at) == answer
    assert await at.statement() == after


async def test_a_payment_that_is_reported_again_is_one_lot(store: Store) -> None:
    at = await funded(store, 100)
    first = await at.grant("pay", 5)
    assert isinstance(first, Granted)
    assert first.available == 105
    assert [await at.grant("pay", 5) for _ in range(3)] == [first] * 3
    assert sorted(await at.lots()) == ["a", "pay"]


@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        pytest.param(lambda at: at.grant("a", 101), "conflict", id="grant of another amount"),
        pytest.param(
            lambda at: at.grant("b", 1, "EUR"), "currency_differs", id="grant in another money"
        ),
        pytest.param(lambda at: at.grant("b", AMOUNT_MICROS_MAX), "too_large", id="too much"),
        pytest.param(lambda at: at.hold("first", (60, 11)), "conflict", id="hold of another price"),
        pytest.param(lambda at: at.hold("third", (60, 51)), "no_credit", id="hold too dear"),
        pytest.param(lambda at: at.hold("third", (60, 1), user="eve"), "unknown_user", id="user"),
        pytest.param(lambda at: at.hold("third", (60, 1), currency="EUR"), "no_rate", id="money"),
        pytest.param(
            lambda at: at.hold("third", (60, 51), user="eve", currency="EUR"),
            "unknown_user",
            id="the user comes first",
        ),
        pytest.param(
            lambda at: at.hold("third", (60, 51), currency="EUR"), "no_rate", id="then the rate"
        ),
        pytest.param(lambda at: at.extend("third", 1, (60, 1)), "closed", id="extend no call"),
        pytest.param(lambda at: at.extend("first", 1, (180, 40)), "conflict", id="extend anew"),
        pytest.param(lambda at: at.extend("first", 0, (180, 40)), "conflict", id="extend late"),
        pytest.param(lambda at: at.settle("first", 31), "over_hold", id="settle beyond the hold"),
        pytest.param(lambda at: at.settle("third", 0), "closed", id="settle no call"),
        pytest.param(lambda at: at.void("third"), "closed", id="void no call"),
        pytest.param(lambda at: at.fail_recharge("x", 1), "closed", id="fail no recharge"),
    ],
)
async def test_what_is_refused_has_a_reason_and_moves_no_money(
    store: Store, operation: Operation, reason: str
) -> None:
    at = await two_calls(store)
    before = await at.statement()
    outcome = await operation(at)
    assert isinstance(outcome, Refused)
    assert outcome.reason == reason
    assert await at.statement() == before


@pytest.mark.parametrize(
    "closed",
    [
        pytest.param(lambda at: at.settle("first", 5), id="settled"),
        pytest.param(lambda at: at.void("first"), id="voided"),
    ],
)
@pytest.mark.parametrize(
    ("late", "reason"),
    [
        pytest.param(lambda at: at.settle("first", 6), "conflict", id="settle"),
        pytest.param(lambda at: at.void("first", cause=17), "conflict", id="void"),
        pytest.param(lambda at: at.extend("first", 2, (180, 40)), "closed", id="extend"),
    ],
)
async def test_a_call_is_closed_once_and_for_all(
    store: Store, closed: Operation, late: Operation, reason: str
) -> None:
    at = await two_calls(store)
    await closed(at)
    before = await at.statement()
    outcome = await late(at)
    assert isinstance(outcome, Refused)
    assert outcome.reason == reason
    assert await at.statement() == before


async def test_an_account_that_is_not_open_has_nothing(store: Store) -> None:
    ledger, nobody = store.ledger, books(store).account
    assert await store.statements.statement(nobody) is None
    assert await ledger.grant(nobody, "pay", 1, "USD") == Refused("unknown_account")


async def test_the_currency_of_an_account_and_the_owner_of_a_number_never_change(
    store: Store,
) -> None:
    one, other = await funded(store), await funded(store)

    async def own(account: str, currency: str) -> Refused | None:
        opened = await store.ledger.open_account(account, currency)
        return opened or await store.ledger.configure(
            account, uuid4().hex, numbers=["+18005550100"]
        )

    assert await own(one.account, "USD") is None
    assert await own(one.account, "EUR") == Refused("currency_differs")
    assert await own(other.account, "USD") == Refused("number_taken +18005550100")
    assert await store.statements.owner_of("+18005550100") == one.account
    assert await store.statements.owner_of("+18005550199") is None


async def test_the_longest_slice_that_can_be_paid_is_held(store: Store) -> None:
    at = await funded(store, 45)
    assert await at.hold("call", (60, 60), (42, 42), (6, 6)) == Held(42, 42, 3)
    assert await at.extend("call", 1, (102, 102), (48, 48), (45, 45)) == Held(45, 45, 0)


async def test_a_refused_call_stays_refused_and_a_new_one_is_allowed_once_money_came(
    store: Store,
) -> None:
    # RFC 8506 Flow VII.
    at = await funded(store, 5)
    refused = await at.hold("call", (60, 10))
    await at.grant("topup", 5)
    assert await at.hold("call", (60, 10)) == refused == Refused("no_credit", 5)
    assert await at.hold("call-again", (60, 10)) == Held(60, 10, 0)


async def test_a_free_rate_is_talked_for_nothing_while_there_is_credit(store: Store) -> None:
    # C9: no chargeable call on no credit, whatever its rate.
    at = await funded(store)
    assert await at.hold("broke", (60, 0)) == Refused("no_credit")
    await at.grant("pay", 5)
    assert await at.hold("call", (60, 0)) == Held(60, 0, 5)
    assert await at.extend("call", 1, (120, 0)) == Held(120, 0, 5)
    assert await at.settle("call", 0) == Settled(0, 0, 5)
    assert await at.hold("unanswered", (60, 0)) == Held(60, 0, 5)
    assert await at.void("unanswered") == Settled(0, 0, 5)


async def test_amounts_stay_exact_up_to_the_largest(store: Store) -> None:
    most = AMOUNT_MICROS_MAX
    at = await funded(store, most - 1, 1)
    assert await at.grant("more", 1) == Refused("too_large")
    assert await at.hold("call", (60, most - 3)) == Held(60, most - 3, 3)
    assert await at.extend("call", 1, (120, most - 2)) == Held(120, most - 2, 2)
    assert await at.settle("call", most - 5) == Settled(most - 5, 3, 5)


async def test_a_live_hold_can_be_read_back_until_it_is_closed(store: Store) -> None:
    at = await two_calls(store)
    holds = {hold.call_id: hold for hold in await store.statements.live_holds()}
    assert sorted(holds) == ["first", "second"]
    first = holds["first"]
    assert (first.account, first.rate, first.granted_seconds) == (at.account, "the rate", 120)
    assert (first.held, first.extension) == (30, 1)
    await at.settle("first", 30)
    await at.void("second")
    assert await store.statements.live_holds() == []


async def test_a_call_that_has_ended_does_not_pay_for_another_with_its_id(store: Store) -> None:
    at = await two_calls(store)
    await at.settle("first", 25)
    await at.void("second")
    after = await at.statement()
    assert await at.hold("first", (60, 10)) == Refused("conflict")
    assert await at.hold("second", (60, 20)) == Refused("conflict")
    assert await at.statement() == after


async def test_a_burst_of_questions_waits_for_a_connection(store: Store) -> None:
    asked = await asyncio.gather(*(store.statements.owner_of("+18005550199") for _ in range(400)))
    assert asked == [None] * 400
