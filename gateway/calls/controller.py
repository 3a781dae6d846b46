"""Carry every call from its first hold to its settlement."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import structlog

from gateway.calls.ports import (
    Answered,
    CallRequest,
    Ended,
    Leg,
    LegEvent,
    Pbx,
    PbxUnavailableError,
)
from gateway.calls.session import Move, Session
from gateway.ledger.ledger import Ledger
from gateway.ledger.outcomes import Held, Hold, LedgerUnavailableError, Refused, Settled
from gateway.money import format_amount
from gateway.rating.decision import CallType, Cards, Priced, Reason, decide
from gateway.rating.price import Rate, slices

# The caller hears nothing meanwhile, and the dialplan does not wait much longer.
AUTHORIZE_SECONDS_MAX = 2.0
_RETRY_SECONDS = 0.2
_SETTLE_RETRY_SECONDS = 1.0

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Allowed:
    """The call may ring; the PBX ends it after ``granted_seconds`` unless it is told otherwise."""

    granted_seconds: int
    number: str


@dataclass(slots=True)
class _Call:
    """A live call, and what wakes its task."""

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


class Controller:
    """The live calls of a PBX. `run` owns their tasks."""

    def __init__(
        self,
        ledger: Ledger,
        pbx: Pbx,
        cards: Cards,
        *,
        slice_seconds: int,
        renew_before_seconds: int,
    ) -> None:
        """Join the parts; nothing runs yet."""
        self._ledger = ledger
        self._pbx = pbx
        self._cards = cards
        self._slice_seconds = slice_seconds
        self._renew_before_ms = renew_before_seconds * 1000
        self._calls: dict[str, _Call] = {}
        # Calls that are being decided, and their ends, should these come first.
        self._asking: dict[str, Ended | None] = {}
        self._tasks = asyncio.TaskGroup()
        self.on_unknown_end: Callable[[], None] = lambda: None

    async def run(self) -> None:
        """Own the calls' tasks until cancelled. The calls themselves go on in the PBX."""
        async with self._tasks:
            await asyncio.Event().wait()

    def is_asking(self, call_id: str) -> bool:
        """Tell whether a call is being decided, so that its hold may not be there yet."""
        return call_id in self._asking

    def sessions(self) -> dict[str, Session]:
        """Give the live calls by id."""
        return {call_id: call.session for call_id, call in self._calls.items()}

    async def authorize(self, request: CallRequest) -> Allowed | Reason:
        """Decide a call, and hold its first slice if it may be made."""
        self._asking[request.call_id] = None
        try:
            answer = await self._authorize(request)
        except LedgerUnavailableError as error:
            _log.error("ledger.unavailable", call=request.call_id, error=str(error))
            answer = Reason.SERVICE_DOWN
        finally:
            ended = self._asking.pop(request.call_id)
        if ended:
            self.on_leg(ended)
        if isinstance(answer, Reason):
            _log.info(
                "call.refused",
                call=request.call_id,
                type=request.call_type,
                account=request.account,
                user=request.user,
                dialed=request.dialed,
                reason=answer,
            )
        return answer

    async def _authorize(self, request: CallRequest) -> Allowed | Reason:
        priced = decide(self._cards, request.call_type, request.dialed, self._slice_seconds)
        if isinstance(priced, Reason):
            return priced
        account, user = request.account, request.user
        if request.call_type == CallType.CONF_IN:
            account, user = await self._ledger.owner_of(priced.number) or "", ""
        elif not user:
            return Reason.UNKNOWN_USER
        held = await self._ledger.hold(
            account,
            request.call_id,
            priced.slices,
            user=user,
            call_type=request.call_type,
            number=priced.number,
            rate=priced.rate.pin(),
            currency=priced.rate.currency,
            seconds_max=AUTHORIZE_SECONDS_MAX,
        )
        if isinstance(held, Refused):
            return Reason(held.reason)
        session = _first_session(request, priced, account, user, held)
        # Asked twice, or found by the reconciler meanwhile, it is the call that is known already.
        self._calls.setdefault(session.call_id, _Call(session))
        return Allowed(held.granted_seconds, priced.number)

    def _change(self, call: _Call, session: Session) -> None:
        """Let the call's task see a change; before the first one there is nothing to do."""
        call.session = session
        call.woken.set()
        if not call.carried:
            call.carried = True
            self._tasks.create_task(self._carry(call))

    def adopt(self, hold: Hold, leg: Leg | None) -> None:
        """Take over a call that this gateway did not authorize, or forgot in a restart."""
        session = Session(
            call_id=hold.call_id,
            account=hold.account,
            user=hold.user,
            call_type=hold.call_type,
            number=hold.number,
            rate=Rate.pinned(hold.rate),
            granted_seconds=hold.granted_seconds,
            held=hold.held,
            extension=hold.extension,
        )
        if leg and leg.answered_ms:
            answered = session.on(Answered(hold.call_id, leg.channel, leg.answered_ms))
            # Which deadline the leg carries is not known: set it.
            session = answered.seen(self._pbx.now_ms(), 0)
        _log.info("call.adopted", call=hold.call_id, state=session.state)
        call = self._calls[session.call_id] = _Call(session)
        self._change(call, session)

    def on_leg(self, event: LegEvent) -> None:
        """Take in what the PBX tells of a leg."""
        call = self._calls.get(event.call_id)
        if call is not None:
            self._change(call, call.session.on(event))
        elif isinstance(event, Ended) and self.is_asking(event.call_id):
            self._asking[event.call_id] = event
        elif isinstance(event, Ended):
            self.on_unknown_end()

    def on_credit(self, account: str) -> None:
        """Take in that an account got money: its calls in their last slice may go on."""
        for call in self._calls.values():
            if call.session.account == account:
                call.credits += 1
                self._change(call, call.session.credited())

    def on_seen(self, call_id: str) -> None:
        """Take in that a call is up now; what it carries is as before."""
        call = self._calls[call_id]
        call.session = call.session.seen(self._pbx.now_ms(), call.session.deadline_ms)

    def on_lost(self, call_id: str) -> None:
        """Take in that a call is gone and the PBX has no record of its end."""
        call = self._calls[call_id]
        _log.error("call.lost", call=call_id, seen_ms=call.session.seen_ms)
        self._change(call, call.session.lost())

    async def _carry(self, call: _Call) -> None:
        """Do what is due for one call until it is settled."""
        while True:
            call.woken.clear()
            now_ms = self._pbx.now_ms()
            due = call.session.due(now_ms, self._renew_before_ms)
            if due.at_ms is None or due.at_ms > now_ms:
                await call.wait(None if due.at_ms is None else (due.at_ms - now_ms) / 1000)
                continue
            if await self._made(call, due.move):
                call.retrying = False
            else:
                ended = due.move is Move.SETTLE
                await call.wait(_SETTLE_RETRY_SECONDS if ended else _RETRY_SECONDS)
            if call.settled:
                return

    async def _made(self, call: _Call, move: Move) -> bool:
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

    async def _move_deadline(self, call: _Call) -> None:
        paid_until_ms = call.session.paid_until_ms
        now_ms = self._pbx.now_ms()
        await self._pbx.set_deadline(call.session.channel, (paid_until_ms - now_ms) / 1000)
        call.session = call.session.seen(now_ms, paid_until_ms)

    async def _renew(self, call: _Call) -> None:
        session, credits_before = call.session, call.credits
        outcome = await self._ledger.extend(
            session.account,
            session.call_id,
            session.extension + 1,
            slices(session.rate, session.granted_seconds, self._slice_seconds),
        )
        if isinstance(outcome, Held):
            call.session = call.session.extended(outcome.granted_seconds, outcome.held)
            return
        _log.info("call.last_slice", call=session.call_id, reason=outcome.reason)
        call.session = call.session.refused()
        if call.credits != credits_before:
            # Money came while the refusal was under way.
            call.session = call.session.credited()

    async def _hang_up(self, call: _Call) -> None:
        _log.warning("call.hang_up", call=call.session.call_id)
        call.session = replace(call.session, hang_up_ms=self._pbx.now_ms())
        await self._pbx.hang_up(call.session.channel)

    async def _settle(self, call: _Call) -> None:
        session, record = call.session, call.session.record
        if record is None:
            return
        seconds, charge = session.charge()
        if record.answered_ms:
            outcome = await self._ledger.settle(
                session.account,
                session.call_id,
                charge,
                seconds=seconds,
                answered_ms=record.answered_ms,
                ended_ms=record.ended_ms,
                cause=record.cause,
            )
        else:
            outcome = await self._ledger.void(session.account, session.call_id, cause=record.cause)
        call.settled = True
        self._calls.pop(session.call_id, None)
        _log_end(session, seconds, outcome)
        try:
            await self._pbx.forget(session.call_id)
        except PbxUnavailableError:
            _log.info("record.kept", call=session.call_id)


def _first_session(
    request: CallRequest, priced: Priced, account: str, user: str, held: Held
) -> Session:
    return Session(
        call_id=request.call_id,
        account=account,
        user=user,
        call_type=request.call_type,
        number=priced.number,
        rate=priced.rate,
        granted_seconds=held.granted_seconds,
        held=held.held,
    )


def _log_end(session: Session, seconds: int, outcome: Settled | Refused) -> None:
    """Write the one line that tells a call."""
    record = session.record
    if isinstance(outcome, Settled):
        result = {
            "charge": format_amount(outcome.charged),
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
        destination=session.rate.destination,
        rate=f"{session.rate.card}:{session.rate.row}",
        answered_ms=record.answered_ms if record else 0,
        ended_ms=record.ended_ms if record else 0,
        cause=record.cause if record else 0,
        seconds=seconds,
        held=format_amount(session.held),
        currency=session.rate.currency,
        **result,
    )
