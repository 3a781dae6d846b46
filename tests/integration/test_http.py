from datetime import datetime
from pathlib import Path

import pytest

from gateway.admin.health import Following
from tests.conftest import Store
from tests.integration.agi import said
from tests.integration.api import Api, serving
from tests.integration.books import Books
from tests.lab.ports import Ports


@pytest.mark.parametrize("path", ["/v1/calls", "/v1/accounts/contoso", "/", "/healthz/", "/v2"])
@pytest.mark.parametrize("given", ["", "Bearer", "Bearer wrong", "s3cret", "Bearer \u00e9"])
async def test_nothing_but_health_and_webhooks_is_there_without_the_token(
    api: Api, path: str, given: str
) -> None:
    status, body = await api.get(path, given)
    assert (status, body) == (401, {"error": "a bearer token is required"})


async def test_a_token_that_is_no_text_is_refused(api: Api) -> None:
    request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: \xff\r\n\r\n"
    answer = await said(api.port, request)
    assert answer.startswith("HTTP/1.1 401 ")


async def test_an_account_shows_what_it_has_and_in_which_lots(api: Api, at: Books) -> None:
    await at.hold("call", (60, 1_500_000))
    status, body = await api.get(f"/v1/accounts/{at.account}")
    assert status == 200
    assert isinstance(body, dict)
    [lot] = body.pop("lots")
    amounts = {"granted": "5.000000", "available": "3.500000", "held": "1.500000"}
    amounts |= dict.fromkeys(("spent", "expired", "reversed"), "0.000000")
    usage = body.pop("usage")
    assert body.pop("recharge")["state"] == "off"
    assert [one["amount"] for one in body.pop("expiring")] == ["0.000000"] * 3
    assert body.pop("forecast")["calls"] == 1
    assert (usage["calls"], usage["day_spent"], usage["month_spent"]) == (1, *["1.500000"] * 2)
    assert body == {
        "id": at.account,
        "currency": "USD",
        "balance": "5.000000",
        "overdraft": "0.000000",
        "low_below": None,
        "low_percent": 20,
        "recipients": None,
        "unbooked": [],
        **amounts,
        "profile": {},
        "limits": dict.fromkeys(("calls", "per_minute", "day", "month")),
    }
    bought, expires = (
        datetime.fromisoformat(lot.pop(f"{at}_at")) for at in ("purchased", "expires")
    )
    assert bought.replace(year=expires.year) >= expires > bought
    assert lot.pop("id").endswith("-a")
    assert lot == amounts


@pytest.mark.parametrize("account", ["nobody", "a%20b", "%00", "%ff"])
async def test_an_account_that_is_not_open_is_not_found(api: Api, account: str) -> None:
    status, _ = await api.get(f"/v1/accounts/{account}")
    assert status == 404


async def test_an_account_shows_what_is_set_for_it(api: Api, at: Books) -> None:
    profile = {"country": "DE", "plans": "domestic,credits"}
    limits = {"calls": 5, "day": 2_500_000}
    await at.store.ledger.configure(at.account, "set", profile=profile, limits=limits)
    _, body = await api.get(f"/v1/accounts/{at.account}")
    assert isinstance(body, dict)
    assert body["profile"] == profile
    assert body["limits"] == {"calls": 5, "per_minute": None, "day": "2.500000", "month": None}


async def test_a_quote_is_given_without_a_call(api: Api, at: Books) -> None:
    asked = f"/v1/quote?account={at.account}&user=alice&to="
    status, body = await api.get(f"{asked}%2B442071838750")
    assert status == 200
    assert isinstance(body, dict)
    assert (body["allowed"], body["step"], body["first_slice_cost"]) == (True, "credit", "0.600000")
    assert (body["rate"]["version"], body["rate"]["row"]) == (*api.cards.versions, 2)
    assert body["lasts_seconds"] == 500
    # A plus that was not escaped is one all the same.
    assert await api.get(f"{asked}+442071838750") == (200, body)
    for wrong in ("", "911&type=fax", "911&at=soon"):
        status, _ = await api.get(asked + wrong)
        assert status == 400
    for query, reason in (
        ("?to=911911", "unknown_account"),
        (f"?account={at.account}&user=a%20b&to=911911", "unknown_user"),
        (f"?account={at.account}&user=alice&to=%5B%2Fred%5D%00", "bad_number"),
    ):
        _, body = await api.get(f"/v1/quote{query}")
        assert isinstance(body, dict)
        assert (body["allowed"], body["reason"]) == (False, reason)


async def test_no_quote_is_given_while_the_store_is_away(api: Api, at: Books, store: Store) -> None:
    async with store.frozen():
        status, _ = await api.get(f"/v1/quote?account={at.account}&user=alice&to=%2B44207183")
    assert status == 503


@pytest.mark.parametrize("public", [True, False])
async def test_the_published_cards_are_read_by_whom_the_operator_lets(
    store: Store, ports: Ports, tmp_path: Path, *, public: bool
) -> None:
    # M8.
    async with serving(store, ports.take(), tmp_path, public=public) as api:
        [version] = api.cards.versions
        for path in ("/v1/ratecards", f"/v1/ratecards/{version}"):
            status, _ = await api.text(path, "")
            assert status == (200 if public else 401)
        (tmp_path / "old@0123456789ab.csv").write_text("an old one")
        _, listed = await api.get("/v1/ratecards")
        assert listed == {
            "ratecards": [
                {"version": version, "in_use": True},
                {"version": "old@0123456789ab", "in_use": False},
            ]
        }
        assert await api.text(f"/v1/ratecards/{version}") == (200, api.cards.versions[version])
        assert await api.text("/v1/ratecards/old@0123456789ab") == (200, "an old one")
        for nothing in ("new@0123456789ab", "..%2Fold@0123456789ab", "%00", "old"):
            status, _ = await api.text(f"/v1/ratecards/{nothing}")
            assert status == 404


async def test_calls_are_none_before_the_first(api: Api) -> None:
    assert await api.get("/v1/calls") == (200, {"calls": []})


async def test_the_gateway_is_ready_only_with_its_store_and_its_pbx(api: Api, store: Store) -> None:
    def ready(store: str = "ok") -> dict[str, object]:
        return {"store": store, "pbx": {"pbx": api.following}, "draining": api.draining}

    for following, status in (
        (Following.CONNECTED, 200),
        (Following.ELSEWHERE, 200),
        (Following.DISCONNECTED, 503),
    ):
        api.following = following
        assert await api.get("/readyz", "") == (status, ready())
    async with store.frozen():
        assert await api.get("/healthz", "") == (200, {"status": "ok"})
        assert await api.get("/readyz", "") == (503, ready("unreachable"))
        assert (await api.get("/v1/accounts/contoso"))[0] == 503
    api.following, api.draining = Following.CONNECTED, True
    assert await api.get("/readyz", "") == (503, ready())
