"""Plans: the minutes that users have without paying from the balance, and countries as data."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from gateway.errors import BadInputError, Fault
from gateway.rating.number import is_country, read_country
from gateway.rating.week import zone

UNLIMITED_SECONDS = 2**52
"""Size of a pool that never ends."""

_NAME = r"^[a-z0-9-]{1,32}$"
_ZONE = "zone:"


@dataclass(frozen=True, slots=True)
class Pool:
    """Included seconds that users share until ``ends_ms``: ``size_seconds`` in all.

    A slice takes up to ``slice_seconds`` of them. The name says account, plan and period.
    """

    name: str
    size_seconds: int
    slice_seconds: int
    ends_ms: int


Country = Annotated[str, AfterValidator(read_country)]
Minutes = Annotated[int, Field(ge=0, le=10_000_000)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Include(_Part):
    """Minutes of a plan: for which calls, and where to."""

    name: Annotated[str, Field(pattern=_NAME)]
    calls: Literal["user_out", "conf_out"]
    to: tuple[str, ...]
    minutes: Minutes | Literal["unlimited"]
    minutes_of: dict[Country, Minutes] = {}

    def seconds_for(self, country: str) -> int:
        """Give what a user of a country has of it in a month."""
        if self.minutes == "unlimited":
            return UNLIMITED_SECONDS
        return self.minutes_of.get(country, self.minutes) * 60


class Plan(_Part):
    """What a user has who has this plan. With ``credits`` he may spend the balance."""

    pool: Literal["account", "country", "user"] = "user"
    credits: bool = False
    includes: tuple[Include, ...] = ()


class Plans(_Part):
    """All plans by name, the zones, and the countries that are domestic to each other."""

    domestic: tuple[frozenset[Country], ...] = ()
    zones: dict[str, frozenset[Country]] = {}
    plans: dict[Annotated[str, Field(pattern=_NAME)], Plan]

    @model_validator(mode="after")
    def _fits_together(self) -> "Plans":
        known = {"domestic", "international", *(_ZONE + name for name in self.zones)}
        for name, plan in self.plans.items():
            if len({include.name for include in plan.includes}) < len(plan.includes):
                message = f"plans.{name}: two includes have one name"
                raise ValueError(message)
            for include in plan.includes:
                for where in include.to:
                    if where not in known and not is_country(where):
                        message = f"plans.{name}: to: {where!r} is no country and no zone"
                        raise ValueError(message)
        return self

    def is_domestic(self, country: str, other: str) -> bool:
        """Tell whether a call between countries is domestic; one that is not known never is."""
        together = {country, other}
        return "" not in together and (
            country == other or any(together <= group for group in self.domestic)
        )

    def in_zone(self, name: str, country: str) -> bool:
        """Tell whether a country is in a zone."""
        return country in self.zones.get(name, ())

    def covers(self, include: Include, country: str, other: str) -> bool:
        """Tell whether minutes of a user of ``country`` may be used to call the other country."""
        where = "domestic" if self.is_domestic(country, other) else "international"
        return any(
            word in (where, other)
            or (word.startswith(_ZONE) and self.in_zone(word.removeprefix(_ZONE), other))
            for word in include.to
        )


def read_plans(source: str, text: str) -> Plans:
    """Read plans from TOML; ``source`` is the file's name.

    Raises BadInputError that names every wrong key.
    """
    try:
        return Plans.model_validate(tomllib.loads(text))
    except ValidationError as error:
        raise BadInputError([_fault(source, one) for one in error.errors()]) from error
    except (ValueError, RecursionError) as error:
        raise BadInputError([Fault(source, "file", "", str(error))]) from error


def _fault(source: str, error: Mapping[str, Any]) -> Fault:
    name = ".".join(map(str, error["loc"])) or "plans"
    value = "" if isinstance(error["input"], dict) else str(error["input"])
    return Fault(source, name, value, error["msg"])


@dataclass(frozen=True, slots=True)
class Periods:
    """The day and the month of a time, by the clocks of an account; the month's end in epoch ms."""

    day: str
    month: str
    month_ends_ms: int

    @classmethod
    def of(cls, now_ms: int, time_zone: str) -> "Periods":
        """Give the periods of a time (epoch ms)."""
        return _periods(now_ms // 1000, time_zone)


# Asked for by every call, and the same for all within a second.
@lru_cache(maxsize=256)
def _periods(now: int, time_zone: str) -> Periods:
    at = datetime.fromtimestamp(now, zone(time_zone))
    year, month = (at.year + 1, 1) if at.month == 12 else (at.year, at.month + 1)  # noqa: PLR2004 - December
    ends = datetime(year, month, 1, tzinfo=at.tzinfo)
    return Periods(f"{at:%Y-%m-%d}", f"{at:%Y-%m}", round(ends.timestamp() * 1000))


@dataclass(frozen=True, slots=True)
class Licensee:
    """A user with his plans, in an account whose users have theirs.

    Licences are those that are ``assigned``: users by country and plan; or as many as were
    ``bought``, by PLAN, or by PLAN:COUNTRY where the users of a country share a pool.
    """

    user: str
    country: str
    plans: tuple[str, ...]
    assigned: Mapping[tuple[str, str], int]
    bought: Mapping[str, int]

    def seconds(self, name: str, plan: Plan, include: Include) -> int:
        """Give the size of the pool that a plan gives for this user (rule C8)."""
        if plan.pool == "user" or include.minutes == "unlimited":
            return include.seconds_for(self.country)
        if plan.pool == "country":
            licences = self.assigned.get((self.country, name), 0)
            licences = self.bought.get(f"{name}:{self.country}", licences)
            return licences * include.seconds_for(self.country)
        if name in self.bought:
            return self.bought[name] * include.seconds_for(self.country)
        return sum(
            licences * include.seconds_for(country)
            for (country, plan_name), licences in self.assigned.items()
            if plan_name == name
        )


def pools(
    plans: Plans, who: Licensee, calls: str, other: str, *, periods: Periods, slice_seconds: int
) -> Iterator[Pool]:
    """Give the pools that cover a user's call to another country, in the order of his plans.

    Raises KeyError for a plan that is not there.
    """
    for name in who.plans:
        plan = plans.plans[name]
        shared_by = {"account": "all", "country": who.country or "none", "user": who.user}
        for include in plan.includes:
            if include.calls == calls and plans.covers(include, who.country, other):
                yield Pool(
                    f"{name}:{include.name}:{shared_by[plan.pool]}:{periods.month}",
                    who.seconds(name, plan, include),
                    slice_seconds,
                    periods.month_ends_ms,
                )
