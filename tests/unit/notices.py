"""One event of each kind, as the ledger writes it."""

from collections.abc import Mapping

from gateway.notices.kinds import Kind
from gateway.notices.notice import Notice

AT_MS = 1_795_515_000_000  # 24 Nov 2026, 10:10 UTC
BALANCE = {"available": "12500000", "held": "22500"}
EVENTS: Mapping[Kind, Mapping[str, str]] = {
    Kind.RECHARGED: {
        "key": "recharge-contoso-1",
        "payment": "pay_1",
        "micros": "200000000",
        "expires": "1827051000000",
        "method": "pm_backup",
        "declined": "",
    },
    Kind.RECHARGE_FAILED: {
        "key": "recharge-contoso-1",
        "reason": "card_expired",
        "micros": "200000000",
        "next": "suspended",
        "after": "0",
        "declined": "",
    },
    Kind.RECHARGE_CAPPED: {"limit": "day"},
    Kind.SUSPENDED: {"reason": "by_admin"},
    Kind.LOW: {"below": "40000000"},
    Kind.EXHAUSTED: {"left": "nothing", "needed": "22500", "recharge": "suspended"},
    Kind.LOT_EXPIRING: {
        "lot": "paid-1795420800123-invoice-17",
        "micros": "20000000",
        "expires": "1796119800000",
        "days": "7",
    },
    Kind.POOL_USED: {
        "pool": "domestic-120:domestic:DE:2026-11",
        "percent": "80",
        "seconds": "5760",
        "size": "7200",
    },
    Kind.PAYMENT_FLAGGED: {
        "payment": "pay_9",
        "key": "recharge-contoso-1",
        "reason": "amount_differs",
        "micros": "150000000",
        "currency": "EUR",
        "asked": "200000000",
    },
}


def notice(kind: Kind, to: str = "ops@contoso.example", **other: str) -> Notice:
    """Give a notice of this kind, with other words than the event of each kind."""
    fields = {**BALANCE, **EVENTS[kind], **other}
    return Notice("1795515000000-0-abc", to, kind, "contoso", AT_MS, "USD", fields)
