"""The formats of rate decks, as tables: which columns each has, and what they fill of a card.

The names of columns are those that the programs themselves import and export; they are compared
by their letters and digits, in small letters.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.rating.columns import COLUMNS
from gateway.rating.decks.cells import (
    Manner,
    Said,
    active,
    amount,
    block,
    blocks,
    capitals,
    first_block,
    last_day,
    line,
    minute_of_week,
    moment,
    nothing,
    seconds,
)

PREFIXES = {"prefix", "country_code"}

_BRACKETS = re.compile(r"[(\[].*?[)\]]")
_CURRENCIES = (
    "AED|AUD|BDT|BGN|BRL|CAD|CHF|CLP|CNY|COP|CZK|DKK|EGP|EUR|GBP|HKD|HUF|IDR|ILS|INR|JPY|KES|KRW"
    "|MXN|MYR|NGN|NOK|NZD|PEN|PHP|PKR|PLN|RON|RUB|SAR|SEK|SGD|THB|TRY|TWD|UAH|USD|VND|ZAR"
)
_CURRENCY = re.compile(rf"(?:\bin\s+)?\b({_CURRENCIES})\b")


@dataclass(frozen=True)
class Field:
    """Columns of a card, the names in a deck of the one that fills them, and how it is read.

    ``country_code`` goes before each prefix; ``week_begin`` and ``week_end`` are minutes of the
    week, the last one included.
    """

    fills: tuple[str, ...]
    names: tuple[str, ...]
    read: Callable[[str, Manner], Said]


@dataclass(frozen=True)
class Format:
    """A format: a deck is of it if its header has all names of one of ``signs``.

    ``says`` is what goes without saying in it, ``order`` that of its columns where no header is.
    """

    name: str
    signs: tuple[frozenset[str], ...]
    fields: tuple[Field, ...]
    says: Mapping[str, str] = field(default_factory=dict)
    order: tuple[str, ...] = ()


def key(column: str) -> str:
    """Give the name of a column as formats compare it: ``Cost / Min (USD)`` is ``costmin``."""
    bare = _CURRENCY.sub(" ", _BRACKETS.sub(" ", column))
    return "".join(one for one in bare.lower() if one.isalnum())


def currency_of(column: str) -> str:
    """Give the currency that stands in the name of a column, or nothing."""
    match = _CURRENCY.search(column)
    return match[1] if match else ""


def recognised(header: Sequence[str]) -> Format | None:
    """Tell which format a header is of."""
    # The names of our own columns are like those of others, but for the underlines.
    if all(column in COLUMNS for column in header) and "currency" in header:
        return COINBOX
    keys = {key(column) for column in header}
    for one in FORMATS.values():
        if any(sign <= keys for sign in one.signs):
            return one
    known = {column for one in CARRIER.fields if keys & set(one.names) for column in one.fills}
    return CARRIER if known & PREFIXES and "rate_per_minute" in known else None


def _one(column: str, names: str, read: Callable[[str, Manner], Said]) -> Field:
    return Field((column,), tuple(names.split()), read)


def _money(column: str, names: str) -> Field:
    return Field((column, "currency"), tuple(names.split()), amount)


def _none(names: str, read: Callable[[str, Manner], Said] = nothing) -> tuple[Field, ...]:
    """Make a field of each of the names, which fill nothing."""
    return tuple(Field((), (one,), read) for one in names.split())


COINBOX = Format(
    "coinbox",
    signs=(),
    fields=tuple(_one(column, key(column), line) for column in COLUMNS),
)

# Both round the whole of a call up to blocks, once it is longer than the first.
_IN_TOTAL = {"increments": "total"}

A2BILLING = Format(
    "a2billing",
    signs=(frozenset({"dialprefix", "rateinitial"}), frozenset({"prefix", "rateinitial"})),
    fields=(
        _one("prefix", "dialprefix prefix", line),
        _one("destination", "destination", line),
        _money("rate_per_minute", "rateinitial"),
        _money("connection_fee", "connectcharge"),
        _money("minimum_charge", "minimalcost"),
        _one("initial_seconds", "initblock", first_block),
        _one("increment_seconds", "billingblock", block),
        _one("effective_from", "startdate", moment),
        _one("effective_until", "stopdate", moment),
        _one("week_begin", "starttime", minute_of_week),
        _one("week_end", "endtime", minute_of_week),
        *_none("disconnectcharge chargea additionalgrace roundingcalltime additionalblockcharge"),
    ),
    says=_IN_TOTAL,
    order=("dialprefix", "destination", "rateinitial"),
)

MAGNUSBILLING = Format(
    "magnusbilling",
    signs=(frozenset({"rateinitial", "minimaltimecharge"}),),
    fields=(
        _one("prefix", "dialprefix prefix", line),
        _one("destination", "destination", line),
        _money("rate_per_minute", "rateinitial"),
        _money("connection_fee", "connectcharge"),
        _one("initial_seconds", "initblock", block),
        _one("increment_seconds", "billingblock", block),
        _one("grace_seconds", "minimaltimecharge", seconds),
        *_none("disconnectcharge additionalgrace"),
    ),
    says=_IN_TOTAL,
    order=(
        "dialprefix",
        "destination",
        "rateinitial",
        "initblock",
        "billingblock",
        "minimal_time_charge",
        "connectcharge",
        "disconnectcharge",
    ),
)

ASTPP = Format(
    "astpp",
    signs=(
        frozenset({"code", "perminutecost", "connectcost"}),
        frozenset({"code", "costmin", "connectioncost"}),
    ),
    fields=(
        _one("prefix", "code", line),
        _one("destination", "destination", line),
        _money("rate_per_minute", "perminutecost costmin"),
        _money("connection_fee", "connectcost connectioncost"),
        _one("initial_seconds", "initialincrement", block),
        _one("increment_seconds", "increment", block),
        # Seconds that it leaves out of every call, also of a longer one.
        *_none("includedseconds gracetime"),
        *_none("status", active),
    ),
)

CARRIER = Format(
    "carrier",
    signs=(),
    fields=(
        _one(
            "prefix",
            "prefix prefixes code codes dialcode dialcodes dialingcode dialprefix dialingprefix"
            " destinationcode areacode areacodes citycode citycodes npanxx digits",
            line,
        ),
        _one("country_code", "countrycode cc countrydialcode", line),
        _one(
            "destination",
            "destination destinationname description destinationdescription name areaname zone"
            " breakout location country countryname ratename",
            line,
        ),
        _money(
            "rate_per_minute",
            "rate rates rateperminute ratepermin rateminute ratemin price priceperminute"
            " pricepermin priceminute pricemin cost costperminute costpermin costminute costmin"
            " perminute permin perminutecost perminuterate minuterate callrate newrate ratevalue"
            " sellrate sellingrate ratecost",
        ),
        _money(
            "connection_fee",
            "connectionfee connectfee connectioncharge connectcharge connectioncost connectcost"
            " setupfee setupcharge callsetup callsetupfee surcharge ratesurcharge ratecall",
        ),
        _money("minimum_charge", "minimumcharge mincharge"),
        Field(
            ("initial_seconds", "increment_seconds"),
            (
                "increment",
                "increments",
                "billingincrement",
                "billingincrements",
                "rateincrement",
                "billing",
                "billinginterval",
                "billingblock",
                "interval",
                "intervals",
                "rounding",
                "pulse",
            ),
            blocks,
        ),
        _one(
            "initial_seconds",
            "minduration minimumduration minimalduration initialincrement initialinterval"
            " initialduration firstincrement firstinterval mininterval mininc minimumtime initblock"
            " interval1 rateminimum",
            first_block,
        ),
        _one(
            "increment_seconds",
            "nextincrement nextinterval subsequentincrement additionalincrement addinc intervaln",
            block,
        ),
        _one(
            "effective_from",
            "effectivedate effective effectivefrom effectivestart effdate startdate validfrom"
            " activationdate datefrom begindate",
            moment,
        ),
        _one(
            "effective_until",
            "enddate expirationdate expirydate expiredate expires effectiveuntil effectivetill"
            " validto validuntil validtill dateto",
            last_day,
        ),
        _one("direction", "direction", line),
        _one("currency", "currency currencycode", capitals),
        # How long is free differs from one to the other, by a second or by all of it.
        *_none("grace gracetime graceperiod freeseconds includedseconds"),
    ),
)

FORMATS: Mapping[str, Format] = {
    one.name: one for one in (COINBOX, MAGNUSBILLING, A2BILLING, ASTPP, CARRIER)
}
