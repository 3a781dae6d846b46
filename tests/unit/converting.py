"""Rate decks turned into cards, and what came of them."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.errors import BadInputError
from gateway.rating.columns import Direction
from gateway.rating.decks.cells import Dates, Decimals, Manner
from gateway.rating.decks.convert import Converted, Options, convert
from gateway.rating.price import price
from gateway.rating.ratecard import read_cards

DECKS = Path(__file__).parent / "decks"
PLAN = ("Destinations.csv", "Rates.csv", "DestinationRates.csv", "RatingPlans.csv", "Timings.csv")
HEADER = "Prefix,Destination,Rate"
DOLLARS = {"currency": "USD"}
GIVEN = Options(unsaid=DOLLARS)

MONDAY_NOON = 1_796_040_000  # in UTC, on 30 November 2026
SUNDAY_NOON = MONDAY_NOON - 86_400


def from_text(text: str, options: Options = GIVEN) -> Converted:
    return convert([("deck.csv", io.StringIO(text, newline=""))], options)


def from_files(*names: str, unsaid: dict[str, str] | None = None, plan: str = "") -> Converted:
    decks = [(name, io.StringIO((DECKS / name).read_text())) for name in names]
    return convert(decks, Options(plan=plan, unsaid=unsaid or {}))


def written(*, decimals: str = "", dates: str = "") -> Options:
    manner = Manner(Decimals(decimals) if decimals else None, Dates(dates) if dates else None)
    return replace(GIVEN, manner=manner)


def rows(converted: Converted) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(converted.text)))


def column(converted: Converted, name: str) -> list[str]:
    return [row[name] for row in rows(converted)]


def prefixes_of(cell: str, header: str = HEADER, code: str = "") -> list[str]:
    return column(from_text(f'{header}\n{code}"{cell}",Somewhere,0.1\n'), "prefix")


def faults(text: str, options: Options = GIVEN) -> list[tuple[str, str, str, str]]:
    """Give the place, column, value and reason of each fault of a deck."""
    with pytest.raises(BadInputError) as refused:
        from_text(text, options)
    return [(fault.where, fault.field, fault.value, fault.why) for fault in refused.value.faults]


def fault_of(header: str, row: str, options: Options = GIVEN) -> tuple[str, str, str]:
    """Give the column, value and reason of the one fault of a row."""
    [(place, *fault)] = faults(f"{header}\n{row}\n", options)
    assert place == "deck.csv: row 2"
    name, value, why = fault
    return name, value, why


def cost(converted: Converted, number: str, seconds: int, currency: str, start: int) -> int:
    card = read_cards(("card.csv", converted.text))
    tariff = card.tariff(Direction.OUTBOUND, currency, number, start * 1000)
    assert tariff
    return price(tariff, start, seconds)
