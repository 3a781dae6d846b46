"""Dialed digits to a number that has a country, a kind and, if it is no short one, a price."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberType, ValidationResult
from phonenumbers import shortnumberinfo as short_numbers

# What the dialplan connects for every channel, whatever its country.
UNIVERSAL_EMERGENCY = frozenset({"000", "112", "911", "999"})

_DIALED = re.compile(r"\+?[0-9]{2,30}")
# ITU-T E.164: at most 15 digits.
_E164_CHARACTERS_MAX = 16


class Kind(StrEnum):
    """What sort of number it is.

    Where a country does not tell mobile from fixed, it is fixed, and so are numbers of companies
    and of the Internet. Other are personal numbers, pagers, and ranges that are not known.
    """

    FIXED = "fixed"
    MOBILE = "mobile"
    TOLL_FREE = "toll_free"
    PREMIUM = "premium"
    SHARED_COST = "shared_cost"
    SHORT = "short"
    EMERGENCY = "emergency"
    OTHER = "other"


_KINDS = {
    PhoneNumberType.FIXED_LINE: Kind.FIXED,
    PhoneNumberType.FIXED_LINE_OR_MOBILE: Kind.FIXED,
    PhoneNumberType.VOIP: Kind.FIXED,
    PhoneNumberType.UAN: Kind.FIXED,
    PhoneNumberType.MOBILE: Kind.MOBILE,
    PhoneNumberType.TOLL_FREE: Kind.TOLL_FREE,
    PhoneNumberType.PREMIUM_RATE: Kind.PREMIUM,
    PhoneNumberType.SHARED_COST: Kind.SHARED_COST,
}


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it is called: E.164 with ``+``; a short or emergency one as it was dialed.

    ``country`` is ISO 3166 alpha-2, and empty where no single country has the number: satellites,
    international freephone, ranges that no plan knows.
    """

    text: str
    kind: Kind
    country: str


@lru_cache(maxsize=4096)
def read_number(dialed: str, country: str, international: Sequence[str] = ()) -> Number | None:
    """Read what a caller in ``country`` (empty: not known) dialed; nothing if it is no number.

    As it is dialed in the country; or internationally with ``+``, the prefix that the country has
    (``00`` if it is not known), or one of ``international``, those of the PBX. What is a number in
    the country is none of another, though it begins like a prefix of the PBX.
    """
    if not _DIALED.fullmatch(dialed):
        return None
    if dialed in UNIVERSAL_EMERGENCY or (
        country and short_numbers.is_emergency_number(dialed, country)
    ):
        return Number(dialed, Kind.EMERGENCY, country)
    parsed = _parsed(dialed, country)
    prefixes = international if country else (*international, "00")
    prefix = max((one for one in prefixes if dialed.startswith(one)), key=len, default="")
    if prefix and not (parsed and phonenumbers.is_valid_number(parsed)):
        parsed = _parsed("+" + dialed.removeprefix(prefix), country)
    if parsed is None:
        return None
    # It may have as many digits as a whole number, and be dialed like one.
    valid = phonenumbers.is_valid_number(parsed)
    if not valid and short_numbers.is_valid_short_number(parsed):
        home = phonenumbers.region_code_for_country_code(parsed.country_code or 0)
        return Number(dialed, Kind.SHORT, home)
    return _number(parsed, country)


def _parsed(text: str, country: str) -> PhoneNumber | None:
    try:
        return phonenumbers.parse(text, country or None)
    except NumberParseException:
        return None


def _number(parsed: PhoneNumber, caller: str) -> Number | None:
    text = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    possible = phonenumbers.is_possible_number_with_reason(parsed)
    # A length that is right is enough: plans know new ranges late, and the card has the price.
    if possible != ValidationResult.IS_POSSIBLE or len(text) > _E164_CHARACTERS_MAX:
        return None
    # Networks overlook digits too many: with them, a number is as premium as without.
    known = phonenumbers.PhoneNumber()
    known.merge_from(parsed)
    phonenumbers.truncate_too_long_number(known)
    kind = _KINDS.get(phonenumbers.number_type(known), Kind.OTHER)
    if kind is not Kind.PREMIUM and not phonenumbers.is_valid_number(parsed):
        kind = Kind.OTHER
    # A number that several countries share, such as +1 800, is the caller's if his is one of them.
    own = bool(caller) and phonenumbers.is_valid_number_for_region(parsed, caller)
    country = caller if own else phonenumbers.region_code_for_number(parsed) or ""
    # Of more than one country, such as +800 and +881, is "001".
    return Number(text, kind, country if country.isalpha() else "")


def is_country(code: str) -> bool:
    """Tell whether numbers of a country (ISO 3166 alpha-2) are known."""
    return code in phonenumbers.SUPPORTED_REGIONS


def read_country(code: str) -> str:
    """Give a country. Raises ValueError if it is none."""
    if not is_country(code):
        message = "must be a country (ISO 3166 alpha-2)"
        raise ValueError(message)
    return code
