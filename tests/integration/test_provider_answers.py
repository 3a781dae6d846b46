"""Answers of a provider that are odd, or come oddly."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from gateway.recharge.providers.charge import Charge, Status
from gateway.recharge.providers.webhook import WebhookProvider
from tests.conftest import Store
from tests.integration.recharging import granted, low, recharging, until_resolved
from tests.lab.listening import HttpServer
from tests.lab.provider import Provider

ASKED = 200_000_000
SUCCEEDED = '{"status": "succeeded", "payment_id": "pay_1"}'


@asynccontextmanager
async def answering(
    provider: Provider, charge: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> AsyncIterator[None]:
    """Let another one answer charges in the provider's place, who has never heard of any."""

    async def never_heard_of(_: web.Request) -> web.Response:
        return web.json_response({"status": "not_found"}, status=404)

    await provider.refuse()
    app = web.Application()
    app.router.add_post("/charges", charge)
    app.router.add_get("/charges/{key}", never_heard_of)
    server = HttpServer(app, provider.port)
    await server.start()
    try:
        yield
    finally:
        await server.stop()


async def test_an_odd_answer_of_the_provider_says_nothing_and_is_asked_again(
    store: Store, provider: Provider, asking: WebhookProvider
) -> None:
    at, key = await low(store)
    odd = [
        (402, r'{"status": "declined", "reason": "\ud800"}'),
        (200, "[" * 200_000),
        (200, '{"status": "declined"}'),
        (200, '{"status": "succeeded"}'),
        (200, '{"status": "succeeded", "payment_id": "two words"}'),
        (200, '{"status": "succeeded", "payment_id": "pay_1", "amount": "-1"}'),
        (200, '{"status": "succeeded", "payment_id": "pay_1", "amount": "0"}'),
        (200, '{"status": "succeeded", "payment_id": "pay_1", "currency": "usd"}'),
        (200, "succeeded"),
        (299, SUCCEEDED),
        (599, "{}"),
        (302, SUCCEEDED),
        (404, '{"status": "not_found"}'),
    ]
    answers = iter(odd)
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.headers["Idempotency-Key"])
        status, body = next(answers, (200, SUCCEEDED))
        return web.Response(status=status, text=body, content_type="application/json")

    async with answering(provider, answer), recharging(store, asking):
        await until_resolved(at)
    assert asked == [key] * (len(odd) + 1)
    assert await granted(at) == {"a": 50, key: ASKED}


async def test_of_an_answer_that_cannot_be_relied_on_it_is_said_where(
    provider: Provider, asking: WebhookProvider
) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response({"status": "succeeded", "payment_id": "two words"})

    async with answering(provider, answer):
        reply = await asking.charge(Charge("key", "contoso", ASKED, "USD", "card"))
    assert reply.status is Status.UNKNOWN
    assert reply.reason.startswith("payment_id: String should match pattern")


async def test_an_answer_that_comes_in_pieces_is_read_to_its_end(
    store: Store, provider: Provider, asking: WebhookProvider
) -> None:
    at, key = await low(store)
    asked: list[str] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.headers["Idempotency-Key"])
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for half in (SUCCEEDED[:20], SUCCEEDED[20:]):
            await response.write(half.encode())
            await asyncio.sleep(0.05)
        return response

    async with answering(provider, answer), recharging(store, asking):
        await until_resolved(at)
    assert asked == [key]
    assert await granted(at) == {"a": 50, key: ASKED}
