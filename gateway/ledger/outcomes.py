"""What the ledger answers: refusals are values; only what is broken is an exception."""

from dataclasses import dataclass


class LedgerUnavailableError(Exception):
    """The store gave no usable answer in time: whether the operation was done is unknown.

    Ask again with the same operation; it has its effect once.
    """


@dataclass(frozen=True, slots=True)
class Held:
    """Money is held for the call's first ``granted_seconds``; amounts in micro-units."""

    granted_seconds: int
    held: int
    available: int


@dataclass(frozen=True, slots=True)
class Settled:
    """The hold is closed: ``charged`` is spent, ``returned`` is available again."""

    charged: int
    returned: int
    available: int


@dataclass(frozen=True, slots=True)
class Granted:
    """The payment stands as this lot, now or since an earlier report of it."""

    lot: str
    available: int


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was changed. ``reason`` is one of those that the operation's script lists."""

    reason: str
    available: int = 0


@dataclass(frozen=True, slots=True)
class Hold:
    """A live call's hold as the store keeps it."""

    call_id: str
    account: str
    user: str
    call_type: str
    number: str
    rate: str
    granted_seconds: int
    held: int
    extension: int


@dataclass(frozen=True, slots=True)
class Lot:
    """Dated credit; times in epoch milliseconds, amounts in micro-units."""

    lot: str
    purchased_ms: int
    expires_ms: int
    granted: int
    available: int
    held: int
    spent: int
    expired: int


@dataclass(frozen=True, slots=True)
class Statement:
    """An account at one moment. Lots that have expired by now count as expired (rule M2)."""

    account: str
    currency: str
    granted: int
    available: int
    held: int
    spent: int
    expired: int
    reversed: int
    recharge_key: str
    lots: tuple[Lot, ...]
