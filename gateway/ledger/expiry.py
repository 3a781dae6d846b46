"""Let credit lapse on time, whether or not a call happens."""

import asyncio

import structlog

from gateway.ledger.leases import Leases
from gateway.ledger.ledger import Ledger
from gateway.ledger.outcomes import LedgerUnavailableError
from gateway.ledger.statements import Statements
from gateway.ledger.store import Store

_EVERY_SECONDS = 60
_FAILURES_MAX = 3  # in a row: it is the store
_LEASE = "expiry"
# Longer than the pause between looks, so that the gateway that looks goes on looking.
_LEASE_MS = 90_000
_RENEW_ACCOUNTS = 1000  # far less than what is looked at while a lease lasts

_log = structlog.get_logger()


async def keep_expiring(store: Store) -> None:
    """Look at every account now and then, until cancelled, unless another gateway does.

    One account at a time, so that calls come first.
    """
    look = _Look(store)
    while True:
        await look.at_all()
        await asyncio.sleep(_EVERY_SECONDS)


class _Look:
    """Looks at accounts: lots lapse, warnings are told, recharges that may begin now do."""

    def __init__(self, store: Store) -> None:
        self._shards = store.shards
        self._ledger, self._statements = Ledger(store), Statements(store)
        self._leases = Leases(store, "duty")

    async def at_all(self) -> None:
        for shard in self._shards:
            try:
                if not await self._is_here():
                    return
                await self._at(await self._statements.accounts(shard))
            except LedgerUnavailableError as error:
                _log.warning("expiry.later", shard=shard.tag, error=str(error))

    async def _is_here(self) -> bool:
        """Tell whether this gateway is the one that looks.

        While the lease's server is away nobody knows: what several do at once is done once.
        """
        try:
            return await self._leases.take(_LEASE, _LEASE_MS)
        except LedgerUnavailableError:
            return True

    async def _at(self, accounts: list[str]) -> None:
        """Look at these accounts; one that cannot be looked at does not stand in others' way."""
        failures = 0
        for number, account in enumerate(accounts, start=1):
            try:
                await self._ledger.expire(account)
                failures = 0
            except LedgerUnavailableError as error:
                failures += 1
                _log.warning("expiry.later", account=account, error=str(error))
                if failures == _FAILURES_MAX:
                    raise
            if number % _RENEW_ACCOUNTS == 0 and not await self._is_here():
                return
