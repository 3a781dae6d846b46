from decimal import ROUND_CEILING, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rating.price import (
    CALL_SECONDS_MAX,
    Rate,
    billed_seconds,
    price,
    slices,
)
from tests.unit.rates import rate

MONEY = st.decimals(0, 999, allow_nan=False, allow_infinity=False, places=9)
SECONDS = st.integers(0, CALL_SECONDS_MAX)
PERIODS = st.integers(1, 120)
RATES = st.builds(
    lambda per_minute, fee, initial, increment: rate(
        f"{per_minute:f}", fee=f"{fee:f}", initial_seconds=initial, increment_seconds=increment
    ),
    MONEY,
    MONEY,
    PERIODS,
    PERIODS,
)


@pytest.mark.parametrize(
    ("fee", "per_minute", "initial", "increment", "seconds", "cost"),
    [
        pytest.param("0", "1", 60, 60, 61, "2", id="started minutes"),
        pytest.param("0", "0.02", 60, 60, 61, "0.04", id="toll-free per minute"),
        pytest.param("0", "0.05", 30, 6, 45, "0.04", id="MagnusBilling wiki: 48 s are billed"),
        pytest.param("0", "60", 1, 1, 90, "90", id="CGRateS costs1: per second"),
        pytest.param("0", "60", 1, 1, 0, "0", id="CGRateS costs1: nothing talked"),
        pytest.param("0.1", "0.6", 1, 1, 45, "0.55", id="CGRateS tutorial2: off-peak"),
        pytest.param("0.2", "1.2", 60, 60, 45, "1.4", id="CGRateS tutorial2: peak"),
        pytest.param("0", "1", 30, 60, 31, "1.5", id="90 s are billed"),
        pytest.param("0", "1", 30, 18, 35, "0.8", id="48 s are billed"),
        pytest.param("0", "0.0000001", 1, 1, 1, "0.000001", id="rounded once, up, to the micro"),
        pytest.param("0", "0.013", 6, 6, 3600, "0.78", id="an hour to the United States"),
    ],
)
def test_a_call_costs_what_others_publish_for_it(
    *, fee: str, per_minute: str, initial: int, increment: int, seconds: int, cost: str
) -> None:
    sold = rate(per_minute, fee=fee, initial_seconds=initial, increment_seconds=increment)
    assert Decimal(price(sold, seconds)) == Decimal(cost) * 1_000_000


@given(per_minute=MONEY, fee=MONEY, initial=PERIODS, increment=PERIODS, seconds=SECONDS)
def test_a_price_keeps_every_decimal_of_the_card_until_it_is_rounded_up_once(
    per_minute: Decimal, fee: Decimal, initial: int, increment: int, seconds: int
) -> None:
    sold = rate(
        f"{per_minute:f}", fee=f"{fee:f}", initial_seconds=initial, increment_seconds=increment
    )
    # M1. Minutes times 60, so that decimals hold it exactly.
    sixtieths = (fee * 60 + per_minute * billed_seconds(sold, seconds)) * 1_000_000
    exact = (
        -(-sixtieths // 60) if sixtieths % 60 == 0 else (sixtieths / 60).to_integral(ROUND_CEILING)
    )
    assert price(sold, seconds) == (exact if seconds else 0)


@given(sold=RATES, seconds=SECONDS, longer=SECONDS)
def test_a_longer_call_never_costs_less(sold: Rate, seconds: int, longer: int) -> None:
    assert price(sold, seconds) <= price(sold, seconds + longer)


@given(sold=RATES, seconds=SECONDS)
def test_the_billed_length_covers_the_call_by_less_than_an_increment(
    sold: Rate, seconds: int
) -> None:
    billed = billed_seconds(sold, seconds)
    assert billed >= max(seconds, sold.initial_seconds)
    assert billed - max(seconds, sold.initial_seconds) < sold.increment_seconds


@given(sold=RATES, granted=st.integers(0, 7200), slice_seconds=st.integers(1, 300))
def test_slices_run_from_the_whole_slice_down_to_the_least_that_is_sold(
    sold: Rate, granted: int, slice_seconds: int
) -> None:
    offered = slices(sold, granted, slice_seconds)
    lengths = [one.seconds for one in offered]
    assert lengths == sorted(set(lengths), reverse=True)
    assert [one.micros for one in offered] == [price(sold, seconds) for seconds in lengths]
    assert lengths[0] >= granted + slice_seconds
    assert lengths[0] - sold.increment_seconds < max(granted + slice_seconds, sold.initial_seconds)
    # D4: nothing shorter is for sale.
    assert lengths[-1] == billed_seconds(sold, granted + 1)


@given(sold=RATES, slice_seconds=st.integers(1, 300), count=st.integers(1, 20))
def test_slices_held_one_after_the_other_cost_what_the_whole_costs(
    sold: Rate, slice_seconds: int, count: int
) -> None:
    granted = held = 0
    for _ in range(count):
        longest = slices(sold, granted, slice_seconds)[0]
        granted, held = longest.seconds, held + (longest.micros - held)
    assert held == price(sold, granted)


@given(sold=RATES)
def test_no_call_is_granted_more_than_a_day(sold: Rate) -> None:
    offered = slices(sold, CALL_SECONDS_MAX - 1, 300)
    assert all(one.seconds <= CALL_SECONDS_MAX for one in offered)


@given(sold=RATES)
def test_a_pinned_rate_reads_back_as_it_was(sold: Rate) -> None:
    assert Rate.pinned(sold.pin()) == sold
