"""What can be set of an account and of each user, by names and texts: how an admin writes it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gateway.errors import BadInputError, Fault
from gateway.money import parse_amount
from gateway.notices.recipients import parse_recipients
from gateway.rating import profile
from gateway.rating.plan import Plans

_METHOD = re.compile(r"[A-Za-z0-9_.:/-]{1,100}")
_METHODS_MAX = 5


def _up_to(most: int, unset: int, what: str) -> Callable[[str], int]:
    def read(text: str) -> int:
        number = text or str(unset)
        if not number.isascii() or not number.isdecimal() or int(number) > most:
            message = f"must be a number up to {most}; {what}"
            raise ValueError(message)
        return int(number)

    return read


def _money(text: str) -> int:
    return parse_amount(text or "0")


_LIMITS: Mapping[str, Callable[[str], int]] = {
    "limit_calls": _up_to(100_000, 0, "0: no limit"),
    "limit_per_minute": _up_to(100_000, 0, "0: no limit"),
    "limit_day": _money,
    "limit_month": _money,
}
_AMOUNTS: Mapping[str, Callable[[str], int]] = {
    "overdraft": _money,
    "low_below": _money,
    "low_percent": _up_to(100, 20, "of the balance when money came last"),
    "recharge_below": _money,
    "recharge_amount": _money,
    "recharge_day_max": _up_to(1000, 5, "0: no recharge"),
    "recharge_month_max": _money,
}


def _methods(text: str) -> str:
    methods = text.split(",") if text else []
    wrong = [method for method in methods if not _METHOD.fullmatch(method)]
    if wrong or len(set(methods)) < len(methods) or len(methods) > _METHODS_MAX:
        message = f"must be up to {_METHODS_MAX} methods, such as card-1,card-2, each once"
        raise ValueError(message)
    return text


def _recipients(text: str) -> str:
    parse_recipients(text)
    return text


_WORDS: Mapping[str, Callable[[str], str]] = {"methods": _methods, "recipients": _recipients}
USER_NAMES = tuple(name for name in (*profile.NAMES, *_LIMITS) if name not in profile.ACCOUNT_ONLY)
NAMES = (*profile.NAMES, *_LIMITS, *_AMOUNTS, *_WORDS)


@dataclass(slots=True)
class Changes:
    """What is to be set, by the arguments that the ledger takes; what is not named stays."""

    amounts: dict[str, int] = field(default_factory=dict)
    limits: dict[str, int] = field(default_factory=dict)
    profile: dict[str, str] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)


def read_changes(
    where: str, values: Mapping[str, str], plans: Plans, *, of_user: bool = False
) -> Changes:
    """Read values by their names. Raises BadInputError that names every wrong one."""
    faults, changes = [], Changes()
    for name, text in values.items():
        try:
            _known(name, of_user=of_user)
            if name in _LIMITS:
                changes.limits[name.removeprefix("limit_")] = _LIMITS[name](text)
            elif name in _AMOUNTS:
                changes.amounts[name] = _AMOUNTS[name](text)
            elif name in _WORDS:
                changes.words[name] = _WORDS[name](text)
            else:
                _check(name, text, plans)
                changes.profile[name] = text
        except ValueError as error:
            faults.append(Fault(where, name, text, str(error)))
    if faults:
        raise BadInputError(faults)
    return changes


def _known(name: str, *, of_user: bool) -> None:
    if name not in NAMES:
        message = f"there is no {name}; there are {', '.join(USER_NAMES if of_user else NAMES)}"
        raise ValueError(message)
    if of_user and name not in USER_NAMES:
        message = f"{name} is set for the account only"
        raise ValueError(message)


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
