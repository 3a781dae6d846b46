"""What a decision costs on a large deck, beside a bare loop that only looks for the prefix."""

import random
import time
import tracemalloc
from collections.abc import Callable, Mapping
from statistics import median

from rich.console import Console
from rich.table import Table

from gateway.rating.case import CallType, Facts, Rules, dialed_number, open_case
from gateway.rating.decision import decide
from gateway.rating.number import read_number
from gateway.rating.ratecard import RateCard, read_cards
from tests.unit.cases import plans
from tests.unit.rates import HEADER, NOW_MS

PREFIXES = 250_000
CALLS = 20_000
ROUNDS = 5
# Countries with numbers of many lengths; what follows is drawn.
COUNTRIES = ("49", "44", "33", "1", "55", "86", "91", "7", "234", "263", "39", "61", "81", "52")
MONEY = 10**12


def deck(draw: random.Random) -> list[str]:
    """Draw prefixes as a carrier has them: most are of four to eight digits."""
    prefixes = set(COUNTRIES)
    while len(prefixes) < PREFIXES:
        digits = draw.choices("0123456789", k=draw.randint(2, 7))
        prefixes.add(draw.choice(COUNTRIES) + "".join(digits))
    return sorted(prefixes)


def numbers(draw: random.Random) -> list[str]:
    """Draw numbers that can be dialed."""
    found: list[str] = []
    while len(found) < CALLS:
        digits = draw.choices("0123456789", k=draw.randint(8, 10))
        dialed = f"+{draw.choice(COUNTRIES)}{draw.randint(2, 9)}{''.join(digits)}"
        if read_number(dialed, "DE"):
            found.append(dialed)
    return found


def longest(rates: Mapping[str, float], number: str) -> float | None:
    """Give the limit: look for the longest prefix, and nothing more."""
    for length in range(len(number), 0, -1):
        if (rate := rates.get(number[:length])) is not None:
            return rate
    return None


def report(out: Console) -> None:
    draw = random.Random(1)  # noqa: S311 - no secret
    prefixes = deck(draw)
    rows = [
        f"{prefix},Destination {number % 3000},{(number % 997) / 1000},0,{number % 60 + 1},1,USD"
        for number, prefix in enumerate(prefixes)
    ]
    text = "\n".join([HEADER, *rows, ""])
    dialed = numbers(draw)
    _report_loading(out, text)
    _report_decisions(out, read_cards(("deck.csv", text)), dialed)


def _plain(text: str) -> dict[str, float]:
    cells = (row.split(",") for row in text.splitlines()[1:])
    return {row[0]: float(row[2]) for row in cells}


def _report_loading(out: Console, text: str) -> None:
    table = Table(f"a deck of {PREFIXES} prefixes", "seconds to load", "MB")
    for name, load in (
        ("plain dict", _plain),
        ("rate card", lambda text: read_cards(("deck.csv", text))),
    ):
        seconds = _seconds(lambda load=load: load(text))  # type: ignore[misc]
        tracemalloc.start()
        loaded = load(text)
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        del loaded
        table.add_row(name, f"{seconds:.2f}", f"{size / 1e6:.0f}")
    out.print(table)


def _report_decisions(out: Console, cards: RateCard, dialed: list[str]) -> None:
    plain = {prefix: 1.0 for table in cards.tables.values() for prefix in table}
    rules = Rules(cards, plans())
    members = {"plans": "domestic,credits", "country": "DE"}
    facts = Facts(NOW_MS, "USD", MONEY, {}, 0, "ana", members, {("DE", "domestic,credits"): 50})

    def lookup(number: str) -> object:
        return longest(plain, number[1:])

    def decision(dialed: str) -> object:
        number = dialed_number(rules, CallType.USER_OUT, dialed, members)
        assert number
        return decide(open_case(rules, CallType.USER_OUT, number, facts), {})

    def kind(number: str) -> object:
        return read_number.__wrapped__(number, "DE")

    table = Table("a call", "a second", "against the plain dict")
    limit = 0.0
    for name, ask in (
        ("longest prefix of a plain dict", lookup),
        ("number, country and kind (phonenumbers)", kind),
        ("decision, with all that it rests on", decision),
    ):
        read_number.cache_clear()
        rate = CALLS / _seconds(lambda ask=ask: [ask(number) for number in dialed])  # type: ignore[misc]
        limit = limit or rate
        table.add_row(name, f"{rate:.0f}", f"{rate / limit:.3f}")
    out.print(table)


def _seconds(work: Callable[[], object]) -> float:
    """Give the median time of some rounds."""
    times = []
    for _ in range(ROUNDS):
        read_number.cache_clear()
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return median(times)
