"""Calls of all shapes, drawn at random, each with who pays for it.

Each call has a number of its own, by which what its other end saw is found in the journal.
"""

import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from gateway.rating.columns import Direction
from gateway.rating.price import Tariff, price
from gateway.rating.ratecard import read_cards
from tests.lab import sipp
from tests.lab.lab import Lab
from tests.lab.scenes import CARDS
from tests.lab.sipp import Caller, Calls
from tests.lab.steps import Hold, Refer, Resume, Step, Wait

CARD = read_cards(*((file.name, file.read_text()) for file in CARDS.glob("*.csv")))
GERMANY, BRITAIN, ZIMBABWE = "+49301", "+44207", "+26341"
TOLL_FREE = "+1800"
PLENTY = 100 * 10**6
CALLS_AN_ACCOUNT = 8  # of those that share little credit

HUNG_UP_BY_CALLER = "hung up by the caller"
LONG_RING_SECONDS = 4.0


@dataclass
class Wallet:
    """An account, and what it gets before the calls begin."""

    name: str
    micros: int
    numbers: list[str] = field(default_factory=list)


@dataclass
class Planned:
    """A call that is to be made: whom, by whom, and how."""

    shape: str
    wallet: Wallet
    number: str
    make: Callable[[Lab], Awaitable[Calls | None]]


class Planner:
    """Draws calls from a seed."""

    def __init__(self, chance: random.Random, longest_seconds: float) -> None:
        self._chance = chance
        self._longest = longest_seconds
        self._fresh = iter(chance.sample(range(10_000, 100_000), 90_000))
        self._rich = [Wallet(f"rich{place}", PLENTY) for place in range(4)]
        self._none = Wallet("none", 0)
        self._shared: list[Wallet] = []
        self.wallets = [*self._rich, self._none]
        self.shapes = {
            self._hung_up_by_caller: 8,
            self._hung_up_by_far_end: 3,
            self._never_answered: 2,
            self._busy: 1,
            self._cancelled: 2,
            self._early_media: 2,
            self._held: 2,
            self._dialed_in: 2,
            self._dialed_out: 2,
            self._transferred: 3,
            self._forked: 2,
        }

    def calls(self, count: int) -> list[Planned]:
        """Draw calls; the first are one of each shape."""
        shapes = list(self.shapes)
        more = self._chance.choices(shapes, list(self.shapes.values()), k=count - len(shapes))
        self._chance.shuffle(shapes)
        return [draw() for draw in [*shapes, *more]]

    def _wallet(self, number: str) -> Wallet:
        """Choose who pays: much credit, little that is shared, a few seconds' worth, or none."""
        match self._chance.choices(["rich", "shared", "poor", "none"], [55, 20, 17, 8])[0]:
            case "rich":
                return self._chance.choice(self._rich)
            case "shared":
                if not self._shared:
                    credit = worth(GERMANY, self._chance.randint(5, 25))
                    wallet = self._opened(f"shared{len(self.wallets)}", credit)
                    self._shared = [wallet] * CALLS_AN_ACCOUNT
                return self._shared.pop()
            case "poor":
                credit = worth(number, self._chance.randint(1, 10))
                return self._opened(f"poor{len(self.wallets)}", credit)
        return self._none

    def _opened(self, name: str, micros: int) -> Wallet:
        wallet = Wallet(name, micros)
        self.wallets.append(wallet)
        return wallet

    def _number(self, ending: str) -> str:
        prefix = self._chance.choices([GERMANY, BRITAIN, ZIMBABWE], [4, 5, 1])[0]
        return f"{prefix}{next(self._fresh)}{ending}"

    def _seconds(self, least: float = 0.5, most: float | None = None) -> float:
        return self._chance.uniform(least, most or self._longest)

    def _call(
        self,
        shape: str,
        ending: str,
        *steps: Step,
        talk_seconds: float = 0.0,
        patience_seconds: float = 90.0,
    ) -> Planned:
        number = self._number(ending)
        wallet = self._wallet(number)
        caller = Caller(
            wallet.name,
            steps=steps,
            talk_seconds=talk_seconds or self._seconds(),
            patience_seconds=patience_seconds,
        )
        return Planned(shape, wallet, number, lambda lab: lab.call(number, caller))

    def _hung_up_by_caller(self) -> Planned:
        return self._call(HUNG_UP_BY_CALLER, sipp.ANSWERS)

    def _hung_up_by_far_end(self) -> Planned:
        return self._call("hung up by the far end", sipp.HANGS_UP, talk_seconds=2 * self._longest)

    def _never_answered(self) -> Planned:
        patience = self._seconds(1, 5)
        return self._call("never answered", sipp.NEVER_ANSWERS, patience_seconds=patience)

    def _busy(self) -> Planned:
        return self._call("busy", sipp.BUSY)

    def _cancelled(self) -> Planned:
        patience = self._seconds(0.3, LONG_RING_SECONDS - 1)
        return self._call("cancelled", sipp.RINGS_LONG, patience_seconds=patience)

    def _early_media(self) -> Planned:
        return self._call("early media", sipp.EARLY_MEDIA)

    def _held(self) -> Planned:
        if self._chance.random() < 0.5:
            return self._call("held by the far end", sipp.HOLDS)
        steps = Wait(self._seconds(0.2, 3)), Hold(), Wait(self._seconds(0.2, 4)), Resume()
        return self._call("held by the caller", sipp.ANSWERS, *steps)

    def _dialed_in(self) -> Planned:
        number = f"{TOLL_FREE}55{next(self._fresh)}"
        wallet = self._wallet(number)
        wallet.numbers.append(number)
        room = f"room{self._chance.randrange(3)}"
        talk_seconds = self._seconds()
        if self._chance.random() < 0.5:
            caller = Caller("", "", endpoint="pstn", conference=room, talk_seconds=talk_seconds)
        else:
            names = (wallet.name, "alice")
            caller = Caller(*names, endpoint="pstn", phone="answers", talk_seconds=talk_seconds)
        return Planned("dialed in", wallet, number, lambda lab: lab.call(number, caller))

    def _dialed_out(self) -> Planned:
        number = self._number(sipp.HANGS_UP)
        wallet = self._wallet(number)
        if wallet not in self._rich and self._chance.random() < 0.5:
            # Until its credit is used up.
            number = number.removesuffix(sipp.HANGS_UP) + sipp.ANSWERS
        room = f"room{self._chance.randrange(3)}"

        async def make(lab: Lab) -> None:
            await lab.dial_out(number, room=room, account=wallet.name, user="alice")

        return Planned("dialed out", wallet, number, make)

    def _transferred(self) -> Planned:
        to = self._number(sipp.HANGS_UP if self._chance.random() < 0.8 else sipp.BUSY)
        steps = Wait(self._seconds(0.2, 5)), Refer(to)
        return self._call("transferred", sipp.ANSWERS, *steps, talk_seconds=1)

    def _forked(self) -> Planned:
        first, second = self._number(sipp.ANSWERS), self._number(sipp.NEVER_ANSWERS)
        ways = [first, second]
        self._chance.shuffle(ways)
        wallet = self._wallet(first)
        caller = Caller(wallet.name, talk_seconds=self._seconds())
        dialed = f"*9{'*'.join(way.replace('+', '00') for way in ways)}"
        return Planned("forked", wallet, first, lambda lab: lab.call(dialed, caller))


def tariff_of(number: str) -> Tariff:
    direction = Direction.INBOUND if number.startswith(TOLL_FREE) else Direction.OUTBOUND
    tariff = CARD.tariff(direction, "USD", number, time.time_ns() // 10**6)
    assert tariff
    return tariff


def worth(number: str, seconds: int) -> int:
    """Give what so many seconds cost."""
    return price(tariff_of(number), int(time.time()), seconds)
