"""How the cells of rate decks are read: as the text that the cells of a rate card have."""

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum


class Decimals(StrEnum):
    """What stands before decimals."""

    POINT = "."
    COMMA = ","


class Dates(StrEnum):
    """In which order a date has day, month and year."""

    DMY = "dmy"
    MDY = "mdy"


_AMOUNT = re.compile(r"([^0-9.,'\s-]*)\s*(-?[0-9][0-9.,'\s]*|-?[.,][0-9]+)\s*([^0-9.,'\s]*)")
# An apostrophe is for thousands however decimals are written.
_THOUSANDS_OF = {None: "'", Decimals.POINT: ",", Decimals.COMMA: "."}
_THOUSANDS = re.compile(r"['\s]|[.,].*[.,]")
_UNCLEAR_COMMA = re.compile(r"[1-9]\d{0,2},\d{3}", re.ASCII)
_CODE = re.compile(r"[A-Za-z]{3}")
# A sign that several currencies have says nothing: another cell or the caller does.
_SIGNS = {"": "", "$": "", "¥": "", "US$": "USD", "€": "EUR", "£": "GBP", "₹": "INR", "₽": "RUB"}

_SECONDS = re.compile(r"(\d{1,6})\s*(?:s|sec|secs|seconds)?", re.ASCII | re.IGNORECASE)
_PAIR = re.compile(r"(\d{1,6})\s*[/+:-]\s*(\d{1,6})", re.ASCII)
_NOTHING = re.compile(r"-|0*(?:[.,]0*)?")

_NO_DATE = re.compile(r"0|-|0000-00-00.*")
_MIDNIGHT = re.compile(r"T00:00(?::00)?$")
_ISO = re.compile(
    r"(\d{4})[/-](\d\d)[/-](\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?(?:Z|[+-]\d\d:\d\d)?))?", re.ASCII
)
_DATE = re.compile(r"(\d\d?)([./-])(\d\d?)\2(\d{4})(?: (\d\d:\d\d(?::\d\d)?))?", re.ASCII)
_MONTHS = 12


@dataclass(frozen=True, slots=True)
class Manner:
    """How a deck writes what can be read in two ways. None: only what is clear is read."""

    decimals: Decimals | None = None
    dates: Dates | None = None


Said = tuple[str, ...]
"""What a cell says: a text for each of the columns that it fills; an empty one says nothing."""


def capitals(text: str, _: Manner) -> Said:
    """Read a code in capitals."""
    return (text.upper(),)


def line(text: str, _: Manner) -> Said:
    """Read a text as one line of what can be printed."""
    if text.isprintable() and "  " not in text:
        return (text,)
    return (" ".join("".join(one if one.isprintable() else " " for one in text).split()),)


def amount(text: str, manner: Manner) -> Said:
    """Read an amount of money, and its currency if the cell has one."""
    match = _AMOUNT.fullmatch(text)
    before, number, after = match.groups() if match else ("?", "", "")
    sign = before or after
    currency = sign.upper() if _CODE.fullmatch(sign) else _SIGNS.get(sign)
    if currency is None or (before and after):
        raise ValueError("must be an amount such as 0.0125 or USD 0.0125")
    return _plain(number.strip(), manner), currency


def _plain(number: str, manner: Manner) -> str:
    """Write a number with a point, and without the zeros that say nothing."""
    if _THOUSANDS_OF[manner.decimals] in number or _THOUSANDS.search(number):
        raise ValueError("must not have a thousands separator")
    if not manner.decimals and _UNCLEAR_COMMA.fullmatch(number):
        raise ValueError("has a comma before thousands or before decimals: say which by --decimal")
    whole, _, decimals = number.replace(",", ".").partition(".")
    decimals = decimals.rstrip("0")
    return f"{whole or 0}.{decimals}" if decimals else whole or "0"


def nothing(text: str, _: Manner) -> Said:
    """Refuse a part of a price that no rate card has."""
    if not _NOTHING.fullmatch(text):
        raise ValueError("must be 0 or empty: a rate card has no such part of a price")
    return ()


def active(text: str, _: Manner) -> Said:
    """Refuse a row that is not in use."""
    if text.lower() != "active":
        raise ValueError("must be Active: take a row that is not out of the deck")
    return ()


def seconds(text: str, _: Manner) -> Said:
    """Read whole seconds."""
    match = _SECONDS.fullmatch(text)
    if not match:
        raise ValueError("must be whole seconds")
    return (str(int(match[1])),)


def block(text: str, manner: Manner) -> Said:
    """Read the length of a block, where 0 is a second."""
    return ("1",) if _is_zero(text) else seconds(text, manner)


def first_block(text: str, manner: Manner) -> Said:
    """Read the length of the first block, where 0 is that of the others."""
    return ("",) if _is_zero(text) else seconds(text, manner)


def _is_zero(text: str) -> bool:
    return not text.strip("0")


def blocks(text: str, manner: Manner) -> Said:
    """Read the first block and the others, such as ``30/6``, or only the others, such as ``6``."""
    match = _PAIR.fullmatch(text)
    if not match:
        return ("", *block(text, manner))
    return first_block(match[1], manner) + block(match[2], manner)


def minute_of_week(text: str, _: Manner) -> Said:
    """Read a minute, counted from Monday 00:00."""
    if not re.fullmatch(r"\d{1,5}", text, re.ASCII) or int(text) >= 7 * 24 * 60:
        raise ValueError("must be a minute of the week, 0 to 10079")
    return (text,)


def moment(text: str, manner: Manner) -> Said:
    """Read a date, or a date and time, as ISO 8601 has it."""
    if _NO_DATE.fullmatch(text):
        return ("",)
    written = _iso(text, manner)
    try:
        datetime.fromisoformat(written)
    except ValueError as error:
        raise ValueError("must be a date such as 2027-01-31 or 31.01.2027") from error
    return (_MIDNIGHT.sub("", written),)


def last_day(text: str, manner: Manner) -> Said:
    """Read a date, the whole of which counts, or a date and time."""
    [written] = moment(text, manner)
    if not written or ":" in text:
        return (written,)
    try:
        return ((date.fromisoformat(written) + timedelta(days=1)).isoformat(),)
    except OverflowError as error:
        raise ValueError("must be a date before 9999-12-31") from error


def _iso(text: str, manner: Manner) -> str:
    if match := _ISO.fullmatch(text):
        year, month, day, time = match.groups()
    elif match := _DATE.fullmatch(text):
        first, by, second, year, time = match.groups()
        day, month = _day_and_month(
            int(first), int(second), Dates.DMY if by == "." else manner.dates
        )
    else:
        return ""
    return f"{year}-{month:>02}-{day:>02}" + (f"T{time}" if time else "")


def _day_and_month(first: int, second: int, dates: Dates | None) -> tuple[int, int]:
    """Tell day from month. Raises ValueError where either could be both."""
    if not dates and first != second and max(first, second) <= _MONTHS:
        raise ValueError("has day and month either way round: say which by --dates")
    mdy = dates is Dates.MDY or (not dates and second > _MONTHS)
    return (second, first) if mdy else (first, second)
