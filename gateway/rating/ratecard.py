"""Rate cards: published prices as CSV, loaded whole or not at all."""

import csv
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal

from gateway import names
from gateway.errors import BadInputError, Fault
from gateway.money import MICROS_PER_UNIT
from gateway.rating.match import longest_prefix
from gateway.rating.price import CALL_SECONDS_MAX, Rate

COLUMNS = (
    "prefix",
    "destination",
    "rate_per_minute",
    "connection_fee",
    "initial_seconds",
    "increment_seconds",
    "currency",
)

_PREFIX = re.compile(r"[1-9][0-9]{0,14}")
_MONEY = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,12})?")
_SECONDS = re.compile(r"[1-9][0-9]{0,4}")


@dataclass(frozen=True)
class RateCard:
    """A loaded card. ``name`` holds a digest of its text, so that it names one version."""

    name: str
    rates: Mapping[str, Rate]

    def rate(self, number: str) -> Rate | None:
        """Give the rate of an E.164 number, or nothing where the card has none."""
        return longest_prefix(self.rates, number.removeprefix("+"))


def read_card(source: str, text: str) -> RateCard:
    """Read a card from its CSV text; ``source`` is the file's name.

    Raises BadInputError that names every wrong row, column and value.
    """
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    name = f"{source.rpartition('/')[2].removesuffix('.csv')}@{digest}"
    lines = csv.DictReader(text.splitlines(), strict=True)
    try:
        found = tuple(lines.fieldnames or ())
    except csv.Error as error:
        raise BadInputError([Fault(f"{source}: row 1", "row", "", str(error))]) from error
    if found != COLUMNS:
        why = f"the columns must be {','.join(COLUMNS)}"
        raise BadInputError([Fault(f"{source}: row 1", "columns", ",".join(found), why)])
    rates: dict[str, Rate] = {}
    faults: list[Fault] = []
    for row, cells in _rows(source, lines, faults):
        wrong = [_fault(f"{source}: row {row}", column, cells[column]) for column in COLUMNS]
        faults += [fault for fault in wrong if fault]
        if any(wrong):
            continue
        if cells["prefix"] in rates:
            why = f"stands in row {rates[cells['prefix']].row} already"
            faults.append(Fault(f"{source}: row {row}", "prefix", cells["prefix"], why))
        else:
            rates[cells["prefix"]] = _rate(cells, name, row)
    if not rates and not faults:
        faults.append(Fault(source, "rows", "", "the card has no rates"))
    if faults:
        raise BadInputError(faults)
    return RateCard(name, rates)


def _rows(
    source: str, lines: "csv.DictReader[str]", faults: list[Fault]
) -> Iterator[tuple[int, dict[str, str]]]:
    """Give each row that has exactly the card's columns, with its number in the file."""
    try:
        for cells in lines:
            if None in cells or None in cells.values():
                why = f"the row must have {len(COLUMNS)} columns"
                values = [str(cell) for cell in cells.values()]
                faults.append(
                    Fault(f"{source}: row {lines.line_num}", "columns", ",".join(values), why)
                )
            else:
                yield lines.line_num, cells
    except csv.Error as error:
        # The reader counts a row only once it is whole.
        faults.append(Fault(f"{source}: row {lines.line_num + 1}", "row", "", str(error)))


_RULES: Mapping[str, tuple[Callable[[str], object], str]] = {
    "prefix": (_PREFIX.fullmatch, "must be 1 to 15 digits that do not start with 0"),
    "destination": (str.strip, "must not be empty"),
    "rate_per_minute": (_MONEY.fullmatch, "must be a decimal that is not negative"),
    "connection_fee": (_MONEY.fullmatch, "must be a decimal that is not negative"),
    "initial_seconds": (_SECONDS.fullmatch, "must be whole seconds, 1 or more"),
    "increment_seconds": (_SECONDS.fullmatch, "must be whole seconds, 1 or more"),
    "currency": (names.CURRENCY.fullmatch, "must be a code of three capitals (ISO 4217)"),
}


def _fault(where: str, column: str, value: str) -> Fault | None:
    accepts, why = _RULES[column]
    if not accepts(value):
        return Fault(where, column, value, why)
    if column.endswith("_seconds") and int(value) > CALL_SECONDS_MAX:
        return Fault(where, column, value, f"must be at most {CALL_SECONDS_MAX}")
    return None


def _rate(cells: Mapping[str, str], card: str, row: int) -> Rate:
    fee, minute = (
        Decimal(cells[column]) * MICROS_PER_UNIT for column in ("connection_fee", "rate_per_minute")
    )
    decimals = max(0, *(-int(value.normalize().as_tuple().exponent) for value in (fee, minute)))
    parts = 10**decimals
    return Rate(
        prefix=cells["prefix"],
        destination=cells["destination"].strip(),
        currency=cells["currency"],
        connection_fee=int(fee * parts),
        per_minute=int(minute * parts),
        parts_per_micro=parts,
        initial_seconds=int(cells["initial_seconds"]),
        increment_seconds=int(cells["increment_seconds"]),
        card=card,
        row=row,
    )
