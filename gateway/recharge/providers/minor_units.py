"""Amounts as Stripe counts them: whole numbers of a currency's smallest unit.

https://docs.stripe.com/currencies: its list is not that of ISO 4217.
"""

from gateway.money import MICROS_PER_UNIT

_ZERO_DECIMAL = frozenset(
    "BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF".split()  # noqa: SIM905 - as Stripe's page lists them
)
_THREE_DECIMAL = frozenset({"BHD", "JOD", "KWD", "OMR", "TND"})
# Two decimals for Stripe, which must be 00: the currency itself has none any more. UGX is on the
# page's list of zero decimals too, but "to charge 5 UGX, provide an amount value of 500".
_WITHOUT_FRACTIONS = frozenset({"ISK", "UGX"})
# The last of three decimals must be 0.
_THREE_DECIMAL_STEP = 10
_WITHOUT_FRACTIONS_STEP = 100


class NotInMinorUnitsError(ValueError):
    """The amount has a fraction that the currency lacks."""


def to_minor_units(micros: int, currency: str) -> int:
    """Write an amount as Stripe wants it. Raises NotInMinorUnitsError."""
    step = _step(currency)
    units, rest = divmod(micros, _micros_of_one(currency))
    if rest or units % step:
        raise NotInMinorUnitsError(f"{micros} micro-units of {currency}")
    return units


def from_minor_units(units: int, currency: str) -> int:
    """Read an amount that Stripe tells."""
    return units * _micros_of_one(currency)


def _micros_of_one(currency: str) -> int:
    if currency in _ZERO_DECIMAL:
        return MICROS_PER_UNIT
    return MICROS_PER_UNIT // (1000 if currency in _THREE_DECIMAL else 100)


def _step(currency: str) -> int:
    if currency in _THREE_DECIMAL:
        return _THREE_DECIMAL_STEP
    return _WITHOUT_FRACTIONS_STEP if currency in _WITHOUT_FRACTIONS else 1
