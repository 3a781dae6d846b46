"""What a PBX is answered, by a gateway that runs, and what the gateway tells of it."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from itertools import count

import pytest

from gateway.calls.decider import Decided, Decider
from gateway.calls.ports import CallRequest
from gateway.ledger.outcomes import LedgerUnavailableError
from gateway.rating.case import Rules
from tests.conftest import Store
from tests.integration.agi import asked
from tests.integration.books import Books
from tests.lab.gateway import Gateway, lone_gateway
from tests.lab.ports import Ports
from tests.unit.cases import BERLIN, HARARE, PARIS, RULES, TOLL_FREE

GERMAN = {"country": "DE", "plans": "domestic-120,credits"}
PREFIX = 'SET VARIABLE COINBOX_ANSWER "'


@dataclass(frozen=True)
class Desk:
    """A gateway that runs with the shipped cards and plans, and whoever asks it."""

    gateway: Gateway
    agi_port: int
    numbers: "count[int]"

    async def open(self, credit: str = "1.00", *users: str, **settings: str) -> str:
        """Open an account of its own with these settings, and users who have none."""
        account = f"account-{next(self.numbers)}"
        pairs = [
            option for name, text in settings.items() for option in ("--set", f"{name}={text}")
        ]
        names = [option for user in users or ("ana",) for option in ("--user", user)]
        await self.gateway.open_account(account, *names, *pairs)
        if credit != "0":
            await self.gateway.grant(account, credit, "wire-7")
        return account

    async def ask(
        self,
        account: str,
        to: str,
        call_type: str = "user_out",
        user: str = "ana",
        *,
        pays: str = "",
    ) -> tuple[str, str]:
        """Ask as the dialplan does; give the answer without who pays, and the call's id."""
        call_id = f"pbx-{next(self.numbers)}"
        said = await asked(self.agi_port, call_id, call_type, account, user, to)
        answer = said.removeprefix(PREFIX).rstrip('"\n')
        if answer.startswith("ALLOW"):
            answer, _, payer = answer.rpartition(",")
            assert payer == (pays or account)
        return answer, call_id

    async def call(self, call_id: str) -> dict[str, object]:
        return next(call for call in await self.gateway.calls() if call["id"] == call_id)

    def told(self, call_id: str) -> dict[str, object]:
        """Give the line of the log that tells the answer to a call."""
        lines = [json.loads(line) for line in self.gateway.log().splitlines() if line[:1] == "{"]
        [told] = [line for line in lines if line.get("call") == call_id]
        assert isinstance(told, dict)
        return told


@pytest.fixture(scope="module")
async def desk(tmp_path_factory: pytest.TempPathFactory, ports: Ports) -> AsyncIterator[Desk]:
    async with lone_gateway(tmp_path_factory.mktemp("desk"), ports) as gateway:
        yield Desk(gateway, gateway.agi_port, count())


async def test_plan_minutes_are_held_before_credit_and_the_log_says_why(desk: Desk) -> None:
    account = await desk.open(**GERMAN)
    answer, call_id = await desk.ask(account, "030123456")
    assert answer == f"ALLOW,60,{BERLIN}"
    call = await desk.call(call_id)
    assert (call["held"], call["included_seconds"], call["destination"]) == (
        "0.000000",
        60,
        "Germany",
    )
    told = desk.told(call_id)
    assert (told["event"], told["step"], told["held"]) == (
        "call.allowed",
        "plan_minutes",
        "0.000000",
    )
    assert (told["available_before"], told["available"]) == ("1.000000", "1.000000")
    assert str(told["pool"]).startswith("domestic-120:domestic:DE:2")


async def test_credit_is_held_for_what_no_plan_covers_at_the_published_rate(desk: Desk) -> None:
    account = await desk.open(**GERMAN)
    answer, call_id = await desk.ask(account, HARARE)
    assert answer == f"ALLOW,60,{HARARE}"
    told = desk.told(call_id)
    assert (told["step"], told["held"], told["pool"]) == ("credit", "0.368500", "")
    assert (told["available_before"], told["available"]) == ("1.000000", "0.631500")
    assert str(told["rate"]).startswith("outbound@")
    assert (await desk.call(call_id))["rate"] == told["rate"]


@pytest.mark.parametrize(
    ("settings", "to", "reason", "step"),
    [
        ({"user_policy": "none"}, BERLIN, "policy", "policy"),
        ({}, "+49900123456789"[:13], "premium", "policy"),
        ({"blocked": "49"}, BERLIN, "blocked", "policy"),
        ({"plans": "none"}, BERLIN, "no_licence", "deny"),
        ({}, "116117", "no_rate", "deny"),
        ({"rate_max": "0.01"}, BERLIN, "limit_rate", "deny"),
        ({"limit_day": "0.01"}, BERLIN, "limit_day", "deny"),
        ({"limit_month": "0.01"}, BERLIN, "limit_month", "deny"),
        ({}, "*67", "bad_number", "deny"),
    ],
)
async def test_a_refusal_names_its_reason_and_the_step(
    desk: Desk, settings: dict[str, str], to: str, reason: str, step: str
) -> None:
    account = await desk.open(country="DE", **settings)
    answer, call_id = await desk.ask(account, to)
    assert answer == f"DENY,{reason},"
    told = desk.told(call_id)
    assert (told["event"], told["reason"], told["step"]) == ("call.refused", reason, step)
    assert (await desk.gateway.account(account))["held"] == "0.000000"


async def test_without_credit_plan_minutes_and_free_inbound_go_on(desk: Desk) -> None:
    # C9.
    account = await desk.open("0", **GERMAN)
    await desk.gateway.open_account(account, "--number", "+4930999001", "--number", TOLL_FREE)
    assert (await desk.ask(account, BERLIN))[0] == f"ALLOW,60,{BERLIN}"
    assert (await desk.ask("", "+4930999001", "conf_in", "", pays=account))[0] == (
        "ALLOW,86400,+4930999001"
    )
    assert (await desk.ask(account, "+4930999001", "user_in"))[0] == "ALLOW,86400,+4930999001"
    assert (await desk.ask(account, PARIS))[0] == "DENY,no_credit,"
    assert (await desk.ask("", TOLL_FREE, "conf_in", ""))[0] == "DENY,no_credit,"
    assert (await desk.ask(account, TOLL_FREE, "user_in"))[0] == "DENY,no_credit,"


async def test_of_thirty_at_once_as_many_are_allowed_as_the_limit_says(desk: Desk) -> None:
    # C12.
    account = await desk.open("100", "ana", "bob", limit_calls="5")
    await desk.gateway.command("users", "set", account, "ana", "--set", "limit_calls=3")
    answers = await asyncio.gather(
        *(desk.ask(account, BERLIN, user=("ana", "bob")[caller % 2]) for caller in range(30))
    )
    refused = [call_id for answer, call_id in answers if answer == "DENY,limit_calls,"]
    assert len(refused) == 25
    assert {desk.told(call_id)["limit_of"] for call_id in refused} <= {"account", "user"}
    assert len([call for call in await desk.gateway.calls() if call["account"] == account]) == 5


async def test_a_question_that_is_asked_again_has_the_same_answer_and_another_is_a_conflict(
    desk: Desk,
) -> None:
    account = await desk.open(**GERMAN, limit_calls="1")
    answer, call_id = await desk.ask(account, BERLIN)
    allowed = f"{answer},{account}"
    for to, said in ((BERLIN, allowed), ("030123456", allowed), (PARIS, "DENY,conflict,")):
        again = await asked(desk.agi_port, call_id, "user_out", account, "ana", to)
        assert again == f'{PREFIX}{said}"\n'
    assert (await desk.gateway.account(account))["held"] == "0.000000"


async def test_calls_to_one_prefix_are_counted_within_a_minute(desk: Desk) -> None:
    account = await desk.open("100", limit_per_minute="2")
    answers = [(await desk.ask(account, to))[0] for to in (HARARE, HARARE, HARARE, PARIS)]
    assert [answer.partition(",")[0] for answer in answers] == ["ALLOW", "ALLOW", "DENY", "ALLOW"]
    assert answers[2] == "DENY,limit_per_minute,"


async def test_calls_that_a_plan_pays_are_counted_by_the_prefix_of_the_card_too(
    desk: Desk,
) -> None:
    account = await desk.open("0", country="DE", plans="domestic-120", limit_per_minute="2")
    answers = [(await desk.ask(account, f"+493012345{last}"))[0] for last in (1, 2, 3)]
    assert [answer.partition(",")[0] for answer in answers] == ["ALLOW", "ALLOW", "DENY"]


async def test_the_minutes_of_a_pool_are_never_held_twice(desk: Desk) -> None:
    # Minutes for 120 calls, and nobody who may spend money, of which there is none.
    account = await desk.open("0", country="DE", plans="domestic-120", licences="domestic-120:DE=0")
    assert (await desk.ask(account, BERLIN))[0] == "DENY,no_licence,"
    await desk.gateway.command("accounts", "set", account, "--set", "licences=domestic-120:DE=1")
    answers = await asyncio.gather(*(desk.ask(account, BERLIN) for _ in range(130)))
    assert sum(answer.startswith("ALLOW,60") for answer, _ in answers) == 120
    assert {answer for answer, _ in answers} == {f"ALLOW,60,{BERLIN}", "DENY,no_licence,"}


async def test_money_follows_at_once_where_a_pool_has_less_than_a_slice_left(desk: Desk) -> None:
    # C7. A slice of 7 s would end before a PBX that is slow has told of the answer.
    account = await desk.open(**GERMAN, seconds_max="53")
    answers = [await desk.ask(account, BERLIN) for _ in range(135)]
    assert {answer for answer, _ in answers} == {f"ALLOW,53,{BERLIN}"}
    # Of 7200 s, 45 s are left.
    await desk.gateway.command("accounts", "set", account, "--set", "seconds_max=")
    answer, call_id = await desk.ask(account, BERLIN)
    assert answer == f"ALLOW,105,{BERLIN}"
    call = await desk.call(call_id)
    assert (call["included_seconds"], call["held"]) == (45, "0.022500")
    told = desk.told(call_id)
    assert (call["state"], told["step"]) == ("authorized", "plan_minutes")
    assert (told["seconds"], told["held"]) == (105, "0.022500")
    assert (told["available_before"], told["available"]) == ("1.000000", "0.977500")


async def test_an_emergency_number_that_only_the_account_s_country_has_is_connected(
    desk: Desk,
) -> None:
    # C2.
    account = await desk.open("0", country="DE", user_policy="none", plans="none")
    answer, call_id = await desk.ask(account, "110")
    assert answer == "EMERGENCY,,110"
    assert desk.told(call_id)["event"] == "call.emergency_asked"
    assert (await desk.ask("", "112", user=""))[0] == "EMERGENCY,,112"
    assert (await desk.ask(account, "110", "conf_in"))[0] == "DENY,unknown_account,"


async def decided(store: Store, request: CallRequest, rules: Rules = RULES) -> Decided:
    return await Decider(store.statements, rules).quote(request)


async def test_emergency_numbers_are_connected_with_the_store_down(store: Store) -> None:
    # C2. Which country the caller is in is not known then; that of the PBX is.
    german = replace(RULES, country="DE")
    async with store.frozen():
        for dialed, rules in (("112", RULES), ("110", german)):
            question = CallRequest("c", "user_out", "contoso", "ana", dialed)
            found = await decided(store, question, rules)
            assert (found.decision.step, found.decision.reason) == ("emergency", None)
            assert found.number == dialed
        with pytest.raises(LedgerUnavailableError):
            await decided(store, CallRequest("c", "user_out", "contoso", "ana", "110"))


async def test_a_store_that_is_back_within_two_seconds_is_waited_for(
    store: Store, at: Books
) -> None:
    profile = {"country": "DE", "plans": "domestic-120"}
    await at.store.ledger.configure(at.account, "set", profile=profile)
    await store.kill()
    found = await decided(store, CallRequest("c", "user_out", at.account, "alice", BERLIN))
    assert found.decision.step == "plan_minutes"


async def test_an_emergency_number_of_the_pbx_s_country_is_none_of_a_caller_elsewhere(
    store: Store, at: Books
) -> None:
    await at.store.ledger.configure(at.account, "set", profile={"country": "GB"})
    question = CallRequest("c", "user_out", at.account, "alice", "110")
    found = await decided(store, question, replace(RULES, country="DE"))
    assert found.decision.reason == "no_rate"


@pytest.mark.parametrize(
    ("account", "user", "to", "call_type", "reason"),
    [
        ("nobody", "alice", BERLIN, "user_out", "unknown_account"),
        ("", "alice", BERLIN, "user_out", "unknown_account"),
        ("{}", "eve", BERLIN, "user_out", "unknown_user"),
        ("{}", "", BERLIN, "conf_out", "unknown_user"),
        ("{}", "a b", BERLIN, "user_out", "unknown_user"),
        ("{}", "alice", "030123456", "user_out", "bad_number"),
        ("{}", "alice", BERLIN, "emergency_out", "bad_number"),
        ("{}", "alice", BERLIN, "fax", "unknown_call_type"),
        ("{}", "", "+18005550199", "conf_in", "unknown_account"),
    ],
)
async def test_what_is_not_known_is_said(
    *, store: Store, at: Books, account: str, user: str, to: str, call_type: str, reason: str
) -> None:
    question = CallRequest("c", call_type, account.format(at.account), user, to)
    found = await decided(store, question)
    assert (found.decision.reason, found.decision.step) == (reason, "deny")
    assert found.decision.looks[-1].says


async def test_the_licences_of_all_users_make_the_pool(store: Store, at: Books) -> None:
    # C8, by what the ledger counts.
    await at.store.ledger.configure(at.account, "set", profile={"country": "DE"})
    for number, (country, plans) in enumerate(
        (("", "domestic-120"), ("DE", "domestic-120,credits"), ("FR", "domestic-120"), ("", ""))
    ):
        profile = {"country": country, "plans": plans}
        await at.store.ledger.set_user(
            at.account, f"set-{number}", f"user-{number}", profile=profile
        )
    found = await decided(store, CallRequest("c", "user_out", at.account, "user-0", BERLIN))
    assert found.case
    [pool] = found.case.pools
    assert pool.size_seconds == 2 * 7200


async def test_what_was_spent_on_another_day_is_not_counted(store: Store, at: Books) -> None:
    await at.store.ledger.configure(at.account, "set", limits={"day": 1_000_000})
    await at.hold("yesterday", (60, 1_000_000), day="2020-01-01")
    question = CallRequest("c", "user_out", at.account, "alice", BERLIN)
    assert (await decided(store, question)).decision.reason is None
