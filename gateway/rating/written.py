"""Rates as the cells of a rate card have them: what was read, written again."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from gateway.rating.columns import FOREVER_MS, format_picos
from gateway.rating.price import Rate
from gateway.rating.week import WeekTimes, zone

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_SECONDS = 86_400
# Two days are as short one by one.
_RANGE_DAYS_MIN = 3


def written(rate: Rate) -> dict[str, str]:
    """Write a rate by the columns of a card, without its direction.

    Days and hours are one text, ``times``; it and what a rate has not are empty.
    """
    first, maximum = rate.first_per_minute, rate.maximum
    return {
        "prefix": rate.prefix,
        "destination": rate.destination,
        "rate_per_minute": format_picos(rate.per_minute),
        "connection_fee": format_picos(rate.connection_fee),
        "initial_seconds": str(rate.initial_seconds),
        "increment_seconds": str(rate.increment_seconds),
        "first_rate_per_minute": "" if first is None else format_picos(first),
        "minimum_charge": format_picos(rate.minimum),
        "maximum_charge": "" if maximum is None else format_picos(maximum),
        "grace_seconds": str(rate.grace_seconds),
        "increments": "total" if rate.total else "each",
        "effective_from": _moment(rate.from_ms, 0, rate.time_zone),
        "effective_until": _moment(rate.until_ms, FOREVER_MS, rate.time_zone),
        "times": ", ".join(" ".join(filter(None, one)) for one in days_and_hours(rate.times)),
        "timezone": rate.time_zone,
        "currency": rate.currency,
    }


def days_and_hours(times: WeekTimes) -> Iterable[tuple[str, str]]:
    """Write times of the week as cells: days, and the hours of each of them; empty is all."""
    days_of = defaultdict[tuple[int, int], list[int]](list)
    for begin, end in times:
        for day in range(begin // _DAY_SECONDS, -(-end // _DAY_SECONDS)):
            midnight = day * _DAY_SECONDS
            hours = (max(begin - midnight, 0), min(end - midnight, _DAY_SECONDS))
            days_of[hours].append(day)
    return ((_days(sorted(days)), _hours(*hours)) for hours, days in days_of.items())


def _days(days: list[int]) -> str:
    if len(days) >= _RANGE_DAYS_MIN and days == list(range(days[0], days[-1] + 1)):
        return f"{_DAYS[days[0]]}-{_DAYS[days[-1]]}"
    return " ".join(_DAYS[day] for day in days)


def _hours(begin: int, end: int) -> str:
    return "-".join(f"{at // 3600:02}:{at % 3600 // 60:02}" for at in (begin, end))


def _moment(at_ms: int, none_ms: int, time_zone: str) -> str:
    if at_ms == none_ms:
        return ""
    at = datetime.fromtimestamp(at_ms / 1000, zone(time_zone))
    midnight = at.hour == at.minute == at.second == at.microsecond == 0
    return at.date().isoformat() if midnight else at.isoformat()
