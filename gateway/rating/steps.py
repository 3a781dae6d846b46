"""The steps of a decision: what each finds, in words and as a value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from operator import itemgetter

from gateway.money import format_amount
from gateway.rating.case import CallType, Case, unlimited_pool
from gateway.rating.columns import format_picos
from gateway.rating.number import Kind, Number
from gateway.rating.plan import UNLIMITED_SECONDS, Pool
from gateway.rating.price import Slice
from gateway.rating.profile import ConferencePolicy, UserPolicy

ZONE_A = "A"


class Step(StrEnum):
    """What is looked at, in this order; the answer names the one that decided (rule C1)."""

    EMERGENCY = "emergency"
    POLICY = "policy"
    FREE_INBOUND = "free_inbound"
    UNLIMITED = "unlimited"
    PLAN_MINUTES = "plan_minutes"
    CREDIT = "credit"
    DENY = "deny"
    FREECALL = "freecall"
    """None of the order: rating is at fault, and the operator connects all the same (rule C11)."""


class Reason(StrEnum):
    """Why a call is refused. The dialplan has a prompt and a hang-up cause for each."""

    UNKNOWN_CALL_TYPE = "unknown_call_type"
    UNKNOWN_ACCOUNT = "unknown_account"
    UNKNOWN_USER = "unknown_user"
    BAD_NUMBER = "bad_number"
    POLICY = "policy"
    PREMIUM = "premium"
    BLOCKED = "blocked"
    LIMIT_CALLS = "limit_calls"
    LIMIT_PER_MINUTE = "limit_per_minute"
    NO_LICENCE = "no_licence"
    NO_RATE = "no_rate"
    LIMIT_RATE = "limit_rate"
    LIMIT_DAY = "limit_day"
    LIMIT_MONTH = "limit_month"
    NO_CREDIT = "no_credit"
    RATING_FAULT = "rating_fault"
    UNKNOWN_CONFERENCE = "unknown_conference"
    WRONG_PIN = "wrong_pin"
    BAD_CALL_ID = "bad_call_id"
    CONFLICT = "conflict"
    SERVICE_DOWN = "service_down"


@dataclass(frozen=True, slots=True)
class Look:
    """What a step found; it decides if it ``allows``, or, being the policy, if it has a reason.

    ``limit_of`` names whose limit the reason is: the account's or the user's. A ``pool`` pays, or
    ``slices`` of money may, if there is money.
    """

    step: Step
    says: str
    allows: bool = False
    reason: Reason | None = None
    limit_of: str = ""
    pool: Pool | None = None
    slices: tuple[Slice, ...] = ()


def emergency(call_type: CallType, number: Number) -> Look:
    """Say whether a call is one for help, which needs no look at anything else (rule C2)."""
    if number.kind is Kind.EMERGENCY and not call_type.inbound:
        where = number.country or "every country"
        return Look(Step.EMERGENCY, f"{number.text} is an emergency number of {where}", allows=True)
    return Look(Step.EMERGENCY, f"{number.text} is no emergency number")


def policy(case: Case) -> Look:
    """Say whether this caller may call this number at all (rules C10, C11, C12)."""
    if case.facts.reached:
        reason, limit_of, count = case.facts.reached
        says = f"the {limit_of} has {count} calls, as many as it may have at once"
        return Look(Step.POLICY, says, reason=Reason(reason), limit_of=limit_of)
    if case.call_type.inbound:
        return Look(Step.POLICY, "inbound calls have none")
    refused = _not_where(case) or _not_what(case)
    return refused or Look(Step.POLICY, f"allows {_described(case)}")


def _described(case: Case) -> str:
    scope = "international" if case.international else "domestic"
    country = case.number.country or "no country"
    return f"{case.number.text}: {case.number.kind.replace('_', ' ')}, {country}, {scope}"


def _not_where(case: Case) -> Look | None:
    conference = case.call_type is CallType.CONF_OUT
    if _in_policy(case):
        return None
    policy = case.profile.conf_policy if conference else case.profile.user_policy
    whose = "conference" if conference else "user"
    says = f"the {whose} policy {policy!s} does not allow {_described(case)}"
    return Look(Step.POLICY, says, reason=Reason.POLICY)


def _in_policy(case: Case) -> bool:
    """Tell whether the policy lets the call go where it goes (rule C10)."""
    own = bool(case.number.country) and case.number.country == case.profile.country
    if case.call_type is not CallType.CONF_OUT:
        policy = case.profile.user_policy
        return policy is UserPolicy.ANY or (policy is UserPolicy.DOMESTIC and own)
    match case.profile.conf_policy:
        case ConferencePolicy.COUNTRY:
            return own
        case ConferencePolicy.ZONE_A:
            return case.rules.plans.in_zone(ZONE_A, case.number.country)
        case conference_policy:
            return conference_policy is ConferencePolicy.ANY


def _not_what(case: Case) -> Look | None:
    if case.number.kind is Kind.PREMIUM and not case.account.premium:
        says = f"the account does not allow premium-rate numbers: {_described(case)}"
        return Look(Step.POLICY, says, reason=Reason.PREMIUM)
    for limit_of, profile in (("account", case.account), ("user", case.profile)):
        blocking = _starts(case, profile.blocked)
        if blocking or (profile.allowed and not _starts(case, profile.allowed)):
            says = f"{blocking} is blocked" if blocking else f"{case.number.text} is not allowed"
            says = f"{says} by the prefixes of the {limit_of}"
            return Look(Step.POLICY, says, reason=Reason.BLOCKED, limit_of=limit_of)
    return None


def _starts(case: Case, prefixes: Sequence[str]) -> str:
    """Give the prefix that the number starts with; a short number starts with none."""
    return next((one for one in prefixes if case.number.text.startswith(f"+{one}")), "")


def fault(case: Case) -> Look:
    """Refuse what cannot be priced, or connect it free if the operator wants that (rule C11)."""
    if case.rules.free_on_fault and case.ordinary:
        pool = unlimited_pool("freecall", case)
        return Look(Step.FREECALL, case.fault, allows=True, pool=pool)
    return Look(Step.DENY, case.fault, reason=Reason.RATING_FAULT)


def free_inbound(case: Case) -> Look:
    """Say whether it is an inbound call that costs nobody anything."""
    if not case.call_type.inbound:
        return Look(Step.FREE_INBOUND, "the call is outbound")
    pool = _endless(case)
    says = f"{case.number.text} is {'not ' if pool else ''}toll-free"
    return Look(Step.FREE_INBOUND, says, allows=pool is not None, pool=pool)


def unlimited(case: Case) -> Look:
    """Say whether a plan covers the call without an end."""
    pool = None if case.call_type.inbound else _endless(case)
    says = f"{pool.name} covers it" if pool else "no plan without an end covers it"
    return Look(Step.UNLIMITED, says, allows=pool is not None, pool=pool)


def _endless(case: Case) -> Pool | None:
    return next((pool for pool in case.pools if pool.size_seconds == UNLIMITED_SECONDS), None)


def plan_minutes(case: Case, used: Mapping[str, int]) -> Look:
    """Say which pool pays: the first that has a slice left, else the one that has most."""
    left = [(pool, left_of(pool, used)) for pool in case.pools]
    says = "; ".join(
        f"{pool.name}: {_minutes(free)} of {_minutes(pool.size_seconds)} minutes left"
        for pool, free in left
    )
    whole = next((one for one in left if one[1] >= one[0].slice_seconds), None)
    pool, free = whole or max(left, key=itemgetter(1), default=(None, 0))
    if free:
        return Look(Step.PLAN_MINUTES, says, allows=True, pool=pool)
    return Look(Step.PLAN_MINUTES, says or "no plan covers it")


def _minutes(seconds: int) -> str:
    return f"{seconds // 60}:{seconds % 60:02}"


def left_of(pool: Pool, used: Mapping[str, int]) -> int:
    """Give the seconds that a pool has left."""
    return max(0, pool.size_seconds - used.get(pool.name, 0))


def credit(case: Case) -> Look:
    """Say whether money pays: the user may spend it, a rate is published, and a slice fits."""
    if case.fault:
        return Look(Step.CREDIT, case.fault, reason=Reason.RATING_FAULT)
    if not case.may_spend:
        return Look(Step.CREDIT, "no plan lets the user spend it", reason=Reason.NO_LICENCE)
    if not case.tariff:
        short = case.number.kind is Kind.SHORT
        says = "short numbers have no rate" if short else f"no rate in {case.facts.currency}"
        return Look(Step.CREDIT, says, reason=Reason.NO_RATE)
    if limit_of := _too_dear(case):
        says = f"{format_picos(case.per_minute_max)} a minute is more than the {limit_of} may pay"
        return Look(Step.CREDIT, says, reason=Reason.LIMIT_RATE, limit_of=limit_of)
    terms = case.terms(None, money=True)
    slices = terms.next_slices(case.facts.now_ms // 1000, 0, 0, case.rules.slice_seconds)
    micros, reason, limit_of = room(case)
    says = f"{format_amount(micros)} {case.facts.currency} may be spent"
    if longest(case, slices):
        return Look(Step.CREDIT, says, allows=True, slices=slices)
    says = f"{says}, {format_amount(slices[-1].micros)} is needed"
    return Look(Step.CREDIT, says, reason=reason, limit_of=limit_of, slices=slices)


def longest(case: Case, slices: Sequence[Slice]) -> Slice | None:
    """Give the longest slice that there is money for.

    Credit at or below zero carries no chargeable call, whatever its rate (rule C9).
    """
    micros, _, _ = room(case)
    fitting = (one for one in slices if one.micros <= micros)
    return next(fitting, None) if case.facts.spendable > 0 else None


def _too_dear(case: Case) -> str:
    """Name whose highest rate a minute the call goes beyond, if it does."""
    for limit_of, profile in (("account", case.account), ("user", case.profile)):
        if profile.rate_max is not None and case.per_minute_max > profile.rate_max:
            return limit_of
    return ""


def room(case: Case) -> tuple[int, Reason, str]:
    """Give the least of what may be spent, and what sets it."""
    bounds = [(case.facts.spendable, Reason.NO_CREDIT, "")]
    if case.facts.spendable > 0:
        bounds += [(one.micros, Reason(one.reason), one.limit_of) for one in case.facts.bounds]
    return min(bounds, key=itemgetter(0))
