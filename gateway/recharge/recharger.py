"""Carry out the recharges that the ledger claimed."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import structlog

from gateway.ledger.events import Event, Events
from gateway.ledger.ledger import Ledger
from gateway.ledger.outcomes import LedgerUnavailableError, Refused
from gateway.ledger.statements import Statements
from gateway.money import format_amount
from gateway.recharge.providers.webhook import Charge, Reply, Status

GROUP = "recharge"
_PAUSE_SECONDS = 1.0
_PAUSE_SECONDS_MAX = 60.0

_log = structlog.get_logger()


class Provider(Protocol):
    """Takes money from an account's payment method."""

    async def charge(self, charge: Charge) -> Reply:
        """Ask for a charge; asking again with the same key never charges twice."""


class Recharger:
    """Reads the ledger's recharge events; each was claimed, with its key, by the ledger."""

    def __init__(
        self,
        ledger: Ledger,
        statements: Statements,
        readers: Sequence[Events],
        provider: Provider,
        *,
        retry_seconds: int,
    ) -> None:
        """Join the parts; nothing runs yet."""
        self._ledger = ledger
        self._statements = statements
        self._readers = readers
        self._provider = provider
        self._retry_seconds = retry_seconds

    async def run(self) -> None:
        """Carry out recharges until cancelled; what is not done then is done after a restart."""
        async with asyncio.TaskGroup() as tasks:
            for events in self._readers:
                tasks.create_task(self._read(events, tasks))

    async def _read(self, events: Events, tasks: asyncio.TaskGroup) -> None:
        async for event in events.consume(GROUP):
            if event.kind == "recharge_due":
                tasks.create_task(self._carry_out(events, event))
            else:
                await events.done(GROUP, event)

    async def _carry_out(self, events: Events, event: Event) -> None:
        """Ask until the charge is paid or declined, always with the same key."""
        charge = Charge(
            key=event.fields["key"],
            account=event.account,
            micros=int(event.fields["amount"]),
            currency=event.fields["currency"],
        )
        pause = _PAUSE_SECONDS
        while not await self._resolved(charge):
            await asyncio.sleep(pause)
            pause = min(pause * 2, _PAUSE_SECONDS_MAX)
        await events.done(GROUP, event)

    async def _resolved(self, charge: Charge) -> bool:
        try:
            statement = await self._statements.statement(charge.account)
            if statement is None or statement.recharge_key != charge.key:
                return True  # its webhook came first
            reply = await self._provider.charge(charge)
            _log.info(
                "recharge.reply",
                account=charge.account,
                key=charge.key,
                amount=format_amount(charge.micros),
                status=reply.status,
                reason=reply.reason,
            )
            match reply.status:
                case Status.SUCCEEDED:
                    granted = await self._ledger.grant(
                        charge.account, charge.key, charge.micros, charge.currency
                    )
                    if isinstance(granted, Refused):
                        _log.error("recharge.not_booked", key=charge.key, reason=granted.reason)
                    return True
                case Status.DECLINED:
                    await self._ledger.fail_recharge(
                        charge.account,
                        charge.key,
                        reply.reason,
                        pause_seconds=self._retry_seconds,
                    )
                    return True
                case _:
                    return False
        except LedgerUnavailableError as error:
            _log.warning("ledger.unavailable", key=charge.key, error=str(error))
        except Exception:  # noqa: BLE001 - one recharge must not end the others
            _log.exception("recharge.failed", key=charge.key)
        return False
