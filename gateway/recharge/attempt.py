"""One try of a recharge: ask what became of it, ask for it, and book the answer."""

from collections.abc import Callable

import structlog

from gateway.ledger.jobs import Job, Jobs
from gateway.ledger.ledger import Ledger
from gateway.ledger.outcomes import Asked, Flagged, RechargeStatus, Refused
from gateway.money import format_amount
from gateway.recharge import declines, pauses
from gateway.recharge.providers.charge import Charge, Provider, Reply, Status

# Stripe forgets an idempotency key after 24 hours, and would take the charge for a new one. What
# was asked for last has an hour to show itself before it is given up.
KEY_MS_MAX = 23 * 3600 * 1000
FOUND_MS_MAX = 24 * 3600 * 1000

_log = structlog.get_logger()


class Attempt:
    """Tries recharges, by asking one provider."""

    def __init__(
        self,
        ledger: Ledger,
        jobs: Jobs,
        provider: Provider,
        *,
        retry_seconds: int,
        chance: Callable[[], float],
    ) -> None:
        """Join the parts; ``chance`` gives random numbers from 0 to 1."""
        self._ledger = ledger
        self._jobs = jobs
        self._provider = provider
        self._retry_seconds = retry_seconds
        self._chance = chance

    async def carry_on(self, job: Job) -> None:
        """Bring a recharge as far as it goes now. Raises LedgerUnavailableError."""
        account, key = job.fields["account"], job.fields["key"]
        asked = await self._ledger.submit_recharge(account, key)
        if isinstance(asked, Refused):
            # Its webhook came first, or it was given up.
            await self._jobs.done(job)
            return
        charge = Charge(key, account, asked.micros, asked.currency, asked.method)
        reply = await self._reply(charge, asked)
        _log.info(
            "recharge.reply",
            account=account,
            key=key,
            amount=format_amount(charge.micros),
            method=charge.method,
            status=reply.status,
            reason=reply.reason,
        )
        match reply.status:
            case Status.SUCCEEDED:
                await self._pay(charge, reply)
                await self._jobs.done(job)
            case Status.DECLINED:
                await self._fail(charge, asked, reply.reason)
                await self._jobs.done(job)
            case Status.PENDING:
                pause = pauses.while_pending(job.tries, self._chance())
                await self._jobs.later(job, pause, "pending")
            case _:
                await self._ledger.doubt_recharge(account, key)
                pause = pauses.after_no_answer(job.tries, self._chance())
                await self._jobs.later(job, pause, reply.reason or reply.status)

    async def _reply(self, charge: Charge, asked: Asked) -> Reply:
        """Ask whether the charge was made, if it may have been, and for it if it was not."""
        if asked.status is not RechargeStatus.CLAIMED:
            found = await self._provider.find(charge, asked.begun_ms)
            if found.status is not Status.NOT_FOUND:
                return found
            age_ms = asked.now_ms - asked.begun_ms
            if age_ms > FOUND_MS_MAX:
                return Reply(Status.DECLINED, "no_answer")
            if age_ms > KEY_MS_MAX:
                return found
        return await self._provider.charge(charge)

    async def _pay(self, charge: Charge, reply: Reply) -> None:
        paid = await self._ledger.pay(
            charge.account, charge.key, reply.payment, reply.micros, reply.currency
        )
        if isinstance(paid, Flagged | Refused):
            _log.error(
                "recharge.not_booked_as_it_is",
                account=charge.account,
                key=charge.key,
                payment=reply.payment,
                amount=format_amount(reply.micros),
                currency=reply.currency,
                reason=paid.reason,
            )

    async def _fail(self, charge: Charge, asked: Asked, reason: str) -> None:
        await self._ledger.fail_recharge(
            charge.account,
            charge.key,
            reason,
            lasting=declines.is_lasting(reason),
            pause_seconds=pauses.after_failure(self._retry_seconds, asked.failures, self._chance()),
        )
