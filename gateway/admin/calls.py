"""``/v1/calls``: the calls that run now."""

from collections.abc import Callable, Sequence

from aiohttp import web

from gateway.calls.session import Session
from gateway.money import format_amount


def routes(sessions: Callable[[], Sequence[Session]]) -> web.RouteTableDef:
    """Serve the live calls."""
    table = web.RouteTableDef()

    @table.get("/v1/calls")
    async def calls(_request: web.Request) -> web.Response:
        return web.json_response({"calls": [_body(call) for call in sessions()]})

    return table


def _body(session: Session) -> dict[str, object]:
    """Write a call; times are the PBX's, in epoch milliseconds, and null before the answer."""
    return {
        "id": session.call_id,
        "account": session.account,
        "user": session.user or None,
        "type": session.call_type,
        "number": session.number,
        "destination": session.terms.destination,
        "state": session.state,
        "held": format_amount(session.held),
        "currency": session.terms.currency or None,
        "rate": session.terms.rate or None,
        "pool": session.terms.pool.name if session.terms.pool else None,
        "granted_seconds": session.granted_seconds,
        "included_seconds": session.pool_seconds,
        "answered_at_ms": session.answered_ms or None,
        "paid_until_ms": session.paid_until_ms if session.answered_ms else None,
    }
