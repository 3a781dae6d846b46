import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadInputError
from gateway.rating.columns import Direction
from gateway.rating.match import longest_first
from gateway.rating.price import price
from gateway.rating.ratecard import RateCard, read_cards
from tests.unit.rates import HEADER, NOW_MS, card

SHIPPED = sorted((Path(__file__).parents[2] / "ratecards").glob("*.csv"))
DIGITS = st.text("12", min_size=1, max_size=6)
BRITAIN = "44,Britain,0.6,0,60,60,USD"
DAY_MS = 86_400_000


def faults(*texts: str) -> list[tuple[str, str, str]]:
    """Give where, in which column and with which value cards are wrong."""
    with pytest.raises(BadInputError) as refused:
        read_cards(*((f"rates/{name}.csv", text) for name, text in zip("abc", texts, strict=False)))
    return [(fault.where, fault.field, fault.value) for fault in refused.value.faults]


def why(*rows: str, more: str) -> str:
    """Give the one fault of a card of these rows, as it is said."""
    with pytest.raises(BadInputError) as refused:
        card(*rows, more=more)
    [fault] = refused.value.faults
    return str(fault)


def found(cards: RateCard, number: str, at_ms: int = NOW_MS, currency: str = "USD") -> list[int]:
    """Give the rows that price a number."""
    tariff = cards.tariff(Direction.OUTBOUND, currency, number, at_ms)
    return [rate.row for rate in tariff or ()]


def test_a_card_names_file_row_column_and_value_of_every_fault() -> None:
    text = f"""{HEADER},grace_seconds,increments,timezone
{BRITAIN},0,each,UTC
044,Britain,0.6,0,60,60,USD,0,each,UTC
33,,-1,1e3,0,6.5,usd,-1,some,Mars/Olympus
49,Germany,0.1,0,86401,60,USD,0,each,UTC
{BRITAIN.replace("0.6", "0.7")},0,each,UTC
"""
    assert faults(text) == [
        ("rates/a.csv: row 3", "prefix", "044"),
        ("rates/a.csv: row 4", "destination", ""),
        ("rates/a.csv: row 4", "rate_per_minute", "-1"),
        ("rates/a.csv: row 4", "connection_fee", "1e3"),
        ("rates/a.csv: row 4", "initial_seconds", "0"),
        ("rates/a.csv: row 4", "increment_seconds", "6.5"),
        ("rates/a.csv: row 4", "currency", "usd"),
        ("rates/a.csv: row 4", "grace_seconds", "-1"),
        ("rates/a.csv: row 4", "increments", "some"),
        ("rates/a.csv: row 4", "timezone", "Mars/Olympus"),
        ("rates/a.csv: row 5", "initial_seconds", "86401"),
        ("rates/a.csv: row 6", "prefix", "44"),
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
    [(where, named, _)] = faults(f"{HEADER}\n{row}")
    assert (where, named) == ("rates/a.csv: row 2", field)


def test_a_header_that_is_no_csv_is_named() -> None:
    assert faults(f'"{HEADER}\n') == [("rates/a.csv: row 1", "row", "")]


@pytest.mark.parametrize("header", ["", "prefix,rate", f"{HEADER},comment", f"{HEADER},prefix"])
def test_a_card_with_other_columns_does_not_load(header: str) -> None:
    [(where, field, value)] = faults(f"{header}\n")
    assert (where, field) == ("rates/a.csv: row 1", "columns")
    assert value == header


def test_a_card_without_rates_does_not_load_even_beside_one_that_has_some() -> None:
    assert faults(f"{HEADER}\n{BRITAIN}\n", f"{HEADER}\n\n") == [("rates/b.csv", "rows", "")]


def test_columns_may_stand_in_any_order_and_those_with_a_default_may_be_absent() -> None:
    cards = read_cards(("c.csv", "currency,prefix,rate_per_minute,destination\nUSD,44,0.6,Britain"))
    tariff = cards.tariff(Direction.OUTBOUND, "USD", "+442071838750", NOW_MS)
    assert tariff
    assert price(tariff, 0, 61) == 610_000


def test_a_destination_may_hold_a_quoted_comma() -> None:
    tariff = card('44,"Britain, mobile",0.6,0,60,60,USD').tariff(
        Direction.OUTBOUND, "USD", "+44", NOW_MS
    )
    assert tariff
    assert tariff[0].destination == "Britain, mobile"


def test_a_charge_names_the_version_and_the_row_of_its_card() -> None:
    # M8: another price makes another version.
    texts = [f"{HEADER}\n44,Britain,{per_minute},0,1,1,USD" for per_minute in ("0.6", "0.7")]
    versions = []
    for text in texts:
        cards = read_cards(("rates/card.csv", text))
        tariff = cards.tariff(Direction.OUTBOUND, "USD", "+442071838750", NOW_MS)
        assert tariff
        assert cards.versions == {tariff[0].card: text}
        assert tariff[0].row == 2
        versions.append(tariff[0].card)
    assert versions[0] != versions[1]
    assert all(version.startswith("card@") for version in versions)


def test_a_number_has_a_rate_of_its_direction_and_currency_only() -> None:
    cards = card(
        "44,Britain,0.6,0,60,60,USD,outbound",
        "44,Britain,0.5,0,60,60,EUR,",
        "1800,Toll-free,0.02,0,60,60,USD,inbound",
        more="direction",
    )
    assert found(cards, "+442071838750") == [2]
    assert found(cards, "+442071838750", currency="EUR") == [3]
    assert found(cards, "+442071838750", currency="GBP") == []
    assert found(cards, "+33142685300") == []
    assert found(cards, "+18005550100") == []
    assert cards.tariff(Direction.INBOUND, "USD", "+18005550100", NOW_MS)


def test_cards_hold_together_and_clash_together() -> None:
    mobile = f"{HEADER}\n447,Britain mobile,0.9,0,60,60,USD\n"
    cards = read_cards(("a.csv", f"{HEADER}\n{BRITAIN}\n"), ("b.csv", mobile))
    versions = [
        tariff[0].card.partition("@")[0]
        for number in ("+442071838750", "+447700900123")
        if (tariff := cards.tariff(Direction.OUTBOUND, "USD", number, NOW_MS))
    ]
    assert versions == ["a", "b"]
    assert faults(mobile, mobile) == [("rates/b.csv: row 2", "prefix", "447")]


@given(prefixes=st.sets(DIGITS), number=st.text("12", max_size=8))
def test_the_longest_prefix_of_a_number_gives_its_rate(prefixes: set[str], number: str) -> None:
    naive = sorted((one for one in prefixes if number.startswith(one)), key=len, reverse=True)
    assert list(longest_first({one: one for one in prefixes}, number)) == naive


@given(prefixes=st.sets(DIGITS, min_size=1), number=DIGITS)
def test_a_card_gives_a_number_what_a_naive_search_finds(prefixes: set[str], number: str) -> None:
    rows = sorted(prefixes)
    cards = card(*(f"{prefix},Somewhere,0.{prefix},0,1,1,USD" for prefix in rows))
    matching = [prefix for prefix in rows if number.startswith(prefix)]
    longest = max(matching, key=len, default="")
    assert found(cards, f"+{number}") == ([rows.index(longest) + 2] if longest else [])


# In force at: before, in, and after each span; 1 January 2027 is 1,798,761,600.
JANUARY_MS = 1_798_761_600_000


@pytest.mark.parametrize(
    ("at_ms", "row"),
    [
        (JANUARY_MS - 1, 2),
        (JANUARY_MS, 3),
        (JANUARY_MS + 31 * DAY_MS - 1, 3),
        pytest.param(JANUARY_MS + 31 * DAY_MS, 2, id="the one before is in force again"),
        pytest.param(JANUARY_MS - 400 * DAY_MS, 4, id="none of the longer prefix: the shorter"),
    ],
)
def test_of_the_rows_that_are_in_force_the_one_that_began_last_holds(at_ms: int, row: int) -> None:
    cards = card(
        "4420,London,0.6,0,1,1,USD,2026-01-01,",
        "4420,London,0.7,0,1,1,USD,2027-01-01,2027-02-01T00:00Z",
        "44,Britain,0.5,0,1,1,USD,,",
        more="effective_from,effective_until",
    )
    assert found(cards, "+442071838750", at_ms) == [row]


def test_days_and_hours_without_a_row_for_other_times_in_force_sell_nothing() -> None:
    # Neither at their own times, nor by the price of a shorter prefix.
    cards = card(
        f"{BRITAIN},,,mon-fri,08:00-18:00",
        f"{BRITAIN},,2027-01-01,,",
        "4,Somewhere,0.01,0,60,60,USD,,,,",
        more="effective_from,effective_until,days,hours",
    )
    assert found(cards, "+442071838750", JANUARY_MS - 1) == [2, 3]
    assert found(cards, "+442071838750", JANUARY_MS) == []


def test_a_date_begins_with_the_day_of_the_card_s_zone() -> None:
    cards = card("44,Britain,0.6,0,1,1,USD,2027-01-01,Asia/Tokyo", more="effective_from,timezone")
    begins_ms = JANUARY_MS - 9 * 3_600_000
    assert (found(cards, "+44", begins_ms - 1), found(cards, "+44", begins_ms)) == ([], [2])


TIMES = "effective_from,effective_until,days,hours"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        pytest.param(
            (f"{BRITAIN},,,,", f"{BRITAIN},,,,"),
            "stands already in rates/card.csv: row 2",
            id="twice",
        ),
        pytest.param(
            (f"{BRITAIN},,2027-06-01,,", f"{BRITAIN},2027-05-31,,,"),
            "begins before the end of rates/card.csv: row 2",
            id="overlapping dates",
        ),
        pytest.param(
            (f"{BRITAIN},,,,", f"{BRITAIN},,,mon-fri,", f"{BRITAIN},,,fri,08:00-09:00"),
            "has days and hours in common with rates/card.csv: row 3",
            id="overlapping times",
        ),
        pytest.param(
            (f"{BRITAIN},,,mon-fri,",), "for all other times", id="nothing at other times"
        ),
        pytest.param((f"{BRITAIN},,,monday,",), "days such as mon-fri", id="no such day"),
        pytest.param((f"{BRITAIN},,,,8-18",), "hours such as 08:00-18:00", id="no such hours"),
        pytest.param((f"{BRITAIN},,,,08:00-08:00",), "hours such as", id="no length"),
        pytest.param((f"{BRITAIN},,,,08:00-24:01",), "hours such as", id="beyond the day"),
        pytest.param((f"{BRITAIN},soon,,,",), "effective_from = 'soon'", id="no date"),
        pytest.param(
            (f"{BRITAIN},2027-01-01,2027-01-01,,",),
            "later than effective_from",
            id="no time at all",
        ),
    ],
)
def test_rows_that_clash_are_named_with_the_reason(rows: tuple[str, ...], said: str) -> None:
    assert said in why(*rows, more=TIMES)


def test_a_maximum_below_the_minimum_is_named() -> None:
    said = why(f"{BRITAIN},0.2,0.1", more="minimum_charge,maximum_charge")
    assert "maximum_charge = '0.1'" in said


def test_times_of_the_week_go_with_their_prefix_and_the_date() -> None:
    cards = card(
        f"{BRITAIN},,,,",
        f"{BRITAIN},,,mon-fri,08:00-18:00",
        f"{BRITAIN},2027-01-01,,mon-fri,08:00-18:00",
        more=TIMES,
    )
    assert found(cards, "+442071838750", JANUARY_MS - 1) == [3, 2]
    assert found(cards, "+442071838750", JANUARY_MS) == [4, 2]


@pytest.mark.parametrize("file", SHIPPED, ids=lambda file: file.name)
def test_a_shipped_card_loads_and_sells_a_minute_to_each_prefix(file: Path) -> None:
    text = file.read_text()
    loaded = read_cards((str(file), text))
    rows = [rate for table in loaded.tables.values() for rates in table.values() for rate in rates]
    assert len(rows) == len(list(csv.reader(text.splitlines()))) - 1
    assert all(price((rate,), 0, 60) > 0 or "toll-free" in rate.destination for rate in rows)
