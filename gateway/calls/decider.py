"""Decide calls by what the store knows of those who pay: for the calls, and for who only asks."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from gateway.calls.ports import CallRequest
from gateway.ledger import outcomes
from gateway.ledger.outcomes import Limits, Usage
from gateway.ledger.statements import Statements
from gateway.money import AMOUNT_MICROS_MAX
from gateway.rating.case import (
    Bound,
    CallType,
    Case,
    Facts,
    Rules,
    open_case,
    unlimited_pool,
)
from gateway.rating.decision import Decision, Look, Reason, Step, decide, refused
from gateway.rating.number import Kind, Number, read_number
from gateway.rating.plan import Periods
from gateway.rating.price import CALL_SECONDS_MAX
from gateway.rating.terms import Terms

_CALL_TYPES = frozenset(CallType)


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision, whom it is about, and what it rests on, as far as it came."""

    decision: Decision
    number: str = ""
    account: str = ""
    user: str = ""
    now_ms: int = 0
    available: int = 0
    case: Case | None = None
    used: Mapping[str, int] = field(default_factory=dict)


class Decider:
    """Decides by the rules that are in use."""

    def __init__(self, statements: Statements, rules: Rules, *, free_on_fault: bool) -> None:
        """Join the parts."""
        self._statements = statements
        self.rules = rules
        self._free_on_fault = free_on_fault

    def use(self, rules: Rules) -> None:
        """Decide by other rules from now on."""
        self.rules = rules

    async def quote(self, request: CallRequest) -> Decided:
        """Decide a call that nobody makes, by the money and the limits as they are now.

        Precedence: unknown_call_type, emergency numbers, unknown_account, unknown_user, bad_number,
        rating_fault, then the steps. Raises LedgerUnavailableError.
        """
        return await self._asked(request, _facts)

    async def decide(self, request: CallRequest) -> Decided:
        """Decide a call for which money, or minutes, are to be held next; as `quote`.

        How much money there is, and what limits leave of it, is not looked at: the operation that
        holds does that, where it cannot be raced, and keeps what it answered.
        """
        return await self._asked(request, _unbounded)

    async def _asked(
        self, request: CallRequest, facts: Callable[[outcomes.Facts, str], Facts]
    ) -> Decided:
        if request.call_type not in _CALL_TYPES:
            return _refused(Reason.UNKNOWN_CALL_TYPE, f"{request.call_type!r} is no call type")
        call_type, rules = CallType(request.call_type), self.rules
        number = read_number(request.dialed, rules.country, rules.international)
        if number and number.kind is Kind.EMERGENCY and not call_type.inbound:
            # Before any look at the store, which may be down (rule C2).
            return _emergency(number)
        account, user = request.account, request.user
        if call_type.owned:
            owner = await self._statements.owner_of(number.text) if number else None
            account, user = owner or "", ""
        known = await self._known(account, user, call_type)
        if isinstance(known, Decided):
            return known
        try:
            case = open_case(rules, call_type, request.dialed, facts(known, user))
        except ValueError as error:
            fault = self._on_fault(str(error), number, known.now_ms)
            text = number.text if number else ""
            return Decided(fault, text, account, user, known.now_ms, known.available)
        if case is None:
            return _refused(Reason.BAD_NUMBER, f"{request.dialed!r} is no number")
        return await self._decide(case, account, known)

    async def _known(
        self, account: str, user: str, call_type: CallType
    ) -> outcomes.Facts | Decided:
        """Read what is known of those who pay, or say who is not known."""
        known = await self._statements.facts(account, user) if account else None
        if known is None:
            return _refused(Reason.UNKNOWN_ACCOUNT, f"there is no account {account!r}")
        if known.user is None and (user or not call_type.inbound):
            return _refused(Reason.UNKNOWN_USER, f"{account} has no user {user!r}")
        return known

    async def _decide(self, case: Case, account: str, known: outcomes.Facts) -> Decided:
        names = [pool.name for pool in case.pools]
        used = await self._statements.pools(account, names) if names else {}
        return Decided(
            decide(case, used),
            case.number.text,
            account,
            case.facts.user,
            known.now_ms,
            known.available,
            case,
            used,
        )

    def _on_fault(self, error: str, number: Number | None, now_ms: int) -> Decision:
        """Refuse what cannot be priced, or connect it free if the operator wants that (C11)."""
        if not number or not self._free_on_fault:
            return refused(Reason.RATING_FAULT, error)
        terms = Terms(
            tariff=(),
            pool=unlimited_pool("freecall", Periods.of(now_ms, "UTC"), CALL_SECONDS_MAX),
            seconds_max=CALL_SECONDS_MAX,
            time_zone="UTC",
            kind=number.kind,
            country=number.country,
            international=True,
        )
        look = Look(Step.FREECALL, error, allows=True, pool=terms.pool)
        return Decision((look,), terms, seconds=CALL_SECONDS_MAX)


def _refused(reason: Reason, says: str) -> Decided:
    return Decided(refused(reason, says))


def _emergency(number: Number) -> Decided:
    says = f"{number.text} is an emergency number"
    return Decided(Decision((Look(Step.EMERGENCY, says, allows=True),)), number.text)


def _facts(known: outcomes.Facts, user: str) -> Facts:
    """Say in the words of rating what the ledger knows."""
    time_zone = known.party.profile.get("time_zone") or "UTC"
    periods = Periods.of(known.now_ms, time_zone)
    parties = [("account", known.party), *([("user", known.user)] if known.user else [])]
    reached = [
        (Reason.LIMIT_CALLS, limit_of)
        for limit_of, party in parties
        if 0 < party.limits.calls <= party.usage.calls
    ]
    return Facts(
        now_ms=known.now_ms,
        currency=known.currency,
        spendable=known.available + known.overdraft,
        profile=known.party.profile,
        user=user,
        user_profile=known.user.profile if known.user else {},
        licences=known.licences,
        reached=reached[0] if reached else None,
        bounds=tuple(
            bound
            for limit_of, party in parties
            for bound in _bounds(limit_of, party.limits, party.usage, periods)
        ),
    )


def _unbounded(known: outcomes.Facts, user: str) -> Facts:
    """Say the same, as if there were all the money in the world."""
    return replace(_facts(known, user), spendable=AMOUNT_MICROS_MAX, reached=None, bounds=())


def _bounds(limit_of: str, limits: Limits, usage: Usage, periods: Periods) -> Iterator[Bound]:
    """Give what limits leave to be spent; a sum of an earlier day or month counts no more."""
    spent = usage.day_micros if usage.day == periods.day else 0
    if limits.day:
        yield Bound(Reason.LIMIT_DAY, limit_of, limits.day - spent)
    spent = usage.month_micros if usage.month == periods.month else 0
    if limits.month:
        yield Bound(Reason.LIMIT_MONTH, limit_of, limits.month - spent)
