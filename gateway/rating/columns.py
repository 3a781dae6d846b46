"""The columns of a rate card: how each is written, and what it says where it is empty or absent."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from sys import intern
from typing import Any

from gateway import names
from gateway.money import MICROS_PER_UNIT
from gateway.rating.price import CALL_SECONDS_MAX, PICOS_PER_MICRO
from gateway.rating.week import zone

FOREVER_MS = 2**52
"""When a row ends that does not end."""

PREFIX = re.compile(r"[1-9][0-9]{0,14}")
"""The first digits of a number in E.164, without ``+``."""

_MONEY = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,12})?")
_SECONDS = re.compile(r"[0-9]{1,5}")
_PICOS_PER_UNIT = MICROS_PER_UNIT * PICOS_PER_MICRO


class Direction(StrEnum):
    """Which leg a row prices: one that is called, or toll-free dial-in that is paid here."""

    OUTBOUND = "outbound"
    INBOUND = "inbound"


@dataclass(frozen=True, slots=True)
class Column:
    """A column: ``read`` raises ValueError that says what a cell must be.

    It may be absent if it has a default, and an empty cell is the default.
    """

    read: Callable[[str], Any]
    default: str | None = None


def _prefix(text: str) -> str:
    if not PREFIX.fullmatch(text):
        raise ValueError("must be 1 to 15 digits that do not start with 0")
    return text


def _destination(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return intern(text.strip())


def picos(text: str) -> int:
    """Read an amount of units as pico-units."""
    if not _MONEY.fullmatch(text):
        raise ValueError("must be a decimal that is not negative, as 123456.123456789012 at most")
    return int(Decimal(text) * _PICOS_PER_UNIT)


def format_picos(amount: int) -> str:
    """Write pico-units as a decimal of units, with no more places than it needs."""
    whole, rest = divmod(amount, _PICOS_PER_UNIT)
    return f"{whole}.{rest:012d}".rstrip("0").removesuffix(".")


def _picos_if_any(text: str) -> int | None:
    return picos(text) if text else None


def _seconds(least: int) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not _SECONDS.fullmatch(text) or not least <= int(text) <= CALL_SECONDS_MAX:
            raise ValueError(f"must be whole seconds, {least} to {CALL_SECONDS_MAX}")
        return int(text)

    return read


def _currency(text: str) -> str:
    if not names.CURRENCY.fullmatch(text):
        raise ValueError("must be a code of three capitals (ISO 4217)")
    return intern(text)


def _direction(text: str) -> Direction:
    if text not in set(Direction):
        raise ValueError("must be outbound or inbound")
    return Direction(text)


def _total(text: str) -> bool:
    if text not in ("each", "total"):
        raise ValueError("must be each or total")
    return text == "total"


def read_time_zone(text: str) -> str:
    """Read the name of a zone (IANA). Raises ValueError."""
    return zone(text).key


COLUMNS: Mapping[str, Column] = {
    "prefix": Column(_prefix),
    "destination": Column(_destination),
    "direction": Column(_direction, "outbound"),
    "rate_per_minute": Column(picos),
    "connection_fee": Column(picos, "0"),
    "initial_seconds": Column(_seconds(1), "1"),
    "increment_seconds": Column(_seconds(1), "1"),
    "first_rate_per_minute": Column(_picos_if_any, ""),
    "minimum_charge": Column(picos, "0"),
    "maximum_charge": Column(_picos_if_any, ""),
    "grace_seconds": Column(_seconds(0), "0"),
    "increments": Column(_total, "each"),
    "effective_from": Column(str, ""),
    "effective_until": Column(str, ""),
    "days": Column(str, ""),
    "hours": Column(str, ""),
    "timezone": Column(read_time_zone, "UTC"),
    "currency": Column(_currency),
}


@lru_cache(maxsize=256)
def moment_ms(text: str, time_zone: str, otherwise_ms: int) -> int:
    """Read an ISO 8601 date or time as epoch ms: in this zone, if it names none.

    Raises ValueError for anything else.
    """
    if not text:
        return otherwise_ms
    try:
        at = datetime.fromisoformat(text)
        at = at if at.tzinfo else at.replace(tzinfo=zone(time_zone))
        return int(at.timestamp() * 1000)
    except (ValueError, OverflowError) as error:
        message = "must be a date or time such as 2027-01-31 or 2027-01-31T12:00Z"
        raise ValueError(message) from error
