"""Who may read the API: whoever has the bearer token."""

import hmac

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

OPEN_PATHS = frozenset({"/healthz", "/readyz", "/webhooks/payments", "/webhooks/stripe"})


def bearer(token: str, *public: str) -> Middleware:
    """Refuse every request without the token, but for health, signed webhooks, and what is public.

    A public path is open with all below it.
    """
    expected = f"Bearer {token}".encode()

    def is_open(path: str) -> bool:
        return path in OPEN_PATHS or any(
            path == one or path.startswith(f"{one}/") for one in public
        )

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get(hdrs.AUTHORIZATION, "").encode(errors="surrogateescape")
        if is_open(request.path) or hmac.compare_digest(given, expected):
            return await handler(request)
        return web.json_response(
            {"error": "a bearer token is required"},
            status=web.HTTPUnauthorized.status_code,
            headers={hdrs.WWW_AUTHENTICATE: "Bearer"},
        )

    return check
