"""Authorize calls, and give each live one to a task that carries it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from gateway.calls.carrier import Carrier, LiveCall
from gateway.calls.decider import Decided, Decider
from gateway.calls.ports import Answered, CallRequest, Ended, Leg, LegEvent, Pbx
from gateway.calls.session import Session
from gateway.ledger.ledger import Ledger
from gateway.ledger.outcomes import Held, Hold, LedgerUnavailableError, Refused
from gateway.ledger.statements import DECIDE_SECONDS_MAX, Statements
from gateway.money import format_amount
from gateway.rating.case import Case
from gateway.rating.decision import Decision
from gateway.rating.steps import Reason, Step
from gateway.rating.terms import Terms

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Allowed:
    """The call may ring; the PBX ends it after ``granted_seconds`` unless it is told otherwise."""

    granted_seconds: int
    number: str


@dataclass(frozen=True, slots=True)
class Emergency:
    """The number is to be connected at once, without a deadline; nothing is held."""

    number: str


Answer = Allowed | Emergency | Reason


class Controller:
    """The live calls of a PBX. `run` owns their tasks."""

    def __init__(
        self,
        ledger: Ledger,
        decider: Decider,
        statements: Statements,
        pbx: Pbx,
        *,
        slice_seconds: int,
        renew_before_seconds: int,
    ) -> None:
        """Join the parts; nothing runs yet."""
        self._ledger = ledger
        self._decider = decider
        self._statements = statements
        self._pbx = pbx
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

    async def authorize(self, request: CallRequest) -> Answer:
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
        return answer

    async def _authorize(self, request: CallRequest) -> Answer:
        decided = await self._decider.decide(request)
        decision = decided.decision
        if decision.step is Step.EMERGENCY:
            _log.warning(
                "call.emergency_asked",
                call=request.call_id,
                account=request.account,
                user=request.user,
                number=decided.number,
            )
            return Emergency(decided.number)
        if decision.reason is Reason.RATING_FAULT or decision.step is Step.FREECALL:
            _log.error("rating.fault", call=request.call_id, error=decision.looks[-1].says)
        refusal = _refusal_of(decision)
        if decision.terms and decided.case:
            held = await self._hold(request, decided, decided.case, decision.terms)
            if isinstance(held, Held):
                return await self._allowed(request, decided, decision.terms, held)
            refusal = held
            if held.reason == Reason.NO_RATE:
                # Others have used the pool up meanwhile, and money has no rate to pay by.
                refusal = Refused(decision.otherwise)
        return await self._again(request, decided) or _refused(request, decided, refusal)

    async def _allowed(
        self, request: CallRequest, decided: Decided, terms: Terms, held: Held
    ) -> Allowed:
        session = _first_session(request, decided, terms, held)
        slice_seconds = min(self._carrier.slice_seconds, terms.seconds_max)
        if 0 < session.pool_seconds < slice_seconds and terms.tariff:
            # The pool had less than a slice left: let money follow at once. Else the next slice is
            # due within seconds of the answer, and a PBX that tells of that late cuts the call.
            more = await self._carrier.extend(session)
            if isinstance(more, Held):
                held = more
                session = session.extended(held.granted_seconds, held.held, held.pool_seconds)
            else:
                session = session.refused()
        # Asked twice, or found by the reconciler meanwhile, it is the call that is known already.
        self._calls.setdefault(session.call_id, LiveCall(session))
        _log_allowed(session, decided.decision, held)
        return Allowed(session.granted_seconds, decided.number)

    async def _again(self, request: CallRequest, decided: Decided) -> Answer | None:
        """Answer for a call that lives already as before, whatever was used up or published since.

        Nothing if there is no such call.
        """
        call = self._calls.get(request.call_id)
        if call is None and decided.account:
            hold = await self._statements.hold(decided.account, request.call_id)
            call = self.adopt(hold, None) if hold else None
        if call is None:
            return None
        session = call.session
        asked = (decided.account, decided.user, request.call_type, decided.number)
        known = (session.account, session.user, session.call_type, session.number)
        if session.ended or asked != known:
            return _refused(request, decided, Refused(Reason.CONFLICT))
        return Allowed(session.granted_seconds, session.number)

    async def _hold(
        self, request: CallRequest, decided: Decided, case: Case, terms: Terms
    ) -> Held | Refused:
        return await self._ledger.hold(
            decided.account,
            request.call_id,
            decided.decision.slices,
            user=decided.user,
            call_type=request.call_type,
            number=decided.number,
            rate=terms.pin(),
            currency=terms.currency,
            prefix=case.prefix,
            day=case.periods.day,
            month=case.periods.month,
            seconds_max=DECIDE_SECONDS_MAX,
            pool=terms.pool,
        )

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

    def adopt(self, hold: Hold, leg: Leg | None) -> LiveCall:
        """Take over a call that this gateway did not authorize, or forgot in a restart."""
        session = Session(
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
        )
        if leg and leg.answered_ms:
            answered = session.on(Answered(hold.call_id, leg.channel, leg.answered_ms))
            # Which deadline the leg carries is not known: set it.
            session = answered.seen(self._pbx.now_ms(), 0)
        _log.info("call.adopted", call=hold.call_id, state=session.state)
        call = self._calls[session.call_id] = LiveCall(session)
        self._change(call, session)
        return call

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


def _first_session(request: CallRequest, decided: Decided, terms: Terms, held: Held) -> Session:
    return Session(
        call_id=request.call_id,
        account=decided.account,
        user=decided.user,
        call_type=request.call_type,
        number=decided.number,
        terms=terms,
        granted_seconds=held.granted_seconds,
        held=held.held,
        pool_seconds=held.pool_seconds,
    )


def _log_allowed(session: Session, decision: Decision, held: Held) -> None:
    """Tell why a call may be made, and what that took of the balance (rule D8)."""
    # The pool that the decision saw may have been used up by others meanwhile.
    step = decision.step if held.pool_seconds else Step.CREDIT
    _log.info(
        "call.allowed",
        call=session.call_id,
        type=session.call_type,
        account=session.account,
        user=session.user,
        number=session.number,
        step=step,
        rate=session.terms.rate,
        pool=session.terms.pool.name if held.pool_seconds and session.terms.pool else "",
        seconds=held.granted_seconds,
        held=format_amount(held.held),
        available_before=format_amount(held.available + held.held),
        available=format_amount(held.available),
    )


def _refusal_of(decision: Decision) -> Refused:
    last = decision.looks[-1]
    return Refused(last.reason or Reason.NO_CREDIT, limit_of=last.limit_of)


def _refused(request: CallRequest, decided: Decided, refusal: Refused) -> Reason:
    """Tell why a call may not be made: what the decision said, or what the ledger has left."""
    decision = decided.decision
    if decision.reason:
        said = {"step": decision.step, "says": decision.looks[-1].says}
    else:
        counted = refusal.reason in (Reason.LIMIT_CALLS, Reason.LIMIT_PER_MINUTE)
        step = Step.POLICY if counted else Step.DENY
        said = {"step": step, "available": format_amount(refusal.available)}
    _log.info(
        "call.refused",
        call=request.call_id,
        type=request.call_type,
        account=decided.account or request.account,
        user=request.user,
        dialed=request.dialed,
        reason=refusal.reason,
        limit_of=refusal.limit_of,
        **said,
    )
    return Reason(refusal.reason)
