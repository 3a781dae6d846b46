"""The HTTP server."""

import asyncio
from collections.abc import Sequence

from aiohttp import web

from gateway.admin.auth import bearer

BODY_BYTES_MAX = 65_536


async def serve(
    host: str,
    port: int,
    token: str,
    tables: Sequence[web.RouteTableDef],
    public: Sequence[str] = (),
) -> None:
    """Listen until cancelled; ``public`` paths need no token. Raises OSError for a taken port."""
    app = web.Application(middlewares=[bearer(token, *public)], client_max_size=BODY_BYTES_MAX)
    for table in tables:
        app.add_routes(table)
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
