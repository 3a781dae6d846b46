"""Calls to be decided, and the world in which they are asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from gateway.rating.case import Bound, CallType, Case, Facts, Rules, dialed_number, open_case
from gateway.rating.decision import Decision, decide
from gateway.rating.plan import Plans, read_plans
from gateway.rating.ratecard import RateCard
from tests.unit.rates import NOW_MS, card

PLANS_FILE = Path(__file__).parents[2] / "ratecards/plans.toml"
UNIT = 1_000_000

BERLIN, PARIS, LONDON = "+4930123456", "+33142685300", "+442071838750"
NEW_YORK, TORONTO, SAN_JUAN = "+12125550123", "+14165550123", "+17877250123"
HARARE = "+2634700123"
IRIDIUM = "+881612345678"
GERMAN_PREMIUM, BRITISH_TOLL_FREE, TOLL_FREE = "+499001234567", "+448081570123", "+18005550100"


def plans() -> Plans:
    """Read the plans that are shipped."""
    return read_plans(str(PLANS_FILE), PLANS_FILE.read_text())


def cards() -> RateCard:
    """Load a small card: whole numbers a minute, by the minute."""
    rows = {
        "49": ("Germany", 1),
        "49900": ("Germany premium", 9),
        "33": ("France", 2),
        "44": ("Britain", 1),
        "1": ("United States and Canada", 1),
        "1787": ("Puerto Rico", 1),
        "263": ("Zimbabwe", 4),
    }
    return card(
        *(f"{prefix},{name},{rate},0,60,60,USD,outbound" for prefix, (name, rate) in rows.items()),
        "1800,US toll-free,1,0,60,60,USD,inbound",
        "44808,British toll-free,2,0,60,60,USD,inbound",
        more="direction",
    )


RULES = Rules(cards(), plans())


@dataclass(frozen=True)
class World:
    """An account with money for ten minutes at 1 a minute, and one user, in Germany."""

    user: Mapping[str, str] = field(default_factory=dict)
    account: Mapping[str, str] = field(default_factory=dict)
    spendable: int = 10 * UNIT
    licences: Mapping[tuple[str, str], int] = field(default_factory=dict)
    used: Mapping[str, int] = field(default_factory=dict)
    at: str = ""
    reached: tuple[str, str, int] | None = None
    bounds: tuple[Bound, ...] = ()
    rules: Rules = RULES

    def facts(self) -> Facts:
        profile = {"country": "DE", **self.user}
        own = (profile["country"], profile.get("plans", ""))
        at_ms = int(datetime.fromisoformat(self.at).timestamp() * 1000) if self.at else NOW_MS
        return Facts(
            now_ms=at_ms,
            currency="USD",
            available=self.spendable,
            profile=self.account,
            user="ana",
            user_profile=profile,
            licences=self.licences or {own: 1},
            reached=self.reached,
            bounds=self.bounds,
        )

    def case(self, to: str, call_type: str = "user_out") -> Case:
        facts, asked = self.facts(), CallType(call_type)
        number = dialed_number(self.rules, asked, to, facts.user_profile, facts.profile)
        assert number
        return open_case(self.rules, asked, number, facts)

    def decide(self, to: str, call_type: str = "user_out") -> Decision:
        return decide(self.case(to, call_type), self.used)

    def but(self, **changes: object) -> "World":
        return replace(self, **changes)  # type: ignore[arg-type]
