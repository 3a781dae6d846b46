"""The live calls of a PBX: each has a task that carries it."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from gateway.calls.carrier import Carrier, LiveCall
from gateway.calls.ports import Ended, Lease, Leg, LegEvent, Pbx
from gateway.calls.session import Pace, Session
from gateway.ledger.ledger import Ledger
from gateway.ledger.outcomes import Hold, LedgerUnavailableError
from gateway.ledger.statements import Statements

_log = structlog.get_logger()


class Controller:
    """What the gateway knows of a PBX's calls while it follows that PBX, which `run` is."""

    def __init__(
        self,
        ledger: Ledger,
        statements: Statements,
        pbx: Pbx,
        pace: Pace,
        lease: Lease,
    ) -> None:
        """Join the parts; nothing runs yet."""
        self._statements = statements
        self._pbx = pbx
        self._carrier = Carrier(ledger, statements, pbx, pace, lease, self._ask_for_look)
        self._calls: dict[str, LiveCall] = {}
        # Calls that are being asked for, or looked up, and what the PBX tells of them meanwhile.
        self._awaited: dict[str, list[LegEvent]] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self.look: Callable[[], None] = lambda: None
        """Asks for a look at what the PBX has, soon."""

    def _ask_for_look(self) -> None:
        self.look()

    async def run(self) -> None:
        """Own the calls' tasks until cancelled. The calls themselves go on in the PBX."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                try:
                    await asyncio.Event().wait()
                finally:
                    self._tasks = None  # what comes from now on is for whoever follows next
        finally:
            self._calls.clear()

    @contextmanager
    def asking(self, call_id: str) -> Iterator[None]:
        """Keep what the PBX tells of a call while it is asked for: its hold is not there yet."""
        self._awaited.setdefault(call_id, [])
        try:
            yield
        finally:
            for event in self._awaited.pop(call_id, []):
                self.on_leg(event)

    def is_awaited(self, call_id: str) -> bool:
        """Tell whether what a call holds is not known yet."""
        return call_id in self._awaited

    def session(self, call_id: str) -> Session | None:
        """Give a live call, if it is known here."""
        call = self._calls.get(call_id)
        return call.session if call else None

    def sessions(self) -> list[Session]:
        """List the live calls."""
        return [call.session for call in self._calls.values()]

    def begin(self, session: Session) -> None:
        """Take in a call that may ring, if its PBX is followed here.

        Asked twice, or found meanwhile, it is the call that is known already.
        """
        if self._tasks:
            self._calls.setdefault(session.call_id, LiveCall(session))

    def adopt(self, hold: Hold, leg: Leg | None) -> None:
        """Take over a call that this gateway did not authorize, or forgot in a restart."""
        session = Session.of(hold)
        if leg:
            session = session.found(leg, self._pbx.now_ms())
        _log.info("call.adopted", call=hold.call_id, state=session.state)
        call = self._calls[session.call_id] = LiveCall(session)
        self._change(call, session)

    def on_leg(self, event: LegEvent) -> None:
        """Take in what the PBX tells of a leg."""
        call = self._calls.get(event.call_id)
        if call:
            self._change(call, call.session.on(event))
        elif event.call_id in self._awaited:
            self._awaited[event.call_id].append(event)
        elif event.account and self._tasks:
            # Another gateway was asked for it.
            self._awaited[event.call_id] = [event]
            self._tasks.create_task(self._look_up(event.account, event.call_id))
        elif isinstance(event, Ended):
            self.look()

    async def _look_up(self, account: str, call_id: str) -> None:
        """Adopt a call that another gateway authorized, and hear what was told of it."""
        hold = None
        try:
            hold = await self._statements.hold(account, call_id)
        except (LedgerUnavailableError, ValueError) as error:
            _log.warning("call.not_looked_up", call=call_id, error=str(error))
        finally:
            told = self._awaited.pop(call_id, [])
        if hold is None:
            self.look()
            return
        if call_id not in self._calls:
            self.adopt(hold, None)
        for event in told:
            self.on_leg(event)

    def on_found(self, hold: Hold, leg: Leg) -> None:
        """Take in that a call is up now, and what the store has of it."""
        call = self._calls.get(hold.call_id)
        if call is None:
            self.adopt(hold, leg)
            return
        session, now_ms = call.session, self._pbx.now_ms()
        if session.is_behind(hold):
            session = session.synced(hold)
        if session.channel and session.answered_ms:
            session = session.moved(leg).seen(now_ms, session.deadline_ms if leg.timed else 0)
        else:
            session = session.found(leg, now_ms)
        self._change(call, session)

    def drop(self, call_id: str) -> None:
        """Let a call go that the store has closed, and the PBX ended."""
        call = self._calls.pop(call_id, None)
        if call:
            _log.warning("call.dropped", call=call_id, state=call.session.state)
            call.settled = True
            call.woken.set()

    def on_ended(self, hold: Hold, ended: Ended) -> None:
        """Take in that a call is over whose end may have been missed."""
        if hold.call_id not in self._calls:
            self.adopt(hold, None)
        self.on_leg(ended)

    def on_lost(self, hold: Hold) -> None:
        """Take in that a call is gone and the PBX has no record of its end."""
        if hold.call_id not in self._calls:
            self.adopt(hold, None)
        call = self._calls[hold.call_id]
        _log.error("call.lost", call=hold.call_id, seen_ms=call.session.seen_ms)
        self._change(call, call.session.lost())

    def on_credit(self, account: str) -> None:
        """Take in that an account got money: its calls in their last slice may go on."""
        for call in list(self._calls.values()):
            if call.session.account == account:
                call.credits += 1
                self._change(call, call.session.credited())

    def on_clock(self) -> None:
        """Take in that the PBX's clock jumped, and with it the deadlines that it carries."""
        for call in list(self._calls.values()):
            if call.session.answered_ms:
                self._change(call, call.session.seen(call.session.seen_ms, 0))

    def on_booted(self) -> None:
        """Take in that the PBX is there, and that things may have been missed."""
        self.look()

    def on_transfer(self) -> None:
        """Take in that channels took the places of others, maybe without their deadlines."""
        if any(call.session.answered_ms for call in self._calls.values()):
            self.look()

    def _change(self, call: LiveCall, session: Session) -> None:
        """Let the call's task see a change; before the first one there is nothing to do."""
        call.session = session
        call.woken.set()
        if not call.carried and self._tasks:
            call.carried = True
            self._tasks.create_task(self._carry(call))

    async def _carry(self, call: LiveCall) -> None:
        await self._carrier.carry(call)
        self._calls.pop(call.session.call_id, None)
