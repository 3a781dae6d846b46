"""``/v1/accounts``: balances and lots, what is set, and how recharges stand."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self
from uuid import uuid4

from aiohttp import web
from pydantic import RootModel

from gateway.admin import body
from gateway.admin.forecast import forecast
from gateway.admin.settings import read_changes
from gateway.ledger.ledger import Ledger
from gateway.ledger.outcomes import (
    NEVER_MS,
    Hold,
    Lot,
    Party,
    Recharge,
    Refused,
    Statement,
    Unbooked,
)
from gateway.ledger.statements import Statements
from gateway.money import format_amount
from gateway.notices.notice import iso
from gateway.rating.plan import Plans

_DAY_MS = 86_400_000
_WARNED_DAYS = (1, 7, 30)


class _Settings(RootModel[dict[str, str | None]]):
    """What is to be set, by its names; null takes a setting back."""


def routes(ledger: Ledger, statements: Statements, plans: Callable[[], Plans]) -> web.RouteTableDef:
    """Serve the accounts of a ledger, which are set by the plans that are in use."""
    table = web.RouteTableDef()

    async def answer(name: str) -> web.Response:
        found = await Overview.of(statements, name)
        if found is None:
            return web.json_response({"error": f"no account {name!r}"}, status=404)
        return web.json_response(found.body())

    @table.get("/v1/accounts/{account}")
    async def account(request: web.Request) -> web.Response:
        return await answer(request.match_info["account"])

    @table.patch("/v1/accounts/{account}")
    async def configure(request: web.Request) -> web.Response:
        name = request.match_info["account"]
        if await statements.statement(name) is None:
            return await answer(name)
        asked = (await body.read(request, _Settings)).root
        values = {setting: text or "" for setting, text in asked.items()}
        changes = read_changes(f"account {name}", values, plans())
        refused = await ledger.configure(
            name,
            uuid4().hex,
            amounts=changes.amounts,
            limits=changes.limits,
            profile=changes.profile,
            **changes.words,
        )
        if isinstance(refused, Refused):
            return web.json_response({"reason": refused.reason}, status=409)
        return await answer(name)

    return table


@dataclass(frozen=True, slots=True)
class Overview:
    """All that is shown of an account, read one after the other."""

    statement: Statement
    holds: list[Hold]
    unbooked: list[Unbooked]

    @classmethod
    async def of(cls, statements: Statements, account: str) -> Self | None:
        """Read it; nothing if there is no such account. Raises LedgerUnavailableError."""
        statement = await statements.statement(account)
        if statement is None:
            return None
        holds, unbooked = await statements.holds_of(account), await statements.unbooked(account)
        return cls(statement, holds, unbooked)

    def body(self) -> dict[str, object]:
        """Write an account for people and programs: amounts as decimals with six places."""
        of = self.statement
        parts = ("held", "available", "granted", "spent", "expired", "reversed", "overdraft")
        return {
            "id": of.account,
            "currency": of.currency,
            "balance": format_amount(of.available + of.held),
            **{part: format_amount(getattr(of, part)) for part in parts},
            "expiring": [_expiring_body(of, days) for days in _WARNED_DAYS],
            "forecast": forecast(of, self.holds),
            "low_below": format_amount(of.low_below) if of.low_below else None,
            "low_percent": of.low_percent,
            "recharge": _recharge_body(of.recharge),
            "unbooked": [_unbooked_body(one) for one in self.unbooked],
            "recipients": of.recipients or None,
            **party_body(of.party),
            "lots": [_lot_body(lot) for lot in of.lots],
        }


def _expiring_body(statement: Statement, days: int) -> dict[str, object]:
    """Write how much lapses within so many days, if nobody spends it."""
    until_ms = statement.now_ms + days * _DAY_MS
    lapsing = [lot.available for lot in statement.lots if lot.expires_ms <= until_ms]
    return {"days": days, "amount": format_amount(sum(lapsing))}


def _unbooked_body(one: Unbooked) -> dict[str, object]:
    return {
        "payment": one.payment,
        "key": one.key,
        "amount": format_amount(one.micros),
        "currency": one.currency,
        "reason": one.reason,
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
        "next_at": iso(recharge.after_ms) if recharge.state == "cooldown" else None,
        "failures": recharge.failures,
        "day_count": recharge.day_count,
        "month_spent": format_amount(recharge.month_micros),
    }


def _lot_body(lot: Lot) -> dict[str, object]:
    return {
        "id": lot.lot,
        "purchased_at": iso(lot.purchased_ms),
        "expires_at": None if lot.expires_ms == NEVER_MS else iso(lot.expires_ms),
        "granted": format_amount(lot.granted),
        "available": format_amount(lot.available),
        "held": format_amount(lot.held),
        "spent": format_amount(lot.spent),
        "expired": format_amount(lot.expired),
        "reversed": format_amount(lot.reversed),
    }
