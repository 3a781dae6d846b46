from datetime import datetime

import pytest

from tests.conftest import Store
from tests.integration.agi import said
from tests.integration.api import Api
from tests.integration.books import Books


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
    settings = ("overdraft", "low_below", "recharge_below", "recharge_amount")
    assert body == {
        "id": at.account,
        "currency": "USD",
        "balance": "5.000000",
        "recharging": None,
        **dict.fromkeys(settings, "0.000000"),
        **amounts,
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


async def test_calls_are_none_before_the_first(api: Api) -> None:
    assert await api.get("/v1/calls") == (200, {"calls": []})


async def test_the_gateway_is_ready_only_with_its_store_and_its_pbx(api: Api, store: Store) -> None:
    assert await api.get("/readyz", "") == (200, {"store": "ok", "ami": "connected"})
    api.pbx_connected = False
    assert await api.get("/readyz", "") == (503, {"store": "ok", "ami": "disconnected"})
    async with store.frozen():
        assert await api.get("/healthz", "") == (200, {"status": "ok"})
        assert await api.get("/readyz", "") == (
            503,
            {"store": "unreachable", "ami": "disconnected"},
        )
        assert (await api.get("/v1/accounts/contoso"))[0] == 503
