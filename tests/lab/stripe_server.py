import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import aiohttp
import stripe
from aiohttp import web

from tests.lab.listening import HttpServer
from tests.lab.processes import start, stop, until

API_KEY = "sk_test_coinbox"
SIGNER = "whsec_coinbox_lab"

# https://docs.stripe.com/testing: those that localstripe knows.
GOOD_CARD = "4242424242424242"
DECLINED_CARD = "4000000000000341"
AUTHENTICATED_CARD = "4000002500003155"

Behaviour = Literal[
    "pass", "lose_reply", "fail", "fail_for_good", "busy", "limit", "refuse_key", "hang", "garble"
]

# As https://docs.stripe.com/error-low-level has them.
ERRORS: dict[Behaviour, tuple[int, dict[str, str]]] = {
    "fail": (500, {"type": "api_error"}),
    "busy": (409, {"type": "idempotency_error", "code": "idempotency_key_in_use"}),
    "limit": (429, {"type": "invalid_request_error", "code": "rate_limit"}),
    "refuse_key": (401, {"type": "invalid_request_error"}),
}


@dataclass(frozen=True)
class Answer:
    status: int
    body: dict[str, Any]


@dataclass
class Stripe:
    """localstripe, behind a proxy that adds what Stripe has and localstripe lacks.

    Those are: idempotency keys, the filters of lists, `amount_received`, and that a charge
    off-session which needs authentication is declined.
    """

    port: int
    inner_port: int
    folder: Path
    webhook_url: str
    behaviour: Behaviour = "pass"
    forgetful: bool = False  # of idempotency keys, as after 24 hours
    keys: list[str] = field(default_factory=list)  # of the charges that were asked for
    delivered: list[tuple[str, int]] = field(default_factory=list)  # events, and their HTTP status
    _answers: dict[str, Answer] = field(default_factory=dict)
    _process: asyncio.subprocess.Process | None = None
    _server: HttpServer | None = None
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        command = [sys.executable, "-m", "localstripe", "--from-scratch"]
        self._process = await start(
            [*command, "--port", str(self.inner_port)],
            folder=self.folder,
            output=self.folder / "localstripe.log",
        )
        app = web.Application()
        app.router.add_post("/_events", self._event)
        app.router.add_post("/v1/payment_intents", self._create)
        app.router.add_get("/v1/payment_intents", self._list)
        app.router.add_get("/v1/payment_intents/{id}", self._pass_on)
        self._server = HttpServer(app, self.port)
        await self._server.start()

        async def configured() -> bool:
            hook = {"url": f"{self.url}/_events", "secret": SIGNER}
            try:
                await self.ask("POST", "/_config/webhooks/lab", hook)
            except (aiohttp.ClientError, json.JSONDecodeError):
                return False
            return True

        await until(configured, "localstripe answers")

    async def stop(self) -> None:
        self._stopping.set()
        if self._process:
            await stop(self._process)
        if self._server:
            await self._server.stop()
            self._server = None

    async def ask(self, method: str, path: str, data: dict[str, str] | None = None) -> Answer:
        """Ask localstripe itself."""
        headers = {"Authorization": f"Bearer {API_KEY}"}
        url = f"http://127.0.0.1:{self.inner_port}{path}"
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.request(method, url, data=data) as answer,
        ):
            text = await answer.text()
            return Answer(answer.status, json.loads(text) if text else {})

    async def method(self, number: str) -> str:
        """Leave a card with a new customer, and give both as the gateway has them."""
        card = {"number": number, "exp_month": "12", "exp_year": "2040", "cvc": "123"}
        made = {"type": "card", **{f"card[{name}]": value for name, value in card.items()}}
        customer = (await self.ask("POST", "/v1/customers", {"name": "Contoso"})).body["id"]
        method = (await self.ask("POST", "/v1/payment_methods", made)).body["id"]
        await self.ask("POST", f"/v1/payment_methods/{method}/attach", {"customer": customer})
        return f"{customer}/{method}"

    async def intents(self) -> list[dict[str, Any]]:
        """Give all PaymentIntents, the oldest first."""
        listed = (await self.ask("GET", "/v1/payment_intents?limit=100")).body["data"]
        return [_completed(one) for one in listed]

    async def refund(self, payment: str, amount: int) -> dict[str, Any]:
        """Refund a part of a payment, and give its charge."""
        await self.ask("POST", "/v1/refunds", {"payment_intent": payment, "amount": str(amount)})
        charge = (await self.ask("GET", f"/v1/payment_intents/{payment}")).body["latest_charge"]
        return (await self.ask("GET", f"/v1/charges/{charge['id']}")).body

    async def report(
        self, kind: str, about: dict[str, Any], *, signer: str = SIGNER, age: int = 0
    ) -> int:
        """Send an event about an object, and give the gateway's HTTP status."""
        body = json.dumps(
            {"id": "evt_1", "object": "event", "type": kind, "data": {"object": about}}
        )
        header = stripe.WebhookSignature.generate_signature_header(
            body, signer, int(time.time()) - age
        )
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                self.webhook_url, data=body, headers={"Stripe-Signature": header}
            ) as answer,
        ):
            return answer.status

    async def _event(self, request: web.Request) -> web.Response:
        event = await request.json()
        kind = event["type"]
        status = await self.report(kind, _completed(event["data"]["object"]))
        self.delivered.append((kind, status))
        return web.Response()

    async def _create(self, request: web.Request) -> web.StreamResponse:
        key = request.headers["Idempotency-Key"]
        self.keys.append(key)
        if refusal := await self._refusal():
            return refusal
        if self.behaviour == "fail_for_good":
            # https://docs.stripe.com/api/idempotent_requests: a 500, too, is answered again.
            status, error = ERRORS["fail"]
            self._answers[key] = Answer(status, {"error": error})
        if key not in self._answers or self.forgetful:
            asked = {name: str(value) for name, value in (await request.post()).items()}
            answer = await self.ask("POST", "/v1/payment_intents", asked)
            self._answers[key] = _off_session(answer)
        if self.behaviour == "lose_reply" and request.transport:
            request.transport.abort()
        answer = self._answers[key]
        return web.json_response(_completed(answer.body), status=answer.status)

    async def _list(self, request: web.Request) -> web.StreamResponse:
        if refusal := await self._refusal():
            return refusal
        customer, since = request.query["customer"], int(request.query["created[gte]"])
        found = [
            intent
            for intent in await self.intents()
            if intent["customer"] == customer and intent["created"] >= since
        ]
        listed = {"object": "list", "url": request.path, "has_more": False, "data": found}
        return web.json_response(listed)

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        if refusal := await self._refusal():
            return refusal
        answer = await self.ask("GET", request.path)
        return web.json_response(_completed(answer.body), status=answer.status)

    async def _refusal(self) -> web.Response | None:
        if self.behaviour == "hang":
            await self._stopping.wait()
        if self.behaviour == "garble":
            return web.Response(text="<html>")
        if self.behaviour not in ERRORS:
            return None
        status, error = ERRORS[self.behaviour]
        return web.json_response({"error": error}, status=status)


def _completed(told: dict[str, Any]) -> dict[str, Any]:
    if told.get("object") != "payment_intent":
        return told
    received = told["amount"] if told["status"] == "succeeded" else 0
    return {**told, "amount_received": received}


def _off_session(answer: Answer) -> Answer:
    """Decline what nobody is there to authenticate.

    https://docs.stripe.com/payments/save-and-reuse#charge-saved-payment-method
    """
    if answer.body.get("status") != "requires_action":
        return answer
    code = "authentication_required"
    return Answer(402, {"error": {"type": "card_error", "code": code, "decline_code": code}})
