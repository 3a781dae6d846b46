"""Let credit lapse on time, whether or not a call happens."""

import asyncio

import structlog

from gateway.ledger.ledger import Ledger
from gateway.ledger.outcomes import LedgerUnavailableError
from gateway.ledger.statements import Statements
from gateway.ledger.store import Store

_EVERY_SECONDS = 60

_log = structlog.get_logger()


async def keep_expiring(store: Store) -> None:
    """Look at every account now and then, until cancelled.

    One at a time, so that calls come first. Several gateways may do it at once: it is done once.
    """
    ledger, statements = Ledger(store), Statements(store)
    while True:
        for shard in store.shards:
            try:
                for account in await statements.accounts(shard):
                    await ledger.expire(account)
            except LedgerUnavailableError as error:
                _log.warning("expiry.later", shard=shard.tag, error=str(error))
        await asyncio.sleep(_EVERY_SECONDS)
