"""Each operation of the ledger, on an account that is prepared for it, and what it leaves."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from gateway.ledger.outcomes import (
    Asked,
    Expired,
    Flagged,
    Granted,
    Held,
    Joined,
    LedgerUnavailableError,
    RechargeStatus,
    Refused,
    Reversed,
    Settled,
)
from gateway.rating.plan import Pool
from tests.conftest import Store
from tests.integration.books import FAR_MS, Books, books
from tests.integration.picture import Picture, differences, parts, picture, timeless
from tests.lab.processes import until

Ask = Callable[[Books], Awaitable[object]]

MINUTES = Pool("domestic-2026-11", 300, 60, FAR_MS)
LIMITS = {"calls": 4, "per_minute": 5, "day": 200, "month": 200}
DUE: dict[str, str] = {}  # key of the recharge of an account, which has a time in it
UNAVAILABLE = "unavailable"
LAPSES_IN_MS = 200


@dataclass(frozen=True)
class Case:
    """What is asked, what is answered, and what the account has then.

    One that can tell that it was done already may answer that, ``again``.
    """

    ask: Ask
    answer: object
    parts: tuple[int, int, int, int, int]
    prepare: Ask
    again: object = None

    def answers(self, *, again: bool) -> set[str]:
        """Give the right answers, also those to one who may be asking ``again``."""
        return {repr(self.answer)} | (
            {repr(self.again)} if again and self.again is not None else set()
        )


async def nothing(_at: Books) -> None:
    """Leave the account to be opened."""


async def two_calls(at: Books) -> None:
    """Open 70 and 30, with 30 held for `first`, which was extended once, and 20 for `second`.

    `minutes` holds a minute of a pool. With less than 20 available a recharge is due; a balance of
    less than 80 is low. One more call may be made.
    """
    await at.store.ledger.open_account(at.account, "USD")
    await at.configure("users", users=["alice"])
    await at.grant("a", 70)
    await at.grant("b", 30, kind="bonus", expires_ms=FAR_MS)
    await at.configure(
        "thresholds", methods="card", recharge_below=20, recharge_amount=500, low_below=80
    )
    await at.configure("limits", limits=LIMITS)
    await at.set_user("limits", limits=LIMITS, profile={"country": "DE"})
    await at.hold("first", (60, 10))
    await at.extend("first", 1, (120, 30))
    await at.hold("second", (60, 20))
    await at.hold("minutes", (60, 20), pool=MINUTES)


async def four_calls(at: Books) -> None:
    """Hold all that is left for a fourth call, so that a recharge is due."""
    await two_calls(at)
    await at.hold("third", (60, 50))
    DUE[at.account] = (await at.statement()).recharge.key


async def a_conference(at: Books) -> None:
    """Let `first` be one that may join conference 4711."""
    await two_calls(at)
    await at.store.ledger.set_conference(at.account, "4711", "alice", pin="12")


async def a_lot_has_lapsed(at: Books) -> None:
    await at.store.ledger.open_account(at.account, "USD")
    await at.configure("users", users=["alice"])
    await at.grant("a", 70)
    seconds, micros = await at.store.redis.time()
    await at.grant("b", 30, kind="bonus", expires_ms=seconds * 1000 + micros // 1000 + LAPSES_IN_MS)

    async def lapsed() -> bool:
        return (await at.statement()).expired == 30

    await until(lapsed, "the lot has lapsed")


async def a_payment_is_unbooked(at: Books) -> None:
    await two_calls(at)
    await dispute_won(at)


async def dispute_won(at: Books) -> Refused | None:
    return await at.store.ledger.flag_payment(
        at.account,
        "won",
        key="key",
        micros=5,
        currency="USD",
        reason="dispute_won",
        unbooked=True,
    )


async def a_recharge_is_paid(at: Books) -> None:
    await four_calls(at)
    await at.pay("of-a-recharge", 500, "payment")


async def a_recharge_is_suspended(at: Books) -> None:
    await a_recharge_is_paid(at)
    await at.store.ledger.suspend_recharge(at.account)


async def disputed(at: Books) -> int | Refused:
    return await at.store.ledger.take_back(
        at.account, "of-a-recharge", "payment", paid=500, micros=400, currency="USD", way="disputed"
    )


async def asked(
    at: Books, ask: Callable[[str, str], Awaitable[Asked | Refused]]
) -> Asked | Refused:
    """Ask how it stands with the recharge that is due, whenever it was claimed."""
    answer = await ask(at.account, DUE[at.account])
    return replace(answer, begun_ms=0, now_ms=0) if isinstance(answer, Asked) else answer


async def failed(at: Books, *, lasting: bool) -> Refused | None:
    return await at.fail_recharge(DUE[at.account], 60, lasting=lasting)


CASES = {
    "open_account": Case(
        lambda at: at.store.ledger.open_account(at.account, "USD"), None, (0, 0, 0, 0, 0), nothing
    ),
    "configure": Case(
        lambda at: at.configure("settings", users=["bob"], recharge_below=60, overdraft=40),
        None,
        (50, 50, 0, 0, 0),
        two_calls,
    ),
    "set_user": Case(
        lambda at: at.set_user("plans", limits={"day": 60}, profile={"plans": "credits"}),
        None,
        (50, 50, 0, 0, 0),
        two_calls,
    ),
    "grant": Case(
        lambda at: at.grant("pay", 40), Granted("paid-T-pay", 90), (90, 50, 0, 0, 0), two_calls
    ),
    "reverse": Case(
        lambda at: at.reverse("refund", "b", 10),
        Reversed("bonus-T-b", 10, 40),
        (40, 50, 0, 0, 10),
        two_calls,
    ),
    "expire": Case(
        lambda at: at.expire(),
        Expired(30, 70),
        (70, 0, 0, 30, 0),
        a_lot_has_lapsed,
        again=Expired(0, 70),
    ),
    "hold": Case(
        lambda at: at.hold("third", (60, 50)), Held(60, 50, 0), (0, 100, 0, 0, 0), two_calls
    ),
    "hold refused": Case(
        lambda at: at.hold("dear", (60, 200)),
        Refused("no_credit", 50),
        (50, 50, 0, 0, 0),
        two_calls,
    ),
    "hold beyond a limit": Case(
        lambda at: at.hold("more", (60, 20)),
        Refused("limit_calls", 0, "account"),
        (0, 100, 0, 0, 0),
        four_calls,
    ),
    "hold minutes": Case(
        lambda at: at.hold("more", (60, 20), pool=MINUTES),
        Held(60, 0, 50, 60),
        (50, 50, 0, 0, 0),
        two_calls,
    ),
    "extend": Case(
        lambda at: at.extend("first", 2, (180, 80)), Held(180, 80, 0), (0, 100, 0, 0, 0), two_calls
    ),
    "settle": Case(
        lambda at: at.settle("first", 25), Settled(25, 5, 55), (55, 20, 25, 0, 0), two_calls
    ),
    "settle minutes": Case(
        lambda at: at.settle("minutes", 0, pool=MINUTES.name, pool_seconds=45),
        Settled(0, 0, 50),
        (50, 50, 0, 0, 0),
        two_calls,
    ),
    "void": Case(lambda at: at.void("second"), Settled(0, 20, 70), (70, 30, 0, 0, 0), two_calls),
    "set_conference": Case(
        lambda at: at.store.ledger.set_conference(at.account, "4712", "alice", pin="12"),
        None,
        (50, 50, 0, 0, 0),
        a_conference,
    ),
    "join_conference": Case(
        lambda at: at.store.ledger.join_conference(at.account, "first", "4711", "12"),
        Joined("alice", leads=False),
        (50, 50, 0, 0, 0),
        a_conference,
    ),
    "dial_out": Case(
        lambda at: at.store.ledger.dial_out(
            at.account, "request", "4711", "+4930123456", "pbx", press_one=False
        ),
        "alice",
        (50, 50, 0, 0, 0),
        a_conference,
    ),
    "pay": Case(
        lambda at: at.pay("of-a-recharge", 500, "payment"),
        Granted("paid-T-of-a-recharge", 500),
        (500, 100, 0, 0, 0),
        four_calls,
    ),
    "pay otherwise": Case(
        lambda at: at.pay("of-a-recharge", 500, "payment", "EUR"),
        Flagged("currency_differs"),
        (0, 100, 0, 0, 0),
        four_calls,
        again=Flagged("unbooked"),
    ),
    "submit_recharge": Case(
        lambda at: asked(at, at.store.ledger.submit_recharge),
        Asked(500, "USD", "card", RechargeStatus.CLAIMED, 0, 0, 0),
        (0, 100, 0, 0, 0),
        four_calls,
        again=Asked(500, "USD", "card", RechargeStatus.SUBMITTED, 0, 0, 0),
    ),
    "doubt_recharge": Case(
        lambda at: asked(at, at.store.ledger.doubt_recharge),
        Asked(500, "USD", "card", RechargeStatus.CLAIMED, 0, 0, 0),
        (0, 100, 0, 0, 0),
        four_calls,
        again=Asked(500, "USD", "card", RechargeStatus.UNKNOWN, 0, 0, 0),
    ),
    "fail_recharge": Case(
        lambda at: failed(at, lasting=False), None, (0, 100, 0, 0, 0), four_calls
    ),
    "fail_recharge for good": Case(
        lambda at: failed(at, lasting=True), None, (0, 100, 0, 0, 0), four_calls
    ),
    "request_recharge": Case(
        lambda at: at.store.ledger.request_recharge(at.account, "by-hand", 70),
        "recharge-request_recharge-contoso-T",
        (50, 50, 0, 0, 0),
        two_calls,
    ),
    "suspend_recharge": Case(
        lambda at: at.store.ledger.suspend_recharge(at.account),
        None,
        (0, 100, 0, 0, 0),
        four_calls,
    ),
    "resume_recharge": Case(
        lambda at: at.store.ledger.resume_recharge(at.account),
        None,
        (500, 100, 0, 0, 0),
        a_recharge_is_suspended,
    ),
    "take_back": Case(disputed, 400, (100, 100, 0, 0, 400), a_recharge_is_paid, again=0),
    "flag_payment": Case(dispute_won, None, (50, 50, 0, 0, 0), two_calls),
    "dismiss_payment": Case(
        lambda at: at.store.ledger.dismiss_payment(at.account, "won"),
        None,
        (50, 50, 0, 0, 0),
        a_payment_is_unbooked,
        again=Refused("unknown_payment"),
    ),
}


async def prepared(store: Store, name: str) -> Books:
    """Prepare an account for an operation; in an empty store it is always the same."""
    at = books(store, f"{name.replace(' ', '-')}-contoso")
    await CASES[name].prepare(at)
    return at


async def outcomes(ats: dict[str, Books]) -> dict[str, str]:
    """Ask for operations all at once: the answers, and why there is none where there is none."""

    async def outcome(name: str, at: Books) -> str:
        try:
            return timeless(await CASES[name].ask(at))
        except LedgerUnavailableError as error:
            return f"{UNAVAILABLE}: {error}"

    async with asyncio.TaskGroup() as tasks:
        asked = {name: tasks.create_task(outcome(name, at)) for name, at in ats.items()}
    return {name: one.result() for name, one in asked.items()}


def wrong(told: dict[str, str], *, again: bool) -> dict[str, str]:
    """Give the answers that are not right; ``again`` if those who asked had asked before."""
    return {
        name: answer
        for name, answer in told.items()
        if answer not in CASES[name].answers(again=again)
    }


async def undisturbed(store: Store) -> dict[str, Picture]:
    """Do each operation with nothing in its way, and give what it leaves."""
    pictures = {}
    for name, case in CASES.items():
        await store.redis.flushall()
        at = await prepared(store, name)
        before = await picture(at)
        assert timeless(await case.ask(at)) == repr(case.answer)
        assert await parts(at) == case.parts
        pictures[name] = await picture(at)
        assert pictures[name] != before
        assert await differences(store) == []
    return pictures
