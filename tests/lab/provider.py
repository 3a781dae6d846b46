import asyncio
import json
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

import aiohttp
from aiohttp import web
from pydantic import ConfigDict, TypeAdapter, ValidationError
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from tests.lab.listening import HttpServer

Behaviour = Literal["succeed", "pend", "decline", "fail", "lose_reply", "hang", "charge_and_hang"]
Message = Literal["payment.succeeded", "payment.failed", "payment.refunded", "payment.disputed"]


@dataclass(frozen=True)
class Charge:
    """A charge as the provider keeps it; `key` is the gateway's idempotency key."""

    key: str
    account: str
    method: str
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
    declines: dict[str, str] = field(default_factory=dict)  # reasons, by method
    amount: str | None = None  # what is paid in place of what was asked for
    currency: str | None = None
    webhooks: int = 1  # how often each payment is reported
    webhook_delay_seconds: float = 0.0

    __pydantic_config__ = ConfigDict(extra="forbid")


@dataclass
class Provider:
    """A payment provider: answers charges once a key, and reports them by signed webhook.

    `lose_reply` charges and answers 500, `charge_and_hang` charges and never answers, `fail`
    answers 500 and charges nothing, `hang` never answers, whatever is asked; `pend` is still
    pending when it is asked about.
    """

    port: int
    secret: str
    webhook_url: str
    host: str = "127.0.0.1"
    orders: Orders = field(default_factory=Orders)
    requests: list[str] = field(default_factory=list)  # keys of charges that were asked for
    questions: list[str] = field(default_factory=list)  # keys that were asked about
    charges: dict[str, Charge] = field(default_factory=dict)
    delivered: list[int] = field(default_factory=list)  # HTTP status of each webhook sent
    _server: HttpServer | None = None
    _deliveries: asyncio.TaskGroup = field(default_factory=asyncio.TaskGroup)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def order(self, orders: Orders) -> None:
        """Say what to do with the charges to come."""
        self.orders = orders

    async def charges_of(self, account: str) -> list[Charge]:
        return [charge for charge in self.charges.values() if charge.account == account]

    async def start(self) -> None:
        await self.listen()
        await self._deliveries.__aenter__()

    async def stop(self) -> None:
        self._stopping.set()
        await self._deliveries.__aexit__(None, None, None)
        await self.refuse()

    async def listen(self) -> None:
        app = web.Application()
        app.router.add_post("/charges", self._charge)
        app.router.add_get("/charges/{key}", self._found)
        app.router.add_get("/charges", self._listed)
        app.router.add_put("/orders", self._ordered)
        self._server = HttpServer(app, self.port, self.host)
        await self._server.start()

    async def refuse(self) -> None:
        """Refuse connections until it listens again; what it knows stays."""
        if self._server:
            await self._server.stop()
            self._server = None

    async def report(
        self,
        charge: Charge,
        message: Message | None = None,
        *,
        refunded: str | None = None,
        secret: str | None = None,
        age: timedelta = timedelta(),
    ) -> int:
        """Send a webhook of a charge, and give the gateway's HTTP status."""
        at = datetime.now(UTC) - age
        told = message or _outcome(charge)
        body = json.dumps(_event(charge, told, refunded, at))
        headers = _headers(
            secret or self.secret, f"msg_{charge.payment_id}_{told}_{refunded}", at, body
        )
        async with (
            aiohttp.ClientSession() as session,
            session.post(self.webhook_url, data=body, headers=headers) as answer,
        ):
            return answer.status

    def settle(self, key: str, reason: str | None = None) -> Charge:
        """Decide a charge that was pending, or another way than before."""
        status = "declined" if reason else "succeeded"
        self.charges[key] = replace(self.charges[key], status=status, reason=reason)
        return self.charges[key]

    async def _charge(self, request: web.Request) -> web.Response:
        key = request.headers.get("Idempotency-Key", "")
        self.requests.append(key)
        body = await request.text()
        if refusal := await self._refusal(request, body):
            return refusal
        if key not in self.charges:
            self.charges[key] = self._new_charge(key, json.loads(body))
            self._deliveries.create_task(self._deliver(self.charges[key]))
        match self.orders.behaviour:
            case "lose_reply":
                return web.json_response({"error": "out of order"}, status=500)
            case "charge_and_hang":
                await self._stopping.wait()
        charge = self.charges[key]
        codes = {"declined": 402, "pending": 202, "succeeded": 200}
        return web.json_response(_answer(charge), status=codes[charge.status])

    async def _found(self, request: web.Request) -> web.Response:
        key = request.match_info["key"]
        self.questions.append(key)
        if refusal := await self._refusal(request, ""):
            return refusal
        if key not in self.charges:
            return web.json_response({"status": "not_found"}, status=404)
        return web.json_response(_answer(self.charges[key]))

    async def _listed(self, _request: web.Request) -> web.Response:
        return web.json_response([asdict(charge) for charge in self.charges.values()])

    async def _ordered(self, request: web.Request) -> web.Response:
        """Take orders for the charges to come; those that are not given are as at the start."""
        try:
            await self.order(TypeAdapter(Orders).validate_json(await request.text()))
        except ValidationError as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response(asdict(self.orders))

    async def _refusal(self, request: web.Request, body: str) -> web.Response | None:
        try:
            Webhook(self.secret).verify(body, dict(request.headers), json_parse=False)
        except WebhookVerificationError:
            return web.json_response({"error": "bad signature"}, status=401)
        behaviour = self.orders.behaviour
        if behaviour == "hang":
            await self._stopping.wait()
        if behaviour in ("hang", "fail"):
            return web.json_response({"error": "out of order"}, status=500)
        return None

    def _new_charge(self, key: str, asked: dict[str, str]) -> Charge:
        reason = self.orders.declines.get(asked["method"])
        if self.orders.behaviour == "decline":
            reason = self.orders.reason
        pending = self.orders.behaviour == "pend"
        return Charge(
            key=key,
            account=asked["account"],
            method=asked["method"],
            amount=self.orders.amount or asked["amount"],
            currency=self.orders.currency or asked["currency"],
            payment_id=f"pay_{len(self.charges) + 1}",
            status="declined" if reason else "pending" if pending else "succeeded",
            reason=reason,
        )

    async def _deliver(self, charge: Charge) -> None:
        try:
            async with asyncio.timeout(self.orders.webhook_delay_seconds):
                await self._stopping.wait()
        except TimeoutError:
            for _ in range(self.orders.webhooks):
                if self.charges[charge.key].status == "pending":
                    self.settle(charge.key)
                self.delivered.append(await self._report_or_zero(self.charges[charge.key]))

    async def _report_or_zero(self, charge: Charge) -> int:
        try:
            return await self.report(charge)
        except aiohttp.ClientError:
            return 0


def _answer(charge: Charge) -> dict[str, str | None]:
    return {
        "status": charge.status,
        "payment_id": charge.payment_id,
        "amount": charge.amount,
        "currency": charge.currency,
        "reason": charge.reason,
    }


def _outcome(charge: Charge) -> Message:
    return "payment.failed" if charge.status == "declined" else "payment.succeeded"


def _event(
    charge: Charge, message: Message, refunded: str | None, at: datetime
) -> dict[str, object]:
    data = {
        "payment_id": charge.payment_id,
        "idempotency_key": charge.key,
        "account": charge.account,
        "amount": charge.amount,
        "currency": charge.currency,
        "reason": charge.reason,
    }
    if refunded is not None:
        data["refunded"] = refunded
    return {"type": message, "timestamp": at.isoformat(), "data": data}


def _headers(secret: str, message_id: str, at: datetime, body: str) -> dict[str, str]:
    return {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, at, body),
    }
