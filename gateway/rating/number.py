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
# A premium number that lacks more of its digits reaches nobody.
_UNFINISHED_DIGITS_MAX = 5
# With more digits behind it, it is no short number that was dialed.
_SURPLUS_DIGITS_MAX = 3


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
    if line := help_line(dialed, country):
        return line
    parsed = _parsed(dialed, country)
    prefixes = international if country else (*international, "00")
    prefix = max((one for one in prefixes if dialed.startswith(one)), key=len, default="")
    if prefix and not (parsed and phonenumbers.is_valid_number(parsed)):
        parsed = _parsed("+" + dialed.removeprefix(prefix), country)
    return _number(parsed, dialed, country) if parsed else None


def help_line(dialed: str, country: str = "") -> Number | None:
    """Read an emergency number: one of everywhere, or one of a country if that is known."""
    # Also with what some phones put before it: +112, and 0112 for those who get a line by 0.
    for text in (dialed, dialed.lstrip("+0")):
        if text in UNIVERSAL_EMERGENCY or (
            country and short_numbers.is_emergency_number(text, country)
        ):
            return Number(text, Kind.EMERGENCY, country)
    return None


def _parsed(text: str, country: str) -> PhoneNumber | None:
    try:
        return phonenumbers.parse(text, country or None)
    except NumberParseException:
        return None


def _number(parsed: PhoneNumber, dialed: str, caller: str) -> Number | None:
    """Say what was read; nothing if it is too long or too short for any number.

    A length that is right is enough: plans know new ranges late, and the card has the price.
    """
    text = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    # A number that several countries share, such as +1 800, is the caller's if his is one of them.
    own = bool(caller) and phonenumbers.is_valid_number_for_region(parsed, caller)
    country = caller if own else phonenumbers.region_code_for_number(parsed) or ""
    if not country.isalpha():
        country = ""  # of more than one country, such as +800 and +881, is "001"
    if phonenumbers.is_valid_number(parsed):
        kind = _KINDS.get(phonenumbers.number_type(parsed), Kind.OTHER)
        return Number(text, kind, country)
    kind = _kind_of_unknown(parsed)
    if kind is Kind.SHORT:
        home = phonenumbers.region_code_for_country_code(parsed.country_code or 0)
        return Number(dialed, kind, home)
    possible = phonenumbers.is_possible_number_with_reason(parsed) == ValidationResult.IS_POSSIBLE
    if not possible or parsed.italian_leading_zero or len(text) > _E164_CHARACTERS_MAX:
        return None
    return Number(text, kind, country)


def _kind_of_unknown(parsed: PhoneNumber) -> Kind:
    """Tell the kind of a number that no plan knows: premium and short ones stay what they are.

    Networks overlook digits too many, and a number may have been left unfinished.
    """
    national = phonenumbers.national_significant_number(parsed)
    longer = [national + "1" * more for more in range(1, _UNFINISHED_DIGITS_MAX + 1)]
    shorter = [national[:length] for length in range(len(national) - 1, 3, -1)]
    premium = (
        phonenumbers.number_type(_like(parsed, other)) == PhoneNumberType.PREMIUM_RATE
        for other in (*shorter, *longer)
    )
    if any(premium):
        return Kind.PREMIUM
    least = max(3, len(national) - _SURPLUS_DIGITS_MAX)
    starts = [_like(parsed, national[:length]) for length in range(least, len(national) + 1)]
    home = phonenumbers.region_code_for_country_code(parsed.country_code or 0)
    short = any(
        # Those for messages alone cannot be called.
        short_numbers.is_valid_short_number(start)
        and not short_numbers.is_sms_service_for_region(start, home)
        for start in starts
    )
    return Kind.SHORT if short else Kind.OTHER


def _like(parsed: PhoneNumber, national: str) -> PhoneNumber:
    """Give the number with another national part."""
    return PhoneNumber(country_code=parsed.country_code, national_number=int(national))


def is_country(code: str) -> bool:
    """Tell whether numbers of a country (ISO 3166 alpha-2) are known."""
    return code in phonenumbers.SUPPORTED_REGIONS


def read_country(code: str) -> str:
    """Give a country. Raises ValueError if it is none."""
    if not is_country(code):
        message = "must be a country (ISO 3166 alpha-2)"
        raise ValueError(message)
    return code
