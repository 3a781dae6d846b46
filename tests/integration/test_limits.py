"""Limits that stop fraud, of accounts and of users (rule C12)."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack

import pytest

from gateway.ledger.outcomes import Held, Party, Refused, Settled, Usage
from gateway.rating.plan import Pool
from tests.conftest import Store
from tests.integration.books import DAY, FAR_MS, PAST_MS, Books, funded, now_ms, told

MONTH = Pool("domestic-2026-11", size_seconds=600, slice_seconds=60, ends_ms=FAR_MS)
BEFORE, AFTER = "2026-11-23", "2026-11-25"
NEXT_MONTH = "2026-12-01"
MINUTE_MS = 60_000
PARTIES = ("account", "user")


async def limited(at: Books, whose: str, **limits: int) -> None:
    """Limit the account or alice."""
    operation_id = "-".join(limits)
    if whose == "account":
        assert await at.configure(operation_id, limits=limits) is None
    else:
        assert await at.set_user(operation_id, limits=limits) is None


async def party(at: Books, whose: str) -> Party:
    if whose == "account":
        return (await at.statement()).party
    return (await at.store.statements.users(at.account))["alice"]


async def usage(at: Books, whose: str = "account") -> Usage:
    return (await party(at, whose)).usage


async def grow_old(at: Books, key: str, ms: int) -> None:
    """Let the calls of a list have begun so much earlier."""
    begun = [int(word) - ms for word in await at.store.redis.lrange(key, 0, -1)]
    await at.store.redis.delete(key)
    await at.store.redis.rpush(key, *begun)


def begun(at: Books, whose: str, prefix: str = "44") -> str:
    keys = at.store.store.account(at.account)
    return keys.begun(prefix) if whose == "account" else keys.begun_by("alice", prefix)


# Calls at once.


@pytest.mark.parametrize("whose", PARTIES)
async def test_of_a_hundred_calls_at_once_as_many_ring_as_the_limit_says(
    store: Store, whose: str
) -> None:
    at = await funded(store, 10_000)
    await limited(at, whose, calls=3)
    async with AsyncExitStack() as stack:
        other = await stack.enter_async_context(Store.at(store.url))
        ats = [at, Books(other, at.account)]
        asked = (ats[number % 2].hold(f"call-{number}", (60, 10)) for number in range(100))
        answers = await asyncio.gather(*asked)
    refused = [answer for answer in answers if isinstance(answer, Refused)]
    assert len(refused) == 97
    assert {(answer.reason, answer.limit_of) for answer in refused} == {("limit_calls", whose)}
    assert (await usage(at, whose)).calls == 3
    assert await at.sums() == (9970, 30, 0, 0)


@pytest.mark.parametrize("whose", PARTIES)
async def test_a_call_that_ends_makes_room_for_another(store: Store, whose: str) -> None:
    at = await funded(store, 100)
    await limited(at, whose, calls=1)
    assert isinstance(await at.hold("first", (60, 10)), Held)
    assert await at.hold("second", (60, 10)) == Refused("limit_calls", 90, whose)
    assert isinstance(await at.settle("first", 10), Settled)
    # The answer to a call is sticky.
    assert await at.hold("second", (60, 10)) == Refused("limit_calls", 90, whose)
    assert isinstance(await at.hold("third", (60, 10)), Held)
    assert isinstance(await at.void("third"), Settled)
    assert (await usage(at, whose)).calls == 0


async def test_the_limit_of_a_user_stops_no_other_user(store: Store) -> None:
    at = await funded(store, 100)
    await at.configure("bob", users=["bob"])
    await limited(at, "user", calls=1, per_minute=1, day=10, month=10)
    assert isinstance(await at.hold("first", (60, 10)), Held)
    assert isinstance(await at.hold("second", (60, 10)), Refused)
    assert isinstance(await at.hold("third", (60, 10), user="bob"), Held)
    assert isinstance(await at.hold("dial-in", (60, 10), user=""), Held)
    assert (await usage(at)).calls == 3
    assert (await usage(at, "user")).calls == 1


async def test_a_call_that_a_pool_pays_counts_as_a_call_and_spends_nothing(store: Store) -> None:
    at = await funded(store, 100)
    await limited(at, "account", calls=2, per_minute=1, day=5)
    assert await at.hold("call", (60, 10), pool=MONTH) == Held(60, 0, 100, 60)
    refused = Refused("limit_per_minute", 100, "account")
    assert await at.hold("other", (60, 10), pool=MONTH) == refused
    assert isinstance(await at.hold("elsewhere", (60, 10), prefix="49", pool=MONTH), Held)
    assert await at.hold("third", (60, 10), pool=MONTH) == Refused("limit_calls", 100, "account")
    assert await usage(at) == Usage(2, DAY, 0, DAY[:7], 0)


# Calls a minute to one prefix.


@pytest.mark.parametrize("whose", PARTIES)
async def test_the_window_of_a_minute_slides(store: Store, whose: str) -> None:
    at = await funded(store, 100)
    await limited(at, whose, per_minute=2)
    refused = Refused("limit_per_minute", 80, whose)
    assert isinstance(await at.hold("first", (60, 10)), Held)
    await grow_old(at, begun(at, whose), MINUTE_MS // 2)
    assert isinstance(await at.hold("second", (60, 10)), Held)
    assert await at.hold("third", (60, 10)) == refused
    # The first began a minute ago, the second half a minute: one more may begin, and no other.
    await grow_old(at, begun(at, whose), MINUTE_MS // 2)
    assert isinstance(await at.hold("fourth", (60, 10)), Held)
    assert isinstance(await at.hold("fifth", (60, 10)), Refused)


async def test_calls_a_minute_are_counted_by_prefix_whether_or_not_they_have_ended(
    store: Store,
) -> None:
    at = await funded(store, 100)
    await limited(at, "account", per_minute=1)
    assert isinstance(await at.hold("first", (60, 10)), Held)
    assert isinstance(await at.settle("first", 10), Settled)
    assert isinstance(await at.hold("second", (60, 10)), Refused)
    assert isinstance(await at.hold("elsewhere", (60, 10), prefix="49"), Held)


async def test_what_is_kept_of_when_calls_began_is_bounded_by_the_limit_and_by_a_minute(
    store: Store,
) -> None:
    at = await funded(store, 1000)
    await at.hold("unlimited", (60, 10))
    assert await store.redis.keys("*:begun:*") == []
    await limited(at, "account", per_minute=2)
    await limited(at, "user", per_minute=3)
    for call in range(6):
        await at.hold(f"call-{call}", (60, 10))
        for whose in PARTIES:
            await grow_old(at, begun(at, whose), MINUTE_MS)
    await at.hold("last", (60, 10))
    assert [await store.redis.llen(begun(at, whose)) for whose in PARTIES] == [2, 3]
    now = await now_ms(at)
    for whose in PARTIES:
        assert now < await store.redis.pexpiretime(begun(at, whose)) <= now + MINUTE_MS


async def test_a_refused_call_is_not_one_that_began(store: Store) -> None:
    at = await funded(store, 15)
    await limited(at, "account", per_minute=2)
    for call in range(5):
        assert await at.hold(f"dear-{call}", (60, 100)) == Refused("no_credit", 15)
    assert isinstance(await at.hold("call", (60, 10)), Held)
    assert await usage(at) == Usage(1, DAY, 10, DAY[:7], 10)


# Money of a day and of a month.


@pytest.mark.parametrize("whose", PARTIES)
@pytest.mark.parametrize("period", ["day", "month"])
async def test_calls_at_once_hold_no_more_than_a_day_or_a_month_may_spend(
    store: Store, whose: str, period: str
) -> None:
    at = await funded(store, 10_000)
    await limited(at, whose, **{period: 95})
    answers = await asyncio.gather(
        *(at.hold(f"call-{number}", (60, 10), (30, 5)) for number in range(100))
    )
    assert answers.count(Refused(f"limit_{period}", 9905, whose)) == 90
    assert sorted(answer.held for answer in answers if isinstance(answer, Held)) == [5, *[10] * 9]
    extended = await at.extend("call-0", 1, (120, 20))
    assert extended == Refused(f"limit_{period}", 9905, whose)
    used = await usage(at, whose)
    assert (used.day_micros, used.month_micros) == (95, 95)


@pytest.mark.parametrize("whose", PARTIES)
async def test_the_longest_slice_that_fits_under_a_limit_is_held(store: Store, whose: str) -> None:
    at = await funded(store, 1000)
    await limited(at, whose, day=45)
    assert await at.hold("call", (60, 60), (42, 42), (6, 6)) == Held(42, 42, 958)
    assert await at.extend("call", 1, (102, 102), (48, 48), (45, 45)) == Held(45, 45, 955)
    assert await at.extend("call", 2, (46, 46)) == Refused("limit_day", 955, whose)


@pytest.mark.parametrize("whose", PARTIES)
async def test_what_a_call_gives_back_may_be_spent_again(store: Store, whose: str) -> None:
    at = await funded(store, 1000)
    await limited(at, whose, day=50, month=50)
    await at.hold("call", (60, 20))
    await at.extend("call", 1, (120, 50))
    assert isinstance(await at.hold("second", (60, 1)), Refused)
    assert await at.settle("call", 30) == Settled(30, 20, 970)
    assert await usage(at, whose) == Usage(0, DAY, 30, DAY[:7], 30)
    assert await at.hold("third", (60, 20)) == Held(60, 20, 950)
    await at.void("third")
    assert await usage(at, whose) == Usage(0, DAY, 30, DAY[:7], 30)


@pytest.mark.parametrize("whose", PARTIES)
async def test_a_new_day_lifts_the_limit_of_the_day_and_a_new_month_that_of_the_month(
    store: Store, whose: str
) -> None:
    at = await funded(store, 1000)
    await limited(at, whose, day=10, month=20)
    assert isinstance(await at.hold("first", (60, 10)), Held)
    assert await at.hold("second", (60, 10)) == Refused("limit_day", 990, whose)
    assert isinstance(await at.hold("third", (60, 10), day=AFTER), Held)
    assert await at.hold("fourth", (60, 10), day="2026-11-26") == Refused("limit_month", 980, whose)
    assert isinstance(await at.hold("fifth", (60, 10), day=NEXT_MONTH), Held)
    assert await usage(at, whose) == Usage(3, NEXT_MONTH, 10, NEXT_MONTH[:7], 10)


async def test_a_gateway_whose_clock_is_late_begins_no_old_day_anew(store: Store) -> None:
    at = await funded(store, 1000)
    await limited(at, "account", day=10)
    assert isinstance(await at.hold("first", (60, 10)), Held)
    assert await at.hold("second", (60, 10), day=BEFORE) == Refused("limit_day", 990, "account")
    assert await usage(at) == Usage(1, DAY, 10, DAY[:7], 10)


async def test_a_call_over_midnight_gives_back_to_the_day_in_which_it_held(store: Store) -> None:
    at = await funded(store, 1000)
    await at.hold("call", (60, 20))
    await at.extend("call", 1, (120, 50), day=AFTER)
    assert await usage(at) == Usage(1, AFTER, 30, DAY[:7], 50)
    # 40 come back, 30 of them were held today.
    await at.settle("call", 10)
    for whose in PARTIES:
        assert await usage(at, whose) == Usage(0, AFTER, 0, DAY[:7], 10)
    await at.hold("yesterday", (60, 20))
    await at.hold("today", (60, 5), day="2026-11-26")
    await at.settle("yesterday", 10)
    assert await usage(at) == Usage(1, "2026-11-26", 5, DAY[:7], 25)


async def test_the_same_question_after_midnight_has_the_same_answer(store: Store) -> None:
    at = await funded(store, 1000)
    held = await at.hold("call", (60, 20))
    assert await at.hold("call", (60, 20), day=AFTER) == held == Held(60, 20, 980)
    extended = await at.extend("call", 1, (120, 50))
    assert await at.extend("call", 1, (120, 50), day=AFTER) == extended == Held(120, 50, 950)
    assert await usage(at) == Usage(1, DAY, 50, DAY[:7], 50)


@pytest.mark.parametrize("day", ["", "24.11.2026", "2026-11", "2026-11-24T00:00"])
async def test_a_word_that_would_not_compare_is_no_day(store: Store, day: str) -> None:
    at = await funded(store, 1000)
    await at.hold("call", (60, 20))
    with pytest.raises(ValueError, match="does not match"):
        await at.hold("other", (60, 20), day=day)
    with pytest.raises(ValueError, match="does not match"):
        await at.extend("call", 1, (120, 50), day=day)


@pytest.mark.parametrize("lot", ["lasts", "has lapsed"])
async def test_a_call_in_its_last_slice_hears_of_what_another_gives_back_to_a_limit(
    store: Store, lot: str
) -> None:
    # D4. To a limit comes back also what has expired meanwhile.
    at = await funded(store, 1000, 1000)
    await limited(at, "account", day=30)
    await at.hold("ends", (60, 10))
    await at.hold("goes-on", (60, 20))
    before = len(await told(at, "credit"))
    assert isinstance(await at.extend("goes-on", 1, (120, 25)), Refused)
    if lot == "has lapsed":
        await at.move_expiry("a", PAST_MS)
    await at.settle("ends", 3)
    assert len(await told(at, "credit")) == before + 1
    assert isinstance(await at.extend("goes-on", 2, (120, 25)), Held)


@pytest.mark.parametrize("whose", PARTIES)
async def test_a_call_in_its_last_slice_hears_of_a_limit_that_is_lifted(
    store: Store, whose: str
) -> None:
    # D5.
    at = await funded(store, 1000)
    await limited(at, whose, day=10)
    await at.hold("call", (60, 10))
    assert isinstance(await at.extend("call", 1, (120, 20)), Refused)
    before = len(await told(at, "credit"))
    await limited(at, whose, calls=5, per_minute=5)
    assert len(await told(at, "credit")) == before
    await limited(at, whose, day=0, month=100)
    assert len(await told(at, "credit")) == before + 1
    assert isinstance(await at.extend("call", 2, (120, 20)), Held)


async def test_a_limit_that_is_reached_is_no_balance_that_is_used_up(store: Store) -> None:
    at = await funded(store, 100)
    await limited(at, "account", day=10)
    await at.hold("call", (60, 10))
    await at.hold("other", (60, 200))
    await at.extend("call", 1, (120, 200))
    assert await told(at, "exhausted") == []
    await limited(at, "account", day=0, month=1000)
    assert await at.extend("call", 2, (120, 200)) == Refused("no_credit", 90)
    assert [event["needed"] for event in await told(at, "exhausted")] == ["200"]


# Which reason comes first, and whose limit.


@pytest.mark.parametrize(
    ("of_account", "of_user", "answer"),
    [
        ({"calls": 1}, {"calls": 1}, Refused("limit_calls", 50, "account")),
        ({"per_minute": 1}, {"calls": 1}, Refused("limit_calls", 50, "user")),
        ({"per_minute": 1}, {"per_minute": 1}, Refused("limit_per_minute", 50, "account")),
        ({"day": 50}, {"per_minute": 1}, Refused("limit_per_minute", 50, "user")),
        ({"day": 50}, {"day": 50}, Refused("limit_day", 50, "account")),
        ({"day": 51}, {"day": 50}, Refused("limit_day", 50, "user")),
        ({"month": 50}, {"day": 50}, Refused("limit_day", 50, "user")),
        ({"month": 51}, {"month": 50}, Refused("limit_month", 50, "user")),
        ({"month": 50}, {"month": 50}, Refused("limit_month", 50, "account")),
        ({"month": 99}, {"day": 100}, Refused("limit_month", 50, "account")),
        ({"day": 100}, {"month": 100}, Refused("no_credit", 50)),
    ],
)
async def test_each_refusal_names_the_first_limit_that_is_reached_and_whose_it_is(
    store: Store,
    of_account: Mapping[str, int],
    of_user: Mapping[str, int],
    answer: Refused,
) -> None:
    # What is spent is 50, and 50 are available: a limit of 100 leaves as much as the balance.
    at = await funded(store, 100)
    await at.configure("calls", limits={"per_minute": 100})
    await at.set_user("calls", limits={"per_minute": 100})
    await at.hold("call", (60, 50))
    await at.configure("limits", limits=of_account)
    await at.set_user("limits", limits=of_user)
    assert await at.hold("other", (60, 51)) == answer
    if not {"calls", "per_minute"} & {*of_account, *of_user}:
        assert await at.extend("call", 1, (120, 101)) == answer


async def test_no_credit_at_all_comes_before_a_limit_of_money_and_after_one_of_calls(
    store: Store,
) -> None:
    # C9.
    at = await funded(store, 10)
    await limited(at, "account", day=10, calls=2)
    await at.hold("call", (60, 10))
    await at.configure("lower", limits={"day": 5})
    assert await at.hold("broke", (60, 1)) == Refused("no_credit", 0)
    await at.configure("calls", limits={"calls": 1})
    assert await at.hold("full", (60, 1)) == Refused("limit_calls", 0, "account")
    assert await at.hold("nobody", (60, 1), user="eve") == Refused("unknown_user", 0)


async def test_a_call_keeps_to_its_user(store: Store) -> None:
    at = await funded(store, 100)
    await at.configure("bob", users=["bob"])
    await at.hold("call", (60, 10))
    for user in ("bob", ""):
        assert await at.extend("call", 1, (120, 20), user=user) == Refused("conflict")
        assert await at.settle("call", 10, user=user) == Refused("conflict")
        assert await at.void("call", user=user) == Refused("conflict")
    assert await at.settle("call", 10) == Settled(10, 0, 90)
