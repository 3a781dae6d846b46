"""Rate cards: published prices by prefix, direction and currency, loaded whole or not at all."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import combinations
from pathlib import PurePath
from typing import Any, TypeVar

from gateway.csvrows import csv_rows, wrong_columns
from gateway.errors import BadInputError, Fault
from gateway.rating.columns import COLUMNS, FOREVER_MS, Direction, moment_ms
from gateway.rating.match import longest_first
from gateway.rating.price import Rate, Tariff
from gateway.rating.week import overlap, week_times

T = TypeVar("T")

Table = dict[str, tuple[Rate, ...]]
"""Rows by prefix, those of one prefix in the order in which they come into force."""


@dataclass(frozen=True)
class RateCard:
    """Cards that hold together, each version by its name: of the file, and a digest of its text."""

    versions: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[tuple[Direction, str], Table] = field(default_factory=dict)
    """By direction and currency."""

    def tariff(
        self, direction: Direction, currency: str, number: str, now_ms: int
    ) -> Tariff | None:
        """Give what prices an E.164 number now; nothing, or an empty tariff, where no row does."""
        table = self.tables.get((direction, currency), {})
        for rows in longest_first(table, number.removeprefix("+")):
            tariff = in_force(rows, now_ms)
            if tariff is not None:
                return tariff
        return None


def in_force(rows: tuple[Rate, ...], now_ms: int) -> Tariff | None:
    """Choose of the rows of a prefix those that hold now: for each time of the week, the latest.

    Nothing if none does; an empty tariff if none holds at all other times.
    """
    found = {row.times: row for row in rows if row.from_ms <= now_ms < row.until_ms}
    if () in found:
        return (*(row for times, row in found.items() if times), found[()])
    return () if found else None


def read_cards(*cards: tuple[str, str]) -> RateCard:
    """Read cards that hold together: the file name and the CSV text of each.

    Raises BadInputError that names every wrong row, column and value.
    """
    loading = _Loading()
    for source, text in cards:
        loading.read(source, text)
    loading.compare()
    if loading.faults:
        raise BadInputError(loading.faults)
    return RateCard(loading.versions, loading.tables)


class _CellError(ValueError):
    """Says in which column a row is wrong, and why."""

    def __init__(self, column: str, why: str) -> None:
        super().__init__(why)
        self.column = column


class _Loading:
    """Cards while they are read."""

    def __init__(self) -> None:
        self.versions: dict[str, str] = {}
        self.tables: dict[tuple[Direction, str], Table] = {}
        self.faults: list[Fault] = []
        self._sources: dict[str, str] = {}

    def read(self, source: str, text: str) -> None:
        digest = hashlib.sha256(text.encode()).hexdigest()[:12]
        version = f"{PurePath(source).stem}@{digest}"
        self.versions[version], self._sources[version] = text, source
        for row, cells in csv_rows(source, text, _wrong_header, self.faults):
            faulty, values = len(self.faults), dict(_DEFAULTS)
            for column, cell in cells.items():
                try:
                    values[column] = _read(column, cell)
                except ValueError as error:
                    self._fault(source, row, column, cell, str(error))
            if len(self.faults) > faulty:
                continue
            try:
                self._add(values["direction"], _rate(values, version, row))
            except _CellError as error:
                self._fault(source, row, error.column, cells.get(error.column, ""), str(error))

    def _add(self, direction: Direction, rate: Rate) -> None:
        table = self.tables.setdefault((direction, rate.currency), {})
        others = table.get(rate.prefix)
        table[rate.prefix] = (*others, rate) if others else (rate,)

    def compare(self) -> None:
        """Find rows of one prefix that say different things of the same time."""
        for table in self.tables.values():
            for prefix, rows in table.items():
                if len(rows) > 1 or rows[0].times:
                    table[prefix] = tuple(sorted(rows, key=lambda row: row.from_ms))
                    self._compare(rows)

    def _compare(self, rows: tuple[Rate, ...]) -> None:
        for one, other in combinations(rows, 2):
            if why := _clash(one, other):
                place = f"{self._sources[one.card]}: row {one.row}"
                why = f"{why} {place}"
                self._fault(self._sources[other.card], other.row, "prefix", other.prefix, why)
        if all(row.times for row in rows):
            why = "must stand in a row without days and hours too, for all other times"
            self._fault(self._sources[rows[0].card], rows[0].row, "prefix", rows[0].prefix, why)

    def _fault(self, source: str, row: int, column: str, value: str, why: str) -> None:
        self.faults.append(Fault(f"{source}: row {row}", column, value, why))


def _wrong_header(header: list[str]) -> str:
    required = [name for name, column in COLUMNS.items() if column.default is None]
    return wrong_columns(header, required, COLUMNS)


# The cells of a card repeat: a price, a destination, a date stand in very many rows.
@lru_cache(maxsize=65_536)
def _read(name: str, cell: str) -> Any:  # noqa: ANN401 - as the column has it
    column = COLUMNS[name]
    return column.read(cell or column.default or "")


_DEFAULTS = {name: _read(name, "") for name, one in COLUMNS.items() if one.default is not None}


def _rate(values: Mapping[str, Any], version: str, row: int) -> Rate:
    """Join the values of a row. Raises _CellError for those that do not go together."""
    time_zone = values["timezone"]
    _joined("days", week_times, values["days"], "")
    times = _joined("hours", week_times, values["days"], values["hours"])
    from_ms = _joined("effective_from", moment_ms, values["effective_from"], time_zone, 0)
    until = values["effective_until"]
    until_ms = _joined("effective_until", moment_ms, until, time_zone, FOREVER_MS)
    if until_ms <= from_ms:
        raise _CellError("effective_until", "must be later than effective_from")
    maximum = values["maximum_charge"]
    if maximum is not None and maximum < values["minimum_charge"]:
        raise _CellError("maximum_charge", "must not be less than minimum_charge")
    return Rate(
        prefix=values["prefix"],
        destination=values["destination"],
        currency=values["currency"],
        connection_fee=values["connection_fee"],
        per_minute=values["rate_per_minute"],
        first_per_minute=values["first_rate_per_minute"],
        initial_seconds=values["initial_seconds"],
        increment_seconds=values["increment_seconds"],
        total=values["increments"],
        minimum=values["minimum_charge"],
        maximum=maximum,
        grace_seconds=values["grace_seconds"],
        times=times,
        time_zone=time_zone,
        from_ms=from_ms,
        until_ms=until_ms,
        card=version,
        row=row,
    )


def _joined(column: str, read: Callable[..., T], *cells: object) -> T:
    try:
        return read(*cells)
    except ValueError as error:
        raise _CellError(column, str(error)) from error


def _clash(one: Rate, other: Rate) -> str:
    """Say how two rows of a prefix clash, or nothing: over one without end, a later holds."""
    earlier, later = sorted((one, other), key=lambda row: row.from_ms)
    if one.times == other.times:
        if earlier.from_ms == later.from_ms:
            return "stands already in"
        ends = earlier.until_ms != FOREVER_MS and later.from_ms < earlier.until_ms
        return "begins before the end of" if ends else ""
    together = later.from_ms < min(earlier.until_ms, later.until_ms)
    return (
        "has days and hours in common with" if together and overlap(one.times, other.times) else ""
    )
