"""A paid leg that nobody holds anything for: the store has lost it; a setting says what then."""

import asyncio
import shutil
from collections.abc import Mapping

import pytest

from tests.lab.gateway import Section
from tests.lab.lab import Lab
from tests.lab.scenes import settled
from tests.lab.sipp import Caller, CallResult

NUMBER = "+493010040100"


async def lost_in_mid_call(on_unknown: str, credit: str) -> tuple[CallResult, dict[str, object]]:
    """Make a call of 20 s, lose the store in its middle, and begin anew from an older copy.

    It has this credit. That of the call was bought after it was taken.
    """
    calls: Section = {"slice_seconds": 25, "warn_seconds": [], "on_unknown": on_unknown}
    settings: Mapping[str, Section] = {"calls": calls}
    async with Lab(settings=settings, with_gateway=False) as lab:
        store, copy = lab.gateway.data / "store", lab.gateway.data / "copy"
        await lab.gateway.open_account("lost", "--user", "alice")
        await lab.gateway.command("accounts", "grant", "lost", credit, "--reference", "p1")
        shutil.copytree(store, copy)
        await lab.gateway.start()
        await lab.gateway.grant("lost", "1.00", "p2")
        talking = await lab.call(NUMBER, Caller("lost", talk_seconds=20))
        await talking.until_answered()
        await lab.gateway.kill()
        shutil.rmtree(store)
        copy.rename(store)
        await lab.gateway.start()
        [caller] = await talking.finished()
        await lab.asterisk.until_idle()
        assert "call.unknown" in lab.gateway.log() or on_unknown == "adopt"
        return caller, await settled(lab, "lost")


async def test_a_leg_without_a_hold_is_hung_up_or_held_for_by_the_setting() -> None:
    (cut, free), (stayed, paid), (poor, used_up) = await asyncio.gather(
        lost_in_mid_call("hang_up", "1.00"),
        lost_in_mid_call("adopt", "1.00"),
        lost_in_mid_call("adopt", "0.011250"),  # six seconds, which are over already
    )

    assert (cut.ended_by, poor.ended_by) == ("far", "far")
    assert (free["spent"], free["available"]) == ("0.000000", "1.000000")
    # What was talked before is paid too, as far as there is money: 24 s for 20.
    assert stayed.ended_by == "caller"
    assert stayed.ended - stayed.answered == pytest.approx(20, abs=0.5)
    assert (paid["spent"], paid["available"]) == ("0.015000", "0.985000")
    assert (used_up["spent"], used_up["available"]) == ("0.011250", "0.000000")
