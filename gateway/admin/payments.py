"""``/webhooks/payments``: where the payment provider reports."""

from aiohttp import web

from gateway.ledger.outcomes import LedgerUnavailableError
from gateway.recharge.inbox import Inbox, NotAuthenticError, UnusableError


def routes(inbox: Inbox) -> web.RouteTableDef:
    """Serve an inbox. 2xx means booked for good; 5xx asks the sender to try again."""
    table = web.RouteTableDef()

    @table.post("/webhooks/payments")
    async def payments(request: web.Request) -> web.Response:
        body = await request.read()
        try:
            await inbox.receive(body, request.headers)
        except NotAuthenticError as error:
            return web.json_response({"error": str(error)}, status=401)
        except UnusableError as error:
            return web.json_response({"error": str(error)}, status=422)
        except LedgerUnavailableError:
            return web.json_response({"error": "the store is out of reach"}, status=503)
        return web.Response(status=204)

    return table
