import pytest

from gateway.recharge.providers.minor_units import (
    NotInMinorUnitsError,
    from_minor_units,
    to_minor_units,
)

# https://docs.stripe.com/currencies
AMOUNTS = [
    (10_000_000, "USD", 1000),
    (50_250_000, "EUR", 5025),
    (10_000, "USD", 1),
    (10_450_000, "HUF", 1045),
    (10_450_000, "TWD", 1045),
    (500_000_000, "JPY", 500),
    (1_000_000, "VND", 1),
    (1_000_000, "MGA", 1),
    (5_120_000, "KWD", 5120),
    (5_000_000, "ISK", 500),
    (5_000_000, "UGX", 500),
]


@pytest.mark.parametrize(("micros", "currency", "units"), AMOUNTS)
def test_an_amount_is_counted_as_stripe_counts_it(micros: int, currency: str, units: int) -> None:
    assert to_minor_units(micros, currency) == units
    assert from_minor_units(units, currency) == micros


@pytest.mark.parametrize(
    ("micros", "currency"),
    [
        (1, "USD"),
        (10_005_000, "USD"),
        (500_500_000, "JPY"),
        (5_124_000, "KWD"),
        (5_120_500, "KWD"),
        (5_500_000, "ISK"),
        (5_010_000, "UGX"),
    ],
)
def test_an_amount_with_a_fraction_that_its_currency_lacks_is_refused(
    micros: int, currency: str
) -> None:
    with pytest.raises(NotInMinorUnitsError):
        to_minor_units(micros, currency)
