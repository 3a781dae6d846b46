"""Times of the week: when a period of a rate card holds, by the clocks of a place."""

import re
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

WeekTimes = tuple[tuple[int, int], ...]
"""Ordered stretches of a week, each in seconds after Monday 00:00 up to and without its end."""

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_SECONDS = 86_400
_WEEK_SECONDS = 7 * _DAY_SECONDS
_HOURS = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])-([01][0-9]|2[0-4]):([0-5][0-9])")


@lru_cache(maxsize=64)
def zone(name: str) -> ZoneInfo:
    """Give a time zone by its IANA name. Raises ValueError if there is none."""
    try:
        return ZoneInfo(name)
    except (OSError, LookupError, ValueError) as error:
        message = "must be a time zone of IANA such as Europe/Berlin"
        raise ValueError(message) from error


def seconds_of_week(at: int, time_zone: str) -> int:
    """Give what the clocks of a zone show at a time (epoch seconds), counted from Monday 00:00."""
    local = datetime.fromtimestamp(at, zone(time_zone))
    return local.weekday() * _DAY_SECONDS + local.hour * 3600 + local.minute * 60 + local.second


def week_times(days: str, hours: str) -> WeekTimes:
    """Read days such as ``mon-fri`` or ``sat sun``, and hours such as ``08:00-18:00``.

    Empty is every day, or the whole day; both empty are no times at all. Hours that end before
    they begin go on into the next day. Raises ValueError for anything else.
    """
    if not days and not hours:
        return ()
    first, last = _hours(hours) if hours else (0, _DAY_SECONDS)
    length = (last - first) % _DAY_SECONDS or _DAY_SECONDS
    stretches: list[tuple[int, int]] = []
    for day in sorted(_days(days)) if days else range(7):
        begin = day * _DAY_SECONDS + first
        end = begin + length
        stretches.append((begin, min(end, _WEEK_SECONDS)))
        if end > _WEEK_SECONDS:
            stretches.append((0, end - _WEEK_SECONDS))
    return tuple(sorted(stretches))


def _days(text: str) -> set[int]:
    return {day for word in text.split() for day in _day_range(word)}


def _day_range(word: str) -> Iterator[int]:
    first, _, last = word.lower().partition("-")
    if first not in _DAYS or (last or first) not in _DAYS:
        message = "must be days such as mon-fri or sat sun"
        raise ValueError(message)
    begin = _DAYS.index(first)
    count = (_DAYS.index(last or first) - begin) % 7
    return ((begin + later) % 7 for later in range(count + 1))


def _hours(text: str) -> tuple[int, int]:
    match = _HOURS.fullmatch(text)
    hour, minute, last_hour, last_minute = map(int, match.groups()) if match else (0, 0, 0, 0)
    begin, end = (hour * 60 + minute) * 60, (last_hour * 60 + last_minute) * 60
    if begin == end or end > _DAY_SECONDS:
        message = "must be hours such as 08:00-18:00"
        raise ValueError(message)
    return begin, end


def overlap(one: WeekTimes, other: WeekTimes) -> bool:
    """Tell whether two times of the week share a second."""
    return any(a < d and c < b for a, b in one for c, d in other)
