"""What people do with phones: whatever becomes of a call, its paid legs are paid and no others.

The shapes are played side by side, each with an account of its own.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

import pytest

from gateway.calls.ports import DialOut
from gateway.money import format_amount
from gateway.rating.columns import Direction
from gateway.rating.price import price
from gateway.rating.ratecard import read_cards
from tests.lab.lab import Lab
from tests.lab.processes import until
from tests.lab.scenes import CARDS, SETTINGS, settled
from tests.lab.sipp import (
    EARLY_MEDIA,
    HANGS_UP,
    HOLDS,
    NEVER_ANSWERS,
    PRESSES_ONE,
    RINGS_LONG,
    Caller,
    CallResult,
    FarCall,
)
from tests.lab.steps import Hold, Press, Refer, Resume, Step, Wait

CARD = read_cards(*((file.name, file.read_text()) for file in CARDS.glob("*.csv")))
# Of a phone that is called, and that transfers its caller to an outside number.
LEAVES = "+493070001077"
LEAVES_TOO = "+493070001177"
PHONE_STEPS: dict[str, tuple[Step, ...]] = {
    "transfers": (Wait(1.5), Refer(LEAVES)),
    "transfers-too": (Wait(1.5), Refer(LEAVES_TOO)),
}


@pytest.fixture(scope="module")
async def lab() -> AsyncIterator[Lab]:
    # Who hangs up first talks for longer than a slice: also what is transferred is renewed.
    async with Lab(
        settings=SETTINGS, phone_steps=PHONE_STEPS, talk_seconds=8, long_ring_seconds=2
    ) as lab:
        yield lab
        assert "unreadable" not in lab.gateway.log()


@dataclass(frozen=True)
class Usage:
    """What is charged for: a call's type and number, and how long its paid leg was answered."""

    call_type: str
    number: str
    talked: float


@dataclass(frozen=True)
class Account:
    """An account of the shape's own."""

    lab: Lab
    name: str

    @classmethod
    async def open(cls, lab: Lab, name: str, *options: str, credit: str = "1.00") -> "Account":
        await lab.gateway.open_account(name, "--user", "alice", *options)
        await lab.gateway.grant(name, credit, "p1")
        return cls(lab, name)

    def caller(self, *steps: Step, talk_seconds: float = 3.0) -> Caller:
        return Caller(self.name, steps=steps, talk_seconds=talk_seconds)

    def outside(self, *steps: Step, phone: str = "", talk_seconds: float = 3.0) -> Caller:
        """Somebody who dials in, to a phone or to a conference."""
        return Caller(
            self.name if phone else "",
            "alice" if phone else "",
            endpoint="pstn",
            phone=phone,
            steps=steps,
            talk_seconds=talk_seconds,
        )

    async def call(self, number: str, caller: Caller) -> CallResult:
        [seen] = await (await self.lab.call(number, caller)).finished()
        return seen

    async def expect(self, *usages: Usage) -> None:
        """Assert usage, charge and balance, and that nothing is held any more."""
        body = await settled(self.lab, self.name)
        expected = {(usage.call_type, usage.number) for usage in usages}

        def told() -> dict[tuple[object, object], dict[str, object]]:
            ended = self.lab.gateway.told("call.ended", self.name)
            return {(call["type"], call["number"]): call for call in ended if call["answered_ms"]}

        with suppress(TimeoutError):
            await until(lambda: told().keys() >= expected, "its calls are told")
        paid = told()
        assert paid.keys() == expected, [
            line for line in self.lab.gateway.log().splitlines() if f'"{self.name}"' in line
        ]
        micros = 0
        for usage in usages:
            call = paid[usage.call_type, usage.number]
            talked = (float(str(call["ended_ms"])) - float(str(call["answered_ms"]))) / 1000
            assert talked == pytest.approx(usage.talked, abs=0.5), usage
            assert call["seconds"] == int(talked) + (talked % 1 > 0)
            inbound = usage.call_type.endswith("_in")
            direction = Direction.INBOUND if inbound else Direction.OUTBOUND
            tariff = CARD.tariff(direction, "USD", usage.number, time.time_ns() // 10**6)
            assert tariff is not None
            micros += price(tariff, int(time.time()), int(str(call["seconds"])))
        assert body["spent"] == format_amount(micros)
        assert body["available"] == format_amount(1_000_000 - micros)

    def released(self) -> list[str]:
        """List the numbers that were called and never answered."""
        ended = self.lab.gateway.told("call.ended", self.name)
        return [str(call["number"]) for call in ended if not call["answered_ms"]]


def talked(call: CallResult | FarCall) -> float:
    return call.ended - call.answered


async def early_media(lab: Lab) -> None:
    number = "+4930100100" + EARLY_MEDIA
    account = await Account.open(lab, "early")
    seen = await account.call(number, account.caller())
    assert 0 < seen.early < seen.answered
    await account.expect(Usage("user_out", number, 3))


async def caller_holds(lab: Lab) -> None:
    number = "+493010010100"
    account = await Account.open(lab, "holder")
    steps = (Wait(1), Hold(), Wait(7), Resume())
    seen = await account.call(number, account.caller(*steps, talk_seconds=1))
    assert seen.ended_by == "caller"
    await account.expect(Usage("user_out", number, 9))


async def far_end_holds(lab: Lab) -> None:
    number = "+4930100102" + HOLDS
    account = await Account.open(lab, "held")
    seen = await account.call(number, account.caller(talk_seconds=7))
    assert seen.ended_by == "caller"
    await account.expect(Usage("user_out", number, 7))


async def caller_transfers(lab: Lab) -> None:
    staying, leaving = "+493010010300", "+4930100104" + HANGS_UP
    account = await Account.open(lab, "transferring")
    await account.call(staying, account.caller(Wait(0.5), Refer(leaving)))
    left, stayed = await asyncio.gather(*map(lab.far_end.until_ended, (leaving, staying)))
    assert (left.ended_by, stayed.ended_by) == ("far", "pbx")
    assert stayed.ended == pytest.approx(left.ended, abs=0.5)
    # He has left, and goes on paying for both legs.
    await account.expect(
        Usage("user_out", staying, talked(stayed)),
        Usage("user_out_transfer", leaving, talked(left)),
    )


async def transfer_without_credit(lab: Lab) -> None:
    staying, leaving = "+493010010500", "+263412345601"
    # Six seconds of Germany, 12, 18, but not a minute of Zimbabwe.
    account = await Account.open(lab, "transferring-on", "--set", "rate_max=0.02")
    await account.call(staying, account.caller(Wait(0.5), Refer(leaving)))
    stayed = await lab.far_end.until_ended(staying)
    assert stayed.ended_by == "pbx"
    assert lab.far_end.calls(leaving) == []
    await account.expect(Usage("user_out", staying, talked(stayed)))
    [refused] = lab.gateway.told("call.refused", account.name)
    assert (refused["type"], refused["reason"]) == ("user_out_transfer", "limit_rate")


async def caller_attends_a_transfer(lab: Lab) -> None:
    staying, leaving = "+493010010600", "+4930100107" + HANGS_UP
    account = await Account.open(lab, "attending")
    first = await lab.call(staying, account.caller(talk_seconds=20))
    [one] = await first.until_answered()
    await account.call(leaving, account.caller(Refer(staying, replaces=one.dialog)))
    left, stayed = await asyncio.gather(*map(lab.far_end.until_ended, (leaving, staying)))
    assert stayed.ended == pytest.approx(left.ended, abs=0.5)
    # Both were called by the user himself.
    await account.expect(
        Usage("user_out", staying, talked(stayed)), Usage("user_out", leaving, talked(left))
    )


async def caller_transfers_to_who_is_ringing(lab: Lab) -> None:
    staying, leaving = "+4930100106" + HANGS_UP, "+4930100107" + RINGS_LONG
    account = await Account.open(lab, "half-attending")
    asked = await lab.call(leaving, account.caller())
    [ringing] = await asked.until_ringing()
    await account.call(staying, account.caller(Refer(leaving, replaces=ringing.dialog)))
    left, stayed = await asyncio.gather(*map(lab.far_end.until_ended, (leaving, staying)))
    assert left.answered > stayed.answered + 1
    assert stayed.ended == pytest.approx(left.ended, abs=0.5)
    await account.expect(
        Usage("user_out", staying, talked(stayed)), Usage("user_out", leaving, talked(left))
    )


async def caller_transfers_by_keys(lab: Lab) -> None:
    staying, leaving = "+493010010800", "4930100109" + HANGS_UP
    account = await Account.open(lab, "keys")
    steps = (Wait(0.5), Press("##"), Wait(0.5), Press("00" + leaving))
    await account.call(staying, account.caller(*steps, talk_seconds=20))
    left, stayed = await asyncio.gather(*map(lab.far_end.until_ended, ("+" + leaving, staying)))
    assert stayed.ended == pytest.approx(left.ended, abs=0.5)
    await account.expect(
        Usage("user_out", staying, talked(stayed)),
        Usage("user_out_transfer", "+" + leaving, talked(left)),
    )


async def caller_attends_a_transfer_by_keys(lab: Lab) -> None:
    staying, leaving = "+493010011000", "4930100111" + HANGS_UP
    account = await Account.open(lab, "attending-keys")
    steps = (Wait(0.5), Press("*2"), Wait(0.5), Press("00" + leaving), Wait(2.5))
    # Hanging up, he connects those who are left.
    await account.call(staying, account.caller(*steps, talk_seconds=0.1))
    left, stayed = await asyncio.gather(*map(lab.far_end.until_ended, ("+" + leaving, staying)))
    assert stayed.ended == pytest.approx(left.ended, abs=0.5)
    await account.expect(
        Usage("user_out", staying, talked(stayed)),
        Usage("user_out_transfer", "+" + leaving, talked(left)),
    )


async def parked(lab: Lab) -> None:
    number = "+493010011200"
    account = await Account.open(lab, "parking")
    await account.call(number, account.caller(Wait(0.5), Refer("700")))
    fetched = await account.call("701", account.caller(talk_seconds=2))
    far = await lab.far_end.until_ended(number)
    assert far.ended == pytest.approx(fetched.ended, abs=0.5)
    # From the answer to the end, with the time on hold in the lot.
    assert talked(far) > 8
    await account.expect(Usage("user_out", number, talked(far)))


async def forked(lab: Lab) -> None:
    silent, answering = "+4930100113" + NEVER_ANSWERS, "+493010011400"
    account = await Account.open(lab, "forking")
    dialed = f"*9{silent.removeprefix('+')}*{answering.removeprefix('+')}"
    seen = await account.call(dialed.replace("49", "0049"), account.caller(talk_seconds=3))
    assert (seen.code, seen.ended_by) == (200, "caller")
    # Both were held for before either rang; one pays.
    await account.expect(Usage("user_out", answering, 3))
    assert account.released() == [silent]


async def forked_in_turn(lab: Lab) -> None:
    silent, answering = "+4930100115" + NEVER_ANSWERS, "+493010011600"
    account = await Account.open(lab, "turns")
    dialed = f"*6{silent.removeprefix('+')}*{answering.removeprefix('+')}"
    seen = await account.call(dialed.replace("49", "0049"), account.caller(talk_seconds=3))
    assert (seen.code, seen.ended_by) == (200, "caller")
    await account.expect(Usage("user_out", answering, 3))
    assert account.released() == [silent]


async def toll_free_to_a_user(lab: Lab) -> None:
    number = "+18005550117"
    account = await Account.open(lab, "freephone", "--number", number)
    seen = await account.call(number, account.outside(phone="answers"))
    assert seen.ended_by == "caller"
    # He talks for three seconds, and ringing costs nothing.
    await account.expect(Usage("user_in", number, 3))


async def toll_free_to_nobody(lab: Lab) -> None:
    number = "+18005550118"
    account = await Account.open(lab, "unheard", "--number", number)
    seen = await account.call(number, account.outside(phone="busy"))
    assert seen.code == 486
    await account.expect()
    assert account.released() == [number]


async def forwarded(lab: Lab) -> None:
    number, mobile = "+18005550119", "4930100120" + HANGS_UP
    account = await Account.open(lab, "forwarding", "--number", number)
    seen = await account.call(number, account.outside(phone=f"to{mobile}", talk_seconds=20))
    far = await lab.far_end.until_ended("+" + mobile)
    assert (seen.ended_by, far.ended_by) == ("far", "far")
    await account.expect(
        Usage("user_in", number, talked(seen)),
        Usage("user_out_forwarding", "+" + mobile, talked(far)),
    )


async def callee_transfers(lab: Lab) -> None:
    number = "+18005550121"
    account = await Account.open(lab, "passing-on", "--number", number)
    seen = await account.call(number, account.outside(phone="transfers", talk_seconds=20))
    far = await lab.far_end.until_ended(LEAVES)
    assert (seen.ended_by, far.ended_by) == ("far", "far")
    await account.expect(
        Usage("user_in", number, talked(seen)), Usage("user_out_transfer", LEAVES, talked(far))
    )


async def outsider_transfers_by_keys(lab: Lab) -> None:
    number, dear = "+18005550130", "+493010013100"
    account = await Account.open(lab, "pressing", "--number", number)
    keys = (Wait(6), Press("##"), Wait(1), Press(f"00{dear.removeprefix('+')}"))
    seen = await account.call(
        number, account.outside(*keys, phone="transfers-too", talk_seconds=20)
    )
    far = await lab.far_end.until_ended(LEAVES_TOO)
    # He was transferred, and stays where he is: he is nobody who may call on.
    assert (seen.ended_by, far.ended_by) == ("far", "far")
    assert lab.far_end.calls(dear) == []
    await account.expect(
        Usage("user_in", number, talked(seen)), Usage("user_out_transfer", LEAVES_TOO, talked(far))
    )


async def conference_by_id_and_pin(lab: Lab) -> None:
    number, added = "+18005550122", "30100123" + HANGS_UP
    account = await Account.open(lab, "meeting", "--number", number, "--set", "country=DE")
    pins = ("--organizer", "alice", "--pin", "12", "--leader-pin", "9")
    await lab.gateway.command("conferences", "set", account.name, "47", *pins)
    guest = (Wait(1), Press("48#"), Wait(7), Press("47#"), Wait(2.5), Press("12#"))
    leader = (
        Wait(1),
        Press("47#"),
        Wait(2.5),
        Press("9#"),
        Wait(6),
        Press("*1"),
        Press(f"0{added}#"),
    )
    seen, led, far = await asyncio.gather(
        account.call(number, account.outside(*guest, talk_seconds=10)),
        account.call(number, account.outside(*leader, talk_seconds=6)),
        lab.far_end.until_ended("+49" + added, 40),
    )
    body = await settled(lab, account.name)
    joined = lab.gateway.told("conference.joined", account.name)
    refused = lab.gateway.told("conference.refused", account.name)

    assert (seen.code, led.code, far.ended_by) == (200, 200, "far")
    assert sorted(bool(one["leads"]) for one in joined) == [False, True]
    assert {one["organizer"] for one in joined} == {"alice"}
    assert [one["reason"] for one in refused].count("unknown_conference") == 1
    # Two callers a minute each of toll-free, and 8 s of Germany, which are billed as 12.
    assert body["spent"] == "0.052500"


async def conference_calls_by_request(lab: Lab) -> None:
    account = await Account.open(lab, "calling")
    await lab.gateway.command("conferences", "set", account.name, "4711", "--organizer", "alice")
    presses, mailbox, never = (
        f"+493010012{digits}" for digits in ("4" + PRESSES_ONE, "5" + "00", "6" + NEVER_ANSWERS)
    )
    path = f"/v1/conferences/{account.name}/4711/dial-out"
    for number, key in ((presses, "a"), (presses, "a"), (mailbox, "b"), (never, "c")):
        body: dict[str, object] = {"number": number, "press_one": True}
        answer = await lab.gateway.post(path, body, Idempotency_Key=f"calling-{key}")
        asked = DialOut(f"calling-{key}", account.name, "", "", "", press_one=True)
        call_id = f"lab-{asked.channel_id}2-1"
        assert answer == (202, {"call": call_id, "number": number})
    other = await lab.gateway.post(path, {"number": "+493010012700"}, Idempotency_Key="calling-a")
    assert other == (409, {"reason": "conflict"})

    async def only_the_one_who_pressed() -> bool:
        [room] = [
            line.split()
            for line in (await lab.asterisk.cli("confbridge list")).splitlines()
            if line.startswith(f"{account.name}-4711")
        ] or [[]]
        calls = [call for call in await lab.gateway.calls() if call["account"] == account.name]
        return room[1:2] == ["1"] and len(calls) == 2

    # A mailbox that answers is charged for, and gone when it does not press.
    left = await lab.far_end.until_ended(mailbox, 30)
    await until(only_the_one_who_pressed, "who pressed 1 is alone in the room")
    await lab.asterisk.cli(f"confbridge kick {account.name}-4711 all")
    stayed = await lab.far_end.until_ended(presses)
    for channel in await lab.asterisk.channels():
        if channel.startswith(f"Local/{never}@"):
            await lab.asterisk.cli(f"channel request hangup {channel}")
    await account.expect(
        Usage("conf_out", presses, talked(stayed)), Usage("conf_out", mailbox, talked(left))
    )
    assert account.released() == [never]
    assert len(lab.far_end.calls(presses)) == 1


async def conference_without_credit(lab: Lab) -> None:
    account = await Account.open(lab, "broke", "--set", "conf_policy=none")
    await lab.gateway.command("conferences", "set", account.name, "4711", "--organizer", "alice")
    path = f"/v1/conferences/{account.name}"
    body = {"number": "+493010012800"}
    assert await lab.gateway.post(f"{path}/4711/dial-out", body) == (403, {"reason": "policy"})
    unknown = (404, {"reason": "unknown_conference"})
    assert await lab.gateway.post(f"{path}/4712/dial-out", body) == unknown
    assert lab.far_end.calls("+493010012800") == []


SHAPES: tuple[Callable[[Lab], Awaitable[None]], ...] = (
    early_media,
    caller_holds,
    far_end_holds,
    caller_transfers,
    transfer_without_credit,
    caller_attends_a_transfer,
    caller_transfers_to_who_is_ringing,
    caller_transfers_by_keys,
    caller_attends_a_transfer_by_keys,
    parked,
    forked,
    forked_in_turn,
    toll_free_to_a_user,
    toll_free_to_nobody,
    forwarded,
    callee_transfers,
    outsider_transfers_by_keys,
    conference_by_id_and_pin,
    conference_calls_by_request,
    conference_without_credit,
)


@pytest.fixture(scope="module")
async def played(lab: Lab) -> dict[str, BaseException | None]:
    names = [shape.__name__ for shape in SHAPES]
    outcomes = await asyncio.gather(*(shape(lab) for shape in SHAPES), return_exceptions=True)
    return dict(zip(names, outcomes, strict=True))


@pytest.mark.parametrize("name", [shape.__name__ for shape in SHAPES])
async def test_a_call_of_this_shape_is_paid_leg_by_leg(
    played: dict[str, BaseException | None], name: str
) -> None:
    error = played[name]
    if error:
        raise error
