"""The files of a tariff plan of CGRateS, their columns and their cells."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

from gateway.errors import BadInputError, Fault
from gateway.rating.columns import COLUMNS
from gateway.rating.decks.formats import key
from gateway.rating.decks.prefixes import prefixes
from gateway.rating.decks.sheet import Sheet

T = TypeVar("T")

NAME = "cgrates"

DESTINATIONS = "Destinations.csv"
RATES = "Rates.csv"
DESTINATION_RATES = "DestinationRates.csv"
RATING_PLANS = "RatingPlans.csv"
TIMINGS = "Timings.csv"

_FILES: Mapping[str, Mapping[str, str]] = {
    DESTINATIONS: {"id": "id tag", "prefix": "prefix"},
    RATES: {
        "id": "id tag",
        "fee": "connectfee",
        "rate": "rate",
        "unit": "rateunit",
        "increment": "rateincrement",
        "start": "groupintervalstart",
    },
    DESTINATION_RATES: {
        "id": "id tag",
        "destination": "destinationid destinationstag destinationsid destinationtag",
        "rate": "ratestag ratesid ratetag rateid",
        "max_cost": "maxcost",
        "strategy": "maxcoststrategy",
    },
    RATING_PLANS: {
        "id": "id tag",
        "rates": "destinationratesid destinationratestag",
        "timing": "timingtag timingid timingsid",
        "weight": "weight",
    },
    TIMINGS: {
        "id": "id tag",
        "years": "years",
        "months": "months",
        "month_days": "monthdays",
        "week_days": "weekdays",
        "time": "time",
    },
}
"""The files that have to do with prices, their columns, and the names that these have had."""

FILES = tuple(_FILES)
_OPTIONAL = {"max_cost", "strategy"}

_ANY = {"", "*any", "*all"}
_EVERY_DAY = frozenset(range(7))
_NUMBER = re.compile(r"(?:[0-9]{1,6}(?:\.[0-9]{1,6})?)?")
_DAYS = re.compile(r"[1-7](?:;[1-7])*")
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9]):00")
_LENGTH = re.compile(r"(?=.)(?:([0-9]{1,4})h)?(?:([0-9]{1,5})m)?(?:([0-9]{1,6})s)?")


@dataclass(frozen=True, slots=True)
class Line:
    """A row of a file, by our names of its columns; ``columns`` are those of the file."""

    place: str
    cells: Mapping[str, str]
    columns: Mapping[str, str]

    def read(self, name: str, reader: Callable[[str], T]) -> T:
        """Read a cell. Raises BadInputError that names it."""
        try:
            return reader(self.cells.get(name, ""))
        except ValueError as error:
            raise self.bad(name, str(error)) from error

    def bad(self, name: str, why: str) -> BadInputError:
        """Say of a cell what is wrong."""
        column = self.columns.get(name, name)
        return BadInputError([Fault(self.place, column, self.cells.get(name, ""), why)])


def columns_of(sheet: Sheet) -> list[str]:
    """Name the columns that are read of a file; none if it has nothing to do with prices."""
    known = " ".join(_FILES.get(file_of(sheet), {}).values()).split()
    return [column for column in sheet.header if key(column) in known]


def file_of(sheet: Sheet) -> str:
    """Tell which file a sheet is, or nothing: the one of which it has the most columns."""
    keys = {key(column) for column in sheet.header}
    whole = [
        file
        for file, columns in _FILES.items()
        if all(
            keys & set(names.split()) for name, names in columns.items() if name not in _OPTIONAL
        )
    ]
    return max(whole, key=lambda file: len(_FILES[file]), default="")


def lines_of(sheet: Sheet) -> Iterator[Line]:
    """Read the lines of a file, but for its comments."""
    columns = _FILES[file_of(sheet)]
    names = [
        next((name for name, known in columns.items() if key(column) in known.split()), "")
        for column in sheet.header
    ]
    theirs = dict(zip(names, sheet.header, strict=True))
    for number, cells in sheet.rows:
        if not cells[0].startswith("#"):
            yield Line(sheet.place(number), dict(zip(names, cells, strict=False)), theirs)


def read_prefixes(text: str) -> tuple[str, ...]:
    """Read the prefixes of a destination."""
    found = prefixes("", text)
    for one in found:
        COLUMNS["prefix"].read(one)
    return found


def read_number(text: str) -> Decimal:
    """Read a number; none is 0."""
    if not _NUMBER.fullmatch(text):
        raise ValueError("must be a number")
    return Decimal(text or 0)


def check_any(text: str) -> None:
    """Refuse a part of a timing that is not every one."""
    if text not in _ANY:
        raise ValueError("must be *any: a rate card knows days of the week, and no others")


def read_days(text: str) -> frozenset[int]:
    """Read days of the week; Monday is 0."""
    if text in _ANY:
        return _EVERY_DAY
    if not _DAYS.fullmatch(text):
        raise ValueError("must be days such as 1;2;3;4;5, or *any")
    return frozenset(int(day) - 1 for day in text.split(";"))


def read_time(text: str) -> int:
    """Read a time of a day as seconds after midnight."""
    if text in _ANY:
        return 0
    match = _TIME.fullmatch(text)
    if not match:
        raise ValueError("must be a time of full minutes such as 08:00:00")
    return int(match[1]) * 3600 + int(match[2]) * 60


def read_length(text: str) -> int:
    """Read a length in seconds."""
    match = _LENGTH.fullmatch(text)
    if text and text != "0" and not match:
        raise ValueError("must be a length with its unit such as 60s")
    hours, minutes, seconds = (int(part or 0) for part in match.groups()) if match else (0, 0, 0)
    return hours * 3600 + minutes * 60 + seconds


def read_block(text: str) -> int:
    """Read the length of a block in seconds."""
    seconds = read_length(text)
    if not seconds:
        raise ValueError("must be a length such as 60s")
    return seconds
