"""``/v1/quote``: what would be answered if a call were asked for, and why (rule D8)."""

from collections.abc import Mapping

from aiohttp import web

from gateway.calls.decider import Decided, Decider
from gateway.calls.ports import CallRequest
from gateway.money import format_amount
from gateway.rating.case import CallType, Case
from gateway.rating.columns import moment_ms
from gateway.rating.decision import lasts_seconds
from gateway.rating.price import price, rate_at
from gateway.rating.terms import Terms
from gateway.rating.written import written


def routes(decider: Decider) -> web.RouteTableDef:
    """Serve quotes; nothing is held for them."""
    table = web.RouteTableDef()

    @table.get("/v1/quote")
    async def quote(request: web.Request) -> web.Response:
        try:
            asked, at_ms = _asked(request.query)
        except ValueError as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response(quote_body(await decider.quote(asked, at_ms)))

    return table


def _asked(query: Mapping[str, str]) -> tuple[CallRequest, int | None]:
    """Read what is asked for. Raises ValueError."""
    # A plus that is not escaped arrives as a space.
    to, at = (query.get(name, "").replace(" ", "+", 1) for name in ("to", "at"))
    call_type = query.get("type", CallType.USER_OUT)
    if not to or call_type not in set(CallType):
        message = f"to must be a number, and type one of {', '.join(CallType)}"
        raise ValueError(message)
    asked = question(query.get("account", ""), query.get("user", ""), to, call_type)
    return asked, moment_ms(at, "UTC", 0) or None


def question(account: str, user: str, to: str, call_type: str) -> CallRequest:
    """Ask for a call that does not exist."""
    return CallRequest("quote", call_type, account, user, to)


def quote_body(decided: Decided) -> dict[str, object]:
    """Write an answer for people and programs: amounts as decimals, lengths in seconds."""
    decision, last = decided.decision, decided.decision.looks[-1]
    body: dict[str, object] = {
        "allowed": decision.reason is None,
        "step": decision.step,
        "reason": decision.reason,
        "limit_of": last.limit_of or None,
        "account": decided.account or None,
        "user": decided.user or None,
        "number": decided.number or None,
        "steps": [{"step": look.step, "says": look.says} for look in decision.looks],
    }
    if decided.case:
        body |= _case_body(decided.case)
        if decision.terms:
            body |= _funding_body(decided, decided.case, decision.terms)
    return body


def _case_body(case: Case) -> dict[str, object]:
    start = case.facts.now_ms // 1000
    rate = rate_at(case.tariff, start) if case.tariff else None
    return {
        "type": case.call_type,
        "kind": case.number.kind,
        "country": case.number.country or None,
        "international": case.international,
        "destination": rate.destination if rate else None,
        "currency": case.facts.currency,
        "rate": {"version": rate.card, "row": rate.row, **written(rate)} if rate else None,
        "first_minute": format_amount(price(case.tariff, start, 60)) if rate else None,
    }


def _funding_body(decided: Decided, case: Case, terms: Terms) -> dict[str, object]:
    """Say what pays: first a pool, if there is one, and credit, if money may pay at all."""
    decision, available = decided.decision, case.facts.available
    return {
        "pool": terms.pool.name if terms.pool else None,
        "credit": bool(decision.slices),
        "first_slice_seconds": decision.seconds,
        "first_slice_cost": format_amount(decision.micros),
        "lasts_seconds": lasts_seconds(case, terms, decided.used),
        "longest_seconds": terms.seconds_max,
        "available_before": format_amount(available),
        "available_after": format_amount(available - decision.micros),
    }
