from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp

from gateway.admin import accounts, app, calls, health, payments
from gateway.recharge.inbox import Inbox
from tests.conftest import Store
from tests.integration.agi import listening

BEARER = "Bearer s3cret"
SIGNER = "whsec_Y29pbmJveC1pbnRlZ3JhdGlvbi10ZXN0cw=="


@dataclass
class Api:
    """The gateway's HTTP side on a socket, and whoever talks to it."""

    client: aiohttp.ClientSession
    port: int
    pbx_connected: bool = True

    async def get(self, path: str, authorization: str = BEARER) -> tuple[int, object]:
        headers = {"Authorization": authorization} if authorization else {}
        async with self.client.get(path, headers=headers) as answer:
            return answer.status, await answer.json()

    async def post(self, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        async with self.client.post("/webhooks/payments", data=body, headers=headers) as answer:
            return answer.status, await answer.text()


@asynccontextmanager
async def serving(store: Store, port: int) -> AsyncIterator[Api]:
    """Serve the API on the store while inside."""
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
        served = Api(client, port)
        tables = [
            health.routes(store.statements, lambda: served.pbx_connected),
            accounts.routes(store.statements),
            calls.routes(dict),
            payments.routes(Inbox(store.ledger, SIGNER, retry_seconds=60)),
        ]
        async with listening(port, app.serve("127.0.0.1", port, BEARER.split()[1], tables)):
            yield served
