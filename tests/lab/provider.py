import asyncio
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

import aiohttp
from aiohttp import web
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

Behaviour = Literal["succeed", "pend", "decline", "fail", "lose_reply", "hang"]


@dataclass(frozen=True)
class Charge:
    """A charge as the provider keeps it; `key` is the gateway's idempotency key."""

    key: str
    account: str
    amount: str
    currency: str
    payment_id: str
    status: str
    reason: str | None


@dataclass
class Orders:
    """What the provider is told to do with the charges to come."""

    behaviour: Behaviour = "succeed"
    reason: str = "card_expired"  # of a decline
    webhooks: int = 1  # how often each payment is reported
    webhook_delay_seconds: float = 0.0


@dataclass
class Provider:
    """A payment provider: answers charges once a key, and reports them by signed webhook.

    `lose_reply` charges and answers 500, `fail` answers 500 and charges nothing,
    `hang` never answers.
    """

    port: int
    secret: str
    webhook_url: str
    orders: Orders = field(default_factory=Orders)
    requests: list[str] = field(default_factory=list)
    charges: dict[str, Charge] = field(default_factory=dict)
    delivered: list[int] = field(default_factory=list)  # HTTP status of each webhook sent
    _runner: web.AppRunner | None = None
    _deliveries: asyncio.TaskGroup = field(default_factory=asyncio.TaskGroup)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/charges", self._charge)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        await self._deliveries.__aenter__()

    async def stop(self) -> None:
        self._stopping.set()
        await self._deliveries.__aexit__(None, None, None)
        if self._runner:
            await self._runner.cleanup()

    async def report(
        self, charge: Charge, *, secret: str | None = None, age: timedelta = timedelta()
    ) -> int:
        """Send the webhook of a charge, and give the gateway's HTTP status."""
        at = datetime.now(UTC) - age
        body = json.dumps(_event(charge, at))
        headers = _headers(
            secret or self.secret, f"msg_{charge.payment_id}_{charge.status}", at, body
        )
        async with (
            aiohttp.ClientSession() as session,
            session.post(self.webhook_url, data=body, headers=headers) as answer,
        ):
            return answer.status

    async def _charge(self, request: web.Request) -> web.Response:
        body = await request.text()
        key = request.headers.get("Idempotency-Key", "")
        self.requests.append(key)
        try:
            Webhook(self.secret).verify(body, dict(request.headers))
        except WebhookVerificationError:
            return web.json_response({"error": "bad signature"}, status=401)
        behaviour = self.orders.behaviour
        if behaviour == "hang":
            await self._stopping.wait()
        if behaviour in ("hang", "fail"):
            return web.json_response({"error": "out of order"}, status=500)
        if key not in self.charges:
            self.charges[key] = self._new_charge(key, json.loads(body))
            self._deliveries.create_task(self._deliver(self.charges[key]))
        if behaviour == "lose_reply":
            return web.json_response({"error": "out of order"}, status=500)
        return _reply(self.charges[key], pending=behaviour == "pend")

    def _new_charge(self, key: str, asked: dict[str, str]) -> Charge:
        declined = self.orders.behaviour == "decline"
        return Charge(
            key=key,
            account=asked["account"],
            amount=asked["amount"],
            currency=asked["currency"],
            payment_id=f"pay_{len(self.charges) + 1}",
            status="declined" if declined else "succeeded",
            reason=self.orders.reason if declined else None,
        )

    async def _deliver(self, charge: Charge) -> None:
        try:
            async with asyncio.timeout(self.orders.webhook_delay_seconds):
                await self._stopping.wait()
        except TimeoutError:
            for _ in range(self.orders.webhooks):
                self.delivered.append(await self._report_or_zero(charge))

    async def _report_or_zero(self, charge: Charge) -> int:
        try:
            return await self.report(charge)
        except aiohttp.ClientError:
            return 0


def _reply(charge: Charge, *, pending: bool) -> web.Response:
    if charge.status == "declined":
        status, answer = 402, {"status": "declined", "reason": charge.reason}
    elif pending:
        status, answer = 202, {"status": "pending"}
    else:
        status, answer = 200, {"status": "succeeded"}
    return web.json_response({**answer, "payment_id": charge.payment_id}, status=status)


def _event(charge: Charge, at: datetime) -> dict[str, object]:
    return {
        "type": "payment.failed" if charge.status == "declined" else "payment.succeeded",
        "timestamp": at.isoformat(),
        "data": {
            "payment_id": charge.payment_id,
            "idempotency_key": charge.key,
            "account": charge.account,
            "amount": charge.amount,
            "currency": charge.currency,
            "reason": charge.reason,
        },
    }


def _headers(secret: str, message_id: str, at: datetime, body: str) -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, at, body),
    }
