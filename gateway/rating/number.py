"""Dialed digits to E.164."""

import re

# ITU-T E.164: a country code never starts with 0, and there are at most 15 digits.
_INTERNATIONAL = re.compile(r"(?:\+|00)([1-9][0-9]{6,14})")


def e164(dialed: str) -> str | None:
    """Read a number dialed internationally, ``+`` or ``00`` first, as ``+`` and its digits."""
    match = _INTERNATIONAL.fullmatch(dialed)
    return f"+{match[1]}" if match else None
