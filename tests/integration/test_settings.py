"""What is set of accounts and users, and what a decision reads of it."""

import pytest
from redis.crc import key_slot

from gateway.ledger.outcomes import Held, Limits, Party, Refused, Usage
from gateway.ledger.store import Store as Shards
from gateway.money import AMOUNT_MICROS_MAX
from gateway.rating.plan import Pool
from tests.conftest import Store
from tests.integration.books import DAY, FAR_MS, NOTHING, PAST_MS, books, funded, now_ms
from tests.integration.picture import entries

MONTH = Pool("domestic-2026-11", size_seconds=600, slice_seconds=60, ends_ms=FAR_MS)
NOT_TO_BE_SET = r"no limits|not an amount|does not match"


async def test_what_is_not_named_stays_as_it_is(store: Store) -> None:
    at = await funded(store)
    for setting in (at.configure, at.set_user):
        await setting("one", limits={"calls": 3, "day": 9}, profile={"country": "DE", "zone": "A"})
        await setting("two", limits={"day": 0, "month": 7}, profile={"country": "", "plans": "a b"})
    users = await store.statements.users(at.account)
    for party in ((await at.statement()).party, users["alice"]):
        assert party.limits == Limits(calls=3, per_minute=0, day=0, month=7)
        assert party.profile == {"zone": "A", "plans": "a b"}


async def test_the_journal_names_what_was_set(store: Store) -> None:
    at = await funded(store)
    await at.configure("one", limits={"calls": 3}, profile={"country": "DE"})
    await at.set_user("two", "bob", limits={"day": 9}, profile={"plans": "domestic"})
    of_account, of_user = (await entries(at, store.store.account(at.account).shard.journal))[-2:]
    assert (of_account["op"], of_account["limit_calls"], of_account["profile.country"]) == (
        ("configure", "3", "DE")
    )
    assert (of_user["op"], of_user["operation"], of_user["user"]) == ("set_user", "two", "bob")
    assert (of_user["limit_day"], of_user["profile.plans"]) == ("9", "domestic")


async def test_a_user_who_is_set_may_spend_and_one_who_is_set_again_is_the_same(
    store: Store,
) -> None:
    at = await funded(store, 100)
    assert await at.hold("early", (60, 10), user="bob") == Refused("unknown_user", 100)
    assert await at.set_user("one", "bob") is None
    assert isinstance(await at.hold("call", (60, 10), user="bob"), Held)
    assert await at.set_user("two", "bob", limits={"calls": 1}) is None
    assert (await store.statements.users(at.account))["bob"].usage.calls == 1
    assert await at.set_user("two", "bob", limits={"calls": 2}) == Refused("conflict")
    nobody = books(store)
    answer = await store.ledger.set_user(nobody.account, "one", "bob")
    assert answer == Refused("unknown_account")


async def test_what_cannot_be_set_is_a_fault_of_the_caller(store: Store) -> None:
    at = await funded(store)
    for limits, profile in (
        ({"call": 1}, NOTHING),
        ({"calls": -1}, NOTHING),
        ({"day": AMOUNT_MICROS_MAX + 1}, NOTHING),
        (NOTHING, {"Country": "DE"}),
        (NOTHING, {"": "DE"}),
    ):
        with pytest.raises(ValueError, match=NOT_TO_BE_SET):
            await at.configure("one", limits=limits, profile=profile)
        with pytest.raises(ValueError, match=NOT_TO_BE_SET):
            await at.set_user("one", limits=limits, profile=profile)
    for user in ("", "a/b", "two words"):
        with pytest.raises(ValueError, match="does not match"):
            await at.set_user("one", user)
        with pytest.raises(ValueError, match="does not match"):
            await at.configure("one", users=[user])


# What is read.


async def test_users_are_counted_by_the_country_and_the_plans_that_they_have_set(
    store: Store,
) -> None:
    at = await funded(store)
    await at.configure("more", users=["bob", "carol", "alice"], profile={"country": "US"})
    await at.set_user("one", "bob", profile={"country": "DE"})
    await at.set_user("two", "dave", profile={"country": "DE", "plans": "domestic,credits"})
    found = await store.statements.facts(at.account, "")
    assert found
    expected = {("", ""): 2, ("DE", ""): 1, ("DE", "domestic,credits"): 1}
    assert found.licences == expected
    await at.set_user("three", "bob", limits={"calls": 1})
    await at.set_user("four", "dave", profile={"plans": ""})
    await at.set_user("four", "dave", profile={"plans": ""})
    await at.set_user("five", "carol", profile={"plans": "domestic"})
    found = await store.statements.facts(at.account, "")
    assert found
    assert found.licences == {("", ""): 1, ("DE", ""): 2, ("", "domestic"): 1}


async def test_the_facts_of_an_account_are_those_of_now(store: Store) -> None:
    at = await funded(store, 100, 50)
    await at.configure("set", overdraft=7, limits={"calls": 5}, profile={"country": "DE"})
    await at.set_user("set", limits={"day": 90}, profile={"plans": "credits"})
    await at.hold("call", (60, 10))
    await at.move_expiry("b", PAST_MS)
    earliest = await now_ms(at)
    found = await store.statements.facts(at.account, "alice")
    assert found
    assert earliest <= found.now_ms <= await now_ms(at)
    assert (found.account, found.currency) == (at.account, "USD")
    assert (found.available, found.overdraft) == (90, 7)
    used = Usage(1, DAY, 10, DAY[:7], 10)
    assert found.party == Party({"country": "DE"}, Limits(5, 0, 0, 0), used)
    assert found.user == Party({"plans": "credits"}, Limits(0, 0, 90, 0), used)
    for user in ("eve", ""):
        asked = await store.statements.facts(at.account, user)
        assert asked
        assert (asked.user, asked.party) == (None, found.party)
    assert await store.statements.facts("nobody", "alice") is None
    assert await store.statements.facts("no account", "alice") is None


async def test_the_seconds_of_pools_that_are_not_free_can_be_read(store: Store) -> None:
    at = await funded(store, 100)
    await at.hold("ended", (60, 10), pool=MONTH)
    await at.settle("ended", 0, pool=MONTH.name, pool_seconds=45)
    await at.hold("live", (60, 10), pool=MONTH)
    read = await store.statements.pools(at.account, [MONTH.name, "another"])
    assert read == {MONTH.name: 105, "another": 0}
    assert await store.statements.pools(at.account, []) == {}


async def test_all_keys_of_an_account_lie_in_one_slot(store: Store) -> None:
    # An operation is one script, which a cluster runs where its keys are.
    shards = Shards(store.store.servers, 256)
    for account in ("contoso", "a.user@example.com", "x" * 64):
        at = shards.account(account)
        every = [
            *(*at.books, at.users, at.payments, at.licences, at.shard.live),
            *(at.user(""), at.user("a.user@example.com"), at.begun("44")),
            *(at.begun_by("", "44"), at.begun_by("a.user@example.com", "44")),
            *(at.call("call"), at.pool("domestic"), at.operation("set_user", "op")),
        ]
        assert len(set(every)) == len(every)
        assert {key_slot(key.encode()) for key in every} == {key_slot(at.shard.tag.encode())}
