from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadInputError
from gateway.rating.match import longest_prefix
from gateway.rating.price import price
from gateway.rating.ratecard import COLUMNS, read_card
from tests.unit.rates import card, rate

HEADER = ",".join(COLUMNS)
SHIPPED = sorted((Path(__file__).parents[2] / "ratecards").glob("*.csv"))
DIGITS = st.text("12", min_size=1, max_size=6)


def faults(text: str) -> list[tuple[str, str, str]]:
    """Give where, in which column and with which value a card is wrong."""
    with pytest.raises(BadInputError) as refused:
        read_card("rates/card.csv", text)
    return [(fault.where, fault.field, fault.value) for fault in refused.value.faults]


def test_a_card_names_file_row_column_and_value_of_every_fault() -> None:
    text = f"""{HEADER}
44,Britain,0.6,0,60,60,USD
044,Britain,0.6,0,60,60,USD
33,,-1,1e3,0,6.5,usd
49,Germany,0.1,0,86401,60,USD
44,Britain again,0.7,0,60,60,USD
"""
    assert faults(text) == [
        ("rates/card.csv: row 3", "prefix", "044"),
        ("rates/card.csv: row 4", "destination", ""),
        ("rates/card.csv: row 4", "rate_per_minute", "-1"),
        ("rates/card.csv: row 4", "connection_fee", "1e3"),
        ("rates/card.csv: row 4", "initial_seconds", "0"),
        ("rates/card.csv: row 4", "increment_seconds", "6.5"),
        ("rates/card.csv: row 4", "currency", "usd"),
        ("rates/card.csv: row 5", "initial_seconds", "86401"),
        ("rates/card.csv: row 6", "prefix", "44"),
    ]


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ("44,Britain,0.6,0,60,60", "columns"),
        ("44,Britain,0.6,0,60,60,USD,EUR", "columns"),
        ('44,"Britain,0.6,0,60,60,USD', "row"),
    ],
)
def test_a_row_that_is_cut_or_too_long_is_named(row: str, field: str) -> None:
    [(where, found, _)] = faults(f"{HEADER}\n{row}")
    assert (where, found) == ("rates/card.csv: row 2", field)


def test_a_header_that_is_no_csv_is_named() -> None:
    assert faults(f'"{HEADER}\n') == [("rates/card.csv: row 1", "row", "")]


@pytest.mark.parametrize("header", ["", "prefix,rate", f"{HEADER},comment"])
def test_a_card_with_other_columns_does_not_load(header: str) -> None:
    [(where, field, value)] = faults(f"{header}\n")
    assert (where, field) == ("rates/card.csv: row 1", "columns")
    assert value == header


def test_a_card_without_rates_does_not_load() -> None:
    assert faults(f"{HEADER}\n") == [("rates/card.csv", "rows", "")]


def test_a_destination_may_hold_a_quoted_comma() -> None:
    assert card('44,"Britain, mobile",0.6,0,60,60,USD').rates["44"].destination == "Britain, mobile"


def test_a_charge_names_the_version_and_the_row_of_its_card() -> None:
    # M8: another price makes another version.
    first, second = (card(f"44,Britain,{price_},0,1,1,USD") for price_ in ("0.6", "0.7"))
    assert first.name != second.name
    assert (first.rates["44"].card, first.rates["44"].row) == (first.name, 2)
    assert first.name.startswith("card@")


def test_a_number_without_a_rate_has_none() -> None:
    assert card("44,Britain,0.6,0,60,60,USD").rate("+33142685300") is None


@given(prefixes=st.sets(DIGITS), number=st.text("12", max_size=8))
def test_the_longest_prefix_of_a_number_gives_its_rate(prefixes: set[str], number: str) -> None:
    rates = {prefix: rate(f"0.{prefix}") for prefix in prefixes}
    starts = sorted((prefix for prefix in prefixes if number.startswith(prefix)), key=len)
    assert longest_prefix(rates, number) == (rates[starts[-1]] if starts else None)


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.name)
def test_a_shipped_card_loads_and_sells_a_minute_to_each_prefix(file: Path) -> None:
    loaded = read_card(str(file), file.read_text())
    assert len(loaded.rates) == len(file.read_text().splitlines()) - 1
    assert all(price(sold, 60) > 0 for sold in loaded.rates.values())
