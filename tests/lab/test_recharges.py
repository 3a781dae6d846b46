"""Calls on a real Asterisk that live on recharges, or end for want of one, and what is mailed."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.lab.gateway import Section
from tests.lab.lab import Lab
from tests.lab.mail import MailServer, part
from tests.lab.ports import Ports
from tests.lab.processes import until
from tests.lab.scenes import settled
from tests.lab.sipp import ANSWERS, Caller

CARD = """prefix,destination,currency,rate_per_minute,direction,initial_seconds,increment_seconds
4420,one a second,USD,60,outbound,1,1
"""
CALLS: Section = {"slice_seconds": 3, "renew_before_seconds": 1, "warn_seconds": []}
BILLING = "billing@contoso.example"


@pytest.fixture(scope="module")
async def mail(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[MailServer]:
    ports = Ports.claim()
    server = MailServer(ports.take(), tmp_path_factory.mktemp("mail"))
    await server.start()
    yield server
    await server.stop()
    ports.release()


@pytest.fixture(scope="module")
def card(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("card") / "card.csv"
    file.write_text(CARD)
    return file


@pytest.fixture(scope="module")
async def paying(mail: MailServer, card: Path) -> AsyncIterator[Lab]:
    rates: Section = {"cards": [str(card)]}
    settings: dict[str, Section] = {"calls": CALLS, "rates": rates, "mail": mail.settings}
    async with Lab(settings=settings, talk_seconds=60) as lab:
        yield lab


async def opened(lab: Lab, account: str, units: str, **settings: str) -> None:
    """Open an account with so much money, and with recharges on."""
    wanted = {"recipients": BILLING, **settings}
    options = [word for name, text in wanted.items() for word in ("--set", f"{name}={text}")]
    await lab.gateway.open_account(account, "--user", "alice")
    await lab.gateway.grant(account, units, "at-first")
    await lab.gateway.command("accounts", "set", account, *options)


def mails_of(mail: MailServer, account: str) -> list[str]:
    """Give the subjects of what was mailed about an account."""
    return [str(one["Subject"]) for one in mail.mails if account in str(one["Subject"])]


async def lives_through_three_recharges_without_a_gap(paying: Lab, mail: MailServer) -> None:
    account, number = "thrice", f"+4420700003{ANSWERS}"
    orders = paying.provider.orders
    orders.behaviour, orders.webhooks, orders.webhook_delay_seconds = "pend", 3, 0.5
    limits = {"recharge_below": "3", "recharge_amount": "4", "recharge_day_max": "3"}
    # What is left in the end is not low.
    await opened(paying, account, "4", low_below="1", **limits)
    calls = await paying.call(number, Caller(account, talk_seconds=12.5))
    [caller] = await calls.finished()
    body = await settled(paying, account)
    assert caller.ended_by == "caller"
    assert caller.ended - caller.answered == pytest.approx(12.5, abs=0.5)
    [far] = paying.far_end.calls(number)
    assert far.ended - far.answered == pytest.approx(12.5, abs=0.5)
    assert (body["granted"], body["spent"], body["available"]) == (
        "16.000000",
        "13.000000",
        "3.000000",
    )
    charges = [one for one in paying.provider.charges.values() if one.account == account]
    assert [charge.amount for charge in charges] == ["4.000000"] * 3
    recharged = f"{account}: recharged with 4.00 USD"
    await until(lambda: mails_of(mail, account).count(recharged) >= 3, "each recharge is mailed")
    # No balance was low or empty: money was on its way each time.
    assert set(mails_of(mail, account)) - {recharged} <= {f"{account}: no more recharges this day"}
    assert mails_of(mail, account).count(recharged) == 3


async def ends_where_its_credit_does_since_the_card_has_expired(
    paying: Lab, mail: MailServer
) -> None:
    account, number = "expired", f"+4420700004{ANSWERS}"
    paying.provider.orders.declines = {"old-card": "expired_card"}
    settings = {"recharge_below": "10", "recharge_amount": "20", "methods": "old-card"}
    await opened(paying, account, "4", **settings)
    calls = await paying.call(number, Caller(account, talk_seconds=30))
    [caller] = await calls.finished()
    far = await paying.far_end.until_ended(number)
    assert caller.ended_by == "far"
    assert far.ended - far.answered == pytest.approx(4, abs=0.5)
    body = await settled(paying, account)
    assert (body["spent"], body["available"]) == ("4.000000", "0.000000")
    recharge = body["recharge"]
    assert isinstance(recharge, dict)
    assert (recharge["state"], recharge["suspended"]) == ("suspended", "expired_card")
    await until(lambda: len(mails_of(mail, account)) >= 2, "the decline and the end are mailed")
    mails = [one for one in mail.mails if account in str(one["Subject"])]
    assert {str(one["To"]) for one in mails} == {BILLING}
    texts = [part(one, "plain") for one in mails]
    [declined] = [text for text in texts if "expired card" in text]
    assert f"coinbox accounts set {account} --set methods=" in declined
    assert max(Counter(str(one["Message-ID"]) for one in mails).values()) == 1
    calls = await paying.call(number, Caller(account))
    [refused] = await calls.finished()
    assert refused.code == 403


async def test_calls_live_on_recharges_and_end_for_want_of_one_and_it_is_mailed(
    paying: Lab, mail: MailServer
) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(lives_through_three_recharges_without_a_gap(paying, mail))
        tasks.create_task(ends_where_its_credit_does_since_the_card_has_expired(paying, mail))
