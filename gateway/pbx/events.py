"""What the dialplan writes, as values, by our clock."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import structlog
from panoramisk.message import Message

from gateway.calls.ports import Answered, Ended, Leg, LegEvent, Record, Ringing
from gateway.pbx import variables

_log = structlog.get_logger()

Ours = Callable[[int], int]
"""Says in our time when something happened that the PBX tells in its own."""


@dataclass(frozen=True, slots=True)
class Told:
    """A leg's event, and the time that the PBX gave it, by its own clock; 0 if it gave none."""

    event: LegEvent
    at_ms: int


def read_record(text: str) -> Record:
    """Read ``TYPE ANSWERED ENDED CAUSE``, times in epoch milliseconds, ANSWERED 0 if never.

    Raises ValueError for anything else.
    """
    call_type, answered_ms, ended_ms, cause = text.split(" ")
    return Record(call_type, int(answered_ms), int(ended_ms), int(cause))


def read_leg_event(headers: Mapping[str, str]) -> Told:
    """Read a user event of the dialplan, by the PBX's clock.

    Raises ValueError or KeyError for one that is not as ours are.
    """
    call_id, account = headers["call"], headers.get("account", "")
    # A header without a value may be there or not.
    ear = headers.get("ear", "")
    match headers["state"]:
        case "ringing":
            return Told(Ringing(call_id, headers["leg"], ear, account), 0)
        case "answered":
            at_ms = int(headers["at"])
            return Told(Answered(call_id, headers["leg"], at_ms, ear, account), at_ms)
        case "ended":
            record = read_record(headers["record"])
            return Told(Ended(call_id, record, account), record.ended_ms)
        case unknown:
            message = f"unknown state {unknown!r}"
            raise ValueError(message)


def by_our_clock(event: LegEvent, ours: Ours) -> LegEvent:
    """Put the times of an event right."""
    match event:
        case Answered(at_ms=at_ms):
            return replace(event, at_ms=ours(at_ms))
        case Ended(record=record):
            return replace(event, record=record_by_our_clock(record, ours))
    return event


def record_by_our_clock(record: Record, ours: Ours) -> Record:
    """Put the times of a record right."""
    return replace(record, answered_ms=ours(record.answered_ms), ended_ms=ours(record.ended_ms))


def read_legs(reply: Message, ours: Ours) -> list[Leg]:
    """Read the legs of one channel from its Status event."""
    channel = str(reply["Channel"])
    found = reply.get("Variable", [])
    named = (pair.partition("=") for pair in ([found] if isinstance(found, str) else found))
    # Asterisk writes "(null)" for a variable that the channel does not have.
    of = {name: value for name, _, value in named if value not in ("", "(null)")}
    legs = [Leg(of[variables.ASKED], channel)] if variables.ASKED in of else []
    if variables.CALL not in of:
        return legs
    try:
        answered_ms = int(of.get(variables.SHARED_ANSWERED, of.get(variables.ANSWERED, "0")))
    except ValueError:
        _log.error("channel.unreadable", channel=channel, variables=of)
        return legs
    paid = Leg(
        call_id=of[variables.CALL],
        channel=channel,
        paid=True,
        timed=reply.get("TimeToHangup", "0") != "0",
        answered_ms=ours(answered_ms),
        ear=of.get(variables.SHARED_EAR, of.get(variables.EAR, "")),
        call_type=of.get(variables.TYPE, ""),
        account=of.get(variables.ACCOUNT, ""),
        user=of.get(variables.USER, ""),
        number=of.get(variables.NUMBER, ""),
    )
    return [*legs, paid]
