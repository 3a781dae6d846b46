import asyncio
import json
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from standardwebhooks.webhooks import Webhook

from tests.lab.listening import HttpServer

HANG = 0  # in place of a status


@dataclass(frozen=True)
class Told:
    """A webhook that was signed as it must be, and the status that it was answered by."""

    webhook_id: str
    timestamp: str
    body: dict[str, Any]
    status: int


@dataclass
class Hooks:
    """Receives webhooks at any path. `orders` has what is answered to the next in place of 204."""

    port: int
    secret: str
    orders: deque[int] = field(default_factory=deque)
    told: list[Told] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    _server: HttpServer | None = None
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    async def start(self) -> None:
        self._stopping.clear()
        app = web.Application()
        app.router.add_post("/{path:.*}", self._receive)
        self._server = HttpServer(app, self.port)
        await self._server.start()

    async def stop(self) -> None:
        self._stopping.set()
        if self._server:
            await self._server.stop()
            self._server = None

    async def _receive(self, request: web.Request) -> web.Response:
        text = await request.text()
        Webhook(self.secret).verify(text, dict(request.headers))
        status = self.orders.popleft() if self.orders else 204
        of = request.headers
        self.told.append(Told(of["webhook-id"], of["webhook-timestamp"], json.loads(text), status))
        self.paths.append(request.path)
        if status == HANG:
            await self._stopping.wait()
        return web.Response(status=status or 503, headers={"Location": "/elsewhere"})
