"""Rates that hold at some times of the week, as rows with days and hours."""

from collections.abc import Mapping
from typing import TypeVar

from gateway.rating.week import WeekTimes
from gateway.rating.written import days_and_hours

T = TypeVar("T")

_WEEK_SECONDS = 7 * 86_400


def rows_of_week(rates: Mapping[T, WeekTimes]) -> list[tuple[T, str, str]]:
    """Give each rate its days and hours.

    A card wants a row for all other times. If the rates fill the week and share none of it, that
    is the one that holds longest; if not, there is none, and the card will be refused for it.
    """
    rows = [(rate, *cells) for rate, times in rates.items() for cells in days_and_hours(times)]
    stretches = sorted(stretch for times in rates.values() for stretch in times)
    ends = [0, *(end for _, end in stretches)]
    if [begin for begin, _ in stretches] + [_WEEK_SECONDS] != ends:
        return rows
    longest = max(rates, key=lambda rate: sum(end - begin for begin, end in rates[rate]))
    return [row for row in rows if row[0] != longest] + [(longest, "", "")]
