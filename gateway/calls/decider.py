"""Decide calls by what the store knows of those who pay: for the calls, and for who only asks."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from gateway.calls.ports import CallRequest
from gateway.ledger import outcomes
from gateway.ledger.outcomes import LedgerUnavailableError, Party
from gateway.ledger.statements import Statements
from gateway.money import AMOUNT_MICROS_MAX
from gateway.rating.case import (
    Bound,
    CallType,
    Case,
    Facts,
    Rules,
    dialed_number,
    open_case,
)
from gateway.rating.decision import Decision, decide, refused
from gateway.rating.number import Number, help_line
from gateway.rating.plan import Periods
from gateway.rating.steps import Reason, emergency

_CALL_TYPES = frozenset(CallType)


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision, whom it is about, and what it rests on, as far as it came."""

    decision: Decision
    number: str = ""
    account: str = ""
    user: str = ""
    case: Case | None = None
    used: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Payer:
    """Who pays, and what is known of him."""

    account: str
    user: str
    known: outcomes.Facts | None


class Decider:
    """Decides by the rules that are in use."""

    def __init__(self, statements: Statements, rules: Rules) -> None:
        """Join the parts."""
        self._statements = statements
        self.rules = rules

    def use(self, rules: Rules) -> None:
        """Decide by other rules from now on."""
        self.rules = rules

    async def quote(self, request: CallRequest, at_ms: int | None = None) -> Decided:
        """Decide a call that nobody makes, by the money and the limits as they are now.

        ``at_ms`` is another time than now, for cards and plans.

        Precedence: unknown_call_type, emergency numbers, unknown_account, unknown_user, bad_number,
        settings that cannot be read, then the steps. Raises LedgerUnavailableError.
        """

        def facts(known: outcomes.Facts, user: str) -> Facts:
            return _facts(replace(known, now_ms=at_ms or known.now_ms), user)

        return await self._asked(request, facts)

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
        outbound = not call_type.inbound
        # Before any look at the store, which may be down (rule C2).
        if outbound and (number := help_line(request.dialed)):
            return _emergency(call_type, number)
        try:
            payer = await self._payer(request, call_type, rules)
        except LedgerUnavailableError:
            # The caller's country is not known now: that of the PBX is the best guess.
            if outbound and (number := help_line(request.dialed, rules.country)):
                return _emergency(call_type, number)
            raise
        case = _opened(rules, call_type, request.dialed, payer, facts)
        return case if isinstance(case, Decided) else await self._decided(case, payer)

    async def _payer(self, request: CallRequest, call_type: CallType, rules: Rules) -> "_Payer":
        account, user = request.account, request.user
        if call_type.owned:
            number = dialed_number(rules, call_type, request.dialed)
            owner = await self._statements.owner_of(number.text) if number else None
            account, user = owner or "", ""
        return _Payer(account, user, await self._statements.facts(account, user))

    async def _decided(self, case: Case, payer: "_Payer") -> Decided:
        names = [pool.name for pool in case.pools]
        used = await self._statements.pools(payer.account, names) if names else {}
        return Decided(decide(case, used), case.number.text, payer.account, payer.user, case, used)


def _opened(
    rules: Rules,
    call_type: CallType,
    dialed: str,
    payer: _Payer,
    facts: Callable[[outcomes.Facts, str], Facts],
) -> Case | Decided:
    """Join what is asked with what is known, or decide without, where something is not."""
    known, user = payer.known, payer.user
    if known is None:
        nobody = f"nobody owns {dialed!r}, or it is no number of {rules.country or 'any country'}"
        says = nobody if call_type.owned else f"there is no account {payer.account!r}"
        return _refused(Reason.UNKNOWN_ACCOUNT, says)
    if known.user is None and (user or not call_type.inbound):
        return _refused(Reason.UNKNOWN_USER, f"{payer.account} has no user {user!r}")
    profiles = [party.profile for party in (known.user, known.party) if party]
    number = dialed_number(rules, call_type, dialed, *profiles)
    if number and emergency(call_type, number).allows:
        return _emergency(call_type, number)
    if number is None or call_type is CallType.EMERGENCY_OUT:
        says = f"{dialed!r} is no {'emergency ' if number else ''}number"
        if not any(profile.get("country") for profile in profiles) and not rules.country:
            says = f"{says}: no country is set, so only + or 00 and a country code begin one"
        return _refused(Reason.BAD_NUMBER, says)
    try:
        return open_case(rules, call_type, number, facts(known, user))
    except ValueError as error:
        fault = refused(Reason.RATING_FAULT, str(error))
        return Decided(fault, number.text, payer.account, user)


def _refused(reason: Reason, says: str) -> Decided:
    return Decided(refused(reason, says))


def _emergency(call_type: CallType, number: Number) -> Decided:
    return Decided(Decision((emergency(call_type, number),)), number.text)


def _facts(known: outcomes.Facts, user: str) -> Facts:
    """Say in the words of rating what the ledger knows."""
    time_zone = known.party.profile.get("time_zone") or "UTC"
    periods = Periods.of(known.now_ms, time_zone)
    parties = [("account", known.party), *([("user", known.user)] if known.user else [])]
    reached = [
        (Reason.LIMIT_CALLS, limit_of, party.limits.calls)
        for limit_of, party in parties
        if 0 < party.limits.calls <= party.usage.calls
    ]
    return Facts(
        now_ms=known.now_ms,
        currency=known.currency,
        available=known.available,
        overdraft=known.overdraft,
        profile=known.party.profile,
        user=user,
        user_profile=known.user.profile if known.user else {},
        licences=known.licences,
        reached=reached[0] if reached else None,
        bounds=tuple(_bounds(parties, periods)),
    )


def _unbounded(known: outcomes.Facts, user: str) -> Facts:
    """Say the same, as if there were all the money in the world."""
    return replace(_facts(known, user), available=AMOUNT_MICROS_MAX, reached=None, bounds=())


def _bounds(parties: Sequence[tuple[str, Party]], periods: Periods) -> Iterator[Bound]:
    """Give what limits leave to be spent, in the order of the ledger's reasons.

    A sum of an earlier day or month counts no more.
    """
    for limit_of, party in parties:
        if party.limits.day:
            spent = party.usage.day_micros if party.usage.day >= periods.day else 0
            yield Bound(Reason.LIMIT_DAY, limit_of, party.limits.day - spent)
    for limit_of, party in parties:
        if party.limits.month:
            spent = party.usage.month_micros if party.usage.month >= periods.month else 0
            yield Bound(Reason.LIMIT_MONTH, limit_of, party.limits.month - spent)
