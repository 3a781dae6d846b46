"""What the dialplan does with real calls on its own, and with what a gateway answers it.

Nobody serves the lab's FastAGI port, unless a test does.
"""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import pytest

from tests.lab.lab import Lab
from tests.lab.scenes import GERMANY, ROOM
from tests.lab.sipp import Caller, CallResult

SORRY, LATER = "im-sorry", "please-try-call-later"
CANNOT, FEATURE = "cannot-complete-as-dialed", "feature-not-avail-line"
NO_MINUTES = (SORRY, "vm-youhave", "vm-no", "minutes")

REFUSALS: dict[str, tuple[int, tuple[str, ...]]] = {
    "bad_number": (484, (CANNOT, "check-number-dial-again")),
    "no_rate": (404, (CANNOT,)),
    "unknown_call_type": (403, (FEATURE,)),
    "unknown_account": (403, (FEATURE,)),
    "unknown_user": (403, (FEATURE,)),
    "policy": (403, (SORRY, FEATURE)),
    "premium": (403, (SORRY, CANNOT)),
    "blocked": (403, (SORRY, CANNOT)),
    "limit_rate": (403, (SORRY, CANNOT)),
    "no_licence": (403, NO_MINUTES),
    "no_credit": (403, NO_MINUTES),
    "limit_day": (403, (*NO_MINUTES, LATER)),
    "limit_month": (403, (*NO_MINUTES, LATER)),
    "limit_calls": (403, ("simul-call-limit-reached",)),
    "limit_per_minute": (403, (SORRY, LATER)),
    "rating_fault": (503, (SORRY, LATER)),
    "service_down": (503, (SORRY, LATER)),
    "unknown_conference": (403, ("conf-invalid",)),
    "wrong_pin": (403, ("conf-invalidpin",)),
    "bad_call_id": (503, (LATER,)),
    "conflict": (503, (LATER,)),
    "a_reason_that_is_not_known": (403, (CANNOT,)),
}


@pytest.fixture(scope="module")
async def lab() -> AsyncIterator[Lab]:
    async with Lab(with_gateway=False) as lab:
        yield lab


@asynccontextmanager
async def answering(lab: Lab, answers: Mapping[str, str]) -> AsyncIterator[None]:
    """Serve FastAGI, with an answer for each number that is dialed."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        header = (await reader.readuntil(b"\n\n")).decode()
        [script] = [line for line in header.splitlines() if line.startswith("agi_network_script")]
        writer.write(f'SET VARIABLE COINBOX_ANSWER "{answers[script.split("/")[5]]}"\n'.encode())
        await reader.readline()
        writer.close()

    port = lab.gateway.agi_port
    async with await asyncio.start_server(answer, "127.0.0.1", port):
        yield


async def called(lab: Lab, *dialing: tuple[str, Caller]) -> tuple[list[CallResult], list[str]]:
    """Call all at once; give what each caller saw, and the numbers that the trunk was asked for."""
    before = len(lab.far_end.calls())
    groups = [await lab.call(number, caller) for number, caller in dialing]
    results = [result for group in groups for result in await group.finished()]
    return results, [call.number for call in lab.far_end.calls()[before:]]


async def test_of_a_call_ami_tells_what_becomes_of_its_leg_and_nothing_else(lab: Lab) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", lab.ami.port)
    login = f"Action: Login\r\nUsername: coinbox\r\nSecret: {lab.pbx['secret']}\r\n\r\n"
    writer.write(login.encode())
    await reader.readuntil(b"Event: FullyBooted")
    await called(lab, ("112", Caller("", "", talk_seconds=0.5)))
    await lab.asterisk.until_idle()
    # An event may be held back until something else is to be sent.
    writer.write(b"Action: Ping\r\n\r\nAction: Logoff\r\n\r\n")
    told = (await reader.read()).decode()
    writer.close()

    assert re.findall(r"^Event: (\w+)", told, re.MULTILINE) == ["UserEvent"] * 3
    assert re.findall(r"^State: (\w+)", told, re.MULTILINE) == ["ringing", "answered", "ended"]


@pytest.mark.parametrize(
    ("number", "country"),
    [
        *(("110", "DE"), ("110", "de"), ("17", "FR"), ("10111", "ZA"), ("112", ""), ("999", "DE")),
        *(("1-1-0", "DE"), ("1-1-2", "")),
    ],
)
async def test_an_emergency_number_of_the_country_is_connected_without_gateway_and_account(
    lab: Lab, number: str, country: str
) -> None:
    caller = Caller("", "", country=country, talk_seconds=0.5)
    [seen], dialed = await called(lab, (number, caller))

    assert (seen.code, seen.ended_by) == (200, "caller")
    assert dialed == [number.replace("-", "")]


async def test_what_is_no_emergency_number_of_the_country_needs_the_gateway(lab: Lab) -> None:
    elsewhere = [("110", country) for country in ("GB", "XX", "")]
    other = [(number, "DE") for number in ("110#", "1*10", "+110", "1101", "11", "17")]
    dialing = [*elsewhere, *other]
    results, dialed = await called(lab, *((number, Caller(country=of)) for number, of in dialing))

    assert {of: seen.code for of, seen in zip(dialing, results, strict=True)} == dict.fromkeys(
        dialing, 503
    )
    assert dialed == []


async def test_other_characters_make_no_emergency_number(lab: Lab) -> None:
    numbers = ("110,1", "110,s,1", "110&1", "110)}]", '110"', "11\n0", "11 0")
    # The desk's calls enter the dialplan as they are, and its country is Germany.
    results, dialed = await called(lab, *((number, Caller(endpoint="desk")) for number in numbers))

    assert {of: seen.code for of, seen in zip(numbers, results, strict=True)} == dict.fromkeys(
        numbers, 484
    )
    assert dialed == []


async def test_a_conference_reaches_the_emergency_numbers_of_its_country(lab: Lab) -> None:
    number = "177"  # of the DR Congo; by its last digits the far end hangs up
    await lab.dial_out(number, room=ROOM, account="", user="", country="CD")
    far = await lab.far_end.until_ended(number)

    assert far.ended_by == "far"


@pytest.mark.parametrize("number", ["110", "1&1/0@x"])
async def test_the_gateway_may_say_that_a_number_is_an_emergency(lab: Lab, number: str) -> None:
    await lab.asterisk.until_idle()
    before = await lab.asterisk.records()
    async with answering(lab, {"0110": f"EMERGENCY,,{number}"}):
        calls = await lab.call("0110", Caller("", "", talk_seconds=2))
        await calls.until_answered()
    channels = await lab.asterisk.channels()
    deadlines = [await lab.asterisk.hangs_up_at(channel) for channel in channels]
    [seen] = await calls.finished()
    await lab.asterisk.until_idle()
    after = await lab.asterisk.records()
    records = [record.split() for call, record in after.items() if call not in before]

    assert seen.ended_by == "caller"
    assert lab.far_end.calls()[-1].number == "110"
    assert deadlines == [0, 0]
    # Nothing is left open of the call that was asked for.
    assert [call_type for call_type, *_ in records] == ["emergency_out"]


async def test_an_emergency_without_a_number_is_refused(lab: Lab) -> None:
    async with answering(lab, {"0110": "EMERGENCY,,"}):
        [seen], dialed = await called(lab, ("0110", Caller()))

    assert seen.code == 503
    assert dialed == []


async def test_a_call_may_be_granted_a_whole_day(lab: Lab) -> None:
    await lab.asterisk.until_idle()
    async with answering(lab, {GERMANY: f"ALLOW,86400,{GERMANY}"}):
        calls = await lab.call(GERMANY, Caller(talk_seconds=2))
        await calls.until_answered()
    [leg] = [name for name in await lab.asterisk.channels() if name.startswith("PJSIP/trunk")]
    deadline = await lab.asterisk.hangs_up_at(leg)
    [seen] = await calls.finished()

    assert deadline - seen.answered == pytest.approx(86400, abs=2)
    assert seen.ended_by == "caller"


async def test_a_refused_caller_hears_the_reason_and_gets_its_code(lab: Lab) -> None:
    numbers = {f"+4930{place:08}": reason for place, reason in enumerate(REFUSALS)}
    heard_before = {channel for channel, _ in lab.asterisk.prompts()}
    answers = {number: f"DENY,{reason}," for number, reason in numbers.items()}
    async with answering(lab, answers):
        results, dialed = await called(lab, *((number, Caller()) for number in numbers))

    heard: dict[str, tuple[str, ...]] = {}
    for channel, prompt in lab.asterisk.prompts():
        if channel not in heard_before:
            heard[channel] = (*heard.get(channel, ()), prompt)
    codes = {reason: seen.code for reason, seen in zip(numbers.values(), results, strict=True)}

    assert codes == {reason: code for reason, (code, _) in REFUSALS.items()}
    assert dialed == []
    assert Counter(heard.values()) == Counter(prompts for _, prompts in REFUSALS.values())
