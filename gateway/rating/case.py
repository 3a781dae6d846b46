"""A call that is asked for, joined with all that a decision about it rests on."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from gateway.rating.columns import Direction
from gateway.rating.number import Kind, Number, is_country, read_number
from gateway.rating.plan import UNLIMITED_SECONDS, Licensee, Periods, Plans, Pool, pools
from gateway.rating.price import Tariff
from gateway.rating.profile import (
    ConferencePolicy,
    Profile,
    UserPolicy,
    read_profile,
)
from gateway.rating.ratecard import RateCard
from gateway.rating.terms import Terms

# Of users who have none, in accounts that set none.
DEFAULT_PLANS = ("credits",)
_NEVER_INCLUDED = frozenset({Kind.PREMIUM, Kind.SHORT, Kind.EMERGENCY, Kind.OTHER})


class CallType(StrEnum):
    """Who calls whom, and so which leg is paid."""

    USER_OUT = "user_out"
    USER_OUT_CONF = "user_out_conf"
    USER_OUT_TRANSFER = "user_out_transfer"
    USER_OUT_FORWARDING = "user_out_forwarding"
    CONF_OUT = "conf_out"
    CONF_IN = "conf_in"
    USER_IN = "user_in"
    UNASSIGNED_IN = "unassigned_in"
    EMERGENCY_OUT = "emergency_out"

    @property
    def inbound(self) -> bool:
        """Whether the caller's channel is the paid leg."""
        return self in (CallType.CONF_IN, CallType.USER_IN, CallType.UNASSIGNED_IN)

    @property
    def owned(self) -> bool:
        """Whether the account that pays is the one that owns the dialed number."""
        return self in (CallType.CONF_IN, CallType.UNASSIGNED_IN)


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator has published, and how his PBXes dial.

    ``country`` is that of numbers that come in, and of callers whose own is not known. The PBX's
    prefixes of international calls are ``international``, beside those of the caller's country.
    With ``free_on_fault``, what cannot be priced is connected free (rule C11).
    """

    cards: RateCard
    plans: Plans
    country: str = ""
    international: tuple[str, ...] = ()
    slice_seconds: int = 60
    free_on_fault: bool = False


@dataclass(frozen=True, slots=True)
class Bound:
    """What a limit on spending leaves, in micro-units: the limit of the account or of the user."""

    reason: str
    limit_of: str
    micros: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of those who pay when a call is asked for; money in micro-units.

    Profiles are as they were set; ``user`` is empty where nobody dials. ``licences`` count users by
    what each has of his own: a country, and plans. ``reached`` is a limit that lets no further call
    begin, whose it is, and how many it allows.
    """

    now_ms: int
    currency: str
    available: int
    profile: Mapping[str, str]
    overdraft: int = 0
    user: str = ""
    user_profile: Mapping[str, str] = field(default_factory=dict)
    licences: Mapping[tuple[str, str], int] = field(default_factory=dict)
    reached: tuple[str, str, int] | None = None
    bounds: tuple[Bound, ...] = ()

    @property
    def spendable(self) -> int:
        """Give what may be spent: what is available, and beyond that an overdraft (rule M6)."""
        return self.available + self.overdraft


@dataclass(frozen=True, slots=True)
class Case:
    """A call that is asked for.

    ``profile`` is the user's; what he has not set is the account's. ``pools`` could pay for the
    call, those that never end first; and money could, by ``tariff`` (empty: no row prices it).
    A ``fault`` says why nothing can be said of that: what is published does not fit what is set.
    """

    rules: Rules
    call_type: CallType
    number: Number
    facts: Facts
    account: Profile
    profile: Profile
    periods: Periods
    tariff: Tariff
    pools: tuple[Pool, ...] = ()
    fault: str = ""

    @property
    def seconds_max(self) -> int:
        """Give the longest that the call may last."""
        return min(self.account.seconds_max, self.profile.seconds_max)

    @property
    def international(self) -> bool:
        """Tell whether the call leaves the country, and those that are domestic to it."""
        return not self.rules.plans.is_domestic(self.profile.country, self.number.country)

    @property
    def ordinary(self) -> bool:
        """Tell whether plans may cover the number: it is of a country, and not dear by its kind."""
        return bool(self.number.country) and self.number.kind not in _NEVER_INCLUDED

    @property
    def may_spend(self) -> bool:
        """Tell whether the balance may be spent. Toll-free dial-in needs no licence (rule C3)."""
        plans = self.rules.plans.plans
        return self.call_type.inbound or any(
            plans[name].credits for name in self.profile.plans or ()
        )

    @property
    def prefix(self) -> str:
        """Give the prefix whose calls are counted together: of the card, else the whole number."""
        return self.tariff[-1].prefix if self.tariff else self.number.text.removeprefix("+")

    @property
    def per_minute_max(self) -> int:
        """Give the dearest price a minute that the call may come to, in pico-units."""
        return max(max(rate.per_minute, rate.first_per_minute or 0) for rate in self.tariff)

    def terms(self, pool: Pool | None, *, money: bool) -> Terms:
        """Give what the call is allowed on: a pool, money, or one after the other."""
        return Terms(
            tariff=self.tariff if money else (),
            pool=pool,
            seconds_max=self.seconds_max,
            time_zone=time_zone_of(self.account),
            kind=self.number.kind,
            country=self.number.country,
            international=self.international,
        )


def time_zone_of(account: Profile) -> str:
    """Give the zone in which an account's days and months begin (rule C8)."""
    return account.time_zone or "UTC"


def dialed_number(
    rules: Rules, call_type: CallType, dialed: str, *profiles: Mapping[str, str]
) -> Number | None:
    """Read what was dialed, by the first country that is set; nothing if it is no number.

    Nothing else that is set is read: an emergency must not fail on it.
    """
    countries = [] if call_type.owned else [profile.get("country", "") for profile in profiles]
    country = next(filter(is_country, countries), rules.country)
    return read_number(dialed, country, rules.international)


def open_case(rules: Rules, call_type: CallType, number: Number, facts: Facts) -> Case:
    """Join what is asked with what is known. Raises ValueError for what is set wrong."""
    account = read_profile(facts.profile)
    profile = _inherited(read_profile(facts.user_profile), account, rules)
    periods = Periods.of(facts.now_ms, time_zone_of(account))
    tariff = _tariff(rules, call_type, number, facts)
    case = Case(rules, call_type, number, facts, account, profile, periods, tariff)
    unknown = [name for name in profile.plans or () if name not in rules.plans.plans]
    if unknown and not call_type.inbound:
        # A plan that was taken out of those published, while users have it.
        return replace(case, fault=f"there is no plan {unknown[0]!r}")
    return replace(case, pools=_pools(case))


def _inherited(user: Profile, account: Profile, rules: Rules) -> Profile:
    plans = account.plans if user.plans is None else user.plans
    return replace(
        user,
        country=user.country or account.country or rules.country,
        plans=DEFAULT_PLANS if plans is None else plans,
        user_policy=user.user_policy or account.user_policy or UserPolicy.ANY,
        conf_policy=user.conf_policy or account.conf_policy or ConferencePolicy.ANY,
    )


def _pools(case: Case) -> tuple[Pool, ...]:
    if case.call_type.inbound:
        # What the card prices is paid too, though its range is not known as toll-free.
        free = case.number.kind is not Kind.TOLL_FREE and not case.tariff
        return (unlimited_pool("inbound", case),) if free else ()
    plans = case.rules.plans.plans
    if not case.ordinary or not any(plans[name].includes for name in case.profile.plans or ()):
        return ()
    found = pools(
        case.rules.plans,
        _licensee(case),
        "conf_out" if case.call_type is CallType.CONF_OUT else "user_out",
        case.number.country,
        periods=case.periods,
        slice_seconds=case.rules.slice_seconds,
    )
    endless, others = [], []
    for pool in found:
        if pool.size_seconds == UNLIMITED_SECONDS:
            endless.append(replace(pool, slice_seconds=case.seconds_max))
        else:
            others.append(replace(pool, slice_seconds=min(pool.slice_seconds, case.seconds_max)))
    return (*endless, *others)


def unlimited_pool(name: str, case: Case) -> Pool:
    """Give a pool that never ends, of which a call takes all that it may last at once.

    So nothing has to be extended, and no fault of ours cuts a call that costs nothing.
    """
    periods = case.periods
    full_name = f"{name}:{periods.month}"
    return Pool(full_name, UNLIMITED_SECONDS, case.seconds_max, periods.month_ends_ms)


def _licensee(case: Case) -> Licensee:
    account = case.account
    assigned: Counter[tuple[str, str]] = Counter()
    for (country, plans), count in case.facts.licences.items():
        # What a user has not set is the account's.
        own = read_profile({"country": country, "plans": plans})
        resolved = _inherited(own, account, case.rules)
        for name in resolved.plans or ():
            assigned[resolved.country, name] += count
    profile = case.profile
    return Licensee(
        case.facts.user, profile.country, profile.plans or (), assigned, account.licences
    )


def _tariff(rules: Rules, call_type: CallType, number: Number, facts: Facts) -> Tariff:
    """Find what prices the number. A short number is no start of an E.164 number, and has none."""
    if number.kind in (Kind.SHORT, Kind.EMERGENCY):
        return ()
    direction = Direction.INBOUND if call_type.inbound else Direction.OUTBOUND
    return rules.cards.tariff(direction, facts.currency, number.text, facts.now_ms) or ()
