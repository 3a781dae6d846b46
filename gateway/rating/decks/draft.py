"""A rate card while it is put together, of rows that remember where in a deck they stand."""

import csv
import io
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gateway.errors import BadInputError, Fault
from gateway.rating.columns import COLUMNS
from gateway.rating.decks.week import rows_of_week
from gateway.rating.ratecard import read_cards
from gateway.rating.week import WeekTimes

_ALWAYS = {
    "prefix",
    "destination",
    "rate_per_minute",
    "connection_fee",
    "initial_seconds",
    "increment_seconds",
    "currency",
}
"""Columns that every card is written with; of the others, those that say something."""

_DEFAULTS = {name: column.default or "" for name, column in COLUMNS.items()}
_NAMES = list(COLUMNS)
_DAYS, _HOURS = _NAMES.index("days"), _NAMES.index("hours")
# Rates of one prefix, each at its times of the week, have these in common.
_COMMON = [
    _NAMES.index(name)
    for name in ("prefix", "direction", "currency", "effective_from", "effective_until")
]

_CARD = "card"
_ROW = re.compile(rf"\b{_CARD}: row (\d+)", re.ASCII)

Row = tuple[str, ...]
"""A row of a card, with all columns that there are."""

Cells = dict[str, str]
"""What a row says, by the columns of a card."""


@dataclass(frozen=True, slots=True)
class Found:
    """A rate of a deck: where it stands, and the times of the week if it holds at some only."""

    place: str
    cells: Cells
    times: WeekTimes = ()


def completed(said: Mapping[str, str], unsaid: Mapping[str, str]) -> Cells:
    """Add what a deck does not say. The first block is as long as the others, if nothing says."""
    cells = {**unsaid, **said}
    cells.setdefault("initial_seconds", cells.get("increment_seconds", ""))
    return cells


def missing(cells: Cells) -> Iterator[tuple[str, str]]:
    """Name the columns that a row must fill and does not, and say why not."""
    for name, column in COLUMNS.items():
        if column.default is None and not cells.get(name):
            yield name, "must be given by --currency" if name == "currency" else "must not be empty"


class Draft:
    """Rows of a card, none of them twice."""

    def __init__(self) -> None:
        self.is_empty = True
        self.duplicates = 0
        self._places: dict[Row, str] = {}
        self._weeks: dict[Row, dict[Row, dict[tuple[int, int], str]]] = defaultdict(dict)

    def add(self, rate: Found) -> None:
        """Add a rate that has a prefix."""
        self.is_empty = False
        row = tuple([rate.cells.get(name) or default for name, default in _DEFAULTS.items()])
        if rate.times:
            self._add_at(rate.times, row, rate.place)
        else:
            self.duplicates += row in self._places
            self._places.setdefault(row, rate.place)

    def _add_at(self, times: WeekTimes, row: Row, place: str) -> None:
        rates = self._weeks[tuple(row[at] for at in _COMMON)]
        stretches = rates.setdefault(row, {})
        self.duplicates += all(stretch in stretches for stretch in times)
        for stretch in times:
            stretches.setdefault(stretch, place)

    def card(self) -> tuple[str, int]:
        """Write the card, which holds together, and count its rows.

        Raises BadInputError that names rows by their places.
        """
        self._settle_weeks()
        text = self._text()
        try:
            read_cards((_CARD, text))
        except BadInputError as error:
            places = list(self._places.values())
            raise BadInputError([_in_deck(fault, places) for fault in error.faults]) from error
        return text, len(self._places)

    def _settle_weeks(self) -> None:
        for rates in self._weeks.values():
            week = {row: tuple(sorted(stretches)) for row, stretches in rates.items()}
            for row, days, hours in rows_of_week(week):
                place = next(iter(rates[row].values()))
                self._places.setdefault((*row[:_DAYS], days, hours, *row[_HOURS + 1 :]), place)

    def _text(self) -> str:
        said = [
            at
            for at, (name, default) in enumerate(_DEFAULTS.items())
            if name in _ALWAYS or any(row[at] != default for row in self._places)
        ]
        text = io.StringIO(newline="")
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow([_NAMES[at] for at in said])
        writer.writerows([row[at] for at in said] for row in self._places)
        return text.getvalue()


def _in_deck(fault: Fault, places: list[str]) -> Fault:
    """Say of a fault in the card where it stands in the deck."""

    def place(match: re.Match[str]) -> str:
        return places[int(match[1]) - 2]

    where, why = (_ROW.sub(place, text) for text in (fault.where, fault.why))
    return Fault(where, fault.field, fault.value, why)
