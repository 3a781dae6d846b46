"""Rate decks as they are found: each format, and rows together."""

import csv
import io
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadInputError
from gateway.rating.decks.convert import NAMES, Converted, Options, convert
from gateway.rating.ratecard import read_cards
from tests.unit.converting import (
    DECKS,
    DOLLARS,
    GIVEN,
    HEADER,
    MONDAY_NOON,
    PLAN,
    SUNDAY_NOON,
    column,
    cost,
    fault_of,
    faults,
    from_files,
    from_text,
    rows,
)

# Each format


def test_a_deck_of_a2billing_becomes_rates_by_times_of_the_week() -> None:
    deck = from_files("a2billing.csv", unsaid={**DOLLARS, "timezone": "UTC"})
    assert (deck.rows_in, deck.rows_out) == (4, 3)
    assert column(deck, "prefix") == ["33", "3247", "3247"]
    assert set(column(deck, "increments")) == {"total"}
    # Monday from 8 to 20 is dear; 7 seconds are two blocks of 6.
    assert cost(deck, "+32470000000", 7, "USD", MONDAY_NOON) == 20_000 + 12 * 2_000
    assert cost(deck, "+32470000000", 7, "USD", SUNDAY_NOON) == 20_000 + 12 * 1_250


def test_a_deck_of_magnusbilling_needs_no_header_if_it_is_named() -> None:
    text = (DECKS / "magnusbilling.csv").read_text()
    deck = from_text(text, Options(format="magnusbilling", unsaid={"currency": "BRL"}))
    assert column(deck, "grace_seconds") == ["3", "3", "0"]
    assert column(deck, "initial_seconds") == ["30", "30", "1"]
    assert cost(deck, "+551100000000", 3, "BRL", MONDAY_NOON) == 0
    # 32 seconds are 36, in blocks of 6 from the first second on.
    assert cost(deck, "+551100000000", 32, "BRL", MONDAY_NOON) == 36 * 150


def test_a_deck_of_astpp_says_its_currency_in_its_header() -> None:
    deck = from_files("astpp.csv")
    assert column(deck, "currency") == ["USD", "USD"]
    assert column(deck, "destination") == ["Afghanistan - Fixed", "Afghanistan - Mobile, AWCC"]
    assert column(deck, "initial_seconds") == ["30", "1"]
    assert deck.notes == ("astpp.csv: astpp; columns not used: Priority",)


def test_a_deck_of_a_carrier_has_lists_of_area_codes_and_duplicates() -> None:
    deck = from_files("carrier.csv")
    assert column(deck, "prefix") == ["44", "4474", "4475", "4477", "4478", "4479", "44870"]
    assert column(deck, "currency") == ["EUR"] * 7
    assert (deck.rows_in, deck.rows_out, deck.duplicates) == (4, 7, 1)
    assert rows(deck)[1] == {
        "prefix": "4474",
        "destination": "United Kingdom Mobile",
        "rate_per_minute": "0.0195",
        "connection_fee": "0.01",
        "initial_seconds": "30",
        "increment_seconds": "6",
        "effective_from": "2026-12-01",
        "currency": "EUR",
    }


def test_a_card_of_our_own_stays_what_it_is() -> None:
    assert from_files("coinbox.csv").text == (DECKS / "coinbox.csv").read_text()


def plan(name: str = "RP_RETAIL", *, files: Sequence[str] = PLAN) -> Converted:
    unsaid = {"currency": "AUD"}
    return from_files(*(f"tariffplan/{file}" for file in files), unsaid=unsaid, plan=name)


def test_the_files_of_a_tariff_plan_of_cgrates_are_joined() -> None:
    retail = plan()
    assert column(retail, "prefix") == ["61", "64", "614", "614"]
    # The first minute is one block, what follows goes by the second.
    assert cost(retail, "+61400000000", 61, "AUD", MONDAY_NOON) == 50_000 + 300_000 + 4_000
    # At the weekend it goes by the second from the start, and costs 2.50 at most.
    assert cost(retail, "+61400000000", 61, "AUD", SUNDAY_NOON) == 61 * 2_000
    assert cost(retail, "+61400000000", 3600, "AUD", SUNDAY_NOON) == 2_500_000
    assert cost(retail, "+61200000000", 31, "AUD", MONDAY_NOON) == 50_000


def test_a_tariff_plan_without_plans_is_all_that_its_rates_are() -> None:
    files = ["Destinations.csv", "Rates.csv"]
    with pytest.raises(BadInputError, match="has another rate at the same time"):
        plan(files=[*files, "DestinationRates.csv"])


@pytest.mark.parametrize(("name", "named"), [("", "RP_RETAIL, RP_STAFF"), ("RP_X", "'RP_X'")])
def test_one_of_several_plans_is_to_be_named(name: str, named: str) -> None:
    with pytest.raises(BadInputError, match=named):
        plan(name)


@pytest.mark.parametrize(
    ("file", "old", "new", "named"),
    [
        ("Rates.csv", "0.24,60s,1s,60s", "0.24,60s,1s,30s", "row 4: GroupIntervalStart = '30s'"),
        ("Rates.csv", "0.05,60s,30s", "0.05,60,30s", "row 6: RateUnit = '60'"),
        ("Rates.csv", "0.05,60s,30s", "x,60s,30s", "row 6: Rate = 'x'"),
        ("Rates.csv", "0.05,60s,30s", "0.05,60s,0s", "row 6: RateIncrement = '0s'"),
        ("Rates.csv", "0.05,60s,30s", "0.05,7s,30s", "row 6: Rate = '0.05'"),
        ("Rates.csv", "0,0.05,60s", "0,,60s", "row 6: Rate = ''"),
        ("Rates.csv", "0.05,60s,30s", "0.05,0s,30s", "row 6: RateUnit = '0s'"),
        ("Rates.csv", "30s,0s", "30s,1s", "row 6: GroupIntervalStart = '1s'"),
        (
            "Rates.csv",
            "RT_OFF_PEAK,0,",
            "RT_PEAK,0,1,1s,1s,90s\nRT_X,0,",
            "row 5: GroupIntervalStart = '90s'",
        ),
        ("DestinationRates.csv", "*free", "*disconnect", "row 3: MaxCostStrategy = '*disconnect'"),
        ("DestinationRates.csv", "RT_PEAK", "RT_X", "row 2: RatesTag = 'RT_X'"),
        ("DestinationRates.csv", "DST_NZ", "DST_X", "row 5: DestinationId = 'DST_X'"),
        ("Destinations.csv", "+64", "nz", "row 4: Prefix = 'nz'"),
        ("RatingPlans.csv", "DR_PEAK", "DR_X", "row 2: DestinationRatesId = 'DR_X'"),
        ("RatingPlans.csv", "PEAK,10", "PEAK,ten", "row 2: Weight = 'ten'"),
        ("RatingPlans.csv", "EVENING", "NIGHT", "row 4: TimingTag = 'NIGHT'"),
        ("Timings.csv", "*any,1;2", "24,1;2", "row 2: MonthDays = '24'"),
        ("Timings.csv", "6;7", "6;8", "row 5: WeekDays = '6;8'"),
        ("Timings.csv", "19:00:00", "19:00:30", "row 4: Time = '19:00:30'"),
        ("Timings.csv", "6;7", "6", "DestinationRates.csv: row 3: prefix = '614'"),
    ],
)
def test_what_a_card_cannot_say_of_a_tariff_plan_is_named(
    file: str, old: str, new: str, named: str
) -> None:
    texts = {name: (DECKS / "tariffplan" / name).read_text() for name in PLAN}
    assert old in texts[file]
    texts[file] = texts[file].replace(old, new, 1)
    options = Options(plan="RP_RETAIL", unsaid={"currency": "AUD"})
    with pytest.raises(BadInputError) as refused:
        convert([(name, io.StringIO(text)) for name, text in texts.items()], options)
    assert named in str(refused.value)


def test_a_plan_that_is_the_only_one_is_taken() -> None:
    texts = {
        "Destinations.csv": "#Tag,Prefix\nNZ,+64\n",
        "Rates.csv": (
            "#Tag,ConnectFee,Rate,RateUnit,RateIncrement,GroupIntervalStart\n"
            "RT,0,0.1,1m,1m,0\nRT,,0.1,1m,1s,1m\n"
        ),
        "DestinationRates.csv": "#Tag,DestinationsTag,RatesTag,RoundingMethod\nDR,NZ,RT,*up\n",
        "RatingPlans.csv": "#Tag,DestinationRatesTag,TimingTag,Weight\nRP,DR,DAILY,\n",
        "Timings.csv": (
            "#Tag,Years,Months,MonthDays,WeekDays,Time\nDAILY,*any,*any,*any,*any,*any\n"
        ),
    }
    decks = [(name, io.StringIO(text)) for name, text in texts.items()]
    deck = convert(decks, GIVEN)
    assert deck.text.splitlines()[1:] == ["64,NZ,0.1,0,60,1,USD"]
    assert deck.notes[2] == "DestinationRates.csv: cgrates; columns not used: RoundingMethod"
    decks = [(name, io.StringIO(text)) for name, text in texts.items()]
    with pytest.raises(BadInputError, match="row 2: currency = ''"):
        convert(decks, Options())


def test_any_destination_of_a_tariff_plan_is_every_number() -> None:
    texts = {name: (DECKS / "tariffplan" / name).read_text() for name in PLAN[:3]}
    texts["DestinationRates.csv"] = "#Id,DestinationId,RatesTag\nDR,*any,RT_FLAT\n"
    everywhere = convert(
        [(name, io.StringIO(text)) for name, text in texts.items()], Options(unsaid=DOLLARS)
    )
    assert column(everywhere, "prefix") == list("123456789")
    assert set(column(everywhere, "destination")) == {"Any"}


# How files are written


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_header_tells_what_separates_cells(separator: str) -> None:
    text = f"{HEADER}\n44,Britain,0.1\n".replace(",", separator)
    assert column(from_text(text), "prefix") == ["44"]


def test_a_separator_that_is_given_is_not_guessed() -> None:
    text = "Prefix:Destination:Rate\n44:Britain, mobile:0.1\n"
    assert column(from_text(text, replace(GIVEN, separator=":")), "destination") == [
        "Britain, mobile"
    ]


def test_marks_line_ends_quotes_and_empty_ends_are_no_part_of_a_deck() -> None:
    text = (
        '\ufeff"Prefix","Destination","Rate",,\r\n'
        ' 44 ,"Britain, ""mobile""\r\n and fixed",0.1,,\r\n,,,,\r\n33,France,0.2\r\n\r\n'
    )
    deck = from_text(text)
    assert column(deck, "destination") == ['Britain, "mobile" and fixed', "France"]
    assert deck.rows_in == 2


def test_a_row_that_is_too_long_or_no_csv_is_named() -> None:
    assert fault_of(HEADER, "44,Britain,0.1,x")[:2] == ("columns", "44,Britain,0.1,x")
    assert fault_of(HEADER, '44,"Britain,0.1')[:2] == ("row", "")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", ("deck.csv", "rows")),
        ("\n,,\n", ("deck.csv", "rows")),
        (f"{HEADER}\n", ("deck.csv", "rows")),
        ("Prefix,Destination\n44,Britain\n", ("deck.csv: row 1", "columns")),
        ("Name,Colour\nx,y\n", ("deck.csv: row 1", "columns")),
        ("Prefix,Destination,Rate,rate\n44,Britain,1,2\n", ("deck.csv: row 1", "columns")),
    ],
)
def test_a_deck_without_rates_is_refused(text: str, named: tuple[str, str]) -> None:
    [(place, field, _, _)] = faults(text)
    assert (place, field) == named


def test_a_format_that_is_named_must_have_its_columns() -> None:
    lacking = faults(f"{HEADER}\n44,Britain,0.1\n", replace(GIVEN, format="astpp"))
    assert [why.split(" (")[0] for *_, why in lacking] == [
        "must have one of: perminutecost, costmin",
        "must have one of: code",
    ]
    assert faults(f"{HEADER}\n44,Britain,0.1\n", replace(GIVEN, format="cgrates"))


def test_a_deck_with_ids_is_no_tariff_plan() -> None:
    assert column(from_text(f"Id,{HEADER}\n1,44,Britain,0.1\n"), "prefix") == ["44"]


def test_columns_may_be_named_for_a_deck_that_has_no_header() -> None:
    deck = from_text("0.1,44,Britain\n", replace(GIVEN, columns=("rate", "code", "country")))
    assert column(deck, "prefix") == ["44"]


# Rows together


def test_the_same_row_twice_is_dropped_and_counted() -> None:
    deck = from_text(f"{HEADER}\n44,Britain,0.1\n+44,Britain,0.10\n33,France,0.1\n")
    assert (deck.rows_in, deck.rows_out, deck.duplicates) == (3, 2, 1)


def test_rows_that_differ_for_one_prefix_are_named_by_their_places_in_the_deck() -> None:
    text = f'{HEADER}\n"43,44",Britain,0.1\n33,France,0.1\n44,Britain,0.2\n'
    [(place, field, value, why)] = faults(text)
    assert (place, field, value) == ("deck.csv: row 4", "prefix", "44")
    assert why == "stands already in deck.csv: row 2"


def test_dates_that_overlap_are_named_and_those_that_follow_each_other_are_not() -> None:
    header = f"{HEADER},Valid from,Valid to"
    rows_of_both = "44,Britain,0.1,2027-01-01,2027-06-30\n44,Britain,0.2,{},\n"
    assert from_text(f"{header}\n{rows_of_both.format('2027-07-01')}").rows_out == 2
    [(place, *_, why)] = faults(f"{header}\n{rows_of_both.format('2027-06-30')}")
    assert (place, why) == ("deck.csv: row 3", "begins before the end of deck.csv: row 2")


def test_decks_that_are_given_together_hold_together() -> None:
    texts = (f"{HEADER}\n44,Britain,0.1\n", "Code;Country;Price\n44;Britain;0.2\n")
    decks = [(f"{number}.csv", io.StringIO(text)) for number, text in enumerate(texts)]
    with pytest.raises(BadInputError, match=r"1\.csv: row 2: prefix = '44'.*0\.csv: row 2"):
        convert(decks, Options(unsaid=DOLLARS))


def test_all_faults_are_named_at_once() -> None:
    text = f"{HEADER},Increment\n44,Britain,0.1,6\n0,,x,y\n33,France,-1,6\n"
    assert [fault[:3] for fault in faults(text)] == [
        ("deck.csv: row 3", "Rate", "x"),
        ("deck.csv: row 3", "Increment", "y"),
        ("deck.csv: row 4", "Rate", "-1"),
    ]


def test_what_a_deck_does_not_say_is_taken_from_what_is_given() -> None:
    unsaid = {
        "currency": "EUR",
        "direction": "inbound",
        "increments": "total",
        "timezone": "Europe/Paris",
        "initial_seconds": "30",
        "increment_seconds": "6",
        "effective_from": "2027-01-01",
    }
    [row] = rows(from_text(f"{HEADER}\n44,Britain,0.1\n", Options(unsaid=unsaid)))
    assert {name: row[name] for name in unsaid} == unsaid


@pytest.mark.parametrize(
    ("header", "row", "named"),
    [
        ("dialprefix,destination,rateinitial,chargea", "44,Britain,0.1,0.2", "chargea"),
        ("dialprefix,destination,rateinitial,disconnectcharge", "44,B,0.1,0.2", "disconnectcharge"),
        ("dialprefix,destination,rateinitial,starttime,endtime", "44,B,0.1,600,60", "endtime"),
        ("dialprefix,destination,rateinitial,starttime,endtime", "44,B,0.1,0,10080", "endtime"),
        (
            "Code,Destination,Connect Cost,Included Seconds,Per Minute Cost",
            "44,B,0,5,1",
            "Included",
        ),
        ("Code,Destination,Connect Cost,Status,Per Minute Cost", "44,B,0,Inactive,1", "Status"),
        (f"{HEADER},Grace period", "44,Britain,0.1,3", "Grace period"),
    ],
)
def test_a_part_of_a_price_that_no_card_has_is_refused(header: str, row: str, named: str) -> None:
    assert fault_of(header, row)[0].startswith(named)


# Whatever comes


CELL = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        ("44", "+4420-4423", "44 20", "0.1", "0,5 €", "01/02/2027", "60/6", "*any", "60s", "0s", "")
    ),
)
KNOWN = st.sampled_from(
    (
        "Prefix,Destination,Rate,Increment,Effective Date,Valid to,Currency",
        "Country Code;Area Code;Country;Price;Setup Fee",
        "dialprefix,destination,rateinitial,initblock,billingblock,starttime,endtime",
        "#Id,Prefix",
        "#Id,ConnectFee,Rate,RateUnit,RateIncrement,GroupIntervalStart",
        "#Id,DestinationId,RatesTag",
        "prefix,destination,rate_per_minute,days,hours,timezone,effective_from,currency",
    )
)


@given(
    header=KNOWN | st.text(),
    rows=st.lists(st.lists(CELL, max_size=7), max_size=4),
    name=st.sampled_from(("", *NAMES)),
)
def test_whatever_comes_in_is_a_card_or_has_faults(
    header: str, rows: list[list[str]], name: str
) -> None:
    text = io.StringIO(newline="")
    text.write(f"{header}\n")
    csv.writer(text, delimiter=";" if ";" in header else ",").writerows(rows)
    assert_is_card_or_refused(text.getvalue(), replace(GIVEN, format=name))


@given(st.text())
def test_whatever_text_comes_in_is_a_card_or_has_faults(text: str) -> None:
    assert_is_card_or_refused(text, GIVEN)


def assert_is_card_or_refused(text: str, options: Options) -> None:
    with suppress(BadInputError):
        assert read_cards(("card.csv", from_text(text, options).text)).tables
