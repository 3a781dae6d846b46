from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rating.plan import Pool
from gateway.rating.price import Tariff, price
from gateway.rating.terms import Terms
from tests.unit.cases import BERLIN, UNIT, World
from tests.unit.rates import tariff
from tests.unit.test_price import STARTS, tariffs

BOTH = World({"plans": "domestic-120,credits"})
SECONDS = st.integers(0, 7200)


def terms(asker: World = BOTH) -> Terms:
    found = asker.decide(BERLIN).terms
    assert found
    return found


@given(sold=tariffs())
def test_pinned_terms_read_back_as_they_were(sold: Tariff) -> None:
    for one in (
        terms(),
        terms(World()),
        replace(terms(), tariff=sold),
        replace(terms(), tariff=()),
    ):
        assert Terms.pinned(one.pin()) == one
        assert hash(Terms.pinned(one.pin())) == hash(one)


@given(sold=tariffs(), start=STARTS, talked=SECONDS, included=SECONDS)
def test_seconds_of_the_pool_come_first_and_money_pays_for_the_others_from_there_on(
    *, sold: Tariff, start: int, talked: int, included: int
) -> None:
    # C7: one call, two funding lines.
    agreed = replace(terms(), tariff=sold)
    of_pool, micros = agreed.charge(start, talked, included)
    assert of_pool == min(talked, included)
    assert micros == price(sold, start + included, talked - of_pool)


@given(
    sold=tariffs(), start=STARTS, included=SECONDS, parts=st.lists(st.integers(1, 300), max_size=5)
)
def test_what_was_held_slice_by_slice_is_what_the_whole_is_charged(
    *, sold: Tariff, start: int, included: int, parts: list[int]
) -> None:
    agreed = replace(terms(), tariff=sold)
    granted, held = included, 0
    for slice_seconds in parts:
        longest = agreed.next_slices(start, granted, included, slice_seconds)[0]
        granted, held = included + longest.seconds, longest.micros
    assert agreed.charge(start, granted, included) == (included, held)


def test_nothing_is_granted_beyond_the_longest_call() -> None:
    agreed = replace(terms(), seconds_max=100)
    assert [one.seconds for one in agreed.next_slices(0, 70, 30, 60)] == [70, 60]
    assert agreed.next_slices(0, 100, 30, 60) == ()
    assert agreed.next_pool(70) == replace(agreed.pool or Pool("", 0, 0, 0), slice_seconds=30)


def test_terms_name_what_priced_them() -> None:
    sold = tariff("44,Britain,0.6,0,60,60,USD")
    agreed = replace(terms(), tariff=sold)
    assert agreed.rate == f"{sold[0].card}:2"
    assert (agreed.currency, agreed.destination) == ("USD", "Britain")
    without = replace(agreed, tariff=())
    assert (without.rate, without.currency, without.destination) == ("", "", "DE")
    assert without.charge(0, 90, 60) == (60, 0)


def test_money_does_not_pay_for_who_may_not_spend_it() -> None:
    minutes_only = terms(World({"plans": "domestic-120"}, spendable=UNIT))
    assert minutes_only.tariff == ()
    assert minutes_only.next_slices(0, 60, 60, 60) == ()


def test_terms_that_another_version_pinned_are_refused() -> None:
    with pytest.raises(ValueError, match="version 0"):
        Terms.pinned(terms().pin().replace("[1,", "[0,", 1))


def test_terms_name_every_row_that_may_price_a_call() -> None:
    sold = tariff("44,Britain,60,0,1,1,USD,mon-fri,", "44,Britain,6,0,1,1,USD,,", more="days,hours")
    assert replace(terms(), tariff=sold).rate == f"{sold[0].card}:2,{sold[0].card}:3"
