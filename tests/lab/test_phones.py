"""That the lab's phones do what they say, on an Asterisk without Coinbox."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.lab.lab import Lab
from tests.lab.processes import until
from tests.lab.sipp import (
    ANSWERS,
    EARLY_MEDIA,
    HANGS_UP,
    HOLDS,
    PRESSES_ONE,
    REDIRECTS,
    RINGS_LONG,
    Caller,
    CallResult,
    FarEnd,
)
from tests.lab.steps import CONNECT_SECONDS, Hold, Press, Refer, Resume, Step, Wait

LONG_RING_SECONDS = 3.0
LEAVES = "+493070000177"
PHONE_STEPS: dict[str, tuple[Step, ...]] = {"transfers": (Refer(LEAVES),)}


@pytest.fixture(scope="module")
async def lab() -> AsyncIterator[Lab]:
    async with Lab(
        ring_seconds=0.2,
        long_ring_seconds=LONG_RING_SECONDS,
        talk_seconds=1,
        phone_steps=PHONE_STEPS,
        with_gateway=False,
    ) as lab:
        yield lab


def plain(*steps: Step, talk_seconds: float = 0.5, patience_seconds: float = 90.0) -> Caller:
    return Caller(
        endpoint="plain", steps=steps, talk_seconds=talk_seconds, patience_seconds=patience_seconds
    )


async def called(lab: Lab, number: str, caller: Caller) -> CallResult:
    """Let a caller dial, and give what he saw in the end."""
    [seen] = await (await lab.call(number, caller)).finished()
    return seen


def names(steps: tuple[tuple[str, float], ...]) -> list[str]:
    return [name for name, _ in steps]


async def until_logged(lab: Lab, text: str, before: str = "") -> None:
    await until(lambda: text in lab.asterisk.log().removeprefix(before), f"Asterisk logs {text}")


async def until_connected(lab: Lab, staying: str, leaving: str, at: FarEnd | None = None) -> None:
    """Wait until one far end has left, and with it the other one's call has ended."""
    left = await lab.far_end.until_ended(leaving)
    stayed = await (at or lab.far_end).until_ended(staying)
    assert (left.ended_by, stayed.ended_by) == ("far", "pbx")
    assert stayed.ended == pytest.approx(left.ended, abs=0.5)


async def test_a_caller_and_a_far_end_put_the_pbx_on_hold_and_resume(lab: Lab) -> None:
    holding = "+4930100001" + HOLDS
    before = lab.asterisk.log()
    seen, held = await asyncio.gather(
        called(lab, "+493010000200", plain(Wait(0.3), Hold(), Wait(0.5), Resume())),
        called(lab, holding, plain(talk_seconds=4.5)),
    )
    [far] = lab.far_end.calls(holding)
    log = lab.asterisk.log().removeprefix(before)

    assert names(seen.steps) == names(far.steps) == ["hold", "resume"]
    assert far.steps[0][1] - far.answered == pytest.approx(2, abs=0.3)
    assert seen.ended_by == held.ended_by == "caller"
    # The music is for the other side.
    for channel in ("trunk", "plain"):
        assert f"Started music on hold, class 'default', on channel 'PJSIP/{channel}-" in log
        assert f"Stopped music on hold on PJSIP/{channel}-" in log


async def test_keys_pressed_by_a_caller_and_by_a_far_end_are_read(lab: Lab) -> None:
    seen, _ = await asyncio.gather(
        called(lab, "read5", plain(Press("1*0#9"), talk_seconds=5)),
        called(lab, "read1*+4930100003" + PRESSES_ONE, plain()),
    )
    await until_logged(lab, "User entered '1*0#9'")
    await until_logged(lab, "User entered '1'")

    assert names(seen.steps) == ["press-1", "press-*", "press-0", "press-#", "press-9"]
    assert seen.ended_by == "far"


async def test_a_caller_transfers_his_call_and_hangs_up_if_the_pbx_does_not(lab: Lab) -> None:
    staying, leaving = "+493010000400", "+4930100005" + HANGS_UP
    calls = await lab.call(staying, plain(Refer(leaving)))
    await until_connected(lab, staying, leaving)
    [seen] = await calls.finished()

    assert names(seen.steps) == ["refer", "refer-202", "notify-100", "notify-180", "notify-200"]
    assert lab.far_end.calls(leaving)[0].called == pytest.approx(seen.steps[0][1], abs=0.3)
    assert seen.ended_by == "caller"
    assert seen.ended - seen.steps[-1][1] == pytest.approx(5, abs=0.3)


async def test_a_transfer_that_fails_leaves_the_call_as_it_is(lab: Lab) -> None:
    seen = await called(lab, "+493010000600", plain(Refer("nobody"), talk_seconds=1))

    assert names(seen.steps) == ["refer", "refer-202", "notify-100", "notify-404"]
    assert seen.ended_by == "caller"
    assert seen.ended - seen.answered == pytest.approx(1 + CONNECT_SECONDS, abs=0.3)


async def test_a_phone_that_is_called_transfers_its_caller(lab: Lab) -> None:
    seen = await called(lab, "*transfers", plain(talk_seconds=20))
    far = await lab.far_end.until_ended(LEAVES)
    [phone] = lab.phone.calls("transfers")

    assert (seen.ended_by, far.ended_by) == ("far", "far")
    assert seen.ended == pytest.approx(far.ended, abs=0.5)
    assert names(phone.steps)[-1] == "notify-200"
    assert names(seen.steps) == ["reinvited"]  # with whom he talks now


async def test_an_attended_transfer_connects_both_far_ends(lab: Lab) -> None:
    staying, leaving = "+493010000700", "+4930100008" + HANGS_UP
    [first] = await (await lab.call(staying, plain(talk_seconds=20))).until_answered()
    second = await lab.call(leaving, plain(Refer(staying, replaces=first.dialog)))
    await until_connected(lab, staying, leaving)
    [seen] = second.results()

    assert names(seen.steps) == ["refer", "refer-202", "notify-100", "notify-200"]


async def test_a_phone_that_is_called_connects_its_caller_to_whom_it_calls(lab: Lab) -> None:
    leaving = "+4930100009" + HANGS_UP
    caller = await lab.call("*answers", plain(talk_seconds=20))
    await caller.until_answered()
    phone = lab.phone.calls("answers")[-1]
    await lab.call(leaving, plain(Refer("answers", replaces=phone.dialog)))
    [seen] = await caller.finished()
    far = await lab.far_end.until_ended(leaving)

    assert (seen.ended_by, far.ended_by) == ("far", "far")
    assert seen.ended == pytest.approx(far.ended, abs=0.5)


async def test_keys_transfer_and_a_parked_call_is_fetched(lab: Lab) -> None:
    staying, leaving = "+493010001000", "4930100011" + HANGS_UP
    parked = "+493010001200"
    await lab.call(staying, plain(Press("##"), Wait(0.5), Press(leaving), talk_seconds=20))
    await lab.call(parked, plain(Refer("700")))
    await until_connected(lab, staying, leaving)
    await until_logged(lab, "Parking 'PJSIP/trunk-")
    seen = await called(lab, "701", plain(talk_seconds=1))
    far = await lab.far_end.until_ended(parked)

    assert far.ended == pytest.approx(seen.ended, abs=0.5)


async def test_early_media_comes_before_the_answer(lab: Lab) -> None:
    seen = await called(lab, "+4930100013" + EARLY_MEDIA, plain())

    assert (seen.code, seen.ringing) == (200, 0)
    assert 0 < seen.early < seen.answered


async def test_a_far_end_and_a_phone_redirect_their_calls(lab: Lab) -> None:
    results = await asyncio.gather(
        called(lab, "+4930100014" + REDIRECTS, plain()),
        called(lab, "*to493010001500", plain()),
    )

    assert [seen.code for seen in results] == [200, 200]
    assert lab.far_end.calls("+4930100014" + ANSWERS)[0].answered
    assert lab.far_end.calls("+493010001500")[0].answered
    assert lab.far_end.calls("+4930100014" + REDIRECTS)[0].ended_by == "far"


async def test_a_phone_is_busy_or_silent_and_a_far_end_rings_long(lab: Lab) -> None:
    number = "+4930100016" + RINGS_LONG
    busy, silent, patient, impatient = await asyncio.gather(
        called(lab, "*busy", plain()),
        called(lab, "*silent", plain(patience_seconds=1)),
        called(lab, number, plain()),
        called(lab, number, plain(patience_seconds=1)),
    )
    far_calls = {far.ended_by: far for far in lab.far_end.calls(number) if not far.answered}

    assert [seen.code for seen in (busy, silent, patient, impatient)] == [486, 487, 200, 487]
    assert patient.answered - patient.ringing == pytest.approx(LONG_RING_SECONDS, abs=0.3)
    assert list(far_calls) == ["pbx"]
