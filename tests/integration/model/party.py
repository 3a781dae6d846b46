"""Rule C12 in plain Python: how far an account and its users may go, and what they used."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from gateway.ledger import outcomes
from gateway.ledger.outcomes import Limits, Usage

MINUTE_MS = 60_000
NO_LIMITS = Limits(calls=0, per_minute=0, day=0, month=0)


@dataclass
class Party:
    """One who pays for calls: an account or a user."""

    limits: Limits = NO_LIMITS
    profile: dict[str, str] = field(default_factory=dict)
    day: str = ""  # the latest in which money was held
    month: str = ""
    spent: Counter[str] = field(default_factory=Counter)  # in each day and each month
    begun: dict[str, list[int]] = field(default_factory=dict)  # by prefix, the latest first

    def set(self, limits: Mapping[str, int], profile: Mapping[str, str]) -> None:
        self.limits = replace(self.limits, **limits)
        self.profile = {name: word for name, word in {**self.profile, **profile}.items() if word}

    def is_full(self, prefix: str, now_ms: int) -> bool:
        """Tell whether so many calls to the prefix as are allowed began within a minute."""
        limit, begun = self.limits.per_minute, self.begun.get(prefix, [])
        return 0 < limit <= len(begun) and now_ms - begun[limit - 1] < MINUTE_MS

    def begin(self, prefix: str, now_ms: int) -> None:
        limit = self.limits.per_minute
        if limit:
            self.begun[prefix] = [now_ms, *self.begun.get(prefix, [])][:limit]

    def forget(self, now_ms: int) -> None:
        known = self.begun.items()
        self.begun = {prefix: at for prefix, at in known if now_ms <= at[0] + MINUTE_MS}

    def spend(self, day: str, month: str, micros: int) -> None:
        self.day, self.month = day, month
        self.spent.update({day: micros, month: micros})

    def seen(self, calls: int) -> outcomes.Party:
        used = Usage(calls, self.day, self.spent[self.day], self.month, self.spent[self.month])
        return outcomes.Party(self.profile, self.limits, used)


def licences(users: Iterable[Party]) -> dict[tuple[str, str], int]:
    """Count users by what they have set themselves."""
    profiles = [user.profile for user in users]
    return Counter((profile.get("country", ""), profile.get("plans", "")) for profile in profiles)
