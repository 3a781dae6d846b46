"""Carry a live call from its first ring to its settlement."""

import asyncio
import time
from dataclasses import dataclass, field, replace

import structlog

from gateway.calls.ports import Pbx, PbxUnavailableError
from gateway.calls.session import Move, Session
from gateway.ledger.ledger import Ledger
from gateway.ledger.outcomes import Held, LedgerUnavailableError, Refused, Settled
from gateway.money import format_amount

_RETRY_SECONDS = 0.2
_SETTLE_RETRY_SECONDS = 1.0

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
    pbx: Pbx
    slice_seconds: int
    renew_before_ms: int

    async def carry(self, call: LiveCall) -> None:
        """Do what is due for one call until it is settled."""
        while not call.settled:
            call.woken.clear()
            now_ms = self.pbx.now_ms()
            due = call.session.due(now_ms, self.renew_before_ms)
            if due.at_ms is None or due.at_ms > now_ms:
                await call.wait(None if due.at_ms is None else (due.at_ms - now_ms) / 1000)
                continue
            if await self._made(call, due.move):
                call.retrying = False
            else:
                ended = due.move is Move.SETTLE
                await call.wait(_SETTLE_RETRY_SECONDS if ended else _RETRY_SECONDS)

    async def _made(self, call: LiveCall, move: Move) -> bool:
        """Make a move, or say that it must be made again."""
        try:
            match move:
                case Move.MOVE_DEADLINE:
                    await self._move_deadline(call)
                case Move.RENEW:
                    await self._renew(call)
                case Move.HANG_UP:
                    await self._hang_up(call)
                case Move.SETTLE:
                    await self._settle(call)
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

    async def _move_deadline(self, call: LiveCall) -> None:
        paid_until_ms = call.session.paid_until_ms
        now_ms = self.pbx.now_ms()
        await self.pbx.set_deadline(call.session.channel, (paid_until_ms - now_ms) / 1000)
        call.session = call.session.seen(now_ms, paid_until_ms)

    async def _renew(self, call: LiveCall) -> None:
        session, credits_before = call.session, call.credits
        if session.granted_seconds >= session.terms.seconds_max:
            _log.info("call.last_slice", call=session.call_id, reason="longest_call")
            call.session = session.refused()
            return
        outcome = await self.extend(session)
        if isinstance(outcome, Held):
            call.session = call.session.extended(
                outcome.granted_seconds, outcome.held, outcome.pool_seconds
            )
            return
        _log.info("call.last_slice", call=session.call_id, reason=outcome.reason)
        call.session = call.session.refused()
        if call.credits != credits_before:
            # Money came while the refusal was under way.
            call.session = call.session.credited()

    async def extend(self, session: Session) -> Held | Refused:
        """Hold the next slice of a call."""
        # The day is not the PBX's to say: one whose clock is ahead would end it for the account.
        periods = session.terms.periods(time.time_ns() // 10**6)
        return await self.ledger.extend(
            session.account,
            session.call_id,
            session.extension + 1,
            session.next_slices(self.pbx.now_ms(), self.slice_seconds),
            user=session.user,
            pool=session.terms.next_pool(session.granted_seconds),
            day=periods.day,
            month=periods.month,
        )

    async def _hang_up(self, call: LiveCall) -> None:
        _log.warning("call.hang_up", call=call.session.call_id)
        call.session = replace(call.session, hang_up_ms=self.pbx.now_ms())
        await self.pbx.hang_up(call.session.channel)

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
