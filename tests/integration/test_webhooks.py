import asyncio
import json
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks import Webhook

from gateway.admin import app
from tests.conftest import Store
from tests.integration.api import SIGNER, Api
from tests.integration.books import Books, told


@dataclass(frozen=True)
class Payment:
    """A payment as its provider reports it."""

    account: str
    key: str = "recharge-1"
    amount: str = "20.000000"
    type: str = "payment.succeeded"
    extra: dict[str, object] = field(default_factory=dict)

    def body(self) -> bytes:
        data = {
            "payment_id": "pay_1",
            "idempotency_key": self.key,
            "account": self.account,
            "amount": self.amount,
            "currency": "USD",
            "reason": None,
            **self.extra,
        }
        now = datetime.now(UTC).isoformat()
        return json.dumps({"type": self.type, "timestamp": now, "data": data}).encode()


def signed(body: bytes, *, secret: str = SIGNER, age: timedelta = timedelta()) -> dict[str, str]:
    at = datetime.now(UTC) - age
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign("msg_1", at, body.decode()),
    }


async def posted(api: Api, payment: Payment) -> int:
    """Report a payment, and give the HTTP status."""
    body = payment.body()
    return (await api.post(body, signed(body)))[0]


async def test_a_payment_that_is_reported_many_times_is_one_lot(api: Api, at: Books) -> None:
    body = Payment(at.account).body()
    assert await api.post(body, signed(body)) == (204, "")
    again = await asyncio.gather(*(api.post(body, signed(body)) for _ in range(50)))
    assert set(again) == {(204, "")}
    assert await at.sums() == (25_000_000, 0, 0, 0)
    assert sorted(await at.lots()) == ["a", "recharge-1"]


async def test_fifty_first_reports_at_once_are_one_lot(api: Api, at: Books) -> None:
    body = Payment(at.account).body()
    await asyncio.gather(*(api.post(body, signed(body)) for _ in range(50)))
    assert sorted(await at.lots()) == ["a", "recharge-1"]


MINUTES = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("changed", "age"),
    [
        pytest.param({}, 6 * MINUTES, id="old"),
        pytest.param({}, -6 * MINUTES, id="from the future"),
        pytest.param({"webhook-timestamp": "soon"}, 0 * MINUTES, id="no time"),
        pytest.param({"webhook-timestamp": "inf"}, 0 * MINUTES, id="no end of time"),
        pytest.param({"webhook-timestamp": "9" * 40}, 0 * MINUTES, id="beyond any calendar"),
        pytest.param({"webhook-id": "msg_2"}, 0 * MINUTES, id="another message"),
        pytest.param({"webhook-signature": "v1,AAAA"}, 0 * MINUTES, id="another signature"),
        pytest.param({"webhook-signature": "v1,%"}, 0 * MINUTES, id="not base64"),
        pytest.param({"webhook-signature": "v1"}, 0 * MINUTES, id="cut"),
        pytest.param({"webhook-signature": ""}, 0 * MINUTES, id="empty"),
        pytest.param({"webhook-signature": "v1,\u00e9"}, 0 * MINUTES, id="not ASCII"),
    ],
)
async def test_what_is_not_signed_well_and_lately_changes_nothing(
    api: Api, at: Books, changed: dict[str, str], age: timedelta
) -> None:
    body = Payment(at.account).body()
    status, _ = await api.post(body, signed(body, age=age) | changed)
    assert status == 401
    assert sorted(await at.lots()) == ["a"]


async def test_a_signature_belongs_to_its_secret_and_its_body(api: Api, at: Books) -> None:
    body = Payment(at.account).body()
    headers = signed(body)
    for other in (body + b" ", b"", b"\xff", Payment(at.account, amount="21").body()):
        assert (await api.post(other, headers))[0] == 401
    assert (await api.post(body, signed(body, secret="whsec_b3RoZXI=")))[0] == 401
    for missing in headers:
        rest = {name: value for name, value in headers.items() if name != missing}
        assert (await api.post(body, rest))[0] == 401
    assert sorted(await at.lots()) == ["a"]


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"amount": "-1"}, "data.amount"),
        ({"amount": "1e3"}, "data.amount"),
        ({"amount": 20}, "data.amount"),
        ({"amount": "0.000000"}, "data.amount"),
        ({"account": ""}, "data.account"),
        ({"account": "nobody"}, "unknown_account"),
        ({"currency": "usd"}, "data.currency"),
        ({"payment_id": None}, "data.payment_id"),
        ({"payment_id": "two words"}, "data.payment_id"),
        ({"idempotency_key": ""}, "data.idempotency_key"),
        ({"idempotency_key": "two words"}, "data.idempotency_key"),
        ({"idempotency_key": "line\nend"}, "data.idempotency_key"),
        ({"idempotency_key": "end\n"}, "data.idempotency_key"),
        ({"idempotency_key": "x" * 201}, "data.idempotency_key"),
    ],
)
async def test_a_signed_message_that_cannot_be_booked_names_what_is_wrong(
    api: Api, at: Books, changed: dict[str, object], named: str
) -> None:
    body = Payment(at.account, extra=changed).body()
    status, text = await api.post(body, signed(body))
    assert (status, named in text) == (422, True)
    assert sorted(await at.lots()) == ["a"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"type": "payment.succeeded"}', b"null"])
async def test_a_signed_message_of_another_form_is_refused(api: Api, body: bytes) -> None:
    assert (await api.post(body, signed(body)))[0] == 422


async def test_an_unknown_type_of_message_is_refused_by_its_name(api: Api, at: Books) -> None:
    body = Payment(at.account, type="payment.forgotten").body()
    status, text = await api.post(body, signed(body))
    assert (status, "payment.forgotten" in text) == (422, True)


async def test_another_amount_for_the_same_payment_is_told_to_an_admin(api: Api, at: Books) -> None:
    assert await posted(api, Payment(at.account)) == 204
    assert await posted(api, Payment(at.account, amount="21")) == 204
    assert await at.sums() == (25_000_000, 0, 0, 0)
    [flag] = await told(at, "payment_flagged")
    assert (flag["payment"], flag["micros"], flag["reason"]) == (
        *("pay_1", "21000000"),
        "amount_differs",
    )


async def test_a_payment_in_another_currency_is_set_aside_for_an_admin(
    api: Api, store: Store, at: Books
) -> None:
    assert await posted(api, Payment(at.account, extra={"currency": "EUR"})) == 204
    assert sorted(await at.lots()) == ["a"]
    [aside] = await store.statements.unbooked(at.account)
    assert (aside.payment, aside.currency, aside.reason) == ("pay_1", "EUR", "currency_differs")


def refund(at: Books, refunded: str) -> Payment:
    """Report that so much of the payment of 20.00 was ever refunded."""
    return Payment(at.account, type="payment.refunded", extra={"refunded": refunded})


async def test_a_refund_takes_back_what_was_refunded(api: Api, at: Books) -> None:
    assert await posted(api, Payment(at.account)) == 204
    assert await posted(api, refund(at, "12.50")) == 204
    assert (await at.statement()).reversed == 12_500_000
    assert await at.sums() == (12_500_000, 0, 0, 0)


async def test_a_refund_without_what_was_refunded_is_refused(api: Api, at: Books) -> None:
    body = Payment(at.account, type="payment.refunded").body()
    status, text = await api.post(body, signed(body))
    assert (status, "data.refunded" in text) == (422, True)


async def test_a_dispute_takes_back_all_and_suspends(api: Api, at: Books) -> None:
    assert await posted(api, Payment(at.account, type="payment.disputed")) == 204
    found = await at.statement()
    assert (found.available, found.reversed) == (5_000_000, 20_000_000)
    assert found.recharge.suspended == "disputed"


async def test_a_dispute_of_what_is_spent_takes_what_is_left_and_tells_an_admin(
    api: Api, at: Books
) -> None:
    assert await posted(api, Payment(at.account)) == 204
    await at.hold("call", (60, 8_000_000))  # all of the 5.00 that was there before, and 3.00
    await at.settle("call", 8_000_000)
    assert await posted(api, Payment(at.account, type="payment.disputed")) == 204
    assert (await at.statement()).reversed == 17_000_000
    [flag] = await told(at, "payment_flagged")
    assert (flag["reason"], flag["micros"]) == ("taken_back_short", "3000000")


async def test_a_failure_that_is_told_after_the_success_changes_nothing(
    api: Api, at: Books
) -> None:
    await at.open(recharge_below=10_000_000, recharge_amount=20_000_000)
    key = (await at.statement()).recharge.key
    for kind in ("payment.succeeded", "payment.failed"):
        assert await posted(api, Payment(at.account, key, type=kind)) == 204
    assert sorted(await at.lots()) == sorted(["a", key])
    assert (await at.statement()).recharge.state == "armed"


async def test_a_success_that_is_told_after_the_failure_still_counts(api: Api, at: Books) -> None:
    # R4.
    await at.open(recharge_below=10_000_000, recharge_amount=20_000_000)
    key = (await at.statement()).recharge.key
    for kind in ("payment.failed", "payment.succeeded"):
        assert (
            await posted(
                api, Payment(at.account, key, type=kind, extra={"reason": "card_declined"})
            )
            == 204
        )
    assert sorted(await at.lots()) == sorted(["a", key])


@pytest.mark.parametrize(
    ("reason", "state"),
    [("card_expired", "suspended"), ("insufficient_funds", "cooldown"), (None, "cooldown")],
)
async def test_a_failure_that_is_told_first_is_for_good_or_passes_by_its_reason(
    api: Api, at: Books, reason: str | None, state: str
) -> None:
    await at.open(recharge_below=10_000_000, recharge_amount=20_000_000)
    key = (await at.statement()).recharge.key
    assert (
        await posted(api, Payment(at.account, key, type="payment.failed", extra={"reason": reason}))
        == 204
    )
    assert (await at.statement()).recharge.state == state


@pytest.mark.parametrize("seed", range(10))
async def test_reports_in_any_order_many_times_and_at_once_leave_the_same(
    api: Api, at: Books, seed: int
) -> None:
    reports = [
        Payment(at.account),
        Payment(at.account, type="payment.failed"),
        refund(at, "2"),
        refund(at, "5.50"),
        refund(at, "11"),
    ]
    bodies = [report.body() for report in reports] * 5
    random.Random(seed).shuffle(bodies)  # noqa: S311 - another order for each seed
    answers = await asyncio.gather(*(api.post(body, signed(body)) for body in bodies))
    assert set(answers) == {(204, "")}
    found = await at.statement()
    assert (found.available, found.reversed) == (14_000_000, 11_000_000)


async def test_a_dispute_among_refunds_leaves_nothing_of_the_payment(api: Api, at: Books) -> None:
    disputed = Payment(at.account, type="payment.disputed")
    bodies = [one.body() for one in (refund(at, "5"), disputed, refund(at, "7"))] * 5
    answers = await asyncio.gather(*(api.post(body, signed(body)) for body in bodies))
    assert set(answers) == {(204, "")}
    found = await at.statement()
    assert (found.available, found.reversed) == (5_000_000, 20_000_000)
    assert await told(at, "payment_flagged") == []


async def test_a_report_that_finds_no_store_is_asked_for_again_and_then_booked(
    api: Api, store: Store, at: Books
) -> None:
    body = Payment(at.account).body()
    async with store.frozen():
        assert (await api.post(body, signed(body)))[0] == 503
    assert (await api.post(body, signed(body)))[0] == 204
    assert sorted(await at.lots()) == ["a", "recharge-1"]


async def test_the_recharge_of_an_account_named_as_an_address_is_booked(
    api: Api, store: Store
) -> None:
    at = Books(store, "sales@contoso.example")
    await at.open(recharge_below=1, recharge_amount=20_000_000)
    body = Payment(at.account, key=(await at.statement()).recharge.key).body()
    assert (await api.post(body, signed(body)))[0] == 204
    assert (await at.statement()).recharge.key == ""


async def test_a_body_over_the_limit_is_not_read(api: Api, at: Books) -> None:
    body = Payment(at.account, extra={"reason": "x" * app.BODY_BYTES_MAX}).body()
    assert (await api.post(body, signed(body)))[0] == 413
    assert sorted(await at.lots()) == ["a"]
