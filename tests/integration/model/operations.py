"""What may be asked of a ledger in the state that a model is in, and when."""

from calendar import isleap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

from hypothesis import strategies as st

from gateway.ledger.outcomes import NEVER_MS, Hold
from gateway.money import AMOUNT_MICROS_MAX
from gateway.rating.plan import Pool
from gateway.rating.price import Slice
from tests.integration.model.account import DAY_MS, EPOCH, HOUR_MS, WARNED_DAYS, Account
from tests.integration.model.ledger import Model
from tests.integration.model.party import MINUTE_MS

T = TypeVar("T")

OPEN = ("contoso", "fabrikam")
NUMBERS = ("+18005550100", "+18005550101")
# What most of an example is about, and what else it may be about.
OFTEN = (*("grant", "hold", "extend", "settle") * 2, "hold", "void", "reverse")
RECHARGES = (
    *("pay", "fail_recharge", "submit_recharge", "doubt_recharge"),
    *("request_recharge", "suspend_recharge", "resume_recharge", "take_back"),
)
ELSE = (
    "open_account",
    "configure",
    "set_user",
    "expire",
    "flag_payment",
    "dismiss_payment",
    *RECHARGES,
)
AMOUNTS = {
    "overdraft": (100, 50, 10, 0),
    "low_below": (20, 100, 0),
    "recharge_below": (10, 50, 0),
    "recharge_amount": (30, 0),
    "recharge_day_max": (5, 1, 2),
    "recharge_month_max": (0, 30, 60),
    "low_percent": (20, 0, 90),
}
WORDS = {"methods": ("", "one,two", "two", "one,two,three")}
LIMITS = {
    "calls": (2, 1, 3, 0),
    "per_minute": (2, 1, 3, 0),
    "day": (60, 20, 200, 0),
    "month": (100, 30, 300, 0),
}
PROFILE = {"country": ("DE", "US", ""), "plans": ("domestic", "domestic,credits", "")}


@dataclass(frozen=True)
class Operation:
    """One that ledgers and models have both."""

    name: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def on(self, ledger: object) -> Any:  # noqa: ANN401 - as wide as operations are
        return getattr(ledger, self.name)(*self.args, **self.kwargs)

    def again(self) -> "Operation":
        return self

    def elsewhere(self) -> "Operation":
        """Give the same operation, with the same id, on another account."""
        account, *args = self.args
        other = OPEN[account == OPEN[0]]
        return replace(self, args=(other, *args))

    def otherwise(self) -> "Operation":
        """Give another operation with the same id, if it has one."""
        args, kwargs = list(self.args), dict(self.kwargs)
        match self.name:
            case "grant":
                args[2] = args[2] % 100 + 1
            case "settle":
                args[2] ^= 1
            case "reverse":
                args[3] ^= 1
            case "configure":
                kwargs["numbers"] = NUMBERS[: len(kwargs["numbers"]) ^ 1]
            case "set_user":
                kwargs["limits"] = {**kwargs["limits"], "calls": 9}
            case "hold":
                kwargs["rate"] += " of another card"
            case "extend":
                args[3] = [replace(one, micros=one.micros + 1) for one in args[3]]
            case "void":
                kwargs["cause"] += 1
        return Operation(self.name, tuple(args), kwargs)


def operations(model: Model, serial: int, kinds: Sequence[str]) -> st.SearchStrategy[Operation]:
    """Draw one of the kinds; new ids are made from the serial number."""

    def operation(choices: Iterator[int]) -> Operation:
        asked = _Asked(choices, model, serial)
        drawn = getattr(asked, asked.one(*kinds))()
        assert isinstance(drawn, Operation)
        return drawn

    return _CHOICES.map(iter).map(operation)


# The outcome of a race is not the same each time, and changes what can be asked next. How much is
# drawn must not depend on it, or Hypothesis cannot repeat what it drew.
_CHOICES = st.lists(st.integers(0, 2**20), min_size=50, max_size=50)


class _Choices:
    """Values chosen by numbers: those named first by the smallest."""

    def __init__(self, numbers: Iterator[int]) -> None:
        self._numbers = numbers

    def one(self, *values: T) -> T:
        return values[next(self._numbers) % len(values)]

    def up_to(self, most: int) -> int:
        return next(self._numbers) % (most + 1)

    def seldom(self, times: int) -> bool:
        """Choose True once in so many times."""
        return self.up_to(times - 1) == times - 1


class _Asked(_Choices):
    """Chooses each kind of operation; most of what it chooses can be done."""

    def __init__(self, numbers: Iterator[int], model: Model, serial: int) -> None:
        super().__init__(numbers)
        self._model, self._serial = model, serial
        self._account = OPEN[self.seldom(8)]
        if self.seldom(30):
            self._account = "nobody"

    def _part(self, whole: int) -> int:
        """Draw all of it, or some of it; once in a while more than there is."""
        if self.seldom(20):
            return whole + 1
        return self.one(whole, self.up_to(whole), -(-whole // 3))

    def _new(self, kind: str) -> str:
        return f"{kind}-{self._serial + self.seldom(4)}"

    def _due(self) -> str:
        """Give the key of the recharge that is under way."""
        claim = self._of().recharges.claim
        return claim.key if claim else ""

    def _key(self) -> str:
        """Give that, or the key of one that has failed, or of none."""
        failed = [key for of, key in self._model.failed if of == self._account]
        keys = [self._due() or "another", *failed[-1:], "another"]
        return self.one(keys[0], *keys) if self.seldom(2) else keys[0]

    def _of(self) -> Account:
        return self._model.accounts.get(self._account, Account(self._account, "USD"))

    def _currency(self) -> str:
        return "EUR" if self.seldom(20) else "USD"

    def _live(self) -> Hold | None:
        """Pick a live call, of any account."""
        holds = self._model.live_holds()
        return self.one(*holds) if holds else None

    def _slices(self, seconds: int, held: int) -> list[Slice]:
        price = self.one(20, 60, 1, 200, 5, 0)
        lengths = [(60, price), (30, price // 2), (6, price // 10)][: self.one(1, 2, 3)]
        return [Slice(seconds + length, held + micros) for length, micros in lengths]

    def _some(self, settings: Mapping[str, tuple[T, ...]]) -> dict[str, T]:
        return {name: self.one(*values) for name, values in settings.items() if self.seldom(2)}

    def _today(self) -> dict[str, str]:
        """Tell the day and the month, once in a while as a clock does that is late."""
        at = EPOCH + timedelta(milliseconds=self._model.now_ms) - timedelta(days=self.seldom(10))
        return {"day": at.strftime("%Y-%m-%d"), "month": at.strftime("%Y-%m")}

    def _user(self, live: Hold) -> str:
        return "" if self.seldom(20) else live.user

    def _pool(self, name: str) -> Pool:
        """Give the pool of a name, which says when it ends; how large it is may change."""
        return Pool(name, self.one(90, 0, 60, 600), self.one(60, 30), int(name.split("-")[1]))

    def open_account(self) -> Operation:
        return Operation("open_account", (self.one(*OPEN), self._currency()), {})

    def configure(self) -> Operation:
        kwargs = {
            "users": self.one((), ("alice",), ("alice", "bob")),
            "numbers": self.one((), *((number,) for number in NUMBERS)),
            "amounts": self._some(AMOUNTS),
            **self._some(WORDS),
            "limits": self._some(LIMITS),
            "profile": self._some(PROFILE),
        }
        return Operation("configure", (self._account, self._new("configure")), kwargs)

    def set_user(self) -> Operation:
        args = (self._account, self._new("set_user"), self.one("alice", "bob"))
        kwargs = {"limits": self._some(LIMITS), "profile": self._some(PROFILE)}
        return Operation("set_user", args, kwargs)

    def grant(self) -> Operation:
        now, due = self._model.now_ms, self._due()
        reference = due if due and self.seldom(2) else self._new("grant")
        micros = AMOUNT_MICROS_MAX if self.seldom(30) else 1 + self.up_to(99)
        days = self.one(400, 1, 6, 8, 31, 40)
        expires = self.one(None, None, now + days * DAY_MS, NEVER_MS, now + self.one(1, 0))
        kwargs = {"kind": self.one("paid", "bonus"), "expires_ms": expires}
        return Operation("grant", (self._account, reference, micros, self._currency()), kwargs)

    def hold(self) -> Operation:
        ends = milliseconds(next_month(EPOCH + timedelta(milliseconds=self._model.now_ms)))
        prefix = self.one("44", "4420")
        kwargs = {
            "user": "eve" if self.seldom(20) else self.one("alice", "", "alice", "bob"),
            "call_type": "user_out",
            "number": "+442071838750",
            "prefix": prefix,
            "rate": f"the rate of {prefix}",
            "currency": self._currency(),
            **self._today(),
            "seconds_max": 1.0,
            "pool": self._pool(f"domestic-{ends}") if self.seldom(4) else None,
        }
        return Operation("hold", (self._account, self._new("call"), self._slices(0, 0)), kwargs)

    def extend(self) -> Operation:
        live = self._live()
        if live is None:
            return self.hold()
        number = live.extension + self.one(1, 1, 2, 0)
        slices = self._slices(live.granted_seconds - live.pool_seconds, live.held)
        pool = self._pool(live.pool) if live.pool and not self.seldom(20) else None
        kwargs = {"user": self._user(live), "pool": pool, **self._today()}
        return Operation("extend", (live.account, live.call_id, number, slices), kwargs)

    def settle(self) -> Operation:
        live, now = self._live(), self._model.now_ms
        if live is None:
            return self.hold()
        kwargs = {
            "user": self._user(live),
            "seconds": 60,
            "answered_ms": now - 60_000,
            "ended_ms": now,
            "cause": 16,
            "pool": "" if self.seldom(20) else live.pool,
            "pool_seconds": self._part(live.pool_seconds),
        }
        args = (live.account, live.call_id, self._part(live.held))
        return Operation("settle", args, kwargs)

    def void(self) -> Operation:
        live = self._live()
        if live is None:
            return self.hold()
        kwargs = {
            "user": self._user(live),
            "cause": 16,
            "pool": "" if self.seldom(20) else live.pool,
        }
        return Operation("void", (live.account, live.call_id), kwargs)

    def reverse(self) -> Operation:
        payments = self._model.payments(self._account)
        payment = self.one(*payments) if payments and not self.seldom(10) else "nothing"
        micros = self.up_to(59) + 1
        args = (self._account, self._new("reverse"), payment, micros, "refund")
        return Operation("reverse", args, {"at_most": self.one(False, True)})

    def expire(self) -> Operation:
        return Operation("expire", (self._account,), {})

    def fail_recharge(self) -> Operation:
        kwargs = {"pause_seconds": self.one(600, 0), "lasting": self.one(False, True)}
        return Operation("fail_recharge", (self._account, self._key(), "declined"), kwargs)

    def pay(self) -> Operation:
        claim, key = self._of().recharges.claim, self._key()
        micros = claim.micros if claim and not self.seldom(5) else 1 + self.up_to(99)
        payment = self.one("grant-7", f"other-{key}") if self.seldom(5) else f"of-{key}"
        args = (self._account, key, payment, micros, self._currency())
        return Operation("pay", args, {})

    def take_back(self) -> Operation:
        paid = [(key, *of) for (name, key), of in self._model.paid.items() if name == self._account]
        key, payment, micros, currency = self.one(*paid) if paid else ("another", "none", 10, "USD")
        kwargs = {
            "paid": micros,
            "micros": self._part(micros),
            "currency": currency,
            "way": self.one("refunded", "disputed"),
        }
        return Operation("take_back", (self._account, key, payment), kwargs)

    def submit_recharge(self) -> Operation:
        return Operation("submit_recharge", (self._account, self._key()), {})

    def doubt_recharge(self) -> Operation:
        return Operation("doubt_recharge", (self._account, self._key()), {})

    def request_recharge(self) -> Operation:
        args = (self._account, self._new("request"), self.one(30, 50))
        return Operation("request_recharge", args, {})

    def suspend_recharge(self) -> Operation:
        return Operation("suspend_recharge", (self._account,), {})

    def resume_recharge(self) -> Operation:
        return Operation("resume_recharge", (self._account,), {})

    def flag_payment(self) -> Operation:
        reason = self.one("dispute_won", "questioned")
        kwargs = {
            "key": "key",
            "micros": 10,
            "currency": "USD",
            "reason": reason,
            "unbooked": reason == "dispute_won",
        }
        return Operation("flag_payment", (self._account, self.one("one", "other")), kwargs)

    def dismiss_payment(self) -> Operation:
        unbooked = [*self._of().unbooked, "nothing"]
        return Operation("dismiss_payment", (self._account, self.one(*unbooked)), {})


def times(model: Model) -> st.SearchStrategy[int]:
    """Draw a time that lies ahead: when something changes, or just beside that."""

    def time(numbers: Iterator[int]) -> int:
        choose = _Choices(numbers)
        groups = [[edge for edge in edges if edge > model.now_ms] for edges in _edges(model)]
        edge = choose.one(*choose.one(*(edges for edges in groups if edges)))
        return max(model.now_ms + 1, edge + choose.one(0, -1, 1))

    return _CHOICES.map(iter).map(time)


def _edges(model: Model) -> Iterator[list[int]]:
    now, accounts = model.now_ms, model.accounts.values()
    yield [now + later for later in (1, 1000, HOUR_MS)]
    yield [now + later for later in (DAY_MS, 10 * DAY_MS)]
    yield [of.recharges.after_ms for of in accounts]
    yield model.ends_ms()
    yield [pool.forgotten_ms for of in accounts for pool in of.pools.values()]
    dated = [lot for of in accounts for lot in of.dated() if lot.expires_ms < NEVER_MS]
    expiries = sorted(lot.expires_ms for lot in dated)
    yield expiries[:2]
    yield [expires - days * DAY_MS for expires in expiries for days in WARNED_DAYS]
    parties = [party for of in accounts for party in (of.party, *of.users.values())]
    yield [at + MINUTE_MS for party in parties for begun in party.begun.values() for at in begun]
    at = EPOCH + timedelta(milliseconds=now)
    yield [milliseconds(at.replace(hour=0, minute=0, second=0, microsecond=0)) + DAY_MS]
    years = (year for year in range(at.year, at.year + 9) if isleap(year))
    leap_days = (at.replace(year, 2, 29, 0, 0, 0, 0) for year in years)
    next_leap_day = next(day for day in leap_days if day > at)
    for day in (next_month(at), next_leap_day + timedelta(days=1)):
        yield [milliseconds(day - timedelta(days=1)), milliseconds(day)]


def next_month(at: datetime) -> datetime:
    start = at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return (start + timedelta(days=32)).replace(day=1)


def milliseconds(at: datetime) -> int:
    return (at - EPOCH) // timedelta(milliseconds=1)
