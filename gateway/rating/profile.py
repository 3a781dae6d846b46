"""What an account or a user may do, as an admin sets it: a text for each name, read into values."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from gateway.rating.columns import PREFIX, picos, read_time_zone
from gateway.rating.number import read_country
from gateway.rating.price import CALL_SECONDS_MAX


class UserPolicy(StrEnum):
    """Where a user may call. Domestic is his own country only, whatever plans call domestic."""

    ANY = "any"
    DOMESTIC = "domestic"
    NONE = "none"


class ConferencePolicy(StrEnum):
    """Where a conference may call; the country is the organizer's."""

    ANY = "any"
    COUNTRY = "country"
    ZONE_A = "zone_a"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile; what is None or empty is not set.

    A user who has no country, plans or policies has those of the account. All else, of account and
    user both, holds together. ``rate_max`` is in pico-units a minute.
    """

    country: str = ""
    time_zone: str = ""
    plans: tuple[str, ...] | None = None
    user_policy: UserPolicy | None = None
    conf_policy: ConferencePolicy | None = None
    premium: bool = False
    blocked: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    rate_max: int | None = None
    seconds_max: int = CALL_SECONDS_MAX
    licences: Mapping[str, int] = field(default_factory=dict)


ACCOUNT_ONLY = frozenset({"time_zone", "premium", "licences"})

_PLAN = re.compile(r"[a-z0-9-]{1,32}")
_LICENCE = re.compile(r"([a-z0-9-]{1,32}(?::[A-Z]{2})?)=([0-9]{1,7})")


def _list(pattern: re.Pattern[str], what: str) -> Callable[[str], tuple[str, ...]]:
    def read(text: str) -> tuple[str, ...]:
        words = tuple(word.strip() for word in text.split(","))
        if not all(map(pattern.fullmatch, words)) or len(set(words)) < len(words):
            raise ValueError(f"must be {what}, separated by commas, each once")
        return words

    return read


def _plans(text: str) -> tuple[str, ...]:
    return () if text == "none" else _list(_PLAN, "plans, or none")(text)


def _one_of(values: type[StrEnum]) -> Callable[[str], StrEnum]:
    def read(text: str) -> StrEnum:
        if text not in set(values):
            raise ValueError(f"must be one of {', '.join(values)}")
        return values(text)

    return read


def _yes(text: str) -> bool:
    if text not in ("yes", "no"):
        raise ValueError("must be yes or no")
    return text == "yes"


def _seconds(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= CALL_SECONDS_MAX:
        raise ValueError(f"must be seconds from 1 to {CALL_SECONDS_MAX}")
    return int(text)


def _licences(text: str) -> dict[str, int]:
    found = [_LICENCE.fullmatch(word.strip()) for word in text.split(",")]
    if not all(found) or len({match[1] for match in found if match}) < len(found):
        raise ValueError(
            "must be PLAN=NUMBER or PLAN:COUNTRY=NUMBER, separated by commas, each once"
        )
    licences = {match[1]: int(match[2]) for match in found if match}
    for name in licences:
        read_country(name.partition(":")[2] or "US")
    return licences


_READ: Mapping[str, Callable[[str], Any]] = {
    "country": read_country,
    "time_zone": read_time_zone,
    "plans": _plans,
    "user_policy": _one_of(UserPolicy),
    "conf_policy": _one_of(ConferencePolicy),
    "premium": _yes,
    "blocked": _list(PREFIX, "prefixes of digits"),
    "allowed": _list(PREFIX, "prefixes of digits"),
    "rate_max": picos,
    "seconds_max": _seconds,
    "licences": _licences,
}
NAMES = tuple(_READ)


class ProfileError(ValueError):
    """Says which text of a profile is wrong, and why."""

    def __init__(self, name: str, text: str, why: str) -> None:
        """Keep the name and the text."""
        super().__init__(f"{name} = {text!r}: {why}")
        self.name, self.text, self.why = name, text, why


def read_profile(texts: Mapping[str, str]) -> Profile:
    """Read a profile; an empty text is not set. Raises ProfileError."""
    values = {}
    for name, text in texts.items():
        if text:
            try:
                values[name] = _READ[name](text)
            except KeyError:
                raise ProfileError(name, text, f"must be one of {', '.join(NAMES)}") from None
            except ValueError as error:
                raise ProfileError(name, text, str(error)) from error
    return Profile(**values)
