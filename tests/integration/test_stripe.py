import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from gateway.recharge.providers import stripe as stripe_provider
from gateway.recharge.providers.charge import Charge, Reply, Status
from gateway.recharge.providers.stripe import StripeProvider
from gateway.recharge.reports import Inbox, Reports
from gateway.recharge.stripe_inbox import StripeInbox
from tests.conftest import Store
from tests.integration.api import serving
from tests.integration.books import Books, told
from tests.integration.recharging import (
    granted,
    hours_later,
    in_a_hurry,
    low,
    recharging,
    until_resolved,
)
from tests.lab.ports import Ports
from tests.lab.processes import until
from tests.lab.stripe_server import (
    API_KEY,
    AUTHENTICATED_CARD,
    DECLINED_CARD,
    GOOD_CARD,
    SIGNER,
    Behaviour,
    Stripe,
)

ASKED = 200_000_000


@pytest.fixture
async def server(ports: Ports, tmp_path: Path) -> AsyncIterator[Stripe]:
    nowhere = f"http://127.0.0.1:{ports.take()}"
    started = Stripe(ports.take(), ports.take(), tmp_path, nowhere)
    await started.start()
    yield started
    await started.stop()


@pytest.fixture
async def provider(
    server: Stripe, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[StripeProvider]:
    monkeypatch.setattr(stripe_provider, "REPLY_SECONDS_MAX", 0.5)
    async with aiohttp.ClientSession() as session:
        yield StripeProvider(API_KEY, server.url, session)


async def recharge(server: Stripe, card: str = GOOD_CARD) -> Charge:
    """Make up the recharge of an account that left a card with Stripe."""
    account = f"contoso-{uuid4().hex}"
    return Charge(f"recharge-{account}-1", account, 50_250_000, "USD", await server.method(card))


def now_ms() -> int:
    return int(time.time() * 1000)


async def test_a_charge_is_asked_for_off_session_with_the_key_of_the_recharge(
    server: Stripe, provider: StripeProvider
) -> None:
    charge = await recharge(server)
    reply = await provider.charge(charge)
    [intent] = await server.intents()
    assert reply == Reply(Status.SUCCEEDED, "", intent["id"], 50_250_000, "USD")
    assert server.keys == [charge.key]
    assert (intent["amount"], intent["currency"]) == (5025, "usd")
    assert f"{intent['customer']}/{intent['payment_method']}" == charge.method
    assert intent["metadata"] == {
        "coinbox_account": charge.account,
        "coinbox_key": charge.key,
    }


async def test_a_charge_that_is_asked_for_again_is_the_same_one(
    server: Stripe, provider: StripeProvider
) -> None:
    charge = await recharge(server)
    assert await provider.charge(charge) == await provider.charge(charge)
    assert len(await server.intents()) == 1


@pytest.mark.parametrize(
    ("card", "reason"),
    [(DECLINED_CARD, "card_declined"), (AUTHENTICATED_CARD, "authentication_required")],
)
async def test_a_declined_charge_tells_why_now_and_whenever_it_is_asked_about(
    server: Stripe, provider: StripeProvider, card: str, reason: str
) -> None:
    charge = await recharge(server, card)
    declined = Reply(Status.DECLINED, reason)
    assert await provider.charge(charge) == declined
    assert await provider.charge(charge) == declined
    assert await provider.find(charge, now_ms()) == declined


@pytest.mark.parametrize("method", ["", "cus_1", "pm_1", "cus_1/pm_1/x", "cus_/pm_", " cus_1/pm_1"])
async def test_a_method_that_is_no_customer_with_a_card_is_declined_unasked(
    server: Stripe, provider: StripeProvider, method: str
) -> None:
    charge = replace(await recharge(server), method=method)
    assert await provider.charge(charge) == Reply(Status.DECLINED, "method_unknown")
    assert await provider.find(charge, now_ms()) == Reply(Status.NOT_FOUND)
    assert server.keys == []


async def test_an_amount_that_is_no_whole_number_of_cents_is_declined_unasked(
    server: Stripe, provider: StripeProvider
) -> None:
    charge = replace(await recharge(server), micros=10_005_000)
    assert await provider.charge(charge) == Reply(Status.DECLINED, "amount_not_in_minor_units")
    assert server.keys == []


async def test_a_card_that_is_gone_is_declined(server: Stripe, provider: StripeProvider) -> None:
    charge = replace(await recharge(server), method="cus_gone/pm_gone")
    assert await provider.charge(charge) == Reply(Status.DECLINED, "invalid_request_error")


@pytest.mark.parametrize(
    ("behaviour", "why"),
    [
        ("fail", "APIError"),
        ("busy", "APIError"),
        ("limit", "RateLimitError"),
        ("refuse_key", "AuthenticationError"),
        ("hang", "APIConnectionError"),
        ("garble", "APIError"),
    ],
)
async def test_whatever_else_stripe_answers_says_nothing_of_the_charge(
    server: Stripe, provider: StripeProvider, behaviour: Behaviour, why: str
) -> None:
    charge = await recharge(server)
    server.behaviour = behaviour
    assert await provider.charge(charge) == Reply(Status.UNKNOWN, why)
    assert await provider.find(charge, now_ms()) == Reply(Status.UNKNOWN, why)
    server.behaviour = "pass"
    assert await provider.find(charge, now_ms()) == Reply(Status.NOT_FOUND)
    assert server.keys == [charge.key]


async def test_a_charge_whose_reply_was_lost_is_found(
    server: Stripe, provider: StripeProvider
) -> None:
    charge, begun_ms = await recharge(server), now_ms()
    server.behaviour = "lose_reply"
    assert await provider.charge(charge) == Reply(Status.UNKNOWN, "APIConnectionError")
    found = await provider.find(charge, begun_ms)
    server.behaviour = "pass"
    assert found == await provider.charge(charge)
    assert found.status is Status.SUCCEEDED


async def test_no_charge_is_found_for_another_key_account_customer_or_time(
    server: Stripe, provider: StripeProvider
) -> None:
    charge = await recharge(server)
    await provider.charge(charge)
    tomorrow = now_ms() + 86_400_000
    others = [
        replace(charge, key="recharge-other-1"),
        replace(charge, account="other"),
        replace(charge, method=await server.method(GOOD_CARD)),
    ]
    for other in others:
        assert await provider.find(other, now_ms()) == Reply(Status.NOT_FOUND)
    assert await provider.find(charge, tomorrow) == Reply(Status.NOT_FOUND)


async def test_a_customer_with_more_charges_than_are_looked_through_says_nothing(
    server: Stripe, provider: StripeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    charge = await recharge(server)
    await provider.charge(replace(charge, key="recharge-before"))
    monkeypatch.setattr(stripe_provider, "_LISTED_MAX", 1)
    assert (await provider.find(charge, now_ms())).status is Status.UNKNOWN


async def test_stripe_that_is_not_there_says_nothing(
    server: Stripe, provider: StripeProvider
) -> None:
    charge = await recharge(server)
    await server.stop()
    assert (await provider.charge(charge)).status is Status.UNKNOWN
    assert (await provider.find(charge, now_ms())).status is Status.UNKNOWN


@dataclass(frozen=True)
class Shop:
    """A gateway that charges by a Stripe, and hears from it."""

    store: Store
    server: Stripe
    provider: StripeProvider

    async def low(self, card: str = GOOD_CARD, *backups: str) -> tuple[Books, str]:
        """Open an account below its trigger, with cards at Stripe, and give its recharge's key."""
        methods = [await self.server.method(number) for number in (card, *backups)]
        return await low(self.store, ",".join(methods))

    async def paid(self) -> tuple[Books, str, dict[str, Any]]:
        """Recharge an account, and give the recharge's key and its PaymentIntent."""
        at, key = await self.low()
        async with recharging(self.store, self.provider):
            await until_resolved(at)
        intents = await self.server.intents()
        return at, key, next(one for one in intents if one["metadata"]["coinbox_key"] == key)


@pytest.fixture
async def shop(
    store: Store, ports: Ports, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Shop]:
    in_a_hurry(monkeypatch)
    port = ports.take()
    server = Stripe(
        ports.take(), ports.take(), tmp_path, f"http://127.0.0.1:{port}/webhooks/stripe"
    )
    await server.start()
    async with aiohttp.ClientSession() as session:
        provider = StripeProvider(API_KEY, server.url, session)

        def inboxes(reports: Reports) -> dict[str, Inbox]:
            return {"/webhooks/stripe": StripeInbox(reports, provider, SIGNER)}

        async with serving(store, port, tmp_path / "cards", inboxes=inboxes):
            yield Shop(store, server, provider)
    await server.stop()


async def test_a_recharge_by_stripe_is_one_lot_however_it_is_reported(shop: Shop) -> None:
    at, key, intent = await shop.paid()
    told = ("payment_intent.succeeded", 204)
    await until(lambda: told in shop.server.delivered, "Stripe's event has arrived")
    again = [shop.server.report("payment_intent.succeeded", intent) for _ in range(20)]
    assert set(await asyncio.gather(*again)) == {204}
    assert await granted(at) == {"a": 50, key: ASKED}
    assert (intent["amount"], shop.server.keys) == (20_000, [key])


async def test_stripe_may_report_a_payment_before_its_reply_is_read(shop: Shop) -> None:
    at, key = await shop.low()
    shop.server.behaviour = "lose_reply"
    async with recharging(shop.store, shop.provider):
        await until_resolved(at)
    assert (shop.server.keys, len(await shop.server.intents())) == ([key], 1)
    assert await granted(at) == {"a": 50, key: ASKED}


@pytest.mark.parametrize("behaviour", ["fail", "busy", "limit", "refuse_key", "hang"])
async def test_while_stripe_gives_no_answer_the_recharge_is_unknown_and_then_made_once(
    shop: Shop, behaviour: Behaviour
) -> None:
    # R4.
    at, key = await shop.low()
    shop.server.behaviour = behaviour
    async with recharging(shop.store, shop.provider):

        async def unknown() -> bool:
            return (await at.statement()).recharge.state == "unknown"

        await until(unknown, "it is unknown")
        shop.server.behaviour = "pass"
        await until_resolved(at)
    assert (set(shop.server.keys), len(await shop.server.intents())) == ({key}, 1)
    assert await granted(at) == {"a": 50, key: ASKED}


async def test_a_500_that_stripe_replays_is_given_up_after_a_day(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    at, key = await shop.low()
    shop.server.behaviour = "fail_for_good"
    async with recharging(shop.store, shop.provider):
        await until(lambda: shop.server.keys, "it was asked for")
        shop.server.behaviour = "pass"
        await until(lambda: len(shop.server.keys) > 2, "it was asked for again")
    assert (await at.statement()).recharge.state == "unknown"
    hours_later(monkeypatch, 25)
    async with recharging(shop.store, shop.provider):
        await until_resolved(at)
    assert (set(shop.server.keys), await shop.server.intents()) == ({key}, [])
    [failed] = await told(at, "recharge_failed")
    assert (failed["key"], failed["reason"]) == (key, "no_answer")


async def test_when_stripe_may_have_forgotten_the_key_no_second_charge_is_made(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    at, key = await shop.low()
    hours_later(monkeypatch, 25)
    shop.server.forgetful, shop.server.behaviour = True, "lose_reply"
    async with recharging(shop.store, shop.provider):
        await until_resolved(at)
    assert (shop.server.keys, len(await shop.server.intents())) == ([key], 1)
    assert await granted(at) == {"a": 50, key: ASKED}


async def test_a_card_that_needs_its_owner_gives_way_to_the_backup(shop: Shop) -> None:
    at, _ = await shop.low(AUTHENTICATED_CARD, GOOD_CARD)
    async with recharging(shop.store, shop.provider):
        await until_resolved(at)
    first, second = shop.server.keys
    assert await granted(at) == {"a": 50, second: ASKED}
    assert first != second


async def test_a_card_that_is_declined_is_tried_again_later(shop: Shop) -> None:
    at, key = await shop.low(DECLINED_CARD, GOOD_CARD)
    async with recharging(shop.store, shop.provider):
        await until_resolved(at)
        told = ("payment_intent.payment_failed", 204)
        await until(lambda: told in shop.server.delivered, "Stripe told of it too")
    assert shop.server.keys == [key]
    assert (await at.statement()).recharge.state == "cooldown"


async def test_refunds_at_stripe_take_back_what_was_refunded_in_whatever_order_they_are_told(
    shop: Shop,
) -> None:
    at, key, intent = await shop.paid()
    charges = [await shop.server.refund(intent["id"], amount) for amount in (2_000, 3_000, 500)]
    assert [charge["amount_refunded"] for charge in charges] == [2_000, 5_000, 5_500]
    reports = [shop.server.report("charge.refunded", one) for one in reversed(charges * 5)]
    assert set(await asyncio.gather(*reports)) == {204}
    assert (await at.statement()).reversed == 55_000_000
    assert (await at.lots())[key].available == 145_000_000


async def test_a_refund_that_is_told_before_the_payment_books_both(shop: Shop) -> None:
    at, key = await shop.low()
    reply = await shop.provider.charge(
        Charge(key, at.account, ASKED, "USD", (await at.statement()).recharge.method)
    )
    charge = await shop.server.refund(reply.payment, 5_000)
    assert await shop.server.report("charge.refunded", charge) == 204
    assert (await at.lots())[key].available == 150_000_000
    assert (await at.statement()).recharge.key == ""


def dispute(intent: dict[str, Any], status: str = "needs_response") -> dict[str, Any]:
    """Make up a dispute: localstripe has none. https://docs.stripe.com/api/disputes/object."""
    return {
        "id": "dp_1",
        "object": "dispute",
        "amount": intent["amount"],
        "charge": "ch_1",
        "payment_intent": intent["id"],
        "status": status,
    }


async def test_a_dispute_takes_back_all_and_suspends(shop: Shop) -> None:
    at, key, intent = await shop.paid()
    for kind in ("charge.dispute.created", "charge.dispute.funds_withdrawn"):
        assert await shop.server.report(kind, dispute(intent)) == 204
    found = await at.statement()
    assert (found.reversed, found.recharge.suspended) == (ASKED, "disputed")
    assert key not in await granted(at)
    assert await told(at, "payment_flagged") == []


async def test_only_what_is_disputed_is_taken_back(shop: Shop) -> None:
    at, key, intent = await shop.paid()
    part = {**dispute(intent), "amount": 5_000}
    assert await shop.server.report("charge.dispute.created", part) == 204
    assert (await at.lots())[key].available == ASKED - 50_000_000


@pytest.mark.parametrize(
    ("kind", "status", "reason"),
    [
        ("charge.dispute.created", "warning_needs_response", "questioned"),
        ("charge.dispute.closed", "won", "dispute_won"),
        ("charge.dispute.funds_reinstated", "won", "dispute_won"),
    ],
)
async def test_what_only_an_admin_can_decide_of_a_dispute_is_told_him(
    shop: Shop, kind: str, status: str, reason: str
) -> None:
    at, key, intent = await shop.paid()
    quarter = {**dispute(intent, status), "amount": intent["amount"] // 4}
    assert await shop.server.report(kind, quarter) == 204
    assert await granted(at) == {"a": 50, key: ASKED}
    [flag] = await told(at, "payment_flagged")
    assert (flag["payment"], flag["key"], flag["reason"]) == (intent["id"], key, reason)
    assert flag["micros"] == str(ASKED // 4)
    unbooked = await shop.store.statements.unbooked(at.account)
    assert [one.payment for one in unbooked] == [intent["id"]] * (reason == "dispute_won")


@pytest.mark.parametrize("status", ["lost", "warning_closed"])
async def test_a_dispute_that_is_closed_otherwise_changes_nothing(shop: Shop, status: str) -> None:
    at, key, intent = await shop.paid()
    assert await shop.server.report("charge.dispute.closed", dispute(intent, status)) == 204
    assert await granted(at) == {"a": 50, key: ASKED}
    assert await shop.store.statements.unbooked(at.account) == []


async def test_events_about_others_payments_are_accepted_and_change_nothing(shop: Shop) -> None:
    at, key, intent = await shop.paid()
    customer, method = (await shop.server.method(GOOD_CARD)).split("/")
    others = {"amount": "700", "currency": "usd", "customer": customer, "payment_method": method}
    other = (await shop.server.ask("POST", "/v1/payment_intents", others)).body
    events = [
        ("payment_intent.succeeded", {**intent, "metadata": {}}),
        ("payment_intent.succeeded", {**intent, "metadata": {"coinbox_account": "no account"}}),
        ("payment_intent.created", {"object": "payment_intent"}),
        ("charge.refunded", {"payment_intent": None, "amount_refunded": 1}),
        ("charge.refunded", {"payment_intent": other["id"], "amount_refunded": 1}),
        ("charge.dispute.created", dispute(other)),
        ("customer.created", {}),
    ]
    for kind, about in events:
        assert await shop.server.report(kind, about) == 204
    assert await granted(at) == {"a": 50, key: ASKED}
    assert (await at.statement()).reversed == 0


async def test_an_event_is_believed_only_with_stripes_signature_and_in_time(shop: Shop) -> None:
    at, key, intent = await shop.paid()
    disputed = dispute(intent)
    for signer, age in ((API_KEY, 0), (SIGNER, 400), (SIGNER, -400)):
        kind = "charge.dispute.created"
        assert await shop.server.report(kind, disputed, signer=signer, age=age) == 401
    assert await granted(at) == {"a": 50, key: ASKED}


async def test_an_event_that_cannot_be_read_is_refused_by_what_is_wrong(shop: Shop) -> None:
    assert await shop.server.report("payment_intent.succeeded", {"id": "pi_1"}) == 422
    assert await shop.server.report("charge.refunded", {"payment_intent": "pi_1"}) == 422
    _, _, intent = await shop.paid()
    unpaid = {**intent, "amount_received": 0}
    assert await shop.server.report("payment_intent.succeeded", unpaid) == 422


async def test_an_event_is_asked_for_again_while_stripe_does_not_tell_whose_it_is(
    shop: Shop,
) -> None:
    at, _, intent = await shop.paid()
    shop.server.behaviour = "fail"
    assert await shop.server.report("charge.dispute.created", dispute(intent)) == 503
    shop.server.behaviour = "pass"
    assert await shop.server.report("charge.dispute.created", dispute(intent)) == 204
    assert (await at.statement()).reversed == ASKED


async def test_the_payment_of_an_account_that_is_not_there_is_refused_loudly(shop: Shop) -> None:
    _, key, intent = await shop.paid()
    labels = {"coinbox_account": "nobody", "coinbox_key": key}
    told_of = {**intent, "metadata": labels}
    assert await shop.server.report("payment_intent.succeeded", told_of) == 422


async def test_a_dispute_of_the_payment_intent_alone_is_enough(shop: Shop) -> None:
    # What is disputed before anybody heard that it was paid.
    at, key = await shop.low()
    charge = Charge(key, at.account, ASKED, "USD", (await at.statement()).recharge.method)
    reply = await shop.provider.charge(charge)
    intent = {"id": reply.payment, "amount": 20_000}
    assert await shop.server.report("charge.dispute.created", dispute(intent)) == 204
    found = await at.statement()
    assert (found.reversed, found.recharge.suspended) == (ASKED, "disputed")
