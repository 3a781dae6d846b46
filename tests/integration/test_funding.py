"""What admins set, add and stop over HTTP, which is what the command line does too."""

import asyncio
from datetime import timedelta

import pytest

from tests.conftest import Store
from tests.integration.api import BEARER, Api
from tests.integration.books import Books, books, funded, now_ms, told

DAY_MS = timedelta(days=1) // timedelta(milliseconds=1)


async def ask(
    api: Api, method: str, path: str, body: object = None, key: str = ""
) -> tuple[int, dict[str, object]]:
    headers = {"Authorization": BEARER} | ({"Idempotency-Key": key} if key else {})
    async with api.client.request(
        method, f"/v1/accounts/{path}", json=body, headers=headers
    ) as answer:
        return answer.status, await answer.json(content_type=None) or {}


async def shown(api: Api, at: Books) -> dict[str, object]:
    status, body = await ask(api, "GET", at.account)
    assert status == 200
    return body


async def recharge(api: Api, at: Books) -> dict[str, object]:
    found = (await shown(api, at))["recharge"]
    assert isinstance(found, dict)
    return found


async def test_settings_are_in_effect_for_the_next_claim(api: Api, at: Books) -> None:
    # R5.
    wanted = {
        "recharge_below": "10",
        "recharge_amount": "50",
        "recharge_day_max": "3",
        "recharge_month_max": "200",
        "methods": "card,account",
        "low_below": "2.50",
        "limit_day": "20",
        "country": "DE",
    }
    status, body = await ask(api, "PATCH", at.account, wanted)
    assert status == 200
    assert body == await shown(api, at)
    found = await recharge(api, at)
    assert (found["state"], found["method"], found["asked"]) == ("claimed", "card", "50.000000")
    assert (found["below"], found["day_max"], found["month_max"]) == ("10.000000", 3, "200.000000")
    assert found["methods"] == ["card", "account"]
    assert (body["low_below"], body["profile"]) == ("2.500000", {"country": "DE"})
    _, body = await ask(api, "PATCH", at.account, {"low_below": None, "recharge_day_max": None})
    assert body["low_below"] is None
    assert (await recharge(api, at))["day_max"] == 5
    assert (await recharge(api, at))["amount"] == "50.000000"


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"recharge_amount": "ten"}, "recharge_amount"),
        ({"recharge_day_max": "-1"}, "recharge_day_max"),
        ({"recharge_day_max": "1001"}, "recharge_day_max"),
        ({"low_percent": "101"}, "low_percent"),
        ({"methods": "a b"}, "methods"),
        ({"methods": "a,a"}, "methods"),
        ({"methods": "a,b,c,d,e,f"}, "methods"),
        ({"methods": "a,"}, "methods"),
        ({"plans": "unheard-of"}, "plans"),
        ({"colour": "red"}, "colour"),
        ({"low_below": 5}, "low_below"),
        ([], "body"),
    ],
)
async def test_a_setting_that_is_wrong_is_named_and_none_is_changed(
    api: Api, at: Books, wrong: object, named: str
) -> None:
    before = await at.statement()
    body = {**wrong, "overdraft": "5"} if isinstance(wrong, dict) else wrong
    status, answer = await ask(api, "PATCH", at.account, body)
    faults = answer["faults"]
    assert status == 400
    assert isinstance(faults, list)
    assert [fault["field"] for fault in faults] == [named]
    assert await at.statement() == before


async def test_money_is_added_once_for_each_reference(api: Api, at: Books) -> None:
    # M7.
    path = f"{at.account}/grants"
    wanted = {"amount": "20", "reference": "invoice-17"}
    answers = await asyncio.gather(*(ask(api, "POST", path, wanted) for _ in range(20)))
    assert answers == [answers[0]] * 20
    status, body = answers[0]
    assert (status, body["available"]) == (201, "25.000000")
    assert await ask(api, "POST", path, {**wanted, "amount": "21"}) == (409, {"reason": "conflict"})
    assert await ask(api, "POST", path, {**wanted, "kind": "bonus"}) == (
        409,
        {"reason": "conflict"},
    )
    for wrong in ({"amount": "0"}, {"amount": "1"}, {"amount": "1", "reference": "a b"}):
        assert (await ask(api, "POST", path, wrong))[0] == 400
    assert (await at.sums())[0] == 25_000_000


async def test_a_recharge_that_an_admin_asks_for_is_claimed_once(api: Api, at: Books) -> None:
    path = f"{at.account}/recharge"
    assert (await ask(api, "POST", path))[0] == 400  # no amount is set
    first = await ask(api, "POST", path, {"amount": "30"}, key="tuesday")
    assert first[0] == 202
    assert await ask(api, "POST", path, {"amount": "30"}, key="tuesday") == first
    assert await ask(api, "POST", path, {"amount": "30"}) == (409, {"reason": "under_way"})
    assert (await ask(api, "POST", path, {"amount": "30"}, key="a b"))[0] == 400
    assert (await recharge(api, at))["key"] == first[1]["key"]
    assert len(await told(at, "recharge_due")) == 1


async def test_recharges_are_suspended_and_resumed(api: Api, at: Books) -> None:
    await ask(api, "PATCH", at.account, {"recharge_below": "10", "recharge_amount": "50"})
    for _ in range(2):
        assert await ask(api, "POST", f"{at.account}/recharge/suspend") == (204, {})
    found = await recharge(api, at)
    assert (found["state"], found["suspended"]) == ("suspended", "by_admin")
    assert await ask(api, "POST", f"{at.account}/recharge/resume") == (204, {})
    assert (await recharge(api, at))["state"] == "claimed"


async def test_a_payment_that_was_set_aside_is_shown_until_it_is_dealt_with(
    api: Api, at: Books
) -> None:
    for payment in ("pay_1", "pay_2"):
        await at.pay(f"of-{payment}", 7_000_000, payment, "EUR")
    aside = {"key": "of-pay_1", "amount": "7.000000", "currency": "EUR"}
    unbooked = (await shown(api, at))["unbooked"]
    assert isinstance(unbooked, list)
    assert unbooked[0] == {"payment": "pay_1", "reason": "currency_differs", **aside}
    assert (await ask(api, "DELETE", f"{at.account}/unbooked/pay_1"))[0] == 204
    assert (await ask(api, "DELETE", f"{at.account}/unbooked/pay_1"))[0] == 404
    grant = {"amount": "8", "reference": "pay_2"}
    assert (await ask(api, "POST", f"{at.account}/grants", grant))[0] == 201
    assert (await shown(api, at))["unbooked"] == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "nobody", {"overdraft": "1"}),
        ("POST", "nobody/grants", {"amount": "1", "reference": "a"}),
        ("POST", "nobody/recharge", {"amount": "1"}),
        ("POST", "nobody/recharge/suspend", None),
        ("POST", "no%20body/recharge/resume", None),
        ("DELETE", "nobody/unbooked/pay_1", None),
        ("DELETE", "nobody/unbooked/a%20b", None),
    ],
)
async def test_what_is_asked_for_an_account_that_is_not_open_is_not_found(
    api: Api, method: str, path: str, body: object
) -> None:
    headers = {"Authorization": BEARER}
    async with api.client.request(
        method, f"/v1/accounts/{path}", json=body, headers=headers
    ) as answer:
        assert answer.status == 404


async def test_whoever_has_no_token_can_set_nothing(api: Api, at: Books) -> None:
    async with api.client.patch(f"/v1/accounts/{at.account}", json={"overdraft": "9"}) as answer:
        assert answer.status == 401
    assert (await at.statement()).overdraft == 0


async def test_while_the_store_is_away_nothing_is_said_to_be_done(
    api: Api, store: Store, at: Books
) -> None:
    async with store.frozen():
        status, _ = await ask(api, "PATCH", at.account, {"overdraft": "9"})
    assert status == 503


async def test_credit_that_will_lapse_soon_is_shown(api: Api, store: Store) -> None:
    at = books(store)
    await at.open()
    now = await now_ms(at)
    for days, units in ((0.5, 1), (6, 2), (29, 4), (31, 8)):
        expires_ms = now + int(days * DAY_MS)
        await at.grant(f"of-{units}", units * 1_000_000, expires_ms=expires_ms)
    assert (await shown(api, at))["expiring"] == [
        {"days": 1, "amount": "1.000000"},
        {"days": 7, "amount": "3.000000"},
        {"days": 30, "amount": "7.000000"},
    ]


async def test_without_calls_credit_lasts_until_it_lapses(api: Api, store: Store) -> None:
    at = await funded(store, 5_000_000)
    forecast = (await shown(api, at))["forecast"]
    assert forecast == {
        "calls": 0,
        "burn_per_minute": "0.000000",
        "lasts_until_ms": (await at.lots())["a"].expires_ms,
        "trigger_too_low": False,
        "trigger_at_least": "0.000000",
    }


async def test_a_recharge_that_gets_no_answer_is_given_up_and_counts_if_it_is_paid_after_all(
    api: Api, at: Books
) -> None:
    path = f"{at.account}/recharge/give-up"
    assert await ask(api, "POST", path) == (409, {"reason": "none_under_way"})
    await ask(api, "PATCH", at.account, {"recharge_below": "10", "recharge_amount": "50"})
    first = (await recharge(api, at))["key"]
    assert await ask(api, "POST", path) == (200, {"key": first})
    second = (await recharge(api, at))["key"]
    assert second not in (None, first)
    await at.pay(str(first), 50_000_000)
    assert (await at.sums())[0] == 55_000_000
    assert (await recharge(api, at))["key"] == second
    assert await ask(api, "POST", "nobody/recharge/give-up") == (404, {"reason": "unknown_account"})
