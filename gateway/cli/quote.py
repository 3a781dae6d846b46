"""``coinbox quote``: what would be answered to a call, why, what it costs, how long it lasts."""

import asyncio
from typing import Annotated, Any

import typer
from rich.table import Table

from gateway import config, names, published
from gateway.admin.quotes import question, quote_body
from gateway.calls.decider import Decided, Decider
from gateway.cli.terminal import ConfigOption, checked, moment, out
from gateway.ledger.statements import Statements
from gateway.rating.case import CallType
from gateway.stores import open_store


def quote(
    *,
    account: Annotated[str, typer.Option(help="Who pays; not asked for conf_in.")] = "",
    user: Annotated[str, typer.Option(help="Who calls, or the organizer of a conference.")] = "",
    to: Annotated[str, typer.Option(help="The number, as it is dialed.")],
    call_type: Annotated[CallType, typer.Option("--type", help="Which leg.")] = CallType.USER_OUT,
    at: Annotated[str, typer.Option(help="Another time than now, such as 2027-01-31T12:00Z.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="As the HTTP API writes it.")] = False,
    config_file: ConfigOption = None,
) -> None:
    """Decide a call that nobody makes, and hold nothing."""
    for name, word, pattern in (
        ("--account", account, names.ACCOUNT),
        ("--user", user, names.USER),
    ):
        if word:
            checked(name, word, pattern)
    at_ms = moment("--at", at) if at else None
    settings = config.load(config_file)
    rules = published.load_rules(settings)

    async def run() -> Decided:
        async with open_store(settings) as store:
            decider = Decider(Statements(store), rules)
            return await decider.quote(question(account, user, to, call_type), at_ms)

    body = quote_body(asyncio.run(run()))
    if as_json:
        out.print_json(data=body)
    else:
        _print(body)


def _print(body: dict[str, Any]) -> None:
    steps = Table("step", "what it says")
    for step in body["steps"]:
        steps.add_row(step["step"], step["says"])
    out.print(steps)
    if rate := body.get("rate"):
        out.print(
            f"rate      {body['destination']}: {rate['rate_per_minute']} a minute,"
            f" {rate['connection_fee']} a call, {rate['initial_seconds']} s and then by"
            f" {rate['increment_seconds']} s ({rate['version']}, row {rate['row']})"
        )
        out.print(f"a minute  {body['first_minute']} {body['currency']}")
    if "lasts_seconds" in body:
        paying = " and then ".join(filter(None, (body["pool"], "credit" if body["credit"] else "")))
        out.print(f"paid by   {paying}")
        out.print(
            f"held      {body['first_slice_cost']} for the first {body['first_slice_seconds']} s;"
            f" available {body['available_before']}, then {body['available_after']}"
        )
        lasts, longest = body["lasts_seconds"], body["longest_seconds"]
        why = "the longest that a call may" if lasts == longest else "if nobody else spends"
        out.print(f"lasts     {lasts // 3600}:{lasts // 60 % 60:02}:{lasts % 60:02}, {why}")
    limit_of = f" of the {body['limit_of']}" if body["limit_of"] else ""
    verdict = "allowed" if body["allowed"] else f"refused, {body['reason']}{limit_of}"
    out.print(f"answer    {verdict}, by step {body['step']}")
