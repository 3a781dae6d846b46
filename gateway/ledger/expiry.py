"""Let credit lapse on time, whether or not a call happens."""

import asyncio

import structlog

from gateway.ledger.ledger import Ledger
from gateway.ledger.outcomes import LedgerUnavailableError
from gateway.ledger.statements import Statements

_EVERY_SECONDS = 60

_log = structlog.get_logger()


async def keep_expiring(ledger: Ledger, statements: Statements) -> None:
    """Look at every account now and then, until cancelled.

    One at a time, so that calls come first. Several gateways may do it at once: it is done once.
    """
    while True:
        try:
            for account in await statements.accounts():
                await ledger.expire(account)
        except LedgerUnavailableError as error:
            _log.warning("expiry.later", error=str(error))
        await asyncio.sleep(_EVERY_SECONDS)
