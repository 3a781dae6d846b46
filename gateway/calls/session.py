"""One call as a pure state machine: what is known of it, and what is to be done next."""

from dataclasses import dataclass, replace
from enum import StrEnum
from zlib import crc32

from gateway.calls.ports import Answered, Ended, Leg, LegEvent, Record, Ringing
from gateway.ledger.outcomes import Held, Hold
from gateway.rating.case import CallType
from gateway.rating.price import Slice
from gateway.rating.terms import Terms

# The PBX ends a call at its deadline by itself; the gateway asks as well, a little later.
HANG_UP_AFTER_MS = 300
HANG_UP_AGAIN_MS = 1000
# So often is it asked for in a row. After that it is said to be stuck, and asked for less often.
HANG_UPS_IN_A_ROW = 5
HANG_UP_LATER_MS = 10_000
# So late at most does the PBX end a call whose deadline has come.
CUT_LATE_MS_MAX = 1000


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
    WARN = "warn"
    HANG_UP = "hang_up"
    SETTLE = "settle"


@dataclass(frozen=True, slots=True)
class Due:
    """The next move, and the time at which it is due; no time: only an event can bring it."""

    move: Move
    at_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Pace:
    """How much of a call is held at a time, when the next is, and when its end is told."""

    slice_seconds: int = 60
    renew_before_seconds: int = 35
    warn_seconds: tuple[int, ...] = ()

    def renew_before_ms(self, call_id: str) -> int:
        """Give how long before the end of a slice the next is held.

        Up to a quarter of a slice earlier than it must be, each call by its own part of that, so
        that calls that were answered together are not all renewed at one moment.
        """
        spread_ms = self.slice_seconds * 250
        return self.renew_before_seconds * 1000 + crc32(call_id.encode()) % spread_ms


@dataclass(frozen=True, slots=True)
class Session:
    """A call that holds money, or included seconds. Times are in epoch milliseconds."""

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
    ear: str = ""
    answered_ms: int = 0
    # The deadline that the PBX is known to carry.
    deadline_ms: int = 0
    # When the leg was last known to be up.
    seen_ms: int = 0
    # What should have been told before is not told any more.
    warned_ms: int = 0
    hang_up_ms: int = 0
    hang_ups: int = 0
    record: Record | None = None

    @classmethod
    def of(cls, hold: Hold) -> "Session":
        """Make the session of a call that only the store knows."""
        return cls(
            call_id=hold.call_id,
            account=hold.account,
            user=hold.user,
            call_type=hold.call_type,
            number=hold.number,
            terms=Terms.pinned(hold.rate),
            granted_seconds=hold.granted_seconds,
            held=hold.held,
            pool_seconds=hold.pool_seconds,
            extension=hold.extension,
            answered_ms=hold.answered_ms,
            seen_ms=hold.seen_ms,
        )

    @property
    def paid_until_ms(self) -> int:
        """End of what is paid for, once the call is answered."""
        return self.answered_ms + self.granted_seconds * 1000

    @property
    def ended(self) -> bool:
        """Whether the leg is gone; nothing brings it back."""
        return self.state in (State.ENDED, State.RELEASED)

    @property
    def stuck(self) -> bool:
        """Whether the leg stays up however often its end is asked for."""
        return self.hang_ups >= HANG_UPS_IN_A_ROW

    def on(self, event: LegEvent) -> "Session":
        """Take in what the PBX told; what comes late or twice changes nothing."""
        if self.ended:
            return self
        match event:
            case Ringing(channel=channel, ear=ear) if self.state is State.AUTHORIZED:
                return replace(self, channel=channel, ear=ear)
            case Answered(channel=channel, at_ms=at_ms, ear=ear) if self.state is State.AUTHORIZED:
                # As it was told first: the PBX's clock may have jumped since.
                at_ms = self.answered_ms or at_ms
                answered = replace(
                    self, state=State.ANSWERED, channel=channel, ear=ear, answered_ms=at_ms
                )
                # The dialplan has set this deadline itself at the answer; but where a phone was
                # picked up, it may not have reached the paid leg.
                reached = self.call_type != CallType.USER_IN
                return answered.seen(at_ms, answered.paid_until_ms if reached else 0)
            case Ended(record=record):
                if self.answered_ms:
                    # As it was told then: the PBX's clock may have jumped since.
                    record = replace(record, answered_ms=self.answered_ms)
                state = State.ENDED if record.answered_ms else State.RELEASED
                return replace(self, state=state, record=record)
        return self

    def found(self, leg: Leg, now_ms: int) -> "Session":
        """Take in that a leg of the call was found; which deadline it carries is not known."""
        if not leg.answered_ms:
            return self.on(Ringing(self.call_id, leg.channel, leg.ear)) if leg.paid else self
        # No answer is in the future, though a clock that was put back may say so.
        answered_ms = min(leg.answered_ms, now_ms)
        session = self.on(Answered(self.call_id, leg.channel, answered_ms, leg.ear))
        return session.seen(now_ms, 0)

    def moved(self, leg: Leg) -> "Session":
        """Take in where the paid leg is now: a channel may get another name."""
        return replace(self, channel=leg.channel, ear=leg.ear)

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

    def extended(self, extension: int, to: Held | Hold) -> "Session":
        """Take in that more is held: also before the answer, and after an end meanwhile."""
        return replace(
            self,
            state=State.ANSWERED if self.state is State.LAST_SLICE else self.state,
            granted_seconds=to.granted_seconds,
            held=to.held,
            pool_seconds=to.pool_seconds,
            extension=extension,
            hang_up_ms=0,
            hang_ups=0,
        )

    def is_behind(self, hold: Hold) -> bool:
        """Tell whether another gateway has gone on with the call."""
        return hold.extension > self.extension

    def synced(self, hold: Hold) -> "Session":
        """Take over what the store has of the call."""
        if hold.granted_seconds == self.granted_seconds:
            return replace(self, extension=hold.extension)
        return self.extended(hold.extension, hold)

    def refused(self, now_ms: int) -> "Session":
        """Take in that no more could be held: the slice that runs is the last."""
        state = State.LAST_SLICE if self.state is State.ANSWERED else self.state
        return replace(self, state=state, extension=self.extension + 1, warned_ms=now_ms)

    def credited(self) -> "Session":
        """Take in that money came: it may be extended again."""
        return replace(self, state=State.ANSWERED) if self.state is State.LAST_SLICE else self

    def warned(self, now_ms: int) -> "Session":
        """Take in that the payer was told how much is left."""
        return replace(self, warned_ms=now_ms)

    def hung_up(self, now_ms: int) -> "Session":
        """Take in that the leg's end is asked for."""
        return replace(self, hang_up_ms=now_ms, hang_ups=self.hang_ups + 1)

    def due(self, now_ms: int, pace: Pace) -> Due:
        """Tell the next move."""
        match self.state:
            case State.AUTHORIZED:
                return Due(Move.WAIT)
            case State.ENDED | State.RELEASED:
                return Due(Move.SETTLE, now_ms)
        if now_ms >= self.paid_until_ms:
            again_ms = HANG_UP_LATER_MS if self.stuck else HANG_UP_AGAIN_MS
            after = max(self.paid_until_ms + HANG_UP_AFTER_MS, self.hang_up_ms + again_ms)
            return Due(Move.HANG_UP, max(now_ms, after))
        if self.deadline_ms != self.paid_until_ms:
            return Due(Move.MOVE_DEADLINE, now_ms)
        move, at_ms = Move.HANG_UP, self.paid_until_ms + HANG_UP_AFTER_MS
        if self.state is State.ANSWERED:
            move, at_ms = Move.RENEW, self.paid_until_ms - pace.renew_before_ms(self.call_id)
        elif warn_ms := self._warn_ms(pace):
            move, at_ms = Move.WARN, warn_ms
        return Due(move, max(now_ms, at_ms))

    def _warn_ms(self, pace: Pace) -> int:
        """Give when the payer is told next that the call will end, or 0."""
        if not self.ear:
            return 0
        times = (self.paid_until_ms - before * 1000 for before in pace.warn_seconds)
        return min((at_ms for at_ms in times if at_ms > self.warned_ms), default=0)

    def charge(self) -> tuple[int, int, int]:
        """Give what to charge once the call has ended: seconds, those of its pool, micro-units.

        A second that was begun counts; what was talked past the deadline does not, which the PBX
        may be some milliseconds late to keep (rules D3 and D6).
        """
        if self.record is None or not self.record.answered_ms:
            return 0, 0, 0
        ended_ms = self.record.ended_ms
        if self.deadline_ms < ended_ms <= self.deadline_ms + CUT_LATE_MS_MAX:
            # The PBX has cut it, though more was held: that could not be told to the PBX in time.
            ended_ms = self.deadline_ms
        milliseconds = max(0, ended_ms - self.record.answered_ms)
        seconds = min(-(-milliseconds // 1000), self.granted_seconds)
        start = self.record.answered_ms // 1000
        included, micros = self.terms.charge(start, seconds, self.pool_seconds)
        return seconds, included, min(micros, self.held)
