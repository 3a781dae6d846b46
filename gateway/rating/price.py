"""The price of a call, and the slices in which it is sold.

A price is taken from the whole length of the call and rounded once, up, to the micro-unit.
So slices held one after the other never drift from the price of the whole.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from gateway.rating.week import WeekTimes, seconds_of_week

# No call is granted more than a day: a bound that free rates have as well.
CALL_SECONDS_MAX = 86_400

PICOS_PER_MICRO = 10**6
"""Rates count millionths of a micro-unit, which are the twelve decimals that a card may have."""

# No zone changes its offset from UTC within one of UTC's quarters of an hour.
_QUARTER_SECONDS = 900


# A tuple, for a deck has very many of them, and each call looks one up in a cache.
class Rate(NamedTuple):
    """One published row of a rate card, with every decimal kept: money in pico-units.

    ``first_per_minute`` is the price within the initial period, if that is another one.
    ``maximum`` is the most that a call costs, if there is a most. With ``total``, the whole length
    is rounded up to increments, and not only what follows the initial period.
    ``times`` of the week in ``time_zone`` are when the row holds; none: whenever no other does.
    It is in force from ``from_ms`` until ``until_ms`` (epoch ms).
    ``card`` and ``row`` name the published source of the price (rule M8).
    """

    prefix: str
    destination: str
    currency: str
    connection_fee: int
    per_minute: int
    first_per_minute: int | None
    initial_seconds: int
    increment_seconds: int
    total: bool
    minimum: int
    maximum: int | None
    grace_seconds: int
    times: WeekTimes
    time_zone: str
    from_ms: int
    until_ms: int
    card: str
    row: int


Tariff = tuple[Rate, ...]
"""What prices a call: rates of one prefix, each for its times of the week, the last for others."""


def rate_at(tariff: Tariff, at: int) -> Rate:
    """Give the rate that holds at a time (epoch seconds)."""
    return _rate_until(tariff, at)[0]


def _rate_until(tariff: Tariff, at: int) -> tuple[Rate, int]:
    """Give the rate that holds at a time, and a later time up to which it does so at least."""
    until = at - at % _QUARTER_SECONDS + _QUARTER_SECONDS
    for rate in tariff[:-1]:
        now = seconds_of_week(at, rate.time_zone)
        for begin, end in rate.times:
            if begin <= now < end:
                return rate, min(until, at + end - now)
            if now < begin:
                until = min(until, at + begin - now)
    return tariff[-1], until


def _runs(tariff: Tariff, at: int, seconds: int) -> Iterator[tuple[int, int]]:
    """Split a time into runs: their price a minute, and their length."""
    if len(tariff) == 1:
        yield tariff[0].per_minute, seconds
        return
    end = at + seconds
    while at < end:
        rate, until = _rate_until(tariff, at)
        yield rate.per_minute, min(until, end) - at
        at = until


def billed_seconds(rate: Rate, seconds: int) -> int:
    """Round a length up to the initial period, and beyond that to increments."""
    if seconds <= rate.initial_seconds:
        return rate.initial_seconds
    apart = 0 if rate.total else rate.initial_seconds
    return apart + -(-(seconds - apart) // rate.increment_seconds) * rate.increment_seconds


def price(tariff: Tariff, start: int, seconds: int) -> int:
    """Give the price in micro-units of ``seconds`` of talk that begin at ``start`` (epoch seconds).

    Fee, initial period, increments, grace, minimum and maximum are those of the rate that holds at
    the start; each second that is billed costs what the rate costs that holds then.
    Nothing talked costs nothing.
    """
    first = rate_at(tariff, start)
    if seconds <= first.grace_seconds:
        return 0
    billed = billed_seconds(first, seconds)
    sixtieths = first.connection_fee * 60
    if first.first_per_minute is not None:
        sixtieths += first.first_per_minute * first.initial_seconds
        start, billed = start + first.initial_seconds, billed - first.initial_seconds
    sixtieths += sum(minute * length for minute, length in _runs(tariff, start, billed))
    sixtieths = max(sixtieths, first.minimum * 60)
    if first.maximum is not None:
        sixtieths = min(sixtieths, first.maximum * 60)
    return -(-sixtieths // (60 * PICOS_PER_MICRO))


def affordable(tariff: Tariff, start: int, micros: int) -> int:
    """Give the longest talk that costs at most ``micros``, in seconds, up to CALL_SECONDS_MAX."""
    lengths = range(CALL_SECONDS_MAX + 1)
    return bisect_right(lengths, micros, key=lambda seconds: price(tariff, start, seconds)) - 1


@dataclass(frozen=True, slots=True)
class Slice:
    """A length that a call may be granted in all, and the price of that whole length."""

    seconds: int
    micros: int


# Asked the same for the first slice of every call at a rate.
@lru_cache(maxsize=4096)
def slices(
    tariff: Tariff,
    start: int,
    granted_seconds: int,
    slice_seconds: int,
    seconds_max: int = CALL_SECONDS_MAX,
) -> tuple[Slice, ...]:
    """List what a call may be granted next, the longest first.

    The longest covers ``slice_seconds`` more; each of the others is an increment shorter; the
    shortest adds the least that the rate sells. None is longer than ``seconds_max``.
    """
    first = rate_at(tariff, start)
    wanted = min(granted_seconds + slice_seconds, seconds_max)
    offered: list[Slice] = []
    seconds = granted_seconds
    while seconds < wanted:
        seconds = min(billed_seconds(first, seconds + 1), seconds_max)
        offered.append(Slice(seconds, price(tariff, start, seconds)))
    return tuple(reversed(offered))
