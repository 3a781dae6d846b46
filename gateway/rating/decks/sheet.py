"""Rate decks as sheets: a header, and numbered rows of cells without blanks at their ends."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

from gateway.errors import BadInputError, Fault

Deck = tuple[str, Iterable[str]]
"""The name of a file, and its lines."""

_SEPARATORS = ",;\t|"


@dataclass(frozen=True, slots=True)
class Sheet:
    """A deck: rows may be read once, and raise BadInputError where they are no CSV."""

    source: str
    header: list[str]
    rows: Iterator[tuple[int, list[str]]]

    def place(self, row: int) -> str:
        """Name a row."""
        return f"{self.source}: row {row}"


def read_sheet(deck: Deck, separator: str = "") -> Sheet:
    """Read the header of a deck; it tells the separator too, if none is given."""
    source, text = deck
    lines = iter(text)
    first = next(lines, "").removeprefix("\ufeff")
    separator = separator or max(_SEPARATORS, key=first.count)
    rows = _rows(source, chain([first], lines), separator)
    _, header = next(rows, (1, []))
    while header and not header[-1]:
        header.pop()
    return Sheet(source, header, rows)


def without_header(sheet: Sheet, columns: Sequence[str]) -> Sheet:
    """Take the first row of a sheet for data, under the names that are given."""
    return Sheet(sheet.source, list(columns), chain([(1, sheet.header)], sheet.rows))


def _rows(source: str, lines: Iterable[str], separator: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(lines, delimiter=separator, strict=True)
    begin = 1
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                yield begin, stripped
            begin = reader.line_num + 1
    except csv.Error as error:
        raise BadInputError([Fault(f"{source}: row {begin}", "row", "", str(error))]) from error
