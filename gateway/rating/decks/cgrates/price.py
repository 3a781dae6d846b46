"""What a rate of CGRateS costs, as cells of a rate card."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from gateway.rating.columns import COLUMNS
from gateway.rating.decks.cells import Manner, amount
from gateway.rating.decks.cgrates.files import Line, read_block, read_length


def price_of(rate: Sequence[Line], manner: Manner) -> Mapping[str, str]:
    """Write the price of a rate: of one interval, or of a first block and what follows it.

    Raises BadInputError for more than that.
    """
    first, *others = sorted(rate, key=lambda line: line.read("start", read_length))
    if first.read("start", read_length):
        raise first.bad("start", "must be 0s for the first interval of a rate")
    block = first.read("increment", read_block)
    cells = {
        **money(first, "fee", "connection_fee", manner),
        **_per_minute(first, "rate_per_minute", manner),
        "initial_seconds": str(block),
        "increment_seconds": str(block),
    }
    return cells if not others else {**cells, **_two_prices(first, others, manner)}


def _two_prices(first: Line, others: Sequence[Line], manner: Manner) -> Mapping[str, str]:
    """Write what differs once a first block is over."""
    second, *more = others
    if more:
        raise more[0].bad("start", "must not be: a rate card has two prices of a call at most")
    if second.read("start", read_length) != first.read("increment", read_block):
        raise second.bad("start", "must be the increment of the interval before, which is a block")
    sooner = _per_minute(first, "first_rate_per_minute", manner)
    later = _per_minute(second, "rate_per_minute", manner)
    if sooner["first_rate_per_minute"] == later["rate_per_minute"]:
        sooner = {}
    return {**sooner, **later, "increment_seconds": str(second.read("increment", read_block))}


def maximum_of(line: Line, manner: Manner) -> Mapping[str, str]:
    """Write the most that a call costs, if there is one."""
    cells = money(line, "max_cost", "maximum_charge", manner)
    if cells.get("maximum_charge", "0") == "0":
        return {}
    if line.cells.get("strategy") != "*free":
        raise line.bad("strategy", "must be *free: no call is cut at a price")
    return cells


def money(line: Line, name: str, column: str, manner: Manner) -> Mapping[str, str]:
    """Write an amount of money, and its currency if the cell has one; an empty one says nothing."""

    def read(text: str) -> Mapping[str, str]:
        if not text:
            return {}
        number, currency = amount(text, manner)
        COLUMNS[column].read(number)
        return {column: number, **({"currency": currency} if currency else {})}

    return line.read(name, read)


def _per_minute(line: Line, column: str, manner: Manner) -> Mapping[str, str]:
    """Write what a minute costs, where the rate may be that of another unit."""
    cells = money(line, "rate", column, manner)
    if column not in cells:
        raise line.bad("rate", "must not be empty")
    rate, unit = Decimal(cells[column]), line.read("unit", read_length)
    if rate and not unit:
        raise line.bad("unit", "must be a length such as 60s")
    minute = f"{(rate * 60 / unit if unit else rate).normalize():f}"

    def check(_: str) -> str:
        COLUMNS[column].read(minute)
        return minute

    return {**cells, column: line.read("rate", check)}
