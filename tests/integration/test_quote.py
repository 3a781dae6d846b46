"""What callers, admins and programs are told of a call before it is made, and what is published."""

import json

import pytest

from tests.integration.shell import Shell

ANA = ("quote", "--account", "contoso", "--user", "ana")
BERLIN = "+4930123456"


@pytest.fixture
def contoso(shell: Shell) -> Shell:
    """An account with 1.00 and a user in Germany who has plan minutes."""
    plans = ("--set", "country=DE", "--set", "plans=domestic-120,credits")
    shell.run("accounts", "open", "contoso", "--currency", "USD", "--user", "ana", *plans)
    shell.run("accounts", "grant", "contoso", "1.00", "--reference", "wire-7")
    return shell


def quoted(shell: Shell, to: str, *more: str) -> dict[str, object]:
    shown = shell.run(*ANA, "--to", to, "--json", *more)
    assert shown.returncode == 0, shown.stderr
    body = json.loads(shown.stdout)
    assert isinstance(body, dict)
    return body


def test_a_quote_tells_who_pays_what_it_costs_and_how_long_it_lasts(contoso: Shell) -> None:
    plan = quoted(contoso, "030123456")
    assert (plan["allowed"], plan["step"], plan["number"]) == (True, "plan_minutes", BERLIN)
    assert str(plan["pool"]).startswith("domestic-120:domestic:DE:2")
    # 120 minutes of the plan, and then 1.00 at 0.01 a call and 0.0125 a minute.
    assert (plan["first_slice_cost"], plan["lasts_seconds"]) == ("0.000000", 7200 + 79 * 60 + 12)
    credit = quoted(contoso, "0033142685300")
    assert (credit["step"], credit["pool"], credit["credit"]) == ("credit", None, True)
    assert (credit["country"], credit["international"], credit["kind"]) == ("FR", True, "fixed")
    rate = credit["rate"]
    assert isinstance(rate, dict)
    assert rate["version"].startswith("outbound@")
    assert credit["available_before"] == "1.000000"
    # Nothing is held for a quote.
    assert contoso.account("contoso")["available"] == "1.000000"


def test_a_quote_may_be_of_another_time(contoso: Shell) -> None:
    # The sample card has a dearer rate for Lithuania on working days.
    day, night = (
        quoted(contoso, "0037052123456", "--at", f"2027-01-27T{hour}:00Z")["rate"]
        for hour in ("12", "22")
    )
    assert isinstance(day, dict)
    assert isinstance(night, dict)
    assert day["times"] == "mon-fri 08:00-18:00"
    assert float(day["rate_per_minute"]) > float(night["rate_per_minute"])
    assert "'soon'" in contoso.fails(*ANA, "--to", BERLIN, "--at", "soon")


def test_a_quote_says_step_by_step_why_a_call_is_refused(contoso: Shell) -> None:
    contoso.run("users", "set", "contoso", "ana", "--set", "user_policy=domestic")
    refused = quoted(contoso, "+33142685300")
    assert (refused["allowed"], refused["step"], refused["reason"]) == (False, "policy", "policy")
    steps = refused["steps"]
    assert isinstance(steps, list)
    assert [step["step"] for step in steps] == ["emergency", "policy"]
    for_people = contoso.run(*ANA, "--to", "+33142685300")
    assert for_people.returncode == 0
    assert for_people.stdout.splitlines()[-1] == "answer    refused, policy, by step policy"


def test_a_quote_for_people_says_the_same(contoso: Shell) -> None:
    said = contoso.run(*ANA, "--to", "030123456").stdout
    assert "paid by   domestic-120:domestic:DE:2" in said
    assert "and then credit" in said
    assert "lasts     3:19:12, if nobody else spends" in said
    assert said.splitlines()[-1] == "answer    allowed, by step plan_minutes"


def test_a_quote_of_what_is_not_known_says_so(contoso: Shell) -> None:
    assert quoted(contoso, "*67")["reason"] == "bad_number"
    said = contoso.run("quote", "--account", "contoso", "--user", "eve", "--to", "[/red]12")
    assert "contoso has no user 'eve'" in said.stdout
    said = contoso.run(*ANA, "--to", "[/red]12")
    assert "'[/red]12' is no number" in said.stdout


def test_a_plan_that_is_gone_is_a_fault_of_rating_and_refused_unless_that_is_set(
    contoso: Shell,
) -> None:
    # C11.
    (contoso.folder / "plans.toml").write_text("[plans.credits]\ncredits = true\n")
    settings = {"COINBOX_RATES__PLANS": "plans.toml"}
    for to, reason in ((BERLIN, "rating_fault"), ("110", None)):
        shown = contoso.run(*ANA, "--to", to, "--json", **settings)
        assert json.loads(shown.stdout)["reason"] == reason
    settings["COINBOX_CALLS__ON_RATING_FAULT"] = "free"
    free = json.loads(contoso.run(*ANA, "--to", BERLIN, "--json", **settings).stdout)
    assert (free["allowed"], free["step"]) == (True, "freecall")
    assert free["pool"].startswith("freecall:2")
    assert free["available_after"] == "1.000000"
