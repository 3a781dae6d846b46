import asyncio
from collections.abc import Awaitable, Callable

import pytest

from gateway.ledger.audit import Audit, audit
from gateway.ledger.outcomes import Expired, Held
from gateway.rating.plan import Pool
from tests.conftest import Store
from tests.integration.books import FAR_MS, PAST_MS, Books, funded
from tests.lab.processes import until

MONTH = Pool("domestic-2026-11", size_seconds=100, slice_seconds=60, ends_ms=FAR_MS)


async def busy(store: Store) -> Books:
    """Do one of each: lots that lapse, are spent and taken back, debt, live and ended calls."""
    at = await funded(store, 100, 40, 7)
    await at.configure("debt", overdraft=50)
    await at.set_user("limits", limits={"calls": 9, "per_minute": 9, "day": 1000})
    await at.grant("promotion", 5, kind="bonus", expires_ms=FAR_MS)
    await at.hold("answered", (60, 30))
    await at.extend("answered", 1, (120, 120))
    await at.hold("unanswered", (60, 20))
    await at.hold("included", (60, 20), pool=MONTH)
    await at.extend("included", 1, (60, 20), pool=MONTH)
    await at.extend("included", 2, (60, 20), pool=MONTH)
    await at.hold("also-included", (60, 20), pool=MONTH)
    await at.settle("answered", 110)
    await at.void("unanswered")
    await at.reverse("charge-back", "c", 100, at_most=True)
    await at.grant("d", 10)
    await at.hold("refused", (60, 1000))
    await at.hold("free", (60, 0))
    return at


def lines(found: Audit) -> str:
    return "\n".join(found.differences)


async def test_books_that_are_right_have_no_difference(store: Store) -> None:
    one, other = await busy(store), await busy(store)
    await other.settle("included", 7, pool=MONTH.name, pool_seconds=100)
    found = await audit(store.store)
    assert lines(found) == ""
    assert (found.accounts, found.holds) == (2, 5)
    statements = [await at.statement() for at in (one, other)]
    assert found.totals["USD"]["spent"] == sum(statement.spent for statement in statements)
    assert found.entries > 30


async def test_a_lot_that_has_lapsed_unseen_is_no_difference(store: Store) -> None:
    at = await funded(store, 10)
    seconds, micros = await store.redis.time()
    await at.grant("short", 5, expires_ms=seconds * 1000 + micros // 1000 + 300)

    async def lapsed() -> bool:
        return await at.sums() == (10, 0, 0, 5)

    await until(lapsed, "the lot has lapsed")
    assert lines(await audit(store.store)) == ""
    assert await at.expire() == Expired(5, 10)
    assert lines(await audit(store.store)) == ""


Damage = Callable[[Store, Books], Awaitable[object]]


def key(at: Books, kind: str) -> str:
    return f"{at.store.store.account(at.account).shard.tag}:{kind}"


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        pytest.param(
            lambda store, at: store.redis.hincrby(key(at, f"account:{at.account}"), "available", 1),
            "available is",
            id="money made",
        ),
        pytest.param(
            lambda store, at: store.redis.hset(
                key(at, f"lots:{at.account}"), "paid-1-x", f"9 9 0 0 0 0 1 {FAR_MS} 0"
            ),
            "lot paid-1-x: granted is 0.000009, by the journal 0.000000",
            id="a lot that nobody paid",
        ),
        pytest.param(
            lambda _, at: at.move_expiry("b", PAST_MS), "by the journal at", id="another expiry"
        ),
        pytest.param(
            lambda store, at: store.redis.hset(
                key(at, f"call:{at.account}/included"), "pool_seconds", "99"
            ),
            "99 s of pool:domestic-2026-11, by the journal 100 s",
            id="seconds that nobody holds",
        ),
        pytest.param(
            lambda store, at: store.redis.srem(key(at, "accounts"), at.account),
            "in the journal, but not listed as open",
            id="an account that nobody would find",
        ),
        pytest.param(
            lambda store, at: store.redis.delete(key(at, f"order:{at.account}")),
            "its place in the order is None",
            id="money that cannot be spent",
        ),
        pytest.param(
            lambda store, at: store.redis.hset(
                key(at, f"call:{at.account}/also-included"), "held", "999999999"
            ),
            "held is 999.999999, by its lots",
            id="a hold that is not pinned",
        ),
        pytest.param(
            lambda store, at: store.redis.delete(key(at, f"call:{at.account}/included")),
            "listed as live, but not there",
            id="a hold that is lost",
        ),
        pytest.param(
            lambda store, at: store.redis.srem(key(at, "live"), f"{at.account}/included"),
            "not listed as live",
            id="a hold that nobody would find",
        ),
        pytest.param(
            lambda store, at: store.redis.hincrby(
                key(at, f"pool:{at.account}/{MONTH.name}"), "held", 1
            ),
            "pool domestic-2026-11: 101 s held, by the journal 100 s",
            id="seconds made",
        ),
        pytest.param(
            lambda store, at: store.redis.hincrby(key(at, f"account:{at.account}"), "calls", -1),
            "2 live calls, by the journal 3",
            id="a call that is not counted",
        ),
        pytest.param(
            lambda store, at: store.redis.xtrim(key(at, "journal"), maxlen=0, approximate=False),
            "which 1 records name, is not there",
            id="a journal that is lost",
        ),
        pytest.param(
            lambda store, at: store.redis.xtrim(key(at, "journal"), maxlen=5, approximate=False),
            "the journal does not begin with its opening",
            id="a journal whose beginning is lost",
        ),
        pytest.param(
            lambda store, at: store.redis.delete(key(at, f"account:{at.account}")),
            "open, but not there",
            id="an account that is lost",
        ),
    ],
)
async def test_each_damage_is_named(store: Store, damage: Damage, named: str) -> None:
    at = await busy(store)
    assert lines(await audit(store.store)) == ""
    await damage(store, at)
    assert named in lines(await audit(store.store))


async def test_an_audit_beside_live_traffic_finds_nothing(store: Store) -> None:
    accounts = [await funded(store, 1_000_000) for _ in range(4)]

    async def calls(at: Books, number: int) -> None:
        for call in range(40):
            name = f"call-{number}-{call}"
            assert isinstance(await at.hold(name, (60, 10)), Held)
            await at.extend(name, 1, (120, 20))
            await at.settle(name, 15)

    async def openings() -> None:
        for _ in range(40):
            await funded(store, 10)

    async with asyncio.TaskGroup() as tasks:
        traffic = [tasks.create_task(calls(at, number)) for at in accounts for number in range(4)]
        traffic.append(tasks.create_task(openings()))
        audits = 0
        while not all(task.done() for task in traffic):
            assert lines(await audit(store.store)) == ""
            audits += 1
    assert audits > 1
    found = await audit(store.store)
    assert (lines(found), found.holds) == ("", 0)
    assert found.totals["USD"]["spent"] == 4 * 4 * 40 * 15
