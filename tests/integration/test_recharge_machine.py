"""The recharge of an account as its operations make it, without a provider."""

import pytest

from gateway.ledger.outcomes import Granted, Refused
from tests.conftest import Store
from tests.integration.books import Books, funded, told
from tests.integration.claims import claimed, key, state, submit


async def methods_asked(at: Books) -> list[str]:
    return [event["method"] for event in await told(at, "recharge_due")]


async def failures(at: Books) -> list[tuple[str, str]]:
    return [(event["reason"], event["next"]) for event in await told(at, "recharge_failed")]


async def test_a_recharge_goes_from_claimed_to_submitted_to_paid(store: Store) -> None:
    at, first = await claimed(store, "card")
    assert await state(at) == ("claimed", "")
    asked = await submit(at, first)
    assert (asked.micros, asked.currency, asked.method, asked.status) == (
        *(200, "USD", "card"),
        "claimed",
    )
    assert await state(at) == ("submitted", "")
    assert (await submit(at, first)).status == "submitted"
    assert isinstance(await at.pay(first, 200, "pay_1"), Granted)
    assert await state(at) == ("armed", "")
    [recharged] = await told(at, "recharged")
    assert (recharged["micros"], recharged["available"], recharged["method"]) == (
        *("200", "250"),
        "card",
    )
    assert await at.store.ledger.submit_recharge(at.account, first) == Refused("closed")


async def test_without_an_answer_it_is_unknown_until_it_is_paid(store: Store) -> None:
    at, first = await claimed(store)
    await submit(at, first)
    await at.store.ledger.doubt_recharge(at.account, first)
    assert await state(at) == ("unknown", "")
    assert (await submit(at, first)).status == "unknown"
    assert await state(at) == ("unknown", "")
    await at.pay(first, 200)
    assert await state(at) == ("armed", "")


async def test_a_lasting_decline_goes_to_the_backup_with_another_key(store: Store) -> None:
    # R4.
    at, first = await claimed(store, "card,account")
    await at.fail_recharge(first, 60, lasting=True)
    second = await key(at)
    assert second != first
    assert await methods_asked(at) == ["card", "account"]
    assert await failures(at) == []
    await at.pay(second, 200)
    [recharged] = await told(at, "recharged")
    assert (recharged["method"], recharged["declined"]) == ("account", "declined")
    assert (await at.statement()).recharge.day_count == 1


async def test_a_lasting_decline_of_the_last_method_suspends_and_tells_once(store: Store) -> None:
    at, first = await claimed(store, "card,account")
    await at.fail_recharge(first, 60, lasting=True)
    await at.fail_recharge(await key(at), 60, lasting=True)
    assert await state(at) == ("suspended", "declined")
    assert await failures(at) == [("declined", "suspended")]
    [failed] = await told(at, "recharge_failed")
    assert failed["declined"] == "declined"  # the card; the reason is the account's
    await at.hold("call", (60, 1))
    await at.expire()
    assert len(await methods_asked(at)) == 2


async def test_the_backup_is_asked_only_after_a_lasting_decline(store: Store) -> None:
    at, first = await claimed(store, "card,account")
    await at.fail_recharge(first, 0)
    await at.expire()
    assert await methods_asked(at) == ["card", "card"]


async def test_of_passing_failures_in_a_row_the_first_is_told_and_the_tenth_suspends(
    store: Store,
) -> None:
    at, _ = await claimed(store)
    for _ in range(10):
        assert (await state(at))[0] == "claimed"
        await at.fail_recharge(await key(at), 0)
        await at.expire()
    assert await state(at) == ("suspended", "too_many_failures")
    assert await failures(at) == [("declined", "retry"), ("declined", "suspended")]


async def test_a_recharge_that_is_paid_ends_the_row_of_failures(store: Store) -> None:
    at, first = await claimed(store)
    await at.fail_recharge(first, 0)
    await at.expire()
    await at.pay(await key(at), 1)
    assert (await at.statement()).recharge.failures == 0
    await at.fail_recharge(await key(at), 3600)
    assert await failures(at) == [("declined", "retry")] * 2
    assert await state(at) == ("cooldown", "")


async def test_new_methods_end_a_suspension_and_are_asked_at_once(store: Store) -> None:
    # R5.
    at, first = await claimed(store, "expired")
    await at.fail_recharge(first, 60, lasting=True)
    await at.configure("card", methods="fresh")
    assert await state(at) == ("claimed", "")
    assert await methods_asked(at) == ["expired", "fresh"]


async def test_the_same_methods_set_again_end_no_suspension(store: Store) -> None:
    at, first = await claimed(store, "expired")
    await at.fail_recharge(first, 60, lasting=True)
    await at.configure("nightly", methods="expired")
    assert await state(at) == ("suspended", "declined")


async def test_what_an_admin_suspended_only_an_admin_resumes(store: Store) -> None:
    at, first = await claimed(store, "card")
    await submit(at, first)
    for _ in range(2):
        await at.store.ledger.suspend_recharge(at.account)
    assert await state(at) == ("submitted", "by_admin")  # its provider knows of it
    assert isinstance(await at.pay(first, 200), Granted)
    await at.configure("card", methods="fresh")
    await at.hold("call", (60, 240))
    assert await state(at) == ("suspended", "by_admin")
    await at.store.ledger.resume_recharge(at.account)
    assert await state(at) == ("claimed", "")
    assert [event["reason"] for event in await told(at, "suspended")] == ["by_admin"]


@pytest.mark.parametrize("stop", ["suspend", "switch off"])
async def test_no_backup_is_asked_for_a_recharge_that_is_wanted_no_more(
    store: Store, stop: str
) -> None:
    at, first = await claimed(store, "card,account")
    await submit(at, first)
    if stop == "suspend":
        await at.store.ledger.suspend_recharge(at.account)
    else:
        await at.configure("off", recharge_amount=0)
    await at.fail_recharge(first, 60, lasting=True)
    assert await key(at) == ""
    assert await methods_asked(at) == ["card"]
    suspended = "by_admin" if stop == "suspend" else "declined"
    assert (await state(at))[1] == suspended


async def test_neither_a_decline_nor_an_odd_payment_lifts_what_an_admin_suspended(
    store: Store,
) -> None:
    for odd in ("decline", "currency"):
        at, first = await claimed(store, "card")
        await submit(at, first)
        await at.store.ledger.suspend_recharge(at.account)
        if odd == "decline":
            await at.fail_recharge(first, 60, lasting=True)
        else:
            await at.pay(first, 200, currency="EUR")
        await at.configure("card", methods="fresh")
        assert await state(at) == ("suspended", "by_admin")


async def test_a_recharge_that_nobody_was_asked_for_is_dropped_when_it_is_stopped(
    store: Store,
) -> None:
    for stop in ("suspend", "switch off"):
        at, first = await claimed(store)
        if stop == "suspend":
            await at.store.ledger.suspend_recharge(at.account)
        else:
            await at.configure("off", recharge_amount=0)
        assert await at.store.ledger.submit_recharge(at.account, first) == Refused("closed")
        assert (await at.statement()).recharge.day_count == 0


async def test_no_more_recharges_are_made_than_a_day_allows(store: Store) -> None:
    # R2.
    at, _ = await claimed(store, day_max=2)
    for call in range(2):
        await at.pay(await key(at), 200)
        await at.hold(f"call-{call}", (60, 200))
    await at.expire()
    assert await state(at) == ("capped", "")
    assert len(await methods_asked(at)) == 2
    assert [event["limit"] for event in await told(at, "recharge_capped")] == ["day"]
    await at.configure("more", recharge_day_max=3)
    assert await state(at) == ("claimed", "")


async def test_an_account_is_capped_only_while_a_recharge_is_due(store: Store) -> None:
    at, first = await claimed(store, day_max=1)
    await at.pay(first, 200)
    assert await state(at) == ("armed", "")
    await at.hold("call", (60, 200))
    assert await state(at) == ("capped", "")
    await at.grant("by-hand", 500)
    assert await state(at) == ("armed", "")


async def test_no_more_is_recharged_than_a_month_allows(store: Store) -> None:
    at, first = await claimed(store, month_max=399)
    await at.pay(first, 200)
    await at.hold("call", (60, 200))
    assert await state(at) == ("capped", "")
    assert [event["limit"] for event in await told(at, "recharge_capped")] == ["month"]


async def test_what_fails_does_not_count_and_what_is_paid_late_does(store: Store) -> None:
    at, first = await claimed(store, day_max=1, month_max=200)
    await at.fail_recharge(first, 3600)
    recharge = (await at.statement()).recharge
    assert (recharge.day_count, recharge.month_micros) == (0, 0)
    await at.pay(first, 200)
    recharge = (await at.statement()).recharge
    assert (recharge.day_count, recharge.month_micros) == (1, 200)


async def test_an_admin_may_ask_for_a_recharge_whatever_stands_in_its_way(store: Store) -> None:
    at, first = await claimed(store, "card", day_max=1)
    ask = at.store.ledger.request_recharge
    assert await ask(at.account, "early", 70) == Refused("under_way")
    await at.fail_recharge(first, 3600, lasting=True)
    asked = await ask(at.account, "now", 70)
    assert asked == await ask(at.account, "now", 70) == await key(at)
    assert await ask(at.account, "now", 71) == Refused("conflict")
    await at.pay(str(asked), 70)
    assert (await at.sums())[0] == 120
    assert await state(at) == ("suspended", "declined")


@pytest.mark.parametrize("amount", [0, 200])
async def test_a_recharge_that_an_admin_asks_for_goes_to_the_backup_though_none_begin_by_themselves(
    store: Store, amount: int
) -> None:
    # R4.
    at = await funded(store, 500)
    await at.open(methods="card,account", recharge_below=100, recharge_amount=amount)
    await at.store.ledger.suspend_recharge(at.account)
    first = str(await at.store.ledger.request_recharge(at.account, "now", 70))
    await submit(at, first)
    await at.fail_recharge(first, 60, lasting=True)
    await at.fail_recharge(await key(at), 60, lasting=True)
    assert await methods_asked(at) == ["card", "account"]
    assert (await key(at), await failures(at)) == ("", [("declined", "suspended")])


async def test_of_a_recharge_that_an_admin_asked_for_and_stopped_no_backup_is_asked(
    store: Store,
) -> None:
    at = await funded(store, 500)
    await at.open(methods="card,account")
    first = str(await at.store.ledger.request_recharge(at.account, "now", 70))
    await submit(at, first)
    await at.store.ledger.suspend_recharge(at.account)
    await at.fail_recharge(first, 60, lasting=True)
    assert (await key(at), await methods_asked(at)) == ("", ["card"])


async def test_a_balance_that_a_recharge_is_on_its_way_for_is_not_told_to_be_empty(
    store: Store,
) -> None:
    at, first = await claimed(store)
    await at.hold("call", (60, 50))
    await at.settle("call", 50)
    assert await at.hold("next", (60, 10)) == Refused("no_credit", 0)
    await at.pay(first, 200)
    assert await told(at, "low", "exhausted") == []


async def test_an_empty_balance_is_told_as_soon_as_the_recharge_is_in_doubt(store: Store) -> None:
    at, first = await claimed(store)
    assert await at.hold("dear", (60, 70)) == Refused("no_credit", 50)
    assert await told(at, "exhausted") == []
    await submit(at, first)
    await at.store.ledger.doubt_recharge(at.account, first)
    [told_once] = await told(at, "exhausted")
    assert (told_once["needed"], told_once["recharge"]) == ("70", "unknown")
    await at.fail_recharge(first, 3600)
    assert len(await told(at, "exhausted")) == 1


async def test_an_empty_balance_is_told_when_the_recharge_takes_longer_than_a_minute(
    store: Store,
) -> None:
    at, _ = await claimed(store)
    await at.hold("call", (60, 50))
    await at.settle("call", 50)
    assert await told(at, "exhausted") == []
    seconds, _ = await store.redis.time()
    cells = store.store.account(at.account).account
    await store.redis.hset(cells, "recharge_claimed", str((seconds - 61) * 1000))
    await at.expire()
    assert [event["recharge"] for event in await told(at, "exhausted")] == ["pending"]


async def test_a_call_that_is_too_dear_does_not_hide_that_the_balance_is_used_up_later(
    store: Store,
) -> None:
    at = await funded(store, 100)
    assert await at.hold("satellite", (60, 150)) == Refused("no_credit", 100)
    await at.hold("call", (60, 100))
    await at.settle("call", 100)
    await at.hold("next", (60, 1))
    assert [event["left"] for event in await told(at, "exhausted")] == ["too_little", "nothing"]


async def test_of_a_failed_recharge_it_is_told_whether_another_follows(store: Store) -> None:
    at = await funded(store, 500)
    asked = await at.store.ledger.request_recharge(at.account, "by-hand", 70)
    await at.fail_recharge(str(asked), 60)
    assert [event["next"] for event in await told(at, "recharge_failed")] == ["none"]


async def test_the_balance_is_low_at_a_fifth_of_what_it_was_when_money_came(store: Store) -> None:
    # R6: low balance [20 %].
    at = await funded(store, 1000)
    await at.hold("call", (60, 800))
    await at.settle("call", 800)
    assert await told(at, "low") == []
    await at.hold("next", (60, 1))
    await at.settle("next", 1)
    assert [event["below"] for event in await told(at, "low")] == ["200"]
