import pytest

from gateway.rating.number import e164


@pytest.mark.parametrize(
    ("dialed", "number"),
    [
        ("+442071838750", "+442071838750"),
        ("00442071838750", "+442071838750"),
        ("+1234567", "+1234567"),
        ("+123456789012345", "+123456789012345"),
    ],
)
def test_a_number_dialed_internationally_becomes_e164(dialed: str, number: str) -> None:
    assert e164(dialed) == number


@pytest.mark.parametrize(
    "dialed",
    [
        *("", "+", "00", "442071838750", "02071838750", "+0442071838750", "000442071838750"),
        *("+123456", "+1234567890123456", "+44 2071838750", "+44\n2071838750", "+442071838750\n"),
        *("++442071838750", "+4420718#8750", "+\u0661\u0662\u0663\u0664\u0665\u0666\u0667", "*100"),
    ],
)
def test_what_is_no_international_number_is_refused(dialed: str) -> None:
    assert e164(dialed) is None
