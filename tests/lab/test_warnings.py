"""Who pays for a call hears that it will end, in the language of the channel, and nobody else."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.lab.gateway import Section
from tests.lab.lab import Lab
from tests.lab.scenes import settled
from tests.lab.sipp import Caller

TOLL_FREE = "+18005550100"
CARD = """prefix,destination,currency,rate_per_minute,direction
44,Britain,USD,60,outbound
1800,toll-free,USD,60,inbound
"""
WARNING = ["vm-youhave", "digits/4", "seconds"]


@pytest.fixture(scope="module")
async def lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    card = tmp_path_factory.mktemp("cards") / "card.csv"
    card.write_text(CARD)
    calls: Section = {"slice_seconds": 6, "renew_before_seconds": 5, "warn_seconds": [4]}
    async with Lab(settings={"calls": calls, "rates": {"cards": [str(card)]}}) as lab:
        yield lab


def whispered(lab: Lab, ear: str) -> list[list[str]]:
    """Give what was said to a channel, by each channel that said it, and in which language."""
    log = lab.asterisk.log()
    said: dict[str, list[str]] = {}
    for channel, prompt in lab.asterisk.prompts():
        if f'ChanSpy("{channel.removesuffix("1")}2", "{ear}' in log:
            said.setdefault(channel, []).append(prompt)
    return list(said.values())


async def test_a_caller_hears_that_his_last_slice_will_end(lab: Lab) -> None:
    # D4
    number = "+442070020100"
    await lab.gateway.open_account("caller", "--user", "alice")
    await lab.gateway.grant("caller", "8", "p1")
    calls = await lab.call(number, Caller("caller", language="fr", talk_seconds=30))
    await calls.until_answered()
    [ear] = [name for name in await lab.asterisk.channels() if name.startswith("PJSIP/phone")]
    [seen] = await calls.finished()
    far = await lab.far_end.until_ended(number)
    body = await settled(lab, "caller")

    assert whispered(lab, ear) == [WARNING]
    assert "Playing 'vm-youhave.gsm' (language 'fr')" in lab.asterisk.log()
    assert seen.ended_by == "far"
    assert far.ended - far.answered == pytest.approx(8, abs=0.5)
    assert (body["spent"], body["available"]) == ("8.000000", "0.000000")


async def test_in_a_conference_only_the_leg_that_will_end_hears_it(lab: Lab) -> None:
    await lab.gateway.open_account("meeting", "--user", "alice", "--number", TOLL_FREE)
    await lab.gateway.grant("meeting", "8", "p1")
    inside = await lab.call("*84711", Caller("meeting", talk_seconds=11))
    await inside.until_answered()
    dial_in = Caller("", "", endpoint="pstn", conference="4711", talk_seconds=30)
    outside = await lab.call(TOLL_FREE, dial_in)
    [[cut], [stayed]] = await asyncio.gather(outside.finished(), inside.finished())

    assert (cut.ended_by, stayed.ended_by) == ("far", "caller")
    assert cut.ended - cut.answered == pytest.approx(8, abs=0.6)  # answered half a second late
    # Two words and a digit, and silence for the others.
    assert outside.heard.audible_seconds == pytest.approx(2.2, abs=0.5)
    assert (inside.heard.audible_seconds, inside.heard.packets > 0) == (0, True)


async def test_who_gets_money_in_time_is_warned_at_the_new_end_only(lab: Lab) -> None:
    # D5
    number = "+442070020200"
    await lab.gateway.open_account("saved", "--user", "alice")
    await lab.gateway.grant("saved", "6", "p1")
    calls = await lab.call(number, Caller("saved", talk_seconds=30))
    await calls.until_answered()
    [ear] = [name for name in await lab.asterisk.channels() if name.startswith("PJSIP/phone")]
    await asyncio.sleep(2.5)  # the one warning has begun
    await lab.gateway.grant("saved", "5", "p2")
    [seen] = await calls.finished()
    far = await lab.far_end.until_ended(number)

    assert far.ended - far.answered == pytest.approx(11, abs=0.5)
    assert seen.ended_by == "far"
    assert whispered(lab, ear) == [WARNING, WARNING]
