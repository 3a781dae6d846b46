"""Let credit lapse on time, whether or not a call happens."""

import asyncio

import structlog

from gateway.ledger.ledger import Ledger
from gateway.ledger.outcomes import LedgerUnavailableError
from gateway.ledger.statements import Statements
from gateway.ledger.store import Store

_EVERY_SECONDS = 60
_FAILURES_MAX = 3  # in a row: it is the store

_log = structlog.get_logger()


async def keep_expiring(store: Store) -> None:
    """Look at every account now and then, until cancelled.

    One at a time, so that calls come first. Several gateways may do it at once: it is done once.
    """
    ledger, statements = Ledger(store), Statements(store)
    while True:
        for shard in store.shards:
            try:
                await _expire(ledger, await statements.accounts(shard))
            except LedgerUnavailableError as error:
                _log.warning("expiry.later", shard=shard.tag, error=str(error))
        await asyncio.sleep(_EVERY_SECONDS)


async def _expire(ledger: Ledger, accounts: list[str]) -> None:
    """Look at these accounts; one that cannot be looked at does not stand in the others' way."""
    failures = 0
    for account in accounts:
        try:
            await ledger.expire(account)
            failures = 0
        except LedgerUnavailableError as error:
            failures += 1
            _log.warning("expiry.later", account=account, error=str(error))
            if failures == _FAILURES_MAX:
                raise
