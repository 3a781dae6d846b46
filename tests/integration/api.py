import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from gateway.admin import (
    accounts,
    app,
    calls,
    conferences,
    funding,
    health,
    notices,
    payments,
    quotes,
    ratecards,
)
from gateway.admin.health import Following
from gateway.calls.conferences import Conferences
from gateway.calls.decider import Decider
from gateway.ledger.jobs import Jobs
from gateway.notices import outbox
from gateway.published import keep_versions
from gateway.rating.case import Rules
from gateway.rating.ratecard import RateCard
from gateway.recharge.inbox import WebhookInbox
from gateway.recharge.reports import Inbox, Reports
from tests.conftest import Store
from tests.integration.agi import listening
from tests.unit.cases import plans
from tests.unit.rates import card

BEARER = "Bearer s3cret"
RETRY_SECONDS = 3600
SIGNER = "whsec_Y29pbmJveC1pbnRlZ3JhdGlvbi10ZXN0cw=="


@dataclass
class Api:
    """The gateway's HTTP side on a socket, and whoever talks to it."""

    client: aiohttp.ClientSession
    port: int
    cards: RateCard
    following: Following = Following.CONNECTED
    draining: bool = False

    async def get(self, path: str, authorization: str = BEARER) -> tuple[int, object]:
        headers = {"Authorization": authorization} if authorization else {}
        async with self.client.get(path, headers=headers) as answer:
            return answer.status, await answer.json()

    async def text(self, path: str, authorization: str = BEARER) -> tuple[int, str]:
        headers = {"Authorization": authorization} if authorization else {}
        async with self.client.get(path, headers=headers) as answer:
            return answer.status, await answer.text()

    async def post(self, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        async with self.client.post("/webhooks/payments", data=body, headers=headers) as answer:
            return answer.status, await answer.text()

    async def drop_notice(self, notice_id: str) -> int:
        """Drop a notice, as an admin does."""
        path, headers = f"/v1/notices/{notice_id}", {"Authorization": BEARER}
        async with self.client.delete(path, headers=headers) as answer:
            return answer.status

    async def send(self, notice: str) -> int:
        headers = {"Authorization": BEARER}
        async with self.client.post(f"/v1/notices/{notice}/send", headers=headers) as answer:
            return answer.status


@asynccontextmanager
async def serving(
    store: Store,
    port: int,
    folder: Path,
    *,
    public: bool = False,
    inboxes: Callable[[Reports], Mapping[str, Inbox]] = lambda _: {},
) -> AsyncIterator[Api]:
    """Serve the API on the store, and the cards on a folder, while inside."""
    cards = card("44,Britain,0.6,0,1,1,USD")
    keep_versions(cards, folder)
    decider = Decider(store.statements, Rules(cards, plans()))
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
        served = Api(client, port, cards)
        reports = Reports(store.ledger, retry_seconds=RETRY_SECONDS, chance=lambda: 0.5)
        paths = {"/webhooks/payments": WebhookInbox(reports, SIGNER), **inboxes(reports)}
        tables = [
            health.routes(
                store.statements, lambda: {"pbx": served.following}, lambda: served.draining
            ),
            accounts.routes(store.ledger, store.statements, lambda: decider.rules.plans),
            funding.routes(store.ledger, store.statements),
            calls.routes(list),
            conferences.routes(Conferences(store.ledger, store.statements, decider), ["pbx"]),
            notices.routes(Jobs(store.store, outbox.GROUP)),
            payments.routes(paths),
            quotes.routes(decider),
            ratecards.routes(folder, lambda: decider.rules.cards.versions),
        ]
        open_paths = [ratecards.PATH] if public else []
        token = BEARER.split()[1]
        server = app.serve("127.0.0.1", port, token, tables, open_paths, listening=asyncio.Event())
        async with listening(port, server):
            yield served
