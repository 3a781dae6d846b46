"""The kinds of notices."""

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from enum import StrEnum


class Kind(StrEnum):
    """What a notice is about; the ledger's event that causes it has the same name."""

    RECHARGED = "recharged"
    RECHARGE_FAILED = "recharge_failed"
    RECHARGE_CAPPED = "recharge_capped"
    SUSPENDED = "suspended"
    LOW = "low"
    EXHAUSTED = "exhausted"
    LOT_EXPIRING = "lot_expiring"
    POOL_USED = "pool_used"
    PAYMENT_FLAGGED = "payment_flagged"


def counts_as(kind: Kind, fields: Mapping[str, str]) -> AbstractSet[Kind]:
    """Give the kinds that a recipient may have asked for to be told of this event."""
    if kind is Kind.RECHARGE_CAPPED:
        return {kind, Kind.RECHARGE_FAILED}
    if kind is Kind.RECHARGE_FAILED and fields["next"] == "suspended":
        return {kind, Kind.SUSPENDED}
    return {kind}
