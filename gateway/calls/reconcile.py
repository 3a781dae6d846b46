"""Bring the ledger's holds and the PBX's channels together after anything was missed."""

import asyncio

import structlog

from gateway.calls.controller import Controller
from gateway.calls.ports import Answered, Ended, Leg, Pbx, PbxUnavailableError, Record
from gateway.ledger.outcomes import Hold, LedgerUnavailableError
from gateway.ledger.statements import Statements

EMERGENCY = "emergency_out"
_EVERY_SECONDS = 30
_AGAIN_SECONDS = 2

_log = structlog.get_logger()


class Reconciler:
    """Looks now and then, and when told to: after a start, and when the PBX is back."""

    def __init__(self, statements: Statements, pbx: Pbx, controller: Controller) -> None:
        """Join the parts; nothing runs yet."""
        self._statements = statements
        self._pbx = pbx
        self._controller = controller
        self._wanted = asyncio.Event()
        self._missing: set[str] = set()
        controller.on_unknown_end = self.want

    def want(self) -> None:
        """Ask for a look soon."""
        self._wanted.set()

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
                pause = _AGAIN_SECONDS if self._missing else _EVERY_SECONDS
            except PbxUnavailableError:
                pause = _EVERY_SECONDS  # it is wanted again once the PBX is back
            except LedgerUnavailableError as error:
                _log.warning("reconcile.later", error=str(error))
                pause = _AGAIN_SECONDS
            except Exception:  # noqa: BLE001 - what one look stumbles over must not end the calls
                _log.exception("reconcile.failed")
                pause = _EVERY_SECONDS

    async def _look(self) -> None:
        # The order carries the proof.
        # Records before holds: a record whose hold is not there was settled already.
        # Holds before legs before records: a hold that has neither leg nor record has lost its leg.
        before = await self._pbx.records()
        holds = {hold.call_id: hold for hold in await self._statements.live_holds()}
        legs = _by_call(await self._pbx.legs())
        records = await self._pbx.records()
        missing = set()
        for call_id, hold in holds.items():
            if self._controller.is_asking(call_id):
                continue  # what it holds in all is not known yet
            try:
                if not self._find(hold, legs.get(call_id), records.get(call_id)):
                    missing.add(call_id)
            except Exception:  # noqa: BLE001 - one hold that cannot be read must not end the others
                _log.exception("hold.failed", call=call_id)
        self._missing = missing
        for call_id, record in before.items():
            if call_id not in holds and not self._controller.is_asking(call_id):
                await self._forget(call_id, record)

    def _find(self, hold: Hold, leg: Leg | None, record: Record | None) -> bool:
        """Bring a hold and what the PBX has of its call together, or say that it has nothing."""
        # Twice missing is lost: a channel may be gone an instant before its record is there.
        lost = hold.call_id in self._missing
        if not (record or leg or lost):
            return False
        if not self._controller.is_carried(hold.call_id):
            self._controller.adopt(hold, None if record else leg)
        if record:
            self._controller.on_leg(Ended(hold.call_id, record))
        elif leg is None:
            self._controller.on_lost(hold.call_id)
        elif leg.answered_ms:
            self._controller.on_leg(Answered(hold.call_id, leg.channel, leg.answered_ms))
            self._controller.on_seen(hold.call_id)
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
    return {leg.call_id: leg for leg in sorted(legs, key=lambda leg: leg.answered_ms)}
