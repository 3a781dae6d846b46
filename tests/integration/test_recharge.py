from datetime import timedelta

import pytest

from gateway.ledger.jobs import Jobs
from gateway.ledger.outcomes import LedgerUnavailableError
from gateway.recharge import recharger
from gateway.recharge.providers import webhook
from gateway.recharge.providers.webhook import WebhookProvider
from gateway.recharge.recharger import KIND
from tests.conftest import Store
from tests.integration.books import funded, known, told
from tests.integration.recharging import (
    granted,
    hours_later,
    low,
    recharging,
    until_resolved,
)
from tests.lab.processes import until
from tests.lab.provider import Behaviour, Provider

ASKED = 200_000_000


async def test_a_recharge_that_is_reported_by_reply_and_by_webhooks_is_one_lot(
    store: Store, provider: Provider, asking: WebhookProvider
) -> None:
    at, key = await low(store)
    provider.orders.webhooks = 5
    async with recharging(store, asking):
        await until(lambda: provider.delivered == [204] * 5, "every webhook has arrived")
        await until_resolved(at)
    assert provider.requests == list(provider.charges) == [key]
    assert await granted(at) == {"a": 50, key: ASKED}


async def test_the_provider_is_told_the_account_the_amount_and_the_method(
    store: Store, provider: Provider, asking: WebhookProvider
) -> None:
    at, key = await low(store, "card-7")
    async with recharging(store, asking):
        await until_resolved(at)
    charge = provider.charges[key]
    assert (charge.account, charge.amount, charge.currency, charge.method) == (
        at.account,
        "200.000000",
        "USD",
        "card-7",
    )


async def test_a_charge_that_is_pending_is_asked_about_until_its_webhook_comes(
    store: Store, provider: Provider, asking: WebhookProvider
) -> None:
    at, key = await low(store)
    provider.orders.behaviour, provider.orders.webhooks = "pend", 0
    async with recharging(store, asking):
        await until(lambda: len(provider.questions) > 1, "it was asked about again")
        assert await granted(at) == {"a": 50}
        assert await provider.report(provider.settle(key)) == 204
        await until_resolved(at)
    assert provider.requests == [key]
    assert await granted(at) == {"a": 50, key: ASKED}


@pytest.mark.parametrize("reason", [None, "insufficient_funds"])
async def test_a_charge_that_is_pending_is_resolved_without_any_webhook(
    store: Store, provider: Provider, asking: WebhookProvider, reason: str | None
) -> None:
    at, key = await low(store)
    provider.orders.behaviour, provider.orders.webhooks = "pend", 0
    async with recharging(store, asking):
        await until(lambda: provider.questions, "it was asked about")
        provider.settle(key, reason)
        await until_resolved(at)
    assert provider.requests == [key]
    assert (key in await granted(at)) == (reason is None)


async def test_a_passing_decline_is_given_up_and_the_next_waits(
    store: Store, provider: Provider, asking: WebhookProvider
) -> None:
    at, key = await low(store)
    provider.orders.behaviour, provider.orders.reason = "decline", "insufficient_funds"
    async with recharging(store, asking):
        await until(lambda: provider.delivered == [204], "the decline was reported as well")
        await until_resolved(at)
        await at.hold("call", (60, 1))
    assert provider.requests == [key]
    recharge = (await at.statement()).recharge
    assert (recharge.state, recharge.failures) == ("cooldown", 1)
    assert await granted(at) == {"a": 50}


async def test_a_passing_decline_is_tried_again_with_another_key_after_its_pause(
    store: Store, provider: Provider, asking: WebhookProvider
) -> None:
    at, _ = await low(store)
    provider.orders.behaviour, provider.orders.reason = "decline", "insufficient_funds"
    async with recharging(store, asking, retry_seconds=1):
        await until(lambda: provider.delivered, "it was declined")
        provider.orders.behaviour = "succeed"

        async def claimed_again() -> bool:
            await at.expire()
            return len(provider.requests) > 1

        await until(claimed_again, "it was asked for again")
        await until_resolved(at)
    first, second = provider.requests
    assert first != second
    assert await granted(at) == {"a": 50, second: ASKED}


async def test_a_decline_for_good_goes_to_the_next_method_with_another_key(
    store: Store, provider: Provider, asking: WebhookProvider
) -> None:
    # R4.
    at, key = await low(store, "old,backup")
    provider.orders.declines = {"old": "card_expired"}
    async with recharging(store, asking):
        await until_resolved(at)
    first, second = provider.charges.values()
    assert (first.key, first.method, second.method) == (key, "old", "backup")
    assert provider.requests == [first.key, second.key]
    assert await granted(at) == {"a": 50, second.key: ASKED}


async def test_a_decline_for_good_of_the_last_method_suspends(
    store: Store, provider: Provider, asking: WebhookProvider
) -> None:
    at, _ = await low(store, "old,lost")
    provider.orders.declines = {"old": "card_expired", "lost": "lost_card"}
    async with recharging(store, asking):
        await until_resolved(at)
        await at.hold("call", (60, 1))
    recharge = (await at.statement()).recharge
    assert (recharge.state, recharge.suspended) == ("suspended", "lost_card")
    assert len(provider.requests) == 2


@pytest.mark.parametrize("behaviour", ["fail", "hang", "lose_reply", "charge_and_hang"])
async def test_without_an_answer_the_same_key_stands_until_there_is_one(
    store: Store, provider: Provider, asking: WebhookProvider, behaviour: Behaviour
) -> None:
    # R4: unknown is never a second charge.
    at, key = await low(store)
    provider.orders.behaviour, provider.orders.webhooks = behaviour, 0
    async with recharging(store, asking):
        await until(lambda: provider.questions, "it was asked about")
        provider.orders.behaviour = "succeed"
        await until_resolved(at)
    assert (set(provider.requests), list(provider.charges)) == ({key}, [key])
    assert await granted(at) == {"a": 50, key: ASKED}


@pytest.mark.parametrize("behaviour", ["lose_reply", "charge_and_hang"])
async def test_a_charge_that_was_made_is_found_and_not_asked_for_again(
    store: Store, provider: Provider, asking: WebhookProvider, behaviour: Behaviour
) -> None:
    at, key = await low(store)
    provider.orders.behaviour, provider.orders.webhooks = behaviour, 0
    async with recharging(store, asking):
        await until_resolved(at)
    assert provider.requests == [key]
    assert await granted(at) == {"a": 50, key: ASKED}


async def test_a_provider_that_refuses_connections_is_asked_when_it_is_back(
    store: Store, provider: Provider, asking: WebhookProvider
) -> None:
    at, key = await low(store)
    await provider.refuse()
    async with recharging(store, asking):

        async def unknown() -> bool:
            return (await at.statement()).recharge.state == "unknown"

        await until(unknown, "it is unknown")
        await provider.listen()
        await until_resolved(at)
    assert provider.requests == [key]
    assert await granted(at) == {"a": 50, key: ASKED}


async def test_a_key_that_stripe_may_forget_soon_is_asked_about_and_not_asked_for_again(
    store: Store, provider: Provider, asking: WebhookProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    at, key = await low(store)
    hours_later(monkeypatch, 23)
    provider.orders.behaviour = "fail"
    async with recharging(store, asking):
        await until(lambda: provider.questions, "it was asked about")
        provider.orders.behaviour = "succeed"
        answered = len(provider.questions) + 2
        await until(lambda: len(provider.questions) > answered, "it was not found")
    assert provider.requests == [key]
    recharge = (await at.statement()).recharge
    assert (recharge.key, recharge.state) == (key, "unknown")


async def test_what_was_not_found_for_a_day_is_given_up_and_never_asked_for_again(
    store: Store, provider: Provider, asking: WebhookProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    at, key = await low(store)
    hours_later(monkeypatch, 25)
    provider.orders.behaviour = "hang"
    async with recharging(store, asking):
        await until(lambda: provider.questions, "it was asked about")
        provider.orders.behaviour = "succeed"
        await until_resolved(at)
    [failed] = await told(at, "recharge_failed")
    assert (failed["key"], failed["reason"]) == (key, "no_answer")
    assert (await at.statement()).recharge.state == "cooldown"
    assert provider.requests == [key]


async def test_a_charge_of_long_ago_that_was_made_is_still_found(
    store: Store, provider: Provider, asking: WebhookProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    at, key = await low(store)
    hours_later(monkeypatch, 25)
    provider.orders.behaviour, provider.orders.webhooks = "lose_reply", 0
    async with recharging(store, asking):
        await until_resolved(at)
    assert provider.requests == [key]
    assert await granted(at) == {"a": 50, key: ASKED}


async def test_another_gateway_goes_on_with_a_recharge_that_one_began_and_did_not_end(
    store: Store, provider: Provider, asking: WebhookProvider
) -> None:
    at, key = await low(store)
    provider.orders.behaviour, provider.orders.webhooks = "charge_and_hang", 0
    async with recharging(store, asking):
        await until(lambda: provider.charges, "it was charged")
    assert (await at.statement()).recharge.key == key
    async with Store.at(store.url) as other, recharging(other, asking):
        await until_resolved(at)
    assert (provider.requests, list(provider.charges)) == ([key], [key])
    assert await granted(at) == {"a": 50, key: ASKED}


async def test_two_gateways_ask_for_each_of_many_recharges_once(
    store: Store, provider: Provider, asking: WebhookProvider
) -> None:
    claimed = [await low(store) for _ in range(40)]
    async with (
        Store.at(store.url) as other,
        recharging(store, asking),
        recharging(other, asking),
    ):
        for at, _ in claimed:
            await until_resolved(at)
    assert sorted(provider.requests) == sorted(key for _, key in claimed)
    for at, key in claimed:
        assert await granted(at) == {"a": 50, key: ASKED}


async def test_a_gateway_without_a_provider_leaves_recharges_to_one_that_has_one(
    store: Store, provider: Provider, asking: WebhookProvider
) -> None:
    at, key = await low(store)
    async with recharging(store, None):

        async def taken_in() -> bool:
            return [job.job_id for job in await Jobs(store.store, KIND).every()] == [key]

        await until(taken_in, "it was taken in")
    assert provider.requests == []
    async with recharging(store, asking):
        await until_resolved(at)
    assert provider.requests == [key]


async def test_a_recharge_that_cannot_be_carried_out_does_not_end_the_others(
    store: Store, provider: Provider, asking: WebhookProvider
) -> None:
    events = store.store.shards[0].events
    await store.redis.xadd(
        events, {"event": "recharge_due", "account": "no account", "key": "no key"}
    )
    async with recharging(store, asking):
        for _ in range(4):  # in shards of their own
            at, _ = await low(store)
            await until_resolved(at)
    assert len(provider.requests) == 4


async def test_recharges_go_on_when_the_store_is_back(
    store: Store, provider: Provider, asking: WebhookProvider
) -> None:
    at, key = await low(store)
    provider.orders.behaviour, provider.orders.webhooks = "lose_reply", 0
    async with recharging(store, asking):
        await until(lambda: provider.requests, "it was asked for")
        await store.kill()
        await known(at.statement)
        await until_resolved(at)
    assert provider.requests == [key]
    assert await granted(at) == {"a": 50, key: ASKED}


async def test_recharges_go_on_when_the_store_answers_again(
    store: Store, provider: Provider, asking: WebhookProvider
) -> None:
    at, key = await low(store)
    provider.orders.behaviour, provider.orders.webhooks = "charge_and_hang", 0
    async with recharging(store, asking):
        await until(lambda: provider.charges, "it was charged")
        async with store.frozen():
            with pytest.raises(LedgerUnavailableError):
                await at.statement()
        await until_resolved(at)
    assert provider.requests == [key]
    assert await granted(at) == {"a": 50, key: ASKED}


async def test_a_gateway_tries_only_so_many_recharges_at_once(
    store: Store, provider: Provider, asking: WebhookProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recharger, "_TRIES_AT_ONCE", 2)
    monkeypatch.setattr(webhook, "REPLY_SECONDS_MAX", 1.0)
    provider.orders.behaviour, provider.orders.webhooks = "charge_and_hang", 0
    claimed = [await low(store) for _ in range(8)]
    jobs = Jobs(store.store, KIND)
    async with recharging(store, asking):
        await until(lambda: len(provider.requests) == 2, "two were asked for")

        async def taken_in() -> bool:
            return len(await jobs.every()) == len(claimed)

        await until(taken_in, "all wait to be tried")
        assert sum(job.tries for job in await jobs.every()) == 2
        provider.orders.behaviour = "succeed"
        for at, _ in claimed:
            await until_resolved(at)
    assert sorted(provider.requests) == sorted(key for _, key in claimed)


async def test_a_recharge_whose_payment_was_reported_first_is_not_asked_for(
    store: Store, provider: Provider, asking: WebhookProvider
) -> None:
    at, key = await low(store)
    await at.pay(key, ASKED, "pay_1")
    async with recharging(store, None):

        async def taken_in() -> bool:
            return bool(await Jobs(store.store, KIND).every())

        await until(taken_in, "it was taken in")
    async with recharging(store, asking):

        async def done() -> bool:
            return not await Jobs(store.store, KIND).every()

        await until(done, "there is nothing to be done")
    assert provider.requests == provider.questions == []


async def test_nothing_is_asked_for_that_is_done(
    store: Store, provider: Provider, asking: WebhookProvider
) -> None:
    at, _ = await low(store)
    async with recharging(store, asking):
        await until_resolved(at)
    other = await funded(store, 50)
    async with recharging(store, asking):
        await other.open(recharge_below=100, recharge_amount=ASKED)
        await until_resolved(other)
    assert len(provider.requests) == 2
    assert await Jobs(store.store, KIND).every() == []


async def test_what_was_paid_is_credited_though_it_is_not_what_was_asked_for(
    store: Store, provider: Provider, asking: WebhookProvider
) -> None:
    at, key = await low(store)
    provider.orders.amount = "150.000000"
    async with recharging(store, asking):
        await until_resolved(at)
        await until(lambda: provider.delivered == [204], "it was reported as well")
    assert await granted(at) == {"a": 50, key: 150_000_000}
    [flag] = await told(at, "payment_flagged")
    assert (flag["reason"], flag["micros"], flag["asked"]) == (
        "amount_differs",
        "150000000",
        "200000000",
    )


async def test_what_was_paid_in_another_currency_is_set_aside_for_an_admin(
    store: Store, provider: Provider, asking: WebhookProvider
) -> None:
    at, key = await low(store)
    provider.orders.currency = "EUR"
    async with recharging(store, asking):
        await until_resolved(at)
        await until(lambda: provider.delivered == [204], "it was reported as well")
    assert await granted(at) == {"a": 50}
    [aside] = await store.statements.unbooked(at.account)
    assert (aside.key, aside.micros, aside.currency) == (key, ASKED, "EUR")


async def test_a_webhook_of_the_provider_is_believed_only_with_our_secret_and_in_time(
    store: Store, provider: Provider, asking: WebhookProvider
) -> None:
    at, key = await low(store)
    async with recharging(store, asking):
        await until_resolved(at)
    charge = provider.charges[key]
    assert await provider.report(charge, secret="whsec_b3RoZXI=") == 401
    assert await provider.report(charge, age=timedelta(minutes=10)) == 401
    assert await provider.report(charge) == 204
    assert await granted(at) == {"a": 50, key: ASKED}
