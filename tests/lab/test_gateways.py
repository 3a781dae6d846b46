"""Two gateways on one store: one follows the PBX, either answers it, and neither is missed."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.conftest import Store
from tests.lab.gateway import Gateway, Section
from tests.lab.lab import Lab
from tests.lab.ports import Ports
from tests.lab.processes import until
from tests.lab.scenes import GERMANY, settled
from tests.lab.servers import Server, valkey
from tests.lab.sipp import Caller, CallResult

# A lease lasts three seconds: less than from the latest renewal to the end of what is paid.
CALLS: Section = {"slice_seconds": 12, "renew_before_seconds": 6, "warn_seconds": []}
TAKEN_OVER = "pbx.followed"


@pytest.fixture
async def lab(store: Store, ports: Ports, tmp_path: Path) -> AsyncIterator[Lab]:
    """A lab whose second gateway follows the PBX, while the first is asked."""
    server = Server(await valkey(store), tmp_path / "store", ports.take())
    await server.start()
    settings: dict[str, Section] = {"calls": CALLS, "store": {"url": server.url}}
    try:
        async with Lab(settings=settings, with_gateway=False) as lab:
            await lab.other_gateway.start()
            await lab.gateway.start()
            yield lab
    finally:
        await server.stop()


async def account(lab: Lab, name: str) -> str:
    await lab.gateway.open_account(name, "--user", "alice")
    await lab.gateway.grant(name, "1.00", "p1")
    return name


async def followed(gateway: Gateway) -> None:
    await until(lambda: TAKEN_OVER in gateway.log(), "it follows the PBX")


async def talked(lab: Lab, name: str, caller: CallResult, spent: str) -> None:
    """Expect a call of 20 s that nobody cut, and its charge."""
    assert caller.ended_by == "caller"
    assert caller.ended - caller.answered == pytest.approx(20, abs=0.5)
    body = await settled(lab, name)
    assert body["spent"] == spent


# 20 s are billed as 24 s: 0.01 + 24/60 of 0.0125
TWENTY_SECONDS_OF_GERMANY = "0.015000"


async def test_a_gateway_follows_what_the_other_has_authorized(lab: Lab) -> None:
    name = await account(lab, "shared")
    ready = {"store": "ok", "pbx": {"lab": "followed by another gateway"}, "draining": False}
    assert await lab.gateway.get("/readyz") == (200, ready)
    calls = await lab.call(GERMANY, Caller(name, talk_seconds=20))
    await calls.until_answered()
    [call] = await until(lab.other_gateway.calls, "the other gateway has the call")
    assert (call["account"], call["state"]) == (name, "answered")
    assert await lab.gateway.calls() == []
    [caller] = await calls.finished()

    await talked(lab, name, caller, TWENTY_SECONDS_OF_GERMANY)
    assert '"event": "call.allowed"' in lab.gateway.log()
    assert '"event": "call.ended"' in lab.other_gateway.log()


@pytest.mark.parametrize("how", ["killed", "frozen", "stopped"])
async def test_a_gateway_that_goes_in_mid_call_is_followed_by_the_other_unnoticed(
    lab: Lab, how: str
) -> None:
    name = await account(lab, how)
    calls = await lab.call(GERMANY, Caller(name, talk_seconds=20))
    await calls.until_answered()
    went = asyncio.get_running_loop().time()
    match how:
        case "killed":
            await lab.other_gateway.kill()
        case "frozen":
            lab.other_gateway.send(signal.SIGSTOP)
        case "stopped":
            await lab.other_gateway.stop()
    await followed(lab.gateway)
    took = asyncio.get_running_loop().time() - went
    if how == "frozen":
        # It wakes with what it knew before, which is not to be acted on.
        await asyncio.sleep(8)
        lab.other_gateway.send(signal.SIGCONT)
    [caller] = await calls.finished()

    assert took < 5
    await talked(lab, name, caller, TWENTY_SECONDS_OF_GERMANY)
    if how == "frozen":
        await until(lambda: "pbx.let_go" in lab.other_gateway.log(), "it has let the PBX go")
        assert "call.hang_up" not in lab.other_gateway.log()


async def test_the_pbx_asks_the_next_gateway_of_its_list_if_the_first_is_gone(lab: Lab) -> None:
    name = await account(lab, "second")
    await lab.gateway.stop()
    calls = await lab.call(GERMANY, Caller(name, talk_seconds=3))
    [caller] = await calls.finished()
    await lab.other_gateway.stop()
    refused = await lab.call(GERMANY, Caller(name))
    [nobody] = await refused.finished()
    await lab.gateway.start()
    body = await settled(lab, name)

    assert (caller.code, caller.ended_by) == (200, "caller")
    assert nobody.code == 503
    assert body["spent"] == "0.011250"
    await lab.asterisk.until_records_are_gone()
