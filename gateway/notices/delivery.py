"""What came of telling somebody something."""

from dataclasses import dataclass
from enum import StrEnum

SECONDS_MAX = 30.0
"""How long a try may take."""


class Result(StrEnum):
    """Whether it was taken, may be taken later, or will never be."""

    SENT = "sent"
    LATER = "later"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Delivery:
    """The result of a try, and what the other side said."""

    result: Result
    answer: str


def too_slow() -> Delivery:
    """Say that there was no answer in time."""
    return Delivery(Result.LATER, f"no answer within {SECONDS_MAX:g} s")
