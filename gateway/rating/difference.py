"""What a new rate card changes for a caller."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from math import inf

from gateway.rating.columns import Direction
from gateway.rating.price import Rate
from gateway.rating.ratecard import RateCard
from gateway.rating.written import written


class Kind(StrEnum):
    """How a rate changes. What is dearer in one thing and cheaper in another has changed."""

    ADDED = "added"
    REMOVED = "removed"
    DEARER = "dearer"
    CHEAPER = "cheaper"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Change:
    """A rate of the new card, or one that was removed; what it was, and the columns that differ."""

    kind: Kind
    direction: Direction
    rate: Rate
    before: Rate | None = None
    columns: tuple[str, ...] = ()


def differences(old: RateCard, new: RateCard) -> Iterator[Change]:
    """Compare cards by direction, currency and prefix, in this order."""
    for key in sorted({*old.tables, *new.tables}):
        before, after = old.tables.get(key, {}), new.tables.get(key, {})
        for prefix in sorted({*before, *after}):
            yield from _changes(key[0], before.get(prefix, ()), after.get(prefix, ()))


def _changes(
    direction: Direction, before: tuple[Rate, ...], after: tuple[Rate, ...]
) -> Iterator[Change]:
    """Compare the rates of a prefix, each with the one of the same times and the same begin."""
    if len(before) == len(after) == 1:
        yield from _change(direction, before[0], after[0])
        return
    old = {(rate.times, rate.from_ms): rate for rate in before}
    new = {(rate.times, rate.from_ms): rate for rate in after}
    for key, rate in old.items():
        if key in new:
            yield from _change(direction, rate, new[key])
        else:
            yield Change(Kind.REMOVED, direction, rate)
    for key, rate in new.items():
        if key not in old:
            yield Change(Kind.ADDED, direction, rate)


def _change(direction: Direction, before: Rate, after: Rate) -> Iterator[Change]:
    if before._replace(card=after.card, row=after.row) == after:
        return
    old, new = written(before), written(after)
    columns = tuple(column for column, cell in new.items() if old[column] != cell)
    yield Change(_kind(before, after), direction, after, before, columns)


def _kind(before: Rate, after: Rate) -> Kind:
    steps = {
        (new > old) - (new < old) for old, new in zip(_costs(before), _costs(after), strict=True)
    }
    up, down = 1 in steps, -1 in steps
    if up == down:
        return Kind.CHANGED
    return Kind.DEARER if up else Kind.CHEAPER


def _costs(rate: Rate) -> tuple[float, ...]:
    """List what makes a call dearer where it is more. Longer blocks count as dearer."""
    first = rate.per_minute if rate.first_per_minute is None else rate.first_per_minute
    maximum = inf if rate.maximum is None else rate.maximum
    return (
        rate.per_minute,
        first,
        rate.connection_fee,
        rate.minimum,
        maximum,
        rate.initial_seconds,
        rate.increment_seconds,
        -rate.grace_seconds,
    )
