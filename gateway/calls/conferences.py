"""Conferences: who may join one, and whom one may call."""

from dataclasses import dataclass

import structlog

from gateway import names
from gateway.calls.decider import Decider
from gateway.calls.ports import CallRequest, DialOut, JoinRequest, Pbx, PbxUnavailableError
from gateway.ledger.events import Event
from gateway.ledger.ledger import Ledger
from gateway.ledger.outcomes import Joined, Refused
from gateway.ledger.statements import Statements
from gateway.rating.case import CallType
from gateway.rating.steps import Reason

DIAL_OUT = "dial_out"

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Asked:
    """A number will be called, by the call of this id."""

    call_id: str
    number: str


@dataclass(frozen=True, slots=True)
class Conferences:
    """The conferences of all accounts."""

    ledger: Ledger
    statements: Statements
    decider: Decider

    async def join(self, request: JoinRequest) -> Joined | Reason:
        """Answer a caller who has named a conference of the account that pays for his call.

        Raises LedgerUnavailableError.
        """
        if not (
            names.CALL_ID.fullmatch(request.call_id)
            and names.ACCOUNT.fullmatch(request.account)
            and names.CONFERENCE.fullmatch(request.conference)
        ):
            return Reason.UNKNOWN_CONFERENCE
        if request.pin not in ("", "-") and not names.PIN.fullmatch(request.pin):
            return Reason.WRONG_PIN
        outcome = await self.ledger.join_conference(
            request.account, request.call_id, request.conference, request.pin
        )
        told = {
            "call": request.call_id,
            "account": request.account,
            "conference": request.conference,
        }
        if isinstance(outcome, Refused):
            _log.info("conference.refused", **told, reason=outcome.reason)
            closed = outcome.reason == "closed"
            return Reason.CONFLICT if closed else Reason(outcome.reason)
        _log.info("conference.joined", **told, organizer=outcome.organizer, leads=outcome.leads)
        return outcome

    async def dial_out(self, asked: DialOut, pbx_name: str) -> Asked | Refused:
        """Ask for a number to be called, if it could be now; each request once.

        The reason of a refusal is unknown_conference, conflict, or that of a quote. The call is
        asked for again by the PBX, as any other is. Raises LedgerUnavailableError.
        """
        found = (await self.statements.conferences(asked.account)).get(asked.conference)
        if found is None:
            return Refused(Reason.UNKNOWN_CONFERENCE)
        decided = await self.decider.quote(
            CallRequest("", CallType.CONF_OUT, asked.account, found.organizer, asked.number)
        )
        if reason := decided.decision.reason:
            return Refused(reason)
        outcome = await self.ledger.dial_out(
            asked.account,
            asked.request_id,
            asked.conference,
            decided.number,
            pbx_name,
            press_one=asked.press_one,
        )
        if isinstance(outcome, Refused):
            return outcome
        # As the dialplan makes it of the id that is given to the channel, and to its second half.
        return Asked(f"{pbx_name}-{asked.channel_id}2-1", decided.number)


async def on_dial_out(event: Event, pbx: Pbx) -> None:
    """Let a conference call a number. If the PBX is away just now, it does not."""
    of = event.fields
    asked = DialOut(
        of["request"],
        event.account,
        of["conference"],
        of["organizer"],
        of["number"],
        press_one=of["press_one"] == "1",
    )
    try:
        await pbx.dial_out(asked)
    except PbxUnavailableError as error:
        _log.warning("conference.not_dialed", request=asked.request_id, error=str(error))
    else:
        _log.info("conference.dialed", request=asked.request_id, number=asked.number)
