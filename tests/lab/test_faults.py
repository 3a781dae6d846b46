"""What happens to real calls when something is broken."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.ledger import embedded
from gateway.ledger.connection import Server, connect
from gateway.ledger.ledger import Ledger
from gateway.ledger.store import Store
from gateway.rating.price import Slice
from tests.lab.lab import Lab
from tests.lab.processes import until
from tests.lab.scenes import BRITAIN, EIGHT_SECONDS_OF_BRITAIN, GERMANY, settled
from tests.lab.sipp import BUSY, HANGS_UP, NEVER_ANSWERS, RINGS_LONG, Caller
from tests.lab.steps import Refer

GERMANY_PREFIX = "+4930987654"


@pytest.fixture
async def account(lab: Lab, request: pytest.FixtureRequest) -> str:
    """An account of the test's own, with one unit of credit."""
    name = f"t{abs(hash(request.node.nodeid))}"
    await lab.gateway.open_account(name, "--user", "alice")
    await lab.gateway.grant(name, "1.00", "p1")
    return name


@asynccontextmanager
async def ami_cut(lab: Lab) -> AsyncIterator[None]:
    await lab.ami.cut()
    try:
        yield
    finally:
        await lab.ami.restore()


async def test_peers_that_connect_and_close_do_not_disturb_authorizations(
    lab: Lab, account: str
) -> None:
    port = lab.gateway.agi_port

    async def connect_and_close() -> None:
        for _ in range(100):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()

    calls = await lab.call(GERMANY, Caller(account, talk_seconds=3), count=10)
    await asyncio.gather(*(connect_and_close() for _ in range(10)))
    codes = [caller.code for caller in await calls.finished()]
    body = await settled(lab, account)

    assert codes == [200] * 10
    assert body["spent"] == "0.112500"  # ten times 6 s


@pytest.fixture
async def silent_lab() -> AsyncIterator[Lab]:
    """A lab whose FastAGI port is served by somebody who accepts and never answers."""
    accepted = asyncio.Event()

    async def accept(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await accepted.wait()
        writer.close()

    async with Lab(with_gateway=False) as lab:
        port = lab.gateway.agi_port
        server = await asyncio.start_server(accept, "127.0.0.1", port)
        async with server:
            yield lab
            accepted.set()


async def test_a_gateway_that_never_answers_frees_the_channel(silent_lab: Lab) -> None:
    patient = await silent_lab.call(GERMANY, Caller(patience_seconds=60))
    impatient = await silent_lab.call(BRITAIN, Caller(patience_seconds=2))

    [left] = await impatient.finished()
    [waited] = await patient.finished()
    await silent_lab.asterisk.until_idle()

    assert left.code == 487
    assert waited.answered == 0
    assert waited.code >= 400
    assert silent_lab.far_end.calls() == []


async def test_a_call_goes_on_while_ami_is_cut_and_is_renewed_when_it_is_back(
    lab: Lab, account: str
) -> None:
    calls = await lab.call(GERMANY_PREFIX + "100", Caller(account, talk_seconds=14.5))
    await calls.until_answered()
    async with ami_cut(lab):
        await asyncio.sleep(2)
    [caller] = await calls.finished()
    body = await settled(lab, account)

    assert caller.ended_by == "caller"
    assert body["spent"] == "0.013750"  # 0.01 + 18/60 of 0.0125


async def test_a_call_whose_end_was_missed_while_ami_was_cut_is_settled_exactly(
    lab: Lab, account: str
) -> None:
    calls = await lab.call(GERMANY_PREFIX + "200", Caller(account, talk_seconds=2))
    await calls.until_answered()
    async with ami_cut(lab):
        await calls.finished()
        await lab.asterisk.until_idle()
        assert (await lab.gateway.account(account))["held"] == "0.011250"
    body = await settled(lab, account)

    assert body["spent"] == "0.011250"  # 0.01 + 6/60 of 0.0125
    await lab.asterisk.until_records_are_gone()


@asynccontextmanager
async def a_hold_that_cannot_be_read(lab: Lab, account: str) -> AsyncIterator[None]:
    """Hold something for a call whose terms were written by no version of the gateway."""
    async with connect(embedded.url(lab.gateway.data / "store")) as redis:
        ledger = Ledger(Store(Server(redis), 16))
        await ledger.hold(
            account,
            "lab-strange",
            [Slice(60, 1)],
            user="alice",
            call_type="user_out",
            number=BRITAIN,
            prefix="44",
            rate="the terms",
            currency="USD",
            day="2026-11-24",
            month="2026-11",
            seconds_max=2,
        )
        yield
        await ledger.void(account, "lab-strange", user="alice", cause=16)


async def test_a_hold_that_cannot_be_read_stands_in_no_other_s_way(lab: Lab, account: str) -> None:
    calls = await lab.call(GERMANY_PREFIX + "250", Caller(account, talk_seconds=3))
    await calls.until_answered()
    async with a_hold_that_cannot_be_read(lab, account):
        async with ami_cut(lab):
            await calls.finished()
            await lab.asterisk.until_idle()

        async def charged() -> bool:
            return (await lab.gateway.account(account))["spent"] == "0.011250"

        await until(charged, "the call beside it is settled")
        # Looked at twice, it is still there: nobody may say what it costs.
        await until(lambda: lab.gateway.log().count("hold.failed") >= 1, "it is said")
        assert (await lab.gateway.account(account))["held"] == "0.000001"


async def test_the_pbx_ends_a_call_on_time_with_the_gateway_gone(lab: Lab, account: str) -> None:
    number = GERMANY_PREFIX + "300"
    calls = await lab.call(number, Caller(account, talk_seconds=30))
    await calls.until_answered()
    await lab.gateway.kill()
    [caller] = await calls.finished()
    far = await lab.far_end.until_ended(number)
    await lab.gateway.start()
    body = await settled(lab, account)

    assert caller.ended_by == "far"
    assert far.ended - far.answered == pytest.approx(6, abs=0.5)
    assert body["spent"] == "0.011250"  # the six seconds that were held, and no more


async def test_the_pbx_ends_on_time_who_has_taken_another_s_place(lab: Lab, account: str) -> None:
    """By a transfer to who is ringing; Asterisk forgets the deadline of who is transferred."""
    number = GERMANY_PREFIX + "350"
    asked = await lab.call(GERMANY_PREFIX + RINGS_LONG, Caller(account))
    [ringing] = await asked.until_ringing()
    transfer = Refer(GERMANY_PREFIX + RINGS_LONG, replaces=ringing.dialog)
    calls = await lab.call(number, Caller(account, steps=(transfer,)))
    await calls.until_answered()
    await asyncio.sleep(2)
    await lab.gateway.kill()
    far = await lab.far_end.until_ended(number)
    await asyncio.gather(asked.finished(), calls.finished())
    await lab.gateway.start()
    body = await settled(lab, account)

    assert far.ended - far.answered == pytest.approx(6, abs=0.5)
    assert body["spent"] == "0.011250"  # the six seconds that were held, and no more


@pytest.mark.parametrize(
    ("ending", "patience_seconds", "code"),
    [(BUSY, 30, 486), (NEVER_ANSWERS, 2, 487)],
    ids=["busy", "the caller gives up"],
)
async def test_a_call_that_is_not_answered_costs_nothing(
    lab: Lab, account: str, ending: str, patience_seconds: float, code: int
) -> None:
    caller = Caller(account, patience_seconds=patience_seconds)
    calls = await lab.call(GERMANY_PREFIX + "4" + ending, caller)
    [seen] = await calls.finished()
    body = await settled(lab, account)

    assert seen.code == code
    assert body["spent"] == "0.000000"
    assert body["available"] == "1.000000"


async def test_the_far_end_may_hang_up_first(lab: Lab, account: str) -> None:
    calls = await lab.call(GERMANY_PREFIX + "5" + HANGS_UP, Caller(account, talk_seconds=30))
    [caller] = await calls.finished()
    body = await settled(lab, account)

    assert caller.ended_by == "far"
    assert body["spent"] == "0.011250"


async def test_a_call_that_cannot_be_sold_or_that_nobody_pays_is_refused_and_never_rings(
    lab: Lab, account: str
) -> None:
    alice, nobody = Caller(account, "alice"), Caller("intl-none", "alice")
    await asyncio.gather(
        refused(lab, "+9999999999999", alice, "bad_number"),
        refused(lab, "+80012345678", alice, "no_rate"),
        refused(lab, "+493044444400", nobody, "unknown_account"),
        refused(lab, "+18005559999", Caller("", "", "pstn"), "unknown_account"),
        refused(lab, "+493044444401", Caller(account, "mallory"), "unknown_user"),
    )
    assert (await lab.gateway.account(account))["available"] == "1.000000"


async def refused(lab: Lab, number: str, who: Caller, reason: str) -> None:
    """Let somebody dial, and be refused."""
    calls = await lab.call(number, who)
    [caller] = await calls.finished()
    assert caller.code >= 400
    assert caller.answered == 0
    assert f'"reason": "{reason}"' in lab.gateway.log()
    assert lab.far_end.calls(number) == []


async def test_a_leg_that_does_not_end_is_hung_up_again_and_again_and_paid_as_it_was_held(
    lab: Lab,
) -> None:
    let_go = asyncio.Event()

    async def hold_on(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await let_go.wait()
        writer.close()

    number = "+442070050100"
    await lab.gateway.open_account("stuck", "--user", "alice")
    await lab.gateway.grant("stuck", EIGHT_SECONDS_OF_BRITAIN, "p1")
    async with await asyncio.start_server(hold_on, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        steps = (Refer(f"*5{port}"),)
        calls = await lab.call(number, Caller("stuck", steps=steps, talk_seconds=1))
        # Neither its deadline nor a hangup ends a leg that is held on to so.
        await until(lambda: lab.gateway.told("call.stuck", "stuck"), "the leg is stuck", 30)
        assert (await lab.gateway.account("stuck"))["held"] == EIGHT_SECONDS_OF_BRITAIN
        let_go.set()
        far = await lab.far_end.until_ended(number)
    await calls.stop()
    body = await settled(lab, "stuck")

    assert far.ended - far.answered > 12
    assert (body["spent"], body["available"]) == (EIGHT_SECONDS_OF_BRITAIN, "0.000000")
    assert len(lab.gateway.told("call.hang_up", "stuck")) >= 4


FORGED_QUESTION = "x\nagi_network_script: authorize/e/user_out/a/b/+4930\n\n"
FORGED_CHANNEL = "x\r\nVariable: COINBOX_CALL=z\r\nVariable: COINBOX_ANSWERED=abc"
FORGED_EVENT = "x\r\nUserEvent: CoinboxLeg\r\nState: ended\r\n\r\n"


@pytest.mark.parametrize(
    "name", [FORGED_QUESTION, FORGED_CHANNEL, FORGED_EVENT], ids=["question", "channel", "event"]
)
async def test_a_caller_s_name_forges_nothing(lab: Lab, account: str, name: str) -> None:
    caller = Caller(account, from_user=name, talk_seconds=5)
    calls = await lab.call(GERMANY_PREFIX + "600", caller)
    await calls.until_answered()
    async with ami_cut(lab):
        await asyncio.sleep(0.2)
    [seen] = await calls.finished()
    body = await settled(lab, account)

    assert seen.ended_by == "caller"
    assert body["spent"] == "0.011250"
    assert lab.gateway.is_running
    assert "unreadable" not in lab.gateway.log()
