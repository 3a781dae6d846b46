"""``/v1/accounts``: balances and lots."""

from datetime import UTC, datetime

from aiohttp import web

from gateway.ledger.outcomes import (
    NEVER_MS,
    LedgerUnavailableError,
    Lot,
    Party,
    Recharge,
    Statement,
)
from gateway.ledger.statements import Statements
from gateway.money import format_amount


def routes(statements: Statements) -> web.RouteTableDef:
    """Serve the accounts of a ledger."""
    table = web.RouteTableDef()

    @table.get("/v1/accounts/{account}")
    async def account(request: web.Request) -> web.Response:
        name = request.match_info["account"]
        try:
            statement = await statements.statement(name)
        except LedgerUnavailableError:
            return web.json_response({"error": "the store is out of reach"}, status=503)
        if statement is None:
            return web.json_response({"error": f"no account {name!r}"}, status=404)
        return web.json_response(account_body(statement))

    return table


def account_body(statement: Statement) -> dict[str, object]:
    """Write an account for people and programs: amounts as decimals with six places."""
    return {
        "id": statement.account,
        "currency": statement.currency,
        "balance": format_amount(statement.available + statement.held),
        "held": format_amount(statement.held),
        "available": format_amount(statement.available),
        "granted": format_amount(statement.granted),
        "spent": format_amount(statement.spent),
        "expired": format_amount(statement.expired),
        "reversed": format_amount(statement.reversed),
        "overdraft": format_amount(statement.overdraft),
        "low_below": format_amount(statement.low_below) if statement.low_below else None,
        "low_percent": statement.low_percent,
        "recharge": _recharge_body(statement.recharge),
        "recipients": statement.recipients or None,
        **party_body(statement.party),
        "lots": [_lot_body(lot) for lot in statement.lots],
    }


def party_body(party: Party) -> dict[str, object]:
    """Write what is set for an account or a user, and how much of its limits is used."""
    limits, usage = party.limits, party.usage
    return {
        "profile": {name: text for name, text in sorted(party.profile.items()) if text},
        "limits": {
            "calls": limits.calls or None,
            "per_minute": limits.per_minute or None,
            "day": format_amount(limits.day) if limits.day else None,
            "month": format_amount(limits.month) if limits.month else None,
        },
        "usage": {
            "calls": usage.calls,
            "day": usage.day or None,
            "day_spent": format_amount(usage.day_micros),
            "month": usage.month or None,
            "month_spent": format_amount(usage.month_micros),
        },
    }


def _recharge_body(recharge: Recharge) -> dict[str, object]:
    return {
        "state": recharge.state,
        "suspended": recharge.suspended or None,
        "below": format_amount(recharge.below),
        "amount": format_amount(recharge.amount),
        "day_max": recharge.day_max,
        "month_max": format_amount(recharge.month_max) if recharge.month_max else None,
        "methods": recharge.methods,
        "key": recharge.key or None,
        "asked": format_amount(recharge.asked) if recharge.key else None,
        "method": recharge.method or None,
        "next_at": _time(recharge.after_ms) if recharge.state == "cooldown" else None,
        "failures": recharge.failures,
        "day_count": recharge.day_count,
        "month_spent": format_amount(recharge.month_micros),
    }


def _lot_body(lot: Lot) -> dict[str, object]:
    return {
        "id": lot.lot,
        "purchased_at": _time(lot.purchased_ms),
        "expires_at": None if lot.expires_ms == NEVER_MS else _time(lot.expires_ms),
        "granted": format_amount(lot.granted),
        "available": format_amount(lot.available),
        "held": format_amount(lot.held),
        "spent": format_amount(lot.spent),
        "expired": format_amount(lot.expired),
        "reversed": format_amount(lot.reversed),
    }


def _time(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
