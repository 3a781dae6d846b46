"""How the cells of rate decks are read: prefixes, amounts, increments, dates."""

import pytest

from gateway.rating.decks.convert import Options
from tests.unit.converting import (
    HEADER,
    column,
    fault_of,
    from_text,
    prefixes_of,
    rows,
    written,
)

# Prefixes


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("4420", ["4420"]),
        ("+4420", ["4420"]),
        ("004420", ["4420"]),
        ("01144 20", ["4420"]),
        ("44 20", ["4420"]),
        ("1-876", ["1876"]),
        ("+1 (876) 555", ["1876555"]),
        ("4420,4421; 4422|4423", ["4420", "4421", "4422", "4423"]),
        ("4420-4423", ["4420", "4421", "4422", "4423"]),
        ("+4420 - +4421, 4430", ["4420", "4421", "4430"]),
        ("61 38, 61 39", ["6138", "6139"]),
    ],
)
def test_a_cell_may_have_prefixes_of_many_kinds(cell: str, expected: list[str]) -> None:
    assert prefixes_of(cell) == expected


def test_area_codes_stand_behind_the_country_code_of_their_row() -> None:
    header = "Country code,Area code,Destination,Rate"
    assert prefixes_of("", header, "+44,") == ["44"]
    assert prefixes_of("20-22,7", header, "44,") == ["4420", "4421", "4422", "447"]
    assert prefixes_of("44", "Country code,Destination,Rate") == ["44"]
    assert fault_of(header, "044,,Britain,0.1")[:2] == ("Country code", "044")


@pytest.mark.parametrize(
    ("cell", "why"),
    [
        ("", "1 to 15 digits"),
        ("0", "1 to 15 digits"),
        ("1234567890123456", "1 to 15 digits"),
        ("4.42E+11", "1 to 15 digits"),
        ("_447X", "1 to 15 digits"),
        ("44-45", "write each whole"),
        ("1 8 7 6", "write each whole"),
        ("61 38,39", "before each of the list"),
        ("4429-4420", "a range"),
        ("4420-29", "a range"),
        ("4420 4421", "a range"),
        ("442000-449999", "at most 1000"),
    ],
)
def test_a_cell_of_prefixes_that_is_unclear_is_refused(cell: str, why: str) -> None:
    name, value, said = fault_of(HEADER, f'"{cell}",Somewhere,0.1')
    assert (name, value) == ("Prefix", cell)
    assert why in said


# Money


@pytest.mark.parametrize(
    ("cell", "decimals", "expected"),
    [
        ("0.0120", "", "0.012"),
        (".012", "", "0.012"),
        ("1.", "", "1"),
        ("0,012", "", "0.012"),
        ("1,25", "", "1.25"),
        ("1,250", ",", "1.25"),
        ("1.250", "", "1.25"),
    ],
)
def test_an_amount_is_written_with_a_point(cell: str, decimals: str, expected: str) -> None:
    deck = from_text(f'{HEADER}\n44,Britain,"{cell}"\n', written(decimals=decimals))
    assert column(deck, "rate_per_minute") == [expected]


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("€0.012", "EUR"),
        ("0,012 €", "EUR"),
        ("eur 0.012", "EUR"),
        ("0.012 GBP", "GBP"),
        ("£ 0.012", "GBP"),
        ("US$0.012", "USD"),
        ("$0.012", "CAD"),
    ],
)
def test_a_currency_in_a_cell_goes_before_the_one_that_is_given(cell: str, expected: str) -> None:
    deck = from_text(f'{HEADER}\n44,Britain,"{cell}"\n', Options(unsaid={"currency": "CAD"}))
    assert column(deck, "currency") == [expected]
    assert column(deck, "rate_per_minute") == ["0.012"]


@pytest.mark.parametrize(
    ("cell", "decimals", "why"),
    [
        ("1,234.50", "", "thousands separator"),
        ("1.234,50", "", "thousands separator"),
        ("1 234", "", "thousands separator"),
        ("1'234", "", "thousands separator"),
        ("1.250", ",", "thousands separator"),
        ("1,250", ".", "thousands separator"),
        ("1,250", "", "before thousands or before decimals"),
        ("-0.1", "", "not negative"),
        ("0.1234567890123", "", "must be a decimal"),
        ("5E-3", "", "an amount such as"),
        ("1.2 cents", "", "an amount such as"),
        ("$0.1 USD", "", "an amount such as"),
        ("N/A", "", "an amount such as"),
        ("", "", "must not be empty"),
    ],
)
def test_an_amount_that_is_none_is_refused(cell: str, decimals: str, why: str) -> None:
    name, value, said = fault_of(HEADER, f'44,Britain,"{cell}"', written(decimals=decimals))
    assert (name, value) == ("Rate", cell)
    assert why in said


def test_a_code_may_be_in_small_letters() -> None:
    deck = from_text(f"{HEADER},Currency\n44,Britain,0.1,eur\n")
    assert column(deck, "currency") == ["EUR"]


def test_a_row_has_one_currency() -> None:
    header = "Prefix,Destination,Rate,Setup fee (GBP)"
    name, value, why = fault_of(header, "44,Britain,EUR 0.1,0.05")
    assert (name, value) == ("Setup fee (GBP)", "0.05")
    assert "EUR" in why
    assert fault_of(HEADER, "44,Britain,0.1", Options())[0] == "currency"


# Seconds


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("60/60", ("60", "60")),
        ("30 / 6", ("30", "6")),
        ("1/1", ("1", "1")),
        ("60+1", ("60", "1")),
        ("0/6", ("6", "6")),
        ("6", ("6", "6")),
        ("6 sec", ("6", "6")),
        ("0", ("1", "1")),
    ],
)
def test_increments_are_the_first_block_and_the_others(
    cell: str, expected: tuple[str, str]
) -> None:
    [row] = rows(from_text(f"{HEADER},Increment\n44,Britain,0.1,{cell}\n"))
    assert (row["initial_seconds"], row["increment_seconds"]) == expected


def test_a_first_block_is_given_once() -> None:
    header = f"{HEADER},Increment,Min duration"
    [row] = rows(from_text(f"{header}\n44,Britain,0.1,6,30\n"))
    assert (row["initial_seconds"], row["increment_seconds"]) == ("30", "6")
    assert fault_of(header, "44,Britain,0.1,60/6,30")[:2] == ("Min duration", "30")


@pytest.mark.parametrize("cell", ["a minute", "-6", "-", "6/", "90000", "60/60/60"])
def test_increments_that_are_none_are_refused(cell: str) -> None:
    assert fault_of(f"{HEADER},Increment", f"44,Britain,0.1,{cell}")[:2] == ("Increment", cell)


# Dates


@pytest.mark.parametrize(
    ("cell", "dates", "expected"),
    [
        ("2027-01-31", "", "2027-01-31"),
        ("2027/01/31", "", "2027-01-31"),
        ("2027-01-31 00:00:00", "", "2027-01-31"),
        ("2027-01-31T12:00Z", "", "2027-01-31T12:00Z"),
        ("31.01.2027", "", "2027-01-31"),
        ("1.2.2027", "", "2027-02-01"),
        ("31/01/2027", "", "2027-01-31"),
        ("01/31/2027", "", "2027-01-31"),
        ("05/05/2027", "", "2027-05-05"),
        ("01/02/2027", "dmy", "2027-02-01"),
        ("01/02/2027", "mdy", "2027-01-02"),
        ("01-02-2027 12:30", "mdy", "2027-01-02T12:30"),
    ],
)
def test_a_date_is_written_as_iso_8601_has_it(cell: str, dates: str, expected: str) -> None:
    text = f"{HEADER},Effective date\n44,Britain,0.1,{cell}\n"
    assert column(from_text(text, written(dates=dates)), "effective_from") == [expected]


@pytest.mark.parametrize(
    ("cell", "dates", "why"),
    [
        ("01/02/2027", "", "either way round"),
        ("01/31/2027", "dmy", "must be a date"),
        ("31.02.2027", "", "must be a date"),
        ("31.01.27", "", "must be a date"),
        ("immediately", "", "must be a date"),
    ],
)
def test_a_date_that_is_unclear_is_refused(cell: str, dates: str, why: str) -> None:
    name, value, said = fault_of(
        f"{HEADER},Effective date", f"44,Britain,0.1,{cell}", written(dates=dates)
    )
    assert (name, value) == ("Effective date", cell)
    assert why in said


def test_a_last_day_counts_as_a_whole() -> None:
    last_days = ("31.12.2027", "31.12.2027 00:00", "0")
    text = "".join(f"{code},Somewhere,0.1,{day}\n" for code, day in enumerate(last_days, 1))
    deck = from_text(f"{HEADER},Valid to\n{text}")
    assert column(deck, "effective_until") == ["2028-01-01", "2027-12-31", ""]
    assert fault_of(f"{HEADER},Valid to", "44,Britain,0.1,9999-12-31")[0] == "Valid to"
