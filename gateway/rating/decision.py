"""May this call be made, and who pays for it: step by step, with a reason for each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from operator import itemgetter

from gateway.money import format_amount
from gateway.rating.case import CallType, Case
from gateway.rating.number import Kind
from gateway.rating.plan import UNLIMITED_SECONDS, Pool
from gateway.rating.price import Slice, affordable
from gateway.rating.profile import ConferencePolicy, UserPolicy
from gateway.rating.terms import Terms

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
    BAD_CALL_ID = "bad_call_id"
    CONFLICT = "conflict"
    SERVICE_DOWN = "service_down"


@dataclass(frozen=True, slots=True)
class Look:
    """What a step found; it decides if it ``allows``, or, being the policy, if it has a reason.

    ``limit_of`` names whose limit the reason is: the account's or the user's.
    """

    step: Step
    says: str
    allows: bool = False
    reason: Reason | None = None
    limit_of: str = ""
    pool: Pool | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What is answered, and every step that led to it; the last one decided.

    Allowed on ``terms``: by their pool first if they have one, and by ``slices`` of money; where
    money does not pay, ``otherwise`` says why. All of that may be taken up by others meanwhile:
    only what the ledger holds is granted.
    """

    looks: tuple[Look, ...]
    terms: Terms | None = None
    slices: tuple[Slice, ...] = ()
    otherwise: Reason = Reason.NO_CREDIT
    seconds: int = 0
    micros: int = 0

    @property
    def step(self) -> Step:
        """Give the step that decided."""
        return self.looks[-1].step

    @property
    def reason(self) -> Reason | None:
        """Give the reason to refuse, if it is refused."""
        return None if self.looks[-1].allows else self.looks[-1].reason


def decide(case: Case, used: Mapping[str, int]) -> Decision:
    """Decide a call; ``used`` are the seconds of its pools that are held or used, by name."""
    looks: list[Look] = []
    for look in _looks(case, used):
        looks.append(look)
        if look.allows:
            return _allowed(case, looks, used)
        if look.step is Step.POLICY and look.reason:
            return Decision(tuple(looks))
    last = looks[-1]
    looks.append(Look(Step.DENY, "no step allows it", reason=last.reason, limit_of=last.limit_of))
    return Decision(tuple(looks))


def _looks(case: Case, used: Mapping[str, int]) -> Iterator[Look]:
    yield _emergency(case)
    yield _policy(case)
    yield _free_inbound(case)
    yield _unlimited(case)
    yield _plan_minutes(case, used)
    yield _credit(case)


def _allowed(case: Case, looks: list[Look], used: Mapping[str, int]) -> Decision:
    last = looks[-1]
    if last.step is Step.EMERGENCY:
        return Decision(tuple(looks))
    money, pool = money_slices(case), last.pool
    terms = case.terms(pool, money=bool(money))
    if pool:
        otherwise = _credit(case).reason or Reason.NO_CREDIT
        seconds = min(pool.slice_seconds, pool.size_seconds - used.get(pool.name, 0))
        return Decision(tuple(looks), terms, money, otherwise, seconds)
    budget, _, _ = _budget(case)
    first = next(one for one in money if one.micros <= budget)
    return Decision(tuple(looks), terms, money, seconds=first.seconds, micros=first.micros)


def _emergency(case: Case) -> Look:
    number = case.number
    if number.kind is Kind.EMERGENCY and not case.call_type.inbound:
        where = number.country or "every country"
        return Look(Step.EMERGENCY, f"{number.text} is an emergency number of {where}", allows=True)
    return Look(Step.EMERGENCY, f"{number.text} is no emergency number")


def _policy(case: Case) -> Look:
    """Say whether this caller may call this number at all (rules C10, C11, C12)."""
    if case.facts.reached:
        reason, limit_of = case.facts.reached
        says = f"the {limit_of} has as many calls as it may have at once"
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


def _free_inbound(case: Case) -> Look:
    if not case.call_type.inbound:
        return Look(Step.FREE_INBOUND, "the call is outbound")
    pool = _endless(case)
    says = f"{case.number.text} is {'not ' if pool else ''}toll-free"
    return Look(Step.FREE_INBOUND, says, allows=pool is not None, pool=pool)


def _unlimited(case: Case) -> Look:
    pool = None if case.call_type.inbound else _endless(case)
    says = f"{pool.name} covers it" if pool else "no plan without an end covers it"
    return Look(Step.UNLIMITED, says, allows=pool is not None, pool=pool)


def _endless(case: Case) -> Pool | None:
    return next((pool for pool in case.pools if pool.size_seconds == UNLIMITED_SECONDS), None)


def _plan_minutes(case: Case, used: Mapping[str, int]) -> Look:
    found = []
    for pool in case.pools:
        left = max(0, pool.size_seconds - used.get(pool.name, 0))
        found.append(f"{pool.name}: {left} of {pool.size_seconds} s left")
        if left:
            return Look(Step.PLAN_MINUTES, "; ".join(found), allows=True, pool=pool)
    return Look(Step.PLAN_MINUTES, "; ".join(found) or "no plan covers it")


def _credit(case: Case) -> Look:
    """Say whether money pays: the user may spend it, a rate is published, and a slice fits."""
    if not case.may_spend:
        return Look(Step.CREDIT, "no plan lets the user spend it", reason=Reason.NO_LICENCE)
    if not case.tariff:
        says = f"no card has a rate in {case.facts.currency}"
        return Look(Step.CREDIT, says, reason=Reason.NO_RATE)
    if limit_of := _too_dear(case):
        says = f"the rate is higher than the {limit_of} may pay"
        return Look(Step.CREDIT, says, reason=Reason.LIMIT_RATE, limit_of=limit_of)
    slices = money_slices(case)
    budget, reason, limit_of = _budget(case)
    least = slices[-1].micros
    if case.facts.spendable > 0 and least <= budget:
        says = f"{format_amount(budget)} {case.facts.currency} may be spent"
        return Look(Step.CREDIT, says, allows=True)
    says = f"{format_amount(budget)} may be spent, {format_amount(least)} is needed"
    return Look(Step.CREDIT, says, reason=reason, limit_of=limit_of)


def _too_dear(case: Case) -> str:
    """Name whose highest rate a minute the call goes beyond, if it does."""
    for limit_of, profile in (("account", case.account), ("user", case.profile)):
        if profile.rate_max is not None and case.per_minute_max > profile.rate_max:
            return limit_of
    return ""


def money_slices(case: Case) -> tuple[Slice, ...]:
    """List the slices of money that the call may be granted first, if money may pay for it."""
    if not case.may_spend or not case.tariff or _too_dear(case):
        return ()
    terms = case.terms(None, money=True)
    return terms.next_slices(case.facts.now_ms // 1000, 0, 0, case.rules.slice_seconds)


def _budget(case: Case) -> tuple[int, Reason, str]:
    """Give the least of what may be spent, and what sets it."""
    bounds = [(case.facts.spendable, Reason.NO_CREDIT, "")]
    # Credit at or below zero carries no chargeable call, whatever its rate (rule C9).
    if case.facts.spendable > 0:
        bounds += [(one.micros, Reason(one.reason), one.limit_of) for one in case.facts.bounds]
    return min(bounds, key=itemgetter(0))


def lasts_seconds(case: Case, decision: Decision, used: Mapping[str, int]) -> int:
    """Give how long an allowed call may go on, if nobody else spends meanwhile."""
    if decision.terms is None:
        return 0
    pool = decision.terms.pool
    included = pool.size_seconds - used.get(pool.name, 0) if pool else 0
    included = min(included, case.seconds_max)
    if not decision.slices or case.facts.spendable <= 0:
        return included
    budget, _, _ = _budget(case)
    start = case.facts.now_ms // 1000 + included
    return min(included + affordable(case.tariff, start, max(0, budget)), case.seconds_max)


def refused(reason: Reason, says: str) -> Decision:
    """Decide against a call that cannot even be looked at."""
    return Decision((Look(Step.DENY, says, reason=reason),))
