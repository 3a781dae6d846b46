"""One call as a pure state machine: what is known of it, and what is to be done next."""

from dataclasses import dataclass, replace
from enum import StrEnum

from gateway.calls.ports import Answered, Ended, LegEvent, Record, Ringing
from gateway.rating.price import Slice
from gateway.rating.terms import Terms

# The PBX ends a call at its deadline by itself; the gateway asks as well, a little later.
HANG_UP_AFTER_MS = 300
HANG_UP_AGAIN_MS = 1000


class State(StrEnum):
    """Where a call stands."""

    AUTHORIZED = "authorized"
    ANSWERED = "answered"
    LAST_SLICE = "last_slice"
    ENDED = "ended"
    RELEASED = "released"


class Move(StrEnum):
    """What is to be done for a call."""

    WAIT = "wait"
    MOVE_DEADLINE = "move_deadline"
    RENEW = "renew"
    HANG_UP = "hang_up"
    SETTLE = "settle"


@dataclass(frozen=True, slots=True)
class Due:
    """The next move, and the PBX's time at which it is due; no time: only an event can bring it."""

    move: Move
    at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """A call that holds money, or included seconds. Times are the PBX's, in epoch milliseconds."""

    call_id: str
    account: str
    user: str
    call_type: str
    number: str
    terms: Terms
    granted_seconds: int
    held: int
    pool_seconds: int = 0
    extension: int = 0
    state: State = State.AUTHORIZED
    channel: str = ""
    answered_ms: int = 0
    # The deadline that the PBX is known to carry.
    deadline_ms: int = 0
    # When the leg was last known to be up.
    seen_ms: int = 0
    hang_up_ms: int = 0
    record: Record | None = None

    @property
    def paid_until_ms(self) -> int:
        """End of what is paid for, once the call is answered."""
        return self.answered_ms + self.granted_seconds * 1000

    @property
    def ended(self) -> bool:
        """Whether the leg is gone; nothing brings it back."""
        return self.state in (State.ENDED, State.RELEASED)

    def on(self, event: LegEvent) -> "Session":
        """Take in what the PBX told; what comes late or twice changes nothing."""
        if self.ended:
            return self
        match event:
            case Ringing(channel=channel) if self.state is State.AUTHORIZED:
                return replace(self, channel=channel)
            case Answered(channel=channel, at_ms=at_ms) if self.state is State.AUTHORIZED:
                answered = replace(self, state=State.ANSWERED, channel=channel, answered_ms=at_ms)
                # The dialplan has set this deadline itself at the answer.
                return answered.seen(at_ms, answered.paid_until_ms)
            case Ended(record=record):
                state = State.ENDED if record.answered_ms else State.RELEASED
                return replace(self, state=state, record=record)
        return self

    def seen(self, now_ms: int, deadline_ms: int) -> "Session":
        """Take in that the leg is up and carries this deadline."""
        return replace(self, seen_ms=now_ms, deadline_ms=deadline_ms)

    def lost(self) -> "Session":
        """Take in that the leg is gone without a record: charge only what is known."""
        record = Record(self.call_type, self.answered_ms, self.seen_ms, 0)
        return self.on(Ended(self.call_id, record))

    def next_slices(self, now_ms: int, slice_seconds: int) -> tuple[Slice, ...]:
        """List what money may pay of the call next; before the answer, as if that came now.

        None is cheaper than what is held: the first slice was priced before the answer, which may
        have come in a cheaper time of the day.
        """
        start = (self.answered_ms or now_ms) // 1000
        offered = self.terms.next_slices(
            start, self.granted_seconds, self.pool_seconds, slice_seconds
        )
        if not offered or offered[-1].micros >= self.held:
            return offered
        return tuple(replace(one, micros=max(one.micros, self.held)) for one in offered)

    def extended(self, granted_seconds: int, held: int, pool_seconds: int) -> "Session":
        """Take in that more is held: also before the answer, and after an end meanwhile."""
        return replace(
            self,
            state=State.ANSWERED if self.state is State.LAST_SLICE else self.state,
            granted_seconds=granted_seconds,
            held=held,
            pool_seconds=pool_seconds,
            extension=self.extension + 1,
            hang_up_ms=0,
        )

    def refused(self) -> "Session":
        """Take in that no more could be held: the slice that runs is the last."""
        state = State.LAST_SLICE if self.state is State.ANSWERED else self.state
        return replace(self, state=state, extension=self.extension + 1)

    def credited(self) -> "Session":
        """Take in that money came: it may be extended again."""
        return replace(self, state=State.ANSWERED) if self.state is State.LAST_SLICE else self

    def due(self, now_ms: int, renew_before_ms: int) -> Due:
        """Tell the next move."""
        match self.state:
            case State.AUTHORIZED:
                return Due(Move.WAIT)
            case State.ENDED | State.RELEASED:
                return Due(Move.SETTLE, now_ms)
            case State.ANSWERED if now_ms < self.paid_until_ms:
                if self.deadline_ms < self.paid_until_ms:
                    return Due(Move.MOVE_DEADLINE, now_ms)
                return Due(Move.RENEW, max(now_ms, self.paid_until_ms - renew_before_ms))
        after = max(self.paid_until_ms + HANG_UP_AFTER_MS, self.hang_up_ms + HANG_UP_AGAIN_MS)
        return Due(Move.HANG_UP, max(now_ms, after))

    def charge(self) -> tuple[int, int, int]:
        """Give what to charge once the call has ended: seconds, those of its pool, micro-units.

        A second that was begun counts; what was talked past the deadline does not, because
        nothing is charged beyond what was held (rule D6).
        """
        if self.record is None or not self.record.answered_ms:
            return 0, 0, 0
        milliseconds = max(0, self.record.ended_ms - self.record.answered_ms)
        seconds = min(-(-milliseconds // 1000), self.granted_seconds)
        start = self.record.answered_ms // 1000
        included, micros = self.terms.charge(start, seconds, self.pool_seconds)
        return seconds, included, min(micros, self.held)
