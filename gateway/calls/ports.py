"""What call control needs of a PBX, and what a PBX tells it."""

from dataclasses import dataclass
from typing import Protocol


class PbxUnavailableError(Exception):
    """The PBX did not answer: whether it did what was asked is unknown."""


@dataclass(frozen=True, slots=True)
class CallRequest:
    """A PBX asks whether a call may be made. All words are as the PBX sent them."""

    call_id: str
    call_type: str
    account: str
    user: str
    dialed: str


@dataclass(frozen=True, slots=True)
class Record:
    """How a paid leg ended, by the PBX's own clock; ``answered_ms`` is 0 if it never answered."""

    call_type: str
    answered_ms: int
    ended_ms: int
    cause: int


@dataclass(frozen=True, slots=True)
class Ringing:
    """The paid leg exists."""

    call_id: str
    channel: str


@dataclass(frozen=True, slots=True)
class Answered:
    """The paid leg was answered; charging starts."""

    call_id: str
    channel: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The paid leg is gone."""

    call_id: str
    record: Record


LegEvent = Ringing | Answered | Ended


@dataclass(frozen=True, slots=True)
class Leg:
    """A channel of a call that is up now. Only a paid leg that was answered has ``answered_ms``."""

    call_id: str
    channel: str
    answered_ms: int


class Pbx(Protocol):
    """A PBX under control. Each method may raise PbxUnavailableError."""

    def now_ms(self) -> int:
        """Give the PBX's own time, in which it reports answers and ends."""

    async def set_deadline(self, channel: str, seconds: float) -> None:
        """Let the channel run for ``seconds`` from now, and no longer."""

    async def hang_up(self, channel: str) -> None:
        """Ask for the channel's end. Only an `Ended` says that it came."""

    async def legs(self) -> list[Leg]:
        """List the channels of calls that are up."""

    async def records(self) -> dict[str, Record]:
        """List the records that are not forgotten yet, by call id."""

    async def forget(self, call_id: str) -> None:
        """Delete the record of a call that is settled."""
