"""The worked examples of the rules on money, in their own figures."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from gateway.ledger.connection import connect
from gateway.ledger.outcomes import Held, Settled
from gateway.money import parse_amount
from gateway.rating.price import Slice
from tests.conftest import Store
from tests.integration.books import funded
from tests.integration.model.clock import stopped_clock
from tests.integration.model.operations import milliseconds
from tests.integration.model.view import Lab


def at_ms(*day: int) -> int:
    return milliseconds(datetime(*day, tzinfo=UTC))  # type: ignore[arg-type, misc]


@pytest.fixture
async def lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    folder = tmp_path_factory.mktemp("dated")
    async with (
        stopped_clock(folder, at_ms(2026, 1, 1)) as clock,
        connect(clock.url) as one,
        connect(clock.url) as other,
    ):
        yield Lab(clock, one, other)


async def test_of_two_purchases_the_rest_of_the_first_lapses_after_a_year(lab: Lab) -> None:
    # M2, M3: bought 50 on 1 Jan and 50 on 1 Jun, spent 30: 20 lapse on the next 1 Jan, 50 stay.
    fifty, thirty = parse_amount("50"), parse_amount("30")
    ledger = lab.ledgers[0]
    await ledger.open_account("contoso", "USD")
    await ledger.grant("contoso", "january", fifty, "USD")
    await lab.set_clock(at_ms(2026, 6, 1))
    await ledger.grant("contoso", "june", fifty, "USD")
    held = await ledger.hold(
        "contoso",
        "call",
        [Slice(60, thirty)],
        user="",
        call_type="conf_in",
        number="+18005550100",
        prefix="1800",
        rate="the terms",
        currency="USD",
        day="2026-06-01",
        month="2026-06",
        seconds_max=2,
    )
    assert isinstance(held, Held)
    settled = await ledger.settle(
        "contoso", "call", thirty, user="", seconds=60, answered_ms=1, ended_ms=60_001, cause=16
    )
    assert isinstance(settled, Settled)
    for day, available, lapsed in (((2026, 12, 31), "70", "0"), ((2027, 1, 1), "50", "20")):
        await lab.set_clock(at_ms(*day))
        found = await lab.statements.statement("contoso")
        assert found is not None
        assert (found.available, found.expired) == (parse_amount(available), parse_amount(lapsed))


async def test_a_recharge_is_due_below_the_trigger_and_not_at_it(store: Store) -> None:
    # R1: trigger 100, recharge 200: 100.00 does nothing, 99.98 becomes 299.98.
    trigger, amount, two_cents = map(parse_amount, ("100", "200", "0.02"))
    at = await funded(store, trigger)
    await at.configure("recharge", recharge_below=trigger, recharge_amount=amount)
    assert (await at.statement()).recharge.key == ""
    await at.hold("call", (60, two_cents))
    await at.settle("call", two_cents)
    due = await at.statement()
    assert (due.available, due.recharge.state) == (parse_amount("99.98"), "claimed")
    await at.grant(due.recharge.key, amount)
    paid = await at.statement()
    assert (paid.available, paid.recharge.key) == (parse_amount("299.98"), "")
