"""Bring the ledger's holds and the PBX's channels together after anything was missed."""

import asyncio
from typing import Literal

import structlog

from gateway import names
from gateway.calls.authorizer import Allowed, Authorizer
from gateway.calls.controller import Controller
from gateway.calls.ports import (
    CallRequest,
    ChannelGoneError,
    Ended,
    Leg,
    Pbx,
    PbxUnavailableError,
    Record,
)
from gateway.calls.session import Session
from gateway.ledger.outcomes import Hold, LedgerUnavailableError
from gateway.ledger.statements import Statements

EMERGENCY = "emergency_out"
_EVERY_SECONDS = 30
_AGAIN_SECONDS = 2
_LEAST_SECONDS = 1

OnUnknown = Literal["hang_up", "adopt"]

_log = structlog.get_logger()


class Reconciler:
    """Looks at one PBX now and then, and when told to: after a start, and when it is back."""

    def __init__(
        self,
        pbx_name: str,
        pbx: Pbx,
        controller: Controller,
        statements: Statements,
        *,
        authorizer: Authorizer,
        on_unknown: OnUnknown,
    ) -> None:
        """Join the parts; nothing runs yet."""
        self._pbx_name = pbx_name
        self._pbx = pbx
        self._controller = controller
        self._statements = statements
        self._authorizer = authorizer
        self._on_unknown = on_unknown
        self._wanted = asyncio.Event()
        # Seen once: holds without anything on the PBX, and paid legs without a hold.
        self._missing: set[str] = set()
        self._unknown: set[str] = set()
        # Known here once without a hold.
        self._closed: set[str] = set()
        controller.look = self._wanted.set

    async def run(self) -> None:
        """Look when it is wanted, and now and then, until cancelled."""
        pause = _EVERY_SECONDS
        while True:
            try:
                async with asyncio.timeout(pause):
                    await self._wanted.wait()
            except TimeoutError:
                _log.debug("reconcile.unasked")
            self._wanted.clear()
            try:
                await self._look()
                # One for all who want another one meanwhile.
                await asyncio.sleep(_LEAST_SECONDS)
                again = self._missing or self._unknown or self._closed
                pause = _AGAIN_SECONDS if again else _EVERY_SECONDS
            except PbxUnavailableError:
                pause = _EVERY_SECONDS  # it is wanted again once the PBX is back
            except LedgerUnavailableError as error:
                _log.warning("reconcile.later", error=str(error))
                pause = _AGAIN_SECONDS
            except Exception:  # noqa: BLE001 - what one look stumbles over must not end the calls
                _log.exception("reconcile.failed")
                pause = _EVERY_SECONDS

    async def _look(self) -> None:
        known = {session.call_id for session in self._controller.sessions()}
        # The order carries the proof.
        # Records before holds: a record whose hold is not there was settled already.
        # Holds before legs before records: a hold that has neither leg nor record has lost its leg.
        before = await self._pbx.records()
        holds = {
            hold.call_id: hold
            for hold in await self._statements.live_holds()
            if names.pbx_of(hold.call_id) == self._pbx_name
        }
        found = await self._pbx.legs()
        legs = _by_call(found)
        records = await self._pbx.records()
        missing = set()
        for call_id, hold in holds.items():
            if self._controller.is_awaited(call_id):
                continue  # what it holds in all is not known yet
            try:
                if not self._find(hold, legs.get(call_id), records.get(call_id)):
                    missing.add(call_id)
            except Exception:  # noqa: BLE001 - one hold that cannot be read must not end the others
                _log.exception("hold.failed", call=call_id)
        self._missing = missing
        closed = {
            call_id
            for call_id in known - holds.keys() - legs.keys() - records.keys()
            if not self._controller.is_awaited(call_id)
        }
        for call_id in closed & self._closed:
            self._controller.drop(call_id)
        self._closed = closed
        unknown = [
            leg
            for leg in found
            if leg.paid and leg.call_type != EMERGENCY and leg.call_id not in holds | records
        ]
        await self._deal_with(unknown)
        for call_id, record in before.items():
            if call_id not in holds and not self._controller.is_awaited(call_id):
                await self._forget(call_id, record)

    def _find(self, hold: Hold, leg: Leg | None, record: Record | None) -> bool:
        """Bring a hold and what the PBX has of its call together, or say that it has nothing."""
        session = self._controller.session(hold.call_id) or Session.of(hold)
        if record:
            self._controller.on_ended(hold, Ended(hold.call_id, record))
        elif leg and (leg.paid or not session.answered_ms):
            self._controller.on_found(hold, leg)
        elif hold.call_id in self._missing:
            # Twice missing is lost: a channel may be gone an instant before its record is there.
            self._controller.on_lost(hold)
        else:
            return False
        return True

    async def _deal_with(self, unknown: list[Leg]) -> None:
        """Hang up, or hold for, paid legs that nobody holds anything for.

        Once is not enough: another gateway may have held for a leg after the holds were read, and
        one that has just been settled may be there for another instant.
        """
        seen_before, self._unknown = self._unknown, {leg.channel for leg in unknown}
        for leg in unknown:
            if leg.channel not in seen_before or self._controller.is_awaited(leg.call_id):
                continue
            if self._on_unknown == "adopt" and await self._adopt(leg):
                continue
            _log.error("call.unknown", call=leg.call_id, channel=leg.channel, account=leg.account)
            try:
                await self._pbx.hang_up(leg.channel)
            except ChannelGoneError:
                _log.info("call.gone", call=leg.call_id)

    async def _adopt(self, leg: Leg) -> bool:
        """Hold for a leg what it has talked already, and go on from there."""
        request = CallRequest(leg.call_id, leg.call_type, leg.account, leg.user, leg.number)
        if not isinstance(await self._authorizer.authorize(request), Allowed):
            return False
        hold = await self._statements.hold(leg.account, leg.call_id)
        if hold is None:
            return False
        now_ms = self._pbx.now_ms()
        session = Session.of(hold).found(leg, now_ms)
        hold = await self._authorizer.cover(session, now_ms) or hold
        # If that does not cover what was talked, it is hung up as any other that is used up.
        self._controller.on_found(hold, leg)
        return True

    async def _forget(self, call_id: str, record: Record) -> None:
        if record.call_type == EMERGENCY:
            _log.info(
                "call.emergency",
                call=call_id,
                answered_ms=record.answered_ms,
                ended_ms=record.ended_ms,
                cause=record.cause,
            )
        await self._pbx.forget(call_id)


def _by_call(legs: list[Leg]) -> dict[str, Leg]:
    """Give one leg a call: the paid leg that was answered, if there is one."""
    return {leg.call_id: leg for leg in sorted(legs, key=lambda leg: (leg.answered_ms, leg.paid))}
