from collections.abc import Sequence
from dataclasses import replace

import pytest

from gateway.admin.forecast import forecast, lasts_until_ms
from gateway.ledger.outcomes import (
    NEVER_MS,
    Hold,
    Limits,
    Lot,
    Party,
    Recharge,
    Statement,
    Usage,
)
from gateway.rating.number import Kind
from gateway.rating.price import Tariff
from gateway.rating.terms import Terms
from tests.unit.rates import NOW_MS, rate

MINUTE_MS = 60_000
NOTHING = Lot("overdraft", 0, 0, 0, 0, 0, 0, 0, 0)


def statement(*lots: tuple[int, int], held: int = 0, overdraft: int = 0) -> Statement:
    """Make an account of lots: what is available of each, and in how many minutes it lapses."""
    kept = tuple(
        replace(NOTHING, available=available, expires_ms=NOW_MS + minutes * MINUTE_MS)
        for available, minutes in lots
    )
    return Statement(
        now_ms=NOW_MS,
        account="contoso",
        currency="USD",
        granted=0,
        available=sum(available for available, _ in lots),
        held=held,
        spent=0,
        expired=0,
        reversed=0,
        overdraft=overdraft,
        low_below=0,
        low_percent=20,
        recharge=Recharge(0, 0, 5, 0, (), "off", "", "", 0, "", 0, 0, 0, 0),
        recipients="",
        party=Party({}, Limits(0, 0, 0, 0), Usage(0, "", 0, "", 0)),
        lots=kept,
        overdrawn=NOTHING,
        retired=NOTHING,
    )


def hold(tariff: Tariff, granted_seconds: int = 60, pool_seconds: int = 0) -> Hold:
    terms = Terms(tariff, None, 7200, "UTC", Kind.FIXED, "GB", international=True)
    return Hold(
        call_id="call",
        account="contoso",
        user="alice",
        call_type="user_out",
        number="+44",
        rate=terms.pin(),
        granted_seconds=granted_seconds,
        held=0,
        extension=0,
        pool="",
        pool_seconds=pool_seconds,
    )


@pytest.mark.parametrize(
    ("lots", "held", "burn", "minutes"),
    [
        pytest.param([(100, 999)], 0, 10, 10, id="one lot is spent"),
        pytest.param([(100, 999)], 50, 10, 15, id="what is held goes first"),
        pytest.param([(100, 4)], 0, 10, 4, id="the lot lapses before"),
        pytest.param([(100, 4), (60, 999)], 0, 10, 10, id="the next goes on from there"),
        pytest.param([(10, 4), (60, 999)], 0, 10, 7, id="the next goes on before that"),
        pytest.param([(100, 4)], 80, 10, 8, id="what is held does not lapse"),
        pytest.param([(100, 30), (10, 50)], 0, 0, 50, id="without calls until the last lapses"),
    ],
)
def test_credit_lasts_until_it_is_spent_or_lapses(
    lots: Sequence[tuple[int, int]], held: int, burn: int, minutes: int
) -> None:
    assert lasts_until_ms(statement(*lots, held=held), burn) == NOW_MS + minutes * MINUTE_MS


def test_an_overdraft_is_spent_last() -> None:
    assert lasts_until_ms(statement((100, 999), overdraft=50), 10) == NOW_MS + 15 * MINUTE_MS


def test_credit_that_never_lapses_lasts_for_ever_without_calls() -> None:
    of = statement((100, 1))
    never = replace(of, lots=(replace(of.lots[0], expires_ms=NEVER_MS),))
    assert lasts_until_ms(never, 0) is None


def test_the_burn_is_what_money_pays_of_the_calls_that_run() -> None:
    half, free = rate("0.5"), ()
    calls = [hold(half), hold(half, 60, 30), hold(half, 60, 60), hold(free)]
    found = forecast(statement((5_000_000, 999)), calls)
    assert (found["calls"], found["burn_per_minute"]) == (4, "1.000000")
    assert found["lasts_until_ms"] == NOW_MS + 5 * MINUTE_MS


def test_a_call_that_another_version_allowed_does_not_hide_the_others() -> None:
    found = forecast(statement((5, 9)), [replace(hold(()), rate="[0]"), hold(rate("0.5"))])
    assert found["burn_per_minute"] == "0.500000"


@pytest.mark.parametrize(("below", "too_low"), [(1_999_999, True), (2_000_000, False)])
def test_a_trigger_that_the_calls_outrun_while_money_comes_is_pointed_out(
    below: int, *, too_low: bool
) -> None:
    of = statement((5_000_000, 999))
    recharge = replace(of.recharge, below=below, amount=10_000_000)
    found = forecast(replace(of, recharge=recharge), [hold(rate("1"))])
    assert (found["trigger_too_low"], found["trigger_at_least"]) == (too_low, "2.000000")
    off = forecast(replace(of, recharge=replace(recharge, amount=0)), [hold(rate("1"))])
    assert off["trigger_too_low"] is False
