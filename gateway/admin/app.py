"""The HTTP server."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict

from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.admin.auth import bearer
from gateway.errors import BadInputError
from gateway.ledger.outcomes import LedgerUnavailableError

BODY_BYTES_MAX = 65_536


@web.middleware
async def say_what_is_wrong(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer 400 to what is refused whole, with every fault, and 503 while the store is away."""
    try:
        return await handler(request)
    except BadInputError as error:
        faults = [asdict(fault) for fault in error.faults]
        return web.json_response({"error": str(error), "faults": faults}, status=400)
    except LedgerUnavailableError:
        return web.json_response({"error": "the store is out of reach"}, status=503)


async def serve(
    host: str,
    port: int,
    token: str,
    tables: Sequence[web.RouteTableDef],
    public: Sequence[str] = (),
    *,
    listening: asyncio.Event,
) -> None:
    """Listen until cancelled; ``public`` paths need no token. Raises OSError for a taken port."""
    middlewares = [bearer(token, *public), say_what_is_wrong]
    app = web.Application(middlewares=middlewares, client_max_size=BODY_BYTES_MAX)
    for table in tables:
        app.add_routes(table)
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        listening.set()
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
