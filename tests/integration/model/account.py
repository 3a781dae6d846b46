"""The books of one account in plain Python: each rule on money by itself."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from gateway.ledger import outcomes
from gateway.ledger.outcomes import (
    NEVER_MS,
    Facts,
    Held,
    Hold,
    Lot,
    RechargeStatus,
    Refused,
    Statement,
    Unbooked,
)
from gateway.rating.plan import Pool
from gateway.rating.price import Slice
from tests.integration.model.party import Party, licences
from tests.integration.model.recharge import FAILURES_MAX, ON_ITS_WAY_MS, UNBOOKED, Claim, Recharges

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
POOL_LIFE_MS = 3 * DAY_MS  # after its end
WARNED_DAYS = (1, 7, 30)
PARTS = ("granted", "available", "held", "spent", "expired", "reversed")
KINDS = ("bonus", "paid")
OVERDRAFT, RETIRED = "overdraft", "retired"
Event = tuple[str, Mapping[str, str]]


def twelve_months_after(ms: int) -> int:
    """Rule M2: the same day of the next year, 28 February for 29 February."""
    bought = EPOCH + timedelta(milliseconds=ms)
    leap_day = (bought.month, bought.day) == (2, 29)
    expires = bought.replace(year=bought.year + 1, day=28 if leap_day else bought.day)
    return (expires - EPOCH) // timedelta(milliseconds=1)


def new_lot(name: str, purchased_ms: int = 0, expires_ms: int = NEVER_MS + 1) -> Lot:
    return Lot(name, purchased_ms, expires_ms, **dict.fromkeys(PARTS, 0))


@dataclass
class Live:
    """A live call: what it holds, of which lots, and its last extension."""

    hold: Hold
    pins: dict[str, int] = field(default_factory=dict)
    day: str = ""  # the latest in which money was held for it
    month: str = ""
    held_in: Counter[str] = field(default_factory=Counter)
    extended: tuple[object, Held | Refused] | None = None


@dataclass
class Pooled:
    """The seconds of a pool that are not free."""

    forgotten_ms: int
    held: int = 0
    used: int = 0
    told: int = 0  # percent
    told_size: int = 0


@dataclass
class Account:
    """One account, as it is at one moment."""

    name: str
    currency: str
    now_ms: int = 0
    party: Party = field(default_factory=Party)
    users: dict[str, Party] = field(default_factory=dict)
    overdraft: int = 0
    low_below: int = 0
    low_percent: int = 20
    low_base: int = 0
    recharges: Recharges = field(default_factory=Recharges)
    recipients: str = ""
    unbooked: dict[str, Unbooked] = field(default_factory=dict)
    flagged: set[tuple[str, str, int]] = field(default_factory=set)
    low: bool = False
    exhausted: str = ""  # what was told of it
    needed: int = 0  # by a call that was refused while a recharge was on its way
    waiting: bool = False
    lapsed: int = 0  # since the last operation that changed the account
    lots: dict[str, Lot] = field(
        default_factory=lambda: {name: new_lot(name) for name in (OVERDRAFT, RETIRED)}
    )
    warned_days: dict[str, int] = field(default_factory=dict)
    live: dict[str, Live] = field(default_factory=dict)
    pools: dict[str, Pooled] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    def sum(self, part: str) -> int:
        return sum(getattr(lot, part) for lot in self.lots.values())

    @property
    def available(self) -> int:
        return self.sum("available")

    @property
    def spendable(self) -> int:
        """Rule M6."""
        return self.available + self.overdraft

    def dated(self) -> list[Lot]:
        """Rule M3: earliest expiry first, then promotional before paid, then oldest first."""

        def turn(lot: Lot) -> tuple[int, int, int, str]:
            kind, _, _ = lot.lot.partition("-")
            return lot.expires_ms, KINDS.index(kind), lot.purchased_ms, lot.lot

        return sorted(
            (self.lots[name] for name in self.lots.keys() - {OVERDRAFT, RETIRED}), key=turn
        )

    def add(self, name: str, **parts: int) -> None:
        lot = self.lots[name]
        sums = {part: getattr(lot, part) + micros for part, micros in parts.items()}
        self.lots[name] = replace(lot, **sums)

    def add_lot(self, kind: str, reference: str, micros: int, expires_ms: int) -> str:
        name = f"{kind}-{self.now_ms}-{reference}"
        self.lots[name] = new_lot(name, self.now_ms, expires_ms)
        self.add(name, granted=micros, available=micros)
        self.repay()
        self.low_base = self.balance
        self.tell("credit")
        return name

    def end_recharge(self, key: str) -> None:
        """End the recharge of this key as one that is paid."""
        of = self.recharges
        if of.claim and of.claim.key == key:
            of.claim, of.after_ms, of.failures = None, 0, 0

    def move(self, name: str, source: str, target: str, micros: int) -> None:
        """Rule M5: money goes from one part of its lot to another, and no other way."""
        self.add(name, **{source: -micros})
        self.add(name, **{target: micros})

    def look(self, now_ms: int) -> None:
        """Rule M2: expired when now >= expires_at."""
        self.now_ms = now_ms
        for lot in self.dated():
            if lot.expires_ms <= now_ms:
                self.lapsed += lot.available
                self.move(lot.lot, "available", "expired", lot.available)
        known = self.pools.items()
        self.pools = {name: pool for name, pool in known if now_ms <= pool.forgotten_ms}
        for party in (self.party, *self.users.values()):
            party.forget(now_ms)
        self.retire()

    def parties(self, user: str) -> dict[str, Party]:
        """Give those whose limits a call has to keep."""
        return {"account": self.party} | ({"user": self.users[user]} if user else {})

    def calls(self, user: str) -> int:
        return sum(live.hold.user == user for live in self.live.values())

    def too_many(self, user: str, prefix: str) -> tuple[str, str] | None:
        """Rule C12: name the limit of calls that is reached, and whose it is."""
        parties = self.parties(user)
        calls = {"account": len(self.live), "user": self.calls(user)}
        for whose, party in parties.items():
            if 0 < party.limits.calls <= calls[whose]:
                return "limit_calls", whose
        for whose, party in parties.items():
            if party.is_full(prefix, self.now_ms):
                return "limit_per_minute", whose
        return None

    def period(self, day: str, month: str) -> tuple[str, str]:
        """Give the day and the month that it is: for an account they never go back."""
        return max(day, self.party.day), max(month, self.party.month)

    def room(self, user: str, day: str, month: str) -> tuple[int, str, str]:
        """Rule C12: give the money that a slice may take, and what to say if it is too little."""
        parties = self.parties(user).items()
        bounds = [(self.spendable, "no_credit", "")]
        for whose, party in parties:
            if party.limits.day:
                bounds.append((party.limits.day - party.spent[day], "limit_day", whose))
        for whose, party in parties:
            if party.limits.month:
                bounds.append((party.limits.month - party.spent[month], "limit_month", whose))
        return min(bounds, key=lambda bound: bound[0])

    def spend(self, live: Live, day: str, month: str, micros: int) -> None:
        """Count money that is held as spent."""
        for party in self.parties(live.hold.user).values():
            party.spend(day, month, micros)
        live.day, live.month = day, month
        live.held_in.update({day: micros, month: micros})

    def unspend(self, live: Live, micros: int) -> None:
        """Count what a call gives back as not spent, in its latest day and month alone."""
        for period in (live.day, live.month):
            for party in self.parties(live.hold.user).values():
                party.spent[period] -= min(micros, live.held_in[period])

    def longest(self, slices: Sequence[Slice], held: int, room: int) -> Slice | None:
        """Rule D4: the longest that can be paid, where so much is held already."""
        return next((one for one in slices if one.micros - held <= room), None)

    def take(self, micros: int, pins: dict[str, int]) -> None:
        """Hold money of the lots in their order, and beyond them of the overdraft (rule M6)."""
        for lot in (*self.dated(), self.lots[OVERDRAFT]):
            taken = micros if lot.lot == OVERDRAFT else min(micros, lot.available)
            self.move(lot.lot, "available", "held", taken)
            pins[lot.lot] = pins.get(lot.lot, 0) + taken
            micros -= taken

    def give_back(self, pins: Mapping[str, int], charge: int) -> int:
        """Rule M4: what a call leaves of a lot that has expired meanwhile is expired too."""
        before = self.available
        for lot in (*self.dated(), self.lots[OVERDRAFT]):
            pinned = pins.get(lot.lot, 0)
            spent = min(pinned, charge)
            back_to = "expired" if lot.expires_ms <= self.now_ms else "available"
            self.move(lot.lot, "held", "spent", spent)
            self.move(lot.lot, "held", back_to, pinned - spent)
            charge -= spent
        return self.available - before

    def take_seconds(self, pool: Pool | None) -> int:
        """Hold a slice of a pool, or what is left of it."""
        if pool is None:
            return 0
        known = self.pools.get(pool.name, Pooled(pool.ends_ms + POOL_LIFE_MS))
        taken = max(0, min(pool.slice_seconds, pool.size_seconds - known.held - known.used))
        if taken:
            now = replace(known, held=known.held + taken)
            self.keep_pool(pool.name, self.tell_pool(pool, now))
        return taken

    def tell_pool(self, pool: Pool, now: Pooled) -> Pooled:
        """Rule R6: a pool is used at 80 % and at 100 %, and again after it has grown."""
        seconds = now.held + now.used
        percents = [one for one in (80, 100) if seconds * 100 >= pool.size_seconds * one]
        told = 0 if pool.size_seconds > now.told_size else now.told
        if not percents or percents[-1] <= told:
            return now
        what = {"percent": percents[-1], "seconds": seconds, "size": pool.size_seconds}
        self.tell("pool_used", pool=pool.name, **what)
        return replace(now, told=percents[-1], told_size=pool.size_seconds)

    def give_back_seconds(self, hold: Hold, used: int) -> None:
        known = self.pools.get(hold.pool)
        if known and hold.pool_seconds:
            held = known.held - hold.pool_seconds
            self.keep_pool(hold.pool, replace(known, held=held, used=known.used + used))

    def keep_pool(self, name: str, pool: Pooled) -> None:
        self.pools.pop(name, None)
        if pool.forgotten_ms > self.now_ms:
            self.pools[name] = pool

    def repay(self) -> None:
        """Let the lots pay what was spent of the overdraft, as soon as they can (rule M6)."""
        for lot in self.dated():
            paid = min(self.lots[OVERDRAFT].spent, lot.available)
            self.move(OVERDRAFT, "spent", "available", paid)
            self.move(lot.lot, "available", "spent", paid)

    def retire(self) -> None:
        """Keep no more than the sums of lots that have nothing left."""
        for lot in self.dated():
            if lot.available == lot.held == 0:
                self.add(RETIRED, **{part: getattr(lot, part) for part in PARTS})
                del self.lots[lot.lot]

    def tell(self, kind: str, **fields: str | int) -> None:
        self.events.append((kind, {name: str(value) for name, value in fields.items()}))

    def warn(self) -> None:
        """Rule R6: a lot expires in 30, 7, 1 days."""
        for lot in self.dated():
            left_ms = lot.expires_ms - self.now_ms
            days = next((days for days in WARNED_DAYS if left_ms <= days * DAY_MS), None)
            if lot.available and days and days < self.warned_days.get(lot.lot, NEVER_MS):
                self.warned_days[lot.lot] = days
                what = {"micros": lot.available, "expires": lot.expires_ms, "days": days}
                self.tell("lot_expiring", lot=lot.lot, **what)

    def watch(self, needed: int, *, lifted: bool) -> None:
        """Rule R6: low; too little for a call, were all held given back; used up. Each once."""
        balance = self.balance
        spending = balance + self.overdraft
        needed = max(needed, 0 if lifted else self.needed)
        had_credit = self.sum("granted") > 0 or self.overdraft > 0
        below = self.low_below or self.low_base // 100 * self.low_percent
        low = had_credit and balance < below
        left = "nothing" if spending <= 0 else "too_little" if spending < needed else ""
        left = left if had_credit else ""
        worst = ["", "too_little", "nothing"]
        worse = worst.index(left) > worst.index(self.exhausted)
        sums = {"available": self.available, "held": self.sum("held")}
        helped = self.is_on_its_way()
        if low and not self.low and not helped:
            self.tell("low", **sums, below=below)
        if worse and not helped:
            why = self.why_not_recharged()
            self.tell("exhausted", **sums, left=left, needed=needed, recharge=why)
        self.needed = needed if worse and helped else 0
        self.low = low and (self.low or not helped)
        if worse and not helped:
            self.exhausted = left
        elif lifted and not left:
            self.exhausted = ""

    def is_on_its_way(self) -> bool:
        claim = self.recharges.claim
        return (
            claim is not None
            and claim.status != RechargeStatus.UNKNOWN
            and self.now_ms < claim.claimed_ms + ON_ITS_WAY_MS
        )

    @property
    def balance(self) -> int:
        return self.available + self.sum("held")

    def why_not_recharged(self) -> str:
        of = self.recharges
        if of.claim:
            return "unknown" if of.claim.status == RechargeStatus.UNKNOWN else "pending"
        if not of.amount or self.available >= of.below:
            return "off"
        if of.suspended:
            return "suspended"
        return "cooldown" if self.now_ms < of.after_ms else "capped"

    def claim_recharge(self) -> None:
        """Rules R1 and R2: below the trigger, one at a time, and if nothing stands in the way."""
        of = self.recharges
        wanted = of.amount > 0 and self.available < of.below
        if not wanted or of.claim or of.suspended or self.now_ms < of.after_ms:
            return
        cap = of.cap(self.now_ms)
        if not cap:
            self.begin_recharge(of.amount)
        elif cap != of.capped:
            of.capped = cap
            self.tell_of_recharge("recharge_capped", limit=cap.partition(" ")[0])

    def begin_recharge(self, micros: int, *, by_admin: bool = False) -> None:
        of = self.recharges
        of.counted.append((self.now_ms, micros))
        of.claim = Claim("", micros, "", [], self.now_ms, self.now_ms, by_admin=by_admin)
        self.ask_by(of.untried([]) or "")

    def ask_by(self, method: str) -> None:
        of = self.recharges
        assert of.claim
        of.made += 1
        claim = of.claim
        claim.key = f"recharge-{self.name}-{self.now_ms}-{of.made}"
        claim.status, claim.begun_ms, claim.method = RechargeStatus.CLAIMED, self.now_ms, method
        claim.tried.append(method)
        self.tell(
            "recharge_due",
            key=claim.key,
            amount=claim.micros,
            currency=self.currency,
            method=method,
        )

    def tell_of_recharge(self, kind: str, **fields: str | int) -> None:
        self.tell(kind, available=self.available, held=self.sum("held"), **fields)

    def fail_recharge(self, reason: str, pause_seconds: int, *, lasting: bool) -> None:
        """Rule R4: a decline that lasts goes to the next method, or suspends."""
        of = self.recharges
        claim = of.claim
        assert claim
        wanted = claim.by_admin or (not of.suspended and of.amount > 0)
        backup = of.untried(claim.tried) if lasting and wanted else None
        if backup is not None:
            claim.declined = reason
            self.ask_by(backup)
            return
        of.drop()
        of.failures += 1
        first = of.failures == 1
        if lasting or of.failures >= FAILURES_MAX:
            of.suspend(reason if lasting else "too_many_failures")
        else:
            of.after_ms = self.now_ms + pause_seconds * 1000
        if first or of.suspended:
            is_due = of.amount > 0 and self.available < of.below
            following = "suspended" if of.suspended else "retry" if is_due else "none"
            self.tell_of_recharge(
                "recharge_failed",
                key=claim.key,
                reason=reason,
                micros=claim.micros,
                next=following,
                after=of.after_ms if following == "retry" else 0,
                declined=claim.declined,
            )

    def flag(
        self,
        payment: str,
        key: str,
        reason: str,
        micros: int,
        *,
        currency: str,
        asked: int | str = "",
    ) -> None:
        """Tell an admin once, for each payment, reason and amount, and keep what is not booked."""
        if (payment, reason, micros) in self.flagged:
            return
        self.flagged.add((payment, reason, micros))
        self.tell(
            "payment_flagged",
            payment=payment,
            key=key,
            reason=reason,
            micros=micros,
            currency=currency,
            asked=asked,
        )
        if reason in UNBOOKED:
            self.unbooked[payment] = Unbooked(payment, key, micros, currency, reason)

    def close(self, needed: int = 0, *, lifted: bool = False) -> None:
        """End an operation: do what follows from any of them."""
        self.lapsed = 0
        self.repay()
        self.retire()
        self.claim_recharge()
        self.watch(needed, lifted=lifted)

    def statement(self) -> Statement:
        return Statement(
            now_ms=self.now_ms,
            account=self.name,
            currency=self.currency,
            granted=self.sum("granted"),
            available=self.available,
            held=self.sum("held"),
            spent=self.sum("spent"),
            expired=self.sum("expired"),
            reversed=self.sum("reversed"),
            overdraft=self.overdraft,
            low_below=self.low_below,
            low_percent=self.low_percent,
            recharge=self.recharges.seen(self.now_ms, self.available),
            recipients=self.recipients,
            party=self.party.seen(len(self.live)),
            lots=tuple(self.dated()),
            overdrawn=self.lots[OVERDRAFT],
            retired=self.lots[RETIRED],
        )

    def seen_users(self) -> dict[str, outcomes.Party]:
        return {name: party.seen(self.calls(name)) for name, party in self.users.items()}

    def facts(self, user: str) -> Facts:
        return Facts(
            now_ms=self.now_ms,
            account=self.name,
            currency=self.currency,
            available=self.available,
            overdraft=self.overdraft,
            party=self.party.seen(len(self.live)),
            user=self.seen_users().get(user),
            licences=licences(self.users.values()),
        )
