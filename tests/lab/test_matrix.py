"""Each part that may fail, at each moment of a call: what the caller pays, and when he is cut.

What is expected follows from the rules alone. A call that rings or talks goes on if the part is
back before its slice ends, and else is cut by the PBX when that ends; it costs what was talked, and
never more than was held. Whoever asks and is not answered in time is told so, or cut after 10 s.
"""

import asyncio
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass

import pytest

from gateway.money import format_amount, parse_amount
from tests.lab.lab import Lab
from tests.lab.matrix import GRANTED, Come, Moment, Play, Strike, number_of, play, store_pid
from tests.lab.scenes import Talk, overspend

FROZEN_SECONDS = 30.0
LATE_SECONDS = 9.0  # every slice that was held has ended by then
LABS_MAX = 3  # at once
PLAYS_SECONDS_MAX = 480


async def kill_the_gateway(lab: Lab, moment: Come) -> None:
    lab.gateway.send(signal.SIGSTOP)
    await moment()
    await lab.gateway.kill()
    await asyncio.sleep(0.8)
    await lab.gateway.start()


async def kill_the_gateway_for_long(lab: Lab, moment: Come) -> None:
    lab.gateway.send(signal.SIGSTOP)
    await moment()
    await lab.gateway.kill()
    await asyncio.sleep(LATE_SECONDS)
    await lab.gateway.start()


async def freeze_the_gateway(lab: Lab, moment: Come) -> None:
    lab.gateway.send(signal.SIGSTOP)
    await moment()
    await asyncio.sleep(FROZEN_SECONDS)
    lab.gateway.send(signal.SIGCONT)


async def restart_the_gateway(lab: Lab, moment: Come) -> None:
    # The question has come to the gateway, which waits for the store.
    store = await store_pid(lab)
    os.kill(store, signal.SIGSTOP)
    await moment()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(lab.gateway.stop())
        await asyncio.sleep(0.3)
        os.kill(store, signal.SIGCONT)
    await lab.gateway.start()


async def kill_the_store(lab: Lab, moment: Come) -> None:
    store = await store_pid(lab)
    os.kill(store, signal.SIGSTOP)
    await moment()
    os.kill(store, signal.SIGKILL)


async def freeze_the_store(lab: Lab, moment: Come) -> None:
    store = await store_pid(lab)
    os.kill(store, signal.SIGSTOP)
    await moment()
    await asyncio.sleep(FROZEN_SECONDS)
    os.kill(store, signal.SIGCONT)


async def cut_ami(lab: Lab, moment: Come) -> None:
    lab.gateway.send(signal.SIGSTOP)
    await moment()
    await lab.ami.cut()
    lab.gateway.send(signal.SIGCONT)
    await asyncio.sleep(1.5)
    await lab.ami.restore()


async def cut_ami_for_long(lab: Lab, moment: Come) -> None:
    lab.gateway.send(signal.SIGSTOP)
    await moment()
    await lab.ami.cut()
    lab.gateway.send(signal.SIGCONT)
    await asyncio.sleep(LATE_SECONDS)
    await lab.ami.restore()


async def kill_asterisk(lab: Lab, moment: Come) -> None:
    lab.gateway.send(signal.SIGSTOP)
    await moment()
    await lab.asterisk.kill()
    lab.gateway.send(signal.SIGCONT)
    await asyncio.sleep(2)
    await lab.asterisk.start()


@dataclass(frozen=True)
class Talks:
    """The caller talks as long as he likes, and hangs up."""

    seconds: float
    spent: str


@dataclass(frozen=True)
class Cut:
    """The PBX hangs up at the end of what is held."""

    seconds: int
    spent: str


@dataclass(frozen=True)
class Refused:
    """The caller is told that the service is down."""

    spent: str = "0.000000"


@dataclass(frozen=True)
class Silence:
    """The caller hears nothing, and is cut after 10 s."""

    spent: str = "0.000000"


@dataclass(frozen=True)
class Dies:
    """The leg dies with the PBX: so many seconds are known to have been talked, at most."""

    seconds: int = 0
    spent: str = "0.000000"


Expected = Talks | Cut | Refused | Silence | Dies

# Germany: 0.01 a call and 0.0125 a minute, by 6 seconds.
SECONDS_6, SECONDS_12, SECONDS_18 = "0.011250", "0.012500", "0.013750"

# Whatever breaks: these have nothing to wait for.
IN_ANY_CASE: Mapping[Moment, Expected] = {
    Moment.LAST_SLICE: Cut(6, SECONDS_6),
    Moment.HANGING_UP: Cut(6, SECONDS_6),
    Moment.LEAVING: Talks(1.7, SECONDS_6),
}
GO_ON: Mapping[Moment, Expected] = {
    **IN_ANY_CASE,
    Moment.RINGING: Talks(10, SECONDS_12),  # with the ring it would be 18 s
    Moment.ANSWERED: Talks(10, SECONDS_12),
    Moment.RENEWING: Talks(16, SECONDS_18),
}
ARE_CUT: Mapping[Moment, Expected] = {
    **IN_ANY_CASE,
    Moment.RINGING: Cut(6, SECONDS_6),
    Moment.ANSWERED: Cut(6, SECONDS_6),
    Moment.RENEWING: Cut(12, SECONDS_12),
}
# The PBX never tells how they ended. What is known of a call is its answer, and that it was up when
# its deadline was moved: for the one, by its second slice, some 2 or 3 s after its answer.
DIE: Mapping[Moment, Expected] = {
    **dict.fromkeys(Moment, Dies()),
    Moment.RENEWING: Dies(3, SECONDS_6),
}
ALLOWED = {Moment.ASKED: Talks(10, SECONDS_12)}
REFUSED = {Moment.ASKED: Refused()}
ALLOWED_AND_CUT = {Moment.ASKED: Cut(6, SECONDS_6)}
UNANSWERED = {Moment.ASKED: Silence()}


@dataclass(frozen=True)
class Fault:
    """A way to break a lab, and what becomes of each call."""

    strike: Strike
    expected: Mapping[Moment, Expected]
    slow: bool = True
    # So long before the end of what the call that is hanging up has paid.
    before_end_seconds: float = 0.0

    @property
    def name(self) -> str:
        return self.strike.__name__.replace("_", "-")

    @property
    def marks(self) -> list[pytest.MarkDecorator]:
        # Whichever test comes first waits for all plays.
        marks = [pytest.mark.timeout(PLAYS_SECONDS_MAX)]
        return [*marks, pytest.mark.slow] if self.slow else marks


FAULTS = (
    Fault(kill_the_gateway, {**GO_ON, **REFUSED}),
    Fault(kill_the_gateway_for_long, {**ARE_CUT, **REFUSED}, slow=False),
    Fault(freeze_the_gateway, {**ARE_CUT, **UNANSWERED}),
    Fault(restart_the_gateway, {**GO_ON, **ALLOWED}),
    Fault(kill_the_store, {**GO_ON, **ALLOWED}),
    Fault(freeze_the_store, {**ARE_CUT, **REFUSED}),
    Fault(cut_ami, {**GO_ON, **ALLOWED}, slow=False),
    # More is held for those that were answered before, but the PBX is not told in time.
    Fault(cut_ami_for_long, {**ARE_CUT, **ALLOWED_AND_CUT}),
    # Killed a moment later, it would have told the end of that call.
    Fault(kill_asterisk, DIE, before_end_seconds=0.5),
)
CELLS = [
    pytest.param(fault, moment, marks=fault.marks, id=f"{fault.name}-{moment}")
    for fault in FAULTS
    for moment in Moment
]
EACH = [pytest.param(fault, marks=fault.marks, id=fault.name) for fault in FAULTS]

Plays = Mapping[str, Play | BaseException]


@pytest.fixture(scope="module")
async def plays(request: pytest.FixtureRequest) -> Plays:
    """Let the faults that are asked for strike labs of their own, side by side."""
    chosen = [getattr(item, "callspec", None) for item in request.session.items]
    wanted = [call.params.get("fault") for call in chosen if call]
    faults = [fault for fault in FAULTS if fault in wanted]
    turns = asyncio.Semaphore(LABS_MAX)

    async def played(fault: Fault) -> Play:
        async with turns:
            return await play(fault.strike, before_end_seconds=fault.before_end_seconds)

    outcomes = await asyncio.gather(*map(played, faults), return_exceptions=True)
    return dict(zip((fault.name for fault in faults), outcomes, strict=True))


def outcome(plays: Plays, fault: Fault) -> Play:
    found = plays[fault.name]
    if isinstance(found, BaseException):
        raise found
    return found


@pytest.mark.parametrize(("fault", "moment"), CELLS)
async def test_a_call_costs_and_lasts_what_the_rules_say(
    plays: Plays, fault: Fault, moment: Moment
) -> None:
    found = outcome(plays, fault)
    seen, expected = found.seen[moment], fault.expected[moment]
    caller, far = seen.caller, seen.far
    closed = seen.entries_of("settle", "void")

    assert seen.account["spent"] == expected.spent
    assert seen.account["held"] == "0.000000"
    left = parse_amount(GRANTED[moment]) - parse_amount(expected.spent)
    assert seen.account["available"] == format_amount(left)
    assert len(closed) == len(seen.entries_of("hold"))  # once

    match expected:
        case Talks(seconds=seconds) | Cut(seconds=seconds):
            assert far
            [usage] = seen.entries_of("settle")
            charged_seconds = int(usage.fields["seconds"])
            assert caller.ended_by == ("far" if isinstance(expected, Cut) else "caller")
            assert far.ended - far.answered == pytest.approx(seconds, abs=0.5), seen
            answered = int(usage.fields["answered"]) / 1000
            assert answered == pytest.approx(far.answered, abs=0.5), seen
            assert int(usage.fields["ended"]) / 1000 == pytest.approx(far.ended, abs=0.5), seen
            assert charged_seconds == pytest.approx(seconds, abs=1)
            assert charged_seconds <= seen.granted_seconds
            assert far.ended - far.answered <= seen.granted_seconds + 0.5
            talks = [Talk(number_of(moment), far.ended - far.answered)]
            assert overspend(dict(seen.account), talks) == 0
        case Refused():
            assert caller.code == 503
            assert far is None
            assert seen.entries_of("hold") == []
        case Silence():
            assert caller.code >= 400
            assert caller.answered == 0
            assert caller.ended - caller.called == pytest.approx(10, abs=0.5), seen
            assert far is None
        case Dies(seconds=seconds):
            known = [int(usage.fields["seconds"]) for usage in seen.entries_of("settle")]
            assert sum(known) <= seconds
            if far and far.answered:
                assert far.ended == 0  # nobody told it
                assert found.struck - far.answered <= seen.granted_seconds + 0.5


@pytest.mark.parametrize("fault", EACH)
async def test_the_books_agree(plays: Plays, fault: Fault) -> None:
    found = outcome(plays, fault)

    assert " 0 live holds" in found.audit
    assert " 0 differences" in found.audit


@pytest.mark.parametrize("fault", EACH)
async def test_only_who_is_refused_is_told_that_the_service_is_down(
    plays: Plays, fault: Fault
) -> None:
    refused = isinstance(fault.expected[Moment.ASKED], Refused)

    assert outcome(plays, fault).prompts == (
        ["im-sorry", "please-try-call-later"] if refused else []
    )
