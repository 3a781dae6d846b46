"""Conferences: by the ledger, the command line and HTTP. With calls: tests/lab/test_shapes.py."""

import json

import pytest

from gateway.ledger.journal import entries
from gateway.ledger.outcomes import Conference, Joined, Refused
from tests.conftest import Store
from tests.integration.api import BEARER, Api
from tests.integration.books import Books, told
from tests.integration.shell import Shell

GUEST, LEADER = Joined("alice", leads=False), Joined("alice", leads=True)
WRONG = Refused("wrong_pin")


async def meeting(at: Books, pin: str = "", leader_pin: str = "") -> None:
    """Set up conference 4711, and a live call that may join it."""
    ledger = at.store.ledger
    for _ in range(2):
        assert (
            await ledger.set_conference(at.account, "4711", "alice", pin=pin, leader_pin=leader_pin)
            is None
        )
    await at.hold("pbx-1-1", (60, 10))


@pytest.mark.parametrize(
    ("pin", "leader_pin", "entered", "outcome"),
    [
        ("", "", "", GUEST),
        ("", "", "-", GUEST),
        ("", "9", "", WRONG),  # it has to be asked who leads
        ("", "9", "-", GUEST),
        ("", "9", "1", GUEST),
        ("", "9", "9", LEADER),
        ("12", "", "", WRONG),
        ("12", "", "-", WRONG),
        ("12", "", "1", WRONG),
        ("12", "", "12", GUEST),
        ("12", "9", "12", GUEST),
        ("12", "9", "9", LEADER),
        ("12", "9", "129", WRONG),
    ],
)
async def test_a_caller_joins_by_the_pin_that_he_enters(
    at: Books, pin: str, leader_pin: str, entered: str, outcome: object
) -> None:
    await meeting(at, pin, leader_pin)
    for _ in range(2):
        joined = await at.store.ledger.join_conference(at.account, "pbx-1-1", "4711", entered)
        assert joined == outcome


async def test_who_is_not_there_joins_nothing(at: Books) -> None:
    await meeting(at)
    join = at.store.ledger.join_conference
    assert await join(at.account, "pbx-1-1", "4712", "") == Refused("unknown_conference")
    assert await join(at.account, "pbx-2-1", "4711", "") == Refused("closed")
    await at.void("pbx-1-1")
    assert await join(at.account, "pbx-1-1", "4711", "") == Refused("closed")


async def test_a_conference_belongs_to_a_user_of_an_account_until_it_is_removed(at: Books) -> None:
    set_conference = at.store.ledger.set_conference
    assert await set_conference("nobody", "1", "alice") == Refused("unknown_account")
    assert await set_conference(at.account, "1", "mallory") == Refused("unknown_user")
    await set_conference(at.account, "1", "alice", pin="12")
    await set_conference(at.account, "2", "alice", leader_pin="9")
    assert await at.store.statements.conferences(at.account) == {
        "1": Conference("alice", "12", ""),
        "2": Conference("alice", "", "9"),
    }
    for _ in range(2):
        assert await set_conference(at.account, "1", "") is None
    assert list(await at.store.statements.conferences(at.account)) == ["2"]


async def test_the_journal_names_conference_organizer_and_caller(at: Books, store: Store) -> None:
    # C5: both are recorded, who pays by his licence and who dials.
    await meeting(at)
    await at.store.ledger.join_conference(at.account, "pbx-1-1", "4711", "")
    await at.settle("pbx-1-1", 5)
    shard = store.store.account(at.account).shard
    [entry] = [
        one async for one in entries(store.store, shard, (0, 0)) if one.operation == "settle"
    ]
    named = {name: entry.fields[name] for name in ("conference", "organizer", "caller")}
    assert named == {"conference": "4711", "organizer": "alice", "caller": ""}


async def test_a_number_is_asked_for_once_for_each_request(at: Books) -> None:
    await meeting(at)
    ask = at.store.ledger.dial_out
    for number, outcome in (
        ("+4930123456", "alice"),
        ("+4930123456", "alice"),
        ("+4930123457", Refused("conflict")),
    ):
        asked = await ask(at.account, "r1", "4711", number, "pbx", press_one=True)
        assert asked == outcome
    unknown = await ask(at.account, "r2", "4712", "+4930123456", "pbx", press_one=False)
    assert unknown == Refused("unknown_conference")
    [asked_for] = await told(at, "dial_out")
    assert asked_for == {
        "event": "dial_out",
        "request": "r1",
        "conference": "4711",
        "number": "+4930123456",
        "pbx": "pbx",
        "press_one": "1",
        "organizer": "alice",
    }


async def test_a_request_over_http_that_is_wrong_is_told_what_and_asks_for_nothing(
    api: Api, at: Books, store: Store
) -> None:
    await meeting(at)
    shard = store.store.account(at.account).shard
    before = await store.redis.xlen(shard.events)
    path = f"/v1/conferences/{at.account}/4711/dial-out"
    for body, headers, said in (
        ("{", {}, "Invalid JSON"),
        ("{}", {}, "number = '{}': Field required"),
        ('{"number": "030,1"}', {}, "number = '030,1': String should match"),
        ('{"number": "030", "pbx": "elsewhere"}', {}, "pbx = 'elsewhere': must be one of pbx"),
        ('{"number": "030", "from": "me"}', {}, "from = 'me': Extra inputs"),
        ('{"number": "030"}', {"Idempotency-Key": "a b"}, "Idempotency-Key = 'a b'"),
    ):
        authorized = {"Authorization": BEARER, **headers}
        async with api.client.post(path, data=body, headers=authorized) as answer:
            assert answer.status == 400
            assert said in (await answer.json())["error"]
    async with api.client.post(path, data='{"number": "030"}') as answer:
        assert answer.status == 401
    # A number of no country: nobody could be called.
    async with api.client.post(
        path, data='{"number": "030"}', headers={"Authorization": BEARER}
    ) as answer:
        assert (answer.status, await answer.json()) == (403, {"reason": "bad_number"})
    assert await store.redis.xlen(shard.events) == before


async def test_conferences_are_shown_over_http_without_their_pins(api: Api, at: Books) -> None:
    await meeting(at, "12")
    shown = {"4711": {"organizer": "alice", "pin": True, "leader_pin": False}}
    assert await api.get(f"/v1/conferences/{at.account}") == (200, shown)
    assert await api.get("/v1/conferences/nobody") == (200, {})
    assert (await api.get("/v1/conferences/a b"))[0] == 404


async def test_a_store_that_is_down_says_so(api: Api, at: Books, store: Store) -> None:
    await meeting(at)
    async with store.frozen():
        assert (await api.get(f"/v1/conferences/{at.account}"))[0] == 503
        async with api.client.post(
            f"/v1/conferences/{at.account}/4711/dial-out",
            data='{"number": "+4930123456"}',
            headers={"Authorization": BEARER},
        ) as answer:
            assert answer.status == 503


def test_conferences_are_set_up_by_the_command_line(shell: Shell) -> None:
    shell.run("accounts", "open", "contoso", "--currency", "USD", "--user", "ana")
    run = ("conferences", "set", "contoso", "4711", "--organizer", "ana")
    assert shell.run(*run, "--pin", "12", "--leader-pin", "99").stdout == (
        "contoso: conference 4711 is set\n"
    )
    shown = {"4711": {"organizer": "ana", "pin": True, "leader_pin": True}}
    assert json.loads(shell.run("conferences", "list", "contoso").stdout) == shown
    assert "must differ" in shell.fails(*run, "--pin", "12", "--leader-pin", "12")
    assert "'1a' does not match" in shell.fails(*run, "--pin", "1a")
    assert "unknown_user" in shell.fails(*run[:-1], "bob")
    assert shell.run("conferences", "remove", "contoso", "4711").stdout == (
        "contoso: conference 4711 is removed\n"
    )
    assert json.loads(shell.run("conferences", "list", "contoso").stdout) == {}
