"""What the ledger answers: refusals are values; only what is broken is an exception."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

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
class Flagged:
    """The payment is recorded, but not credited: an admin has to look at it."""

    reason: str


class RechargeStatus(StrEnum):
    """What is known of a recharge that is under way."""

    CLAIMED = "claimed"
    SUBMITTED = "submitted"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Asked:
    """A recharge that is under way: what its provider is to charge, and by which method.

    ``status`` is what was known before this question; its provider was asked first at ``begun_ms``.
    ``failures`` of others went before it, in a row.
    """

    micros: int
    currency: str
    method: str
    status: RechargeStatus
    begun_ms: int
    now_ms: int
    failures: int


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
    lot that was to be taken back. ``limit_of`` tells whose limit the reason is, if it is one:
    that of the ``account`` or that of the ``user``.
    """

    reason: str
    available: int = 0
    limit_of: str = ""


@dataclass(frozen=True, slots=True)
class Joined:
    """The call is in a conference of this organizer, and may add others to it if it ``leads``."""

    organizer: str
    leads: bool


@dataclass(frozen=True, slots=True)
class Conference:
    """A conference of an account; a PIN is empty where none is asked for."""

    organizer: str
    pin: str
    leader_pin: str


@dataclass(frozen=True, slots=True)
class Hold:
    """A live call's hold as the store keeps it.

    ``answered_ms`` and ``seen_ms`` are as of its latest extension, 0 before the first one: when it
    was answered, and when it was known to be up.
    """

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
    answered_ms: int = 0
    seen_ms: int = 0


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
class Limits:
    """How far an account, or a user, may go; 0 is no limit (rule C12).

    ``calls`` at once, calls begun within any minute to one prefix, and micro-units spent in a day
    and in a month.
    """

    calls: int
    per_minute: int
    day: int
    month: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What an account, or a user, has used: live ``calls``, and what is held or spent.

    ``day`` (2026-11-24) and ``month`` (2026-11) are the latest in which money was held, or empty.
    """

    calls: int
    day: str
    day_micros: int
    month: str
    month_micros: int


@dataclass(frozen=True, slots=True)
class Party:
    """An account, or a user, as one who pays for calls. ``profile`` has what is set of it."""

    profile: Mapping[str, str]
    limits: Limits
    usage: Usage


@dataclass(frozen=True, slots=True)
class Facts:
    """What a decision about a call needs to know, at one moment; amounts in micro-units.

    ``user`` is None if the account has no such user. ``licences`` counts the users by what they
    have set themselves: country and plans.
    """

    now_ms: int
    account: str
    currency: str
    available: int
    overdraft: int
    party: Party
    user: Party | None
    licences: Mapping[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class Recharge:
    """What is set of an account's recharges, and how they stand (rules R1 to R4).

    ``state`` is off, armed, cooldown (until ``after_ms``), capped, suspended (for a reason), or
    that of the recharge that is under way, which then has a ``key``. In the day and the month of
    UTC that it is, ``day_count`` recharges and ``month_micros`` were paid, or are under way.
    """

    below: int
    amount: int
    day_max: int
    month_max: int
    methods: tuple[str, ...]
    state: str
    suspended: str
    key: str
    asked: int
    method: str
    after_ms: int
    failures: int
    day_count: int
    month_micros: int


@dataclass(frozen=True, slots=True)
class Unbooked:
    """A payment that was set aside: charged with ``key``, and not credited for a reason."""

    payment: str
    key: str
    micros: int
    currency: str
    reason: str


@dataclass(frozen=True, slots=True)
class Statement:
    """An account at one moment, ``now_ms``.

    Lots that have expired by then count as expired (rule M2).
    ``lots`` have money left, in the order in which they are spent. What was spent beyond all lots
    is ``overdrawn``; ``retired`` sums up the lots that have nothing left.
    """

    now_ms: int = field(compare=False)
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
    low_percent: int
    recharge: Recharge
    recipients: str
    party: Party
    lots: tuple[Lot, ...]
    overdrawn: Lot
    retired: Lot
