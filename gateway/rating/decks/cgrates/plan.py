"""Tariff plans of CGRateS: rates that are bound to destinations at timings.

A timing begins at an hour of some days of the week; it holds until another one begins on that day,
or until the day ends. Of those that have begun, the one with the highest weight holds, and of
these the latest.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from gateway.errors import BadInputError, Fault
from gateway.rating.decks.cells import Manner
from gateway.rating.decks.cgrates.files import (
    DESTINATION_RATES,
    DESTINATIONS,
    RATES,
    RATING_PLANS,
    TIMINGS,
    Line,
    check_any,
    file_of,
    lines_of,
    read_days,
    read_number,
    read_prefixes,
    read_time,
)
from gateway.rating.decks.cgrates.price import maximum_of, price_of
from gateway.rating.decks.draft import Cells, Found, completed, missing
from gateway.rating.decks.sheet import Sheet
from gateway.rating.week import WeekTimes

_ALWAYS = {"*any", "*always", "ALWAYS"}
"""Timings that need no line in their file."""

_DAY_SECONDS = 86_400
_WEEK_SECONDS = 7 * _DAY_SECONDS


@dataclass(frozen=True, slots=True)
class _Timing:
    """When a rate begins to hold: on days of the week, at seconds after midnight."""

    days: frozenset[int]
    begin: int


_EVERY_DAY = _Timing(frozenset(range(7)), 0)


@dataclass(frozen=True, slots=True)
class _Binding:
    """A rate of a prefix at a timing."""

    line: Line
    cells: Cells
    timing: _Timing
    weight: Decimal

    @property
    def rank(self) -> tuple[Decimal, int]:
        """The highest of those that have begun holds."""
        return self.weight, self.timing.begin


def read_plan(
    sheets: Sequence[Sheet], plan: str, manner: Manner, unsaid: Mapping[str, str]
) -> Iterator[Found | Fault]:
    """Read the rates of a tariff plan: the one that is named, if there are several."""
    reading = _Plan(manner, unsaid)
    with reading.keeping_faults():
        for sheet in sheets:
            reading.read(sheet)
        reading.bind(plan)
    # A rate that is bound at two timings has each of its faults twice.
    yield from dict.fromkeys(reading.faults) or reading.rates()


class _Plan:
    """A tariff plan while its rates are bound to prefixes."""

    def __init__(self, manner: Manner, unsaid: Mapping[str, str]) -> None:
        self.faults: list[Fault] = []
        self._manner = manner
        self._unsaid = unsaid
        self._files: dict[str, dict[str, list[Line]]] = {}
        self._bindings = defaultdict[str, list[_Binding]](list)

    @contextmanager
    def keeping_faults(self) -> Iterator[None]:
        """Keep the faults of what ends here for them, and go on."""
        try:
            yield
        except BadInputError as error:
            self.faults += error.faults

    def read(self, sheet: Sheet) -> None:
        """Read the lines of a file by their ids."""
        lines = self._files.setdefault(file_of(sheet), {})
        for line in lines_of(sheet):
            lines.setdefault(line.cells.get("id", ""), []).append(line)

    def _known(self, line: Line, name: str, file: str) -> list[Line]:
        """Give the lines of a file to which a line refers."""
        known = self._files.get(file, {}).get(line.cells.get(name, ""))
        if known is None:
            raise line.bad(name, f"must be in {file}")
        return known

    def bind(self, plan: str) -> None:
        """Bind the rates of a plan to prefixes; without plans, all rates at all times."""
        if RATING_PLANS not in self._files:
            for lines in self._files.get(DESTINATION_RATES, {}).values():
                self._bind(lines, [_EVERY_DAY], Decimal())
            return
        for line in self._chosen(plan):
            with self.keeping_faults():
                rates = self._known(line, "rates", DESTINATION_RATES)
                self._bind(rates, self._timings(line), line.read("weight", read_number))

    def _chosen(self, plan: str) -> list[Line]:
        plans = self._files[RATING_PLANS]
        if not plan and len(plans) == 1:
            [plan] = plans
        if plan not in plans:
            why = f"must be one of: {', '.join(plans)} (--plan)"
            raise BadInputError([Fault(RATING_PLANS, "plan", plan, why)])
        return plans[plan]

    def _timings(self, line: Line) -> list[_Timing]:
        if line.cells.get("timing") in _ALWAYS:
            return [_EVERY_DAY]
        timings = self._known(line, "timing", TIMINGS)
        for timing in timings:
            for name in ("years", "months", "month_days"):
                timing.read(name, check_any)
        return [
            _Timing(timing.read("week_days", read_days), timing.read("time", read_time))
            for timing in timings
        ]

    def _bind(self, lines: list[Line], timings: list[_Timing], weight: Decimal) -> None:
        for line in lines:
            with self.keeping_faults():
                cells = self._cells(line)
                for prefix in self._prefixes(line):
                    bindings = (_Binding(line, cells, timing, weight) for timing in timings)
                    self._bindings[prefix].extend(bindings)

    def _prefixes(self, line: Line) -> Iterator[str]:
        if line.cells.get("destination") == "*any":
            yield from "123456789"
            return
        for destination in self._known(line, "destination", DESTINATIONS):
            yield from destination.read("prefix", read_prefixes)

    def _cells(self, line: Line) -> Cells:
        """Write a row of a card, but for its prefix."""
        said = {
            "destination": line.cells.get("destination", "").replace("*any", "Any"),
            **price_of(self._known(line, "rate", RATES), self._manner),
            **maximum_of(line, self._manner),
        }
        cells = completed(said, self._unsaid)
        lacking = missing({**cells, "prefix": "any"})
        if faults := [Fault(line.place, column, "", why) for column, why in lacking]:
            raise BadInputError(faults)
        return cells

    def rates(self) -> Iterator[Found | Fault]:
        """Give each rate of each prefix the times of the week at which it holds."""
        for prefix, bindings in self._bindings.items():
            found = {binding.line.place: binding.cells for binding in bindings}
            try:
                times = _times(prefix, bindings)
            except BadInputError as error:
                yield from error.faults
                continue
            for place, stretches in times.items():
                yield Found(place, {**found[place], "prefix": prefix}, stretches)


def _times(prefix: str, bindings: Sequence[_Binding]) -> Mapping[str, WeekTimes]:
    """Tell when each of the rates of a prefix holds, by its place; nothing is at all times."""
    found = defaultdict[str, list[tuple[int, int]]](list)
    for day in range(7):
        today = sorted(
            (one for one in bindings if day in one.timing.days), key=lambda one: one.rank
        )
        for one, other in pairwise(today):
            if one.rank == other.rank and one.cells != other.cells:
                why = f"has another rate at the same time in {one.line.place}"
                raise BadInputError([Fault(other.line.place, "destination", prefix, why)])
        midnight = day * _DAY_SECONDS
        begins = sorted({one.timing.begin for one in today})
        for begin, end in pairwise([*begins, _DAY_SECONDS]):
            holds = [one for one in today if one.timing.begin <= begin][-1]
            found[holds.line.place].append((midnight + begin, midnight + end))
    return {
        place: () if _fills_week(stretches) else tuple(stretches)
        for place, stretches in found.items()
    }


def _fills_week(stretches: list[tuple[int, int]]) -> bool:
    return sum(end - begin for begin, end in stretches) == _WEEK_SECONDS
