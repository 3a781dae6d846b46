"""Authorize calls, and give each live one to a task that carries it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from gateway.calls.carrier import Carrier, LiveCall
from gateway.calls.ports import Answered, CallRequest, Ended, Leg, LegEvent, Pbx
from gateway.calls.session import Session
from gateway.ledger.ledger import Ledger
from gateway.ledger.outcomes import Held, Hold, LedgerUnavailableError, Refused
from gateway.ledger.statements import Statements
from gateway.rating.decision import CallType, Cards, Priced, Reason, decide
from gateway.rating.price import Rate

# The caller hears nothing meanwhile, and the dialplan does not wait much longer.
AUTHORIZE_SECONDS_MAX = 2.0

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Allowed:
    """The call may ring; the PBX ends it after ``granted_seconds`` unless it is told otherwise."""

    granted_seconds: int
    number: str


class Controller:
    """The live calls of a PBX. `run` owns their tasks."""

    def __init__(
        self,
        ledger: Ledger,
        statements: Statements,
        pbx: Pbx,
        cards: Cards,
        *,
        slice_seconds: int,
        renew_before_seconds: int,
    ) -> None:
        """Join the parts; nothing runs yet."""
        self._ledger = ledger
        self._statements = statements
        self._pbx = pbx
        self._cards = cards
        self._slice_seconds = slice_seconds
        self._carrier = Carrier(ledger, pbx, slice_seconds, renew_before_seconds * 1000)
        self._calls: dict[str, LiveCall] = {}
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

    def is_carried(self, call_id: str) -> bool:
        """Tell whether a call is known here."""
        return call_id in self._calls

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
            ended = self._asking.pop(request.call_id, None)
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
            account, user = await self._statements.owner_of(priced.number) or "", ""
        elif not user:
            return Reason.UNKNOWN_USER
        if not account:
            return Reason.UNKNOWN_ACCOUNT
        carried = self._calls.get(request.call_id)
        if carried and carried.session.account != account:
            return Reason.CONFLICT
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
        self._calls.setdefault(session.call_id, LiveCall(session))
        return Allowed(held.granted_seconds, priced.number)

    def _change(self, call: LiveCall, session: Session) -> None:
        """Let the call's task see a change; before the first one there is nothing to do."""
        call.session = session
        call.woken.set()
        if not call.carried:
            call.carried = True
            self._tasks.create_task(self._carry(call))

    async def _carry(self, call: LiveCall) -> None:
        await self._carrier.carry(call)
        self._calls.pop(call.session.call_id, None)

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
        call = self._calls[session.call_id] = LiveCall(session)
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
