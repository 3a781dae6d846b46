"""How long credit lasts if the calls that run go on, and whether the trigger will do."""

from collections.abc import Sequence

from gateway.ledger.outcomes import NEVER_MS, Hold, Statement
from gateway.money import MICROS_PER_UNIT, format_amount
from gateway.rating.price import rate_at
from gateway.rating.terms import Terms

_PICOS_PER_MICRO = 10**12 // MICROS_PER_UNIT
_MINUTE_MS = 60_000
# A provider may take 20 s to answer, and the next slice is held up to 50 s before the one that runs
# ends: what is below the trigger must last longer than both.
_TRIGGER_MINUTES = 2


def forecast(statement: Statement, holds: Sequence[Hold]) -> dict[str, object]:
    """Write a forecast for people and programs."""
    burn = sum(_burn(hold, statement.now_ms) for hold in holds)
    wanted = burn * _TRIGGER_MINUTES
    recharge = statement.recharge
    return {
        "calls": len(holds),
        "burn_per_minute": format_amount(burn),
        "lasts_until_ms": lasts_until_ms(statement, burn),
        "trigger_too_low": recharge.amount > 0 and recharge.below < wanted,
        "trigger_at_least": format_amount(wanted),
    }


def _burn(hold: Hold, now_ms: int) -> int:
    """Give what money pays for a minute of a call, in micro-units, rounded up.

    A call that another version of the gateway allowed is taken to cost nothing.
    """
    try:
        terms = Terms.pinned(hold.rate)
    except ValueError:
        return 0
    if not terms.tariff or hold.granted_seconds == hold.pool_seconds:
        return 0
    return -(-rate_at(terms.tariff, now_ms // 1000).per_minute // _PICOS_PER_MICRO)


def lasts_until_ms(statement: Statement, burn: int) -> int | None:
    """Give when nothing is left, spent by ``burn`` a minute or lapsed; None is never.

    What calls hold is spent first; the lots that are left, in the order in which they are spent.
    """
    if burn:
        at = statement.now_ms + statement.held * _MINUTE_MS // burn
        for lot in statement.lots:
            at = max(at, min(lot.expires_ms, at + lot.available * _MINUTE_MS // burn))
        return at + max(statement.overdraft + statement.overdrawn.available, 0) * _MINUTE_MS // burn
    funded = [lot.expires_ms for lot in statement.lots if lot.available]
    last = max(funded, default=statement.now_ms)
    return None if last >= NEVER_MS else last
