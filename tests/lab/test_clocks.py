"""A PBX whose clock is wrong, or jumps, changes nothing of what is charged."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.lab import faketime
from tests.lab.asterisk import SUITE
from tests.lab.lab import Lab
from tests.lab.processes import until
from tests.lab.scenes import EIGHT_SECONDS_OF_BRITAIN, SETTINGS, settled
from tests.lab.sipp import Caller

pytestmark = pytest.mark.skipif(
    SUITE == "bullseye", reason="libfaketime is the host's, and needs a newer libc than bullseye's"
)

HOUR_AHEAD, RIGHT, HOUR_BEHIND = "+3600", "+0", "-3600"


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that says how far the PBX's clock is off."""
    file = tmp_path_factory.mktemp("clock") / "offset"
    faketime.write(file, RIGHT)
    return file


@pytest.fixture(scope="module")
async def lab(clock: Path) -> AsyncIterator[Lab]:
    async with Lab(settings=SETTINGS, asterisk_environment=faketime.environment(clock)) as lab:
        yield lab


async def jump(lab: Lab, clock: Path, offset: str) -> None:
    """Set the PBX's clock, and wait until the gateway has seen that."""
    before = lab.gateway.log().count("pbx.clock_jumped")
    faketime.write(clock, offset)
    await until(lambda: lab.gateway.log().count("pbx.clock_jumped") > before, "the jump is seen")


async def opened(lab: Lab, name: str, credit: str) -> Caller:
    await lab.gateway.open_account(name, "--user", "alice")
    await lab.gateway.grant(name, credit, "p1")
    return Caller(name, talk_seconds=8.5)


async def test_a_clock_that_is_wrong_changes_neither_charge_nor_renewal(
    lab: Lab, clock: Path
) -> None:
    for offset, name in ((HOUR_AHEAD, "ahead"), (HOUR_BEHIND, "behind")):
        await jump(lab, clock, offset)
        calls = await lab.call("+493010030100", await opened(lab, name, "1.00"))
        [caller] = await calls.finished()
        body = await settled(lab, name)

        assert caller.ended_by == "caller"
        assert body["spent"] == "0.012500"  # 12 s
    await jump(lab, clock, RIGHT)


async def test_a_clock_that_jumps_ahead_in_mid_call_charges_what_was_talked(
    lab: Lab, clock: Path
) -> None:
    number = "+442070030200"
    calls = await lab.call(number, await opened(lab, "forward", "1.00"))
    await calls.until_answered()
    await jump(lab, clock, HOUR_AHEAD)
    # Asterisk takes its deadline for passed, unless the gateway has moved it before it looks.
    await calls.finished()
    far = await lab.far_end.until_ended(number)
    body = await settled(lab, "forward")
    [told] = lab.gateway.told("call.ended", "forward")
    await jump(lab, clock, RIGHT)

    assert 0 < float(str(told["seconds"])) - (far.ended - far.answered) < 1.1
    assert body["spent"] == told["charge"]


async def test_a_clock_that_jumps_back_in_mid_call_lets_it_end_when_it_should(
    lab: Lab, clock: Path
) -> None:
    number = "+442070030300"
    await opened(lab, "backward", EIGHT_SECONDS_OF_BRITAIN)
    calls = await lab.call(number, Caller("backward", talk_seconds=30))
    await calls.until_answered()
    await jump(lab, clock, HOUR_BEHIND)
    [caller] = await calls.finished()
    far = await lab.far_end.until_ended(number)
    body = await settled(lab, "backward")
    await jump(lab, clock, RIGHT)

    assert caller.ended_by == "far"
    assert far.ended - far.answered == pytest.approx(8, abs=0.5)
    assert (body["spent"], body["available"]) == (EIGHT_SECONDS_OF_BRITAIN, "0.000000")
