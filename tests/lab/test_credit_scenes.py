"""Where other prepaid systems went wrong, by what their users reported: the same, on real calls.

Each case has an account of its own. They are played side by side, but for those that break things.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from gateway.ledger.ledger import Ledger
from gateway.money import parse_amount
from tests.integration.agi import asked
from tests.lab.books import Booked, booked_calls, open_account, store_of
from tests.lab.gateway import Section
from tests.lab.lab import Lab
from tests.lab.processes import until
from tests.lab.scenes import paid_until, settled
from tests.lab.sipp import ANSWERS, RINGS_LONG, Caller, CallResult, FarCall

# A minute of the reports takes a second here, but where a block of a minute is what matters.
CARD = """prefix,destination,currency,rate_per_minute,direction,initial_seconds,increment_seconds
4420,one a second,USD,60,outbound,1,1
4421,blocks of a minute,USD,60,outbound,60,1
1800,one a minute,USD,1,inbound,60,60
"""
SLICE_SECONDS = 3
SETTINGS: Section = {"slice_seconds": SLICE_SECONDS, "renew_before_seconds": 1, "warn_seconds": []}
LONG_RING_SECONDS = 3.0
BY_THE_SECOND, BY_THE_MINUTE = "+44207000", "+44217000"
TOLL_FREE = "+18005550111"

Case = Callable[[Lab], Awaitable[None]]


async def a_block_of_60_s_is_not_sold_for_credit_for_15_s(lab: Lab) -> None:
    number = f"{BY_THE_MINUTE}00{ANSWERS}"
    await opened(lab, "a2billing-22", "15")
    caller = await called(lab, number, Caller("a2billing-22"))
    assert (caller.code, caller.ringing) == (403, 0)
    assert lab.far_end.calls(number) == []
    assert await balance(lab, "a2billing-22") == ("15.000000", "0.000000")


async def credit_that_is_used_up_cuts_the_call_and_is_charged_once(lab: Lab) -> None:
    number = f"{BY_THE_SECOND}01{ANSWERS}"
    await opened(lab, "ivozprovider-703", "8")
    caller = await called(lab, number, Caller("ivozprovider-703", talk_seconds=30))
    far = await lab.far_end.until_ended(number)
    assert caller.ended_by == "far"
    assert talked(far) == pytest.approx(8, abs=0.5)
    assert await balance(lab, "ivozprovider-703") == ("0.000000", "8.000000")
    [charge] = await charges(lab, "ivozprovider-703")
    assert (charge.seconds, charge.charge) == (8, 8_000_000)


async def two_calls_share_ten_minutes_and_no_more(lab: Lab) -> None:
    await shared_to_the_end(lab, "portaone-2", f"{BY_THE_SECOND}02{ANSWERS}", minutes=10, calls=2)


async def four_calls_share_ten_minutes_and_no_more(lab: Lab) -> None:
    await shared_to_the_end(lab, "portaone-4", f"{BY_THE_SECOND}03{ANSWERS}", minutes=10, calls=4)


async def shared_to_the_end(
    lab: Lab, account: str, number: str, *, minutes: int, calls: int
) -> None:
    await opened(lab, account, str(minutes))
    callers = await lab.call(number, Caller(account, talk_seconds=30), count=calls)
    lowest = await lowest_available(lab, account, callers.finished())

    def ended() -> bool:
        return [bool(far.ended) for far in lab.far_end.calls(number)] == [True] * calls

    await until(ended, f"{calls} calls have ended at the far end")
    assert sum(map(talked, lab.far_end.calls(number))) == pytest.approx(minutes, abs=0.25 * calls)
    assert await balance(lab, account) == ("0.000000", f"{minutes}.000000")
    assert lowest == 0
    assert sum(charge.charge for charge in await charges(lab, account)) == minutes * 10**6


async def a_toll_free_number_without_credit_for_a_minute_is_not_answered(lab: Lab) -> None:
    await opened(lab, "astpp-476", "0.50", TOLL_FREE)
    caller = await called(lab, TOLL_FREE, Caller("", "", endpoint="pstn", conference="4712"))
    assert (caller.code, caller.ringing, caller.answered) == (403, 0, 0)
    assert await balance(lab, "astpp-476") == ("0.500000", "0.000000")


async def money_that_arrives_in_the_last_slice_leaves_no_gap(lab: Lab) -> None:
    number = f"{BY_THE_SECOND}04{ANSWERS}"
    await opened(lab, "cgrates-4855", "4")
    calls = await lab.call(number, Caller("cgrates-4855", talk_seconds=9.5))
    await paid_until(lab, "cgrates-4855")
    async with store_of(lab) as store:
        await Ledger(store).grant("cgrates-4855", "p2", 20 * 10**6, "USD")
    [caller] = await calls.finished()
    far = await lab.far_end.until_ended(number)
    assert (caller.ended_by, len(lab.far_end.calls(number))) == ("caller", 1)
    assert talked(far) == pytest.approx(9.5, abs=0.5)
    assert await balance(lab, "cgrates-4855") == ("14.000000", "10.000000")


async def an_ivr_and_the_ringing_after_it_are_not_charged(lab: Lab) -> None:
    number = f"{BY_THE_SECOND}05{RINGS_LONG}"
    await opened(lab, "magnusbilling-331", "60")
    dialed = number.replace("+", "*700")
    caller = await called(lab, dialed, Caller("magnusbilling-331", talk_seconds=9.5))
    far = await lab.far_end.until_ended(number)
    # Two seconds of IVR, three of ringing, and then the talk.
    assert caller.ended - caller.answered == pytest.approx(9.5, abs=0.5)
    assert far.answered - caller.answered == pytest.approx(2 + LONG_RING_SECONDS, abs=1)
    await settled(lab, "magnusbilling-331")
    [charge] = await charges(lab, "magnusbilling-331")
    assert charge.ended - charge.answered == pytest.approx(talked(far), abs=0.5)
    assert charge.charge == charge.seconds * 10**6
    assert charge.seconds == pytest.approx(5, abs=1)


async def a_call_refused_for_want_of_money_is_allowed_when_made_again_with_it(lab: Lab) -> None:
    number = f"{BY_THE_SECOND}06{ANSWERS}"
    account = "rfc-8506"
    await opened(lab, account, "0.50")
    refused = await called(lab, number, Caller(account))
    await lab.gateway.grant(account, "5", "p2")
    allowed = await called(lab, number, Caller(account, talk_seconds=1.5))
    assert (refused.code, allowed.code) == (403, 200)
    assert await balance(lab, account) == ("3.500000", "2.000000")
    [told] = lab.gateway.told("call.refused", account)
    port = lab.gateway.agi_port
    again = await asked(port, str(told["call"]), "user_out", account, "alice", number)
    assert "DENY,no_credit" in again


async def a_call_whose_end_nobody_reports_is_not_charged_past_its_deadline(lab: Lab) -> None:
    number = f"{BY_THE_SECOND}07{ANSWERS}"
    account = "cgrates-39"
    await opened(lab, account, "60")
    calls = await lab.call(number, Caller(account, talk_seconds=4.5))
    await calls.until_answered()
    await asyncio.sleep(3)  # it is renewed once
    await lab.ami.cut()
    await calls.finished()
    await lab.asterisk.until_idle()
    [call_id] = await lab.asterisk.records()
    await lab.asterisk.cli(f"database del coinbox {call_id}")
    await lab.ami.restore()
    body = await settled(lab, account)
    [charge] = await charges(lab, account)
    far = await lab.far_end.until_ended(number)
    assert '"event": "call.lost"' in lab.gateway.log()
    # Only what it was known to have talked: up to the renewal.
    assert 0 < charge.seconds <= talked(far) + 0.5 <= 2 * SLICE_SECONDS
    assert body["spent"] == f"{charge.seconds}.000000"


async def a_gateway_killed_in_mid_call_leaves_no_hold_and_no_count_behind(lab: Lab) -> None:
    number = f"{BY_THE_SECOND}08{ANSWERS}"
    account = "a2billing-inuse"
    await opened(lab, account, "10", calls_max=1)
    calls = await lab.call(number, Caller(account, talk_seconds=1.5))
    await calls.until_answered()
    await lab.gateway.kill()
    await calls.finished()
    await lab.asterisk.until_idle()
    await lab.gateway.start()
    assert await balance(lab, account) == ("8.000000", "2.000000")
    again = await called(lab, number, Caller(account, talk_seconds=0.5))
    assert again.code == 200
    assert await balance(lab, account) == ("7.000000", "3.000000")


TOGETHER: tuple[Case, ...] = (
    a_block_of_60_s_is_not_sold_for_credit_for_15_s,
    credit_that_is_used_up_cuts_the_call_and_is_charged_once,
    two_calls_share_ten_minutes_and_no_more,
    four_calls_share_ten_minutes_and_no_more,
    a_toll_free_number_without_credit_for_a_minute_is_not_answered,
    money_that_arrives_in_the_last_slice_leaves_no_gap,
    an_ivr_and_the_ringing_after_it_are_not_charged,
    a_call_refused_for_want_of_money_is_allowed_when_made_again_with_it,
)
ALONE: tuple[Case, ...] = (
    a_call_whose_end_nobody_reports_is_not_charged_past_its_deadline,
    a_gateway_killed_in_mid_call_leaves_no_hold_and_no_count_behind,
)


@pytest.fixture(scope="module")
async def lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    card = tmp_path_factory.mktemp("cards") / "card.csv"
    card.write_text(CARD)
    settings: dict[str, Section] = {"calls": SETTINGS, "rates": {"cards": [str(card)]}}
    async with Lab(settings=settings, long_ring_seconds=LONG_RING_SECONDS) as lab:
        yield lab


@pytest.fixture(scope="module")
async def played(lab: Lab) -> dict[Case, BaseException | None]:
    playing = [case(lab) for case in TOGETHER]
    found = list(await asyncio.gather(*playing, return_exceptions=True))
    for case in ALONE:
        found += await asyncio.gather(case(lab), return_exceptions=True)
    return dict(zip((*TOGETHER, *ALONE), found, strict=True))


@pytest.mark.parametrize("case", [*TOGETHER, *ALONE], ids=lambda case: case.__name__)
async def test_reported_of_others_and_right_here(
    played: dict[Case, BaseException | None], case: Case
) -> None:
    if error := played[case]:
        raise error


async def test_the_books_of_all_cases_are_in_order(
    lab: Lab, played: dict[Case, BaseException | None]
) -> None:
    assert played
    assert " 0 live holds" in (said := await lab.gateway.command("audit"))
    assert " 0 differences" in said


async def opened(lab: Lab, account: str, credit: str, *numbers: str, calls_max: int = 0) -> None:
    limits = {"calls": calls_max}
    async with store_of(lab) as store:
        await open_account(store, account, parse_amount(credit), numbers=numbers, limits=limits)


async def called(lab: Lab, number: str, caller: Caller) -> CallResult:
    """Let a caller dial, and give what he saw in the end."""
    [seen] = await (await lab.call(number, caller)).finished()
    return seen


def talked(far: FarCall) -> float:
    return far.ended - far.answered


async def balance(lab: Lab, account: str) -> tuple[object, object]:
    """Give what is available and what is spent, once nothing is held any more."""
    body = await settled(lab, account)
    return body["available"], body["spent"]


async def charges(lab: Lab, account: str) -> list[Booked]:
    """Give what the journal has of the account's calls that were charged."""
    async with store_of(lab) as store:
        calls = await booked_calls(store)
    return [call for call in calls if call.account == account and call.is_settled]


async def lowest_available(lab: Lab, account: str, calls: Awaitable[object]) -> float:
    """Look at the balance until the calls are over, and give the lowest that was seen."""
    lowest = float("inf")

    async def look() -> None:
        nonlocal lowest
        while True:
            lowest = min(lowest, float(str((await lab.gateway.account(account))["available"])))
            await asyncio.sleep(0.1)

    async with asyncio.TaskGroup() as tasks:
        looking = tasks.create_task(look())
        await calls
        looking.cancel()
    return lowest
