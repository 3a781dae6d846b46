"""What the ledger answers: refusals are values; only what is broken is an exception."""

from dataclasses import dataclass

NEVER_MS = 2**52
"""Expiry of a lot that never expires."""

# Lots that are none: what is spent beyond all lots (rule M6), and the sums of lots that are over.
OVERDRAFT = "overdraft"
RETIRED = "retired"


class LedgerUnavailableError(Exception):
    """The store gave no usable answer in time: whether the operation was done is unknown.

    Ask again with the same operation; it has its effect once.
    """


@dataclass(frozen=True, slots=True)
class Held:
    """The call's first ``granted_seconds`` are paid for; amounts in micro-units.

    ``pool_seconds`` of them come from the call's pool, the others from the money ``held``.
    """

    granted_seconds: int
    held: int
    available: int
    pool_seconds: int = 0


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
class Reversed:
    """``micros`` of this lot are taken back; the account has ``available`` left."""

    lot: str
    micros: int
    available: int


@dataclass(frozen=True, slots=True)
class Expired:
    """``micros`` have lapsed since the last look."""

    micros: int
    available: int


@dataclass(frozen=True, slots=True)
class Refused:
    """What was asked for was not done. ``reason`` is one of those that the operation lists.

    ``available`` is what there is to use, where too little is the reason: of the account, or of the
    lot that was to be taken back.
    """

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
    pool: str
    pool_seconds: int


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
    reversed: int


@dataclass(frozen=True, slots=True)
class Statement:
    """An account at one moment. Lots that have expired by now count as expired (rule M2).

    ``lots`` have money left, in the order in which they are spent. What was spent beyond all lots
    is ``overdrawn``; ``retired`` sums up the lots that have nothing left.
    """

    account: str
    currency: str
    granted: int
    available: int
    held: int
    spent: int
    expired: int
    reversed: int
    overdraft: int
    low_below: int
    recharge_below: int
    recharge_amount: int
    recharge_key: str
    lots: tuple[Lot, ...]
    overdrawn: Lot
    retired: Lot
