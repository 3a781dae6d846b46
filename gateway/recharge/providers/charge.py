"""What is asked of a payment provider, and what it may answer."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

REPLY_SECONDS_MAX = 12


class Status(StrEnum):
    """What is known of a charge."""

    SUCCEEDED = "succeeded"
    PENDING = "pending"
    DECLINED = "declined"
    NOT_FOUND = "not_found"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Charge:
    """A charge that is asked for; ``key`` makes asking again harmless.

    ``method`` is the provider's name for what pays; empty is the account's default there.
    """

    key: str
    account: str
    micros: int
    currency: str
    method: str


@dataclass(frozen=True, slots=True)
class Reply:
    """The provider's answer, or that there was none to rely on.

    ``reason`` tells why it was declined, or why nothing is known. What was paid, ``micros`` in
    ``currency`` as ``payment``, is told of a charge that succeeded.
    """

    status: Status
    reason: str = ""
    payment: str = ""
    micros: int = 0
    currency: str = ""


class Provider(Protocol):
    """Takes money from an account's payment method. Neither method raises."""

    async def charge(self, charge: Charge) -> Reply:
        """Ask for a charge; asking again with the same key never charges twice."""

    async def find(self, charge: Charge, since_ms: int) -> Reply:
        """Ask what became of a charge that was asked for at ``since_ms`` or later."""
