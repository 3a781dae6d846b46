"""Two real PBXes that one gateway follows."""

import asyncio

from tests.lab.lab import Lab
from tests.lab.scenes import GERMANY, SETTINGS, settled
from tests.lab.sipp import Caller


async def test_one_gateway_carries_the_calls_of_two_pbxes() -> None:
    async with (
        Lab(with_gateway=False, name="paris") as paris,
        Lab(settings={**SETTINGS, "pbx.paris": paris.pbx}) as lab,
    ):
        agi = f"agi://127.0.0.1:{lab.gateway.agi_port}"
        await paris.asterisk.cli(f"dialplan set global COINBOX_AGI {agi}")
        await lab.gateway.open_account("both", "--user", "alice")
        await lab.gateway.grant("both", "1.00", "p1")
        caller = Caller("both", talk_seconds=9.5)
        calls = [await pbx.call(GERMANY, caller) for pbx in (lab, paris)]
        ended = await asyncio.gather(*(group.finished() for group in calls))
        body = await settled(lab, "both")
        told = lab.gateway.told("call.ended", "both")

    assert [one.ended_by for group in ended for one in group] == ["caller", "caller"]
    assert sorted(str(call["call"]).partition("-")[0] for call in told) == ["lab", "paris"]
    # Both are renewed, and 9.5 s are billed as 12 s: 0.01 + 12/60 of 0.0125, twice
    assert body["spent"] == "0.025000"
