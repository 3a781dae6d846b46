"""What `accounts` and `users` may set: names and values of a profile, and limits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

import typer

from gateway.errors import BadInputError, Fault
from gateway.money import parse_amount
from gateway.rating import profile
from gateway.rating.plan import Plans

_COUNTS = {"limit_calls": "calls", "limit_per_minute": "per_minute"}
_AMOUNTS = {"limit_day": "day", "limit_month": "month"}
_COUNT_MAX = 100_000
NAMES = (*profile.NAMES, *_COUNTS, *_AMOUNTS)
USER_NAMES = tuple(name for name in NAMES if name not in profile.ACCOUNT_ONLY)

SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help=f"Repeatable; an empty value takes it back. Names: {', '.join(NAMES)}.",
    ),
]


@dataclass(frozen=True, slots=True)
class Changes:
    """What is to be set, as the ledger takes it; what is not named stays."""

    profile: Mapping[str, str] = field(default_factory=dict)
    limits: Mapping[str, int] = field(default_factory=dict)


def pairs(options: list[str] | None) -> dict[str, str]:
    """Take NAME=VALUE apart."""
    found = {}
    for option in options or []:
        name, equals, value = option.partition("=")
        if not equals:
            raise typer.BadParameter(f"{option!r} is not NAME=VALUE", param_hint="--set")
        found[name] = value
    return found


def read_changes(
    where: str, values: Mapping[str, str], plans: Plans, *, of_user: bool = False
) -> Changes:
    """Read values by their names. Raises BadInputError that names every wrong one."""
    faults, texts, limits = [], {}, {}
    for name, text in values.items():
        try:
            _known(name, of_user=of_user)
            if name in _COUNTS:
                limits[_COUNTS[name]] = _count(text)
            elif name in _AMOUNTS:
                limits[_AMOUNTS[name]] = parse_amount(text or "0")
            else:
                _check(name, text, plans)
                texts[name] = text
        except ValueError as error:
            faults.append(Fault(where, name, text, str(error)))
    if faults:
        raise BadInputError(faults)
    return Changes(texts, limits)


def _known(name: str, *, of_user: bool) -> None:
    if name not in NAMES:
        message = f"there is no {name}; there are {', '.join(USER_NAMES if of_user else NAMES)}"
        raise ValueError(message)
    if of_user and name not in USER_NAMES:
        message = f"{name} is set for the account only"
        raise ValueError(message)


def _count(text: str) -> int:
    if not (text or "0").isdecimal() or int(text or "0") > _COUNT_MAX:
        message = f"must be a number up to {_COUNT_MAX}; 0: no limit"
        raise ValueError(message)
    return int(text or "0")


def _check(name: str, text: str, plans: Plans) -> None:
    """Read a text of a profile as a decision will."""
    try:
        read = profile.read_profile({name: text})
    except profile.ProfileError as error:
        raise ValueError(error.why) from error
    for name_of in (*(read.plans or ()), *(one.partition(":")[0] for one in read.licences)):
        if name_of not in plans.plans:
            message = f"there is no plan {name_of!r}"
            raise ValueError(message)
    for licence in read.licences:
        plan, _, country = licence.partition(":")
        wanted = {"account": "PLAN", "country": "PLAN:COUNTRY"}.get(plans.plans[plan].pool)
        if wanted != ("PLAN:COUNTRY" if country else "PLAN"):
            message = f"{plan} takes {wanted}=NUMBER" if wanted else f"{plan} has no shared pool"
            raise ValueError(message)
