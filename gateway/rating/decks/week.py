"""Rates that hold at some times of the week, as rows with days and hours."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import TypeVar

from gateway.rating.week import WeekTimes

T = TypeVar("T")

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_SECONDS = 86_400
_WEEK_SECONDS = 7 * _DAY_SECONDS


def rows_of_week(rates: Mapping[T, WeekTimes]) -> list[tuple[T, str, str]]:
    """Give each rate its days and hours.

    A card wants a row for all other times. If the rates fill the week and share none of it, that
    is the one that holds longest; if not, there is none, and the card will be refused for it.
    """
    rows = [(rate, *cells) for rate, times in rates.items() for cells in _days_and_hours(times)]
    stretches = sorted(stretch for times in rates.values() for stretch in times)
    ends = [0, *(end for _, end in stretches)]
    if [begin for begin, _ in stretches] + [_WEEK_SECONDS] != ends:
        return rows
    longest = max(rates, key=lambda rate: sum(end - begin for begin, end in rates[rate]))
    return [row for row in rows if row[0] != longest] + [(longest, "", "")]


def _days_and_hours(times: WeekTimes) -> Iterable[tuple[str, str]]:
    days_of = defaultdict[tuple[int, int], list[int]](list)
    for begin, end in times:
        for day in range(begin // _DAY_SECONDS, -(-end // _DAY_SECONDS)):
            midnight = day * _DAY_SECONDS
            hours = (max(begin - midnight, 0), min(end - midnight, _DAY_SECONDS))
            days_of[hours].append(day)
    return ((_days(days), _hours(*hours)) for hours, days in days_of.items())


def _days(days: list[int]) -> str:
    return " ".join(_DAYS[day] for day in sorted(days))


def _hours(begin: int, end: int) -> str:
    return "-".join(f"{at // 3600:02}:{at % 3600 // 60:02}" for at in (begin, end))
