"""``/v1/accounts/{id}/...``: money that an admin adds, and recharges that he asks for or stops."""

from collections.abc import Awaitable
from typing import Annotated, Literal
from uuid import uuid4

from aiohttp import web
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from gateway import names
from gateway.admin import body
from gateway.errors import BadInputError, Fault
from gateway.ledger.ledger import Ledger
from gateway.ledger.outcomes import Refused
from gateway.ledger.statements import Statements
from gateway.money import format_amount, is_positive, parse_amount

_STATUS = {"unknown_account": 404, "unknown_payment": 404}


_Amount = Annotated[str, AfterValidator(is_positive)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Grant(_Body):
    """Money that was paid elsewhere, or that nobody paid (``bonus``)."""

    amount: _Amount
    reference: Annotated[str, Field(pattern=f"^{names.REFERENCE.pattern}$")]
    kind: Literal["paid", "bonus"] = "paid"


class _Recharge(_Body):
    """A charge of the account's method of payment; without an amount, the one that is set."""

    amount: _Amount | None = None


def routes(ledger: Ledger, statements: Statements) -> web.RouteTableDef:
    """Serve what moves money by hand."""
    table, funding = web.RouteTableDef(), _Funding(ledger, statements)
    account = "/v1/accounts/{account}"
    table.post(f"{account}/grants")(funding.grant)
    table.post(f"{account}/recharge")(funding.recharge)
    table.post(f"{account}/recharge/suspend")(funding.suspend)
    table.post(f"{account}/recharge/resume")(funding.resume)
    table.post(f"{account}/recharge/give-up")(funding.give_up)
    table.delete(f"{account}/unbooked/{{payment}}")(funding.dismiss)
    return table


class _Funding:
    def __init__(self, ledger: Ledger, statements: Statements) -> None:
        self._ledger = ledger
        self._statements = statements

    async def grant(self, request: web.Request) -> web.Response:
        asked = await body.read(request, _Grant)
        statement = await self._statements.statement(request.match_info["account"])
        if statement is None:
            return _refusal("unknown_account")
        granted = await self._ledger.grant(
            statement.account,
            asked.reference,
            parse_amount(asked.amount),
            statement.currency,
            kind=asked.kind,
        )
        if isinstance(granted, Refused):
            return _refusal(granted.reason)
        available = format_amount(granted.available)
        return web.json_response({"lot": granted.lot, "available": available}, status=201)

    async def recharge(self, request: web.Request) -> web.Response:
        asked = await body.read(request, _Recharge)
        key = request.headers.get("Idempotency-Key") or uuid4().hex
        if not names.REFERENCE.fullmatch(key):
            why = f"must match {names.REFERENCE.pattern}"
            raise BadInputError([Fault("headers", "Idempotency-Key", key, why)])
        statement = await self._statements.statement(request.match_info["account"])
        if statement is None:
            return _refusal("unknown_account")
        micros = parse_amount(asked.amount) if asked.amount else statement.recharge.amount
        if micros == 0:
            raise BadInputError([Fault("body", "amount", "", "is not set, so it must be given")])
        claimed = await self._ledger.request_recharge(statement.account, key, micros)
        if isinstance(claimed, Refused):
            return _refusal(claimed.reason)
        return web.json_response({"key": claimed, "amount": format_amount(micros)}, status=202)

    async def suspend(self, request: web.Request) -> web.Response:
        return await _done(self._ledger.suspend_recharge(_account(request)))

    async def resume(self, request: web.Request) -> web.Response:
        return await _done(self._ledger.resume_recharge(_account(request)))

    async def give_up(self, request: web.Request) -> web.Response:
        key = await give_up(self._ledger, self._statements, request.match_info["account"])
        return _refusal(key.reason) if isinstance(key, Refused) else web.json_response({"key": key})

    async def dismiss(self, request: web.Request) -> web.Response:
        payment = request.match_info["payment"]
        if not names.REFERENCE.fullmatch(payment):
            return _refusal("unknown_payment")
        return await _done(self._ledger.dismiss_payment(_account(request), payment))


async def give_up(ledger: Ledger, statements: Statements, account: str) -> str | Refused:
    """Give up the recharge that is under way, and give its key; a payment that comes counts."""
    statement = await statements.statement(account)
    if statement is None:
        return Refused("unknown_account")
    key = statement.recharge.key
    if not key:
        return Refused("none_under_way")
    refused = await ledger.fail_recharge(account, key, "given_up", lasting=False, pause_seconds=0)
    return refused or key


async def _done(asking: Awaitable[Refused | None]) -> web.Response:
    refused = await asking
    return _refusal(refused.reason) if refused else web.Response(status=204)


def _account(request: web.Request) -> str:
    name = request.match_info["account"]
    if not names.ACCOUNT.fullmatch(name):
        raise web.HTTPNotFound
    return name


def _refusal(reason: str) -> web.Response:
    return web.json_response({"reason": reason}, status=_STATUS.get(reason, 409))
