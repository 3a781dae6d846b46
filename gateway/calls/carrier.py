"""Carry a live call from its first ring to its settlement."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from gateway.calls.ports import ChannelGoneError, Lease, Pbx, PbxUnavailableError
from gateway.calls.session import Move, Pace, Session
from gateway.ledger.ledger import Ledger
from gateway.ledger.outcomes import Held, LedgerUnavailableError, Refused, Settled
from gateway.ledger.statements import Statements
from gateway.money import format_amount
from gateway.rating.steps import Reason

_RETRY_SECONDS = 0.2
_SETTLE_RETRY_SECONDS = 1.0
_CLOSED = "closed"

_log = structlog.get_logger()


@dataclass(slots=True)
class LiveCall:
    """A call that holds money, and what wakes its task."""

    session: Session
    credits: int = 0
    carried: bool = False
    retrying: bool = False
    settled: bool = False
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait(self, seconds: float | None) -> None:
        """Wait for a change, or for ``seconds`` at most."""
        try:
            async with asyncio.timeout(seconds):
                await self.woken.wait()
        except TimeoutError:
            return


@dataclass(frozen=True, slots=True)
class Carrier:
    """Makes the moves that are due for calls."""

    ledger: Ledger
    statements: Statements
    pbx: Pbx
    pace: Pace
    lease: Lease
    look: Callable[[], None]
    """Asks for a look at what the PBX has, soon."""

    async def carry(self, call: LiveCall) -> None:
        """Do what is due for one call until it is settled."""
        while not call.settled:
            call.woken.clear()
            now_ms = self.pbx.now_ms()
            due = call.session.due(now_ms, self.pace)
            if due.at_ms is None or due.at_ms > now_ms:
                await call.wait(None if due.at_ms is None else (due.at_ms - now_ms) / 1000)
            elif not self._may_make(due.move):
                await call.wait(_RETRY_SECONDS)
            elif await self._made(call, due.move):
                call.retrying = False
            else:
                ended = due.move is Move.SETTLE
                await call.wait(_SETTLE_RETRY_SECONDS if ended else _RETRY_SECONDS)

    def _may_make(self, move: Move) -> bool:
        """Tell whether what is known here is new enough for a move.

        Who was frozen must hear first whether another gateway has gone on with his calls. Who
        cannot reach the lease goes on, as nothing is done twice; but he hangs nobody up, whose call
        another may have extended: the PBX carries the deadline.
        """
        return self.lease.is_sure() or (self.lease.is_awake() and move is not Move.HANG_UP)

    async def _made(self, call: LiveCall, move: Move) -> bool:
        """Make a move, or say that it must be made again."""
        try:
            await self._make(call, move)
        except ChannelGoneError:
            # Its record tells how it ended, if only its event was missed.
            self.look()
        except (LedgerUnavailableError, PbxUnavailableError) as error:
            if not call.retrying:
                # Said once: with the PBX away, every live call tries five times a second.
                _log.warning("call.retry", call=call.session.call_id, move=move, error=str(error))
        except Exception:  # noqa: BLE001 - one call must not end the others
            _log.exception("call.failed", call=call.session.call_id, move=move)
        else:
            return True
        call.retrying = True
        return False

    async def _make(self, call: LiveCall, move: Move) -> None:
        match move:
            case Move.MOVE_DEADLINE:
                await self._move_deadline(call)
            case Move.RENEW:
                await self._renew(call)
            case Move.WARN:
                await self._warn(call)
            case Move.HANG_UP:
                await self._hang_up(call)
            case Move.SETTLE:
                await self._settle(call)

    async def _move_deadline(self, call: LiveCall) -> None:
        paid_until_ms = call.session.paid_until_ms
        now_ms = self.pbx.now_ms()
        await self.pbx.set_deadline(call.session.channel, (paid_until_ms - now_ms) / 1000)
        call.session = call.session.seen(now_ms, paid_until_ms)

    async def _renew(self, call: LiveCall) -> None:
        session, credits_before = call.session, call.credits
        if session.granted_seconds >= session.terms.seconds_max:
            self._last_slice(call, "longest_call")
            return
        outcome = await extend(self.ledger, session, self.pbx.now_ms(), self.pace.slice_seconds)
        if isinstance(outcome, Held):
            call.session = call.session.extended(session.extension + 1, outcome)
        elif outcome.reason in (Reason.CONFLICT, _CLOSED):
            await self._catch_up(call)
        else:
            self._last_slice(call, outcome.reason)
            if call.credits != credits_before:
                # Money came while the refusal was under way.
                call.session = call.session.credited()

    def _last_slice(self, call: LiveCall, reason: str) -> None:
        _log.info("call.last_slice", call=call.session.call_id, reason=reason)
        call.session = call.session.refused(self.pbx.now_ms())

    async def _catch_up(self, call: LiveCall) -> None:
        """Take over what another gateway did with the call meanwhile."""
        session = call.session
        hold = await self.statements.hold(session.account, session.call_id)
        if hold and not session.is_behind(hold):
            self._last_slice(call, Reason.CONFLICT)
        elif hold:
            _log.info("call.caught_up", call=hold.call_id, extension=hold.extension)
            call.session = call.session.synced(hold)
        else:
            # It is closed. Should its leg live on all the same, the look finds that.
            _log.warning("call.closed_elsewhere", call=call.session.call_id)
            call.settled = True
            self.look()

    async def _warn(self, call: LiveCall) -> None:
        """Tell the payer what is left; a warning that cannot be given is not worth a call."""
        session, now_ms = call.session, self.pbx.now_ms()
        seconds = round((session.paid_until_ms - now_ms) / 1000)
        call.session = session.warned(now_ms)
        try:
            await self.pbx.warn(session.ear, seconds)
        except (ChannelGoneError, PbxUnavailableError) as error:
            _log.info("call.not_warned", call=session.call_id, error=str(error))
        else:
            _log.info("call.warned", call=session.call_id, seconds=seconds)

    async def _hang_up(self, call: LiveCall) -> None:
        await self.pbx.hang_up(call.session.channel)
        session = call.session = call.session.hung_up(self.pbx.now_ms())
        if session.stuck:
            _log.error(
                "call.stuck", call=session.call_id, account=session.account, times=session.hang_ups
            )
            self.look()
        else:
            _log.warning("call.hang_up", call=session.call_id, account=session.account)

    async def _settle(self, call: LiveCall) -> None:
        session, record = call.session, call.session.record
        if record is None:
            return
        seconds, included, charge = session.charge()
        pool = session.terms.pool.name if session.terms.pool else ""
        if record.answered_ms:
            outcome = await self.ledger.settle(
                session.account,
                session.call_id,
                charge,
                user=session.user,
                seconds=seconds,
                answered_ms=record.answered_ms,
                ended_ms=record.ended_ms,
                cause=record.cause,
                pool=pool,
                pool_seconds=included,
            )
        else:
            outcome = await self.ledger.void(
                session.account, session.call_id, user=session.user, cause=record.cause, pool=pool
            )
        call.settled = True
        _log_end(session, outcome)
        try:
            await self.pbx.forget(session.call_id)
        except PbxUnavailableError:
            _log.info("record.kept", call=session.call_id)


async def extend(
    ledger: Ledger, session: Session, now_ms: int, slice_seconds: int
) -> Held | Refused:
    """Hold the next slice of a call."""
    # The day is not the PBX's to say: one whose clock is ahead would end it for the account.
    periods = session.terms.periods(time.time_ns() // 10**6)
    return await ledger.extend(
        session.account,
        session.call_id,
        session.extension + 1,
        session.next_slices(now_ms, slice_seconds),
        user=session.user,
        pool=session.terms.next_pool(session.granted_seconds),
        day=periods.day,
        month=periods.month,
        answered_ms=session.answered_ms,
        seen_ms=now_ms if session.answered_ms else 0,
    )


def _log_end(session: Session, outcome: Settled | Refused) -> None:
    """Write the one line that tells a call."""
    record = session.record
    seconds, included, _ = session.charge()
    if isinstance(outcome, Settled):
        result = {
            "charge": format_amount(outcome.charged),
            "returned": format_amount(outcome.returned),
            "available": format_amount(outcome.available),
        }
    else:
        # Another instance was first, or the call was closed otherwise: nothing was charged here.
        result = {"not_settled": outcome.reason}
    _log.info(
        "call.ended",
        call=session.call_id,
        type=session.call_type,
        account=session.account,
        user=session.user,
        number=session.number,
        destination=session.terms.destination,
        rate=session.terms.rate,
        answered_ms=record.answered_ms if record else 0,
        ended_ms=record.ended_ms if record else 0,
        cause=record.cause if record else 0,
        seconds=seconds,
        included_seconds=included,
        pool=session.terms.pool.name if session.terms.pool else "",
        held=format_amount(session.held),
        currency=session.terms.currency,
        **result,
    )
