"""Who may read the API: whoever has the bearer token."""

import hmac

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

OPEN_PATHS = frozenset({"/healthz", "/readyz", "/webhooks/payments"})


def bearer(token: str) -> Middleware:
    """Refuse every request without the token, but for health and the signed webhooks."""
    expected = f"Bearer {token}".encode()

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get(hdrs.AUTHORIZATION, "").encode(errors="surrogateescape")
        if request.path in OPEN_PATHS or hmac.compare_digest(given, expected):
            return await handler(request)
        return web.json_response(
            {"error": "a bearer token is required"},
            status=web.HTTPUnauthorized.status_code,
            headers={hdrs.WWW_AUTHENTICATE: "Bearer"},
        )

    return check
