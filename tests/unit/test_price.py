from datetime import datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rating.price import (
    CALL_SECONDS_MAX,
    Tariff,
    affordable,
    billed_seconds,
    price,
    rate_at,
    slices,
)
from tests.unit.rates import NOW_MS, tariff

MORE = (
    "increments,first_rate_per_minute,minimum_charge,maximum_charge,grace_seconds,days,hours,"
    "timezone"
)
NOW = NOW_MS // 1000
MICROS = 1_000_000

MONEY = st.decimals(0, 99, allow_nan=False, allow_infinity=False, places=9).map("{:f}".format)
SECONDS = st.integers(0, CALL_SECONDS_MAX)
PERIODS = st.integers(1, 120)
STARTS = st.integers(NOW, NOW + 400 * 86_400)
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe")


@st.composite
def tariffs(draw: st.DrawFn) -> Tariff:
    """Draw a tariff of rows with anything that a card may say, also for some times only."""
    zone = draw(st.sampled_from(ZONES))
    periods = draw(
        st.sampled_from([(), ("mon-fri,08:00-18:00",), ("sat sun,00:00-22:15", ",22:15-23:59")])
    )
    rows = []
    for times in (*periods, ","):
        least, most = sorted(draw(st.tuples(MONEY, MONEY)), key=Decimal)
        cells = (
            *("44", "Britain", draw(MONEY), draw(MONEY), str(draw(PERIODS)), str(draw(PERIODS))),
            *("USD", draw(st.sampled_from(("each", "total"))), draw(st.one_of(st.just(""), MONEY))),
            *(draw(st.sampled_from(("", least))), draw(st.sampled_from(("", most)))),
            *(str(draw(st.sampled_from((0, 0, 5)))), times, zone),
        )
        rows.append(",".join(cells))
    return tariff(*rows, more=MORE)


@pytest.mark.parametrize(
    ("fee", "per_minute", "initial", "increment", "rule", "seconds", "cost"),
    [
        pytest.param("0", "1", 60, 60, "each", 61, "2", id="started minutes"),
        pytest.param("0", "0.02", 60, 60, "each", 61, "0.04", id="toll-free per minute"),
        pytest.param("0", "0.05", 30, 6, "each", 45, "0.04", id="MagnusBilling wiki: 48 s"),
        pytest.param("0", "60", 1, 1, "each", 90, "90", id="CGRateS costs1: per second"),
        pytest.param("0", "60", 1, 1, "each", 0, "0", id="CGRateS costs1: nothing talked"),
        pytest.param("0.1", "0.6", 1, 1, "each", 45, "0.55", id="CGRateS tutorial2: off-peak"),
        pytest.param("0.2", "1.2", 60, 60, "each", 45, "1.4", id="CGRateS tutorial2: peak"),
        pytest.param("0", "1", 30, 60, "each", 31, "1.5", id="90 s are billed"),
        pytest.param("0", "1", 30, 60, "total", 31, "1", id="60 s are billed"),
        pytest.param("0", "1", 30, 18, "each", 35, "0.8", id="48 s are billed"),
        pytest.param("0", "1", 30, 18, "total", 35, "0.6", id="36 s are billed"),
        pytest.param("0", "1", 30, 60, "total", 30, "0.5", id="the initial period is sold whole"),
        pytest.param("0", "0.0000001", 1, 1, "each", 1, "0.000001", id="rounded once, up"),
        pytest.param("0", "0.013", 6, 6, "each", 3600, "0.78", id="an hour to the United States"),
    ],
)
def test_a_call_costs_what_others_publish_for_it(
    *, fee: str, per_minute: str, initial: int, increment: int, rule: str, seconds: int, cost: str
) -> None:
    row = f"44,Britain,{per_minute},{fee},{initial},{increment},USD,{rule}"
    sold = tariff(row, more="increments")
    assert Decimal(price(sold, NOW, seconds)) == Decimal(cost) * MICROS


@pytest.mark.parametrize(
    ("seconds", "cost"),
    [
        pytest.param(0, 0, id="nothing talked"),
        pytest.param(5, 0, id="as long as the grace"),
        pytest.param(6, 200_000, id="beyond the grace, all is charged: the first minute"),
        pytest.param(60, 200_000, id="the first minute"),
        pytest.param(61, 201_667, id="by the second after it"),
        pytest.param(120, 300_000, id="a minute at the second price"),
        pytest.param(1000, 1_000_000, id="at most the maximum"),
    ],
)
def test_the_first_minute_may_have_a_price_of_its_own(seconds: int, cost: int) -> None:
    row = "44,Britain,0.10,0,60,1,USD,0.20,5,1"
    sold = tariff(row, more="first_rate_per_minute,grace_seconds,maximum_charge")
    assert price(sold, NOW, seconds) == cost


def test_a_short_call_costs_the_minimum() -> None:
    sold = tariff("44,Britain,0.60,0.01,1,1,USD,0.10", more="minimum_charge")
    assert [price(sold, NOW, seconds) for seconds in (0, 1, 9, 10)] == [
        0,
        100_000,
        100_000,
        110_000,
    ]


# Berlin: 60 a minute on working days from 8 to 18, else 6.
PEAK = (
    "44,Britain,60,0,1,1,USD,mon-fri,08:00-18:00,Europe/Berlin",
    "44,Britain,6,0,1,1,USD,,,Europe/Berlin",
)


@pytest.mark.parametrize(
    ("start", "seconds", "cost"),
    [
        pytest.param("2026-11-24T17:59:00+01:00", 60, "60", id="before the end of the period"),
        pytest.param("2026-11-24T17:59:00+01:00", 61, "60.1", id="a second beyond it"),
        pytest.param("2026-11-24T17:59:59+01:00", 2, "1.1", id="a second on each side"),
        pytest.param("2026-11-24T18:00:00+01:00", 60, "6", id="after it"),
        pytest.param("2026-11-24T07:59:59+01:00", 2, "1.1", id="at its begin"),
        pytest.param("2026-11-24T17:00:00+01:00", 57_600, "12240", id="14 h of night between"),
        pytest.param("2026-11-28T12:00:00+01:00", 60, "6", id="on a Saturday"),
        pytest.param(
            "2026-11-29T23:59:30+01:00", 28_860, "2913", id="from Sunday to Monday 8:00:30"
        ),
        # Clocks go forward at 2:00 on 28 March 2027, a Sunday.
        pytest.param("2027-03-28T23:59:30+02:00", 28_860, "2913", id="by summer time"),
        pytest.param("2027-03-26T08:00:00+01:00", 10, "10", id="by winter time"),
    ],
)
def test_each_second_costs_what_its_period_costs(start: str, seconds: int, cost: str) -> None:
    sold = tariff(*PEAK, more="days,hours,timezone")
    at = int(datetime.fromisoformat(start).timestamp())
    assert Decimal(price(sold, at, seconds)) == Decimal(cost) * MICROS


NIGHT = (
    "44,Britain,60,0,1,1,USD,mon-fri,22:00-06:00,Europe/Berlin",
    "44,Britain,6,0,1,1,USD,,,Europe/Berlin",
)


@pytest.mark.parametrize(
    ("at", "per_minute"),
    [
        ("2026-11-23T21:59:59+01:00", 6),
        ("2026-11-23T22:00:00+01:00", 60),
        ("2026-11-24T05:59:59+01:00", 60),
        ("2026-11-24T06:00:00+01:00", 6),
        pytest.param("2026-11-23T05:00:00+01:00", 6, id="no night began on Sunday"),
        pytest.param("2026-11-28T05:59:59+01:00", 60, id="Friday's night ends on Saturday"),
        pytest.param("2026-11-28T23:00:00+01:00", 6, id="none begins on Saturday"),
    ],
)
def test_a_period_that_ends_before_it_begins_goes_on_into_the_next_day(
    at: str, per_minute: int
) -> None:
    sold = tariff(*NIGHT, more="days,hours,timezone")
    found = rate_at(sold, int(datetime.fromisoformat(at).timestamp()))
    assert found.per_minute == per_minute * 10**12


@pytest.mark.parametrize(
    ("day", "seconds"),
    [("2027-03-21", 3600), ("2027-03-28", 0), ("2027-10-31", 7200)],
    ids=["a Sunday", "in spring there is no such hour", "in autumn there are two"],
)
def test_an_hour_is_as_long_as_the_clocks_make_it(day: str, seconds: int) -> None:
    dear = "44,Britain,60,0,1,1,USD,sun,02:00-03:00,Europe/Berlin"
    sold = tariff(dear, "44,Britain,0,0,1,1,USD,,,Europe/Berlin", more="days,hours,timezone")
    start = int(datetime.fromisoformat(f"{day}T00:00:00+00:00").timestamp()) - 7200
    assert price(sold, start, 6 * 3600) == seconds * MICROS


@given(sold=tariffs(), start=STARTS, seconds=SECONDS)
def test_a_price_is_the_sum_of_its_seconds_rounded_up_once(
    sold: Tariff, start: int, seconds: int
) -> None:
    # M1, in decimals, second by second; minutes times 60, so that decimals hold it exactly.
    seconds %= 2000
    first = rate_at(sold, start)
    billed = billed_seconds(first, seconds)
    minutes = [rate_at(sold, start + second).per_minute for second in range(billed)]
    if first.first_per_minute is not None:
        minutes[: first.initial_seconds] = [first.first_per_minute] * first.initial_seconds
    sixtieths = Decimal(first.connection_fee * 60 + sum(minutes))
    sixtieths = max(sixtieths, Decimal(first.minimum * 60))
    if first.maximum is not None:
        sixtieths = min(sixtieths, Decimal(first.maximum * 60))
    whole, rest = divmod(sixtieths, 60 * 10**6)
    free = seconds == 0 or seconds <= first.grace_seconds
    assert price(sold, start, seconds) == (0 if free else whole + (1 if rest else 0))


@given(sold=tariffs(), start=STARTS, seconds=SECONDS, longer=SECONDS)
def test_a_longer_call_never_costs_less(
    sold: Tariff, start: int, seconds: int, longer: int
) -> None:
    assert price(sold, start, seconds) <= price(sold, start, seconds + longer)


@given(sold=tariffs(), start=STARTS, micros=st.integers(0, 10**9))
def test_what_money_affords_is_the_longest_that_it_pays(
    sold: Tariff, start: int, micros: int
) -> None:
    seconds = affordable(sold, start, micros)
    assert price(sold, start, seconds) <= micros
    if seconds < CALL_SECONDS_MAX:
        assert micros < price(sold, start, seconds + 1)
        increment = rate_at(sold, start).increment_seconds
        assert micros < price(sold, start, seconds + increment)


@given(sold=tariffs(), start=STARTS, seconds=SECONDS)
def test_the_price_of_a_length_affords_it(sold: Tariff, start: int, seconds: int) -> None:
    assert affordable(sold, start, price(sold, start, seconds)) >= seconds


@given(sold=tariffs(), seconds=SECONDS)
def test_the_billed_length_covers_the_call_by_less_than_an_increment(
    sold: Tariff, seconds: int
) -> None:
    first = sold[-1]
    billed = billed_seconds(first, seconds)
    assert billed >= max(seconds, first.initial_seconds)
    assert billed - max(seconds, first.initial_seconds) < first.increment_seconds
    if billed > first.initial_seconds:
        apart = 0 if first.total else first.initial_seconds
        assert (billed - apart) % first.increment_seconds == 0


@given(
    sold=tariffs(),
    start=STARTS,
    granted=st.integers(0, 7200),
    slice_seconds=st.integers(1, 300),
    seconds_max=st.sampled_from((CALL_SECONDS_MAX, 7200, 100)),
)
def test_slices_run_from_the_whole_slice_down_to_the_least_that_is_sold(
    *, sold: Tariff, start: int, granted: int, slice_seconds: int, seconds_max: int
) -> None:
    offered = slices(sold, start, granted, slice_seconds, seconds_max)
    lengths = [one.seconds for one in offered]
    assert lengths == sorted(set(lengths), reverse=True)
    assert [one.micros for one in offered] == [price(sold, start, seconds) for seconds in lengths]
    if granted >= seconds_max:
        assert lengths == []
        return
    assert min(granted + slice_seconds, seconds_max) <= lengths[0] <= seconds_max
    # D4: nothing shorter is for sale.
    assert lengths[-1] == min(billed_seconds(rate_at(sold, start), granted + 1), seconds_max)


@given(sold=tariffs(), start=STARTS, slice_seconds=st.integers(1, 300), count=st.integers(1, 20))
def test_slices_held_one_after_the_other_cost_what_the_whole_costs(
    sold: Tariff, start: int, slice_seconds: int, count: int
) -> None:
    granted = held = 0
    for _ in range(count):
        longest = slices(sold, start, granted, slice_seconds)[0]
        granted, held = longest.seconds, held + (longest.micros - held)
    assert held == price(sold, start, granted)
