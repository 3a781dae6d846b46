"""Authorize calls: decide each, and hold its first slice. Any gateway answers any PBX."""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from gateway import names
from gateway.calls.carrier import extend
from gateway.calls.controller import Controller
from gateway.calls.decider import Decided, Decider
from gateway.calls.ports import CallRequest
from gateway.calls.session import Session
from gateway.ledger.ledger import Ledger
from gateway.ledger.outcomes import Held, Hold, Refused
from gateway.ledger.statements import DECIDE_SECONDS_MAX, Statements
from gateway.money import format_amount
from gateway.rating.case import Case
from gateway.rating.decision import Decision
from gateway.rating.steps import Reason, Step
from gateway.rating.terms import Terms

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Allowed:
    """The call may ring; the PBX ends it after ``granted_seconds`` unless it is told otherwise.

    ``account`` is the one that pays.
    """

    granted_seconds: int
    number: str
    account: str


@dataclass(frozen=True, slots=True)
class Emergency:
    """The number is to be connected at once, without a deadline; nothing is held."""

    number: str


Answer = Allowed | Emergency | Reason


@dataclass(frozen=True, slots=True)
class Authorizer:
    """Answers for the calls of all PBXes; ``controllers`` has what is known of each, by name."""

    ledger: Ledger
    decider: Decider
    statements: Statements
    controllers: Mapping[str, Controller]
    slice_seconds: int

    async def authorize(self, request: CallRequest) -> Answer:
        """Decide a call, and hold its first slice if it may be made.

        Raises LedgerUnavailableError.
        """
        controller = self.controllers.get(names.pbx_of(request.call_id))
        if controller is None:
            # Nobody would ever extend or settle it.
            _log.error("pbx.unknown", call=request.call_id, known=sorted(self.controllers))
            return Reason.BAD_CALL_ID
        with controller.asking(request.call_id):
            return await self._authorize(request, controller)

    async def quote(self, request: CallRequest) -> Answer:
        """Tell whether a call might be made now; nothing is held. Raises LedgerUnavailableError."""
        decided = await self.decider.quote(request)
        decision = decided.decision
        if decision.step is Step.EMERGENCY:
            return Emergency(decided.number)
        if decision.reason:
            return _refused(request, decided, _refusal_of(decision))
        return Allowed(decision.seconds, decided.number, decided.account)

    async def _authorize(self, request: CallRequest, controller: Controller) -> Answer:
        decided = await self.decider.decide(request)
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
                session = await self._begun(request, decided, decision.terms, held)
                controller.begin(session)
                return Allowed(session.granted_seconds, session.number, session.account)
            refusal = held
            if held.reason == Reason.NO_RATE:
                # Others have used the pool up meanwhile, and money has no rate to pay by.
                refusal = Refused(decision.otherwise)
        again = await self._again(request, decided, controller)
        return again or _refused(request, decided, refusal)

    async def _begun(
        self, request: CallRequest, decided: Decided, terms: Terms, held: Held
    ) -> Session:
        session = _first_session(request, decided, terms, held)
        slice_seconds = min(self.slice_seconds, terms.seconds_max)
        if 0 < session.pool_seconds < slice_seconds and terms.tariff:
            # The pool had less than a slice left: let money follow at once. Else the next slice is
            # due within seconds of the answer, and a PBX that tells of that late cuts the call.
            now_ms = time.time_ns() // 10**6
            more = await extend(self.ledger, session, now_ms, self.slice_seconds)
            if isinstance(more, Held):
                held = more
                session = session.extended(1, held)
            else:
                session = session.refused(now_ms)
        _log_allowed(session, decided.decision, held)
        return session

    async def cover(self, session: Session, now_ms: int) -> Hold | None:
        """Hold for a call that was answered long ago until now is paid for, or credit is used up.

        Gives its hold; nothing if it is closed meanwhile.
        """
        while session.paid_until_ms <= now_ms:
            more = await extend(self.ledger, session, now_ms, self.slice_seconds)
            if isinstance(more, Refused):
                break
            session = session.extended(session.extension + 1, more)
        return await self.statements.hold(session.account, session.call_id)

    async def _again(
        self, request: CallRequest, decided: Decided, controller: Controller
    ) -> Answer | None:
        """Answer for a call that lives already as before, whatever was used up or published since.

        Nothing if there is no such call.
        """
        session = controller.session(request.call_id)
        if session is None and decided.account:
            hold = await self.statements.hold(decided.account, request.call_id)
            session = Session.of(hold) if hold else None
        if session is None:
            return None
        asked = (decided.account, decided.user, request.call_type, decided.number)
        known = (session.account, session.user, session.call_type, session.number)
        if session.ended or asked != known:
            return _refused(request, decided, Refused(Reason.CONFLICT))
        return Allowed(session.granted_seconds, session.number, session.account)

    async def _hold(
        self, request: CallRequest, decided: Decided, case: Case, terms: Terms
    ) -> Held | Refused:
        return await self.ledger.hold(
            decided.account,
            request.call_id,
            decided.decision.slices,
            user=decided.user,
            call_type=request.call_type,
            number=decided.number,
            caller=request.caller,
            conference=request.conference,
            rate=terms.pin(),
            currency=terms.currency,
            prefix=case.prefix,
            day=case.periods.day,
            month=case.periods.month,
            seconds_max=DECIDE_SECONDS_MAX,
            pool=terms.pool,
        )


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
