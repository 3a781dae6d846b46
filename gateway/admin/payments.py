"""``/webhooks/...``: where payment providers report."""

import time
from collections.abc import Mapping

from aiohttp import web

from gateway.recharge.providers.stripe import StripeUnreachableError
from gateway.recharge.reports import Inbox, UnusableError
from gateway.recharge.signatures import NotAuthenticError


def routes(inboxes: Mapping[str, Inbox]) -> web.RouteTableDef:
    """Serve inboxes by their paths. 2xx means recorded for good; 5xx asks the sender to repeat."""
    table = web.RouteTableDef()
    for path, inbox in inboxes.items():
        _serve(table, path, inbox)
    return table


def _serve(table: web.RouteTableDef, path: str, inbox: Inbox) -> None:
    @table.post(path)
    async def payments(request: web.Request) -> web.Response:
        body = await request.read()
        try:
            await inbox.receive(body, request.headers, time.time())
        except NotAuthenticError as error:
            return web.json_response({"error": str(error)}, status=401)
        except UnusableError as error:
            return web.json_response({"error": str(error)}, status=422)
        except StripeUnreachableError:
            return web.json_response({"error": "Stripe is out of reach"}, status=503)
        return web.Response(status=204)
