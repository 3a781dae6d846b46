"""Health: whether the gateway is alive, and whether it can decide calls."""

from collections.abc import Callable, Mapping
from enum import StrEnum

from aiohttp import web

from gateway.ledger.outcomes import LedgerUnavailableError
from gateway.ledger.statements import Statements


class Following(StrEnum):
    """How a PBX is followed, seen from here."""

    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    ELSEWHERE = "followed by another gateway"


def routes(
    statements: Statements,
    pbxes: Callable[[], Mapping[str, Following]],
    is_draining: Callable[[], bool],
) -> web.RouteTableDef:
    """``/healthz`` is about this process, ``/readyz`` about what it needs to serve calls."""
    table = web.RouteTableDef()

    @table.get("/healthz")
    async def healthz(_request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    @table.get("/readyz")
    async def readyz(_request: web.Request) -> web.Response:
        try:
            await statements.ping()
        except LedgerUnavailableError:
            store = "unreachable"
        else:
            store = "ok"
        followed = pbxes()
        away = Following.DISCONNECTED in followed.values()
        ready = store == "ok" and not away and not is_draining()
        body = {"store": store, "pbx": followed, "draining": is_draining()}
        return web.json_response(body, status=200 if ready else 503)

    return table
