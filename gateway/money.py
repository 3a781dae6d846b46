"""Money as exact integers: micro-units of the account's currency."""

import re

MICROS_PER_UNIT = 1_000_000
# The ledger's scripts count in doubles, which are exact up to 2**53.
# Half of that leaves room for the sum of any two amounts.
AMOUNT_MICROS_MAX = 2**52

_AMOUNT = re.compile(r"([0-9]{1,12})(?:\.([0-9]{1,6}))?")


def parse_amount(text: str) -> int:
    """Read a decimal amount such as ``20`` or ``0.000001`` into micro-units.

    Raises ValueError for a sign, an exponent, more than six decimals, or too large an amount.
    """
    match = _AMOUNT.fullmatch(text)
    if match is None:
        message = f"{text!r} is not an amount: digits, at most six decimals, no sign"
        raise ValueError(message)
    whole, decimals = match.groups(default="")
    micros = int(whole) * MICROS_PER_UNIT + int(decimals.ljust(6, "0"))
    if micros > AMOUNT_MICROS_MAX:
        message = f"{text!r} is larger than {format_amount(AMOUNT_MICROS_MAX)}"
        raise ValueError(message)
    return micros


def parse_positive(text: str) -> int:
    """Read an amount that is more than 0. Raises ValueError, as `parse_amount`."""
    micros = parse_amount(text)
    if micros == 0:
        raise ValueError("must be more than 0")
    return micros


def is_positive(text: str) -> str:
    """Give a text that `parse_positive` reads, as validators want it."""
    parse_positive(text)
    return text


def format_amount(micros: int) -> str:
    """Write micro-units as a decimal with six places."""
    sign = "-" if micros < 0 else ""
    whole, decimals = divmod(abs(micros), MICROS_PER_UNIT)
    return f"{sign}{whole}.{decimals:06d}"
