"""What call control needs of a PBX, and what a PBX tells it.

All times are the gateway's, in epoch milliseconds: those that a PBX tells are put right where its
clock is not.
"""

from dataclasses import dataclass
from hashlib import blake2s
from typing import Protocol


class PbxUnavailableError(Exception):
    """The PBX did not answer: whether it did what was asked is unknown."""


class ChannelGoneError(Exception):
    """The PBX answered that it has no such channel."""


@dataclass(frozen=True, slots=True)
class CallRequest:
    """A PBX asks whether a call may be made. All words are as the PBX sent them."""

    call_id: str
    call_type: str
    account: str
    user: str
    dialed: str
    caller: str = ""
    conference: str = ""


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """A caller who is up names a conference; ``pin`` is empty if he was not asked for one.

    "-" is no PIN entered. All words are as the PBX sent them.
    """

    call_id: str
    account: str
    conference: str
    pin: str


@dataclass(frozen=True, slots=True)
class DialOut:
    """A number that a conference is to call; ``request_id`` names the account's request."""

    request_id: str
    account: str
    conference: str
    organizer: str
    number: str
    press_one: bool

    @property
    def channel_id(self) -> str:
        """Give the id of the channel that is made for it, and that no other request has."""
        named = f"{self.account}/{self.request_id}".encode()
        return f"dialout.{blake2s(named, digest_size=10).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Record:
    """How a paid leg ended; ``answered_ms`` is 0 if it was never answered."""

    call_type: str
    answered_ms: int
    ended_ms: int
    cause: int


@dataclass(frozen=True, slots=True)
class Ringing:
    """The paid leg exists; ``ear`` is the channel that hears warnings, or empty."""

    call_id: str
    channel: str
    ear: str = ""
    account: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """The paid leg was answered; charging starts."""

    call_id: str
    channel: str
    at_ms: int
    ear: str = ""
    account: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """The paid leg is gone."""

    call_id: str
    record: Record
    account: str = ""


LegEvent = Ringing | Answered | Ended


@dataclass(frozen=True, slots=True)
class Leg:
    """A channel of a call that is up now.

    Only a paid leg is ``paid``, and has what follows; ``answered_ms`` is 0 before its answer.
    ``timed`` says whether it carries a deadline.
    """

    call_id: str
    channel: str
    paid: bool = False
    timed: bool = False
    answered_ms: int = 0
    ear: str = ""
    call_type: str = ""
    account: str = ""
    user: str = ""
    number: str = ""


class Watcher(Protocol):
    """Whoever is told what happens on a PBX."""

    def on_leg(self, event: LegEvent) -> None:
        """Take in what happened to a leg."""

    def on_clock(self) -> None:
        """Take in that the PBX's clock jumped: its deadlines are not where they were."""

    def on_booted(self) -> None:
        """Take in that the PBX is there, and that things may have been missed."""

    def on_transfer(self) -> None:
        """Take in that channels took the places of others, maybe without their deadlines."""


class Lease(Protocol):
    """Whether this gateway is the one that follows a PBX, as far as it can know."""

    def is_sure(self) -> bool:
        """Tell whether no other gateway can be following the PBX now."""

    def is_awake(self) -> bool:
        """Tell whether this gateway has asked for the lease a moment ago, whatever came of that."""


class Pbx(Protocol):
    """A PBX under control.

    What is asked of it may raise PbxUnavailableError, and of a channel ChannelGoneError.
    """

    connected: bool

    async def run(self, watcher: Watcher) -> None:
        """Stay connected, and tell what happens, until cancelled."""

    def now_ms(self) -> int:
        """Give the time in which answers and ends are told."""

    async def set_deadline(self, channel: str, seconds: float) -> None:
        """Let the channel run for ``seconds`` from now, and no longer."""

    async def hang_up(self, channel: str) -> None:
        """Ask for the channel's end. Only an `Ended` says that it came."""

    async def warn(self, channel: str, seconds: int) -> None:
        """Tell whoever listens on the channel, and nobody else, that so many seconds are left."""

    async def dial_out(self, asked: DialOut) -> None:
        """Let a conference call a number; the PBX asks for that call as for any other."""

    async def legs(self) -> list[Leg]:
        """List the channels of calls that are up."""

    async def records(self) -> dict[str, Record]:
        """List the records that are not forgotten yet, by call id."""

    async def forget(self, call_id: str) -> None:
        """Delete the record of a call that is settled."""
