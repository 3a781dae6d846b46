"""The recharges of one account in plain Python: rules R1 to R4."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from gateway.ledger.outcomes import Asked, Recharge, RechargeStatus

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FAILURES_MAX = 10
ON_ITS_WAY_MS = 60_000
NEEDS_ADMIN = {"by_admin", "disputed", "currency_differs", "too_large", "payment_id_reused"}
UNBOOKED = {"currency_differs", "too_large", "payment_id_reused", "paid_twice", "dispute_won"}


def day_of(ms: int) -> str:
    return (EPOCH + timedelta(milliseconds=ms)).strftime("%Y-%m-%d")


def month_of(ms: int) -> str:
    return day_of(ms)[:7]


@dataclass
class Claim:
    """A recharge that is under way."""

    key: str
    micros: int
    method: str
    tried: list[str]
    claimed_ms: int
    begun_ms: int
    status: RechargeStatus = RechargeStatus.CLAIMED
    declined: str = ""
    by_admin: bool = False


@dataclass
class Recharges:
    """What is set, the recharge that is under way, and what stands in the way of the next."""

    below: int = 0
    amount: int = 0
    day_max: int = 5
    month_max: int = 0
    methods: str = ""
    claim: Claim | None = None
    made: int = 0  # keys
    after_ms: int = 0
    failures: int = 0
    suspended: str = ""
    capped: str = ""  # which was told
    counted: list[tuple[int, int]] = field(default_factory=list)  # when, micros

    def untried(self, tried: list[str]) -> str | None:
        return next((one for one in self.methods.split(",") if one not in tried), None)

    def used(self, now_ms: int) -> tuple[int, int]:
        """Give the recharges of this day, and the money of this month."""
        today = [micros for at, micros in self.counted if day_of(at) == day_of(now_ms)]
        month = [micros for at, micros in self.counted if month_of(at) == month_of(now_ms)]
        return len(today), sum(month)

    def cap(self, now_ms: int) -> str:
        """Name the cap that the next one would go beyond, and the period."""
        count, micros = self.used(now_ms)
        if count >= self.day_max:
            return f"day {day_of(now_ms)}"
        if 0 < self.month_max < micros + self.amount:
            return f"month {month_of(now_ms)}"
        return ""

    def drop(self) -> None:
        """End the claim as one that was not paid: it does not count."""
        if self.claim:
            self.counted.remove((self.claim.claimed_ms, self.claim.micros))
        self.claim = None

    def cancel(self) -> None:
        """Drop a claim of which no provider has heard; for another, no further method is asked."""
        if self.claim:
            self.claim.by_admin = False
            if self.claim.status == RechargeStatus.CLAIMED:
                self.drop()

    def resume(self) -> None:
        self.suspended, self.failures, self.after_ms = "", 0, 0

    def suspend(self, reason: str) -> bool:
        """Suspend, unless it is suspended for something weightier; tell whether it is new."""
        weightier = {"by_admin"} if self.suspended in NEEDS_ADMIN else NEEDS_ADMIN | {reason}
        if self.suspended in ("by_admin", reason) or reason not in weightier:
            return False
        self.resume()
        self.suspended = reason
        return True

    def state(self, now_ms: int, available: int) -> str:
        if self.claim:
            return self.claim.status
        if self.suspended:
            return "suspended"
        if not self.amount:
            return "off"
        if now_ms < self.after_ms:
            return "cooldown"
        return "capped" if self.cap(now_ms) and available < self.below else "armed"

    def seen(self, now_ms: int, available: int) -> Recharge:
        count, micros = self.used(now_ms)
        claim = self.claim or Claim("", 0, "", [], 0, 0)
        return Recharge(
            below=self.below,
            amount=self.amount,
            day_max=self.day_max,
            month_max=self.month_max,
            methods=tuple(filter(None, self.methods.split(","))),
            state=self.state(now_ms, available),
            suspended=self.suspended,
            key=claim.key,
            asked=claim.micros,
            method=claim.method,
            after_ms=self.after_ms,
            failures=self.failures,
            day_count=count,
            month_micros=micros,
        )

    def asked(self, claim: Claim, currency: str, now_ms: int) -> Asked:
        return Asked(
            micros=claim.micros,
            currency=currency,
            method=claim.method,
            status=claim.status,
            begun_ms=claim.begun_ms,
            now_ms=now_ms,
            failures=self.failures,
        )
