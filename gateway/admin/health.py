"""Health: whether the gateway is alive, and whether it can decide calls."""

from collections.abc import Callable

from aiohttp import web

from gateway.ledger.outcomes import LedgerUnavailableError
from gateway.ledger.statements import Statements


def routes(statements: Statements, pbx_connected: Callable[[], bool]) -> web.RouteTableDef:
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
        ami = "connected" if pbx_connected() else "disconnected"
        ready = store == "ok" and ami == "connected"
        return web.json_response({"store": store, "ami": ami}, status=200 if ready else 503)

    return table
