"""What Coinbox promises, as scenes on a real Asterisk. The demo shows them; the tests assert them.

A scene has an account of its own, so that scenes can be played side by side.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.money import parse_amount
from gateway.rating.columns import Direction
from gateway.rating.price import price
from gateway.rating.ratecard import read_cards
from tests.lab import processes
from tests.lab.gateway import Section
from tests.lab.provider import Orders
from tests.lab.sipp import Caller
from tests.lab.world import World

CARDS = Path(__file__).parents[2] / "ratecards"

# Short slices, so that a call of some seconds is renewed as one of an hour is.
SETTINGS: dict[str, Section] = {
    "calls": {"slice_seconds": 6, "renew_before_seconds": 2, "warn_seconds": []},
    "rates": {"plans": str(Path(__file__).with_name("plans.toml"))},
}

GERMANY = "+493012345600"  # 0.01 a call and 0.0125 a minute, by 6 seconds
BRITAIN = "+442071234500"  # 0.0115 a minute, by the second
ZIMBABWE = "+263412345600"  # 0.02 a call and 0.3485 a minute, by the minute
GERMANY_HANGS_UP = "+493012345677"
TOLL_FREE = "+18005550100"  # 0.02 a minute, by the minute
EMERGENCY = "112"
ROOM = "4711"

NO_CREDIT_PROMPTS = ["im-sorry", "vm-youhave", "vm-no", "minutes"]
EIGHT_SECONDS_OF_BRITAIN = "0.001534"
ONE_MINUTE_OF_ZIMBABWE = "0.368500"


@dataclass(frozen=True)
class Check:
    """One thing expected, beside what happened."""

    what: str
    expected: str
    happened: str
    holds: bool


def same(what: str, expected: object, happened: object) -> Check:
    return Check(what, str(expected), str(happened), expected == happened)


def near(what: str, expected: float, happened: float, tolerance: float = 0.5) -> Check:
    """Compare seconds."""
    holds = abs(happened - expected) <= tolerance
    return Check(what, f"{expected:g} s, {tolerance:g} s more or less", f"{happened:.3f} s", holds)


@dataclass(frozen=True)
class Talk:
    """Paid talk as its other end measured it."""

    number: str
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """What a scene gave."""

    account: str
    checks: list[Check]
    talks: list[Talk]


@dataclass(frozen=True)
class Scene:
    """A promise and the play that shows it."""

    title: str
    play: Callable[[World], Awaitable[Outcome]]
    # It stops the gateway, and so has the lab for itself.
    alone: bool = False

    @property
    def name(self) -> str:
        return self.play.__name__


async def settled(lab: World, account: str) -> dict[str, object]:
    """Give the account once nothing is held for its calls any more."""

    async def nothing_held() -> dict[str, object] | None:
        body = await lab.gateway.account(account)
        return body if body["held"] == "0.000000" else None

    body = await processes.until(nothing_held, f"nothing of {account} is held")
    assert body is not None
    return body


async def paid_until(lab: World, account: str) -> float:
    """Give the end of what is paid for, when the account's only call is in its last slice."""

    async def last_slice() -> float | None:
        for call in await lab.gateway.calls():
            if call["account"] == account and call["state"] == "last_slice":
                return float(str(call["paid_until_ms"])) / 1000
        return None

    found = await processes.until(last_slice, f"the last slice of {account}")
    assert found is not None
    return found


def overspend(body: dict[str, object], talks: list[Talk]) -> int:
    """Give micro-units that were talked and not charged, or taken from money that was not there."""
    now_ms = time.time_ns() // 10**6
    cards = read_cards(*((file.name, file.read_text()) for file in CARDS.glob("*.csv")))
    talked = 0
    for talk in talks:
        direction = Direction.INBOUND if talk.number == TOLL_FREE else Direction.OUTBOUND
        tariff = cards.tariff(direction, "USD", talk.number, now_ms)
        assert tariff is not None
        talked += price(tariff, now_ms // 1000, int(talk.seconds))
    available = str(body["available"])
    missing = parse_amount(available.removeprefix("-")) if available.startswith("-") else 0
    return missing + max(0, talked - parse_amount(str(body["spent"])))


async def international_call(lab: World) -> Outcome:
    account = "intl"
    await lab.gateway.open_account(account, "--user", "alice")
    await lab.gateway.grant(account, "1.00", "p1")
    calls = await lab.call(GERMANY, Caller(account, talk_seconds=9.5))
    [caller] = await calls.finished()
    body = await settled(lab, account)
    checks = [
        same("the caller hears", 200, caller.code),
        # 9.5 s are billed as 12 s: 0.01 + 12/60 of 0.0125
        same("charged", "0.012500", body["spent"]),
        same("available", "0.987500", body["available"]),
    ]
    return Outcome(account, checks, [Talk(GERMANY, caller.ended - caller.answered)])


async def no_credit(lab: World) -> Outcome:
    account = "poor"
    await lab.gateway.open_account(account, "--user", "alice")
    await lab.gateway.grant(account, "0.011249", "p1")  # a micro-unit less than the first 6 seconds
    calls = await lab.call("+493087654300", Caller(account))
    [caller] = await calls.finished()
    body = await lab.gateway.account(account)
    played: dict[str, list[str]] = {}
    for channel, prompt in lab.asterisk.prompts():
        played.setdefault(channel, []).append(prompt)
    checks = [
        same("the caller hears", 403, caller.code),
        same("rang or answered", False, bool(caller.ringing or caller.answered)),
        same("played the announcement", True, NO_CREDIT_PROMPTS in played.values()),
        near("announcement heard for", 2.8, calls.heard.audible_seconds),
        same("calls at the far end", 0, len(lab.far_end.calls("+493087654300"))),
        same("available", "0.011249", body["available"]),
    ]
    return Outcome(account, checks, [])


async def thirty_at_once(lab: World) -> Outcome:
    account = "crowd"
    await lab.gateway.open_account(account, "--user", "alice")
    await lab.gateway.grant(account, ONE_MINUTE_OF_ZIMBABWE, "p1")
    calls = await lab.call(ZIMBABWE, Caller(account, talk_seconds=4), count=30)
    codes = sorted(caller.code for caller in await calls.finished())
    body = await settled(lab, account)
    far_calls = lab.far_end.calls(ZIMBABWE)
    checks = [
        same("callers who talk", 1, codes.count(200)),
        same("callers refused", 29, codes.count(403)),
        same("calls at the far end", 1, len(far_calls)),
        same("charged", ONE_MINUTE_OF_ZIMBABWE, body["spent"]),
        same("available", "0.000000", body["available"]),
    ]
    talks = [Talk(ZIMBABWE, call.ended - call.answered) for call in far_calls]
    return Outcome(account, checks, talks)


async def cut_when_credit_ends(lab: World) -> Outcome:
    account = "short"
    number = "+442070000100"
    await lab.gateway.open_account(account, "--user", "alice")
    await lab.gateway.grant(account, EIGHT_SECONDS_OF_BRITAIN, "p1")
    calls = await lab.call(number, Caller(account, talk_seconds=30))
    until = await paid_until(lab, account)
    [caller] = await calls.finished()
    far = await lab.far_end.until_ended(number)
    body = await settled(lab, account)
    checks = [
        same("ended by", "far", caller.ended_by),
        near("talked", 8, far.ended - far.answered),
        near("cut after paid_until", 0, far.ended - until),
        same("charged", EIGHT_SECONDS_OF_BRITAIN, body["spent"]),
        same("available", "0.000000", body["available"]),
    ]
    return Outcome(account, checks, [Talk(number, far.ended - far.answered)])


async def plan_minutes_first(lab: World) -> Outcome:
    account = "planned"
    number = "+442070000200"
    plans = ("--set", "country=GB", "--set", "plans=minute,credits")
    await lab.gateway.open_account(account, "--user", "alice", *plans)
    await lab.gateway.grant(account, "1.00", "p1")
    # Ten slices of six seconds are the minute of the plan: two for each call.
    calls = await lab.call(number, Caller(account, talk_seconds=13.5), count=5)
    callers = await calls.finished()
    body = await settled(lab, account)
    talks = [Talk(number, caller.ended - caller.answered - 12) for caller in callers]
    checks = [
        same("ended by", ["caller"] * 5, [caller.ended_by for caller in callers]),
        # 12 s of the plan, and 2 s of money: 5 times 2/60 of 0.0115, each rounded up
        same("charged", "0.001920", body["spent"]),
        same("available", "0.998080", body["available"]),
    ]
    return Outcome(account, checks, talks)


async def saved_by_recharge(lab: World) -> Outcome:
    account = "saved"
    number = "+493011111100"
    options = ("--set", "recharge_below=0.01", "--set", "recharge_amount=5.00")
    await lab.gateway.open_account(account, "--user", "alice")
    await lab.gateway.grant(account, "0.011250", "p1")  # six seconds
    await lab.gateway.open_account(account, "--user", "alice", *options)
    # The renewal, 4 s after the answer, is refused; the money comes a second later.
    await lab.provider.order(Orders("pend", webhooks=3, webhook_delay_seconds=5.5))
    calls = await lab.call(number, Caller(account, talk_seconds=13.5))
    await paid_until(lab, account)
    [caller] = await calls.finished()
    body = await settled(lab, account)
    lots = body["lots"]
    assert isinstance(lots, list)
    charges = await lab.provider.charges_of(account)
    checks = [
        same("ended by", "caller", caller.ended_by),
        near("talked", 13.5, caller.ended - caller.answered),
        same("charges at the provider", ["5.000000"], [charge.amount for charge in charges]),
        same("granted in all", "5.011250", body["granted"]),
        # The first six seconds have used up the other.
        same("lots with money left", ["5.000000"], [lot["granted"] for lot in lots]),
        # 18 s are billed: 0.01 + 18/60 of 0.0125
        same("charged", "0.013750", body["spent"]),
        same("available", "4.997500", body["available"]),
    ]
    return Outcome(account, checks, [Talk(number, caller.ended - caller.answered)])


async def conference(lab: World) -> Outcome:
    account = "confco"
    await lab.gateway.open_account(account, "--user", "carol", "--number", TOLL_FREE)
    await lab.gateway.grant(account, "1.00", "p1")
    dial_in = Caller("", "", endpoint="pstn", conference=ROOM, talk_seconds=9)
    calls = await lab.call(TOLL_FREE, dial_in)
    await calls.until_answered()
    await lab.dial_out(GERMANY_HANGS_UP, room=ROOM, account=account, user="carol")

    async def both_in_room() -> bool:
        return "2" in (await lab.asterisk.cli("confbridge list")).split(ROOM)[-1].split()[:1]

    await processes.until(both_in_room, "both are in the conference")
    [caller] = await calls.finished()
    far = await lab.far_end.until_ended(GERMANY_HANGS_UP)
    body = await settled(lab, account)
    checks = [
        same("dial-in is answered", 200, caller.code),
        same("dial-out ended by", "far", far.ended_by),
        # a minute of toll-free, and 6 s of Germany
        same("charged", "0.031250", body["spent"]),
        same("available", "0.968750", body["available"]),
    ]
    talks = [
        Talk(TOLL_FREE, caller.ended - caller.answered),
        Talk(GERMANY_HANGS_UP, far.ended - far.answered),
    ]
    return Outcome(account, checks, talks)


async def outlives_kill(lab: World) -> Outcome:
    account = "killed"
    staying, leaving = "+493022222200", "+493033333300"
    await lab.gateway.open_account(account, "--user", "alice")
    await lab.gateway.grant(account, "1.00", "p1")
    long = await lab.call(staying, Caller(account, talk_seconds=15.5))
    short = await lab.call(leaving, Caller(account, talk_seconds=5.5))
    await asyncio.gather(long.until_answered(), short.until_answered())
    await asyncio.sleep(5)  # both are renewed to 12 s
    await lab.gateway.kill()
    [left] = await short.finished()
    await lab.gateway.start()
    [stayed] = await long.finished()
    body = await settled(lab, account)
    await lab.asterisk.until_records_are_gone()
    checks = [
        same("the long call ended by", "caller", stayed.ended_by),
        near("the long call talked", 15.5, stayed.ended - stayed.answered),
        same("the short call, ended meanwhile, by", "caller", left.ended_by),
        # 0.01 + 18/60 of 0.0125, and 0.01 + 6/60 of 0.0125
        same("charged", "0.025000", body["spent"]),
        same("available", "0.975000", body["available"]),
    ]
    talks = [
        Talk(staying, stayed.ended - stayed.answered),
        Talk(leaving, left.ended - left.answered),
    ]
    return Outcome(account, checks, talks)


async def emergency_without_gateway(lab: World) -> Outcome:
    account = "sos"
    await lab.gateway.open_account(account, "--user", "alice")  # without any credit
    await lab.gateway.stop()
    calls = await lab.call(EMERGENCY, Caller(account, talk_seconds=2))
    [caller] = await calls.finished()
    records = await processes.until(lab.asterisk.records, "the PBX has recorded it")
    await lab.gateway.start()
    await lab.asterisk.until_records_are_gone()
    body = await lab.gateway.account(account)
    checks = [
        same("the caller hears", 200, caller.code),
        same("ended by", "caller", caller.ended_by),
        same("calls at the far end", 1, len(lab.far_end.calls(EMERGENCY))),
        same("recorded as", ["emergency_out"], [text.split()[0] for text in records.values()]),
        same("charged", "0.000000", body["spent"]),
    ]
    return Outcome(account, checks, [])


SCENES = (
    Scene("An international call, talked and charged to the micro-unit", international_call),
    Scene("Not enough credit: refused before it rings, and told why", no_credit),
    Scene("Thirty callers at once on credit for one", thirty_at_once),
    Scene("Cut when the credit is used up", cut_when_credit_ends),
    Scene("A plan's minute used up in mid-call by five: on from credit", plan_minutes_first),
    Scene("Saved by a recharge in mid-call, reported three times", saved_by_recharge),
    Scene("Toll-free dial-in to a conference, and dial-out from it", conference),
    Scene(
        "kill -9 of the gateway: one call lives on, one ends meanwhile", outlives_kill, alone=True
    ),
    Scene("112 with the gateway stopped", emergency_without_gateway, alone=True),
)
