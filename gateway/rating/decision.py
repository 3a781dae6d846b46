"""May this call be made, and who pays for it: step by step, with a reason for each."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gateway.rating.case import Case
from gateway.rating.price import Slice, affordable
from gateway.rating.steps import (
    Look,
    Reason,
    Step,
    credit,
    emergency,
    fault,
    free_inbound,
    left_of,
    longest,
    plan_minutes,
    policy,
    room,
    unlimited,
)
from gateway.rating.terms import Terms


@dataclass(frozen=True, slots=True)
class Decision:
    """What is answered, and every step that led to it; the last one decided.

    Allowed on ``terms``: by their pool first if they have one, and by ``slices`` of money; where
    money does not pay, ``otherwise`` says why. All of that may be taken up by others meanwhile:
    only what the ledger holds is granted, at best ``seconds`` for ``micros`` at first.
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
        if look.reason and look.step in (Step.POLICY, Step.DENY):
            break
    return Decision(tuple(looks))


def _looks(case: Case, used: Mapping[str, int]) -> Iterator[Look]:
    yield emergency(case.call_type, case.number)
    yield policy(case)
    if case.fault:
        yield fault(case)
    yield free_inbound(case)
    yield unlimited(case)
    yield plan_minutes(case, used)
    money = credit(case)
    yield money
    yield Look(Step.DENY, "no step allows it", reason=money.reason, limit_of=money.limit_of)


def _allowed(case: Case, looks: list[Look], used: Mapping[str, int]) -> Decision:
    last = looks[-1]
    if last.step is Step.EMERGENCY:
        return Decision(tuple(looks))
    money = last if last.step is Step.CREDIT else credit(case)
    terms = case.terms(last.pool, money=bool(money.slices))
    seconds, micros, more = 0, 0, money.slices
    if last.pool:
        seconds = min(last.pool.slice_seconds, left_of(last.pool, used))
        # Money follows at once where a pool has less than a slice left.
        wanted = case.rules.slice_seconds if seconds < case.rules.slice_seconds else 0
        more = terms.next_slices(case.facts.now_ms // 1000, seconds, seconds, wanted)
    if first := longest(case, more):
        seconds, micros = seconds + first.seconds, first.micros
    otherwise = money.reason or Reason.NO_CREDIT
    return Decision(tuple(looks), terms, money.slices, otherwise, seconds, micros)


def lasts_seconds(case: Case, terms: Terms, used: Mapping[str, int]) -> int:
    """Give how long a call may go on by its terms, if nobody else spends meanwhile."""
    included = min(left_of(terms.pool, used), case.seconds_max) if terms.pool else 0
    if not terms.tariff or case.facts.spendable <= 0:
        return included
    micros, _, _ = room(case)
    start = case.facts.now_ms // 1000 + included
    return min(included + affordable(terms.tariff, start, max(0, micros)), case.seconds_max)


def refused(reason: Reason, says: str) -> Decision:
    """Decide against a call that cannot even be looked at."""
    return Decision((Look(Step.DENY, says, reason=reason),))
