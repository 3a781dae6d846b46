"""``/v1/conferences``: the conferences of an account, and the numbers that one is to call."""

from collections.abc import Sequence
from typing import Annotated
from uuid import uuid4

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from gateway import names
from gateway.admin import body
from gateway.calls.conferences import Conferences
from gateway.calls.ports import DialOut
from gateway.errors import BadInputError, Fault
from gateway.ledger.outcomes import Conference, Refused
from gateway.rating.steps import Reason

_STATUS = {Reason.UNKNOWN_CONFERENCE: 404, Reason.CONFLICT: 409}


class _Body(BaseModel):
    """What is asked for; ``pbx`` may be left out where there is one only."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: Annotated[str, Field(pattern=r"^[0-9+*#]{1,32}$")]
    press_one: bool = False
    pbx: str = ""


def routes(conferences: Conferences, pbx_names: Sequence[str]) -> web.RouteTableDef:
    """Serve conferences."""
    table = web.RouteTableDef()

    @table.get("/v1/conferences/{account}")
    async def conferences_of(request: web.Request) -> web.Response:
        account = request.match_info["account"]
        if not names.ACCOUNT.fullmatch(account):
            return web.json_response({"error": "no such account"}, status=404)
        found = await conferences.statements.conferences(account)
        return web.json_response({name: conference_body(one) for name, one in found.items()})

    @table.post("/v1/conferences/{account}/{conference}/dial-out")
    async def dial_out(request: web.Request) -> web.Response:
        asked, pbx = await _asked(request, pbx_names)
        outcome = await conferences.dial_out(asked, pbx)
        if isinstance(outcome, Refused):
            status = _STATUS.get(Reason(outcome.reason), 403)
            return web.json_response({"reason": outcome.reason}, status=status)
        return web.json_response({"call": outcome.call_id, "number": outcome.number}, status=202)

    return table


async def _asked(request: web.Request, pbx_names: Sequence[str]) -> tuple[DialOut, str]:
    """Read what is asked for. Raises BadInputError."""
    wanted = await body.read(request, _Body)
    pbx = wanted.pbx or (pbx_names[0] if len(pbx_names) == 1 else "")
    if pbx not in pbx_names:
        raise BadInputError([Fault("body", "pbx", pbx, f"must be one of {', '.join(pbx_names)}")])
    key = request.headers.get("Idempotency-Key") or uuid4().hex
    account, conference = (request.match_info[name] for name in ("account", "conference"))
    for name, word, pattern in (
        ("account", account, names.ACCOUNT),
        ("conference", conference, names.CONFERENCE),
        ("Idempotency-Key", key, names.REQUEST),
    ):
        if not pattern.fullmatch(word):
            raise BadInputError([Fault("request", name, word, f"must match {pattern.pattern}")])
    return DialOut(key, account, conference, "", wanted.number, wanted.press_one), pbx


def conference_body(conference: Conference) -> dict[str, object]:
    """Write a conference; PINs are not shown, only whether there are any."""
    return {
        "organizer": conference.organizer,
        "pin": bool(conference.pin),
        "leader_pin": bool(conference.leader_pin),
    }
