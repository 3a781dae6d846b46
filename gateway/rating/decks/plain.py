"""Decks of a row a rate, read by the table of their format."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from gateway.errors import BadInputError, Fault
from gateway.rating.columns import COLUMNS
from gateway.rating.decks.cells import Manner
from gateway.rating.decks.draft import Cells, Found, completed, missing
from gateway.rating.decks.formats import PREFIXES, Field, Format, currency_of, key
from gateway.rating.decks.prefixes import prefixes
from gateway.rating.decks.sheet import Sheet
from gateway.rating.week import WeekTimes

_MINUTE = 60
_WEEK_SECONDS = 7 * 86_400
_LAST_MINUTE = _WEEK_SECONDS // _MINUTE - 1


@dataclass(frozen=True, slots=True)
class Bound:
    """A column of a deck that fills columns of a card: where it stands, and what its cells say."""

    at: int
    name: str
    fills: tuple[str, ...]
    read: Callable[[str], tuple[tuple[str, str], ...]]


def bind(sheet: Sheet, form: Format, manner: Manner) -> list[Bound]:
    """Find the columns of a format in a header. Raises BadInputError if it lacks one."""
    keys = [key(column) for column in sheet.header]
    bound = []
    for one in form.fields:
        name = next((name for name in one.names if name in keys), None)
        if name is not None:
            at = keys.index(name)
            column = sheet.header[at]
            if keys.count(name) > 1:
                fault = Fault(sheet.place(1), "columns", column, "stands there twice")
                raise BadInputError([fault])
            bound.append(Bound(at, column, one.fills, _reader(one, column, manner)))
    filled = {column for one in bound for column in one.fills}
    wanted = ["destination", "rate_per_minute", *([] if filled & PREFIXES else ["prefix"])]
    if lacking := [column for column in wanted if column not in filled]:
        raise BadInputError([_lacking(sheet, form, column) for column in lacking])
    return bound


def _lacking(sheet: Sheet, form: Format, column: str) -> Fault:
    names = next(one.names for one in form.fields if column in one.fills)
    why = f"must have one of: {', '.join(names)} (the format is {form.name})"
    return Fault(sheet.place(1), "columns", ",".join(sheet.header), why)


def _reader(
    one: Field, column: str, manner: Manner
) -> Callable[[str], tuple[tuple[str, str], ...]]:
    """Make what reads the cells of a column, and checks what they say as a card does."""
    currency = currency_of(column) if "currency" in one.fills else ""

    # The cells of a deck repeat: a price, a destination, a date stand in very many rows.
    @lru_cache(maxsize=65_536)
    def read(cell: str) -> tuple[tuple[str, str], ...]:
        said = zip(one.fills, one.read(cell, manner), strict=True)
        found = [(name, text) for name, text in said if text]
        for name, text in found:
            if name in COLUMNS and name != "prefix":
                COLUMNS[name].read(text)
        return (*found, ("currency", currency)) if currency else tuple(found)

    return read


def read_rates(
    sheet: Sheet, bound: list[Bound], unsaid: Mapping[str, str]
) -> Iterator[Found | Fault]:
    """Read the rows of a deck."""
    rows = _Rows(sheet, bound, unsaid)
    try:
        for number, cells in sheet.rows:
            yield from rows.read(sheet.place(number), cells)
    except BadInputError as error:
        yield from error.faults


@dataclass(frozen=True, slots=True)
class _Rows:
    """Reads rows one by one."""

    sheet: Sheet
    bound: list[Bound]
    unsaid: Mapping[str, str]

    def read(self, place: str, cells: list[str]) -> Sequence[Found | Fault]:
        columns = len(self.sheet.header)
        if any(cells[columns:]):
            return [
                Fault(place, "columns", ",".join(cells), f"the row must have {columns} columns")
            ]
        said: Cells = {}
        faults: list[Fault] = []
        for one in self.bound:
            # A row may end before its empty cells.
            cell = cells[one.at] if one.at < len(cells) else ""
            if cell:
                try:
                    _say(said, one.read(cell))
                except ValueError as error:
                    faults.append(Fault(place, one.name, cell, str(error)))
        return faults or self._found(place, said)

    def _found(self, place: str, said: Cells) -> Sequence[Found | Fault]:
        code, text = said.pop("country_code", ""), said.pop("prefix", "")
        begin, end = said.pop("week_begin", None), said.pop("week_end", None)
        try:
            found = prefixes(code, text)
            for one in found:
                COLUMNS["prefix"].read(one)
        except ValueError as error:
            name = self._name("country_code" if code and not text else "prefix")
            return [Fault(place, name, text or code, str(error))]
        try:
            times = _times(begin, end)
        except ValueError as error:
            return [Fault(place, self._name("week_end"), end or "", str(error))]
        cells = completed(said, self.unsaid)
        lacking = [
            Fault(place, self._name(column), "", why)
            for column, why in missing({**cells, "prefix": found[0]})
        ]
        return lacking or [Found(place, {**cells, "prefix": one}, times) for one in found]

    def _name(self, column: str) -> str:
        """Give the name in the deck of what fills a column first of all, or else our own."""
        return next((one.name for one in self.bound if one.fills[:1] == (column,)), column)


def _say(said: Cells, more: tuple[tuple[str, str], ...]) -> None:
    """Add what a cell says. Raises ValueError if another one says something else of it."""
    for column, text in more:
        if said.setdefault(column, text) != text:
            raise ValueError(f"says another {column} than {said[column]}, which the row has too")


def _times(begin: str | None, end: str | None) -> WeekTimes:
    """Read minutes of the week; none are the whole of it."""
    first, last = int(begin or 0) * _MINUTE, (int(end or _LAST_MINUTE) + 1) * _MINUTE
    if first >= last:
        raise ValueError("must not be before its begin")
    return () if (first, last) == (0, _WEEK_SECONDS) else ((first, last),)
