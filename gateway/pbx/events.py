"""What the dialplan writes, as values."""

from collections.abc import Mapping

from gateway.calls.ports import Answered, Ended, LegEvent, Record, Ringing


def read_record(text: str) -> Record:
    """Read ``TYPE ANSWERED ENDED CAUSE``, times in epoch milliseconds, ANSWERED 0 if never.

    Raises ValueError for anything else.
    """
    call_type, answered_ms, ended_ms, cause = text.split(" ")
    return Record(call_type, int(answered_ms), int(ended_ms), int(cause))


def read_leg_event(headers: Mapping[str, str]) -> LegEvent:
    """Read a user event of the dialplan. Raises ValueError for one that is not as ours are."""
    call_id, channel = headers["call"], headers["channel"]
    match headers["state"]:
        case "ringing":
            return Ringing(call_id, channel)
        case "answered":
            return Answered(call_id, channel, int(headers["at"]))
        case "ended":
            return Ended(call_id, read_record(headers["record"]))
        case unknown:
            message = f"unknown state {unknown!r}"
            raise ValueError(message)
