"""Limits on real calls: they end as those do whose credit is used up."""

import asyncio

import pytest

from tests.lab.lab import Lab
from tests.lab.scenes import EIGHT_SECONDS_OF_BRITAIN, settled
from tests.lab.sipp import Caller


async def test_a_call_ends_where_a_limit_does(lab: Lab) -> None:
    limits = {
        "longest": ("+442070000301", "seconds_max=8"),
        "daily": ("+442070000302", f"limit_day={EIGHT_SECONDS_OF_BRITAIN}"),
    }
    await asyncio.gather(*(cut_at_eight_seconds(lab, name, *of) for name, of in limits.items()))


async def cut_at_eight_seconds(lab: Lab, account: str, number: str, limit: str) -> None:
    await lab.gateway.open_account(account, "--user", "alice", "--set", limit)
    await lab.gateway.grant(account, "1.00", "p1")
    calls = await lab.call(number, Caller(account, talk_seconds=30))
    [caller] = await calls.finished()
    far = await lab.far_end.until_ended(number)
    body = await settled(lab, account)

    assert caller.ended_by == "far"
    assert far.ended - far.answered == pytest.approx(8, abs=0.5)
    assert body["spent"] == EIGHT_SECONDS_OF_BRITAIN
