"""The price of a call, and the slices in which it is sold.

A price is taken from the whole length of the call and rounded once, up, to the micro-unit.
So slices held one after the other never drift from the price of the whole.
"""

import json
from dataclasses import dataclass
from functools import lru_cache

# No call is granted more than a day: a bound that free rates have as well.
CALL_SECONDS_MAX = 86_400


@dataclass(frozen=True, slots=True)
class Rate:
    """One published row of a rate card, with every decimal kept.

    ``connection_fee`` and ``per_minute`` count parts of a micro-unit: ``parts_per_micro`` (a power
    of ten) of them are one micro-unit.
    ``card`` and ``row`` name the published source of the price (rule M8).
    """

    prefix: str
    destination: str
    currency: str
    connection_fee: int
    per_minute: int
    parts_per_micro: int
    initial_seconds: int
    increment_seconds: int
    card: str
    row: int

    # Asked for at every call, while the rates are few.
    @lru_cache(maxsize=4096)  # noqa: B019 - a rate is a value, not an owner of anything
    def pin(self) -> str:
        """Write the rate as the text that a live call keeps, whatever card comes next."""
        return json.dumps([getattr(self, field) for field in self.__slots__])

    @classmethod
    def pinned(cls, text: str) -> "Rate":
        """Read back what `pin` wrote."""
        return cls(*json.loads(text))


def billed_seconds(rate: Rate, seconds: int) -> int:
    """Round a length up to the initial period and then to whole increments."""
    if seconds <= rate.initial_seconds:
        return rate.initial_seconds
    increments = -(-(seconds - rate.initial_seconds) // rate.increment_seconds)
    return rate.initial_seconds + increments * rate.increment_seconds


def price(rate: Rate, seconds: int) -> int:
    """Give the price of ``seconds`` of talk in micro-units; nothing talked costs nothing."""
    if seconds == 0:
        return 0
    parts = rate.connection_fee * 60 + rate.per_minute * billed_seconds(rate, seconds)
    return -(-parts // (60 * rate.parts_per_micro))


@dataclass(frozen=True, slots=True)
class Slice:
    """A length that a call may be granted in all, and the price of that whole length."""

    seconds: int
    micros: int


# Asked the same for the first slice of every call at a rate.
@lru_cache(maxsize=4096)
def slices(rate: Rate, granted_seconds: int, slice_seconds: int) -> tuple[Slice, ...]:
    """List what a call may be granted next, the longest first.

    The longest covers ``slice_seconds`` more; each of the others is an increment shorter; the
    shortest adds the least that the rate sells.
    """
    shortest = billed_seconds(rate, granted_seconds + 1)
    longest = min(billed_seconds(rate, granted_seconds + slice_seconds), CALL_SECONDS_MAX)
    lengths = range(shortest, longest + 1, rate.increment_seconds)
    return tuple(Slice(seconds, price(rate, seconds)) for seconds in reversed(lengths))
